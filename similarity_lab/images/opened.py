"""`OpenedImage`: an image whose file is read once and decoded once, with an observer of both."""

import hashlib
import io
from functools import cached_property
from typing import Protocol

from similarity_lab.images.reading import Pixels
from similarity_lab.images.sources import Source, describe, read_bytes

__all__ = ["ImageObserver", "OpenedImage"]


class ImageObserver(Protocol):
    """Computes features of an image from the bytes and pixels that an embedder reads anyway.

    Its methods are called in the thread that decodes the image.
    """

    def on_read(self, image: "OpenedImage") -> None:
        """Handle an image whose file has just been read."""

    def on_decode(self, pixels: Pixels, size: tuple[int, int], resized: Pixels) -> None:
        """Handle the pixels of an image that has been decoded in colour by `images.scaled`.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (h, w, 3)
            Upright, possibly scaled down.
        size : (height, width)
            Original size of the upright image, in pixels.
        resized : ndarray of uint8, shape (height, width, 3)
            The same image at the input size of the network.
        """

    def on_done(self, image: "OpenedImage") -> None:
        """Handle an image that the embedder has decoded or found in its cache; the last call."""


class OpenedImage:
    """A binary file object whose bytes are read once, when they are first needed.

    Passed to embedders instead of a path if bytes or pixels are needed for more than the vector.

    Parameters
    ----------
    source : path, bytes or binary file object
    observer : ImageObserver, optional

    Attributes
    ----------
    source
        The source that was passed.
    name : str
        Name of the source in messages and tables.

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

    @property
    def is_observed(self) -> bool:
        """Whether there is an observer."""
        return self._observer is not None

    @cached_property
    def data(self) -> bytes:
        """The bytes; `ImageError` if they cannot be read."""
        data = read_bytes(self.source)
        if self._observer is not None:
            self.__dict__["data"] = data  # the observer may access it
            self._observer.on_read(self)
        return data

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    def notify_decode(self, pixels: Pixels, size: tuple[int, int], resized: Pixels) -> None:
        """Call `ImageObserver.on_decode` of the observer, if there is one."""
        if self._observer is not None:
            self._observer.on_decode(pixels, size, resized)

    def notify_done(self) -> None:
        """Call `ImageObserver.on_done` of the observer, if there is one."""
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
