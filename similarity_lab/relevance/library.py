"""A library's photos and their vectors, as the rules need them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.datasets import ImageDataset
from similarity_lab.distances.comparators import Comparator
from similarity_lab.images.sources import content_digest, describe
from similarity_lab.relevance.rules.prototypes import Vectors


@dataclass(frozen=True, eq=False)
class EmbeddedLibrary:
    """The readable photos of a library with their vectors.

    Attributes
    ----------
    photos : ImageDataset
    vectors : ndarray of float32, shape (n, d)
    embedder : str
        Name of what made the vectors.
    skipped : DataFrame with columns path, reason
        Photos that could not be read.
    """

    photos: ImageDataset
    vectors: Vectors
    embedder: str
    skipped: pd.DataFrame

    @classmethod
    def of(
        cls, photos: ImageDataset, comparator: Comparator, *, progress: bool
    ) -> "EmbeddedLibrary":
        """Embed what can be read."""
        embedded = comparator.embedder.embed(photos.sources, progress=progress)
        skipped = pd.concat([photos.skipped, embedded.skipped], ignore_index=True)
        kept = photos.subset(embedded.kept)
        return cls(kept, embedded.vectors, comparator.embedder.name, skipped)

    def subset(self, positions: npt.NDArray[np.intp]) -> "EmbeddedLibrary":
        """Return the photos at these positions with their vectors."""
        photos = self.photos.subset(positions)
        return EmbeddedLibrary(photos, self.vectors[positions], self.embedder, self.skipped)

    def is_target(self, target: str) -> npt.NDArray[np.bool_]:
        """Return which photos show the target, shape (n,)."""
        return self.photos.labels == self.photos.class_index(target)

    def names(self, chosen: npt.NDArray[np.bool_]) -> list[str]:
        """Return what the chosen photos are called in tables."""
        sources = self.photos.sources
        return [describe(sources[at]) for at in np.flatnonzero(chosen)]

    def digests(self, chosen: npt.NDArray[np.bool_]) -> list[str]:
        """Return the content digests of the chosen photos."""
        sources = self.photos.sources
        return [content_digest(sources[at]) for at in np.flatnonzero(chosen)]
