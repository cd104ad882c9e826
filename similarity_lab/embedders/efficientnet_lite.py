"""EfficientNet-Lite0 and -Lite2 in Keras 3, with the official ImageNet weights."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from similarity_lab.backend import keras
from similarity_lab.embedders.lite_variants import (
    EPSILON,
    HEAD,
    OFFSET,
    SCALE,
    STEM,
    VARIANTS,
    torch_name,
)
from similarity_lab.embedders.torch_weights import read_pth
from similarity_lab.errors import InputError


def efficientnet_lite(
    name: str, input_size: tuple[int, int] | None = None, *, library: ModuleType = keras
) -> keras.Model:
    """Build the feature extractor with its weights.

    Parameters
    ----------
    name : {"efficientnet-lite0", "efficientnet-lite2"}
    input_size : (height, width), optional
        Default 224 (lite0) or 260 (lite2) pixels, for which the weights were trained.
    library : module
        What builds it: Keras 3, or ``tf_keras`` for TensorFlow Similarity, which is Keras 2.

    Returns
    -------
    keras.Model
        float32 ``(n, height, width, 3)`` in 0…1, RGB → float32 ``(n, 1280)``, never negative.
    """
    variant, layers = VARIANTS[name], library.layers
    height, width = input_size or (variant.input_size, variant.input_size)
    pixels = library.Input((height, width, 3), name="pixels")
    # Ours takes what TF-Hub's takes, pixels in 0…1.
    x = layers.Rescaling(255 / SCALE, offset=-OFFSET / SCALE, name="rescale")(pixels)
    x = _convolution(layers, x, "stem", STEM, 3, stride=2)
    for block, (kernel, stride, expansion, filters) in enumerate(variant.blocks()):
        x = _inverted_residual(layers, x, f"block{block}", kernel, stride, expansion, filters)
    x = _convolution(layers, x, "head", HEAD, 1)
    model = library.Model(pixels, layers.GlobalAveragePooling2D(name="features")(x), name=name)
    _set_weights(layers, model, read_pth(variant.weights_path()))
    return model


@dataclass(frozen=True)
class Split:
    """A network in two parts: pixels → activations (`front`) → vectors (`back`)."""

    front: keras.Model
    back: keras.Model


def split_efficientnet_lite(
    name: str,
    blocks: int,
    input_size: tuple[int, int] | None = None,
    *,
    library: ModuleType = keras,
) -> Split:
    """Build a network in two parts, the second of which holds the last `blocks` blocks.

    What the front makes of a photo never changes while only the back learns: it is computed once.

    Parameters
    ----------
    name, input_size, library
        As for `efficientnet_lite`.
    blocks : int
        1…number of blocks, 16 for lite0.

    Raises
    ------
    ValueError
        For a number of blocks that is not there.
    """
    n_blocks = len(VARIANTS[name].blocks())
    if not 1 <= blocks <= n_blocks:
        raise InputError(f"blocks must be from 1 to {n_blocks}, got {blocks}")
    network = efficientnet_lite(name, input_size, library=library)
    first = n_blocks - blocks
    entrance = f"block{first}_expand_conv" if first else "block0_depthwise_conv"
    cut = network.get_layer(entrance).input
    return Split(
        library.Model(network.input, cut, name="front"),
        library.Model(cut, network.output, name="back"),
    )


def _convolution(
    layers: ModuleType,
    x: keras.KerasTensor,
    name: str,
    filters: int,
    kernel: int,
    *,
    stride: int = 1,
    act: bool = True,
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(max_value=6.0, name=f"{name}_relu")(x) if act else x


def _inverted_residual(
    layers: ModuleType,
    x: keras.KerasTensor,
    name: str,
    kernel: int,
    stride: int,
    expansion: int,
    filters: int,
) -> keras.KerasTensor:
    inputs, channels = x, x.shape[-1]
    if expansion != 1:
        x = _convolution(layers, x, f"{name}_expand", channels * expansion, 1)
    x = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_depthwise_bn")(x)
    x = layers.ReLU(max_value=6.0, name=f"{name}_depthwise_relu")(x)
    x = _convolution(layers, x, f"{name}_project", filters, 1, act=False)
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _set_weights(layers: ModuleType, model: keras.Model, tensors: dict[str, np.ndarray]) -> None:
    for layer in model.layers:
        if isinstance(layer, layers.DepthwiseConv2D):
            kernel = tensors[torch_name(layer.name) + ".weight"]
            layer.set_weights([kernel.transpose(2, 3, 0, 1)])
        elif isinstance(layer, layers.Conv2D):
            kernel = tensors[torch_name(layer.name) + ".weight"]
            layer.set_weights([kernel.transpose(2, 3, 1, 0)])
        elif isinstance(layer, layers.BatchNormalization):
            prefix = torch_name(layer.name)
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([tensors[f"{prefix}.{part}"] for part in parts])
