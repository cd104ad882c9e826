"""Embedders made of functions, transformers and encoders."""

import pickle

import numpy as np
import pytest
from sklearn.decomposition import PCA

from similarity_lab import RelevanceScorer, load_embedder
from similarity_lab.embedders import Embedder
from similarity_lab.errors import EmbedderError


def mean_colour(images):
    assert all(image.dtype == np.uint8 and image.shape == (8, 6, 3) for image in images)
    return np.array([image.mean(axis=(0, 1)) for image in images])


class Encoder:
    """Like a sentence-transformers model of images."""

    def encode(self, images):
        return np.array([np.asarray(image).mean(axis=(0, 1)) for image in images], np.float32)


@pytest.fixture
def images():
    return list(np.random.default_rng(0).integers(0, 256, (40, 8, 6, 3), np.uint8))


def test_load_embedder_function(images, tmp_path):
    embedder = load_embedder(mean_colour, name="mean colour", input_size=(8, 6))
    assert isinstance(embedder, Embedder) and embedder.dimension == 3
    assert embedder.name == "mean colour rgb 8x6 bicubic" and embedder.input_size == (8, 6)
    (tmp_path / "bad.jpg").write_text("text")
    embedded = embedder.embed([*images, tmp_path / "bad.jpg"], batch_size=7, progress=False)
    np.testing.assert_allclose(embedded.vectors, mean_colour(images), rtol=1e-6)
    assert embedded.kept == list(range(40)) and len(embedded.skipped) == 1


def test_load_embedder_function_gray(images):
    embedder = load_embedder(mean_colour, name="m", input_size=(8, 6), color="gray")
    vectors = embedder.embed(images, progress=False).vectors
    np.testing.assert_array_equal(vectors[:, 0], vectors[:, 2])


def test_load_embedder_transformer(images):
    flat = np.stack(images).reshape(40, -1).astype(np.float32) / 255
    pca = PCA(4, random_state=0).fit(flat)
    with pytest.raises(EmbedderError, match="not a square RGB image; pass input_size"):
        load_embedder(pca, name="pca")
    embedder = load_embedder(pca, name="pca", input_size=(8, 6))
    vectors = embedder.embed(images, progress=False).vectors
    np.testing.assert_allclose(vectors, pca.transform(flat), atol=1e-5)
    copied = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_allclose(copied.embed(images, progress=False).vectors, vectors, atol=1e-6)


def test_load_embedder_encoder(library, sites):
    embedder = load_embedder(Encoder(), name="encoder", input_size=16)
    scorer = RelevanceScorer("almonds", embedder=embedder, progress=False).fit(library)
    assert scorer.decide(sites / "nut-shop").n_scored == 10


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        (mean_colour, {}, "pass name= with mean_colour"),
        (Encoder(), {}, "pass name= with Encoder"),
        ("efficientnet-lite0", {"name": "mine"}, "has its own name"),
        (lambda images: np.zeros(3), {"name": "flat"}, "for a list of one image"),
        ("efficientnet-lite1", {}, "Did you mean 'efficientnet-lite"),
    ],
)
def test_load_embedder_invalid(source, settings, message):
    with pytest.raises(EmbedderError, match=message):
        load_embedder(source, **settings)


def test_function_embedder_of_changing_dimension(images):
    embedder = load_embedder(
        lambda images: np.zeros((len(images), len(images))), name="odd", input_size=(8, 6)
    )
    with pytest.raises(EmbedderError, match=r"returned \(40, 40\) for 40 images"):
        embedder.embed(images, batch_size=64, progress=False)
