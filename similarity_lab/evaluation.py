"""How well distances tell products apart: verification, retrieval, and which classes are confused.

Everything takes vectors and a distance, so that all comparators are measured alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from similarity_lab.distances import Distance, get_distance

MAX_IMAGES = 20_000  # all pairs of more than these would not fit in memory

Labels = npt.NDArray[np.integer]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PairDistances:
    """Distances of all pairs of different images.

    Attributes
    ----------
    same, different : ndarray of float32
        Of pairs within a class, and of pairs across classes; smaller = more alike.
    """

    same: npt.NDArray[np.float32]
    different: npt.NDArray[np.float32]

    @property
    def auc(self) -> float:
        """Verification ROC-AUC: chance that a same-class pair is closer than another; 0.5 = none.

        Ties count half.
        """
        return distance_auc(self.same, self.different)


def distance_auc(near: npt.ArrayLike, far: npt.ArrayLike) -> float:
    """Return the chance that one of `near` is smaller than one of `far`; ties count half.

    Examples
    --------
    >>> distance_auc([0.1, 0.2], [0.15, 0.3])
    0.75
    """
    a, b = np.asarray(near), np.asarray(far)
    is_near = np.concatenate([np.ones(a.size), np.zeros(b.size)])
    return float(roc_auc_score(is_near, -np.concatenate([a, b])))


def pair_distances(
    vectors: Vectors, labels: Labels, distance: str | Distance = "cosine"
) -> PairDistances:
    """Return the distances of all pairs, each once, no image with itself.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
        At most 20,000; take a seeded sample of more.
    labels : integers, shape (n,)
    distance : {"cosine", "euclidean", "dot"} or Distance
    """
    labels = _checked_labels(vectors, labels)
    if len(vectors) > MAX_IMAGES:
        raise ValueError(
            f"{len(vectors):,} images make too many pairs; take a sample of {MAX_IMAGES:,}"
        )
    upper = np.triu_indices(len(vectors), k=1)
    values = get_distance(distance).pairwise(vectors, vectors)[upper]
    is_same = labels[upper[0]] == labels[upper[1]]
    if is_same.all() or not is_same.any():
        raise ValueError("verification needs pairs of one class and pairs of two classes")
    return PairDistances(values[is_same], values[~is_same])


def retrieval(
    vectors: Vectors,
    labels: Labels,
    *,
    k: Sequence[int] = (1, 5),
    distance: str | Distance = "cosine",
) -> dict[str, float]:
    """Return Recall@k and mean average precision, each image a query among all others.

    Images that are alone in their class have nothing to find and are not queries.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    labels : integers, shape (n,)
    k : integers
        Recall@k: share of queries with one of their class among the k nearest.
    distance : {"cosine", "euclidean", "dot"} or Distance

    Returns
    -------
    dict
        ``recall@1``, ``recall@5``, … and ``map``, each 0…1.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    >>> retrieval(vectors, np.array([0, 0, 1, 1]), k=[1])
    {'recall@1': 1.0, 'map': 1.0}
    """
    labels = _checked_labels(vectors, labels)
    queries = np.flatnonzero(np.bincount(labels)[labels] > 1)
    if not queries.size:
        raise ValueError("no class has two images, so nothing can be found")
    measure = get_distance(distance)
    hits: dict[int, list[bool]] = {n: [] for n in k}
    precisions = []
    for query in queries:
        others = np.delete(np.arange(len(labels)), query)
        row = measure.pairwise(vectors[query : query + 1], vectors[others])[0]
        found = labels[others[np.argsort(row, kind="stable")]] == labels[query]
        for n in k:
            hits[n].append(bool(found[:n].any()))
        ranks = np.flatnonzero(found) + 1
        precisions.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    return {f"recall@{n}": float(np.mean(hits[n])) for n in k} | {"map": float(np.mean(precisions))}


def confused_classes(
    vectors: Vectors,
    labels: Labels,
    classes: Sequence[str],
    distance: str | Distance = "cosine",
) -> pd.DataFrame:
    """Rank pairs of classes by how badly distance tells them apart.

    Returns
    -------
    DataFrame
        ``class_a, class_b, auc, mean_within, mean_between``, worst first. `auc` is the chance that
        two images of `class_a` are closer than one of `class_a` and one of `class_b`.
    """
    labels = _checked_labels(vectors, labels)
    everything = get_distance(distance).pairwise(vectors, vectors)
    rows = []
    for a in range(len(classes)):
        of_a = np.flatnonzero(labels == a)
        if len(of_a) < 2:
            continue
        block = everything[np.ix_(of_a, of_a)]
        within = block[np.triu_indices(len(of_a), k=1)]
        for b in range(len(classes)):
            between = everything[np.ix_(of_a, np.flatnonzero(labels == b))].ravel()
            if a != b and between.size:
                auc = distance_auc(within, between)
                rows.append((classes[a], classes[b], auc, within.mean(), between.mean()))
    columns = ["class_a", "class_b", "auc", "mean_within", "mean_between"]
    return pd.DataFrame(rows, columns=columns).sort_values("auc", ignore_index=True, kind="stable")


def _checked_labels(vectors: Vectors, labels: Labels) -> Labels:
    numbers = np.asarray(labels)
    if np.ndim(vectors) != 2 or numbers.shape != (len(vectors),):
        raise ValueError(
            f"expected vectors (n, d) and labels (n,), got {np.shape(vectors)} and {numbers.shape}"
        )
    return numbers
