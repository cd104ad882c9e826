"""The `Embedder` protocol, and a base class that streams images through a network."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from similarity_lab._progress import tqdm
from similarity_lab._threads import in_order, overlapping_workers
from similarity_lab.errors import ImageError, InputError
from similarity_lab.files import skipped_table
from similarity_lab.images import Color, Pixels, read_image
from similarity_lab.images.decoding import Decoded, decode, decoded_batches, errors_table, spans
from similarity_lab.images.scaled import read_full, read_scaled
from similarity_lab.images.sources import Source, describe
from similarity_lab.store import Vectors

Images = Sequence[Source] | np.ndarray
"""A sequence of image sources, or one array ``(n, h, w, c)``."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """The vectors of the readable images, and the reasons why the others were skipped.

    Parameters
    ----------
    vectors : ndarray of float32, shape (len(kept), dimension)
    kept : list of int, optional
        Position in the input of each vector's image, ascending; default: all, 0…n − 1.
    skipped : DataFrame with columns path, reason, optional
        The other images, in input order; default: none.

    Raises
    ------
    InputError
        The vectors are not finite, or not one row per kept image.

    Examples
    --------
    >>> Embedded(np.zeros((2, 3))).kept
    [0, 1]
    """

    vectors: Vectors
    kept: list[int] = None  # type: ignore[assignment]  # set in __post_init__
    skipped: pd.DataFrame = field(default_factory=lambda: skipped_table([]))

    def __post_init__(self) -> None:
        vectors = np.asarray(self.vectors, np.float32)
        kept = list(range(len(vectors))) if self.kept is None else list(self.kept)
        if vectors.ndim != 2 or len(vectors) != len(kept):
            raise InputError(
                f"expected vectors ({len(kept)}, dimension) of {len(kept)} images, "
                f"got {vectors.shape}"
            )
        if not np.isfinite(vectors).all():
            raise InputError("vectors must be finite; got NaN or infinity")
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "kept", kept)


@runtime_checkable
class Embedder(Protocol):
    """Turns images into vectors; any object with these members is an embedder.

    To wrap a function, a scikit-learn transformer or an object with ``encode``, see
    `load_embedder`.

    Examples
    --------
    >>> class MeanColour:
    ...     name, dimension, input_size = "mean colour", 3, (8, 8)
    ...
    ...     def embed(self, images, *, batch_size=None, progress=True):
    ...         kept, vectors, skipped = [], [], []
    ...         for position, image in enumerate(images):
    ...             try:
    ...                 vectors.append(read_image(image).mean((0, 1)))
    ...                 kept.append(position)
    ...             except ImageError as error:
    ...                 skipped.append((error.path, error.reason))
    ...         return Embedded(np.reshape(vectors, (-1, 3)), kept, skipped_table(skipped))
    >>> isinstance(MeanColour(), Embedder)
    True
    >>> MeanColour().embed([np.full((8, 8, 3), 7, np.uint8), b"text"]).kept
    [0]
    """

    @property
    def name(self) -> str:
        """Identifies weights, preprocessing, runtime and precision: equal names = equal vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Return one vector per readable image; never raise for an unreadable one, but list it.

        Parameters
        ----------
        images : sequence of paths, bytes, binary file objects, PIL images or arrays
            Anything `similarity_lab.read_image` takes.
        batch_size : int, optional
            Images per call of the network; default: the embedder's own.
        progress : bool
            Show a progress bar.
        """


Batch = tuple[Vectors, list[int], list[tuple[int, ImageError]]]
"""Vectors (b, dimension), their positions, and the errors by position."""


class StreamingEmbedder(ABC):
    """Decodes images in threads while networks run; memory does not grow with their number.

    A subclass defines `read` and `embed_batch`. By default, one thread calls `embed_batch` while
    others decode ahead. If `threads` is set, the network uses one core per call, and that many
    calls run at a time: each thread decodes a batch and embeds it. Half as many threads more decode
    meanwhile, so that no core is idle while a call begins or ends.

    Attributes
    ----------
    name : str
    dimension : int
    input_size : (height, width)
    color : {"rgb", "gray"}
        ``"gray"`` feeds the network three equal channels, as the original study did.
    batch_size : int
        Default number of images per call of the network.
    threads : int or None
    """

    batch_size: int = 32
    threads: int | None = None

    def __init__(
        self, name: str, dimension: int, input_size: tuple[int, int], color: Color
    ) -> None:
        self._name = name
        self.dimension = dimension
        self.input_size = input_size
        self.color: Color = color

    @property
    def name(self) -> str:
        """Identifies weights, preprocessing, runtime and precision; see `Embedder.name`."""
        return self._name

    def start(self) -> None:  # noqa: B027 - most embedders need no preparation
        """Prepare for the first image; `name`, `threads` and `batch_size` are final after that."""

    @abstractmethod
    def read(self, source: Source) -> Any:  # noqa: ANN401 - what `embed_batch` takes a list of
        """Decode one image for `embed_batch`, or raise `ImageError`."""

    @abstractmethod
    def embed_batch(self, images: list[Any]) -> Vectors:
        """Return the vectors, float32 ``(b, dimension)``, of a batch of what `read` returns."""

    def __repr__(self) -> str:
        return f"<embedder {self.name}: {self.dimension} numbers per image>"

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Embed the images that can be read and list the others.

        Parameters
        ----------
        images : sequence of paths, bytes, file objects, PIL images or arrays; or one 4-D array
            Anything `similarity_lab.read_image` takes; resized to `input_size`.
        batch_size : int, optional
            Images per call of the network; default: the attribute.
        progress : bool
            Show a progress bar.

        Returns
        -------
        Embedded

        Raises
        ------
        InputError
            `images` is a single image, or `batch_size` is below 1.
        """
        sources = as_sources(images)
        if len(sources):
            self.start()
        batch_size = self.batch_size if batch_size is None else batch_size
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        vectors = np.empty((len(sources), self.dimension), np.float32)
        kept: list[int] = []
        errors: dict[int, ImageError] = {}
        # leave=None: a nested bar disappears at its end
        bar = tqdm(
            total=len(sources), desc="embedding", unit="image", disable=not progress, leave=None
        )
        with bar:
            for batch, indices, batch_errors in self._batches(sources, batch_size):
                vectors[len(kept) : len(kept) + len(indices)] = batch
                kept.extend(indices)
                errors.update(batch_errors)
                bar.update(len(indices) + len(batch_errors))
        return Embedded(vectors[: len(kept)], kept, errors_table(errors))

    def _batches(self, sources: Sequence[Source], batch_size: int) -> Iterator[Batch]:
        """Yield the images in batches, in order."""
        if self.threads is None:
            batches = decoded_batches(self.read, sources, batch_size)
            yield from map(self._embedded, batches)
            return
        workers = overlapping_workers(self.threads)
        # all threads get the same number of batches, so that none idles at the end
        rounds = math.ceil(len(sources) / (batch_size * workers))
        length = math.ceil(len(sources) / max(1, rounds * workers))
        yield from in_order(
            lambda span: self._embedded(decode(self.read, sources, span)),
            spans(len(sources), max(1, length)),
            ahead=3 * workers,
            workers=workers,
        )

    def _embedded(self, decoded: Decoded[Any]) -> Batch:
        images, indices, errors = decoded
        no_vectors = np.empty((0, self.dimension), np.float32)
        return (self.embed_batch(images) if indices else no_vectors), indices, errors


class NetworkEmbedder(StreamingEmbedder):
    """Embeds whole images with one network; a subclass defines `forward`, and `prepare` if needed.

    Attributes
    ----------
    scaled : bool
        Decode images with `read_scaled`, which is faster than `read_image`.
    resizes : bool
        `prepare` takes images at their full size, rather than at the network's input size.
    """

    scaled: bool = False
    resizes: bool = False

    def read(self, source: Source) -> npt.NDArray[Any]:
        """Decode one image and prepare it for the network."""
        read = read_full if self.resizes else read_scaled if self.scaled else read_image
        return self.prepare(read(source, size=self.input_size, color=self.color))

    def prepare(self, pixels: Pixels) -> npt.NDArray[Any]:
        """Return a decoded image as the network takes it; by default, as it is."""
        return pixels

    def embed_batch(self, images: list[npt.NDArray[Any]]) -> Vectors:
        """Return the vectors of a batch of images."""
        return self.forward(np.stack(images))

    @abstractmethod
    def forward(self, pixels: npt.NDArray[Any]) -> Vectors:
        """Return the vectors of a batch of prepared images, float32 ``(b, dimension)``.

        By default, prepared images are uint8 ``(b, h, w, c)``.
        """


def embed_all(
    embedder: Embedder, images: Images, *, batch_size: int | None = None, progress: bool = True
) -> Vectors:
    """Return one vector per image, float32 ``(n, dimension)``.

    Raises
    ------
    ImageError
        The first image that cannot be read. `Embedder.embed` lists it instead.
    InputError
        The embedder returned anything but `Embedded` vectors of its dimension.

    Examples
    --------
    >>> from similarity_lab.embedders import load_embedder
    >>> images = [np.full((8, 8, 3), 7, np.uint8)]
    >>> embed_all(load_embedder(), images, progress=False).shape
    (1, 1280)
    """
    embedded = embedder.embed(images, batch_size=batch_size, progress=progress)
    if not isinstance(embedded, Embedded):
        raise InputError(
            f"embedder {embedder.name!r} returned a {type(embedded).__name__} from embed(); "
            "expected similarity_lab.embedders.Embedded(vectors)"
        )
    if embedded.vectors.shape[1] != embedder.dimension:
        raise InputError(
            f"embedder {embedder.name!r} returned vectors {embedded.vectors.shape}, "
            f"expected ({len(embedded.kept)}, {embedder.dimension})"
        )
    for path, reason in embedded.skipped.itertuples(index=False):
        raise ImageError(path, reason)
    return embedded.vectors


def vector_space(name: str) -> str:
    """Return a name that embedders share if their vectors may be compared with each other.

    float32 vectors agree to 1e-4 whichever runtime computes them; int8 is a space of its own.

    Examples
    --------
    >>> vector_space("lite rgb keras float32") == vector_space("lite rgb openvino float32")
    True
    >>> vector_space("lite rgb openvino int8")
    'lite rgb openvino int8'
    >>> vector_space("lite rgb keras float32 crop50")
    'lite rgb float32 crop50'
    """
    return re.sub(r" (?:keras|openvino|torch) float32(?= crop| \+ |$)", " float32", name)


def as_sources(images: Images) -> Sequence[Source]:
    """Return images as a sequence; `InputError` for a single image that is not in a list."""
    single = isinstance(images, (str, PathLike, bytes, bytearray, memoryview, Image.Image))
    if single or hasattr(images, "read"):
        raise InputError(f"expected a list of images, got one ({describe(images)}); pass [image]")
    if isinstance(images, np.ndarray):
        if images.ndim != 4 and images.dtype != object:
            raise InputError(
                f"expected images (n, h, w, c), got {images.shape}; pass a batch: image[None]"
            )
        return list(images)
    return images if isinstance(images, Sequence) else list(images)
