"""Run a network in PyTorch (extra ``foundation``) on a CPU or an accelerator."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import EmbedderError, MissingExtraError, one_line

__all__ = ["Precision", "TorchRuntime", "best_batch", "fast_precision", "find_device", "torch"]

Precision = Literal["float32", "bfloat16", "float16"]

BATCHES = (8, 16, 32, 64, 128, 256, 512)
_CPU_BATCH = 16
_GAIN = 1.05  # a larger batch must be faster by this factor
_MEASURE_SECONDS = 0.2


def torch() -> Any:  # noqa: ANN401 - a module
    """Return PyTorch."""
    try:
        import torch as library
    except ModuleNotFoundError as error:
        raise MissingExtraError("Running this network", str(error.name), "foundation") from error
    return library


class TorchRuntime:
    """A module of PyTorch that computes vectors.

    Parameters
    ----------
    module : torch.nn.Module
        ``(b, …)`` → ``(b, dimension)``.
    example : ndarray
        A batch of one, as the module takes it; floating point is converted to `precision`.
    device : str
        Such as ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : {"float32", "bfloat16", "float16"}

    Attributes
    ----------
    dimension : int
    batch_size : int
        On an accelerator, the fastest of those that fit its memory, measured on first use.

    Raises
    ------
    EmbedderError
        The module does not run on the device.
    """

    runtime = "torch"
    threads: int | None = None  # one thread calls the module, others decode

    def __init__(
        self,
        module: Any,  # noqa: ANN401
        example: np.ndarray,
        device: str,
        precision: Precision,
    ) -> None:
        self.precision: Precision = precision
        self.batch_size = _CPU_BATCH
        self._library = torch()
        self._dtype = getattr(self._library, precision)
        self._device = self._library.device(device)
        self._example, self._is_measured = example, self._device.type == "cpu"
        try:
            self._module = module.eval().to(self._device, self._dtype)
            self.dimension = int(self(example).shape[1])
        except Exception as error:  # a device that is full or lacks an operation
            raise EmbedderError(
                f"the model does not run on {device} in {precision} ({one_line(error)}); choose "
                'another device=, or runtime="torch" for float32'
            ) from error

    def start(self) -> None:
        """Measure which batch is the fastest, on an accelerator."""
        if not self._is_measured:
            self.batch_size, self._is_measured = best_batch(self._seconds_per_image), True

    def __call__(self, batch: np.ndarray) -> Vectors:
        """Return the vectors of a batch, float32 ``(b, dimension)``."""
        return self.run(self.to_device(batch))

    def to_device(self, batch: np.ndarray) -> Any:  # noqa: ANN401 - a tensor
        """Return a batch on the device; floating point in the runtime's precision."""
        values = self._library.from_numpy(np.ascontiguousarray(batch))
        values = values.to(self._device, non_blocking=True)
        return values.to(self._dtype) if values.is_floating_point() else values

    def run(self, values: Any) -> Vectors:  # noqa: ANN401
        """Return the vectors of a batch that is on the device."""
        library = self._library
        # cuDNN would compute float32 convolutions with ten bits of mantissa
        with library.inference_mode(), library.backends.cudnn.flags(allow_tf32=False):
            return self._module(values).float().cpu().numpy()

    def _seconds_per_image(self, batch_size: int) -> float:
        batch = np.repeat(self._example, batch_size, axis=0)
        self(batch)
        start, count = time.perf_counter(), 0
        while time.perf_counter() < start + _MEASURE_SECONDS:
            self(batch)
            count += batch_size
        return (time.perf_counter() - start) / count


def best_batch(time_of: Callable[[int], float], sizes: Sequence[int] = BATCHES) -> int:
    """Return the batch size from which on larger ones gain little.

    Parameters
    ----------
    time_of : callable
        Batch size → seconds per image; a `RuntimeError`, as of full memory, ends the search.
    sizes : sequence of int
        Ascending.

    Examples
    --------
    >>> best_batch({8: 1.0, 16: 0.5, 32: 0.49, 64: 0.2}.__getitem__, (8, 16, 32, 64))
    16
    """
    best = sizes[0]
    fastest = time_of(best)
    for size in sizes[1:]:
        try:
            seconds = time_of(size)
        except RuntimeError:
            break
        if seconds * _GAIN > fastest:
            break
        best, fastest = size, seconds
    return best


def find_device(device: str | None) -> str:
    """Return the device to use: the one that is asked for, else an accelerator, else ``"cpu"``.

    Raises
    ------
    EmbedderError
        There is no such device.
    """
    library = torch()
    has_cuda = library.cuda.is_available()
    has_mps = library.backends.mps.is_available()
    if device is None:
        return "cuda" if has_cuda else "mps" if has_mps else "cpu"
    try:
        kind = library.device(device)
    except (RuntimeError, TypeError) as error:
        raise EmbedderError(
            f"Unknown device {device!r}; expected cpu, cuda, cuda:1, … or mps"
        ) from error
    there = {
        "cpu": True,
        "cuda": has_cuda and (kind.index or 0) < library.cuda.device_count(),
        "mps": has_mps,
    }
    if not there.get(kind.type, False):
        found = [name for name, is_there in there.items() if is_there]
        raise EmbedderError(
            f"PyTorch {library.__version__} finds no device {device!r} here, only "
            f"{', '.join(found)}; leave device= out to use what there is"
        )
    return str(device)


def fast_precision(device: str) -> Precision:
    """Return the precision that a device is fast in."""
    if device == "cpu":
        return "float32"
    is_bfloat16 = device.startswith("cuda") and torch().cuda.is_bf16_supported()
    return "bfloat16" if is_bfloat16 else "float16"
