"""Where a picture comes from: a path, bytes, a file object, a PIL image or an array."""

import hashlib
import stat
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Union

import numpy as np
from PIL import Image

from similarity_lab.errors import ImageError

if TYPE_CHECKING:
    from similarity_lab.images.opened import OpenedImage

Source = Union[
    str, PathLike[str], bytes, bytearray, memoryview, IO[bytes], "OpenedImage", Image.Image,
    np.ndarray,
]  # fmt: skip

MAX_BYTES = 100 * 2**20


def content_digest(source: Source) -> str:
    """SHA-256 of what was given: a file's bytes, or an array's shape, dtype and values.

    The same picture under two names has one digest; nothing is read from the name.
    """
    if isinstance(source, Image.Image):
        source = np.asarray(source)
    if isinstance(source, np.ndarray):
        header = f"{source.shape}{source.dtype.str}".encode()
        return hashlib.sha256(header + np.ascontiguousarray(source).tobytes()).hexdigest()
    return hashlib.sha256(read_bytes(source)).hexdigest()


def describe(source: object) -> str:
    """Return the name a source has in messages and tables."""
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
    r"""Return a name as text that can be written anywhere: bytes that are no text are spelt out.

    Examples
    --------
    >>> printable("caf\udce9")
    'caf\\udce9'
    """
    return name.encode("utf-8", "backslashreplace").decode()


def read_bytes(source: Source, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a picture's file; `ImageError` says why not."""
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
        raise ImageError(name, f"is larger than the limit of {max_bytes:,} bytes")
    return data


def _read_file(path: Path, name: str, max_bytes: int) -> bytes:
    try:
        status = path.stat()
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(name, "is a folder, expected one picture")
        if not stat.S_ISREG(mode):  # reading a pipe or a device could wait for ever
            raise ImageError(name, "is not a regular file")
        with path.open("rb") as file:
            # Python sets aside as many bytes as are asked for, so ask for what there is.
            return file.read(min(status.st_size, max_bytes) + 1)
    except FileNotFoundError:
        raise ImageError(name, "no such file") from None
    except PermissionError:
        raise ImageError(name, "permission denied") from None
    except (OSError, ValueError) as error:  # link loops, names with NUL, input/output errors
        if isinstance(error, ImageError):
            raise
        raise ImageError(name, f"cannot be read: {one_line(error)}") from None


def _read_at_most(file: "IO[bytes] | OpenedImage", limit: int) -> bytes:
    start = file.tell() if getattr(file, "seekable", bool)() else None
    parts: list[bytes] = []
    while limit > 0 and (part := file.read(min(limit, 2**20))):
        parts.append(part)
        limit -= len(part)
    if start is not None:  # a picture is looked at more than once: decoded, then hashed
        file.seek(start)
    return b"".join(parts)


def one_line(error: BaseException) -> str:
    """Return an error's text on one line, short enough for a table."""
    return " ".join(str(error).split())[:200] or type(error).__name__
