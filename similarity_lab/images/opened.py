"""`OpenedImage`: an image that is read once and decoded once, whoever needs its bytes or pixels."""

import hashlib
import io
from functools import cached_property
from typing import Protocol

from similarity_lab.images.reading import Pixels
from similarity_lab.images.sources import Source, describe, read_bytes

__all__ = ["ImageObserver", "OpenedImage"]


class ImageObserver(Protocol):
    """Learns what it needs of an image while an embedder reads and decodes it.

    The calls come from the thread that decodes the image.
    """

    def on_read(self, image: "OpenedImage") -> None:
        """Note the bytes or the digest, right after the file was read."""

    def on_decode(self, pixels: Pixels, size: tuple[int, int], resized: Pixels) -> None:
        """Note what `read_scaled` decoded in colour.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (h, w, 3)
            As decoded: upright, possibly reduced.
        size : (height, width)
            Of the upright image in full, in pixels.
        resized : ndarray of uint8, shape (height, width, 3)
            As the network sees it.
        """

    def on_done(self, image: "OpenedImage") -> None:
        """Use the bytes a last time: the embedder has the pixels, or had the vector in a cache."""


class OpenedImage:
    """A binary file object whose bytes are read once, when they are first needed.

    Embedders get these instead of paths where somebody else looks at the same image.

    Parameters
    ----------
    source : path, bytes or binary file object
    observer : ImageObserver, optional

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

    def __init__(self, source: Source, observer: ImageObserver | None = None) -> None:
        self.source = source
        self.name = describe(source)
        self._observer = observer

    def __repr__(self) -> str:
        return f"<OpenedImage {self.name}>"

    @cached_property
    def data(self) -> bytes:
        """The bytes; `ImageError` if they cannot be read."""
        data = read_bytes(self.source)
        if self._observer is not None:
            self.__dict__["data"] = data  # the observer may ask for it
            self._observer.on_read(self)
        return data

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    def decoded(self, pixels: Pixels, size: tuple[int, int], resized: Pixels) -> None:
        """Tell the observer what was decoded; see `ImageObserver.on_decode`."""
        if self._observer is not None:
            self._observer.on_decode(pixels, size, resized)

    def done(self) -> None:
        """Tell the observer that the embedder needs this image no more."""
        if self._observer is not None:
            self._observer.on_done(self)

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
