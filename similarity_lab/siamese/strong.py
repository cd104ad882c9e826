"""A tower that starts from EfficientNet-Lite with its ImageNet weights instead of from nothing."""

from typing import Literal

import numpy as np
from scipy.linalg import eigh

from similarity_lab.backend import keras
from similarity_lab.embedders.base import Images
from similarity_lab.embedders.efficientnet_lite import efficientnet_lite
from similarity_lab.embedders.keras_models import KerasEmbedder
from similarity_lab.embedders.lite_variants import VARIANTS
from similarity_lab.errors import InputError

layers = keras.layers

Blocks = int | Literal["all"]


def strong_tower(
    embedder: str = "efficientnet-lite0",
    *,
    dimension: int = 256,
    unfrozen: Blocks = 0,
    seed: int = 0,
) -> keras.Model:
    """Return EfficientNet-Lite with a linear projection to a vector of length one.

    The projection starts orthonormal, so that distances start close to the cosine distances of
    the frozen network (with ``dimension=1280`` they rank pairs exactly alike); `fit_projection`
    adapts the start to your photos. Batch normalisation always works with its stored statistics,
    also where layers are unfrozen: a small batch of pairs would spoil them.

    Parameters
    ----------
    embedder : {"efficientnet-lite0", "efficientnet-lite2"}
        224 or 260 pixels, colour.
    dimension : int
        Length of a vector, 1…1280.
    unfrozen : int or "all"
        How many of the last blocks learn, see `unfreeze`. 0 = only the projection.
    seed : int
        Of the projection.

    Returns
    -------
    keras.Model
        float32 ``(n, height, width, 3)`` in 0…1, RGB → float32 ``(n, dimension)`` of length 1.

    Raises
    ------
    ValueError
        For another embedder, a dimension or a number of blocks that is not there.

    Examples
    --------
    >>> tower = strong_tower(dimension=64)
    >>> tower.output_shape, [weight.path for weight in tower.trainable_weights]
    ((None, 64), ['projection/kernel', 'projection/bias'])
    """
    if embedder not in VARIANTS:
        raise InputError(f"embedder must be one of {', '.join(VARIANTS)}, got {embedder!r}")
    base = efficientnet_lite(embedder)
    if not 1 <= dimension <= base.output_shape[1]:
        raise InputError(f"dimension must be from 1 to {base.output_shape[1]}, got {dimension}")
    pixels = keras.Input(base.input_shape[1:], name="pixels")
    # training=False is kept in the graph, and in the file: whatever is unfrozen later, batch
    # normalisation stays in inference mode.
    x = layers.UnitNormalization(name="unit_features")(base(pixels, training=False))
    x = layers.Dense(
        dimension,
        kernel_initializer=keras.initializers.Orthogonal(seed=seed),
        name="projection",
    )(x)
    x = layers.UnitNormalization(name="unit_length")(x)
    tower = keras.Model(pixels, x, name=f"{embedder}-{dimension}")
    unfreeze(tower, unfrozen)
    return tower


def unfreeze(tower: keras.Model, blocks: Blocks) -> None:
    """Let the last `blocks` blocks of a strong tower learn, and freeze the ones before.

    Compile the model anew afterwards.

    Parameters
    ----------
    tower : keras.Model
        From `strong_tower`.
    blocks : int or "all"
        0 = only the projection; n = the last n blocks and the convolution after them as well
        (lite0 has 16 blocks; the last 5 are its last two stages); ``"all"`` = everything. Batch
        normalisation stays frozen throughout.

    Raises
    ------
    ValueError
        For another kind of tower, or a number of blocks that is not there.

    Examples
    --------
    >>> tower = strong_tower()
    >>> unfreeze(tower, 5)
    >>> tower.get_layer("efficientnet-lite0").trainable_weights[0].path
    'block11_expand_conv/kernel'
    """
    base = _base(tower)
    n_blocks = 1 + max(_place(layer.name, after=-1) for layer in base.layers)
    if blocks != "all" and not (isinstance(blocks, int) and 0 <= blocks <= n_blocks):
        raise InputError(f'blocks must be from 0 to {n_blocks}, or "all"; got {blocks!r}')
    first = -1 if blocks == "all" else n_blocks - blocks
    base.trainable = True  # of a frozen model not even its unfrozen layers learn
    for layer in base.layers:
        is_open = blocks != 0 and _place(layer.name, after=n_blocks) >= first
        layer.trainable = is_open and not isinstance(layer, layers.BatchNormalization)


def fit_projection(tower: keras.Model, images: Images, *, progress: bool = True) -> None:
    """Set the projection to the principal components of `images`, in the frozen features.

    What all photos have in common (the mean) goes, and so do directions in which they hardly
    differ: a better start than a random projection.

    Parameters
    ----------
    tower : keras.Model
        From `strong_tower`; its projection is overwritten.
    images : sequence of paths, bytes, file objects, PIL images or arrays
        Photos to train on, never those to be tested on; better more than `dimension`.
    progress : bool
        Show a bar.

    Raises
    ------
    ImageError
        If one of them is no picture.
    ValueError
        For another kind of tower, or no images.

    Examples
    --------
    >>> from similarity_lab.samples import load_image
    >>> tower = strong_tower(dimension=16)
    >>> fit_projection(tower, [load_image("almonds", n) for n in range(4)], progress=False)
    """
    features = KerasEmbedder(_base(tower)).embed(images, progress=progress).astype(np.float64)
    if not len(features):
        raise InputError("expected images to fit the projection to, got none")
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    mean = features.mean(axis=0)
    features -= mean
    # Eigenvectors of the covariance, unlike an SVD, are enough also with few images.
    projection, size = tower.get_layer("projection"), features.shape[1]
    strongest = (size - projection.units, size - 1)
    _, axes = eigh(features.T @ features, subset_by_index=strongest)
    projection.set_weights([axes, -mean @ axes])


def _base(tower: keras.Model) -> keras.Model:
    for layer in tower.layers:
        if layer.name in VARIANTS:
            return layer
    raise InputError(
        f"tower {tower.name!r} holds no {' or '.join(VARIANTS)}; pass what strong_tower returns"
    )


def _place(layer: str, *, after: int) -> int:
    """Return a layer's block by its name; the stem is -1, the layers behind the blocks `after`."""
    place = layer.partition("_")[0]
    if place.startswith("block"):
        return int(place.removeprefix("block"))
    return after if place in ("head", "features") else -1
