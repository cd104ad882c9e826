"""Get the files of a model from the Hugging Face hub or its local cache, or say why that fails.

Only configurations, tokenizers and safetensors weights are downloaded: no pickles, which can run
code, and no code. What was downloaded once is used without asking the hub again, so that a model
neither needs a network nor changes. ``HF_HOME``, ``HF_HUB_CACHE``, ``HF_TOKEN``, ``HF_ENDPOINT``
and ``HF_HUB_OFFLINE`` are respected.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from similarity_lab.errors import HubError, MissingExtraError, one_line

__all__ = ["Library", "Snapshot", "fetch", "local"]

Library = Literal["transformers", "open_clip"]
"""The library that builds a model."""

_CONFIG, _OPEN_CLIP_CONFIG = "config.json", "open_clip_config.json"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_SETTINGS = ("*.json", "*.txt", "*.model", "README.md")
_WEIGHTS: dict[Library, tuple[str, ...]] = {
    "transformers": ("model.safetensors", "model.safetensors.index.json"),
    "open_clip": (
        "open_clip_model.safetensors",
        "open_clip_pytorch_model.safetensors",
        "model.safetensors",
    ),
}
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT = 15.0  # seconds for the first answer of the hub


@dataclass(frozen=True)
class Snapshot:
    """The files of one model at one revision.

    Attributes
    ----------
    folder : Path
    name : str
        Repository and commit, or folder and digest: it identifies the weights.
    library : {"transformers", "open_clip"}
    weights : tuple of Path
        Safetensors files.
    licence : str or None
        As the model card states it.
    """

    folder: Path
    name: str
    library: Library
    weights: tuple[Path, ...]
    licence: str | None


def fetch(repository: str, revision: str | None = None) -> Snapshot:
    """Return a model of the hub, from the local cache if it is there, else download it.

    Parameters
    ----------
    repository : str
        ``"owner/name"``.
    revision : str, optional
        Commit, tag or branch; default: what is in the cache, else the newest.

    Raises
    ------
    HubError
        No such model or revision, terms to accept first, no network, no safetensors weights, or a
        model that no class of the libraries can load.
    MissingExtraError
        The extra ``foundation`` is not installed.
    """
    hub = _hub()
    cached = _cached(hub, repository, revision)
    if cached is not None:
        return _snapshot(cached, repository)
    try:
        info = hub.HfApi().model_info(repository, revision=revision, timeout=_TIMEOUT)
        files = [sibling.rfilename for sibling in info.siblings or ()]
        commit = str(info.sha)
        _check_files(repository, files)
        folder = Path(hub.snapshot_download(repository, revision=commit, allow_patterns=_SETTINGS))
        library = _library(folder, repository)
        weights = _weight_names(folder, library, files, repository)
        hub.snapshot_download(repository, revision=commit, allow_patterns=[*_SETTINGS, *weights])
    except HubError:
        raise
    except Exception as error:  # of the hub's client, its HTTP library, or the disk
        raise _hub_error(hub, repository, revision, error) from error
    _remember(hub, repository, revision, commit)
    return _snapshot(folder, repository)


def local(folder: Path) -> Snapshot:
    """Return a model in a folder, as ``save_pretrained`` or a download writes it.

    Raises
    ------
    HubError
        The folder has no model, no safetensors weights, or a model that no class of the libraries
        can load.
    """
    library = _library(folder, str(folder))
    names = [path.name for path in folder.iterdir()]
    weights = _weight_names(folder, library, names, str(folder))
    digest = hashlib.sha256()
    for name in sorted({*weights, *(set(names) & {_CONFIG, _OPEN_CLIP_CONFIG})}):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    paths = tuple(folder / name for name in weights if name.endswith(".safetensors"))
    name = f"{folder.resolve().name}@{digest.hexdigest()[:12]}"
    return Snapshot(folder, name, library, paths, _licence(folder))


def _hub() -> Any:  # noqa: ANN401 - a module
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ModuleNotFoundError as error:
        raise MissingExtraError("A foundation model", str(error.name), "foundation") from error
    return huggingface_hub


def _cached(hub: Any, repository: str, revision: str | None) -> Path | None:  # noqa: ANN401
    """Return the folder of a model that is complete in the local cache, or None."""
    try:
        folder = Path(
            hub.snapshot_download(
                repository, revision=revision, allow_patterns=_SETTINGS, local_files_only=True
            )
        )
        library = _library(folder, repository)
        names = [path.name for path in folder.iterdir()]
        _weight_names(folder, library, names, repository)
    except hub.errors.HFValidationError as error:
        raise HubError(f"{repository!r} is not the name of a model: {one_line(error)}") from error
    except (OSError, ValueError):  # nothing there, or not all of it: ask the hub
        return None
    return folder


def _remember(hub: Any, repository: str, revision: str | None, commit: str) -> None:  # noqa: ANN401
    """Note which commit a branch stands for, so that it is found again without a network."""
    if revision is not None and _COMMIT.fullmatch(revision):
        return
    folder = Path(hub.constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    reference = folder / "refs" / (revision or "main")
    if not reference.is_file():
        from similarity_lab.files import atomic_write

        reference.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(reference) as part:
            part.write_text(commit, encoding="utf-8")


def _snapshot(folder: Path, repository: str) -> Snapshot:
    library = _library(folder, repository)
    names = [path.name for path in folder.iterdir()]
    weights = _weight_names(folder, library, names, repository)
    paths = tuple(folder / name for name in weights if name.endswith(".safetensors"))
    return Snapshot(folder, f"{repository}@{folder.name[:12]}", library, paths, _licence(folder))


def _library(folder: Path, source: str) -> Library:
    """Return the library that has a class for a model, or raise `HubError` if none has."""
    config = _read_json(folder / _CONFIG, source)
    open_clip_config = _read_json(folder / _OPEN_CLIP_CONFIG, source)
    has_open_clip = bool(open_clip_config)
    parts = open_clip_config.get("model_cfg")
    if has_open_clip and not (isinstance(parts, dict) and {"vision_cfg", "text_cfg"} <= {*parts}):
        raise HubError(
            f"{source}: {_OPEN_CLIP_CONFIG} describes no model of open_clip: no model_cfg with "
            "vision_cfg and text_cfg"
        )
    kind = config.get("model_type")
    has_code = bool(config.get("auto_map"))
    if isinstance(kind, str) and kind in _model_types() and not (has_code and has_open_clip):
        _check_sees_images(folder, source)
        return "transformers"
    if has_open_clip:
        return "open_clip"
    if "architecture" in config:  # a model of timm, which transformers wraps
        return "transformers"
    if has_code:
        raise HubError(
            f"{source} needs code from its own repository ({_class_names(config)}), which is never "
            "run here; use a model that transformers or open_clip has a class for"
        )
    if config:
        raise HubError(
            f"{source}: transformers {_version('transformers')} has no class for its model type, "
            f"{kind!r}; a newer one may: pip install -U transformers"
        )
    raise HubError(f"{source} has neither {_CONFIG} nor {_OPEN_CLIP_CONFIG}: not a model")


def _check_sees_images(folder: Path, source: str) -> None:
    """Raise `HubError` for a model without an image processor, before weights are downloaded."""
    if not any((folder / name).is_file() for name in _PROCESSORS):
        raise HubError(
            f"{source} has no {_PROCESSORS[0]}, so its preprocessing is unknown; only models of "
            "images can be used"
        )


def _class_names(config: dict[str, Any]) -> str:
    auto_map = config.get("auto_map")
    references = auto_map.values() if isinstance(auto_map, dict) else [auto_map]
    return ", ".join(sorted({str(reference) for reference in references}))[:120]


def _model_types() -> frozenset[str]:
    try:
        from transformers import CONFIG_MAPPING
    except ImportError as error:
        raise MissingExtraError(
            "A foundation model", str(error.name or "transformers"), "foundation"
        ) from error
    return frozenset(CONFIG_MAPPING)


def _weight_names(folder: Path, library: Library, files: list[str], source: str) -> list[str]:
    """Return the names of the weights files among `files`; `HubError` if they are pickles only."""
    for name in _WEIGHTS[library]:
        if name not in files:
            continue
        if not name.endswith(".index.json"):
            return [name]
        index = _read_json(folder / name, source)
        shards = sorted(set(map(str, dict(index.get("weight_map", {})).values())))
        missing = [shard for shard in shards if shard not in files]
        if not shards or missing:
            raise HubError(f"{source}: {name} lists weights that are missing: {missing[:3]}")
        return [name, *shards]
    raise HubError(f"{source} has no {' or '.join(_WEIGHTS[library])}{_pickles(files)}")


def _check_files(repository: str, files: list[str]) -> None:
    """Raise `HubError` unless there are safetensors weights, before anything is downloaded."""
    if not any(name.endswith(".safetensors") and "/" not in name for name in files):
        raise HubError(f"{repository} has no safetensors weights{_pickles(files)}")


def _pickles(files: list[str]) -> str:
    pickles = sorted(name for name in files if name.endswith(_PICKLES) and "/" not in name)
    if not pickles:
        return ""
    return (
        f"; it has {', '.join(pickles[:3])}, which is not loaded, since such files can run code. "
        "Use a revision with model.safetensors, or convert it with save_pretrained"
    )


def _read_json(path: Path, source: str) -> dict[str, Any]:
    """Return the content of a JSON file; empty if there is none."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise _damaged(source, path, error) from error
    return content if isinstance(content, dict) else {}


def _damaged(source: str, path: Path, error: Exception) -> HubError:
    return HubError(
        f"{source}: {path.name} is damaged ({one_line(error)}); delete {path.parent} and load the "
        "model again"
    )


def _licence(folder: Path) -> str | None:
    """Return the licence in the front matter of a model card; `license_name` if it is "other"."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    head = card.read_text("utf-8", errors="replace")[:20_000]
    front = re.match(r"---\s*\n(.*?)\n---", head, re.DOTALL)
    entries = dict(
        re.findall(r"^(license(?:_name)?):\s*['\"]?([\w.+-]+)", front[1] if front else "", re.M)
    )
    licence = entries.get("license")
    return entries.get("license_name", licence) if licence == "other" else licence


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _hub_error(
    hub: Any,  # noqa: ANN401
    repository: str,
    revision: str | None,
    error: Exception,
) -> HubError:
    """Return what a failed request means, and what to do."""
    errors = hub.errors
    page = f"{hub.constants.ENDPOINT}/{repository}"
    if isinstance(error, errors.GatedRepoError):
        return HubError(
            f"{repository} is gated: accept its terms at {page}, then run `hf auth login` or set "
            "HF_TOKEN"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(
            f"{repository} has no revision {revision!r}; {page}/commits/main lists them"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return HubError(
            f"No model {repository!r} on the hub, or a private one, and no folder of that name; "
            "check the spelling, or run `hf auth login`"
        )
    if isinstance(error, errors.HFValidationError):
        return HubError(f"{repository!r} is not the name of a model: {one_line(error)}")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return HubError(f"{repository}: the hub answered {status} ({one_line(error)}); try later")
    wanted = f"{repository}@{revision}" if revision else repository
    return HubError(
        f"{wanted} is neither a folder nor in the cache {hub.constants.HF_HUB_CACHE}, and the hub "
        f"cannot be reached ({one_line(error)}). Load it once with a network, or copy that cache "
        "from another machine; HF_HOME says where it is"
    )
