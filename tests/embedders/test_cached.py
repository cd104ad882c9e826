import io
import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from similarity_lab import RelevanceScorer, read_image
from similarity_lab.embedders import CachedEmbedder, embed_all
from similarity_lab.embedders.base import NetworkEmbedder
from similarity_lab.errors import ImageError
from similarity_lab.store import VectorStore


class Counting(NetworkEmbedder):
    """The mean colour; counts the images that it embeds."""

    def __init__(self, name="counting"):
        super().__init__(name, 3, (8, 8), "rgb")
        self.count = 0

    def forward(self, pixels):
        self.count += len(pixels)
        return pixels.mean((1, 2)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    return VectorStore(tmp_path / "store")


@pytest.fixture
def paths(make_image, tmp_path):
    paths = [tmp_path / f"{number:03}.png" for number in range(300)]
    for number, path in enumerate(paths):
        make_image((number % 256, 90, 30), number // 2, size=(6, 5)).save(path)
    return paths


def test_cached_embedder_equals_its_embedder_and_embeds_each_content_once(store, paths, tmp_path):
    inner = Counting()
    (tmp_path / "bad.jpg").write_text("not an image")
    images = [*paths, tmp_path / "bad.jpg", paths[5], tmp_path / "absent.png"]
    embedder = CachedEmbedder(inner, store)
    expected = Counting().embed(images, progress=False)
    for _ in range(2):
        result = embedder.embed(images, progress=False)
        np.testing.assert_array_equal(result.vectors, expected.vectors)
        assert result.kept == expected.kept
        assert result.skipped.equals(expected.skipped)
        assert inner.count == 300
    with pytest.raises(ImageError, match=r"bad\.jpg: unsupported image format"):
        embed_all(embedder, images, progress=False)
    assert embedder.embed([], progress=False).vectors.shape == (0, 3)
    assert (embedder.name, embedder.dimension, embedder.input_size) == ("counting", 3, (8, 8))


def test_cached_embedder_looks_up_content_not_names(store, paths):
    embedder = CachedEmbedder(Counting(), store)
    vectors = embedder.embed(paths[:2], progress=False).vectors
    paths[0].write_bytes(paths[9].read_bytes())  # the same name with other content
    images = [paths[0], paths[1].read_bytes(), paths[9]]
    new_vectors = embedder.embed(images, progress=False).vectors
    np.testing.assert_array_equal(new_vectors[0], new_vectors[2])
    np.testing.assert_array_equal(new_vectors[1], vectors[1])


def test_cached_embedder_keeps_embedders_apart(store, paths):
    CachedEmbedder(Counting(), store).embed(paths[:2], progress=False)
    inner = Counting("other weights")
    CachedEmbedder(inner, store).embed(paths[:2], progress=False)
    assert inner.count == 2


def test_cached_embedder_with_sources_of_every_type(store, paths):
    inner = Counting()
    embedder = CachedEmbedder(inner, store)
    image = Image.open(paths[3])
    sources = [paths[3], str(paths[3]), io.BytesIO(paths[3].read_bytes()), image]
    sources += [np.asarray(image), np.asarray(image) / 255.0]
    vectors = embedder.embed(sources, progress=False).vectors
    np.testing.assert_allclose(vectors, vectors[[0] * 6], atol=1)
    assert inner.count == 4  # the file once, two arrays, the PIL image
    embedder.embed([image, np.asarray(image)], progress=False)
    assert inner.count == 5  # PIL images are not cached


def test_cached_embedder_with_pil_images_of_equal_bytes(store, paths):
    images = [Image.open(paths[3]).convert("P") for _ in range(2)]
    images[1].putpalette(bytes(reversed(images[1].getpalette())))
    assert images[0].tobytes() == images[1].tobytes()
    vectors = CachedEmbedder(Counting(), store).embed(images, progress=False).vectors
    assert np.abs(vectors[0] - vectors[1]).max() > 5


def test_cached_embedder_gets_file_objects(store, paths, per_image):
    class Pillow(per_image):
        def vector(self, image):
            assert image.name in map(str, paths)
            with Image.open(image) as pil_image:
                return np.asarray(pil_image).mean((0, 1))

    vectors = CachedEmbedder(Pillow(), store).embed(paths[:4], progress=False).vectors
    expected = [read_image(path).mean((0, 1)) for path in paths[:4]]
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)


def test_cached_embedder_remembers_answers(store, tmp_path):
    pairs, asked = [("ab" * 32, "cd" * 32), ("ab" * 32, "ef" * 32)], []

    def compute(positions):
        asked.append(positions)
        return [position == 1 for position in positions]

    embedder = CachedEmbedder(Counting(), store)
    assert embedder.answers("copy?", pairs[:1], compute) == [False] and asked == [[0]]
    assert embedder.answers("copy?", pairs, compute) == [False, True] and asked == [[0], [1]]
    again = CachedEmbedder(Counting(), VectorStore(store.folder))
    assert again.answers("copy?", pairs, compute) == [False, True] and len(asked) == 2
    (tmp_path / "file").touch()
    unwritable = CachedEmbedder(Counting(), tmp_path / "file" / "store")
    assert unwritable.answers("copy?", pairs, compute) == [False, True]


def test_cached_embedder_in_memory(paths):
    embedder = CachedEmbedder(Counting())
    vectors = embedder.embed(paths[:5], progress=False).vectors
    np.testing.assert_array_equal(embedder.embed(paths[:5], progress=False).vectors, vectors)
    assert embedder.embedder.count == 5
    copied = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(copied.embed(paths[:5], progress=False).vectors, vectors)
    assert copied.embedder.count == 10  # a copy starts empty


def test_cached_embedder_resumes_an_interrupted_run(store, paths):
    class Interrupted(Counting):
        def forward(self, pixels):
            if self.count >= 150:
                raise KeyboardInterrupt
            return super().forward(pixels)

    with pytest.raises(KeyboardInterrupt):
        CachedEmbedder(Interrupted(), store).embed(paths, progress=False)
    inner = Counting()
    CachedEmbedder(inner, store).embed(paths, progress=False)
    assert inner.count == 300 - 128


def test_cached_embedder_that_falls_back_returns_vectors_of_one_runtime(store, paths):
    class FallingBack(Counting):
        def forward(self, pixels):
            self._name = "fallback"
            return super().forward(pixels) + 1

    CachedEmbedder(Counting(), store).embed(paths[:200], progress=False)
    vectors = CachedEmbedder(FallingBack(), store).embed(paths, progress=False).vectors
    np.testing.assert_allclose(vectors, Counting().embed(paths, progress=False).vectors + 1)
    assert store.embedders() == {"counting": 200, "fallback": 300}


def test_scorer_with_a_store_embeds_each_image_once(store, library, sites, tmp_path):
    def fitted(embedder, **settings):
        scorer = RelevanceScorer("almonds", embedder=embedder, progress=False, **settings)
        return clone(scorer).set_params(embedder=embedder).fit(library)

    inner = Counting()
    scorer = fitted(inner, store=store)
    expected = fitted(Counting()).decide(sites / "nut-shop")
    assert scorer.decide(sites / "nut-shop").images.equals(expected.images)
    count = inner.count
    repeated = fitted(inner, store=str(store.folder)).decide(sites / "nut-shop")
    assert repeated.images.equals(expected.images) and inner.count == count
    scorer.save(tmp_path / "scorer")
    assert str(store.folder) not in (tmp_path / "scorer" / "manifest.json").read_text()
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=inner, store=store, library=library)
    loaded.set_params(progress=False).decide(sites / "nut-shop")
    assert inner.count == count and loaded.store is store


class WithText(Counting):
    """Embeds a text as its length; counts the texts."""

    n_texts = 0

    def embed_text(self, texts):
        self.n_texts += len(texts)
        return np.array([[len(text), 1, 1] for text in texts], np.float32)


def test_cached_embedder_embeds_each_text_once(store, paths):
    inner = WithText("text")
    embedder = CachedEmbedder(inner, store)
    first = embedder.embed_text(["almonds", "杏仁", "almonds"])
    np.testing.assert_array_equal(first, inner.embed_text(["almonds", "杏仁", "almonds"]))
    inner.n_texts = 0
    np.testing.assert_array_equal(CachedEmbedder(inner, store).embed_text(["杏仁"]), first[1:2])
    assert inner.n_texts == 0
    assert embedder.embed_text([]).shape == (0, 3)
    embedder.embed(paths[:2], progress=False)
    assert store.embedders() == {"text text": 2, "text": 2}  # a search of images finds no texts


def test_cached_embedder_has_texts_only_if_its_embedder_has(store):
    assert not hasattr(CachedEmbedder(Counting(), store), "embed_text")
    assert hasattr(CachedEmbedder(WithText("text")), "embed_text")
