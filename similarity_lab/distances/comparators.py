"""Comparators: two images → distance, smaller = more alike.

A comparator is an embedder and a way to compare its vectors, so that each image goes through the
network once however often it is compared.
"""

from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from similarity_lab.distances import Distance, get_distance
from similarity_lab.embedders import CachedEmbedder, Embedder, embed_all, load_embedder
from similarity_lab.embedders.base import Images
from similarity_lab.embedders.loading import NAMES, EmbedderSource
from similarity_lab.images import Color
from similarity_lab.images.sources import Source
from similarity_lab.store import VectorStore

Distances = npt.NDArray[np.float32]


@runtime_checkable
class Comparator(Protocol):
    """What compares images; anything with these members will do."""

    @property
    def embedder(self) -> Embedder:
        """Makes the vectors that `between` compares."""

    def between(self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> Distances:
        """Return distances of vectors: ``(n, d), (m, d) → (n, m)``."""

    def distances(self, a: Images, b: Images) -> Distances:
        """Return distances of images: ``(len(a), len(b))``."""


ComparatorSource = Comparator | EmbedderSource


class EmbeddingComparator:
    """A distance between the vectors of an embedder.

    Parameters
    ----------
    embedder : name, Keras model or embedder
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

    def between(self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> Distances:
        """Return distances of vectors: ``(n, d), (m, d) → (n, m)`` float32."""
        return self.distance.pairwise(a, b)

    def distances(self, a: Images, b: Images) -> Distances:
        """Return distances of images, float32 ``(len(a), len(b))``, smaller = more alike."""
        return self.between(
            embed_all(self.embedder, a, progress=False), embed_all(self.embedder, b, progress=False)
        )


def as_comparator(thing: ComparatorSource, *, color: Color = "rgb") -> Comparator:
    """Return a comparator as it is; compare the vectors of anything else by cosine."""
    if isinstance(thing, Comparator):
        return thing
    return EmbeddingComparator(thing, color=color)


def stored(comparator: Comparator, store: VectorStore) -> Comparator:
    """Return a comparator like this one whose vectors are kept in a store."""
    embedder = CachedEmbedder(comparator.embedder, store)
    if isinstance(comparator, EmbeddingComparator):
        return EmbeddingComparator(embedder, comparator.distance)
    return _Stored(comparator, embedder)


class _Stored:
    """A comparator of another kind, its vectors looked up."""

    def __init__(self, comparator: Comparator, embedder: Embedder) -> None:
        self.embedder, self.between = embedder, comparator.between

    def distances(self, a: Images, b: Images) -> Distances:
        """Return distances of images, float32 ``(len(a), len(b))``, smaller = more alike."""
        return self.between(
            embed_all(self.embedder, a, progress=False), embed_all(self.embedder, b, progress=False)
        )


def compare(
    image_a: Source, image_b: Source, *, comparator: ComparatorSource = "efficientnet-lite0"
) -> float:
    """Return the distance between two images, smaller = more alike.

    Parameters
    ----------
    image_a, image_b : path, bytes, file object, PIL image or array
        As `read_image` takes them.
    comparator : comparator, or an embedder by name, model or object
        By default the cosine distance of colour EfficientNet-Lite0 vectors: 0 = same, about 1 =
        nothing in common.

    Raises
    ------
    ImageError
        If one of them is no picture.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    >>> round(compare(noise, noise), 3)
    0.0
    """
    chosen = (
        _packaged(comparator)
        if isinstance(comparator, str) and comparator in NAMES
        else as_comparator(comparator)
    )
    return float(chosen.distances([image_a], [image_b])[0, 0])


@cache
def _packaged(name: str) -> Comparator:
    """Keep the packaged networks: comparing two images must not load one each time."""
    return EmbeddingComparator(name)
