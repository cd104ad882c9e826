"""Labelled photos to look among, as vectors; the search is exact."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.datasets.dataset import ImageDataset, Labels
from similarity_lab.distances import Cosine
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError
from similarity_lab.images.sources import content_digest, describe

LOOKUP_COLUMNS = ["query", "rank", "label", "distance", "path", "position"]


@dataclass(frozen=True, eq=False, repr=False)
class PhotoIndex:
    """Photos with their vectors and labels.

    TensorFlow Similarity's own index is approximate, and its file is a pickle in part; a few
    thousand photos are searched exactly in the time it takes to embed one.

    Attributes
    ----------
    vectors : ndarray of float32, shape (n, d)
    labels : ndarray of int64, shape (n,)
        Positions in `classes`.
    classes : tuple of str
    paths : tuple of str
        ``"<array>"`` for a photo that has none.
    digests : tuple of str
        SHA-256 of each photo's content.
    embedder : str
        Name of what made the vectors.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [0, 1]], np.float32)
    >>> names = ("almonds", "dates")
    >>> index = PhotoIndex(vectors, np.array([0, 1]), names, ("a", "d"), ("", ""), "name")
    >>> index.lookup(np.array([[0, 2]], np.float32), k=1)[["label", "distance"]]
       label  distance
    0  dates       0.0
    """

    vectors: Vectors
    labels: Labels
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    digests: tuple[str, ...]
    embedder: str

    @classmethod
    def of(cls, photos: ImageDataset, vectors: Vectors, embedder: str) -> "PhotoIndex":
        """Return the index of photos and their vectors, in the same order."""
        sources = photos.sources
        return cls(
            vectors,
            photos.labels,
            photos.classes,
            tuple(describe(source) for source in sources),
            tuple(content_digest(source) for source in sources),
            embedder,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        present = len(np.unique(self.labels))
        return f"PhotoIndex({len(self)} photos of {present} classes)"

    @property
    def names(self) -> npt.NDArray[np.object_]:
        """Class name of each photo."""
        return np.asarray(self.classes, dtype=object)[self.labels]

    def lookup(
        self, vectors: Vectors, k: int = 5, queries: Sequence[int] | None = None
    ) -> pd.DataFrame:
        """Return the `k` nearest photos of each vector.

        Parameters
        ----------
        vectors : ndarray of float32, shape (m, d)
        k : int
            At most as many as there are photos.
        queries : sequence of int, optional
            What the queries are called in the table; default 0…m-1.

        Returns
        -------
        DataFrame
            ``query``, ``rank`` (from 1), ``label`` (class name), ``distance`` (cosine, 0…2, 0 =
            same direction), ``path`` and ``position`` of the neighbour; m · k rows, nearest first.

        Raises
        ------
        ValueError
            When k is larger than the index.
        """
        if not 1 <= k <= len(self):
            raise InputError(
                f"k must be from 1 to {len(self)}, the photos in the index, got {k}; "
                "index more photos, or ask for fewer neighbours"
            )
        positions, distances = Cosine().closest(vectors, self.vectors, k)
        at = positions.ravel()
        asked = np.arange(len(vectors)) if queries is None else np.asarray(queries, np.intp)
        columns = {
            "query": np.repeat(asked, k),
            "rank": np.tile(np.arange(1, k + 1), len(vectors)),
            "label": self.names[at],
            "distance": distances.ravel().astype(np.float64),
            "path": np.asarray(self.paths, dtype=object)[at],
            "position": at,
        }
        return pd.DataFrame(columns, columns=LOOKUP_COLUMNS)
