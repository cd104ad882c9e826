"""The three towers: from an image to the vectors of a base embedder, and the network on those.

A base embedder is frozen, so that an image goes through it once and not once per training step: on
a CPU that is most of the work. The network on its vectors is Keras 2 (`tf_keras`), since TensorFlow
Similarity is; it begins with a flat vector and ends with an embedding of length one.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import eigh
from sklearn.base import BaseEstimator

from similarity_lab._progress import tqdm
from similarity_lab.embedders import Embedded, Embedder, load_embedder
from similarity_lab.embedders.base import Images, NetworkEmbedder, Vectors, as_sources
from similarity_lab.embedders.keras_models import split_efficientnet_lite
from similarity_lab.embedders.lite import LiteWeights
from similarity_lab.embedders.lite import weights_digest as packaged_digest
from similarity_lab.embedders.loading import EmbedderSource
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.files import skipped_table
from similarity_lab.images import Color, Pixels, image_size
from similarity_lab.images.decoding import spans
from similarity_lab.metric_learning.libraries import apply, tf_keras, tfs

layers = tf_keras.layers

Shape = tuple[int, int, int]
Head = Literal["projection", "residual", "beside"]
HEADS = ("projection", "residual", "beside")

_EFFICIENTNET = "efficientnet-lite0"
_DIMENSION = 512
_SMALLEST_VARIANCE = 1e-6  # of the largest
_BLOCK = 512  # images whose base vectors are in memory at once


class FeatureTower(BaseEstimator):
    """A head on the vectors of a frozen embedder.

    Parameters
    ----------
    embedder : embedder, name or Keras model
        As `load_embedder` takes it. Wrap it in `CachedEmbedder` to train several heads on the same
        images.
    head : {"projection", "residual", "beside"}
        ``"projection"``: one linear layer. ``"residual"``: the centred features plus the output of
        a small network. ``"beside"``: the centred features next to a learned embedding, with equal
        weight.
    dimension : int, optional
        Length of an embedding, or of its learned part, at most that of a feature vector; default
        512 where that is possible. A ``"residual"`` has the length of the features.
    dropout : float
        Share of the features left out in each training step, 0…1.

    Examples
    --------
    >>> FeatureTower(dimension=64)
    FeatureTower(dimension=64)
    """

    name: ClassVar[str] = "features"
    blend: ClassVar[float] = 0.5
    learning_rate: ClassVar[float] = 1e-3

    def __init__(
        self,
        embedder: EmbedderSource = _EFFICIENTNET,
        *,
        head: Head = "projection",
        dimension: int | None = None,
        dropout: float = 0.3,
    ) -> None:
        self.embedder = embedder
        self.head = head
        self.dimension = dimension
        self.dropout = dropout

    def __sklearn_clone__(self) -> FeatureTower:
        return FeatureTower(**self.get_params(deep=False))  # the same embedder: it is not fitted

    def __deepcopy__(self, memo: dict[int, Any]) -> FeatureTower:
        return self.__sklearn_clone__()

    def base(self) -> Embedder:
        """Return the embedder whose vectors the network is trained on."""
        return load_embedder(self.embedder)

    def build(self, base: Embedder, seed: int) -> tf_keras.Model:
        """Return the network with its initial weights."""
        return feature_head(
            self.head, base.dimension, dimension=self.dimension, dropout=self.dropout, seed=seed
        )

    def initialise(self, network: tf_keras.Model, vectors: Vectors) -> None:
        """Set the initial weights by the training images."""
        initialise_head(network, vectors)


class SmallTower(BaseEstimator):
    """The network of the study's demo, on pixels, trained from random weights.

    Parameters
    ----------
    dimension : int
        Length of an embedding.
    size : int or (height, width)
        In pixels.
    color : {"rgb", "gray"}
    """

    name: ClassVar[str] = "small"
    blend: ClassVar[float] = 1.0
    learning_rate: ClassVar[float] = 1e-3

    def __init__(
        self,
        dimension: int = 64,
        *,
        size: int | tuple[int, int] = (28, 28),
        color: Color = "rgb",
    ) -> None:
        self.dimension = dimension
        self.size = size
        self.color = color

    def base(self) -> PixelEmbedder:
        """Return the embedder whose vectors are the pixels."""
        return PixelEmbedder(image_size(self.size), self.color)

    def build(self, base: Embedder, seed: int) -> tf_keras.Model:
        """Return the network with its initial weights."""
        height, width = image_size(self.size)
        shape = (height, width, 1 if self.color == "gray" else 3)
        return small_network(shape, dimension=self.dimension, seed=seed)

    def initialise(self, network: tf_keras.Model, vectors: Vectors) -> None:
        """Keep the random weights."""


class EfficientNetTower(BaseEstimator):
    """EfficientNet-Lite0 with a projection; its last blocks are trained as well.

    Parameters
    ----------
    dimension : int, optional
        Length of an embedding; default 512.
    blocks : int
        How many of the 16 blocks are trained. With five, the activations of the blocks before take
        88 kB per training image.
    """

    name: ClassVar[str] = _EFFICIENTNET
    blend: ClassVar[float] = 0.5
    learning_rate: ClassVar[float] = 1e-4  # most of it is trained already

    def __init__(self, dimension: int | None = None, *, blocks: int = 5) -> None:
        self.dimension = dimension
        self.blocks = blocks

    def base(self) -> FrontEmbedder:
        """Return the frozen blocks as an embedder."""
        return FrontEmbedder(self.blocks)

    def build(self, base: Embedder, seed: int) -> tf_keras.Model:
        """Return the other blocks and the projection with their initial weights."""
        if not isinstance(base, FrontEmbedder):
            raise InputError(f"expected the base() of this tower, got {type(base).__name__}")
        return base.back(self.dimension, seed)

    def initialise(self, network: tf_keras.Model, vectors: Vectors) -> None:
        """Set the projection to the principal components of the training images."""
        trunk = tf_keras.Sequential([network.get_layer("image"), network.get_layer("trunk")])
        initialise_head(network.get_layer("projection"), apply(trunk, vectors))


Tower = FeatureTower | SmallTower | EfficientNetTower
TowerName = Literal["features", "small", "efficientnet-lite0"]
TOWERS: dict[str, type[Tower]] = {
    tower.name: tower for tower in (FeatureTower, SmallTower, EfficientNetTower)
}


def as_tower(tower: TowerName | Tower) -> Tower:
    """Return a tower object as it is, and for a name one with default parameters."""
    if isinstance(tower, Tower):
        return tower
    if tower not in TOWERS:
        raise InputError(
            f"Unknown tower {tower!r}.{did_you_mean(tower, TOWERS)} Expected one of "
            f"{', '.join(TOWERS)}, or an object: FeatureTower, SmallTower, EfficientNetTower"
        )
    return TOWERS[tower]()


class PixelEmbedder(NetworkEmbedder):
    """The pixels themselves, 0…255, as one flat vector."""

    def __init__(self, size: tuple[int, int], color: Color = "rgb") -> None:
        height, width = size
        channels = 1 if color == "gray" else 3
        name = f"pixels {color} {height}x{width} bicubic"
        super().__init__(name, height * width * channels, size, color)

    def forward(self, pixels: Pixels) -> Vectors:
        """Flatten uint8 ``(b, h, w, c)`` to float32 ``(b, h · w · c)``."""
        return pixels.reshape(len(pixels), -1).astype(np.float32)


class FrontEmbedder(NetworkEmbedder):
    """The first blocks of EfficientNet-Lite0, frozen; their activations as one flat vector.

    Parameters
    ----------
    blocks : int
        How many of its 16 blocks are left to be trained, at the end.

    Raises
    ------
    InputError
        For a number of blocks out of range.
    """

    def __init__(self, blocks: int) -> None:
        parts = split_efficientnet_lite(LiteWeights(_EFFICIENTNET), blocks, library=tf_keras)
        self.blocks = blocks
        self._front, self._back = parts.front, parts.back
        self._shape: Shape = tuple(self._front.output_shape[1:])
        size = self._front.input_shape[1:3]
        name = f"{_EFFICIENTNET} {packaged_digest(_EFFICIENTNET)} before its last {blocks} blocks "
        name += f"rgb {size[0]}x{size[1]} bicubic tf_keras float32"
        super().__init__(name, int(np.prod(self._shape)), size, "rgb")

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return FrontEmbedder, (self.blocks,)

    def forward(self, pixels: Pixels) -> Vectors:
        """Return the activations of one batch: uint8 ``(b, h, w, 3)`` → float32 ``(b, n)``."""
        values = apply(self._front, pixels.astype(np.float32) / np.float32(255))
        return values.reshape(len(pixels), -1)

    def back(self, dimension: int | None, seed: int) -> tf_keras.Model:
        """Return the rest with a projection: activations → float32 ``(n, dimension)``, length 1.

        Batch normalisation uses its stored statistics; a small batch would spoil them.
        """
        trunk = tf_keras.Model(self._back.input, self._back.output, name="trunk")
        for layer in trunk.layers:
            layer.trainable = not isinstance(layer, layers.BatchNormalization)
        activations = tf_keras.Input((self.dimension,), name="activations")
        features = trunk(layers.Reshape(self._shape, name="image")(activations))
        projection = feature_head(
            "projection", features.shape[1], dimension=dimension, dropout=0.0, seed=seed
        )
        return tf_keras.Model(activations, projection(features), name=_EFFICIENTNET)


class HeadEmbedder:
    """A base embedder and a trained network on its vectors: together an `Embedder`.

    Copies share the base; the network is copied.

    Attributes
    ----------
    base : Embedder
    head : tf_keras.Model
    name : str
        Contains a digest of the head's weights, and the base's name.
    dimension : int
    input_size : (height, width)
    """

    def __init__(self, base: Embedder, head: tf_keras.Model) -> None:
        self.base, self.head = base, head
        self._digest = weights_digest(head)
        self.dimension = int(head.output_shape[1])
        self.input_size = base.input_size

    @property
    def name(self) -> str:
        """Name of head and base, which may change when the base falls back to another runtime."""
        return f"{self.head.name} {self._digest} on {self.base.name}"

    def __repr__(self) -> str:
        return f"<embedder {self.name}: {self.dimension} numbers per image>"

    def __reduce__(self) -> tuple[Any, ...]:
        config, weights = self.head.get_config(), self.head.get_weights()
        return _restore_head, (self.base, config, weights)

    def __deepcopy__(self, memo: dict[int, Any]) -> HeadEmbedder:
        config = copy.deepcopy(self.head.get_config(), memo)
        return _restore_head(self.base, config, self.head.get_weights())

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Return one vector of length 1 per readable image, and list the others.

        Images are processed in blocks, so that the vectors of the base, which may be much longer,
        are never all in memory.
        """
        sources = as_sources(images)
        blocks: list[Vectors] = [np.empty((0, self.dimension), np.float32)]
        kept: list[int] = []
        skipped: list[pd.DataFrame] = [skipped_table([])]
        bar = tqdm(
            total=len(sources), desc="embedding", unit="image", disable=not progress, leave=None
        )
        with bar:
            for span in spans(len(sources), _BLOCK):
                embedded = self.base.embed(
                    [sources[index] for index in span], batch_size=batch_size, progress=False
                )
                blocks.append(apply(self.head, embedded.vectors))
                kept.extend(span.start + index for index in embedded.kept)
                skipped.append(embedded.skipped)
                bar.update(len(span))
        return Embedded(np.concatenate(blocks), kept, pd.concat(skipped, ignore_index=True))


def _restore_head(
    base: Embedder, config: dict[str, Any], weights: list[npt.NDArray[np.float32]]
) -> HeadEmbedder:
    head = tf_keras.Model.from_config(config)
    head.set_weights(weights)
    return HeadEmbedder(base, head)


def weights_digest(head: tf_keras.Model) -> str:
    """Return eight hexadecimal digits that identify a head's weights."""
    digest = hashlib.sha256()
    for weight in head.get_weights():
        digest.update(f"{weight.shape}{weight.dtype}".encode() + weight.tobytes())
    return digest.hexdigest()[:8]


def small_network(shape: Shape, *, dimension: int = 64, seed: int = 0) -> tf_keras.Model:
    """Return the network of the original demo: one convolution, two dense layers.

    Rescaling 1/255 · Conv 64 3×3 ReLU · Flatten · Dense 64 ReLU · MetricEmbedding.

    Parameters
    ----------
    shape : (height, width, channels)
    dimension : int
        Length of an embedding.
    seed : int
        Of the initial weights.

    Returns
    -------
    tf_keras.Model
        Pixels 0…255 ``(n, height · width · channels)`` → float32 ``(n, dimension)`` of length 1.

    Examples
    --------
    >>> small_network((28, 28, 1)).output_shape
    (None, 64)
    """
    pixels = tf_keras.Input((int(np.prod(shape)),), name="pixels")
    x = layers.Reshape(shape, name="image")(pixels)
    x = layers.Rescaling(1 / 255, name="rescale")(x)
    x = layers.Conv2D(64, 3, activation="relu", kernel_initializer=_glorot(seed), name="conv")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(64, activation="relu", kernel_initializer=_glorot(seed + 1), name="dense")(x)
    return tf_keras.Model(pixels, _embedding(x, dimension, seed + 2), name="small")


def feature_head(
    kind: Head, size: int, *, dimension: int | None = None, dropout: float = 0.3, seed: int = 0
) -> tf_keras.Model:
    """Return a head on features; `initialise_head` sets its initial weights.

    Parameters
    ----------
    kind, dimension, dropout
        As `FeatureTower`'s `head`, `dimension` and `dropout`.
    size : int
        Length of a feature vector.
    seed : int
        Of the initial weights and dropout.

    Returns
    -------
    tf_keras.Model
        Features ``(n, size)`` → float32 ``(n, dimension)`` of length 1. The embedding depends on
        the direction of a feature vector only.

    Raises
    ------
    InputError
        For an unknown kind or a dimension out of range.

    Examples
    --------
    >>> feature_head("projection", 1280).output_shape
    (None, 512)
    """
    if kind not in HEADS:
        raise InputError(
            f"Unknown head {kind!r}.{did_you_mean(kind, HEADS)} Expected one of {', '.join(HEADS)}"
        )
    dimension = min(_DIMENSION, size) if dimension is None else dimension
    if not 1 <= dimension <= size:
        raise InputError(
            f"dimension must be from 1 to {size}, that of the features, got {dimension}"
        )
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


def initialise_head(head: tf_keras.Model, features: Vectors) -> None:
    """Set the initial weights of a `feature_head` by the features of the training images.

    The mean of all images is subtracted. A projection starts as the principal components, each
    divided by the fourth root of its standard deviation: the directions in which all images vary
    most distinguish them least.
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
    """Return the `count` directions in which vectors vary most, scaled, ``(d, count)``."""
    n_images, size = centred.shape
    variances, axes = eigh(centred.T @ centred, subset_by_index=(size - count, size - 1))
    relative = np.maximum(variances / variances[-1], _SMALLEST_VARIANCE)
    # With few images, the remaining directions are arbitrary, and other images may vary in them.
    relative[: max(count - n_images + 1, 0)] = 1.0
    return axes * relative**-0.125


def _embedding(x: object, dimension: int, seed: int) -> object:
    layer = tfs.layers.MetricEmbedding(
        dimension, kernel_initializer=_glorot(seed), name="embedding"
    )
    return layer(x)


def _glorot(seed: int) -> object:
    return tf_keras.initializers.GlorotUniform(seed)
