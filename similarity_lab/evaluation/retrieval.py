"""Retrieval: Recall@k, R-precision and mean average precision of nearest-neighbour search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.errors import InputError
from similarity_lab.evaluation.intervals import bootstrap_interval
from similarity_lab.evaluation.measures import (
    DistanceSource,
    Labels,
    Vectors,
    as_between,
    checked_labels,
)

BLOCK_ROWS = 512  # queries per distance matrix


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Retrieval measures of each query.

    Attributes
    ----------
    queries : DataFrame
        One row per query, indexed by its position: ``recall@k`` (1 if an image of its class is
        among the k nearest, else 0), ``r_precision`` (fraction of its class among the R nearest,
        R = size of the class without the query), ``average_precision`` (mean of the precision at
        the rank of each image of its class).
    """

    queries: pd.DataFrame

    def means(self) -> dict[str, float]:
        """Return the means over queries, 0…1; ``map`` is the mean of ``average_precision``."""
        means = self.queries.mean().rename({"average_precision": "map"})
        return {str(name): float(value) for name, value in means.items()}

    def intervals(
        self, *, seed: int, repeats: int = 1000, confidence: float = 0.95
    ) -> dict[str, tuple[float, float]]:
        """Return percentile bootstrap intervals of `means`, resampling queries."""

        def interval(column: npt.NDArray[np.float64]) -> tuple[float, float]:
            return bootstrap_interval(
                lambda index: float(column[index].mean()),
                len(column),
                seed=seed,
                repeats=repeats,
                confidence=confidence,
            )

        columns = self.queries.to_numpy(np.float64).T
        return dict(zip(self.means(), map(interval, columns), strict=True))


def evaluate_retrieval(
    vectors: Vectors,
    labels: Labels,
    *,
    k: Sequence[int] = (1, 5),
    distance: DistanceSource = "cosine",
    seed: int = 0,
) -> Retrieval:
    """Return the retrieval measures of searching with each image among all others.

    Images without another image of their class are searched but are not queries. Ties in distance
    are broken at random, so that a network with a constant output scores at chance level.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    labels : ndarray of int, shape (n,)
    k : sequence of int
        Ranks for ``recall@k``, at least 1.
    distance : {"cosine", "euclidean", "dot"}, Distance, or a comparator's `between`
    seed : int
        Seed of the tie breaking.

    Raises
    ------
    InputError
        If no class has two images.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    >>> evaluate_retrieval(vectors, np.array([0, 0, 1, 1]), k=[1]).means()
    {'recall@1': 1.0, 'r_precision': 1.0, 'map': 1.0}
    """
    labels = checked_labels(vectors, labels)
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    queries = np.flatnonzero(sizes[codes] > 1)
    if not queries.size:
        raise InputError("retrieval needs a class with at least two images")
    if not len(k) or min(k) < 1:
        raise InputError(f"k must be ranks of at least 1, got {list(k)}")
    between = as_between(distance)
    gallery = np.random.default_rng(seed).permutation(len(labels))
    rows = []
    for start in range(0, len(queries), BLOCK_ROWS):
        block = queries[start : start + BLOCK_ROWS]
        distances = between(vectors[block], vectors[gallery])
        order = gallery[np.argsort(distances, axis=1, kind="stable")]
        for query, ranked in zip(block, order, strict=True):
            is_relevant = codes[ranked[ranked != query]] == codes[query]
            rows.append(_query_measures(is_relevant, k))
    return Retrieval(pd.DataFrame(rows, index=pd.Index(queries, name="query")))


def _query_measures(is_relevant: npt.NDArray[np.bool_], k: Sequence[int]) -> dict[str, float]:
    """Return the measures of a query from whether each image is of its class, by rank."""
    ranks = np.flatnonzero(is_relevant) + 1
    return {f"recall@{n}": float(is_relevant[:n].any()) for n in k} | {
        "r_precision": float(is_relevant[: len(ranks)].mean()),
        "average_precision": float(np.mean(np.arange(1, len(ranks) + 1) / ranks)),
    }


def nearest_labels(
    queries: Vectors, gallery: Vectors, labels: Labels, distance: DistanceSource = "cosine"
) -> Labels:
    """Return the label of each query's nearest neighbour.

    Parameters
    ----------
    queries : ndarray of float32, shape (n, d)
    gallery : ndarray of float32, shape (m, d)
    labels : ndarray of int, shape (m,)
        Labels of the gallery.
    distance : {"cosine", "euclidean", "dot"}, Distance, or a comparator's `between`

    Returns
    -------
    ndarray of int, shape (n,)
        The first in the gallery if several are equally near.

    Examples
    --------
    >>> gallery = np.array([[1, 0], [0, 1]], np.float32)
    >>> nearest_labels(np.array([[0.9, 0.2]], np.float32), gallery, np.array([7, 8]))
    array([7])
    """
    labels = checked_labels(gallery, labels)
    between = as_between(distance)
    nearest = [
        between(queries[start : start + BLOCK_ROWS], gallery).argmin(axis=1)
        for start in range(0, len(queries), BLOCK_ROWS)
    ]
    return labels[np.concatenate(nearest)]
