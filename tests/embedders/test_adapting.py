import numpy as np
import pytest
from PIL import Image

from similarity_lab.embedders import adapt_embedder, load_embedder
from similarity_lab.samples import load_image

CLASSES = ("almonds", "oats")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    photos = {name: [] for name in CLASSES}
    for name in CLASSES:
        for seed in range(4):
            photos[name].append(tmp_path_factory.mktemp(name) / "photo.png")
            Image.fromarray(load_image(name, seed)).save(photos[name][-1])
    return photos


@pytest.fixture(scope="module")
def others():
    return [load_image(name, seed) for name in CLASSES for seed in range(8, 18)]


def spread(embedder, photos):
    """How far apart photos of one product are, as a share of how far those of two are."""
    vectors = embedder.embed(photos, progress=False).vectors.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    far, half = 1 - vectors @ vectors.T, len(vectors) // 2
    within = (far[:half, :half].sum() + far[half:, half:].sum()) / (2 * half * (half - 1))
    return within / far[:half, half:].mean()


def test_products_move_apart_and_the_file_gives_the_same(library, others, tmp_path):
    frozen = load_embedder("efficientnet-lite0", runtime="keras")
    adapted = adapt_embedder(
        library, blocks=1, views=2, epochs=10, learning_rate=1e-3, keep=0.2, progress=False
    )
    assert spread(adapted, others) < 0.98 * spread(frozen, others)
    assert adapted.name != frozen.name and adapted.dimension == frozen.dimension
    adapted.model.save(tmp_path / "adapted.keras")
    loaded = load_embedder(tmp_path / "adapted.keras")
    assert loaded.name == adapted.name
    np.testing.assert_allclose(
        loaded.embed(others[:2], progress=False).vectors,
        adapted.embed(others[:2], progress=False).vectors,
    )


def test_keeping_everything_changes_nothing(library, others, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    frozen = load_embedder("efficientnet-lite0", runtime="keras")
    with pytest.warns(UserWarning, match="1 files could not be read"):
        same = adapt_embedder(
            {**library, "oats": [*library["oats"], bad]},
            blocks=1, views=1, epochs=1, keep=1, progress=False,
        )  # fmt: skip
    np.testing.assert_allclose(
        same.embed(others[:3], progress=False).vectors,
        frozen.embed(others[:3], progress=False).vectors,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embedder": "resnet"}, "embedder must be one of efficientnet-lite0"),
        ({"keep": 2}, "keep must be from 0 to 1, got 2"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"blocks": 17}, "blocks must be from 1 to 16, got 17"),
        ({"views": 100_000}, "GB of memory"),
    ],
)
def test_what_cannot_be(library, settings, message):
    with pytest.raises(ValueError, match=message):
        adapt_embedder(library, progress=False, **settings)


def test_one_product_teaches_nothing(library):
    with pytest.raises(ValueError, match="two or more, got 1: oats"):
        adapt_embedder({"oats": library["oats"]}, progress=False)
