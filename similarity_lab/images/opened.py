"""An image that is read once, however many readers look at it."""

import hashlib
import io
from functools import cached_property

from similarity_lab.images.sources import Source, describe, read_bytes

__all__ = ["OpenedImage"]


class OpenedImage:
    """A binary file object whose bytes are read once, when they are first needed.

    Parameters
    ----------
    source : path, bytes or binary file object

    Attributes
    ----------
    source
        As given.
    name : str
        What the source is called in messages and tables.

    Examples
    --------
    >>> image = OpenedImage(b"bytes of an image")
    >>> image.read(5), image.data[:5], image.digest[:8]
    (b'bytes', b'bytes', '45836261')
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = describe(source)

    def __repr__(self) -> str:
        return f"<OpenedImage {self.name}>"

    @cached_property
    def data(self) -> bytes:
        """The bytes; `ImageError` if they cannot be read."""
        return read_bytes(self.source)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def _file(self) -> io.BytesIO:
        return io.BytesIO(self.data)

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes; −1 for all that follow."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset in bytes and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the current offset in bytes."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return True."""
        return True
