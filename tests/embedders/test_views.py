"""Vectors of several views and of several networks."""

import pickle
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, load_embedder, read_image
from similarity_lab.embedders import (
    CachedEmbedder,
    Embedder,
    embed_all,
    join_embedders,
    openvino_lite,
    vector_space,
)
from similarity_lab.embedders.base import NetworkEmbedder
from similarity_lab.errors import EmbedderError, ImageError
from similarity_lab.images import opened
from similarity_lab.relevance.site import EmbeddedSite
from similarity_lab.samples import load_image
from similarity_lab.sites import Site
from similarity_lab.store import VectorStore


def fields(images):
    """Return mean colours of the four quarters, and a constant."""
    height, width = images[0].shape[:2]
    halves = [
        (slice(0, height // 2), slice(height // 2, None)),
        (slice(0, width // 2), slice(width // 2, None)),
    ]
    means = [
        [image[rows, columns].mean((0, 1)) for rows in halves[0] for columns in halves[1]]
        for image in images
    ]
    return np.c_[np.reshape(means, (len(images), -1)), np.full(len(images), 10.0)]


def embed_fields(crops=(), size=16, color="rgb"):
    return load_embedder(fields, name="fields", input_size=size, crops=crops, color=color)


def unit(vector):
    return vector / np.linalg.norm(vector)


def centre(pixels, share):
    height, width = pixels.shape[:2]
    side = round(share * min(height, width))
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


@pytest.fixture(scope="module")
def images():
    shapes = [(90, 120), (120, 90), (200, 50), (64, 64), (33, 40)]
    return [load_image("dates", number, size=shape) for number, shape in enumerate(shapes)]


@pytest.fixture
def paths(images, tmp_path):
    """Return the images as files, with a damaged one at position 2."""
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    (tmp_path / "bad.jpg").write_text("text")
    paths.insert(2, tmp_path / "bad.jpg")
    return paths


def mean_of_views(images, crops, size=16):
    """Return the literal average of the views of each image."""
    means = []
    for image in images:
        views = [image, *(centre(image, crop) for crop in crops)]
        resized = [read_image(view, size=size) for view in views]
        means.append(unit(sum(unit(fields([view])[0]) for view in resized)))
    return np.array(means)


@pytest.mark.parametrize("crops", [(0.5,), (0.25, 0.75), [0.9, 0.5, 0.1], np.array([0.5])])
def test_vector_is_the_average_of_the_views(images, paths, crops):
    embedder = embed_fields(crops)
    assert isinstance(embedder, Embedder) and embedder.dimension == 13
    result = embedder.embed(paths, batch_size=2, progress=False)
    np.testing.assert_allclose(result.vectors, mean_of_views(images, crops), atol=1e-5)
    assert result.vectors.dtype == np.float32
    assert result.kept == [0, 1, 3, 4, 5]
    assert result.skipped["reason"].tolist() == [
        "unsupported image format (content looks like text)"
    ]
    with pytest.raises(ImageError, match="looks like text"):
        embed_all(embedder, paths, progress=False)
    assert embedder.embed([], progress=False).vectors.shape == (0, 13)


def test_joint_vectors_are_concatenated_with_equal_weight(images, paths):
    crops, whole = embed_fields((0.5,)), embed_fields(size=(20, 10))
    joint = join_embedders(crops, whole)
    vectors = joint.embed(paths, progress=False).vectors
    parts = [mean_of_views(images, (0.5,)), mean_of_views(images, (), (20, 10))]
    np.testing.assert_allclose(vectors, np.hstack(parts) / np.sqrt(2), atol=1e-5)
    assert joint.name == f"{crops.name} + {whole.name}" and joint.dimension == 26
    cosines = [part @ part.T for part in parts]
    np.testing.assert_allclose(vectors @ vectors.T, np.mean(cosines, axis=0), atol=1e-5)
    triple = join_embedders(joint, embed_fields(size=4))
    np.testing.assert_allclose(
        np.linalg.norm(triple.embed(images, progress=False).vectors[:, :13], axis=1),
        3**-0.5,
        atol=1e-5,
    )


def test_join_embedders_returns_a_single_one_unchanged(stub):
    assert join_embedders(stub) is stub
    with pytest.raises(EmbedderError, match="at least one"):
        join_embedders()


def test_load_embedder_without_crops_is_unchanged(stub):
    assert load_embedder(stub, crops=()) is stub
    assert type(load_embedder(crops=[])) is type(load_embedder())


def test_names_keep_views_apart(images):
    lite = load_embedder("efficientnet-lite0")
    names = {
        load_embedder("efficientnet-lite0", crops=crops).name.removeprefix(lite.name)
        for crops in [(), (0.5,), (0.75,), (0.5, 0.75), (0.75, 0.5), (0.125,), (1 / 3,)]
    }
    assert names == {"", " crop50", " crop75", " crop75 crop50", " crop12.5", " crop33.3333"}
    cached = CachedEmbedder(embed_fields())
    cached.embed(images, progress=False)
    crops = CachedEmbedder(embed_fields((0.5,)), cached.store)
    for _ in range(2):
        vectors = crops.embed(images, progress=False).vectors
        np.testing.assert_allclose(vectors, mean_of_views(images, (0.5,)), atol=1e-5)


def test_vector_space_of_views():
    def space(runtime, crops):
        part = load_embedder(runtime=runtime, crops=crops, input_size=64)
        other = load_embedder("efficientnet-lite2", runtime=runtime, input_size=64)
        return [vector_space(embedder.name) for embedder in (part, join_embedders(part, other))]

    assert space("keras", (0.5,)) == space("openvino", (0.5,))
    spaces = [
        *space("openvino", (0.5,)),
        *space("openvino-int8", (0.5,)),
        *space("openvino", (0.4,)),
    ]
    assert len({*spaces, *space("openvino", ())}) == 8


@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_keras_and_openvino_agree(images, color):
    expected, vectors = (
        load_embedder(runtime=runtime, color=color, input_size=64, crops=(0.5,))
        .embed(images, batch_size=2, progress=False)
        .vectors
        for runtime in ("keras", "openvino")
    )
    np.testing.assert_allclose(vectors, expected, atol=1e-4)


def test_crops_of_large_jpegs_have_detail(tmp_path):
    """int8 decodes at the scale that the crop needs: close to crops of a full decode."""
    image = load_image("almonds", 3, size=(1200, 1600))
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=90)
    whole = load_embedder(input_size=96)
    pixels = read_image(tmp_path / "a.jpg")
    vectors = whole.embed([pixels, centre(pixels, 0.25)], progress=False).vectors
    expected = unit(unit(vectors[0]) + unit(vectors[1]))
    embedder = load_embedder(input_size=96, crops=(0.25,))
    (vector,) = embedder.embed([tmp_path / "a.jpg"], progress=False).vectors
    assert vector @ expected > 0.98 and embedder.input_size == (384, 384)


def test_fallback_to_keras_renames_views(monkeypatch, images):
    def broken(*_):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(openvino_lite, "_compiled", broken)
    embedder = load_embedder(input_size=64, crops=(0.5,))
    keras = load_embedder(input_size=64, crops=(0.5,), runtime="keras")
    cached = CachedEmbedder(embedder)
    with pytest.warns(UserWarning, match="falling back to Keras"):
        vectors = cached.embed(images, progress=False).vectors
    np.testing.assert_allclose(vectors, keras.embed(images, progress=False).vectors, atol=1e-4)
    assert cached.name == keras.name and embedder.threads is None


def test_views_of_any_embedder(stub, images):
    """Also of one that wraps another, as a cache does."""
    for embedder in (stub, CachedEmbedder(stub)):
        vectors = load_embedder(embedder, crops=(0.5,)).embed(images, progress=False).vectors
        for vector, image in zip(vectors, images, strict=True):
            views = [read_image(view, size=8).mean((0, 1)) for view in (image, centre(image, 0.5))]
            np.testing.assert_allclose(vector, unit(unit(views[0]) + unit(views[1])), atol=1e-5)


def test_views_need_no_full_decodes_of_a_batch(tmp_path):
    Image.new("RGB", (1000, 1000), "teal").save(tmp_path / "a.png")
    embedder = embed_fields((0.5,))
    tracemalloc.start()
    embedder.embed([tmp_path / "a.png"] * 64, batch_size=64, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # 64 full decodes are 192 MB; each of at most 8 threads holds one or two


def test_zero_vectors_stay_zero(images):
    def nothing(images):
        return np.zeros((len(images), 2))

    embedder = load_embedder(nothing, name="nothing", input_size=8, crops=(0.5,))
    assert (embedder.embed(images, progress=False).vectors == 0).all()


def test_views_are_pickled(images):
    embedder = join_embedders(load_embedder(input_size=64, crops=(0.5,)), embed_fields((0.25,)))
    copied = pickle.loads(pickle.dumps(embedder))
    assert copied.name == embedder.name and copied.input_size == embedder.input_size
    vectors = [each.embed(images, progress=False).vectors for each in (embedder, copied)]
    np.testing.assert_allclose(*vectors, atol=1e-5)


@pytest.mark.parametrize(
    "crops",
    [
        (0,),
        (1,),
        (1.5,),
        (-0.5,),
        (float("nan"),),
        ("0.5",),
        "0.5",
        0.5,
        (0.5, 0.5),
        (True,),
        (None,),
    ],
)
def test_crops_invalid(crops, stub):
    with pytest.raises(EmbedderError, match=r"shares between 0 and 1, such as crops=\(0.5,\); got"):
        load_embedder(stub, crops=crops)


def test_crops_of_views_are_refused():
    embedder = embed_fields((0.5,))
    with pytest.raises(EmbedderError, match="already has views"):
        load_embedder(embedder, crops=(0.25,))
    with pytest.raises(EmbedderError, match="different colour"):
        join_embedders(embedder, embed_fields(color="gray"))


def test_scorer_with_views_decodes_each_file_once(library, sites, tmp_path, monkeypatch):
    """Clutter and vectors are the same from the store as when they were computed."""
    paths, read_bytes = [], opened.read_bytes
    monkeypatch.setattr(opened, "read_bytes", lambda path: paths.append(path) or read_bytes(path))
    embedder = load_embedder(input_size=32, crops=(0.5,))
    store = VectorStore(tmp_path / "store")
    site = Site.from_folder(sites / "nut-shop")
    new, stored = (
        EmbeddedSite.of(
            site, CachedEmbedder(embedder, store), leave_out=["graphics"], progress=False
        )
        for _ in range(2)
    )
    assert len(paths) == 20 and new.clutter == stored.clutter
    np.testing.assert_array_equal(new.embedded.vectors, stored.embedded.vectors)
    scorer = RelevanceScorer("almonds", embedder=embedder, store=store, progress=False).fit(library)
    scorer.save(tmp_path / "scorer")
    assert "crop50" in scorer.decide(site).settings.embedder
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=embedder)
    assert loaded.set_params(progress=False).decide(site).decision == scorer.decide(site).decision
    with pytest.raises(ValueError, match="crop50"):
        RelevanceScorer.load(tmp_path / "scorer", embedder=load_embedder(input_size=32))


class WithText(NetworkEmbedder):
    """Mean colours; a text is embedded as a unit vector of its length."""

    def __init__(self, name):
        super().__init__(name, 3, (8, 8), "rgb")

    def forward(self, pixels):
        return pixels.mean((1, 2)).astype(np.float32)

    def embed_text(self, texts):
        vectors = np.array([[len(text), 1, 2] for text in texts], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_views_keep_the_text_tower():
    """Texts have no crops; joint vectors have those of all networks."""
    plain = WithText("text")
    texts = ["almonds", "oats"]
    own = plain.embed_text(texts)
    np.testing.assert_allclose(load_embedder(plain, crops=(0.5,)).embed_text(texts), own, rtol=1e-6)
    joint = join_embedders(plain, load_embedder(WithText("other"), crops=(0.5,)))
    found = joint.embed_text(texts)
    np.testing.assert_allclose(found, np.hstack([own, own]) / np.sqrt(2), rtol=1e-6)
    assert found.shape[1] == joint.dimension
    assert not hasattr(join_embedders(plain, embed_fields()), "embed_text")
    assert not hasattr(embed_fields(crops=(0.5,)), "embed_text")
    assert callable(CachedEmbedder(joint).embed_text)
