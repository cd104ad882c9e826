"""Pictures that a site shows more than once."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from similarity_lab.relevance.prototypes import Vectors, unit

_SAME = 1e-3  # cosine distance: a picture saved again or scaled down stays below
_BLOCK = 1024


def repeated(vectors: Vectors, digests: list[str]) -> npt.NDArray[np.bool_]:
    """Return which images repeat another one: same content, or the same picture saved again.

    Of pictures that are the same, the one with the smallest digest counts, so that neither order
    nor names matter.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    digests : list of str
        Of the images' content.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    count = len(digests)
    rows, columns = close_pairs(unit(vectors))
    _, codes = np.unique(digests, return_inverse=True)
    first = np.full(count, -1)
    first[codes[::-1]] = np.arange(count)[::-1]
    rows = np.concatenate([rows, np.arange(count)])
    columns = np.concatenate([columns, first[codes]])
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    kept: dict[int, int] = {}
    for index in sorted(range(count), key=lambda at: digests[at]):
        kept.setdefault(groups[index], index)
    counts_once = np.ones(count, bool)
    counts_once[list(kept.values())] = False
    return counts_once


def close_pairs(vectors: Vectors) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return positions of unit vectors that are of the same picture; each pair both ways."""
    found = []
    for start in range(0, len(vectors), _BLOCK):
        close = vectors[start : start + _BLOCK] @ vectors.T >= 1 - _SAME
        rows, columns = np.nonzero(close)
        found.append((rows + start, columns))
    rows, columns = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, columns
