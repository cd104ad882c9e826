"""Pictures that a site shows more than once."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from similarity_lab.embedders.base import Vectors
from similarity_lab.images import read_image
from similarity_lab.images.hashing import hash_distance, hash_thumbnail, perceptual_hash
from similarity_lab.images.sources import Source
from similarity_lab.relevance.blas import one_thread
from similarity_lab.relevance.rules.prototypes import unit

_CLOSE = 1e-3  # cosine distance; a picture saved again or scaled down stays below
_SAME_BITS = 6  # of 64 in which the perceptual hashes of such a picture may differ
_BLOCK = 128


@one_thread
def repeated(
    vectors: Vectors, digests: list[str], sources: Sequence[Source]
) -> npt.NDArray[np.bool_]:
    """Return which images repeat another one: same content, or the same picture saved again.

    Vectors make the shortlist and perceptual hashes confirm it, since an embedder may give
    different pictures one vector. Of pictures that are the same, the one with the smallest digest
    counts, so that neither order nor names matter.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    digests : list of str
        Of the images' content.
    sources : sequence of images
        Read where vectors are close.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    count = len(digests)
    _, contents = np.unique(digests, return_index=True)
    groups = _groups(unit(vectors[contents]), [sources[at] for at in contents])
    _, kept = np.unique(groups, return_index=True)  # contents are in the order of their digests
    again = np.ones(count, bool)
    again[contents[kept]] = False
    return again


def _groups(vectors: Vectors, sources: Sequence[Source]) -> npt.NDArray[np.intp]:
    """Return numbers that are equal where vectors and hashes say "the same picture", (n,)."""
    count = len(vectors)
    groups: npt.NDArray[np.intp] = np.arange(count)
    hashes: dict[int, np.uint64] = {}
    for rows, columns in close_pairs(vectors):
        apart = groups[rows] != groups[columns]  # the copies of one picture make pairs by millions
        pairs = np.array([rows[apart], columns[apart]])
        needed, places = np.unique(pairs, return_inverse=True)
        for at in needed:
            if at not in hashes:
                hashes[at] = _hash(sources[at])
        first, second = np.array([hashes[at] for at in needed], np.uint64)[places]
        links = groups[pairs[:, hash_distance(first, second) <= _SAME_BITS]]
        graph = coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(count, count))
        _, merged = connected_components(graph, directed=False)
        groups = merged[groups].astype(np.intp)
    return groups


def _hash(source: Source) -> np.uint64:
    return perceptual_hash(hash_thumbnail(read_image(source, size=64)))


def close_pairs(
    vectors: Vectors,
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield positions of unit vectors that are of the same picture, each pair once, in blocks."""
    for start in range(0, len(vectors), _BLOCK):
        later = vectors[start:]
        rows, columns = np.nonzero(later[:_BLOCK] @ later.T >= 1 - _CLOSE)
        once = rows < columns
        yield rows[once] + start, columns[once] + start
