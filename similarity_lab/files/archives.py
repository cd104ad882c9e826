"""Unpack a ``.zip`` that a stranger made: it may neither leave its folder nor flood the disk.

What shows intent (names that climb out, bombs, encryption) refuses the archive as a whole, before
anything is written. What may be an accident (a damaged photo, a link, a name that is there twice)
costs only that member, which is listed with its reason.
"""

import atexit
import copy
import errno
import os
import shutil
import struct
import sys
import tempfile
import unicodedata
import zlib
from contextlib import ExitStack, suppress
from itertools import chain, takewhile
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import BadZipFile, ZipFile, ZipInfo

import pandas as pd

from similarity_lab.errors import ArchiveError, InputTypeError
from similarity_lab.files import skipped_table
from similarity_lab.files.zip_checks import (
    Members,
    beyond_limits,
    dangerous_members,
    overlaps,
    unusable,
)

_BLOCK = 2**18
_DAMAGE = (BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error, EOFError)
_NAME_TROUBLE = (errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)

Skipped = list[tuple[object, str]]


class _Skip(Exception):
    """The reason why one member is left out."""


def extract_zip(
    source: str | PathLike[str] | IO[bytes],
    folder: str | PathLike[str],
    *,
    max_files: int = 100_000,
    max_bytes: int = 4 * 2**30,
    max_ratio: float = 200,
) -> tuple[list[Path], pd.DataFrame]:
    """Unpack a ``.zip`` into a folder, safely.

    Parameters
    ----------
    source : path or binary file object
        The archive; a file object must be seekable.
    folder : path
        Where to; made if missing. Nothing that is in it already is overwritten.
    max_files : int
        Most members, folders included.
    max_bytes : int
        Most bytes that all members together may unpack to.
    max_ratio : float
        Most bytes that one compressed byte may unpack to, in members above 1 MiB; photos: near 1.

    Returns
    -------
    paths : list of Path
        The files written, below `folder`, sorted by their parts. Empty folders are not made.
    skipped : pandas.DataFrame
        Columns ``path`` (the member's name) and ``reason``: links, device nodes, names there twice
        or equal but for case (the first counts) or too long, damage, rare compression, files that
        exist already.

    Raises
    ------
    ArchiveError
        No such file, a folder, no zip or a truncated one; names that leave the folder; encrypted
        or overlapping members; more than the limits allow, or more than the archive declares.
    OSError
        The folder cannot be written to. Whatever stops the call: what it had written is removed.

    Examples
    --------
    >>> import io, tempfile
    >>> file = io.BytesIO()
    >>> with ZipFile(file, "w") as archive:
    ...     archive.writestr("Apple/1.JPG", b"pixels")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths, skipped = extract_zip(file, folder)
    ...     [path.relative_to(folder).as_posix() for path in paths], len(skipped)
    (['Apple/1.JPG'], 0)
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise ArchiveError(f"{target}: is a file, expected a folder to unpack into; name another")
    with ExitStack() as stack:
        if isinstance(source, str | PathLike):
            name, file = str(source), stack.enter_context(_open_file(Path(source)))
        elif hasattr(source, "seek"):
            name, file = str(getattr(source, "name", "<file object>")), source
        else:
            raise InputTypeError(
                f"{type(source).__name__}, expected a path or a binary file object"
            )
        archive = stack.enter_context(_open_archive(file, name))
        archive.filename = name  # None for a file object: no name for messages
        members = archive.infolist()
        size = file.seek(0, os.SEEK_END)
        limits = beyond_limits(members, max_files, max_bytes, max_ratio)
        for problem in chain(limits, dangerous_members(members), overlaps(members, size)):
            raise ArchiveError(f"{name}: {problem}")
        wanted, skipped = _plan(members)
        paths = _write(archive, wanted, target, skipped)
    return sorted(paths, key=lambda path: path.relative_to(target).parts), skipped_table(skipped)


def extract_for_process(source: str | PathLike[str] | IO[bytes]) -> tuple[Path, pd.DataFrame]:
    """Unpack a ``.zip`` as `extract_zip` does, into a folder that is removed at exit.

    Returns
    -------
    folder : Path
        A new temporary folder.
    skipped : pandas.DataFrame
        As from `extract_zip`.

    Raises
    ------
    ArchiveError
        As from `extract_zip`.
    """
    folder = folder_for_process()
    _, skipped = extract_zip(source, folder)
    return folder, skipped


def folder_for_process() -> Path:
    """Return a new temporary folder, only ours, that is removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="similarity_lab-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _open_file(path: Path) -> IO[bytes]:
    if path.is_dir():
        raise ArchiveError(f"{path}: a folder, expected a .zip; a folder can be used as it is")
    try:
        return path.open("rb")
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}, expected a .zip; check the path") from error


def _open_archive(file: IO[bytes], name: str) -> ZipFile:
    try:
        return ZipFile(file)
    except (*_DAMAGE, OSError, ValueError) as error:
        raise ArchiveError(f"{name}: {_what_came(file)} ({error})") from error


def _what_came(file: IO[bytes]) -> str:
    if not file.seekable():
        return "cannot be read in any order, expected a .zip file; save it to disk first"
    file.seek(0)
    start = file.read(4)
    if start.startswith(b"PK"):
        return "truncated or damaged, expected a whole .zip; copy or download it again"
    return f"begins with {start!r}, expected a .zip archive; pack the photos as .zip"


def _plan(members: Members) -> tuple[Members, Skipped]:
    """Decide from the table of contents alone which members are written."""
    wanted: Members = []
    skipped: Skipped = []
    taken: dict[str, str] = {}
    for member in members:
        if member.filename.endswith("/"):  # folders are made when a file needs them
            continue
        path = str(PurePosixPath(member.filename))
        key = unicodedata.normalize("NFC", path).casefold()
        reason = unusable(member)
        if key in taken:
            reason = reason or f"duplicate of {taken[key]!r}, or equal but for case or accents"
        if reason:
            skipped.append((member.filename, reason))
        else:
            taken[key] = path
            wanted.append(member)
    return wanted, skipped


def _write(archive: ZipFile, wanted: Members, folder: Path, skipped: Skipped) -> list[Path]:
    """Write all members, or remove again whatever this call had written."""
    written = []
    with ExitStack() as undo:
        _make_folders(folder, undo)
        for member in wanted:
            try:
                with ExitStack() as attempt:
                    written.append(_write_member(archive, member, folder, attempt))
                    undo.callback(attempt.pop_all().close)
            except _Skip as reason:
                skipped.append((member.filename, str(reason)))
        undo.pop_all()
    return written


def _write_member(archive: ZipFile, member: ZipInfo, folder: Path, undo: ExitStack) -> Path:
    path = folder / PurePosixPath(member.filename)
    parent = folder.resolve() / PurePosixPath(member.filename).parent
    if Path(os.path.realpath(parent)) != parent:  # Path.resolve would raise on a loop of links
        raise _Skip("a symbolic link in the folder is in the way")
    try:
        _make_folders(path.parent, undo)
        file = path.open("xb")
    except OSError as error:
        if error.errno not in _NAME_TROUBLE:
            raise
        raise _Skip(f"cannot be written under this name: {error.strerror}") from error
    undo.callback(path.unlink, missing_ok=True)
    try:
        with file:
            _copy(archive, member, file)
    except (*_DAMAGE, zlib.error) as error:
        raise _Skip(f"damaged: {str(error) or 'ends early'}") from error
    return path


def _copy(archive: ZipFile, member: ZipInfo, file: IO[bytes]) -> None:
    # `zipfile` stops at the declared size, so that a lie looks like damage. Ask for all there is
    # and count: more than declared is no accident.
    everything = copy.copy(member)
    everything.file_size = sys.maxsize
    count = 0
    with archive.open(everything) as stream:
        while block := stream.read(_BLOCK):
            count += len(block)
            if count > member.file_size:
                lie = f"{member.filename!r} holds more than the {member.file_size:,} bytes declared"
                raise ArchiveError(f"{archive.filename}: {lie}; a zip bomb or damage; get another")
            file.write(block)
    if count < member.file_size:
        raise BadZipFile(f"{count:,} bytes, {member.file_size:,} declared")


def _make_folders(folder: Path, undo: ExitStack) -> None:
    missing = list(takewhile(lambda path: not path.exists(), [folder, *folder.parents]))
    for path in reversed(missing):
        path.mkdir()
        undo.callback(_remove_if_empty, path)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # something is in it: not ours to remove
        folder.rmdir()
