"""The two towers of the original study.

Both take float32 ``(n, height, width, channels)`` in 0…1. The study fed them the blue channel of
128 × 128 images by mistake; here one channel is gray.
"""

from itertools import count

from similarity_lab.backend import keras
from similarity_lab.errors import InputError

layers = keras.layers

Shape = tuple[int, int, int]


def architecture_1(input_shape: Shape = (128, 128, 1), *, seed: int = 0) -> keras.Model:
    """Return the first tower: two small convolutions, averaged over the image.

    Parameters
    ----------
    input_shape : (height, width, channels)
        At least 4 × 4 pixels, 1 or 3 channels.
    seed : int
        Of the initial weights and of dropout.

    Returns
    -------
    keras.Model
        float32 ``(n, height, width, channels)`` in 0…1 → float32 ``(n, 48)``, any real numbers.
        19,888 weights with one channel.

    Raises
    ------
    InputError
        For an input shape that is not that of an image, or too small.

    Examples
    --------
    >>> architecture_1().count_params()
    19888
    """
    pixels, seeds = _pixels(input_shape, smallest=4), count(seed)
    x = pixels
    for number in (1, 2):
        x = layers.Conv2D(
            64,
            2,
            padding="same",
            activation="relu",
            kernel_initializer=_glorot(next(seeds)),
            name=f"convolution{number}",
        )(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
        x = layers.Dropout(0.3, seed=next(seeds), name=f"dropout{number}")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dense(48, kernel_initializer=_glorot(next(seeds)), name="vector")(x)
    return keras.Model(pixels, x, name="architecture_1")


def architecture_2(input_shape: Shape = (128, 128, 1), *, seed: int = 0) -> keras.Model:
    """Return the second tower: five convolutions, then a dense layer of ten numbers.

    Parameters
    ----------
    input_shape : (height, width, channels)
        At least 63 × 63 pixels (each of the five steps halves the image), 1 or 3 channels.
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        float32 ``(n, height, width, channels)`` in 0…1 → float32 ``(n, 10)`` in -1…1. 206,910
        weights with 128 × 128 × 1, of which 4,610 are running means and variances.

    Raises
    ------
    InputError
        For an input shape that is not that of an image, or too small.

    Examples
    --------
    >>> architecture_2().count_params()
    206910
    """
    pixels, seeds = _pixels(input_shape, smallest=63), count(seed)
    x = layers.BatchNormalization(name="normalize_pixels")(pixels)
    for number, filters in enumerate((16, 32, 64, 128, 256), start=1):
        x = layers.Conv2D(
            filters,
            2,
            activation="tanh",
            kernel_initializer=_glorot(next(seeds)),
            name=f"convolution{number}",
        )(x)
        x = layers.AveragePooling2D(2, name=f"pool{number}")(x)
    x = layers.BatchNormalization(name="normalize_features")(layers.Flatten(name="flatten")(x))
    x = layers.Dense(
        10,
        activation="tanh",
        kernel_regularizer="l2",
        kernel_initializer=_glorot(next(seeds)),
        name="vector",
    )(x)
    return keras.Model(pixels, x, name="architecture_2")


def _pixels(shape: Shape, *, smallest: int) -> keras.KerasTensor:
    sizes = tuple(shape)
    if len(sizes) != 3 or sizes[2] not in (1, 3) or not all(isinstance(n, int) for n in sizes):
        raise InputError(
            f"input_shape must be (height, width, channels) with 1 or 3 channels, got {shape}; "
            "for 64 × 64 colour images pass (64, 64, 3)"
        )
    if min(sizes[:2]) < smallest:
        raise InputError(
            f"input_shape {shape} is too small: this architecture needs at least "
            f"{smallest} × {smallest} pixels"
        )
    return keras.Input(sizes, name="pixels")


def _glorot(seed: int) -> keras.Initializer:
    """Return Keras's default initialisation, with a seed."""
    return keras.initializers.GlorotUniform(seed)
