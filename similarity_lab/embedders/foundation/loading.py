"""`load_foundation`: make an embedder of a short name, a name on the hub, or a folder."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from similarity_lab._threads import usable_cores
from similarity_lab.embedders.foundation.catalogue import MODELS, licence_notice
from similarity_lab.embedders.foundation.embedder import FoundationEmbedder, ImageTextEmbedder
from similarity_lab.embedders.foundation.hub import Snapshot, fetch, local
from similarity_lab.embedders.foundation.networks import has_text, load_network
from similarity_lab.embedders.foundation.processors import Processor, load_processor
from similarity_lab.embedders.foundation.runtimes import OpenVinoTower, Precision, torch_tower
from similarity_lab.embedders.torch_runtime import TorchRuntime, fast_precision, find_device
from similarity_lab.errors import EmbedderError, LicenceWarning, SimilarityLabError, one_line
from similarity_lab.images import Color

__all__ = ["RUNTIMES", "is_foundation", "load_foundation"]

RUNTIMES = (
    "auto", "auto-float32", "openvino", "openvino-int8",
    "torch", "torch-bfloat16", "torch-float16",
)  # fmt: skip
"""What can run a foundation model; see `load_embedder`."""

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = (".keras", ".h5", ".onnx", ".pt", ".pth", ".safetensors", ".zip", ".jpg", ".jpeg", ".png")
_CONFIGS = ("config.json", "open_clip_config.json")
_PRECISIONS: dict[str, Precision | None] = {
    "auto": None,
    "auto-float32": "float32",
    "openvino": "float32",
    "openvino-int8": "int8",
    "torch": "float32",
    "torch-bfloat16": "bfloat16",
    "torch-float16": "float16",
}


def is_foundation(source: str) -> bool:
    """Tell whether a text may name a foundation model; nothing is loaded.

    Examples
    --------
    >>> is_foundation("siglip2-base"), is_foundation("google/siglip2-base-patch16-224@75de2d5")
    (True, True)
    >>> is_foundation("efficientnet-lite0"), is_foundation("models/adapted.keras")
    (False, False)
    """
    name = source.partition("@")[0]
    if name in MODELS or any((Path(source) / config).is_file() for config in _CONFIGS):
        return True
    is_file = name.endswith(_FILES) or Path(source).exists()
    return bool(_HUB_NAME.fullmatch(name)) and not is_file


def load_foundation(
    source: str,
    *,
    revision: str | None = None,
    color: Color = "rgb",
    runtime: str = "auto",
    device: str | None = None,
    threads: int | None = None,
) -> FoundationEmbedder:
    """Return a foundation model as an embedder; see `similarity_lab.load_embedder`.

    Parameters
    ----------
    source : str
        Short name, ``"owner/name"`` on the hub, either with ``"@revision"``, or a folder.
    revision : str, optional
        Commit, tag or branch; default: the pinned commit of a short name, else what is in the
        local cache, else the newest.
    color : {"rgb", "gray"}
    runtime : str
        One of `RUNTIMES`.
    device : str, optional
        Default: an accelerator if there is one, else the CPU.
    threads : int, optional
        Of OpenVINO; default: all cores.
    """
    if threads is not None and threads < 1:
        raise EmbedderError(f"threads must be at least 1, got {threads}")
    place = _place(runtime, device, threads)  # before anything is downloaded
    snapshot = _snapshot(source, revision)
    licence = _licence(source, snapshot)
    notice = licence_notice(licence)
    is_own = "/" not in snapshot.name and licence is None  # a folder without a model card
    if notice is not None and not is_own:
        warnings.warn(f"{snapshot.name}: {notice}", LicenceWarning, stacklevel=5)
    processor = load_processor(snapshot)
    tower = _tower(snapshot, processor, runtime, place, threads)
    pinned = str(snapshot.folder) if "/" not in snapshot.name else snapshot.name.partition("@")[0]
    commit = None if pinned == str(snapshot.folder) else snapshot.folder.name
    chosen = f"{tower.runtime}-{tower.precision}".removesuffix("-float32")
    rebuild = _rebuild, (pinned, commit, color, chosen, device, threads)
    kind = ImageTextEmbedder if has_text(snapshot) else FoundationEmbedder
    return kind(snapshot, processor, tower, color, rebuild)


def _rebuild(
    source: str,
    revision: str | None,
    color: Color,
    runtime: str,
    device: str | None,
    threads: int | None,
) -> FoundationEmbedder:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LicenceWarning)  # said when it was first loaded
        return load_foundation(
            source, revision=revision, color=color, runtime=runtime, device=device, threads=threads
        )


def _snapshot(source: str, revision: str | None) -> Snapshot:
    folder = Path(source)
    if any((folder / config).is_file() for config in _CONFIGS):
        if revision is not None:
            raise EmbedderError(f"revision={revision!r} has no effect on a folder; leave it out")
        return local(folder)
    name, _, given = source.partition("@")
    if given and revision is not None and given != revision:
        raise EmbedderError(f"{source!r} names a revision, and revision={revision!r} another")
    repository, pinned = MODELS[name][:2] if name in MODELS else (name, None)
    return fetch(repository, revision or given or pinned)


def _licence(source: str, snapshot: Snapshot) -> str | None:
    name = source.partition("@")[0]
    by_id = {model.id: model.licence for model in MODELS.values()}
    if name in MODELS:
        return MODELS[name].licence
    return by_id.get(name, snapshot.licence)


def _place(runtime: str, device: str | None, threads: int | None) -> str:
    """Return the device that runs the model; refuse options without effect."""
    if runtime.startswith("openvino"):
        if device not in (None, "cpu"):
            raise EmbedderError(
                f'OpenVINO runs on the CPU; for device={device!r} use runtime="auto" or "torch"'
            )
        return "cpu"
    place = find_device(device)
    if threads is not None and (runtime.startswith("torch") or place != "cpu"):
        raise EmbedderError(f"threads={threads} has no effect on PyTorch; leave it out")
    return place


def _tower(
    snapshot: Snapshot, processor: Processor, runtime: str, place: str, threads: int | None
) -> TorchRuntime | OpenVinoTower:
    precision = _PRECISIONS[runtime]
    if runtime.startswith("torch") or place != "cpu":
        chosen = fast_precision(place) if precision is None or precision == "int8" else precision
        return torch_tower(load_network(snapshot), processor.input_size, place, chosen)
    try:
        return OpenVinoTower(snapshot, processor, precision, threads or usable_cores())
    except SimilarityLabError:
        raise
    except Exception as error:  # an operation that OpenVINO lacks: its errors have no common base
        if not runtime.startswith("auto"):
            raise EmbedderError(
                f'OpenVINO cannot run {snapshot.name} ({one_line(error)}); use runtime="torch"'
            ) from error
        warnings.warn(
            f"OpenVINO cannot run {snapshot.name}; falling back to PyTorch, which is slower: "
            f"{one_line(error)}",
            stacklevel=5,
        )
    return torch_tower(load_network(snapshot), processor.input_size, "cpu", "float32")
