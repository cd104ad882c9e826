"""Verification: do two images show the same product? ROC, AUC and equal error rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.distances.comparators import Distances
from similarity_lab.errors import InputError
from similarity_lab.evaluation.intervals import bootstrap_interval
from similarity_lab.evaluation.measures import (
    DistanceSource,
    Labels,
    Vectors,
    as_between,
    checked_labels,
)
from similarity_lab.evaluation.thresholds import balanced_threshold

MAX_IMAGES = 5_000  # all pairs with their indices take about 400 MB
BLOCK_ROWS = 512  # rows per distance matrix


@dataclass(frozen=True, eq=False)
class PairDistances:
    """Distances of all pairs of different images, each pair once.

    Attributes
    ----------
    values : ndarray of float32, shape (n (n − 1) / 2,)
        In the order of ``np.triu_indices(n, k=1)``; smaller = more alike.
    is_same : ndarray of bool, the same shape
        Whether both images belong to the same class.
    n_images : int
    """

    values: Distances
    is_same: npt.NDArray[np.bool_]
    n_images: int

    @property
    def same(self) -> Distances:
        """Distances of pairs within a class."""
        return self.values[self.is_same]

    @property
    def different(self) -> Distances:
        """Distances of pairs across classes."""
        return self.values[~self.is_same]

    @cached_property
    def auc(self) -> float:
        """Verification ROC-AUC: P(same-class pair is closer than a different-class pair).

        0…1, 0.5 = chance; ties count half.
        """
        return distance_auc(self.same, self.different)

    def auc_interval(
        self, *, seed: int, repeats: int = 200, confidence: float = 0.95
    ) -> tuple[float, float]:
        """Return the percentile bootstrap interval of `auc`, resampling images.

        Pairs that share an image are not independent, so images are resampled, not pairs: two
        images drawn w₁ and w₂ times count as w₁ w₂ pairs. An image is never paired with its copy.
        """
        rows, columns = np.triu_indices(self.n_images, k=1)
        order = np.argsort(self.values, kind="stable")
        rows, columns, is_same = rows[order], columns[order], self.is_same[order]
        starts = np.flatnonzero(np.diff(self.values[order], prepend=-np.inf))

        def auc(index: npt.NDArray[np.intp]) -> float:
            counts = np.bincount(index, minlength=self.n_images)
            weights = (counts[rows] * counts[columns]).astype(np.float64)
            same = np.add.reduceat(np.where(is_same, weights, 0.0), starts)
            different = np.add.reduceat(np.where(is_same, 0.0, weights), starts)
            closer = np.cumsum(same) - same / 2  # ties count half
            total = same.sum() * different.sum()
            return float(closer @ different / total) if total else float("nan")

        return bootstrap_interval(
            auc, self.n_images, seed=seed, repeats=repeats, confidence=confidence
        )

    @cached_property
    def equal_error_rate(self) -> float:
        """Error rate at which false accept rate and false reject rate are equal, 0…1.

        Interpolated linearly on the ROC curve if no threshold makes them equal.
        """
        from sklearn.metrics import roc_curve  # deferred: slow import

        false_accepts, true_accepts, _ = roc_curve(
            self.is_same, -self.values, drop_intermediate=False
        )
        gap = false_accepts + true_accepts - 1  # increases along the curve from -1 to 1
        end = int(np.argmax(gap >= 0))  # of the segment in which it crosses zero
        start = end - 1
        share = -gap[start] / (gap[end] - gap[start])
        return float(false_accepts[start] + share * (false_accepts[end] - false_accepts[start]))

    def best_threshold(self) -> float:
        """Return the distance threshold with the highest balanced accuracy.

        Choose it on validation images and report `balanced_accuracy` on other images.
        """
        return balanced_threshold(self.same, self.different)

    def balanced_accuracy(self, threshold: float) -> float:
        """Return the mean accuracy on same and different pairs; "same" = at most `threshold`."""
        return float(((self.same <= threshold).mean() + (self.different > threshold).mean()) / 2)

    def roc(self, points: int = 500) -> pd.DataFrame:
        """Return the ROC curve as a table of at most `points` rows.

        Returns
        -------
        DataFrame
            ``threshold`` (pairs at most this far apart are accepted), ``false_accepts`` (fraction
            of different pairs accepted), ``true_accepts`` (fraction of same pairs accepted).
        """
        from sklearn.metrics import roc_curve  # deferred: slow import

        false_accepts, true_accepts, cuts = roc_curve(self.is_same, -self.values)
        curve = pd.DataFrame(
            {"threshold": -cuts, "false_accepts": false_accepts, "true_accepts": true_accepts}
        )
        rows = np.unique(np.linspace(0, len(cuts) - 1, points).round().astype(int))
        return curve.iloc[rows].reset_index(drop=True)


def pair_distances(
    vectors: Vectors, labels: Labels, distance: DistanceSource = "cosine"
) -> PairDistances:
    """Return the distances of all pairs of different images.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
        At most 5,000; take a random sample of larger sets.
    labels : ndarray of int, shape (n,)
    distance : {"cosine", "euclidean", "dot"}, Distance, or a comparator's `between`

    Raises
    ------
    InputError
        Too many images, labels of another length, or no pairs within a class or across classes.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    >>> pairs = pair_distances(vectors, np.array([0, 0, 1, 1]))
    >>> pairs.auc, pairs.equal_error_rate, len(pairs.same), len(pairs.different)
    (1.0, 0.0, 2, 4)
    """
    labels = checked_labels(vectors, labels)
    count = len(vectors)
    if count > MAX_IMAGES:
        raise InputError(
            f"{count:,} images make too many pairs; pass a sample of at most {MAX_IMAGES:,}"
        )
    between = as_between(distance)
    values, is_same = [], []
    for start in range(0, count, BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, count))
        later = rows[:, None] < np.arange(count)
        values.append(between(vectors[rows], vectors)[later])
        is_same.append((labels[rows, None] == labels)[later])
    pairs = PairDistances(np.concatenate(values), np.concatenate(is_same), count)
    if pairs.is_same.all() or not pairs.is_same.any():
        raise InputError("verification needs same-class and different-class pairs")
    return pairs


def distance_auc(same: npt.ArrayLike, different: npt.ArrayLike) -> float:
    """Return P(a random value of `same` is smaller than one of `different`); ties count half.

    Parameters
    ----------
    same : array of float, shape (n,)
        Distances of pairs that are the same; smaller = more alike.
    different : array of float, shape (m,)
        Distances of pairs that are not.

    Returns
    -------
    float
        ROC-AUC, 0…1; 0.5 = chance.

    Examples
    --------
    >>> distance_auc([0.1, 0.2], [0.15, 0.3])
    0.75
    """
    from sklearn.metrics import roc_auc_score  # deferred: slow import

    groups = np.asarray(same), np.asarray(different)
    is_same = np.repeat([1, 0], [group.size for group in groups])
    return float(roc_auc_score(is_same, -np.concatenate(groups)))
