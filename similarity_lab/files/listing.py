"""List the files of a folder, with a reason for whatever is left out."""

import os
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from similarity_lab.errors import NotAFolderError, PathNotFoundError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SKIPPED_COLUMNS", "existing_folder", "list_files", "skipped_table"]

_CHECKPOINTS = ".ipynb_checkpoints"

SKIPPED_COLUMNS = ["path", "reason"]


def skipped_table(rows: list[tuple[object, str]]) -> "pd.DataFrame":
    """Return the table of skipped files: columns ``path``, ``reason``."""
    import pandas as pd  # deferred: the crawler's process writes files and needs no tables

    # dtype object: pandas' str type rejects file names with bytes that are not text
    return pd.DataFrame(rows, columns=SKIPPED_COLUMNS, dtype=object)


def existing_folder(folder: str | PathLike[str], expected: str) -> Path:
    """Return `folder` as a path if it is a folder.

    Parameters
    ----------
    folder : path
    expected : str
        What the folder should hold, for the message of the error.

    Raises
    ------
    PathNotFoundError
        It does not exist; the message suggests a similar name.
    NotAFolderError
        It is a file.
    """
    path = Path(folder)
    if not path.exists():
        hint = did_you_mean(path.name, _sibling_names(path))
        raise PathNotFoundError(f"{path}: no such folder; expected {expected}.{hint}")
    if not path.is_dir():
        raise NotAFolderError(f"{path}: is a file; expected {expected}")
    return path


def _sibling_names(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []


def list_files(folder: Path) -> tuple[list[Path], list[tuple[object, str]]]:
    """List all files below a folder, including nested folders.

    Links to folders outside `folder` are followed, each target once. Links to folders inside it
    are not followed, since their files are listed anyway, under their real path.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    files : list of Path
        Sorted by their parts, so that equal folders give equal lists on every machine.
    skipped : list of (path, reason)
        Folders that could not be read, and links that were not followed.
    """
    files: list[Path] = []
    skipped: list[tuple[object, str]] = []
    root, visited = folder.resolve(), set[Path]()
    pending = [folder]
    while pending:
        current = pending.pop()
        target = current.resolve()
        is_inner_link = current.is_symlink() and current != folder and target.is_relative_to(root)
        if target in visited or is_inner_link:
            skipped.append((str(current), "link to a folder that is already listed"))
            continue
        visited.add(target)
        try:
            with os.scandir(current) as entries:
                for entry in entries:
                    if entry.name == _CHECKPOINTS:
                        skipped.append((entry.path, "copies that Jupyter makes"))
                        continue
                    (pending if _is_folder(entry) else files).append(Path(entry.path))
        except OSError as error:
            skipped.append((str(current), f"cannot be read: {(error.strerror or '').lower()}"))
    files.sort(key=lambda path: path.relative_to(folder).parts)
    return files, sorted(skipped, key=lambda row: str(row[0]))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links: listed as a file, and skipped with a reason when it is read
        return False
