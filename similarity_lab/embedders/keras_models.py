"""Keras models as embedders: EfficientNet-Lite, and your own."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from similarity_lab.backend import keras
from similarity_lab.embedders.base import NetworkEmbedder, Vectors
from similarity_lab.embedders.lite import (
    EPSILON,
    HEAD,
    OFFSET,
    SCALE,
    STEM,
    VARIANTS,
    LiteWeights,
    torch_name,
)
from similarity_lab.errors import InputError
from similarity_lab.images import Color, Pixels


class KerasEmbedder(NetworkEmbedder):
    """A Keras 3 model that takes float32 ``(n, h, w, 3)`` or ``(n, h, w, 1)`` in 0…1.

    Parameters
    ----------
    model : keras.Model
        One image input with fixed height and width, one output ``(n, dimension)``.
    color : {"rgb", "gray"}
        Ignored if the model takes one channel: it gets grayscale images.
    name : str, optional
        Default: the model's name and a digest of its weights.

    Attributes
    ----------
    model : keras.Model
    """

    def __init__(self, model: keras.Model, color: Color = "rgb", name: str | None = None) -> None:
        height, width, channels = _image_input(model)
        if channels == 1:
            color = "gray"
        if len(model.output_shape) != 2 or model.output_shape[1] is None:
            raise InputError(
                f"model {model.name!r} returns {model.output_shape}; an embedder needs one vector "
                "per image, (None, dimension): end the model with pooling or Flatten"
            )
        self.model = model
        self._channels = channels
        identity = name or f"{model.name} {_digest(model)}"
        precision = f"keras {model.compute_dtype}"
        super().__init__(
            f"{identity} {color} {height}x{width} bicubic {precision}",
            int(model.output_shape[1]),
            (height, width),
            color,
        )

    def forward(self, pixels: Pixels) -> Vectors:
        """Return the vectors of one batch of uint8 pixels."""
        values = pixels.astype(np.float32) / np.float32(255)
        if values.shape[3] != self._channels:
            values = np.repeat(values, self._channels, axis=3)
        return np.asarray(self.model.predict_on_batch(values), np.float32)


def efficientnet_lite_embedder(
    weights: LiteWeights, color: Color, input_size: tuple[int, int] | None = None
) -> KerasEmbedder:
    """Return EfficientNet-Lite0 or -Lite2 in Keras."""
    return KerasEmbedder(efficientnet_lite(weights, input_size), color, name=weights.name)


def _image_input(model: keras.Model) -> tuple[int, int, int]:
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(
            f"model {model.name!r} takes {shape}; an embedder needs one image input, "
            "(None, height, width, 3) or (None, height, width, 1)"
        )
    if None in shape[1:3]:
        raise InputError(
            f"model {model.name!r} takes any image size; build it with a fixed height and width"
        )
    return shape[1], shape[2], shape[3]


def _digest(model: keras.Model) -> str:
    digest = hashlib.sha256(model.to_json().encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:8]


def efficientnet_lite(
    weights: LiteWeights, input_size: tuple[int, int] | None = None, *, library: ModuleType = keras
) -> keras.Model:
    """Build the feature extractor with its weights.

    Parameters
    ----------
    weights : LiteWeights
    input_size : (height, width), optional
        Default: that of the weights, 224 (lite0) or 260 (lite2) pixels for the packaged ones.
    library : module
        Keras 3, or ``tf_keras`` (Keras 2) for TensorFlow Similarity.

    Returns
    -------
    keras.Model
        float32 ``(n, height, width, 3)`` in 0…1, RGB → float32 ``(n, 1280)``, never negative.
    """
    variant, layers = VARIANTS[weights.variant], library.layers
    height, width = input_size or weights.input_size
    pixels = library.Input((height, width, 3), name="pixels")
    # pixels in 0…1, as modules on TF-Hub take them
    x = layers.Rescaling(255 / SCALE, offset=-OFFSET / SCALE, name="rescale")(pixels)
    x = _convolution(layers, x, "stem", STEM, 3, stride=2)
    for block, (kernel, stride, expansion, filters) in enumerate(variant.blocks()):
        x = _inverted_residual(layers, x, f"block{block}", kernel, stride, expansion, filters)
    x = _convolution(layers, x, "head", HEAD, 1)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    model = library.Model(pixels, features, name=weights.variant)
    _set_weights(layers, model, weights.tensors)
    return model


@dataclass(frozen=True)
class Split:
    """A network in two parts: pixels → `front` → activations → `back` → vectors."""

    front: keras.Model
    back: keras.Model


def split_efficientnet_lite(
    weights: LiteWeights,
    blocks: int,
    input_size: tuple[int, int] | None = None,
    *,
    library: ModuleType = keras,
) -> Split:
    """Build a network in two parts, the second with the last `blocks` blocks and the head.

    If only the second part is trained, the activations of the first need computing only once.

    Parameters
    ----------
    weights, input_size, library
        As for `efficientnet_lite`.
    blocks : int
        1…number of blocks, 16 for lite0.

    Raises
    ------
    InputError
        `blocks` is out of range.
    """
    n_blocks = len(VARIANTS[weights.variant].blocks())
    if not 1 <= blocks <= n_blocks:
        raise InputError(f"blocks must be from 1 to {n_blocks}, got {blocks}")
    network = efficientnet_lite(weights, input_size, library=library)
    start = n_blocks - blocks
    layer_name = f"block{start}_expand_conv" if start else "block0_depthwise_conv"
    cut = network.get_layer(layer_name).input
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
    relu: bool = True,
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(max_value=6.0, name=f"{name}_relu")(x) if relu else x


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
    x = _convolution(layers, x, f"{name}_project", filters, 1, relu=False)
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _set_weights(layers: ModuleType, model: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
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
