"""Comparators: two sets of images → distances, smaller = more alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from similarity_lab.distances.metrics import Distance, get_distance
from similarity_lab.embedders import CachedEmbedder, Embedder, embed_all, load_embedder
from similarity_lab.embedders.base import Images, Vectors
from similarity_lab.embedders.loading import NAMES, EmbedderSource
from similarity_lab.images import Color, Source
from similarity_lab.store import VectorStore

__all__ = [
    "Comparator",
    "ComparatorSource",
    "Distances",
    "EmbeddingComparator",
    "PairComparator",
    "as_comparator",
    "cached_comparator",
    "compare",
]

Distances = npt.NDArray[np.float32]
"""Distances between two sets, shape (n, m), smaller = more alike."""


@runtime_checkable
class Comparator(Protocol):
    """Compares images; any object with these members is a comparator.

    Each image is embedded once; `between` then compares the vectors any number of times.
    """

    @property
    def embedder(self) -> Embedder:
        """Computes the vectors that `between` compares."""

    def between(self, a: Vectors, b: Vectors) -> Distances:
        """Return the distances of vectors, ``(n, d), (m, d) → (n, m)``."""

    def distances(self, a: Images, b: Images) -> Distances:
        """Return the distances of images, ``(len(a), len(b))``."""


class PairComparator(ABC):
    """A comparator that compares pairs of images and has no vectors, such as a hosted service.

    The vectors of its embedder only identify images, so rules that learn from vectors refuse it.
    """

    embedder: Embedder

    @abstractmethod
    def between(self, a: Vectors, b: Vectors) -> Distances:
        """Return the distances of identified images, ``(n, d), (m, d) → (n, m)``."""

    @abstractmethod
    def distances(self, a: Images, b: Images) -> Distances:
        """Return the distances of images, ``(len(a), len(b))``."""


ComparatorSource = Comparator | EmbedderSource
"""A comparator, or what `load_embedder` takes."""


class EmbeddingComparator:
    """A distance between the vectors of an embedder.

    Parameters
    ----------
    embedder : name, Keras model, function or Embedder
        As `load_embedder` takes it.
    distance : {"cosine", "euclidean", "dot"} or Distance
    color : {"rgb", "gray"}

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    >>> comparator = EmbeddingComparator("efficientnet-lite0")
    >>> comparator.distances([noise, 255 - noise], [noise]).shape
    (2, 1)
    """

    def __init__(
        self,
        embedder: EmbedderSource = "efficientnet-lite0",
        distance: str | Distance = "cosine",
        *,
        color: Color = "rgb",
    ) -> None:
        self.embedder = load_embedder(embedder, color=color)
        self.distance = get_distance(distance)

    def between(self, a: Vectors, b: Vectors) -> Distances:
        """Return the distances of vectors, ``(n, d), (m, d) → (n, m)`` float32."""
        return self.distance.pairwise(a, b)

    def distances(self, a: Images, b: Images) -> Distances:
        """Return the distances of images, float32 ``(len(a), len(b))``, smaller = more alike."""
        return _distances(self, a, b)


def as_comparator(source: ComparatorSource) -> Comparator:
    """Return a comparator unchanged; otherwise the cosine distance of an embedder."""
    if isinstance(source, Comparator):
        return source
    return EmbeddingComparator(source)


def cached_comparator(comparator: Comparator, store: VectorStore) -> Comparator:
    """Return an equal comparator whose vectors are cached in a store."""
    embedder = CachedEmbedder(comparator.embedder, store)
    if isinstance(comparator, EmbeddingComparator):
        return EmbeddingComparator(embedder, comparator.distance)
    return _CachedComparator(comparator, embedder)


class _CachedComparator:
    """A comparator of any other type, with cached vectors."""

    def __init__(self, comparator: Comparator, embedder: Embedder) -> None:
        self.embedder, self.between = embedder, comparator.between

    def distances(self, a: Images, b: Images) -> Distances:
        """Return the distances of images, float32 ``(len(a), len(b))``, smaller = more alike."""
        return _distances(self, a, b)


def _distances(comparator: Comparator, a: Images, b: Images) -> Distances:
    vectors_a = embed_all(comparator.embedder, a, progress=False)
    vectors_b = embed_all(comparator.embedder, b, progress=False)
    return comparator.between(vectors_a, vectors_b)


def compare(
    image_a: Source, image_b: Source, *, comparator: ComparatorSource = "efficientnet-lite0"
) -> float:
    """Return the distance between two images, smaller = more alike.

    Parameters
    ----------
    image_a, image_b : path, bytes, file object, PIL image or array
        As `read_image` takes them.
    comparator : comparator, or what `load_embedder` takes
        Default: cosine distance of colour EfficientNet-Lite0 vectors, 0…1, 0 = same.

    Returns
    -------
    float

    Raises
    ------
    ImageError
        One of them cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    >>> round(compare(noise, noise), 3)
    0.0
    """
    is_packaged = isinstance(comparator, str) and comparator in NAMES
    loaded = _packaged(str(comparator)) if is_packaged else as_comparator(comparator)
    return float(loaded.distances([image_a], [image_b])[0, 0])


@cache
def _packaged(name: str) -> Comparator:
    """Return the comparator of a packaged network, which is loaded only once."""
    return EmbeddingComparator(name)
