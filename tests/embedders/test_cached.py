import io
import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from similarity_lab import RelevanceScorer, read_image
from similarity_lab.embedders import CachedEmbedder, embed_all
from similarity_lab.embedders.base import StreamingEmbedder
from similarity_lab.errors import ImageError
from similarity_lab.store import VectorStore


class Counting(StreamingEmbedder):
    """The mean colour, and how many pictures were really looked at."""

    def __init__(self, name="counting"):
        super().__init__(name, 3, (8, 8), "rgb")
        self.looked_at = 0

    def forward(self, pixels):
        self.looked_at += len(pixels)
        return pixels.mean((1, 2)).astype(np.float32)


@pytest.fixture
def store(tmp_path):
    return VectorStore(tmp_path / "store")


@pytest.fixture
def paths(make_image, tmp_path):
    made = []
    for number in range(300):
        made.append(tmp_path / f"{number:03}.png")
        make_image((number % 256, 90, 30), number // 2, size=(6, 5)).save(made[-1])
    return made


def test_equal_to_the_embedder_and_each_content_once(store, paths, tmp_path):
    bare, inner = Counting(), Counting()
    (tmp_path / "bad.jpg").write_text("no picture")
    images = [*paths, tmp_path / "bad.jpg", paths[5], tmp_path / "absent.png"]
    embedder = CachedEmbedder(inner, store)
    expected = bare.embed(images, progress=False)
    for _ in range(2):
        result = embedder.embed(images, progress=False)
        np.testing.assert_array_equal(result.vectors, expected.vectors)
        assert result.kept == expected.kept
        assert result.skipped.equals(expected.skipped)
        assert inner.looked_at == 300
    with pytest.raises(ImageError, match=r"bad\.jpg: unsupported image format"):
        embed_all(embedder, images, progress=False)
    assert embedder.embed([], progress=False).vectors.shape == (0, 3)
    assert (embedder.name, embedder.dimension, embedder.input_size) == ("counting", 3, (8, 8))


def test_known_by_content_not_by_name(store, paths):
    embedder = CachedEmbedder(Counting(), store)
    before = embedder.embed(paths[:2], progress=False).vectors
    paths[0].write_bytes(paths[9].read_bytes())  # the file changes, its name stays
    after = embedder.embed([paths[0], paths[1].read_bytes(), paths[9]], progress=False).vectors
    np.testing.assert_array_equal(after[0], after[2])
    np.testing.assert_array_equal(after[1], before[1])
    other = CachedEmbedder(Counting("of other weights"), store)
    other.embed(paths[:2], progress=False)
    assert other.embedder.looked_at == 2


def test_every_kind_of_source(store, paths):
    inner = Counting()
    embedder = CachedEmbedder(inner, store)
    picture = Image.open(paths[3])
    sources = [paths[3], str(paths[3]), io.BytesIO(paths[3].read_bytes()), picture]
    sources += [np.asarray(picture), np.asarray(picture) / 255.0]
    vectors = embedder.embed(sources, progress=False).vectors
    np.testing.assert_allclose(vectors, vectors[[0] * 6], atol=1)
    assert inner.looked_at == 4  # the file once, two arrays, the PIL image
    embedder.embed([picture, np.asarray(picture)], progress=False)
    assert inner.looked_at == 5  # PIL images are not kept: bytes would not say all about them
    turned = [picture.convert("P"), picture.convert("P")]
    turned[1].putpalette(bytes(reversed(turned[1].getpalette())))
    seen = embedder.embed(turned, progress=False).vectors
    assert np.abs(seen[0] - seen[1]).max() > 5


def test_cached_embedder_gets_file_objects(store, paths, per_image):
    class Pillow(per_image):
        def vector(self, image):
            assert image.name in map(str, paths)
            with Image.open(image) as opened:
                return np.asarray(opened).mean((0, 1))

    vectors = CachedEmbedder(Pillow(), store).embed(paths[:4], progress=False).vectors
    expected = [read_image(path).mean((0, 1)) for path in paths[:4]]
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)


def test_cached_embedder_in_memory(paths):
    embedder = CachedEmbedder(Counting())
    first = embedder.embed(paths[:5], progress=False).vectors
    np.testing.assert_array_equal(embedder.embed(paths[:5], progress=False).vectors, first)
    assert embedder.embedder.looked_at == 5
    copied = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(copied.embed(paths[:5], progress=False).vectors, first)
    assert copied.embedder.looked_at == 10  # a copy starts empty


def test_an_interrupted_run_goes_on(store, paths):
    class Interrupted(Counting):
        def forward(self, pixels):
            if self.looked_at >= 150:
                raise KeyboardInterrupt
            return super().forward(pixels)

    with pytest.raises(KeyboardInterrupt):
        CachedEmbedder(Interrupted(), store).embed(paths, progress=False)
    rest = Counting()
    CachedEmbedder(rest, store).embed(paths, progress=False)
    assert rest.looked_at == 300 - 128


def test_an_embedder_that_turns_out_to_be_another(store, paths):
    """What is known under its first name must not stand among what it makes."""

    class Falling(Counting):
        def forward(self, pixels):
            self.name = "what really computes"
            return super().forward(pixels) + 1

    CachedEmbedder(Counting(), store).embed(paths[:200], progress=False)
    vectors = CachedEmbedder(Falling(), store).embed(paths, progress=False).vectors
    np.testing.assert_allclose(vectors, Counting().embed(paths, progress=False).vectors + 1)
    assert store.embedders() == {"counting": 200, "what really computes": 300}


def test_scorers_look_up_what_they_know(store, library, sites, tmp_path):
    def scored(embedder, **more):
        scorer = RelevanceScorer("almonds", embedder=embedder, progress=False, **more)
        return clone(scorer).set_params(embedder=embedder).fit(library)

    plain, inner = scored(Counting()), Counting()
    first = scored(inner, store=store)
    expected = plain.decide(sites / "nut-shop")
    assert first.decide(sites / "nut-shop").images.equals(expected.images)
    made = inner.looked_at
    again = scored(inner, store=str(store.folder)).decide(sites / "nut-shop")
    assert again.images.equals(expected.images) and inner.looked_at == made
    first.save(tmp_path / "scorer")
    assert str(store.folder) not in (tmp_path / "scorer" / "manifest.json").read_text()
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=inner, store=store, library=library)
    loaded.set_params(progress=False).decide(sites / "nut-shop")
    assert inner.looked_at == made and loaded.store is store
