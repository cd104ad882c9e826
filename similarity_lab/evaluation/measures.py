"""Inputs that the measures share: vectors, labels and a way to compare vectors."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from similarity_lab.datasets.dataset import Labels
from similarity_lab.distances import Distance, get_distance
from similarity_lab.distances.comparators import Distances
from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.store import Vectors

Between = Callable[[Vectors, Vectors], Distances]
"""Distances between vectors, ``(n, d), (m, d) → (n, m)``, smaller = more alike."""

DistanceSource = str | Distance | Between
"""A distance by name, as an object, or as a function of two batches of vectors."""


def as_between(distance: DistanceSource) -> Between:
    """Return the function that computes the distances between two batches of vectors."""
    if isinstance(distance, (str, Distance)):
        return get_distance(distance).pairwise
    if not callable(distance):
        raise InputTypeError(
            f"expected a distance, its name, or a comparator's between; got {distance!r}"
        )
    return distance


def checked_labels(vectors: Vectors, labels: npt.ArrayLike) -> Labels:
    """Return the labels as an array of one label per vector, or raise `InputError`."""
    array = np.asarray(labels)
    if np.ndim(vectors) != 2 or array.shape != (len(vectors),):
        raise InputError(
            f"expected vectors (n, d) and labels (n,), got {np.shape(vectors)} and {array.shape}"
        )
    return array
