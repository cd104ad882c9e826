"""An index of labelled images, as vectors; the search is exact."""

from __future__ import annotations

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
class ImageIndex:
    """Images with their vectors and labels.

    TensorFlow Similarity's own index is approximate, and its file is partly a pickle. An exact
    search of a few thousand images takes no longer than embedding one.

    Attributes
    ----------
    vectors : ndarray of float32, shape (n, d)
    labels : ndarray of int64, shape (n,)
        Positions in `classes`.
    classes : tuple of str
    paths : tuple of str
        ``"<array>"`` for an image without one.
    digests : tuple of str
        SHA-256 of each image's content.
    embedder : str
        Name of the embedder of the vectors.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [0, 1]], np.float32)
    >>> names = ("almonds", "dates")
    >>> index = ImageIndex(vectors, np.array([0, 1]), names, ("a", "d"), ("", ""), "name")
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
    def of(cls, dataset: ImageDataset, vectors: Vectors, embedder: str) -> ImageIndex:
        """Return the index of a dataset and its vectors, in the same order."""
        sources = dataset.sources
        return cls(
            vectors,
            dataset.labels,
            dataset.classes,
            tuple(describe(source) for source in sources),
            tuple(content_digest(source) for source in sources),
            embedder,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"ImageIndex({len(self)} images of {len(np.unique(self.labels))} classes)"

    @property
    def names(self) -> npt.NDArray[np.object_]:
        """Class name of each image."""
        return np.asarray(self.classes, dtype=object)[self.labels]

    def lookup(
        self, vectors: Vectors, k: int = 5, queries: Sequence[int] | None = None
    ) -> pd.DataFrame:
        """Return the `k` nearest images of each vector.

        Parameters
        ----------
        vectors : ndarray of float32, shape (m, d)
        k : int
            At most the number of images.
        queries : sequence of int, optional
            Their numbers in the table; default 0…m-1.

        Returns
        -------
        DataFrame
            ``query``, ``rank`` (from 1), ``label`` (class name), ``distance`` (cosine, 0…2, 0 =
            same direction), ``path`` and ``position`` of the neighbour; m · k rows, nearest first.

        Raises
        ------
        InputError
            If k is larger than the index.
        """
        if not 1 <= k <= len(self):
            raise InputError(
                f"k must be from 1 to {len(self)}, the images in the index, got {k}; "
                "index more images, or ask for fewer neighbours"
            )
        positions, distances = Cosine().closest(vectors, self.vectors, k)
        rows = positions.ravel()
        numbers = np.arange(len(vectors)) if queries is None else np.asarray(queries, np.intp)
        columns = {
            "query": np.repeat(numbers, k),
            "rank": np.tile(np.arange(1, k + 1), len(vectors)),
            "label": self.names[rows],
            "distance": distances.ravel().astype(np.float64),
            "path": np.asarray(self.paths, dtype=object)[rows],
            "position": rows,
        }
        return pd.DataFrame(columns, columns=LOOKUP_COLUMNS)
