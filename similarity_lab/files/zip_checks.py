"""Read the table of contents of a ``.zip``: what refuses it as a whole, what one member of it.

The first three give one line per problem: what came, what was expected, what to do.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

_LOCAL_HEADER = 30  # bytes, without the name that follows it
_RATIO_FREE = 2**20  # below this many bytes a high ratio is harmless and common: plain pictures
# How a name could leave the folder, on any system.
_DANGERS = {
    r"\0": "holds a NUL character",
    r"\\": "holds a backslash",
    r"^/": "is absolute",
    r"^[A-Za-z]:": "begins with a drive letter",
    # Windows drops dots and spaces at the end of a name, so that ".. " may be "..".
    r"(^|/)\.\.[. ]*(/|$)": "climbs out of the folder with '..'",
}
_MAX_NAME, _MAX_PART = 1024, 255  # bytes in UTF-8; what every common file system takes
# Only these two: `zipfile` unpacks blocks of bzip2 and LZMA into memory without any bound.
_METHODS = (ZIP_STORED, ZIP_DEFLATED)

Members = list[ZipInfo]


def beyond_limits(members: Members, files: int, size: int, ratio: float) -> Iterator[str]:
    """Compare what the archive declares with the limits of `extract_zip`."""
    advice = "if you trust this archive"
    if len(members) > files:
        yield f"{len(members):,} members, expected at most {files:,}; raise max_files {advice}"
    total = sum(member.file_size for member in members)
    if total > size:
        yield f"{total:,} bytes unpacked, expected at most {size:,}; raise max_bytes {advice}"
    for member in members:
        if member.file_size > max(_RATIO_FREE, ratio * member.compress_size):
            sizes = f"{member.compress_size:,} to {member.file_size:,} bytes"
            expected = f"expected at most {ratio:g} times as many (a zip bomb?)"
            yield f"{member.filename!r} unpacks from {sizes}, {expected}; raise max_ratio {advice}"


def dangerous_members(members: Members) -> Iterator[str]:
    """Find names that leave the folder, and encryption."""
    for member in members:
        # Both: `filename` ends at a NUL, and an extra field may have replaced it.
        danger = _danger(member.orig_filename) or _danger(member.filename)
        if danger:
            expected = "expected names below the folder; do not trust it, or pack it again"
            yield f"the name {member.orig_filename!r} {danger}, {expected}"
        if member.flag_bits & 0x1:
            expected = "expected no password; unpack it by hand and pass the folder"
            yield f"{member.filename!r} is encrypted, {expected}"


def _danger(name: str) -> str:
    return next((danger for sign, danger in _DANGERS.items() if re.search(sign, name)), "")


def overlaps(members: Members, size: int) -> Iterator[str]:
    """Find members that share bytes (D. Fifield, "A better zip bomb", USENIX WOOT 2019)."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            expected = "expected one after the other; a zip bomb or damaged; get it again"
            yield f"{member.filename!r} overlaps what lies before it, {expected}"
        end = member.header_offset + _LOCAL_HEADER + member.compress_size
    if end > size:
        yield f"members reach to byte {end:,} of {size:,}; truncated or damaged; get it again"


def unusable(member: ZipInfo) -> str:
    """Return why this one cannot be written; "" if it can."""
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "symbolic link"
    if kind not in (0, stat.S_IFREG):
        return "device node or other special file"
    if not path.name:
        return "has no name"
    longest = max(len(part.encode()) for part in path.parts)
    if longest > _MAX_PART or len(str(path).encode()) > _MAX_NAME:
        return "name too long"
    if member.compress_type not in _METHODS:
        return f"compression method {member.compress_type}, expected stored (0) or deflate (8)"
    return ""
