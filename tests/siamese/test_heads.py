import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from similarity_lab.backend import keras
from similarity_lab.siamese import architecture_1, build
from similarity_lab.siamese.heads import HEADS, EuclideanDistance, logit_line, parts


def pairs(shape=(64, 64, 1), n=4):
    rng = np.random.default_rng(0)
    return [rng.random((n, *shape), np.float32) for _ in range(2)]


def test_euclidean_distance_agrees_with_numpy():
    left, right = np.random.default_rng(0).normal(size=(2, 20, 7)).astype(np.float32)
    distance = np.asarray(EuclideanDistance()([left, right]))
    assert distance.shape == (20, 1)
    np.testing.assert_allclose(distance[:, 0], np.linalg.norm(left - right, axis=1), rtol=1e-5)


def test_euclidean_distance_of_equal_vectors_has_a_finite_gradient():
    import tensorflow as tf

    vectors = tf.ones((3, 4))
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        distance = EuclideanDistance(epsilon=1e-4)([vectors, tf.ones((3, 4))])
    np.testing.assert_allclose(distance, 1e-2, rtol=1e-5)
    assert np.array_equal(tape.gradient(distance, vectors), np.zeros((3, 4)))


@pytest.mark.parametrize("head", HEADS)
def test_parts_of_a_network(head):
    tower = architecture_1((16, 16, 1))
    network = build(tower, head)
    assert parts(network) == (tower, head)
    assert network.output_names == ["distance" if head == "distance" else "is_same"]
    left, right = pairs((16, 16, 1))
    distance = np.linalg.norm(
        tower.predict(left, verbose=0) - tower.predict(right, verbose=0), axis=1
    )
    given = network.predict([left, right], verbose=0)[:, 0]
    if head == "distance":
        np.testing.assert_allclose(given, distance, atol=1e-6)
    else:
        slope, offset = logit_line(network)
        assert slope < 0
        np.testing.assert_allclose(given, 1 / (1 + np.exp(-slope * distance - offset)), atol=1e-6)


def test_build_refuses():
    tower = architecture_1()
    with pytest.raises(ValueError, match="Unknown head 'softmax'.*batchnorm-sigmoid, distance"):
        build(tower, "softmax")
    with pytest.raises(ValueError, match="a tower turns one image into one vector"):
        build(build(tower, "distance"))
    with pytest.raises(ValueError, match="is not a Siamese network"):
        parts(tower)


HEADS_AND_LOSSES = """
import numpy as np
from similarity_lab.backend import keras
from similarity_lab.siamese import build, make_loss
assert keras.backend.backend() == {backend!r}
pixels = keras.Input((4,))
tower = keras.Model(pixels, keras.layers.Dense(3, kernel_initializer="ones")(pixels))
rng = np.random.default_rng(0)
left, right = rng.random((2, 6, 4), np.float32)
labels = np.array([0, 0, 1, 1, 2, 2])
for loss, head in [("binary-crossentropy", "batchnorm-sigmoid"), ("contrastive", "distance")]:
    given = build(tower, head).predict([left, right], verbose=0)
    print(float(make_loss(loss, head=head)(labels[:, None] % 2, given)))
print(float(make_loss("triplet", head=None)(labels, tower.predict(left, verbose=0))))
"""

NETWORKS = """
import numpy as np
from similarity_lab.siamese import architecture_1, architecture_2, build, make_loss
left, right = np.random.default_rng(0).random((2, 4, 64, 64, 1), np.float32)
is_same = np.float32([[1], [0], [1], [0]])
for architecture, head, loss in [
    (architecture_1, "sigmoid", "binary-crossentropy"),
    (architecture_2, "batchnorm-sigmoid", "binary-crossentropy"),
    (architecture_1, "distance", "contrastive"),
]:
    network = build(architecture((64, 64, 1)), head)
    network.compile("adam", make_loss(loss, head=head))
    assert np.isfinite(network.train_on_batch([left, right], is_same))
"""


def run(code, backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    return [float(line) for line in done.stdout.split()]


needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed; pip install jax"
)


@needs_jax
def test_heads_and_losses_agree_on_jax():
    expected = run(HEADS_AND_LOSSES.format(backend="tensorflow"), "tensorflow")
    np.testing.assert_allclose(
        run(HEADS_AND_LOSSES.format(backend="jax"), "jax"), expected, rtol=1e-5
    )


@needs_jax
def test_networks_train_on_jax():
    run(NETWORKS, "jax")


def test_load_refuses_a_lambda_layer(tmp_path):
    from similarity_lab.siamese import SiameseComparator

    pixels = keras.Input((8, 8, 1))
    x = keras.layers.Lambda(lambda x: x + 1)(keras.layers.Flatten()(pixels))
    build(keras.Model(pixels, x)).save(tmp_path / "lambda.keras")
    with pytest.raises(Exception, match=r"(?i)lambda"):
        SiameseComparator.load(tmp_path / "lambda.keras")
