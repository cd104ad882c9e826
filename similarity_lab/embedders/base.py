"""What every embedder offers, and how pictures stream through one."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from similarity_lab.errors import ImageError, InputError
from similarity_lab.images import Color, Pixels, read_image
from similarity_lab.images.decoding import (
    Decoded,
    decode,
    decoded_batches,
    errors_table,
    in_order,
    readable,
    spans,
)
from similarity_lab.images.sources import Source, describe

Vectors = npt.NDArray[np.float32]
Images = Sequence[Source] | np.ndarray


@runtime_checkable
class Embedder(Protocol):
    """Turns images into vectors; anything with these members will do."""

    @property
    def name(self) -> str:
        """Identifies weights, preprocessing and runtime precision: equal names, equal vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels of what the network sees."""

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Vectors:
        """Return one vector per image, float32 ``(n, dimension)``.

        `batch_size` must have a default; only where a user gave one is it passed.
        """


@dataclass(frozen=True)
class Embedded:
    """The vectors of the pictures that could be read, and what became of the others.

    Attributes
    ----------
    vectors : ndarray of float32, shape (len(kept), dimension)
    kept : list of int
        Position in the input of each vector.
    skipped : DataFrame with columns path, reason
    errors : dict of int to ImageError
        The same by position in the input.
    digests : list of str or None
        Content digest of each vector's picture, where the embedder looked at it.
    """

    vectors: Vectors
    kept: list[int]
    skipped: pd.DataFrame
    errors: dict[int, ImageError]
    digests: list[str] | None = None


Batch = tuple[Vectors, list[int], list[tuple[int, ImageError]]]


class StreamingEmbedder(ABC):
    """Decodes in threads while the network works; memory does not grow with the images.

    A family of networks adds only `forward`. By default one thread calls it while others decode
    ahead. Where `threads` is set, so many threads each decode a batch and call `forward`, which
    leaves no core without work if the network itself uses one.

    Attributes
    ----------
    name : str
    dimension : int
    input_size : (height, width)
    color : {"rgb", "gray"}
        ``"gray"`` feeds the network three equal channels, as the original study did.
    batch_size : int
        Images per call of the network unless `embed` is told otherwise: the fastest.
    threads : int or None
    reader : callable
        Decodes one picture, as `read_image` does.
    """

    batch_size: int = 32
    threads: int | None = None
    reader: Callable[..., Pixels] = staticmethod(read_image)

    def __init__(
        self, name: str, dimension: int, input_size: tuple[int, int], color: Color
    ) -> None:
        self.name = name
        self.dimension = dimension
        self.input_size = input_size
        self.color: Color = color

    @abstractmethod
    def forward(self, pixels: Pixels) -> Vectors:
        """Return the vectors of one batch: uint8 ``(b, h, w, c)`` → float32 ``(b, dimension)``."""

    def __repr__(self) -> str:
        return f"<embedder {self.name}: {self.dimension} numbers per image>"

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Vectors:
        """Embed images.

        Parameters
        ----------
        images : sequence of paths, bytes, file objects, PIL images or arrays; or one 4-D array
            Anything `similarity_lab.read_image` takes; resized to `input_size`.
        batch_size : int, optional
            Images per call of the network; default: the attribute.
        progress : bool
            Show a bar.

        Returns
        -------
        ndarray of float32, shape (n, dimension)

        Raises
        ------
        ImageError
            At the first image that cannot be read; `embed_readable` goes on instead.
        ValueError
            For a single image that is not in a list.
        """
        result = self.embed_readable(images, batch_size=batch_size, progress=progress, strict=True)
        return result.vectors

    def embed_readable(
        self,
        images: Images,
        *,
        batch_size: int | None = None,
        progress: bool = True,
        strict: bool = False,
    ) -> Embedded:
        """Embed what can be read and list the rest; `strict` raises instead of listing."""
        sources = as_sources(images)
        batch_size = self.batch_size if batch_size is None else batch_size
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        vectors = np.empty((len(sources), self.dimension), np.float32)
        kept: list[int] = []
        errors: dict[int, ImageError] = {}
        # leave=None: a bar inside another one goes away when it is done
        bar = tqdm(
            total=len(sources), desc="embedding", unit="image", disable=not progress, leave=None
        )
        with bar:
            for batch, indices, bad in self._batches(sources, batch_size):
                if bad and strict:
                    raise bad[0][1]
                vectors[len(kept) : len(kept) + len(indices)] = batch
                kept.extend(indices)
                errors.update(bad)
                bar.update(len(indices) + len(bad))
        return Embedded(vectors[: len(kept)], kept, errors_table(errors), errors)

    def _batches(self, sources: Sequence[Source], batch_size: int) -> Iterator[Batch]:
        """Yield ``(vectors (b, dimension), their positions, failures)`` in order."""
        if self.threads is None:
            batches = decoded_batches(sources, self.input_size, self.color, batch_size, self.reader)
            yield from map(self._embedded, batches)
            return
        # every thread gets as many batches as the others, so that none looks on at the end
        rounds = math.ceil(len(sources) / (batch_size * self.threads))
        fair = math.ceil(len(sources) / max(1, rounds * self.threads))
        yield from in_order(
            lambda span: self._embedded(
                decode(sources, span, self.input_size, self.color, self.reader)
            ),
            spans(len(sources), max(1, fair)),
            ahead=3 * self.threads,
            workers=self.threads,
        )

    def _embedded(self, decoded: Decoded) -> Batch:
        pixels, indices, bad = decoded
        nothing = np.empty((0, self.dimension), np.float32)
        return (self.forward(pixels) if indices else nothing), indices, bad


def embed_readable(
    embedder: Embedder, images: Images, *, batch_size: int | None = None, progress: bool = True
) -> Embedded:
    """Embed what can be read and list the rest, with any object that keeps the protocol.

    Examples
    --------
    >>> import numpy as np
    >>> class Mean:  # an embedder can be this small
    ...     name, dimension, input_size = "mean colour", 3, (8, 8)
    ...     def embed(self, images, *, progress=True):
    ...         return np.array([image.mean((0, 1)) for image in images], np.float32)
    >>> photos = [np.full((8, 8, 3), 7, np.uint8), b"no picture"]
    >>> result = embed_readable(Mean(), photos, progress=False)
    >>> result.vectors, result.kept
    (array([[7., 7., 7.]], dtype=float32), [0])
    >>> result.skipped.reason[0]
    'is not a picture we read: it holds text'
    """
    own = getattr(embedder, "embed_readable", None)
    if own is not None:
        return own(images, batch_size=batch_size, progress=progress)
    sources = as_sources(images)
    # A stranger's `embed` cannot tell us which picture was bad, so look before.
    kept, errors = readable(sources, progress=progress)
    good = [sources[index] for index in kept]
    if not good:
        return Embedded(
            np.empty((0, embedder.dimension), np.float32), [], errors_table(errors), errors
        )
    vectors = embed_all(embedder, good, batch_size=batch_size, progress=progress)
    vectors = checked_vectors(vectors, len(good), embedder)
    return Embedded(vectors, kept, errors_table(errors), errors)


def embed_all(
    embedder: Embedder, images: Images, *, batch_size: int | None = None, progress: bool = True
) -> Vectors:
    """Call `embedder.embed`, which has a batch size of its own unless one is given."""
    given = {} if batch_size is None else {"batch_size": batch_size}
    return embedder.embed(images, progress=progress, **given)


def vector_space(name: str) -> str:
    """Return what the names of embedders share whose vectors may be compared with each other.

    float32 gives equal vectors up to 1e-4 whatever computes it; int8 is another space.

    Examples
    --------
    >>> vector_space("lite rgb keras float32") == vector_space("lite rgb openvino float32")
    True
    >>> vector_space("lite rgb openvino int8")
    'lite rgb openvino int8'
    """
    return re.sub(r" (?:keras|openvino) float32$", " float32", name)


def as_sources(images: Images) -> Sequence[Source]:
    """Return images as a sequence of single pictures, refusing a single one by itself."""
    single = isinstance(images, (str, PathLike, bytes, bytearray, memoryview, Image.Image))
    if single or hasattr(images, "read"):
        raise InputError(f"expected a list of images, got one ({describe(images)}); pass [image]")
    if isinstance(images, np.ndarray):
        if images.ndim != 4 and images.dtype != object:
            raise InputError(
                f"expected images (n, h, w, c), got {images.shape}; pass a batch: image[None]"
            )
        return list(images)
    return images if isinstance(images, (list, tuple)) else list(images)


def checked_vectors(vectors: object, count: int, embedder: Embedder) -> Vectors:
    """Return `vectors` as float32 ``(count, dimension)``, or say what the embedder did wrong."""
    array = np.asarray(vectors)
    if array.shape != (count, embedder.dimension):
        raise InputError(
            f"embedder {embedder.name!r} returned {array.shape} for {count} images, "
            f"expected ({count}, {embedder.dimension})"
        )
    if not np.isfinite(array).all():
        raise InputError(f"embedder {embedder.name!r} returned vectors that are not finite")
    return array.astype(np.float32, copy=False)
