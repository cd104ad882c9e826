import importlib.util
import pickle

import numpy as np
import pytest
from PIL import Image

from similarity_lab.distances import Cosine
from similarity_lab.embedders import adapt_embedder, load_embedder
from similarity_lab.embedders.adapting import recipe
from similarity_lab.embedders.lite import LiteWeights
from similarity_lab.errors import EmbedderError, SavedFolderError
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
    frozen = load_embedder("efficientnet-lite0", runtime="openvino")
    adapted = adapt_embedder(
        library, blocks=1, views=2, epochs=10, learning_rate=1e-3, keep=0.2, progress=False
    )
    assert spread(adapted, held_out_images) < 0.98 * spread(frozen, held_out_images)
    assert adapted.name != frozen.name and adapted.dimension == frozen.dimension
    adapted.weights.save(tmp_path / "adapted")
    loaded = load_embedder(tmp_path / "adapted")
    assert loaded.name == adapted.name == pickle.loads(pickle.dumps(adapted)).name
    vectors = adapted.embed(held_out_images[:2], progress=False).vectors
    np.testing.assert_array_equal(
        loaded.embed(held_out_images[:2], progress=False).vectors, vectors
    )
    if runtime := other_runtime():
        other = load_embedder(adapted.weights, runtime=runtime)
        np.testing.assert_allclose(
            other.embed(held_out_images[:2], progress=False).vectors, vectors, atol=1e-4
        )
    with pytest.raises(EmbedderError, match="no int8 parameters"):
        load_embedder(tmp_path / "adapted", runtime="openvino-int8")


def other_runtime():
    """Return a runtime beside OpenVINO that is installed."""
    return next(filter(is_installed, ("keras", "torch")), None)


def is_installed(library):
    return importlib.util.find_spec(library) is not None


def test_adapted_embedder_keeps_its_input_size(library, tmp_path):
    adapted = adapt_embedder(
        library, input_size=(64, 96), blocks=1, views=1, epochs=1, progress=False
    )
    adapted.weights.save(tmp_path / "adapted")
    assert load_embedder(str(tmp_path / "adapted")).input_size == (64, 96)


def test_load_embedder_of_something_else_saved(tmp_path):
    (tmp_path / "manifest.json").write_text(
        '{"kind": "scorer", "format": 2, "content": {}, "files": {}, "versions": {}}'
    )
    with pytest.raises(SavedFolderError, match="contains a saved scorer, expected a"):
        load_embedder(tmp_path)


# Losses of eight steps that Keras 3.15 takes from this start; every kernel influences them
LOSSES = [1.22143, 1.39652, 1.147, 1.11281, 1.11338, 1.10016, 1.10578, 1.1016]


@pytest.mark.parametrize("runtime", ["keras", "torch"])
def test_trainers_take_the_same_steps(runtime):
    if not is_installed(runtime):
        pytest.skip(f"needs {runtime}")
    weights = LiteWeights("efficientnet-lite0")
    trainer = recipe.make_trainer(
        weights, 5, recipe.random_classifier(3, seed=0), None if runtime == "keras" else "cpu"
    )
    rng = np.random.default_rng(0)
    batches = rng.normal(size=(8, 6, 14, 14, 112)).astype(np.float16)
    labels = np.arange(6) % 3
    losses = [float(trainer.step(batch, labels, 3e-4)) for batch in batches]
    np.testing.assert_allclose(losses, LOSSES, atol=2e-3)
    kernels = trainer.kernels()
    assert len(kernels) == 3 * 5 + 1
    for name, kernel in kernels.items():
        moved = np.abs(kernel - weights.tensors[name])
        assert 1e-4 < moved.max() < 8 * 3e-4 * 1.2


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_adapt_embedder_on_an_accelerator(library, held_out_images, device):
    torch = pytest.importorskip("torch", reason="needs the extra foundation")
    backend = torch.cuda if device == "cuda" else torch.backends.mps
    if not backend.is_available():
        pytest.skip(f"needs a device: {device}")
    settings = {"blocks": 1, "views": 2, "epochs": 3, "progress": False}
    there = adapt_embedder(library, device=device, **settings)
    here = adapt_embedder(library, device="cpu", **settings)
    np.testing.assert_allclose(
        load_embedder(there.weights).embed(held_out_images, progress=False).vectors,
        here.embed(held_out_images, progress=False).vectors,
        atol=0.05,
    )


def test_adapt_embedder_with_keep_one_changes_nothing(library, held_out_images, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("not an image")
    frozen = load_embedder("efficientnet-lite0", runtime="openvino")
    with pytest.warns(UserWarning, match="1 file could not be read"):
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
        ({"runtime": "jax"}, "runtime must be one of auto, keras, torch, got 'jax'"),
        ({"runtime": "keras", "device": "cuda"}, "device='cuda' has no effect on Keras"),
    ],
)
def test_adapt_embedder_invalid(library, settings, message):
    with pytest.raises(ValueError, match=message):
        adapt_embedder(library, progress=False, **settings)


def test_adapt_embedder_of_one_product(library):
    with pytest.raises(ValueError, match="at least two products, got 1: oats"):
        adapt_embedder({"oats": library["oats"]}, progress=False)
