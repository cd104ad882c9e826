"""Pictures that a site shows more than once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from similarity_lab.images import read_image
from similarity_lab.relevance.prototypes import Vectors, unit
from similarity_lab.sources import Source

if TYPE_CHECKING:
    import imagehash

_CLOSE = 1e-3  # cosine distance; a picture saved again or scaled down stays below
_SAME_BITS = 6  # of 64 in which the perceptual hashes of such a picture may differ
_BLOCK = 1024


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
    _, first, codes = np.unique(digests, return_index=True, return_inverse=True)
    unlike = np.flatnonzero(first[codes] == np.arange(count))  # each content once
    rows, columns = (unlike[at] for at in close_pairs(unit(vectors[unlike])))
    once = rows < columns
    hashes = {at: _hash(sources[at]) for at in np.unique([rows[once], columns[once]])}
    same = [
        (a, b)
        for a, b in zip(rows[once], columns[once], strict=True)
        if hashes[a] - hashes[b] <= _SAME_BITS
    ]
    links = np.array(same + list(zip(range(count), first[codes], strict=True)))
    graph = coo_array((np.ones(len(links), bool), links.T), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    kept: dict[int, int] = {}
    for index in sorted(range(count), key=lambda at: digests[at]):
        kept.setdefault(groups[index], index)
    again = np.ones(count, bool)
    again[list(kept.values())] = False
    return again


def _hash(source: Source) -> "imagehash.ImageHash":
    import imagehash  # slow to import, and most sites show nothing twice

    return imagehash.phash(Image.fromarray(read_image(source, size=64)))


def close_pairs(vectors: Vectors) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return positions of unit vectors that are of the same picture; each pair both ways."""
    found = []
    for start in range(0, len(vectors), _BLOCK):
        close = vectors[start : start + _BLOCK] @ vectors.T >= 1 - _CLOSE
        rows, columns = np.nonzero(close)
        found.append((rows + start, columns))
    rows, columns = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, columns
