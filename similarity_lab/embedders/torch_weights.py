"""Read weights from a legacy PyTorch ``.pth`` file without PyTorch and without trusting the pickle.

The file is a sequence: magic number, protocol number, machine description, a dictionary of tensors
as a pickle, the list of storage keys, then each storage as a 64-bit length and raw values. Tensors
are views of storages, with an offset and strides, and often not contiguous.
"""

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from similarity_lab.errors import WeightsError

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
        If the file is anything else, is damaged, or its pickle asks for any name besides an
        ordered dictionary, two storage types and the tensor constructor.
    """
    data = io.BytesIO(Path(path).read_bytes())
    try:
        if _load(data) != _MAGIC or _load(data) != _PROTOCOL:
            raise WeightsError(f"{path}: not a legacy PyTorch file (wrong magic number)")
        _load(data)  # the machine that wrote it; legacy files are always little-endian here
        views = _load(data)
        keys = _load(data)
        storages = {key: _read_storage(data, views, key) for key in keys}
        return {name: view.of(storages[view.storage.key]) for name, view in views.items()}
    except WeightsError:
        raise
    except Exception as error:  # hostile bytes may raise anything at all inside a pickle
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

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the view of a storage's values, after checking that it stays inside."""
        steps = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((size - 1) * stride for size, stride in steps)
        if min((self.offset, *self.shape, *self.strides)) < 0 or last >= len(values):
            raise WeightsError("a tensor reaches outside its storage")
        strides = tuple(stride * values.itemsize for stride in self.strides)
        window = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)
        return np.ascontiguousarray(window)


class _Unpickler(pickle.Unpickler):
    """Knows four names; anything else a pickle asks for is refused."""

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


def _refuse(what: str) -> NoReturn:
    raise WeightsError(f"the weights file asks for {what}, which no tensor needs; not loaded")


def _rebuild(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: object) -> _View:
    return _View(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _load(data: IO[bytes]) -> Any:  # noqa: ANN401 - a pickle holds what it holds
    return _Unpickler(data).load()


def _read_storage(data: IO[bytes], views: dict[str, _View], key: str) -> np.ndarray:
    declared = next(view.storage for view in views.values() if view.storage.key == key)
    length = int.from_bytes(data.read(8), "little")
    raw = data.read(declared.length * declared.dtype.itemsize)
    if length != declared.length or len(raw) != declared.length * declared.dtype.itemsize:
        raise WeightsError(f"storage {key} is truncated or of another length than declared")
    return np.frombuffer(raw, declared.dtype)
