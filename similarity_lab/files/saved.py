"""Saved folders: a manifest, arrays as ``.npz``, and other files; no pickle.

A scorer, a metric learner and a training run are saved the same way. The manifest is written last
and holds a digest of every other file, so that a folder that was changed, mixed up or written only
in part is detected before anything in it is used.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from similarity_lab._version import versions
from similarity_lab.errors import InputError, PathNotFoundError, SavedFolderError
from similarity_lab.files.atomic import atomic_write
from similarity_lab.files.output import output_folder

__all__ = ["Arrays", "Saved", "Writer", "load_folder", "save_folder"]

MANIFEST, FORMAT = "manifest.json", 2
_VERSION_1_FILES = ("scorer.json", "configuration.json")  # version 1 had no manifest
_MAX_ARRAY_BYTES = 2**31

Arrays = Mapping[str, npt.NDArray[Any]]
Writer = Callable[[Path], object]
"""Writes one file to the path it is given."""


@dataclass(frozen=True)
class Saved:
    """A saved folder whose files match its manifest.

    Attributes
    ----------
    folder : Path
    content : dict
        The content that was passed to `save_folder`.
    files : tuple of str
        Names of the files beside the manifest.
    versions : dict of str to str
        Versions of the libraries with which it was saved.
    """

    folder: Path
    content: dict[str, Any]
    files: tuple[str, ...]
    versions: dict[str, str]

    def path(self, name: str) -> Path:
        """Return the path of a file; `SavedFolderError` if the manifest does not list it."""
        if name not in self.files:
            raise SavedFolderError(f"{self.folder}: the manifest does not list {name}")
        return self.folder / name

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an ``.npz`` file.

        Raises
        ------
        SavedFolderError
            The file is damaged, has object arrays (which would be unpickled), or unpacks to more
            than 2 GiB.
        """
        path = self.path(name)
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > _MAX_ARRAY_BYTES:
                    raise SavedFolderError(
                        f"{path}: more than {_MAX_ARRAY_BYTES:,} bytes of arrays"
                    )
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        except SavedFolderError:
            raise
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise SavedFolderError(f"{path}: cannot be read ({error})") from None


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
        Created if missing.
    kind : str
        What is saved, such as ``"scorer"``; `load_folder` checks it.
    content : mapping
        Anything that JSON can represent.
    files : mapping of file name to arrays or to a function
        Arrays are written to an ``.npz`` file; a function gets the path to write to.
    """
    folder = output_folder(folder, f"a folder for the {kind}")
    _check_manifest(folder)
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


def _check_manifest(folder: Path) -> None:
    """Raise `InputError` if a manifest would be replaced that another program wrote."""
    path = folder / MANIFEST
    if not path.exists():
        return
    try:
        is_ours = "kind" in json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, TypeError):
        is_ours = False
    if not is_ours:
        raise InputError(
            f"{folder} has a {MANIFEST} that similarity_lab did not write; choose another folder"
        )


def load_folder(folder: str | PathLike[str], kind: str) -> Saved:
    """Read the manifest of a folder and verify every file it lists.

    Raises
    ------
    PathNotFoundError
        No such folder, or no manifest in it.
    SavedFolderError
        Another kind, the format of another version, a missing or changed file.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        if any((folder / name).is_file() for name in _VERSION_1_FILES):
            raise _outdated(folder, kind)
        missing = f"no {MANIFEST}" if folder.is_dir() else "no such folder"
        raise PathNotFoundError(f"No saved {kind} in {folder} ({missing})")
    try:
        manifest = json.loads(path.read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise _outdated(folder, kind)
        saved_kind, content = str(manifest["kind"]), dict(manifest["content"])
        digests = {str(name): str(digest) for name, digest in manifest["files"].items()}
        saved_with = {str(name): str(version) for name, version in manifest["versions"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, SavedFolderError):
            raise
        raise SavedFolderError(f"{path}: not a manifest of a saved {kind} ({error!r})") from None
    if saved_kind != kind:
        raise SavedFolderError(f"{folder} contains a saved {saved_kind}, expected a {kind}")
    for name, digest in digests.items():
        if Path(name).name != name or not (folder / name).is_file():
            raise SavedFolderError(f"{folder}: {name} is missing; the {kind} is incomplete")
        if _digest(folder / name) != digest:
            raise SavedFolderError(
                f"{folder}: {name} was changed after it was saved (its digest differs from the "
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
