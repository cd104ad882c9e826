"""Losses, heads and towers."""

import numpy as np
import pytest

from similarity_lab import load_embedder
from similarity_lab.distances import Cosine
from similarity_lab.metric_learning import heads
from similarity_lab.metric_learning.embedder import with_head
from similarity_lab.metric_learning.libraries import tf_keras
from similarity_lab.metric_learning.losses import make_loss
from similarity_lab.metric_learning.training import run
from similarity_lab.metric_learning.trunk import FrontEmbedder, start_projection
from similarity_lab.samples import load_image

LOSSES = ["multisimilarity", "circle", "triplet", "soft-nearest-neighbour"]


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_falls_as_classes_part(name):
    labels = np.repeat(np.arange(4), 4)
    noise = np.random.default_rng(0).normal(0, 1, (16, 4))
    loss = [
        float(make_loss(name)(labels, unit(np.eye(4)[labels] + s * noise))) for s in (0, 0.3, 3)
    ]
    assert loss[0] < loss[1] < loss[2]
    assert loss[0] == pytest.approx(0, abs=0.35 if name == "triplet" else 1e-3)  # soft margin


def test_the_demo_network_is_the_original():
    network = heads.small((28, 28, 1))
    kinds = [type(layer).__name__ for layer in network.layers[2:]]
    assert kinds == ["Rescaling", "Conv2D", "Flatten", "Dense", "MetricEmbedding"]
    expected = 64 * 9 + 64 + 26 * 26 * 64 * 64 + 64 + 64 * 64 + 64
    assert network.count_params() == expected


@pytest.mark.parametrize("kind", heads.KINDS)
def test_a_head_starts_near_the_frozen_features(kind):
    rng = np.random.default_rng(0)
    features = np.abs(rng.normal(1, 1, (60, 12))).astype(np.float32)
    head = heads.on_features(kind, 12, dimension=12)
    heads.start_from(head, features)
    vectors = run(head, features)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(run(head, 3 * features), vectors, atol=1e-5)
    centred = unit(features) - unit(features).mean(axis=0)
    expected, got = Cosine().pairwise(centred, centred), Cosine().pairwise(vectors, vectors)
    if kind == "residual":
        np.testing.assert_allclose(got, expected, atol=1e-4)
    # The others scale directions, or stand beside an embedding that has learned nothing yet.
    assert np.corrcoef(expected.ravel(), got.ravel())[0, 1] > 0.7


def test_a_projection_starts_from_scaled_principal_components():
    rng = np.random.default_rng(0)
    features = np.abs(rng.normal(1, 1, (60, 12)) * np.linspace(0.1, 2, 12)).astype(np.float32)
    head = heads.on_features("projection", 12, dimension=5)
    heads.start_from(head, features)
    centred = unit(features).astype(float) - unit(features).mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    made = (centred @ axes[:5].T) * (spread[:5] / spread[0]) ** -0.25
    np.testing.assert_allclose(
        Cosine().pairwise(made, made), Cosine().pairwise(*2 * [run(head, features)]), atol=1e-4
    )


def test_directions_that_few_photos_say_nothing_about_stay_as_they_are():
    features = np.abs(np.random.default_rng(0).normal(1, 1, (5, 12))).astype(np.float32)
    head = heads.on_features("projection", 12, dimension=12)
    heads.start_from(head, features)
    lengths = np.linalg.norm(head.get_layer("embedding").get_weights()[0], axis=0)
    np.testing.assert_allclose(lengths[:8], 1, rtol=1e-5)  # five photos span four directions
    assert (lengths[8:11] > 1).all() and lengths[11] == pytest.approx(1)


@pytest.mark.parametrize("blocks", [1, pytest.param(16, marks=pytest.mark.slow)])
def test_the_trunk_is_our_efficientnet(blocks):
    photos = [load_image("almonds", 1), load_image("dates", 2)]
    embedder = load_embedder("efficientnet-lite0", runtime="openvino")
    frozen = embedder.embed(photos, progress=False).vectors
    front = FrontEmbedder(blocks)
    head = front.back(dimension=8, seed=0)
    activations = front.embed(photos, progress=False).vectors
    trunk = tf_keras.Sequential([head.get_layer("picture"), head.get_layer("trunk")])
    np.testing.assert_allclose(run(trunk, activations), frozen, atol=1e-4)
    start_projection(head, activations)
    normal = [layer for layer in head.get_layer("trunk").layers if layer.name.endswith("_bn")]
    assert normal and not any(layer.trainable_weights for layer in normal)
    learning = {weight.name.partition("_")[0] for weight in head.trainable_weights}
    assert learning >= ({"block15", "head"} if blocks == 1 else {"block0", "block7", "block15"})
    assert "block14" not in learning or blocks == 16
    assert with_head(front, head).dimension == 8


@pytest.mark.parametrize("blocks", [0, 17])
def test_blocks_that_are_not_there(blocks):
    with pytest.raises(ValueError, match="blocks must be from 1 to 16"):
        FrontEmbedder(blocks)
