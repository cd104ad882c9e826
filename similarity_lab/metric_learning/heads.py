"""The networks that learn: from the vectors of a base embedder to an embedding of length one.

All are Keras 2 (`tf_keras`), since TensorFlow Similarity is, and begin with a flat vector, whatever
the base makes of a photo: its pixels, frozen features, or activations half way through a network.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError
from similarity_lab.metric_learning.libraries import tf_keras, tfs

layers = tf_keras.layers

Shape = tuple[int, int, int]
Kind = Literal["projection", "residual", "beside"]

_DIMENSION = 512
_SMALLEST = 1e-6  # of the largest variance

KINDS = ("projection", "residual", "beside")


def small(shape: Shape, *, dimension: int = 64, seed: int = 0) -> tf_keras.Model:
    """Return the network of the original demo: one convolution, two dense layers.

    Rescaling 1/255 · Conv 64 3×3 ReLU · Flatten · Dense 64 ReLU · MetricEmbedding.

    Parameters
    ----------
    shape : (height, width, channels)
    dimension : int
        Length of an embedding.
    seed : int
        Of the first weights.

    Returns
    -------
    tf_keras.Model
        Pixels 0…255 ``(n, height · width · channels)`` → float32 ``(n, dimension)`` of length 1.

    Examples
    --------
    >>> small((28, 28, 1)).output_shape
    (None, 64)
    """
    pixels = tf_keras.Input((int(np.prod(shape)),), name="pixels")
    x = layers.Reshape(shape, name="picture")(pixels)
    x = layers.Rescaling(1 / 255, name="rescale")(x)
    x = layers.Conv2D(64, 3, activation="relu", kernel_initializer=_glorot(seed), name="conv")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(64, activation="relu", kernel_initializer=_glorot(seed + 1), name="dense")(x)
    return tf_keras.Model(pixels, _embedding(x, dimension, seed + 2), name="small")


def on_features(
    kind: Kind, size: int, *, dimension: int | None = None, dropout: float = 0.3, seed: int = 0
) -> tf_keras.Model:
    """Return a head on frozen features; `start_from` sets where it starts.

    Parameters
    ----------
    kind : {"projection", "residual", "beside"}
        ``"projection"``: one linear layer. ``"residual"``: the centred features and what a small
        network adds to them. ``"beside"``: the centred features beside a learned embedding, each
        with half of the say.
    size : int
        Length of a feature vector.
    dimension : int, optional
        Length of an embedding, or of its learned part, at most `size`; default 512 where that is
        possible. A ``"residual"`` has `size`.
    dropout : float
        Share of the features left out in each training step, 0…1.
    seed : int
        Of first weights and dropout.

    Returns
    -------
    tf_keras.Model
        Features ``(n, size)`` → float32 of length 1; longer or shorter features, same embedding.

    Examples
    --------
    >>> on_features("projection", 1280).output_shape
    (None, 512)
    """
    if kind not in KINDS:
        raise InputError(f"head must be one of {', '.join(KINDS)}, got {kind!r}")
    dimension = min(_DIMENSION, size) if dimension is None else dimension
    if not 1 <= dimension <= size:
        raise InputError(f"dimension must be from 1 to {size}, the features' own, got {dimension}")
    features = tf_keras.Input((size,), name="features")
    x = layers.UnitNormalization(name="unit_features")(features)
    if kind == "projection":
        x = layers.Dropout(dropout, seed=seed, name="dropout")(x)
        return tf_keras.Model(features, _embedding(x, dimension, seed), name=kind)
    centred = layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, name="centre"
    )(x)
    centred = layers.UnitNormalization(name="unit_centred")(centred)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(centred)
    x = layers.Dense(
        2 * dimension, activation="relu", kernel_initializer=_glorot(seed), name="hidden"
    )(x)
    if kind == "residual":
        x = layers.Dense(size, kernel_initializer="zeros", name="added")(x)
        x = layers.UnitNormalization(name="embedding")(layers.Add(name="sum")([centred, x]))
        return tf_keras.Model(features, x, name=kind)
    learned = _embedding(x, dimension, seed + 1)
    both = layers.Concatenate(name="both")([centred, learned])
    return tf_keras.Model(features, layers.Rescaling(0.5**0.5, name="scaled")(both), name=kind)


def start_from(head: tf_keras.Model, features: Vectors) -> None:
    """Let a head on features start from those of the photos to train on.

    What all photos have in common (the mean) goes. A projection starts as the principal components,
    each divided by the fourth root of its standard deviation: what dominates all photos says least
    about which is which.
    """
    unit = features.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    mean = unit.mean(axis=0)
    if head.name != "projection":
        head.get_layer("centre").set_weights([mean, np.ones_like(mean)])
        return
    axes = _scaled_axes(unit - mean, head.output_shape[1])
    head.get_layer("embedding").set_weights([axes, -mean @ axes])


def _scaled_axes(centred: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Return the `count` directions in which vectors differ most, scaled, ``(d, count)``."""
    photos, size = centred.shape
    variances, axes = eigh(centred.T @ centred, subset_by_index=(size - count, size - 1))
    relative = np.maximum(variances / variances[-1], _SMALLEST)
    # Where too few photos say nothing, others may differ: those directions stay as they are.
    relative[: max(count - photos + 1, 0)] = 1.0
    return axes * relative**-0.125


def _embedding(x: object, dimension: int, seed: int) -> object:
    layer = tfs.layers.MetricEmbedding(
        dimension, kernel_initializer=_glorot(seed), name="embedding"
    )
    return layer(x)


def _glorot(seed: int) -> object:
    return tf_keras.initializers.GlorotUniform(seed)
