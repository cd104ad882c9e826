"""Images that a site shows more than once."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from similarity_lab.embedders.base import Vectors
from similarity_lab.images.hashing import hash_distance
from similarity_lab.relevance.blas import one_thread
from similarity_lab.relevance.rules.prototypes import unit

__all__ = ["close_pairs", "find_repeats"]

_CLOSE = 1e-3  # cosine distance; an image that is saved again or scaled down stays below
_SAME_BITS = 6  # of 64 in which the perceptual hashes of such an image may differ
_BLOCK = 128

Hash = Callable[[int], np.uint64]
"""Returns the perceptual hash of the image at a position."""


@one_thread
def find_repeats(
    vectors: Vectors, digests: Sequence[str], hash_of: Hash, *, block: int = _BLOCK
) -> npt.NDArray[np.bool_]:
    """Return which images repeat another one: same content, or the same image saved again.

    Close vectors make the shortlist and perceptual hashes confirm it, because an embedder may map
    different images to one vector. Of equal images, the one with the smallest digest is the
    original, so that neither order nor names matter.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    digests : sequence of str
        Content digests.
    hash_of : callable
        Position of an image → its perceptual hash; called only where vectors are close, once for
        each image.
    block : int
        Vectors that are compared with all later ones at a time; limits memory.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    _, contents = np.unique(digests, return_index=True)
    groups = _groups(unit(vectors[contents]), lambda index: hash_of(int(contents[index])), block)
    _, originals = np.unique(groups, return_index=True)  # contents are in order of their digests
    repeats = np.ones(len(digests), bool)
    repeats[contents[originals]] = False
    return repeats


def _groups(vectors: Vectors, hash_of: Hash, block: int) -> npt.NDArray[np.intp]:
    """Return group numbers, shape (n,): equal if vectors and hashes agree on "the same image"."""
    count = len(vectors)
    groups: npt.NDArray[np.intp] = np.arange(count)
    hashes: dict[int, np.uint64] = {}
    for rows, columns in close_pairs(vectors, block):
        separate = groups[rows] != groups[columns]  # copies of one image make millions of pairs
        pairs = np.array([rows[separate], columns[separate]])
        indices, positions = np.unique(pairs, return_inverse=True)
        for index in indices.tolist():
            if index not in hashes:
                hashes[index] = hash_of(index)
        first, second = np.array([hashes[index] for index in indices.tolist()], np.uint64)[
            positions
        ]
        links = groups[pairs[:, hash_distance(first, second) <= _SAME_BITS]]
        graph = coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(count, count))
        _, merged = connected_components(graph, directed=False)
        groups = merged[groups].astype(np.intp)
    return groups


def close_pairs(
    vectors: Vectors, block: int = _BLOCK
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield pairs of positions of unit vectors that are close, each pair once, in blocks."""
    for start in range(0, len(vectors), block):
        later = vectors[start:]
        rows, columns = np.nonzero(later[:block] @ later.T >= 1 - _CLOSE)
        is_first = rows < columns
        yield rows[is_first] + start, columns[is_first] + start
