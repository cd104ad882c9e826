"""A library's images and their vectors, as the rules need them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._progress import tqdm
from similarity_lab.datasets import ImageDataset
from similarity_lab.distances.comparators import Comparator
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import ImageError
from similarity_lab.images.copies import copy_thumbnail, find_copies
from similarity_lab.images.decoding import map_ahead
from similarity_lab.images.scaled import read_scaled
from similarity_lab.images.sources import content_digest, describe

_DECODED = (224, 224)  # height and width of the images that near copies are found among


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

    def distinct(self) -> "EmbeddedLibrary":
        """Return the library with each content once in each class: the first one of its files."""
        labels = self.dataset.labels
        seen: dict[bytes, list[int]] = {}
        for index, vector in enumerate(self.vectors):
            seen.setdefault(vector.tobytes(), []).append(index)
        repeats: set[int] = set()
        sources = self.dataset.sources
        for group in seen.values():
            if len(group) > 1:  # equal vectors make the shortlist: only these files are read
                contents = [(int(labels[i]), content_digest(sources[i])) for i in reversed(group)]
                firsts = dict(zip(contents, reversed(group), strict=True))
                repeats |= set(group).difference(firsts.values())
        if not repeats:
            return self
        return self.subset(np.setdiff1d(np.arange(len(labels)), sorted(repeats)))

    def near_copies(
        self, pairs: Iterable[tuple[int, int]], *, progress: bool
    ) -> list[tuple[int, int]]:
        """Return the pairs of which one image is a changed copy of the other.

        Parameters
        ----------
        pairs : iterable of (int, int)
            Positions, worth comparing: with near vectors.
        progress : bool
            Show a progress bar.
        """
        pairs = sorted(pairs)
        indices = sorted({index for pair in pairs for index in pair})
        sources = self.dataset.sources
        decoded = map_ahead(
            lambda index: copy_thumbnail(read_scaled(sources[index], size=_DECODED)), indices
        )
        bar = tqdm(decoded, desc="near copies", total=len(indices), disable=not progress)
        thumbnails = {
            index: thumbnail
            for index, thumbnail in zip(indices, bar, strict=True)
            if not isinstance(thumbnail, ImageError)  # changed since it was embedded
        }
        known = [(a, b) for a, b in pairs if a in thumbnails and b in thumbnails]
        return find_copies(known, thumbnails.__getitem__)

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
