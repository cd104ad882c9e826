"""A library's images and their vectors, as the rules need them."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.datasets import ImageDataset
from similarity_lab.distances.comparators import Comparator
from similarity_lab.embedders.base import Vectors
from similarity_lab.images.sources import content_digest, describe


@dataclass(frozen=True, eq=False)
class EmbeddedLibrary:
    """The readable images of a library with their vectors.

    Attributes
    ----------
    dataset : ImageDataset
        n images.
    vectors : ndarray of float32, shape (n, d)
    embedder : str
        Name of the embedder.
    skipped : DataFrame with columns path, reason
        Images that could not be read.
    """

    dataset: ImageDataset
    vectors: Vectors
    embedder: str
    skipped: pd.DataFrame

    @classmethod
    def of(
        cls, dataset: ImageDataset, comparator: Comparator, *, progress: bool
    ) -> "EmbeddedLibrary":
        """Embed the readable images of a dataset."""
        embedded = comparator.embedder.embed(dataset.sources, progress=progress)
        skipped = pd.concat([dataset.skipped, embedded.skipped], ignore_index=True)
        readable = dataset.subset(embedded.kept)
        return cls(readable, embedded.vectors, comparator.embedder.name, skipped)

    def subset(self, positions: npt.NDArray[np.intp]) -> "EmbeddedLibrary":
        """Return the images at these positions with their vectors."""
        dataset = self.dataset.subset(positions)
        return EmbeddedLibrary(dataset, self.vectors[positions], self.embedder, self.skipped)

    def is_target(self, target: str) -> npt.NDArray[np.bool_]:
        """Return which images show the target, shape (n,)."""
        return self.dataset.labels == self.dataset.class_index(target)

    def names(self, mask: npt.NDArray[np.bool_]) -> list[str]:
        """Return the names that tables show for the images in a mask of shape (n,)."""
        sources = self.dataset.sources
        return [describe(sources[index]) for index in np.flatnonzero(mask)]

    def digests(self, mask: npt.NDArray[np.bool_]) -> list[str]:
        """Return the content digests of the images in a mask of shape (n,)."""
        sources = self.dataset.sources
        return [content_digest(sources[index]) for index in np.flatnonzero(mask)]


def library_digest(dataset: ImageDataset) -> str:
    """Return a digest of the images and their classes, independent of order and file names."""
    class_names = [dataset.classes[label] for label in dataset.labels]
    lines = sorted(
        f"{content_digest(source)} {name}"
        for source, name in zip(dataset.sources, class_names, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
