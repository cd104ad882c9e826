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
    fold_batch_norm,
    read_pth,
    weights_digest,
)
from similarity_lab.embedders.torch_runtime import (
    Precision,
    TorchRuntime,
    fast_precision,
    find_device,
    torch,
)
from similarity_lab.images import Color

__all__ = ["TorchLite"]


class TorchLite(NetworkEmbedder):
    """``"efficientnet-lite0"`` or ``"efficientnet-lite2"`` in PyTorch.

    Float32 vectors agree with those of Keras and OpenVINO to 1e-4. In 16 bits, images are decoded
    by `similarity_lab.images.scaled.read_scaled`.

    Parameters
    ----------
    variant : {"efficientnet-lite0", "efficientnet-lite2"}
    color : {"rgb", "gray"}
    input_size : (height, width), optional
        Default: the variant's own.
    device : str, optional
        Default: an accelerator if there is one, else the CPU.
    precision : {"float32", "bfloat16", "float16"}, optional
        Default: 16 bits on an accelerator, float32 on the CPU.
    """

    def __init__(
        self,
        variant: str,
        color: Color = "rgb",
        input_size: tuple[int, int] | None = None,
        *,
        device: str | None = None,
        precision: Precision | None = None,
    ) -> None:
        side = VARIANTS[variant].input_size
        size = input_size or (side, side)
        place = find_device(device)
        chosen = precision or fast_precision(place)
        self.scaled = chosen != "float32"
        identity = f"{variant} {weights_digest(variant)} {color} {size[0]}x{size[1]}"
        resizing = "scaled" if self.scaled else "bicubic"
        super().__init__(f"{identity} {resizing} torch {chosen}", HEAD, size, color)
        self._arguments = (variant, color, input_size, device, precision)
        example = np.zeros((1, *size, 1 if color == "gray" else 3), np.uint8)
        self._runtime = TorchRuntime(_network(variant), example, place, chosen)
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
    variant: str,
    color: Color,
    input_size: tuple[int, int] | None,
    device: str | None,
    precision: Precision | None,
) -> TorchLite:
    return TorchLite(variant, color, input_size, device=device, precision=precision)


def _network(name: str) -> Any:  # noqa: ANN401 - a module of PyTorch
    """Return a network, batch normalisation folded in: uint8 ``(b, h, w, c)`` → ``(b, 1280)``."""
    library = torch()
    variant = VARIANTS[name]
    tensors = read_pth(variant.weights_path())
    functional = library.nn.functional

    class Network(library.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.convolutions = library.nn.ModuleDict()
            self.add("stem", stride=2)
            for number, block in enumerate(variant.blocks()):
                if block.expansion != 1:
                    self.add(f"block{number}_expand")
                self.add(f"block{number}_depthwise", stride=block.stride)
                self.add(f"block{number}_project")
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
            x = functional.pad(x, (left, padding[1] - left, top, padding[0] - top))
            x = convolution(x)
            return functional.relu6(x) if relu else x

        def forward(self, pixels: Any) -> Any:  # noqa: ANN401
            dtype = next(self.parameters()).dtype
            x = (pixels.permute(0, 3, 1, 2).float() - OFFSET) / SCALE
            x = x.to(dtype).expand(-1, 3, -1, -1)
            x = self.run("stem", x)
            for number, block in enumerate(variant.blocks()):
                inputs = x
                if block.expansion != 1:
                    x = self.run(f"block{number}_expand", x)
                x = self.run(f"block{number}_depthwise", x)
                x = self.run(f"block{number}_project", x, relu=False)
                if block.stride == 1 and x.shape == inputs.shape:
                    x = x + inputs
            return self.run("head", x).mean((2, 3))

    return Network()
