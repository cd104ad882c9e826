"""EfficientNet-Lite in OpenVINO, which runs it fast on CPUs and needs no TensorFlow."""

import threading
import warnings
from collections.abc import Callable
from typing import Literal

from similarity_lab._threads import usable_cores
from similarity_lab.embedders.base import NetworkEmbedder, Vectors
from similarity_lab.embedders.lite import HEAD, LiteWeights
from similarity_lab.errors import EmbedderError
from similarity_lab.images import Color, Pixels

Precision = Literal["float32", "int8"]
Forward = Callable[[Pixels], Vectors]


class OpenVinoLite(NetworkEmbedder):
    """EfficientNet-Lite0 or -Lite2, compiled on first use.

    Threads decode batches and embed their images one by one on `threads` streams of OpenVINO, so
    that all cores are busy.

    Parameters
    ----------
    weights : LiteWeights
    color : {"rgb", "gray"}
    input_size : (height, width), optional
        Default: that of the weights.
    precision : {"float32", "int8"}
        Float32 vectors agree with those of Keras to 1e-4; int8 vectors have a cosine of about
        0.99 with them, and their last digits differ between kinds of processors. For int8, images
        are decoded by `similarity_lab.images.scaled.read_scaled`; its parameters are for the
        packaged weights.
    threads : int, optional
        Default: `usable_cores`.
    fall_back : bool
        If OpenVINO does not start, warn, use Keras, and take the name of the Keras embedder.
    """

    batch_size = 8  # per thread; small, so that all threads end at nearly the same time

    def __init__(
        self,
        weights: LiteWeights,
        color: Color = "rgb",
        input_size: tuple[int, int] | None = None,
        *,
        precision: Precision = "float32",
        threads: int | None = None,
        fall_back: bool = False,
    ) -> None:
        height, width = input_size or weights.input_size
        # int8 does not need exact resizing
        resizing = "scaled" if precision == "int8" else "bicubic"
        identity = f"{weights.name} {color} {height}x{width} {resizing}"
        super().__init__(f"{identity} openvino {precision}", HEAD, (height, width), color)
        self.scaled = resizing == "scaled"
        if threads is not None and threads < 1:
            raise EmbedderError(f"threads must be at least 1, got {threads}")
        self.threads = threads or usable_cores()
        self._arguments = (weights, color, input_size, precision, threads, fall_back)
        self.weights, self.precision, self._fall_back = weights, precision, fall_back
        self._starting = threading.Lock()
        self._started: Forward | None = None

    def __reduce__(self) -> tuple[Callable[..., "OpenVinoLite"], tuple[object, ...]]:
        return _rebuild, self._arguments  # a compiled network cannot be pickled

    def forward(self, pixels: Pixels) -> Vectors:
        """Return the vectors of one batch of uint8 pixels; thread-safe."""
        return self._start()(pixels)

    def start(self) -> None:
        """Compile the network, or fall back to Keras, which changes the way images are decoded."""
        self._start()

    def _start(self) -> Forward:
        with self._starting:
            if self._started is None:
                self._started = self._compiled_or_keras()
        return self._started

    def _compiled_or_keras(self) -> Forward:
        try:
            return _compiled(
                self.weights, self.input_size, self.color, self.precision, self.threads or 1
            )
        except (ImportError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            if not self._fall_back:
                raise EmbedderError(
                    f'OpenVINO does not start: {reason}; use load_embedder(…, runtime="keras")'
                ) from error
            warnings.warn(
                f"OpenVINO does not start; falling back to Keras, which is slower: {reason}",
                stacklevel=2,
            )
        from similarity_lab.embedders.keras_models import efficientnet_lite_embedder

        keras = efficientnet_lite_embedder(self.weights, self.color, self.input_size)
        # from here on it returns Keras vectors, so it must have the name of the Keras embedder
        self._name, self.scaled, self.threads = keras.name, keras.scaled, keras.threads
        self.batch_size = keras.batch_size
        return keras.forward


def _rebuild(
    weights: LiteWeights,
    color: Color,
    input_size: tuple[int, int] | None,
    precision: Precision,
    threads: int | None,
    fall_back: bool,
) -> OpenVinoLite:
    return OpenVinoLite(
        weights, color, input_size, precision=precision, threads=threads, fall_back=fall_back
    )


def _compiled(
    weights: LiteWeights, size: tuple[int, int], color: Color, precision: Precision, threads: int
) -> Forward:
    from similarity_lab.embedders.openvino_graph import Int8, lite_graph
    from similarity_lab.embedders.openvino_runtime import compile_graph

    int8 = Int8.packaged(weights.variant) if precision == "int8" else None
    channels = 1 if color == "gray" else 3
    graph = lite_graph(weights, size, channels, int8)
    # one image at a time: fixed shapes are faster, and its activations fit the processor's cache
    graph.reshape([1, *size, channels])
    return compile_graph(graph, (HEAD,), threads, batch_size=1)
