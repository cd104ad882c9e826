"""Confusion between classes: the pairs of classes that a distance separates worst."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from similarity_lab.evaluation.measures import (
    DistanceSource,
    Labels,
    Vectors,
    as_between,
    checked_labels,
)
from similarity_lab.evaluation.verification import distance_auc


def confused_classes(
    vectors: Vectors,
    labels: Labels,
    classes: Sequence[str],
    distance: DistanceSource = "cosine",
) -> pd.DataFrame:
    """Return pairs of classes, worst separated first.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    labels : ndarray of int, shape (n,)
    classes : sequence of str
        Names of the labels.
    distance : {"cosine", "euclidean", "dot"}, Distance, or a comparator's `between`

    Returns
    -------
    DataFrame
        One row per ordered pair of classes: ``class_a, class_b, auc, mean_within, mean_between``.
        `auc` is the probability that two images of `class_a` are closer than an image of `class_a`
        and one of `class_b` (0.5 = chance); the means are of distances within `class_a` and between
        the classes. `class_a` has at least two images.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0.1], [0.9, 0.3], [0, 1]], np.float32)
    >>> confused_classes(vectors, np.array([0, 0, 1, 2]), ["a", "b", "c"])[["class_b", "auc"]]
      class_b  auc
    0       b  1.0
    1       c  1.0
    """
    labels = checked_labels(vectors, labels)
    distances = as_between(distance)(vectors, vectors)
    rows = []
    for a in range(len(classes)):
        members = np.flatnonzero(labels == a)
        if len(members) < 2:
            continue
        block = distances[np.ix_(members, members)]
        within = block[np.triu_indices(len(members), k=1)]
        for b in range(len(classes)):
            between = distances[np.ix_(members, np.flatnonzero(labels == b))].ravel()
            if a != b and between.size:
                auc = distance_auc(within, between)
                rows.append((classes[a], classes[b], auc, within.mean(), between.mean()))
    columns = ["class_a", "class_b", "auc", "mean_within", "mean_between"]
    return pd.DataFrame(rows, columns=columns).sort_values("auc", ignore_index=True, kind="stable")
