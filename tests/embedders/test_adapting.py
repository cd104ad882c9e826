import numpy as np
import pytest
from PIL import Image

from similarity_lab.distances import Cosine
from similarity_lab.embedders import adapt_embedder, load_embedder
from similarity_lab.samples import load_image

CLASSES = ("almonds", "oats")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    paths = {name: [] for name in CLASSES}
    for name in CLASSES:
        for number in range(4):
            paths[name].append(tmp_path_factory.mktemp(name) / "image.png")
            Image.fromarray(load_image(name, number)).save(paths[name][-1])
    return paths


@pytest.fixture(scope="module")
def held_out_images():
    """Ten images of each product that are not in the library."""
    return [load_image(name, number) for name in CLASSES for number in range(8, 18)]


def spread(embedder, images):
    """Return the mean distance within a product, divided by that between two products."""
    vectors = embedder.embed(images, progress=False).vectors
    distances, half = Cosine().pairwise(vectors, vectors), len(vectors) // 2
    within = (distances[:half, :half].sum() + distances[half:, half:].sum()) / (
        2 * half * (half - 1)
    )
    return within / distances[:half, half:].mean()


def test_adapted_embedder_separates_products_and_is_saved(library, held_out_images, tmp_path):
    frozen = load_embedder("efficientnet-lite0", runtime="keras")
    adapted = adapt_embedder(
        library, blocks=1, views=2, epochs=10, learning_rate=1e-3, keep=0.2, progress=False
    )
    assert spread(adapted, held_out_images) < 0.98 * spread(frozen, held_out_images)
    assert adapted.name != frozen.name and adapted.dimension == frozen.dimension
    adapted.model.save(tmp_path / "adapted.keras")
    loaded = load_embedder(tmp_path / "adapted.keras")
    assert loaded.name == adapted.name
    np.testing.assert_allclose(
        loaded.embed(held_out_images[:2], progress=False).vectors,
        adapted.embed(held_out_images[:2], progress=False).vectors,
        atol=1e-4,
    )


def test_adapt_embedder_with_keep_one_changes_nothing(library, held_out_images, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("not an image")
    frozen = load_embedder("efficientnet-lite0", runtime="keras")
    with pytest.warns(UserWarning, match="1 files could not be read"):
        adapted = adapt_embedder(
            {**library, "oats": [*library["oats"], bad]},
            blocks=1, views=1, epochs=1, keep=1, progress=False,
        )  # fmt: skip
    np.testing.assert_allclose(
        adapted.embed(held_out_images[:3], progress=False).vectors,
        frozen.embed(held_out_images[:3], progress=False).vectors,
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
def test_adapt_embedder_invalid(library, settings, message):
    with pytest.raises(ValueError, match=message):
        adapt_embedder(library, progress=False, **settings)


def test_adapt_embedder_of_one_product(library):
    with pytest.raises(ValueError, match="at least two products, got 1: oats"):
        adapt_embedder({"oats": library["oats"]}, progress=False)
