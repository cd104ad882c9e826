"""`load_embedder`: make an embedder of a name, URL, folder, model, function or object."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args

from similarity_lab.embedders.base import Embedder
from similarity_lab.embedders.lite import LiteWeights
from similarity_lab.embedders.views import add_crops, join
from similarity_lab.embedders.wrapping import FunctionEmbedder, from_encoder, from_transformer
from similarity_lab.errors import EmbedderError, did_you_mean
from similarity_lab.images import Color, image_size

if TYPE_CHECKING:
    import keras

    from similarity_lab.embedders.torch_runtime import Precision

Runtime = Literal[
    "auto",
    "auto-float32",
    "keras",
    "openvino",
    "openvino-int8",
    "torch",
    "torch-bfloat16",
    "torch-float16",
]
EmbedderSource = Union[str, Path, Embedder, "keras.Model", Callable[..., Any], object]
"""Everything that `load_embedder` accepts."""

NAMES = ("efficientnet-lite0", "efficientnet-lite2")
_RUNTIMES = get_args(Runtime)
_HUB_PAGE = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)(?:/.*)?"
)


def load_embedder(
    source: EmbedderSource = "efficientnet-lite0",
    *,
    name: str | None = None,
    color: Color = "rgb",
    runtime: Runtime = "auto",
    input_size: int | tuple[int, int] | None = None,
    device: str | None = None,
    threads: int | None = None,
    revision: str | None = None,
    crops: Sequence[float] = (),
) -> Embedder:
    """Return an embedder.

    Parameters
    ----------
    source : str, path, keras.Model, callable or object
        One of:

        - ``"efficientnet-lite0"`` (224 px) or ``"efficientnet-lite2"`` (260 px), with the official
          ImageNet weights, loaded without a network;
        - a foundation model (extra ``foundation``): a short name such as ``"siglip2-base"``,
          ``"pe-core-b16"``, ``"clip-vit-b32"`` or ``"dinov2-small"``; a name on the Hugging Face
          hub, ``"owner/name"``; or a folder that ``save_pretrained`` wrote. Names may end in
          ``"@revision"``. Models with a text tower also have ``embed_text``;
        - a folder to which the weights of an adapted network were saved, or such `LiteWeights`;
        - the URL of a TF-Hub module, or a SavedModel folder;
        - a ``.keras`` file, or a Keras 3 model that takes pixels in 0…1;
        - an `Embedder`, which is returned unchanged;
        - a function: list of uint8 RGB arrays ``(h, w, 3)`` → array ``(n, dimension)``;
        - a fitted scikit-learn transformer of flat pixels, float ``(n, h · w · 3)`` in 0…1;
        - an object with ``encode``, such as a sentence-transformers model: list of PIL images →
          array ``(n, dimension)``.
    name : str, optional
        Required for a function, a transformer or an object with ``encode``, an error for anything
        else: it identifies what is computed, and stored vectors are looked up by it.
    color : {"rgb", "gray"}
        ``"gray"`` feeds three equal channels, as the original study did.
    runtime : str
        What runs a packaged network or a foundation model; an error for others.

        - Packaged networks: ``"openvino"`` agrees with ``"keras"`` to 1e-4 and is faster;
          ``"openvino-int8"`` is faster still, and decisions are as good (docs/benchmarks.md).
          ``"auto"`` is OpenVINO in int8 and ``"auto-float32"`` OpenVINO in float32; both fall back
          to Keras, with a warning, if OpenVINO does not run. An adapted network has no int8
          parameters: ``"auto"`` is float32. With `device`, ``"auto"`` is PyTorch
          (extra ``foundation``): ``"torch"`` in float32, ``"torch-bfloat16"``, ``"torch-float16"``.
        - Foundation models: ``"torch"`` is PyTorch in float32, ``"torch-bfloat16"`` and
          ``"torch-float16"`` are faster on an accelerator; ``"openvino"`` agrees with ``"torch"``
          to 1e-4 and is faster on a CPU; ``"openvino-int8"`` rounds the weights. ``"auto"`` is
          PyTorch in 16 bits on an accelerator, else OpenVINO: in int8 if that moves vectors by at
          most 2 % of the distance between two images, measured when the model is converted, else
          in float32. ``"auto-float32"`` never rounds.
    input_size : int or (height, width), optional
        In pixels. For the packaged networks, a larger size than their own resolves finer details
        and takes longer; for a TF-Hub module, if it does not state its own; for a function or an
        object, the size of the arrays it gets (default 224, or what a transformer was fitted on).
    device : str, optional
        Where PyTorch runs: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …, ``"mps"``; default: an
        accelerator if there is one. Packaged networks stay on the CPU unless it is given.
    threads : int, optional
        Number of OpenVINO's threads; default: all cores that this process may use.
    revision : str, optional
        Commit, tag or branch of a model on the hub; default: the pinned commit of a short name,
        else what was downloaded before, else the newest. The commit is part of the name.
    crops : sequence of float
        Also embed centred squares of each image, whose sides are these shares of its shorter side,
        each above 0 and below 1. The vector is then the average of unit vectors of the whole image
        and of the crops, scaled to unit length, and the name contains the shares in per cent. All
        views come from one decode, at the scale that the smallest crop needs; `input_size` is then
        the size of an image of which no view is enlarged. Each crop costs one more run of the
        network.

    Raises
    ------
    EmbedderError
        `source` is something else, `name` is missing, or an option is invalid or has no effect on
        `source`.
    HubError
        A model of a hub cannot be reached or loaded; the message says why.
    MissingExtraError
        A library that it needs is not installed.

    Warns
    -----
    LicenceWarning
        The licence of a foundation model does not allow every use.

    Examples
    --------
    >>> import numpy as np
    >>> embedder = load_embedder("efficientnet-lite0")
    >>> embedder.embed([np.zeros((64, 64, 3), np.uint8)], progress=False).vectors.shape
    (1, 1280)

    >>> def mean_colour(images):
    ...     return np.array([image.mean(axis=(0, 1)) for image in images])
    >>> load_embedder(mean_colour, name="mean colour", input_size=8)
    <embedder mean colour rgb 8x8 bicubic: 3 numbers per image>
    >>> load_embedder(mean_colour, name="mean colour", input_size=8, crops=(0.5,))
    <embedder mean colour rgb 8x8 bicubic crop50: 3 numbers per image>
    """
    if runtime not in _RUNTIMES:
        raise EmbedderError(
            f"Unknown runtime {runtime!r}.{did_you_mean(runtime, _RUNTIMES)} "
            f"Expected one of: {', '.join(_RUNTIMES)}"
        )
    if color not in ("rgb", "gray"):
        raise EmbedderError(f'color must be "rgb" or "gray", got {color!r}')
    size = image_size(input_size) if input_size else None
    if isinstance(source, (str, Path)):
        text = str(source)
        if name is not None:
            raise EmbedderError(f"name= is for functions and objects; {text!r} has its own name")
        options = _Options(runtime, device, threads, revision)
        embedder = _from_name(text, color, size, options)
    elif isinstance(source, LiteWeights):
        _refuse("weights, which have their own", name=name)
        embedder = _lite(source, color, size, _Options(runtime, device, threads, revision))
    else:
        _Options(runtime, device, threads, revision).refuse("an embedder that is not packaged")
        embedder = _from_object(source, name, color, size)
    return add_crops(embedder, crops)


def join_embedders(*embedders: EmbedderSource) -> Embedder:
    """Return an embedder whose vectors are those of several embedders, concatenated.

    Each image is decoded once for all of them. The vectors of each embedder are scaled to unit
    length and count equally, so that the cosine of two joint vectors is the mean of the embedders'
    cosines.

    Parameters
    ----------
    *embedders : Embedder, or what `load_embedder` takes
        All of the same colour. A single one is returned unchanged.

    Raises
    ------
    EmbedderError
        No embedder, or embedders of different colour.

    Examples
    --------
    >>> import numpy as np
    >>> def mean_colour(images):
    ...     return np.array([image.mean(axis=(0, 1)) for image in images])
    >>> small = load_embedder(mean_colour, name="colour", input_size=8, crops=(0.5,))
    >>> join_embedders(small, load_embedder(mean_colour, name="colour", input_size=16))
    <embedder colour rgb 8x8 bicubic crop50 + colour rgb 16x16 bicubic: 6 numbers per image>
    """
    if not embedders:
        raise EmbedderError("expected at least one embedder")
    loaded = [load_embedder(embedder) for embedder in embedders]
    return loaded[0] if len(loaded) == 1 else join(loaded)


class _Options(NamedTuple):
    """What only embedders with a name take."""

    runtime: Runtime
    device: str | None
    threads: int | None
    revision: str | None

    def refuse(self, kind: str) -> None:
        """Raise `EmbedderError` for the first option that is set."""
        options = self._asdict()
        if self.runtime == "auto":
            del options["runtime"]
        _refuse(kind, **options)


def _from_name(
    text: str, color: Color, size: tuple[int, int] | None, options: _Options
) -> Embedder:
    if text in NAMES:
        return _lite(LiteWeights(text), color, size, options)
    if (Path(text) / "manifest.json").is_file():
        return _lite(LiteWeights.load(text), color, size, options)
    page = _HUB_PAGE.fullmatch(text)
    if page:
        raise EmbedderError(f"{text}: a page of the Hugging Face hub; pass its name, {page[1]!r}")
    is_keras_file = text.endswith(".keras") and Path(text).is_file()
    is_url = text.startswith(("http://", "https://"))
    if is_keras_file or is_url or (Path(text) / "saved_model.pb").is_file():
        options.refuse("an embedder that is not packaged")
    if is_keras_file:
        from similarity_lab.backend import keras

        return _from_object(keras.models.load_model(text, safe_mode=True), None, color, size)
    if is_url or (Path(text) / "saved_model.pb").is_file():
        from similarity_lab.embedders.tf_hub import HubEmbedder

        return HubEmbedder(text, color, size)
    from similarity_lab.embedders.foundation import MODELS, is_foundation

    if is_foundation(text):
        return _foundation(text, color, size, options)
    if text.strip() and Path(text).is_dir():
        raise EmbedderError(
            f"{text}: no model in this folder: it has neither config.json, open_clip_config.json, "
            "manifest.json nor saved_model.pb; was its download interrupted?"
        )
    raise EmbedderError(
        f"Unknown embedder {text!r}.{did_you_mean(text, (*NAMES, *MODELS))} Expected one of "
        f"{', '.join((*NAMES, *MODELS))}; a name on the Hugging Face hub, owner/name; the URL of a "
        "TF-Hub module; a folder with config.json, manifest.json or saved_model.pb; a .keras file; "
        "a Keras model; a function; or an object with name, dimension, input_size and embed()"
    )


def _foundation(
    text: str, color: Color, size: tuple[int, int] | None, options: _Options
) -> Embedder:
    from similarity_lab.embedders.foundation import RUNTIMES, load_foundation

    _refuse("a foundation model, whose size is fixed", input_size=size)
    if options.runtime not in RUNTIMES:
        raise EmbedderError(
            f"runtime={options.runtime!r} is for packaged networks; expected one of "
            f"{', '.join(RUNTIMES)}"
        )
    return load_foundation(
        text,
        revision=options.revision,
        color=color,
        runtime=options.runtime,
        device=options.device,
        threads=options.threads,
    )


def _lite(
    weights: LiteWeights, color: Color, size: tuple[int, int] | None, options: _Options
) -> Embedder:
    runtime, threads = options.runtime, options.threads
    _refuse("a packaged network", revision=options.revision)
    if runtime.startswith("torch") or (runtime.startswith("auto") and options.device is not None):
        return _torch_lite(weights, color, size, options)
    if runtime == "keras":
        _refuse("the Keras runtime", threads=threads)
    _refuse(f"runtime={runtime!r}", device=options.device)
    is_auto = runtime.startswith("auto")
    missing = is_auto and importlib.util.find_spec("openvino") is None
    if missing:
        warnings.warn(
            "OpenVINO is not installed; falling back to Keras, which is slower: "
            "pip install openvino",
            stacklevel=4,
        )
    if runtime == "keras" or missing:
        from similarity_lab.embedders.keras_models import efficientnet_lite_embedder

        return efficientnet_lite_embedder(weights, color, size)
    from similarity_lab.embedders.openvino_lite import OpenVinoLite

    if runtime == "openvino-int8" and not weights.is_packaged:
        raise EmbedderError(
            f"{weights.name} has no int8 parameters, which exist for packaged weights only; use "
            'runtime="openvino"'
        )
    is_exact = runtime in ("openvino", "auto-float32") or not weights.is_packaged
    return OpenVinoLite(
        weights,
        color,
        size,
        precision="float32" if is_exact else "int8",
        threads=threads,
        fall_back=is_auto,
    )


def _torch_lite(
    weights: LiteWeights, color: Color, size: tuple[int, int] | None, options: _Options
) -> Embedder:
    from similarity_lab.embedders.torch_lite import TorchLite

    _refuse("PyTorch", threads=options.threads)
    precisions: dict[str, Precision] = {
        "auto-float32": "float32",
        "torch": "float32",
        "torch-bfloat16": "bfloat16",
        "torch-float16": "float16",
    }
    precision = precisions.get(options.runtime)
    return TorchLite(weights, color, size, device=options.device, precision=precision)


def _from_object(
    source: Any,  # noqa: ANN401 - duck-typed
    name: str | None,
    color: Color,
    size: tuple[int, int] | None,
) -> Embedder:
    if isinstance(source, Embedder):
        gray = color if color != "rgb" else None
        _refuse("an embedder, which is used as it is", name=name, color=gray, input_size=size)
        return source
    if any(kind.__module__.startswith("keras.") for kind in type(source).__mro__):
        from similarity_lab.embedders.keras_models import KerasEmbedder

        _refuse("a Keras model, which states its own", name=name, input_size=size)
        return KerasEmbedder(source, color)
    for member, wrap in (("transform", from_transformer), ("encode", from_encoder)):
        if hasattr(source, member):
            return wrap(source, _required(name, source), color, size)
    if callable(source):
        return FunctionEmbedder(source, _required(name, source), color, size)
    missing = [
        member
        for member in ("name", "dimension", "input_size", "embed")
        if not hasattr(source, member)
    ]
    raise EmbedderError(
        f"{type(source).__name__} is not an embedder: it has no {', '.join(missing)}"
    )


def _refuse(kind: str, **params: object) -> None:
    """Raise `EmbedderError` for the first parameter that is set and would have no effect."""
    for name, value in params.items():
        if value is not None:
            raise EmbedderError(f"{name}={value!r} has no effect on {kind}; leave it out")


def _required(name: str | None, source: object) -> str:
    if not name:
        kind = getattr(source, "__name__", type(source).__name__)
        raise EmbedderError(
            f"pass name= with {kind}, as load_embedder(…, name=…): it identifies "
            "what is computed, and stored vectors are looked up by it"
        )
    return name
