"""Saved folders: a manifest, arrays as ``.npz``, other files beside; no pickle is written or read.

A scorer, a metric learner and a training run are saved the same way. The manifest is written last
and holds a digest of every other file, so that a folder that was changed, mixed up or left half
written is noticed before anything in it is used.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from similarity_lab._version import versions
from similarity_lab.errors import PathNotFoundError, SavedFolderError
from similarity_lab.files.atomic import atomic_write

MANIFEST, FORMAT = "manifest.json", 2
_OLD_MANIFESTS = ("scorer.json", "configuration.json")  # of version 1: scorers, training runs
_MAX_ARRAY_BYTES = 2**31

Arrays = Mapping[str, npt.NDArray[Any]]
Writer = Callable[[Path], object]
"""Writes one file to the path it is given."""


@dataclass(frozen=True)
class Saved:
    """A saved folder whose files are what its manifest says.

    Attributes
    ----------
    folder : Path
    content : dict
        What `save_folder` was given.
    files : tuple of str
        Names of the files beside the manifest.
    versions : dict of str to str
        Of the libraries, when it was saved.
    """

    folder: Path
    content: dict[str, Any]
    files: tuple[str, ...]
    versions: dict[str, str]

    def path(self, name: str) -> Path:
        """Return the path of a file that must be there."""
        if name not in self.files:
            raise SavedFolderError(f"{self.folder}: {name} is missing from the manifest")
        return self.folder / name

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an ``.npz`` file; object arrays are refused."""
        path = self.path(name)
        if path.stat().st_size > _MAX_ARRAY_BYTES:
            raise SavedFolderError(f"{path}: larger than {_MAX_ARRAY_BYTES:,} bytes")
        try:
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        except (ValueError, OSError, EOFError) as error:
            raise SavedFolderError(f"{path}: could not be read ({error})") from None


def save_folder(
    folder: str | PathLike[str],
    kind: str,
    content: Mapping[str, Any],
    files: Mapping[str, Arrays | Writer],
) -> None:
    """Write a folder: each file atomically, the manifest last.

    Parameters
    ----------
    folder : path
        Made if missing.
    kind : str
        What is saved, such as ``"scorer"``; `load_folder` checks it.
    content : mapping
        Whatever JSON can hold.
    files : mapping of file name to arrays or to a function that writes the file
        Arrays go to an ``.npz`` file.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name, data in files.items():
        with atomic_write(folder / name) as part:
            if callable(data):
                data(part)
            else:
                np.savez(part, **data)  # type: ignore[arg-type]
            digests[name] = _digest(part)
    manifest = {
        "kind": kind,
        "format": FORMAT,
        "content": dict(content),
        "files": digests,
        "versions": versions(),
    }
    with atomic_write(folder / MANIFEST) as part:
        part.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def load_folder(folder: str | PathLike[str], kind: str) -> Saved:
    """Read the manifest of a folder and check every file it names.

    Raises
    ------
    PathNotFoundError
        No such folder, or no manifest in it.
    SavedFolderError
        Another kind, a format of another version, a missing or changed file.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        if any((folder / name).is_file() for name in _OLD_MANIFESTS):
            raise _outdated(folder, kind)
        raise PathNotFoundError(f"No saved {kind} in {folder} (no {MANIFEST})")
    try:
        manifest = json.loads(path.read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise _outdated(folder, kind)
        found, content = str(manifest["kind"]), dict(manifest["content"])
        digests = {str(name): str(digest) for name, digest in manifest["files"].items()}
        saved_with = {str(name): str(each) for name, each in manifest["versions"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, SavedFolderError):
            raise
        raise SavedFolderError(f"{path}: not a manifest of a saved {kind} ({error!r})") from None
    if found != kind:
        raise SavedFolderError(f"{folder} holds a saved {found}, expected a {kind}")
    for name, digest in digests.items():
        if Path(name).name != name or not (folder / name).is_file():
            raise SavedFolderError(f"{folder}: {name} is missing; the {kind} is incomplete")
        if _digest(folder / name) != digest:
            raise SavedFolderError(
                f"{folder}: {name} was changed since it was saved (its digest differs from the "
                f"manifest's); save the {kind} again"
            )
    return Saved(folder, content, tuple(digests), saved_with)


def _outdated(folder: Path, kind: str) -> SavedFolderError:
    return SavedFolderError(
        f"{folder} was written by another version of similarity_lab, whose format this version "
        f"does not read; fit again and save the {kind} with this version"
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
