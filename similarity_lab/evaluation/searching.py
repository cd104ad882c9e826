"""Retrieval: what do we find when we look for photos like this one?"""

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

_BLOCK = 512  # queries whose distances are held at once


@dataclass(frozen=True, eq=False)
class Retrieval:
    """What each query found.

    Attributes
    ----------
    queries : DataFrame
        One row per query, indexed by its position: ``recall@k`` (is one of its class among the k
        nearest? 0 or 1), ``r_precision`` (share of its class among the R nearest, R = how many
        there are to find), ``average_precision`` (mean precision at the rank of each one found).
    """

    queries: pd.DataFrame

    def means(self) -> dict[str, float]:
        """Return the means over queries, 0…1; the mean of ``average_precision`` is ``map``."""
        means = self.queries.mean().rename({"average_precision": "map"})
        return {str(name): float(value) for name, value in means.items()}

    def intervals(
        self, *, seed: int, repeats: int = 1000, confidence: float = 0.95
    ) -> dict[str, tuple[float, float]]:
        """Return percentile bootstrap intervals of `means`, resampling queries."""

        def interval(column: npt.NDArray[np.float64]) -> tuple[float, float]:
            return bootstrap_interval(
                lambda at: float(column[at].mean()),
                len(column),
                seed=seed,
                repeats=repeats,
                confidence=confidence,
            )

        columns = self.queries.to_numpy(np.float64).T
        return dict(zip(self.means(), map(interval, columns), strict=True))


def retrieval(
    vectors: Vectors,
    labels: Labels,
    *,
    k: Sequence[int] = (1, 5),
    distance: DistanceSource = "cosine",
    seed: int = 0,
) -> Retrieval:
    """Search with each image among all others.

    Images that are alone in their class have nothing to find and are not queries; they can be
    found by others. Equal distances are put in random order: a network that gives one vector for
    everything finds what chance finds.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    labels : integers, shape (n,)
    k : integers
        Ranks for ``recall@k``.
    distance : {"cosine", "euclidean", "dot"}, Distance, or a comparator's `between`
    seed : int
        Of the order of equal distances.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    >>> retrieval(vectors, np.array([0, 0, 1, 1]), k=[1]).means()
    {'recall@1': 1.0, 'r_precision': 1.0, 'map': 1.0}
    """
    labels = checked_labels(vectors, labels)
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    queries = np.flatnonzero(sizes[codes] > 1)
    if not queries.size:
        raise InputError("no class has two images, so nothing can be found")
    if not len(k) or min(k) < 1:
        raise InputError(f"k must be ranks from 1, got {list(k)}")
    between = as_between(distance)
    gallery = np.random.default_rng(seed).permutation(len(labels))
    rows = []
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        distances = between(vectors[block], vectors[gallery])
        order = gallery[np.argsort(distances, axis=1, kind="stable")]
        for query, ranked in zip(block, order, strict=True):
            found = codes[ranked[ranked != query]] == codes[query]
            rows.append(_figures(found, k))
    return Retrieval(pd.DataFrame(rows, index=pd.Index(queries, name="query")))


def _figures(found: npt.NDArray[np.bool_], k: Sequence[int]) -> dict[str, float]:
    """Return one query's figures; `found`: is it of its class, for each other image in order."""
    ranks = np.flatnonzero(found) + 1
    return {f"recall@{n}": float(found[:n].any()) for n in k} | {
        "r_precision": float(found[: len(ranks)].mean()),
        "average_precision": float(np.mean(np.arange(1, len(ranks) + 1) / ranks)),
    }


def nearest_labels(
    queries: Vectors, gallery: Vectors, labels: Labels, distance: DistanceSource = "cosine"
) -> npt.NDArray[np.integer]:
    """Return the label of each query's nearest neighbour.

    Parameters
    ----------
    queries : ndarray of float32, shape (n, d)
    gallery : ndarray of float32, shape (m, d)
    labels : integers, shape (m,)
        Of the gallery.
    distance : {"cosine", "euclidean", "dot"}, Distance, or a comparator's `between`

    Returns
    -------
    ndarray of int, shape (n,)
        Of equally near ones the first in the gallery.

    Examples
    --------
    >>> gallery = np.array([[1, 0], [0, 1]], np.float32)
    >>> nearest_labels(np.array([[0.9, 0.2]], np.float32), gallery, np.array([7, 8]))
    array([7])
    """
    labels = checked_labels(gallery, labels)
    between = as_between(distance)
    nearest = [
        between(queries[start : start + _BLOCK], gallery).argmin(axis=1)
        for start in range(0, len(queries), _BLOCK)
    ]
    return labels[np.concatenate(nearest)]
