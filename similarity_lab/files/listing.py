"""Files: listed with a reason for whatever is left out, written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import pandas as pd

from similarity_lab.errors import NotAFolderError, PathNotFoundError

SKIPPED_COLUMNS = ["path", "reason"]


def skipped_table(rows: list[tuple[object, str]]) -> pd.DataFrame:
    """Return the table in which everything that was left out is listed: ``path, reason``."""
    # object, not str: a file name may hold bytes that are no text
    return pd.DataFrame(rows, columns=SKIPPED_COLUMNS, dtype=object)


def existing_folder(folder: str | PathLike[str], purpose: str) -> Path:
    """Return `folder` as a path, or raise an error that says what is there instead."""
    path = Path(folder)
    if not path.exists():
        raise PathNotFoundError(f"{path}: no such folder; expected {purpose}")
    if not path.is_dir():
        raise NotAFolderError(f"{path}: is a file; expected {purpose}")
    return path


def part_of(path: Path, writer: object = "") -> Path:
    """Return where `whole` has a file written; its suffix stays, which tells writers the format."""
    return path.with_name(f"part{writer}-{path.name}")


@contextmanager
def whole(path: Path, *, writer: object = "") -> Iterator[Path]:
    """Give a file beside `path` to write to, which then takes its place at once.

    So `path` is there whole, or as it was before, whenever the writer is killed; what is left then
    is overwritten by the next one. Threads or processes that may write the same file at once give
    `writer`, by which their parts differ.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "marks.json"
    >>> with whole(file) as part:
    ...     _ = part.write_text("{}")
    >>> [path.name for path in file.parent.iterdir()]
    ['marks.json']
    """
    part = part_of(path, writer)
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def list_files(folder: Path) -> tuple[list[Path], list[tuple[object, str]]]:
    """List all files below a folder, in nested folders too.

    Links to folders elsewhere are followed, each once. A link that leads back into `folder` is
    not: what it shows is listed already, and in the right place.

    Returns
    -------
    files : list of Path
        Sorted by their parts, so that equal folders give equal lists on every machine.
    skipped : list of (path, reason)
        Folders that could not be entered.
    """
    files: list[Path] = []
    skipped: list[tuple[object, str]] = []
    root, entered = folder.resolve(), set[Path]()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = here.resolve()
        if real in entered or (here.is_symlink() and here != folder and real.is_relative_to(root)):
            skipped.append((str(here), "a link to a folder that is listed already"))
            continue
        entered.add(real)
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    (waiting if _is_folder(entry) else files).append(Path(entry.path))
        except OSError as error:
            skipped.append((str(here), f"cannot be read: {(error.strerror or '').lower()}"))
    files.sort(key=lambda path: path.relative_to(folder).parts)
    return files, sorted(skipped, key=lambda row: str(row[0]))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a looping link: listed as a file, it gets its reason when it is read
        return False
