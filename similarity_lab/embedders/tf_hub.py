"""TensorFlow Hub modules as embedders, from a URL or a SavedModel folder.

``hub.KerasLayer`` does not work under Keras 3, so modules are loaded with ``hub.load`` and called
as functions.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from similarity_lab.embedders.base import NetworkEmbedder, Vectors
from similarity_lab.errors import HubError, InputError, MissingExtraError
from similarity_lab.images import Color, Pixels


class HubEmbedder(NetworkEmbedder):
    """A TF2 image-feature-vector module: float32 ``(n, h, w, 3)`` in 0…1 → ``(n, dimension)``.

    Parameters
    ----------
    handle : str
        URL of a module, or a folder with ``saved_model.pb``.
    color : {"rgb", "gray"}
    input_size : (height, width), optional
        Required if the module does not state its own.
    """

    def __init__(
        self, handle: str, color: Color = "rgb", input_size: tuple[int, int] | None = None
    ) -> None:
        self._arguments = (handle, color, input_size)
        module = _load(handle)
        self._call = _callable(module, handle)
        height, width = input_size or _stated_size(module, handle)
        probe = self._features(np.zeros((1, height, width, 3), np.float32))
        if probe.ndim != 2:
            raise InputError(
                f"{handle}: expected one feature vector per image, got {probe.shape[1:]}"
            )
        super().__init__(
            f"{_identity(handle)} {color} {height}x{width} bicubic hub float32",
            probe.shape[1],
            (height, width),
            color,
        )

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return HubEmbedder, self._arguments  # TensorFlow functions cannot be pickled

    def forward(self, pixels: Pixels) -> Vectors:
        """Return the vectors of one batch of uint8 pixels."""
        values = pixels.astype(np.float32) / np.float32(255)
        if values.shape[3] == 1:
            values = np.repeat(values, 3, axis=3)
        return self._features(values)

    def _features(self, values: np.ndarray) -> Vectors:
        result = self._call(values)
        if isinstance(result, dict):
            if len(result) != 1 and "default" not in result:
                raise InputError(f"the module has several outputs: {', '.join(sorted(result))}")
            result = result.get("default", next(iter(result.values())))
        return np.asarray(result, np.float32)


def _load(handle: str) -> Any:  # noqa: ANN401 - TensorFlow's restored objects have no type
    import similarity_lab.backend  # noqa: F401 - sets the environment before TensorFlow is imported

    try:
        import tensorflow_hub as hub
    except ModuleNotFoundError as error:
        raise MissingExtraError("A TF-Hub module", str(error.name), "train") from error

    try:
        return hub.load(handle)
    except Exception as error:  # urllib, tarfile and TensorFlow raise errors of many types
        raise HubError(
            f"{handle}: could not be loaded ({' '.join(str(error).split())[:160]}). Without a "
            "network, set TFHUB_CACHE_DIR to a cache that holds the module, or pass the folder of "
            "a downloaded SavedModel instead of the URL"
        ) from error


def _callable(module: Any, handle: str) -> Callable[[np.ndarray], Any]:  # noqa: ANN401
    import tensorflow as tf

    signature = _signature(module)
    if signature is not None:
        (argument,) = signature.structured_input_signature[1]
        return lambda values: signature(**{argument: tf.constant(values)})
    if callable(module):
        return lambda values: module(tf.constant(values))
    raise HubError(f"{handle}: the SavedModel has no serving_default and cannot be called")


def _signature(module: Any) -> Any:  # noqa: ANN401
    signatures = getattr(module, "signatures", {})
    for name in ("serving_default", "default"):
        if name in signatures and len(signatures[name].structured_input_signature[1]) == 1:
            return signatures[name]
    return None


def _stated_size(module: Any, handle: str) -> tuple[int, int]:  # noqa: ANN401
    signature = _signature(module)
    if signature is not None:
        (tensor,) = signature.structured_input_signature[1].values()
        if tensor.shape.rank == 4 and None not in tensor.shape[1:3]:
            return int(tensor.shape[1]), int(tensor.shape[2])
    raise InputError(
        f"{handle}: the module does not state its image size; "
        "pass it, e.g. load_embedder(…, input_size=(224, 224))"
    )


def _identity(handle: str) -> str:
    folder = Path(handle)
    if not folder.is_dir():
        return handle  # a URL names its version
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return f"savedmodel {digest.hexdigest()[:8]}"
