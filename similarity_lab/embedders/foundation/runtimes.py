"""What computes an image tower: PyTorch on a device, or OpenVINO on the CPU.

OpenVINO is several times faster than PyTorch on a CPU. A tower is converted once and kept in the
cache folder. Its weights are rounded to int8 if that hardly moves the vectors: the loss is measured
when the tower is converted, on the images of the packaged sample.
"""

import hashlib
import io
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from similarity_lab._threads import in_order, usable_cores
from similarity_lab.embedders.base import Vectors
from similarity_lab.embedders.foundation.hub import Snapshot
from similarity_lab.embedders.foundation.libraries import nncf, quiet
from similarity_lab.embedders.foundation.networks import Network, load_network
from similarity_lab.embedders.foundation.processors import Processor
from similarity_lab.embedders.openvino_runtime import compile_graph
from similarity_lab.embedders.torch_runtime import Precision as TorchPrecision
from similarity_lab.embedders.torch_runtime import TorchRuntime, torch
from similarity_lab.errors import EmbedderError, HubError, SavedFolderError, one_line
from similarity_lab.files.saved import load_folder, save_folder
from similarity_lab.samples import IMAGES_PER_KIND, background_images
from similarity_lab.store import cache_folder

__all__ = ["OpenVinoTower", "Precision", "int8_loss", "torch_tower"]

Precision = Literal[TorchPrecision, "int8"]
Batch = npt.NDArray[np.float32]
"""Prepared images, ``(b, 3, h, w)``."""

MAX_INT8_LOSS = 0.02
"""Largest loss, as `int8_loss` defines it, at which the runtime "auto" rounds weights to int8."""

_KIND = "converted image tower"
_MODEL, _WEIGHTS = "model.xml", "model.bin"
_VERSIONED = ("openvino", "nncf", "torch", "transformers", "open_clip_torch", "timm")


def torch_tower(
    network: Network, input_size: tuple[int, int], device: str, precision: TorchPrecision
) -> TorchRuntime:
    """Return an image tower in PyTorch; `HubError` if the model has no vector per image."""
    network.dimension(input_size)
    example = np.zeros((1, 3, *input_size), np.float32)
    return TorchRuntime(network.image_tower(), example, device, precision)


class OpenVinoTower:
    """An image tower in OpenVINO, converted on first use and kept.

    Parameters
    ----------
    snapshot : Snapshot
    processor : Processor
        Its input size and, for the loss of int8, its preprocessing.
    precision : {"float32", "int8"}, optional
        None: int8 if its loss is at most `MAX_INT8_LOSS`, else float32.
    threads : int
        Each runs a stream of its own.

    Attributes
    ----------
    precision : {"float32", "int8"}
    dimension : int
    loss : float or None
        Of int8, as measured; None if it was not.
    """

    runtime = "openvino"
    batch_size = 8

    def __init__(
        self, snapshot: Snapshot, processor: Processor, precision: Precision | None, threads: int
    ) -> None:
        self.threads = threads
        converted = _converted(snapshot, processor, precision)
        self.precision: Precision = converted.precision
        self.dimension, self.loss = converted.dimension, converted.loss
        self._converted = converted
        self._compiling = threading.Lock()
        self._forward: Callable[[Batch], Vectors] | None = None

    def start(self) -> None:
        """Compile the tower."""
        self._compiled()

    def __call__(self, batch: Batch) -> Vectors:
        """Return the unit vectors of prepared images, ``(b, 3, h, w)`` → ``(b, d)``."""
        return self._compiled()(batch)

    def _compiled(self) -> Callable[[Batch], Vectors]:
        with self._compiling:
            if self._forward is None:
                graph = _read_graph(self._converted.folder)
                self._forward = compile_graph(graph, (self.dimension,), self.threads)
        return self._forward


class _Converted(NamedTuple):
    folder: Path
    precision: Precision
    dimension: int
    loss: float | None


def _converted(snapshot: Snapshot, processor: Processor, precision: Precision | None) -> _Converted:
    """Return a converted tower from the cache, or convert and keep it."""
    height, width = processor.input_size
    key = [
        snapshot.name,
        f"{height}x{width}",
        processor.identity,
        str(precision),
        str(MAX_INT8_LOSS),
    ]
    key += [f"{package} {_version(package)}" for package in _VERSIONED]
    digest = hashlib.sha256("\n".join(key).encode()).hexdigest()[:16]
    parent = cache_folder()
    if parent is None:  # no home folder: kept for as long as the process lives
        parent = Path(tempfile.mkdtemp(prefix="similarity_lab-"))
    parent = parent / "openvino"
    folder = parent / f"{snapshot.name.partition('@')[0].rpartition('/')[2]}-{digest}"
    try:
        return _load(folder)
    except (SavedFolderError, OSError, KeyError, ValueError):  # missing or damaged: converted again
        pass
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="part-", dir=parent) as part:
            _convert(snapshot, processor, precision, Path(part))
            shutil.rmtree(folder, ignore_errors=True)
            try:
                (Path(part) / "done").rename(folder)
            except OSError:  # another process was faster
                if not folder.is_dir():
                    raise
    except HubError:
        raise
    except OSError as error:
        raise EmbedderError(
            f"the converted model cannot be kept in {parent} ({one_line(error)}): set "
            'SIMILARITY_LAB_CACHE to a folder with space, or use runtime="torch"'
        ) from error
    return _load(folder)


def _load(folder: Path) -> _Converted:
    content = load_folder(folder, _KIND).content
    return _Converted(folder, content["precision"], int(content["dimension"]), content["loss"])


def _convert(
    snapshot: Snapshot, processor: Processor, precision: Precision | None, part: Path
) -> None:
    """Write a converted tower to the folder ``done`` in `part`."""
    from similarity_lab.embedders.openvino_package import openvino  # deferred: slow import

    network = load_network(snapshot)
    dimension = network.dimension(processor.input_size)
    size = (3, *processor.input_size)
    with quiet():
        example = torch().zeros(1, *size)
        graph = openvino.convert_model(network.image_tower(), example_input=example)
        graph.reshape([-1, *size])
        loss, chosen = None, precision or "float32"
        if precision != "float32":
            rounded = _rounded(graph, part)
            loss = int8_loss(graph, rounded, processor)
            if precision == "int8" or loss <= MAX_INT8_LOSS:
                graph, chosen = rounded, "int8"
        openvino.save_model(graph, part / _MODEL, compress_to_fp16=False)
    save_folder(
        part / "done",
        _KIND,
        {"precision": chosen, "dimension": dimension, "loss": loss, "model": snapshot.name},
        {name: (part / name).replace for name in (_MODEL, _WEIGHTS)},
    )


def _rounded(graph: Any, part: Path) -> Any:  # noqa: ANN401 - graphs of OpenVINO
    """Return a copy of a graph whose weights are int8, each output channel with its own scale."""
    from similarity_lab.embedders.openvino_package import openvino  # deferred: slow import

    library = nncf()
    openvino.save_model(graph, part / "float32.xml", compress_to_fp16=False)
    copy = _read_graph(part, "float32.xml")
    with quiet(), redirect_stdout(io.StringIO()):  # it draws bars and tables
        return library.compress_weights(copy, mode=library.CompressWeightsMode.INT8_SYM)


def int8_loss(exact: Any, rounded: Any, processor: Processor) -> float:  # noqa: ANN401
    """Return how far int8 moves vectors, as a share of the distance between two images.

    Both are means of cosine distances over images of the packaged sample. As a ratio, it means the
    same for models whose vectors all lie in a narrow cone.
    """
    batches = [processor(image)[None] for image in background_images()[::IMAGES_PER_KIND]]
    threads = usable_cores()
    first, second = (
        np.concatenate(
            list(
                in_order(
                    compile_graph(graph, (_dimension(graph),), threads), batches, workers=threads
                )
            )
        )
        for graph in (exact, rounded)
    )
    moved = 1 - np.einsum("nd,nd->n", first, second)
    apart = (1 - first @ first.T)[~np.eye(len(first), dtype=bool)]
    return float(moved.mean() / max(float(apart.mean()), 1e-12))


def _dimension(graph: Any) -> int:  # noqa: ANN401
    return int(graph.output(0).get_partial_shape()[1].get_length())


def _read_graph(folder: Path, name: str = _MODEL) -> Any:  # noqa: ANN401
    from similarity_lab.embedders.openvino_package import openvino  # deferred: slow import

    return openvino.Core().read_model(folder / name)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
