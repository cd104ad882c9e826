"""Run an OpenVINO graph from several threads, each on a stream of its own."""

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np
import openvino as ov

from similarity_lab.embedders.base import Vectors

__all__ = ["compile_graph"]


def compile_graph(
    graph: ov.Model, dimension: int, threads: int, *, batch_size: int | None = None
) -> Callable[[Any], Vectors]:
    """Return a function that computes the vectors of a batch; thread-safe.

    Parameters
    ----------
    graph : openvino.Model
        One input ``(n, …)``, one output ``(n, dimension)``.
    dimension : int
    threads : int
        Number of streams, and of threads in all.
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
    for _ in range(threads):
        idle.put(compiled.create_infer_request())

    def forward(batch: Any) -> Vectors:  # noqa: ANN401 - an array of what the graph takes
        request, step = idle.get(), batch_size or len(batch)
        try:
            vectors = np.empty((len(batch), dimension), np.float32)
            for start in range(0, len(batch), step):
                vectors[start : start + step] = request.infer([batch[start : start + step]])[0]
            return vectors
        finally:
            idle.put(request)

    return forward
