"""Towers: networks, their initial weights, and the embedders they stand on."""

import numpy as np
import pytest

from similarity_lab.distances import Cosine
from similarity_lab.embedders import embed_all, load_embedder
from similarity_lab.metric_learning.libraries import apply, tf_keras
from similarity_lab.metric_learning.losses import make_loss
from similarity_lab.metric_learning.towers import (
    HEADS,
    EfficientNetTower,
    FrontEmbedder,
    HeadEmbedder,
    feature_head,
    initialise_head,
    small_network,
)

LOSSES = ["multisimilarity", "circle", "triplet", "soft-nearest-neighbour"]


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_falls_as_classes_separate(name):
    labels = np.repeat(np.arange(4), 4)
    noise = np.random.default_rng(0).normal(0, 1, (16, 4))
    loss = [
        float(make_loss(name)(labels, unit(np.eye(4)[labels] + s * noise))) for s in (0, 0.3, 3)
    ]
    assert loss[0] < loss[1] < loss[2]
    assert loss[0] == pytest.approx(0, abs=0.35 if name == "triplet" else 1e-3)  # soft margin


def test_small_network_is_that_of_the_study():
    network = small_network((28, 28, 1))
    kinds = [type(layer).__name__ for layer in network.layers[2:]]
    assert kinds == ["Rescaling", "Conv2D", "Flatten", "Dense", "MetricEmbedding"]
    expected = 64 * 9 + 64 + 26 * 26 * 64 * 64 + 64 + 64 * 64 + 64
    assert network.count_params() == expected


@pytest.mark.parametrize("kind", HEADS)
def test_initial_head_is_close_to_the_features(kind):
    rng = np.random.default_rng(0)
    features = np.abs(rng.normal(1, 1, (60, 12))).astype(np.float32)
    head = feature_head(kind, 12, dimension=12)
    initialise_head(head, features)
    vectors = apply(head, features)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(apply(head, 3 * features), vectors, atol=1e-5)
    centred = unit(features) - unit(features).mean(axis=0)
    expected, distances = Cosine().pairwise(centred, centred), Cosine().pairwise(vectors, vectors)
    if kind == "residual":
        np.testing.assert_allclose(distances, expected, atol=1e-4)
    # The others scale directions, or are concatenated with an untrained embedding.
    assert np.corrcoef(expected.ravel(), distances.ravel())[0, 1] > 0.7


def test_initial_projection_is_scaled_principal_components():
    rng = np.random.default_rng(0)
    features = np.abs(rng.normal(1, 1, (60, 12)) * np.linspace(0.1, 2, 12)).astype(np.float32)
    head = feature_head("projection", 12, dimension=5)
    initialise_head(head, features)
    centred = unit(features).astype(float) - unit(features).mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    projected = (centred @ axes[:5].T) * (spread[:5] / spread[0]) ** -0.25
    np.testing.assert_allclose(
        Cosine().pairwise(projected, projected),
        Cosine().pairwise(*2 * [apply(head, features)]),
        atol=1e-4,
    )


def test_initial_projection_with_few_images_leaves_other_directions_unscaled():
    features = np.abs(np.random.default_rng(0).normal(1, 1, (5, 12))).astype(np.float32)
    head = feature_head("projection", 12, dimension=12)
    initialise_head(head, features)
    lengths = np.linalg.norm(head.get_layer("embedding").get_weights()[0], axis=0)
    np.testing.assert_allclose(lengths[:8], 1, rtol=1e-5)  # five images span four directions
    assert (lengths[8:11] > 1).all() and lengths[11] == pytest.approx(1)


@pytest.mark.parametrize("blocks", [1, pytest.param(16, marks=pytest.mark.slow)])
def test_efficientnet_tower_equals_the_packaged_network(blocks):
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    features = embed_all(load_embedder("efficientnet-lite0", runtime="openvino"), images)
    tower = EfficientNetTower(dimension=8, blocks=blocks)
    front = tower.base()
    network = tower.build(front, seed=0)
    activations = embed_all(front, images)
    trunk = tf_keras.Sequential([network.get_layer("image"), network.get_layer("trunk")])
    np.testing.assert_allclose(apply(trunk, activations), features, atol=1e-4)
    tower.initialise(network, activations)
    normal = [layer for layer in network.get_layer("trunk").layers if layer.name.endswith("_bn")]
    assert normal and not any(layer.trainable_weights for layer in normal)
    trainable = {weight.name.partition("_")[0] for weight in network.trainable_weights}
    assert trainable >= ({"block15", "head"} if blocks == 1 else {"block0", "block7", "block15"})
    assert "block14" not in trainable or blocks == 16
    assert HeadEmbedder(front, network).dimension == 8


@pytest.mark.parametrize("blocks", [0, 17])
def test_front_embedder_refuses_other_numbers_of_blocks(blocks):
    with pytest.raises(ValueError, match="blocks must be from 1 to 16"):
        FrontEmbedder(blocks)
