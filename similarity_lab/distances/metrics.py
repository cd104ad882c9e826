"""Distances between vectors, each with its range and normalisation; smaller = more alike.

The direction belongs to this module: callers ask for the closest vectors instead of comparing
distances themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.store import Vectors

_BLOCK = 2048  # rows and columns; a block of distances takes 32 MB


class Distance(ABC):
    """A distance between vectors, computed in blocks and in float64.

    Attributes
    ----------
    name : str
    range : (float, float)
        Smallest and largest value; smaller = more alike.
    """

    name: ClassVar[str]
    range: ClassVar[tuple[float, float]]

    def pairwise(self, a: npt.ArrayLike, b: npt.ArrayLike) -> Vectors:
        """Return all distances between two sets of vectors.

        Parameters
        ----------
        a : array, shape (n, d)
        b : array, shape (m, d)

        Returns
        -------
        ndarray of float32, shape (n, m)
            Within `range`; smaller = more alike.

        Raises
        ------
        InputError
            The shapes do not match, or a value is not finite.
        """
        first, second = _checked(a, b)
        distances = np.empty((len(first), len(second)), np.float32)
        for rows, columns, block in self._blocks(first, second):
            distances[rows, columns] = block
        return distances

    def closest(
        self, queries: npt.ArrayLike, vectors: npt.ArrayLike, k: int = 1
    ) -> tuple[npt.NDArray[np.intp], Vectors]:
        """Return the `k` closest vectors of each query, without an ``(n, m)`` matrix in memory.

        Parameters
        ----------
        queries : array, shape (n, d)
        vectors : array, shape (m, d)
        k : int
            At most m.

        Returns
        -------
        positions : ndarray of int, shape (n, k)
            Closest first; equal distances in order of position.
        distances : ndarray of float32, shape (n, k)

        Raises
        ------
        InputError
            The shapes do not match, a value is not finite, or `k` is out of range.
        """
        first, second = _checked(queries, vectors)
        if not 1 <= k <= len(second):
            raise InputError(f"k must be from 1 to the number of vectors, {len(second)}; got {k}")
        positions = np.empty((len(first), k), np.intp)
        distances = np.full((len(first), k), np.inf, np.float32)
        for rows, columns, block in self._blocks(first, second):
            block_positions = np.broadcast_to(np.arange(columns.start, columns.stop), block.shape)
            candidates = np.concatenate([distances[rows], block.astype(np.float32)], axis=1)
            indices = np.concatenate([positions[rows], block_positions], axis=1)
            order = np.argsort(candidates, axis=1, kind="stable")[:, :k]
            distances[rows] = np.take_along_axis(candidates, order, axis=1)
            positions[rows] = np.take_along_axis(indices, order, axis=1)
        return positions, distances

    def _blocks(
        self, a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]
    ) -> Iterator[tuple[slice, slice, npt.NDArray[np.float64]]]:
        for row in range(0, len(a), _BLOCK):
            rows = slice(row, min(row + _BLOCK, len(a)))
            block = a[rows].astype(np.float64)
            for column in range(0, len(b), _BLOCK):
                columns = slice(column, min(column + _BLOCK, len(b)))
                yield rows, columns, self._block(block, b[columns].astype(np.float64))

    @abstractmethod
    def _block(
        self, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return the distances of two blocks of float64 vectors."""


class Cosine(Distance):
    """One minus the cosine of the angle: 0 = same direction, 1 = right angle, 2 = opposite.

    Between vectors without negative components, such as EfficientNet features, it is 0…1. A vector
    of zeros has no direction; its distance to every vector is 1.

    Examples
    --------
    >>> Cosine().pairwise([[1, 0]], [[2, 0], [0, 1], [-1, 0]])
    array([[0., 1., 2.]], dtype=float32)
    """

    name = "cosine"
    range = (0.0, 2.0)

    def _block(
        self, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        return np.clip(1.0 - _unit(a) @ _unit(b).T, 0.0, 2.0)


class Euclidean(Distance):
    """Straight-line distance: 0 = same vector, unbounded.

    Examples
    --------
    >>> Euclidean().pairwise([[0, 0]], [[3, 4], [0, 0]])
    array([[5., 0.]], dtype=float32)
    """

    name = "euclidean"
    range = (0.0, float("inf"))

    def _block(
        self, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2.0 * (a @ b.T)
        return np.sqrt(np.maximum(squares, 0.0))


class Dot(Distance):
    """Negative inner product, so that smaller = more alike; unbounded in both directions.

    Examples
    --------
    >>> Dot().pairwise([[1, 2]], [[3, 4]])
    array([[-11.]], dtype=float32)
    """

    name = "dot"
    range = (float("-inf"), float("inf"))

    def _block(
        self, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        return -(a @ b.T)


DISTANCES: dict[str, type[Distance]] = {kind.name: kind for kind in (Cosine, Euclidean, Dot)}
"""The distances by name."""


def get_distance(distance: str | Distance) -> Distance:
    """Return the distance with this name: ``"cosine"``, ``"euclidean"`` or ``"dot"``.

    A `Distance` is returned unchanged.
    """
    if isinstance(distance, Distance):
        return distance
    if distance not in DISTANCES:
        raise InputError(
            f"Unknown distance {distance!r}.{did_you_mean(distance, DISTANCES)} "
            f"Expected one of: {', '.join(DISTANCES)}"
        )
    return DISTANCES[distance]()


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _checked(
    a: npt.ArrayLike, b: npt.ArrayLike
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Return two sets of vectors as arrays of finite numbers with the same dimension."""
    first, second = _vectors(a), _vectors(b)
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"vectors of {first.shape[1]} and of {second.shape[1]} numbers cannot be compared; "
            "are they from different embedders?"
        )
    return first, second


def _vectors(values: npt.ArrayLike) -> npt.NDArray[np.floating]:
    array = np.asarray(values)
    if array.ndim != 2:
        raise InputError(
            f"expected vectors (n, d), got {array.shape}; pass a batch of one: vector[None]"
        )
    if not np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError("vectors must be finite; got NaN or infinity")
    return array
