"""Run an OpenVINO graph from several threads, each on a stream of its own."""

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from similarity_lab._threads import overlapping_workers
from similarity_lab.embedders.openvino_package import openvino as ov

__all__ = ["compile_graph"]


def compile_graph(
    graph: ov.Model, shape: Sequence[int], threads: int, *, batch_size: int | None = None
) -> Callable[[Any], npt.NDArray[np.float32]]:
    """Return a function that computes the outputs of a batch; thread-safe.

    Parameters
    ----------
    graph : openvino.Model
        One input ``(n, …)``, one output ``(n, *shape)``.
    shape : sequence of int
        Of the output of one image: ``(dimension,)`` for a vector.
    threads : int
        Number of streams, and of threads in all. Half as many calls more may wait for one.
    batch_size : int, optional
        Images per run of the graph; default: the whole batch.
    """
    settings = {
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # decoding threads need the cores too
        # OpenVINO would use bfloat16 if the processor has it: vectors would differ between machines
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = ov.Core().compile_model(graph, "CPU", settings)
    idle: SimpleQueue[ov.InferRequest] = SimpleQueue()
    for _ in range(overlapping_workers(threads)):  # a stream goes on with the next at once
        idle.put(compiled.create_infer_request())

    def forward(batch: Any) -> npt.NDArray[np.float32]:  # noqa: ANN401 - an array of what the graph takes
        request, step = idle.get(), batch_size or len(batch)
        try:
            outputs = np.empty((len(batch), *shape), np.float32)
            for start in range(0, len(batch), step):
                outputs[start : start + step] = request.infer([batch[start : start + step]])[0]
            return outputs
        finally:
            idle.put(request)

    return forward
