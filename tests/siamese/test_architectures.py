import numpy as np
import pytest

from similarity_lab.backend import keras
from similarity_lab.samples import load_image
from similarity_lab.siamese import (
    SiameseComparator,
    architecture_1,
    architecture_2,
    build,
    fit_projection,
    strong_tower,
    unfreeze,
)

BASE = "efficientnet-lite0"


def noise(shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def every_layer(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from every_layer(layer)


@pytest.fixture(scope="module")
def strong():
    return strong_tower()


@pytest.fixture(scope="module")
def images():
    subjects = ("almonds", "dates")
    return np.stack([load_image(what, n, size=(224, 224)) for what in subjects for n in (0, 1)])


@pytest.mark.parametrize(
    ("architecture", "head", "tower_weights", "all_weights", "dimension"),
    [
        (architecture_1, "sigmoid", 19_888, 19_890, 48),
        (architecture_2, "batchnorm-sigmoid", 206_910, 206_916, 10),
    ],
)
def test_architecture_has_the_weights_of_the_study(
    architecture, head, tower_weights, all_weights, dimension
):
    tower = architecture()
    network = build(tower, head)
    assert tower.count_params() == tower_weights
    assert network.count_params() == all_weights
    assert tower.output_shape == (None, dimension)
    assert network.input_shape == [(None, 128, 128, 1)] * 2
    assert [tensor.name for tensor in network.inputs] == ["left", "right"]
    assert network.output_names == ["is_same"]
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in every_layer(network))


@pytest.mark.parametrize(("architecture", "smallest"), [(architecture_1, 4), (architecture_2, 63)])
def test_architecture_with_other_input_shapes(architecture, smallest):
    shape = (64, 80, 3)
    assert architecture(shape)(noise((2, *shape))).shape[0] == 2
    architecture((smallest, smallest, 1))
    with pytest.raises(ValueError, match=f"too small.*at least {smallest} × {smallest} pixels"):
        architecture((smallest - 1, 128, 1))


@pytest.mark.parametrize("shape", [(128, 128), (128, 128, 2), (None, 128, 1), (128.0, 128, 1)])
def test_architecture_refuses_input_shapes(shape):
    with pytest.raises(ValueError, match="input_shape must be"):
        architecture_1(shape)


@pytest.mark.parametrize("architecture", [architecture_1, architecture_2])
def test_architecture_seed_sets_initial_weights(architecture):
    a, b, c = (architecture((64, 64, 1), seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[-2], c[-2])


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def test_strong_tower_starts_close_to_the_frozen_network(strong, images):
    pixels = (images / 255).astype(np.float32)
    features = np.asarray(strong.get_layer(BASE)(pixels))
    vectors = np.asarray(strong(pixels))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(cosines(vectors), cosines(features), atol=0.15)


def test_fit_projection_keeps_all_differences_of_few_images(strong, images):
    before = strong.get_layer("projection").get_weights()
    fit_projection(strong, images, progress=False)
    pixels = (images / 255).astype(np.float32)
    features = np.asarray(strong.get_layer(BASE)(pixels))
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = cosines(features - features.mean(axis=0))
    np.testing.assert_allclose(cosines(np.asarray(strong(pixels))), expected, atol=1e-4)
    kernel, _ = strong.get_layer("projection").get_weights()
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(256), atol=1e-5)
    strong.get_layer("projection").set_weights(before)


def test_unfreeze_makes_the_last_blocks_trainable(strong):
    def trainable_paths():
        return [weight.path for weight in strong.trainable_weights]

    unfreeze(strong, 0)
    assert trainable_paths() == ["projection/kernel", "projection/bias"]
    unfreeze(strong, 5)
    assert trainable_paths()[0].startswith("block11_") and "head_conv/kernel" in trainable_paths()
    unfreeze(strong, "all")
    assert trainable_paths()[0] == "stem_conv/kernel"
    assert not any("_bn" in path for path in trainable_paths())
    unfreeze(strong, 0)
    assert trainable_paths() == ["projection/kernel", "projection/bias"]


def test_strong_tower_batch_normalisation_stays_in_inference_mode(strong):
    unfreeze(strong, "all")
    strong.get_layer(BASE).trainable = True  # must not matter
    pixels = noise((2, 224, 224, 3))
    np.testing.assert_allclose(
        strong(pixels, training=True), strong(pixels, training=False), atol=1e-6
    )
    unfreeze(strong, 0)


@pytest.mark.slow
def test_strong_tower_save_and_load(strong, tmp_path):
    unfreeze(strong, 2)
    saved = SiameseComparator(strong)
    saved.save(tmp_path / "strong.keras")
    loaded = SiameseComparator.load(tmp_path / "strong.keras")
    assert loaded.name == saved.name
    tower, pixels = loaded.embedder.model, noise((2, 224, 224, 3))
    np.testing.assert_allclose(tower(pixels, training=True), strong(pixels), atol=1e-6)
    paths = [[weight.path for weight in model.trainable_weights] for model in (tower, strong)]
    assert paths[0] == paths[1] and len(paths[0]) > 2
    unfreeze(strong, 0)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"embedder": "efficientnet-lite1"}, "Unknown embedder 'efficientnet-lite1'. Did you mean"),
        ({"dimension": 1281}, "dimension must be from 1 to 1280, got 1281"),
    ],
)
def test_strong_tower_refuses(params, message):
    with pytest.raises(ValueError, match=message):
        strong_tower(**params)


@pytest.mark.parametrize("blocks", [17, -1, "some"])
def test_unfreeze_refuses_blocks(strong, blocks):
    with pytest.raises(ValueError, match='from 0 to 16, or "all"'):
        unfreeze(strong, blocks)


def test_strong_tower_functions_refuse_other_input(strong):
    with pytest.raises(ValueError, match="'architecture_1' contains no efficientnet-lite0"):
        unfreeze(architecture_1(), 1)
    with pytest.raises(ValueError, match="got none"):
        fit_projection(strong, [], progress=False)
