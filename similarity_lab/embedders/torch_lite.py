"""EfficientNet-Lite in PyTorch (extra ``foundation``), for accelerators."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders.base import NetworkEmbedder, Vectors
from similarity_lab.embedders.lite import (
    HEAD,
    OFFSET,
    SCALE,
    VARIANTS,
    LiteWeights,
    fold_batch_norm,
)
from similarity_lab.embedders.torch_runtime import (
    Precision,
    TorchRuntime,
    fast_precision,
    find_device,
    torch,
)
from similarity_lab.images import Color

__all__ = ["TorchLite", "lite_module"]


class TorchLite(NetworkEmbedder):
    """EfficientNet-Lite0 or -Lite2 in PyTorch.

    Float32 vectors agree with those of Keras and OpenVINO to 1e-4. In 16 bits, images are decoded
    by `similarity_lab.images.scaled.read_scaled`.

    Parameters
    ----------
    weights : LiteWeights
    color : {"rgb", "gray"}
    input_size : (height, width), optional
        Default: that of the weights.
    device : str, optional
        Default: an accelerator if there is one, else the CPU.
    precision : {"float32", "bfloat16", "float16"}, optional
        Default: 16 bits on an accelerator, float32 on the CPU.
    """

    def __init__(
        self,
        weights: LiteWeights,
        color: Color = "rgb",
        input_size: tuple[int, int] | None = None,
        *,
        device: str | None = None,
        precision: Precision | None = None,
    ) -> None:
        size = input_size or weights.input_size
        place = find_device(device)
        chosen = precision or fast_precision(place)
        self.scaled = chosen != "float32"
        identity = f"{weights.name} {color} {size[0]}x{size[1]}"
        resizing = "scaled" if self.scaled else "bicubic"
        super().__init__(f"{identity} {resizing} torch {chosen}", HEAD, size, color)
        self.weights = weights
        self._arguments = (weights, color, input_size, device, precision)
        example = np.zeros((1, *size, 1 if color == "gray" else 3), np.uint8)
        self._runtime = TorchRuntime(lite_module(weights), example, place, chosen)
        self.batch_size = self._runtime.batch_size

    def __reduce__(self) -> tuple[Callable[..., "TorchLite"], tuple[object, ...]]:
        return _rebuild, self._arguments  # what is on a device cannot be pickled

    def start(self) -> None:
        """Measure the batch size, on an accelerator."""
        self._runtime.start()
        self.batch_size = self._runtime.batch_size

    def forward(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        """Return the vectors of one batch of uint8 pixels."""
        return self._runtime(pixels)


def _rebuild(
    weights: LiteWeights,
    color: Color,
    input_size: tuple[int, int] | None,
    device: str | None,
    precision: Precision | None,
) -> TorchLite:
    return TorchLite(weights, color, input_size, device=device, precision=precision)


def lite_module(weights: LiteWeights, blocks: range | None = None) -> Any:  # noqa: ANN401
    """Return a network, or consecutive blocks of it, batch normalisation folded in.

    Parameters
    ----------
    weights : LiteWeights
    blocks : range, optional
        The stem comes before the first block, the head after the last one; default: all blocks.

    Returns
    -------
    torch.nn.Module
        Pixels 0…255 ``(b, h, w, c)``, or activations without the stem → vectors ``(b, 1280)``, or
        activations ``(b, h, w, c)`` without the head.
    """
    library = torch()
    functional = library.nn.functional
    variant, tensors = VARIANTS[weights.variant], weights.tensors
    all_blocks = variant.blocks()
    numbers = range(len(all_blocks)) if blocks is None else blocks
    has_stem, has_head = numbers.start == 0, numbers.stop == len(all_blocks)

    class Network(library.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.convolutions = library.nn.ModuleDict()
            if has_stem:
                self.add("stem", stride=2)
            for number in numbers:
                if all_blocks[number].expansion != 1:
                    self.add(f"block{number}_expand")
                self.add(f"block{number}_depthwise", stride=all_blocks[number].stride)
                self.add(f"block{number}_project")
            if has_head:
                self.add("head")

        def add(self, layer: str, stride: int = 1) -> None:
            kernel, bias = fold_batch_norm(tensors, layer)
            filters, inputs, *size = kernel.shape
            groups = filters if inputs == 1 else 1
            convolution = library.nn.Conv2d(inputs * groups, filters, size, stride, groups=groups)
            convolution.weight.data = library.from_numpy(np.ascontiguousarray(kernel))
            convolution.bias.data = library.from_numpy(np.ascontiguousarray(bias))
            self.convolutions[layer] = convolution

        def run(self, layer: str, x: Any, *, relu: bool = True) -> Any:  # noqa: ANN401
            convolution = self.convolutions[layer]
            # TensorFlow's "same": odd padding is added to the right and below
            sizes = zip(x.shape[2:], convolution.kernel_size, convolution.stride, strict=True)
            padding = [max(0, (-(-n // step) - 1) * step + k - n) for n, k, step in sizes]
            top, left = (each // 2 for each in padding)
            ahead = (top, left)
            if ahead != (padding[0] - top, padding[1] - left):
                x = functional.pad(x, (left, padding[1] - left, top, padding[0] - top))
                ahead = (0, 0)
            x = functional.conv2d(
                x,
                convolution.weight,
                convolution.bias,
                convolution.stride,
                ahead,
                groups=convolution.groups,
            )
            return functional.relu6(x) if relu else x

        def forward(self, values: Any) -> Any:  # noqa: ANN401
            dtype = next(self.parameters()).dtype
            x = values.permute(0, 3, 1, 2)
            if has_stem:
                x = ((x.float() - OFFSET) / SCALE).to(dtype).expand(-1, 3, -1, -1)
                x = self.run("stem", x)
            for number in numbers:
                block, inputs = all_blocks[number], x
                if block.expansion != 1:
                    x = self.run(f"block{number}_expand", x)
                x = self.run(f"block{number}_depthwise", x)
                x = self.run(f"block{number}_project", x, relu=False)
                if block.stride == 1 and x.shape == inputs.shape:
                    x = x + inputs
            return self.run("head", x).mean((2, 3)) if has_head else x.permute(0, 2, 3, 1)

    return Network()
