"""Unpack untrusted zip archives within limits, and never outside the folder.

Signs of intent (path traversal, zip bombs, encryption) refuse the archive as a whole, before
anything is written. Likely accidents (a damaged photo, a link, a duplicate name) skip only that
member, which is listed with its reason.

Names are those that the person who made the archive saw: backslashes of Windows programs separate
folders, and names that are not in Unicode are decoded from the encoding that was passed or guessed.
"""

import atexit
import copy
import errno
import os
import re
import shutil
import stat
import struct
import sys
import tempfile
import unicodedata
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import chain, takewhile
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from similarity_lab.errors import ArchiveError, InputTypeError, InputWarning
from similarity_lab.files.encodings import NAME_ENCODINGS, check_encoding, guess_encoding
from similarity_lab.files.listing import (
    EMPTY_FOLDER,
    HIDDEN_ATTRIBUTE,
    archive_kind,
    skipped_table,
    system_file,
    user_path,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["extract_for_process", "extract_zip", "folder_for_process", "is_zip"]

_BLOCK = 2**18
_DAMAGE_ERRORS = (BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error, EOFError)
_NAME_ERRNOS = (errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)

_LOCAL_HEADER_BYTES = 30  # without the name that follows it
_RATIO_FREE_BYTES = 2**20  # below this size a high ratio is harmless, and common in flat images
# How a name could leave the folder, on any operating system.
_TRAVERSALS = {
    r"\0": "contains a NUL character",
    r"^/": "is absolute",
    r"^[A-Za-z]:": "begins with a drive letter",
    # Windows drops dots and spaces at the end of a name, so that ".. " may be "..".
    r"(^|/)\.\.[. ]*(/|$)": "leaves the folder with '..'",
}
_MAX_NAME_BYTES, _MAX_PART_BYTES = 1024, 255  # in UTF-8; every common file system takes these
# Only these two: `zipfile` unpacks blocks of bzip2 and LZMA into memory without any limit.
_METHODS = (ZIP_STORED, ZIP_DEFLATED)
_METHOD_NAMES = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
_UTF8_FLAG, _UNICODE_NAME = 0x800, 0x7075
_DOS_SYSTEMS, _HIDDEN = (0, 6, 10, 11, 14), 0x2  # FAT, HPFS, NTFS by two numbers, VFAT
_PART = re.compile(r"\.(z\d\d|r\d\d|(zip|7z|rar)\.\d{3}|part\d+\.rar)$", re.IGNORECASE)
_OFFICE = {"[Content_Types].xml", "META-INF/manifest.xml", "META-INF/container.xml"}

_Members = list[ZipInfo]
_Skipped = list[tuple[object, str]]


class _SkipMember(Exception):
    """A member that cannot be written; the message is the reason."""


def extract_zip(
    source: str | PathLike[str] | IO[bytes],
    folder: str | PathLike[str],
    *,
    max_files: int = 100_000,
    max_bytes: int = 4 * 2**30,
    max_ratio: float = 200,
    encoding: str | None = None,
) -> "tuple[list[Path], pd.DataFrame]":
    """Unpack a ``.zip`` into a folder.

    Parameters
    ----------
    source : path or binary file object
        The archive; a file object must be seekable.
    folder : path
        Created if missing. Existing files are never overwritten.
    max_files : int
        Maximum number of members, folders included.
    max_bytes : int
        Maximum total size of the unpacked files, in bytes.
    max_ratio : float
        Maximum compression ratio (unpacked to packed bytes) of members above 1 MiB; photos: near 1.
    encoding : str, optional
        Encoding of the names that are not marked as Unicode, such as ``"cp437"``, ``"cp932"``
        (Shift-JIS) or ``"gbk"``. Default: UTF-8 if they are valid UTF-8, else guessed from all
        names, with an `InputWarning` that says what was guessed.

    Returns
    -------
    paths : list of Path
        The files written, below `folder`, sorted by their parts. Empty folders are not created.
    skipped : DataFrame
        Columns ``path`` (the member's name) and ``reason``: links, device nodes, names that are
        too long or already used (ignoring case and Unicode normal form; the first one counts),
        damage, unsupported compression, files that already exist, empty folders, and files and
        folders that are hidden in Windows.

    Raises
    ------
    ArchiveError
        The file does not exist, is a folder, or is not a complete zip; it has members that are
        encrypted, overlap, or would be written outside the folder; it exceeds the limits, or
        unpacks to more than its directory declares.
    InputError
        Python does not know `encoding`.
    OSError
        The folder cannot be written to. Whatever the error, files written so far are removed.

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
    if encoding is not None:
        check_encoding(encoding)
    if target.exists() and not target.is_dir():
        raise ArchiveError(f"{target}: is a file; expected a folder to unpack into")
    with ExitStack() as stack:
        if isinstance(source, str | PathLike):
            name, file = str(source), stack.enter_context(_open_file(user_path(source)))
        elif hasattr(source, "seek"):
            name, file = str(getattr(source, "name", "<file object>")), source
        else:
            raise InputTypeError(
                f"expected a path or a binary file object, got {type(source).__name__}"
            )
        archive = stack.enter_context(_open_archive(file, name))
        archive.filename = name  # None for a file object
        members = archive.infolist()
        names_encoding = _rename(members, encoding, name)
        size = file.seek(0, os.SEEK_END)
        limits = _exceeded_limits(members, max_files, max_bytes, max_ratio)
        if _OFFICE & {member.filename for member in members}:
            raise ArchiveError(f"{name}: is a document or a program, expected a .zip of images")
        for problem in chain(limits, _dangerous_members(members), _overlaps(members, size)):
            raise ArchiveError(f"{name}: {problem}")
        if names_encoding not in ("utf-8", encoding):
            _warn_of_guess(members, names_encoding, name)
        accepted, skipped = _plan(members)
        paths = _write_members(archive, accepted, target, skipped)
    return sorted(paths, key=lambda path: path.relative_to(target).parts), skipped_table(skipped)


def is_zip(path: str | PathLike[str]) -> bool:
    """Tell whether a path is a zip archive, by its content or its name.

    Raises
    ------
    ArchiveError
        It is an archive of another kind, or a part of one; the message says what to do.
    """
    path = user_path(path)
    if not path.is_file():
        return False
    kind = archive_kind(path)
    if kind and kind != "zip":
        raise ArchiveError(
            f"{path}: is a {kind} archive; expected a folder or a .zip. Unpack it and pass the "
            "folder"
        )
    if not kind and _PART.search(path.name):
        raise ArchiveError(
            f"{path}: is one part of a split archive; unpack it with its other parts and pass the "
            "folder"
        )
    return kind == "zip" or path.suffix.lower() == ".zip"


def extract_for_process(
    source: str | PathLike[str] | IO[bytes], *, encoding: str | None = None
) -> "tuple[Path, pd.DataFrame]":
    """Unpack a ``.zip`` into a temporary folder that is removed when the process exits.

    Parameters
    ----------
    source, encoding
        As of `extract_zip`.

    Returns
    -------
    folder : Path
    skipped : DataFrame
        As from `extract_zip`.

    Raises
    ------
    ArchiveError
        As from `extract_zip`.
    """
    folder = folder_for_process()
    _, skipped = extract_zip(source, folder, encoding=encoding)
    return folder, skipped


def folder_for_process() -> Path:
    """Create a private temporary folder that is removed when the process exits."""
    folder = Path(tempfile.mkdtemp(prefix="similarity_lab-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _open_file(path: Path) -> IO[bytes]:
    if path.is_dir():
        raise ArchiveError(f"{path}: is a folder, expected a .zip")
    try:
        return path.open("rb")
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}; expected a .zip") from error


def _open_archive(file: IO[bytes], name: str) -> ZipFile:
    try:
        return ZipFile(file)
    except (*_DAMAGE_ERRORS, OSError, ValueError) as error:
        raise ArchiveError(f"{name}: {_why_not_a_zip(file)} ({error})") from error


def _why_not_a_zip(file: IO[bytes]) -> str:
    if not file.seekable():
        return "not seekable, expected a .zip file; save it to disk first"
    file.seek(0)
    start = file.read(4)
    if start.startswith(b"PK"):
        return "truncated or damaged .zip; copy or download it again"
    if not start:
        return "empty file, expected a .zip archive; copy or download it again"
    if start.lstrip()[:1] == b"<":
        return "a page instead of a .zip archive; download it again, perhaps after logging in"
    return f"begins with {start!r}, expected a .zip archive"


# Names


def _rename(members: _Members, encoding: str | None, archive: str) -> str:
    """Set each member's ``filename``, which `zipfile` cuts at a NUL; return the encoding used."""
    legacy = {}
    for position, member in enumerate(members):
        member.filename = member.orig_filename
        if not member.flag_bits & _UTF8_FLAG:
            raw = member.orig_filename.encode("cp437")  # `zipfile` has decoded it
            unicode_name = _unicode_name(member.extra, raw)
            if unicode_name is None:
                legacy[position] = raw
            else:
                member.filename = unicode_name
    names_encoding = encoding or guess_encoding(legacy.values(), NAME_ENCODINGS)
    for position, raw in legacy.items():
        try:
            members[position].filename = raw.decode(names_encoding)
        except UnicodeDecodeError as error:
            raise ArchiveError(
                f"{archive}: the name {raw!r} is not in {names_encoding}; pass another encoding, "
                "or none to have it guessed"
            ) from error
    for member in members:
        # Windows programs; decoded first, since a letter of Shift-JIS may contain this byte
        member.filename = member.filename.replace("\\", "/")
    return names_encoding


def _warn_of_guess(members: _Members, encoding: str, archive: str) -> None:
    names = [member.filename for member in members if not member.flag_bits & _UTF8_FLAG]
    example = next(name for name in names if not name.isascii())
    warnings.warn(
        f"{archive}: the names are not in Unicode and were read as {encoding}, for example "
        f"{example!r}; if that is wrong, pass encoding=, or unpack the archive and pass the folder",
        InputWarning,
        stacklevel=3,
    )


def _unicode_name(extra: bytes, raw: bytes) -> str | None:
    """Return the name in the field that Info-ZIP and 7-Zip add, if it belongs to the raw name."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        field = extra[4 : 4 + length]
        is_name = kind == _UNICODE_NAME and len(field) > 5 and field[0] == 1
        if is_name and int.from_bytes(field[1:5], "little") == zlib.crc32(raw):
            with suppress(UnicodeDecodeError):
                return field[5:].decode()
        extra = extra[4 + length :]
    return None


# Checks of the table of contents. A problem from any of these three refuses the archive.


def _exceeded_limits(members: _Members, files: int, size: int, ratio: float) -> Iterator[str]:
    advice = "if you trust this archive"
    if len(members) > files:
        yield f"{len(members):,} members, expected at most {files:,}; raise max_files {advice}"
    total = sum(member.file_size for member in members)
    if total > size:
        yield f"{total:,} bytes unpacked, expected at most {size:,}; raise max_bytes {advice}"
    for member in members:
        if member.file_size > max(_RATIO_FREE_BYTES, ratio * member.compress_size):
            sizes = f"{member.compress_size:,} to {member.file_size:,} bytes"
            expected = f"expected a ratio of at most {ratio:g} (zip bomb?)"
            yield f"{member.filename!r} unpacks from {sizes}, {expected}; raise max_ratio {advice}"


def _dangerous_members(members: _Members) -> Iterator[str]:
    for member in members:
        danger = _traversal(member.filename)
        if danger:
            expected = "expected names below the folder; do not trust this archive"
            yield f"the name {member.filename!r} {danger}, {expected}"
        if member.flag_bits & 0x1:
            expected = "expected no password; unpack it yourself and pass the folder"
            yield f"{member.filename!r} is encrypted, {expected}"


def _traversal(name: str) -> str:
    return next((text for pattern, text in _TRAVERSALS.items() if re.search(pattern, name)), "")


def _overlaps(members: _Members, size: int) -> Iterator[str]:
    """Find members that share bytes (D. Fifield, "A better zip bomb", USENIX WOOT 2019)."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            yield f"{member.filename!r} overlaps another member; a zip bomb, or damaged"
        end = member.header_offset + _LOCAL_HEADER_BYTES + member.compress_size
    if end > size:
        yield f"members reach to byte {end:,} of {size:,}; truncated or damaged, download it again"


def _plan(members: _Members) -> tuple[_Members, _Skipped]:
    """Split the members into those to write and those to skip, with the reason."""
    accepted: _Members = []
    skipped: _Skipped = []
    used_names: dict[str, str] = {}
    hidden = sorted(member.filename for member in members if _is_hidden_folder(member))
    hidden = [name for name in hidden if not name.startswith(tuple(set(hidden) - {name}))]
    skipped += [(name.rstrip("/"), HIDDEN_ATTRIBUTE) for name in hidden]
    members = [each for each in members if not each.filename.startswith(tuple(hidden))]
    files = [member for member in members if not member.filename.endswith("/")]
    # folders are created when a file needs them
    skipped += [(name, EMPTY_FOLDER) for name in _empty_folders(members, files)]
    for member in files:
        path = str(PurePosixPath(member.filename))
        key = unicodedata.normalize("NFC", path).casefold()
        reason = _hidden_reason(member) or _unusable(member)
        if key in used_names:
            reason = reason or f"duplicate of {used_names[key]!r}, or differs only in case or form"
        if reason:
            skipped.append((member.filename, reason))
        else:
            used_names[key] = path
            accepted.append(member)
    return accepted, skipped


def _empty_folders(members: _Members, files: _Members) -> list[str]:
    used = {str(parent) for file in files for parent in PurePosixPath(file.filename).parents}
    folders = {str(PurePosixPath(member.filename)) for member in members} - used
    folders -= {str(PurePosixPath(file.filename)) for file in files}
    parents = {str(parent) for name in folders for parent in PurePosixPath(name).parents}
    return sorted(name for name in folders - parents if not _is_system_path(name))


def _is_system_path(name: str) -> bool:
    return any(map(system_file, PurePosixPath(name).parts))


def _has_hidden_attribute(member: ZipInfo) -> bool:
    return member.create_system in _DOS_SYSTEMS and bool(member.external_attr & _HIDDEN)


def _hidden_reason(member: ZipInfo) -> str:
    name = PurePosixPath(member.filename).name
    return (system_file(name) or HIDDEN_ATTRIBUTE) if _has_hidden_attribute(member) else ""


def _is_hidden_folder(member: ZipInfo) -> bool:
    return member.filename.endswith("/") and _has_hidden_attribute(member)


def _unusable(member: ZipInfo) -> str:
    """Return why this member cannot be written, or an empty string."""
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "symbolic link"
    if kind not in (0, stat.S_IFREG):
        return "device node or other special file"
    if not path.name:
        return "has no name"
    longest = max(len(part.encode()) for part in path.parts)
    if longest > _MAX_PART_BYTES or len(str(path).encode()) > _MAX_NAME_BYTES:
        return "name too long"
    if member.compress_type not in _METHODS:
        method = _METHOD_NAMES.get(member.compress_type, str(member.compress_type))
        return f"compression method {method}, expected stored or deflate; unpack it yourself"
    return ""


# Writing


def _write_members(
    archive: ZipFile, accepted: _Members, folder: Path, skipped: _Skipped
) -> list[Path]:
    """Write all members; on an error, remove everything that this call has written."""
    paths = []
    with ExitStack() as undo:
        _make_folders(folder, undo)
        for member in accepted:
            try:
                with ExitStack() as attempt:
                    paths.append(_write_member(archive, member, folder, attempt))
                    undo.callback(attempt.pop_all().close)
            except _SkipMember as reason:
                skipped.append((member.filename, str(reason)))
        undo.pop_all()
    return paths


def _write_member(archive: ZipFile, member: ZipInfo, folder: Path, undo: ExitStack) -> Path:
    path = folder / PurePosixPath(member.filename)
    parent = folder.resolve() / PurePosixPath(member.filename).parent
    if Path(os.path.realpath(parent)) != parent:  # Path.resolve would raise on a loop of links
        raise _SkipMember("its folder is a symbolic link")
    try:
        _make_folders(path.parent, undo)
        file = path.open("xb")
    except OSError as error:
        if error.errno not in _NAME_ERRNOS:
            raise
        raise _SkipMember(f"cannot be written under this name: {error.strerror}") from error
    undo.callback(path.unlink, missing_ok=True)
    try:
        with file:
            _copy_content(archive, member, file)
    except (*_DAMAGE_ERRORS, zlib.error) as error:
        raise _SkipMember(f"damaged: {str(error) or 'ends early'}") from error
    return path


def _copy_content(archive: ZipFile, member: ZipInfo, file: IO[bytes]) -> None:
    # `zipfile` stops at the declared size, so that a false size looks like damage. Ask for
    # everything and count: more than declared is not an accident.
    unlimited = copy.copy(member)
    unlimited.file_size = sys.maxsize
    count = 0
    with archive.open(unlimited) as stream:
        while block := stream.read(_BLOCK):
            count += len(block)
            if count > member.file_size:
                raise ArchiveError(
                    f"{archive.filename}: {member.filename!r} holds more than the "
                    f"{member.file_size:,} bytes declared; a zip bomb, or damaged"
                )
            file.write(block)
    if count < member.file_size:
        raise BadZipFile(f"{count:,} bytes, {member.file_size:,} declared")


def _make_folders(folder: Path, undo: ExitStack) -> None:
    missing = list(takewhile(lambda path: not path.exists(), [folder, *folder.parents]))
    for path in reversed(missing):
        path.mkdir()
        undo.callback(_remove_if_empty, path)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # not empty: another process wrote to it
        folder.rmdir()
