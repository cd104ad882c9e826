"""Sources of images: a path, bytes, a file object, a PIL image or an array."""

from __future__ import annotations

import hashlib
import stat
from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from similarity_lab.errors import ImageError, one_line

__all__ = [
    "MAX_BYTES",
    "BinaryFile",
    "Source",
    "content_digest",
    "describe",
    "printable",
    "read_bytes",
]


class BinaryFile(Protocol):
    """A file object opened for reading bytes; `images.opened.OpenedImage` is one."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next `size` bytes; −1 for all that follow."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to an offset; needed only if the file is ``seekable()``."""

    def tell(self) -> int:
        """Return the current offset; needed only if the file is ``seekable()``."""


Source = (
    str | PathLike[str] | bytes | bytearray | memoryview | BinaryFile | Image.Image | np.ndarray
)
"""Everything that `read_image` accepts as an image."""

MAX_BYTES = 100 * 2**20
"""Default limit on the size of an image file, in bytes."""


def content_digest(source: Source) -> str:
    """Return the SHA-256 of a file's bytes, or of an array's shape, dtype and values.

    It does not depend on the name: two copies of a file have the same digest.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    ImageError
        The file cannot be read.
    """
    if isinstance(source, Image.Image):
        source = np.asarray(source)
    if isinstance(source, np.ndarray):
        header = f"{source.shape}{source.dtype.str}".encode()
        return hashlib.sha256(header + np.ascontiguousarray(source).tobytes()).hexdigest()
    return hashlib.sha256(read_bytes(source)).hexdigest()


def describe(source: object) -> str:
    """Return the name of a source in messages and tables: its path, or its kind in brackets."""
    if isinstance(source, (str, PathLike)):
        return str(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "<bytes>"
    if isinstance(source, np.ndarray):
        return "<array>"
    if isinstance(source, Image.Image):
        return "<PIL image>"
    return str(getattr(source, "name", "<file object>"))


def printable(name: str) -> str:
    r"""Return a file name as valid Unicode; undecodable bytes become backslash escapes.

    Examples
    --------
    >>> printable("caf\udce9")
    'caf\\udce9'
    """
    return name.encode("utf-8", "backslashreplace").decode()


def read_bytes(source: Source, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of an image file.

    The position of a file object is restored, since an image may be read more than once.

    Raises
    ------
    ImageError
        The source is not a file, cannot be read, or is larger than `max_bytes`.
    """
    name = describe(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, PathLike)):
        data = _read_file(Path(source), name, max_bytes)
    elif hasattr(source, "read") and not isinstance(source, (Image.Image, np.ndarray)):
        data = _read_at_most(source, max_bytes + 1)
    else:
        raise ImageError(
            name,
            "expected a path, bytes, a binary file object, a PIL image or an array, "
            f"got {type(source).__name__}",
        )
    if len(data) > max_bytes:
        raise ImageError(name, f"larger than the limit of {max_bytes:,} bytes")
    return data


def _read_file(path: Path, name: str, max_bytes: int) -> bytes:
    try:
        status = path.stat()
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(name, "is a folder, expected an image file")
        if not stat.S_ISREG(mode):  # reading a pipe or a device could block forever
            raise ImageError(name, "not a regular file")
        with path.open("rb") as file:
            # Python allocates the number of bytes requested: not more than the file has
            return file.read(min(status.st_size, max_bytes) + 1)
    except FileNotFoundError:
        raise ImageError(name, "no such file") from None
    except PermissionError:
        raise ImageError(name, "permission denied") from None
    except (OSError, ValueError) as error:  # link loops, names with NUL, I/O errors
        if isinstance(error, ImageError):
            raise
        raise ImageError(name, f"cannot be read: {one_line(error)}") from None


def _read_at_most(file: BinaryFile, limit: int) -> bytes:
    start = file.tell() if getattr(file, "seekable", bool)() else None
    parts: list[bytes] = []
    while limit > 0 and (part := file.read(min(limit, 2**20))):
        parts.append(part)
        limit -= len(part)
    if start is not None:
        file.seek(start)
    return b"".join(parts)
