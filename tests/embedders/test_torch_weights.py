import os
import pickle
import struct
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

from similarity_lab.embedders.lite import VARIANTS, read_pth
from similarity_lab.errors import WeightsError


class Storage:
    """A persistent object of the legacy format."""

    def __init__(self, kind, key, values):
        self.pid = ("storage", kind, key, "cpu", len(values), None)


def rebuild(*_):
    """Stand for torch._utils._rebuild_tensor_v2 while the test writes its file."""


class Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.arguments = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


@pytest.fixture
def torch(monkeypatch):
    """Modules with the names to which such a file refers; torch itself is not needed."""
    names = {"torch": types.ModuleType("torch"), "torch._utils": types.ModuleType("torch._utils")}
    kind = type("FloatStorage", (), {"__module__": "torch"})
    names["torch"].FloatStorage = kind
    monkeypatch.setattr(rebuild, "__module__", "torch._utils")
    monkeypatch.setattr(rebuild, "__qualname__", "_rebuild_tensor_v2")
    names["torch._utils"]._rebuild_tensor_v2 = rebuild
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module)
    return names["torch"]


def write(path, tensors, keys, values, magic=0x1950A86A20F9469CFC6C, cut=0):
    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return thing.pid if isinstance(thing, Storage) else None

    with open(path, "wb") as file:
        for head in (magic, 1001, {"little_endian": True}, tensors, keys):
            Pickler(file, 2).dump(head)
        for array in values:
            file.write(struct.pack("<q", len(array)) + array.tobytes())
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    return path


VALUES = np.arange(12, dtype=np.float32)


def one_tensor(torch, offset=0, shape=(3, 4), strides=(4, 1)):
    return OrderedDict(w=Tensor(Storage(torch.FloatStorage, "7", VALUES), offset, shape, strides))


def test_read_pth_of_a_view_with_strides_and_offset(torch, tmp_path):
    path = write(tmp_path / "a.pth", one_tensor(torch, 1, (4, 2), (1, 4)), ["7"], [VALUES])
    expected = np.array([[1, 5], [2, 6], [3, 7], [4, 8]], np.float32)
    np.testing.assert_array_equal(read_pth(path)["w"], expected)
    assert read_pth(path)["w"].flags.c_contiguous


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (3, 5), (4, 1)),
        (1, (3, 4), (4, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2,), (99,)),
    ],
)
def test_read_pth_of_a_tensor_outside_its_storage(torch, tmp_path, offset, shape, strides):
    path = write(tmp_path / "a.pth", one_tensor(torch, offset, shape, strides), ["7"], [VALUES])
    with pytest.raises(WeightsError, match="outside its storage"):
        read_pth(path)


class Malicious:
    def __reduce__(self):
        return os.system, ("echo executed > executed.txt",)


def test_read_pth_of_a_malicious_pickle(torch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "a.pth", OrderedDict(w=Malicious()), [], [])
    with pytest.raises(WeightsError, match=r"refers to \w+\.system, which tensors do not need"):
        read_pth(path)
    assert not (tmp_path / "executed.txt").exists()


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (VALUES, {"cut": 3}, "truncated or of another length"),
        (VALUES[:5], {}, "truncated or of another length"),
        (VALUES, {"magic": 1}, "wrong magic number"),
    ],
)
def test_read_pth_of_a_damaged_file(torch, tmp_path, values, options, message):
    path = write(tmp_path / "a.pth", one_tensor(torch), ["7"], [values], **options)
    with pytest.raises(WeightsError, match=message):
        read_pth(path)


def test_read_pth_of_another_format(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"PK\3\4 as of PyTorch 1.6")
    with pytest.raises(WeightsError, match="damaged weights file"):
        read_pth(tmp_path / "a.pth")


def test_read_pth_of_the_packaged_weights():
    tensors = read_pth(VARIANTS["efficientnet-lite0"].weights_path())
    assert len(tensors) == 296
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
