"""`load_embedder`: from a name, a handle, a folder, a model or an object to an embedder."""

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Union

from similarity_lab.embedders.base import Embedder
from similarity_lab.errors import EmbedderError
from similarity_lab.images import Color, image_size

if TYPE_CHECKING:
    import keras

Runtime = Literal["auto", "auto-float32", "keras", "openvino", "openvino-int8"]
EmbedderSource = Union[str, Path, Embedder, "keras.Model"]

NAMES = ("efficientnet-lite0", "efficientnet-lite2")
_RUNTIMES = ("auto", "auto-float32", "keras", "openvino", "openvino-int8")


def load_embedder(
    name: EmbedderSource = "efficientnet-lite0",
    *,
    color: Color = "rgb",
    runtime: Runtime = "auto",
    input_size: int | tuple[int, int] | None = None,
    threads: int | None = None,
) -> Embedder:
    """Return an embedder.

    Parameters
    ----------
    name : str, path, keras.Model or object
        ``"efficientnet-lite0"`` (224 px) or ``"efficientnet-lite2"`` (260 px), with the official
        ImageNet weights, loaded without a network; the address of a TF-Hub module or a SavedModel
        folder; a ``.keras`` file; a Keras 3 model that takes pixels in 0…1; or any object that
        keeps the `Embedder` protocol, which is returned as it is.
    color : {"rgb", "gray"}
        ``"gray"`` feeds three equal channels, as the original study did.
    runtime : {"auto", "auto-float32", "keras", "openvino", "openvino-int8"}
        What computes the packaged networks. ``"openvino"`` agrees with Keras to 1e-4 and is
        faster; ``"openvino-int8"`` is faster still, and decides as well (docs/benchmarks.md).
        ``"auto"`` is int8 and ``"auto-float32"`` is float32 by OpenVINO, or Keras, with a warning,
        where OpenVINO does not run. Everything else runs on what it was made with.
    input_size : int or (height, width), optional
        For the packaged networks, larger than their own sees finer things and takes longer; for a
        TF-Hub module, where it does not state its own.
    threads : int, optional
        That OpenVINO computes in; default: the cores this process may use.

    Raises
    ------
    EmbedderError
        If `name` is none of these; the message lists what is possible.
    HubError
        If a TF-Hub module cannot be reached; the message says what to set.

    Examples
    --------
    >>> import numpy as np
    >>> embedder = load_embedder("efficientnet-lite0")
    >>> embedder.embed([np.zeros((64, 64, 3), np.uint8)], progress=False).shape
    (1, 1280)
    """
    if runtime not in _RUNTIMES:
        raise EmbedderError(f"runtime must be one of {', '.join(_RUNTIMES)}, got {runtime!r}")
    if color not in ("rgb", "gray"):
        raise EmbedderError(f'color must be "rgb" or "gray", got {color!r}')
    if not isinstance(name, (str, Path)):
        return _from_object(name, color)
    text = str(name)
    size = image_size(input_size) if input_size else None
    if text in NAMES:
        return _packaged(text, color, runtime, size, threads)
    if text.endswith(".keras") and Path(text).is_file():
        from similarity_lab.backend import keras

        return _from_object(keras.models.load_model(text, safe_mode=True), color)
    if text.startswith(("http://", "https://")) or (Path(text) / "saved_model.pb").is_file():
        from similarity_lab.embedders.tf_hub import HubEmbedder

        return HubEmbedder(text, color, size)
    raise EmbedderError(
        f"{text!r} is no embedder; expected {' or '.join(map(repr, NAMES))}, the address of a "
        "TF-Hub module, a folder with saved_model.pb, a .keras file, a Keras model, or an object "
        "with name, dimension, input_size and embed()"
    )


def _packaged(
    name: str, color: Color, runtime: Runtime, size: tuple[int, int] | None, threads: int | None
) -> Embedder:
    by_itself = runtime.startswith("auto")
    missing = by_itself and importlib.util.find_spec("openvino") is None
    if missing:
        warnings.warn(
            "OpenVINO is not installed, Keras computes instead, more slowly: pip install openvino",
            stacklevel=3,
        )
    if runtime == "keras" or missing:
        from similarity_lab.embedders.keras_models import efficientnet_lite_embedder

        return efficientnet_lite_embedder(name, color, size)
    from similarity_lab.embedders.openvino_lite import OpenVinoLite

    return OpenVinoLite(
        name,
        color,
        size,
        precision="float32" if runtime in ("openvino", "auto-float32") else "int8",
        threads=threads,
        fall_back=by_itself,
    )


def _from_object(thing: object, color: Color) -> Embedder:
    if isinstance(thing, Embedder):
        return thing
    if any(kind.__module__.startswith("keras.") for kind in type(thing).__mro__):
        from similarity_lab.embedders.keras_models import KerasEmbedder

        return KerasEmbedder(thing, color)
    missing = [
        member
        for member in ("name", "dimension", "input_size", "embed")
        if not hasattr(thing, member)
    ]
    raise EmbedderError(f"a {type(thing).__name__} is no embedder: it has no {', '.join(missing)}")
