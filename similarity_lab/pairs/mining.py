"""Semi-hard negatives: other classes' images that the network puts just behind the positive.

Schroff, Kalenichenko, Philbin: FaceNet (CVPR 2015), https://doi.org/10.1109/CVPR.2015.7298682,
arXiv:1503.03832.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics.pairwise import euclidean_distances

from similarity_lab.errors import InputError
from similarity_lab.images import Pixels
from similarity_lab.pairs.members import Indices
from similarity_lab.pairs.photos import Photos

KINDS = ("semi-hard", "hardest farther", "random")
SEMI_HARD, FARTHER, RANDOM = range(len(KINDS))

_BLOCK = 1024  # anchors whose distances to all candidates are held at once

Vectors = npt.NDArray[np.floating]
Embed = Callable[[Pixels], npt.ArrayLike]


class Embedded(NamedTuple):
    """Vectors ``(n, d)`` and the class ``(n,)`` of each."""

    vectors: Vectors
    codes: Indices


def semi_hard_negatives(
    anchors: Embedded,
    positives: Vectors,
    candidates: Embedded,
    *,
    margin: float,
    rng: np.random.Generator,
) -> tuple[Indices, Indices]:
    """Choose a negative among the candidates for every anchor.

    With d the Euclidean distance, p the positive and n a candidate of another class: one of those
    with d(a, p) < d(a, n) < d(a, p) + margin, each equally likely; else the nearest one with
    d(a, n) > d(a, p); else none. (FaceNet compares squared distances of vectors of length 1.)

    Parameters
    ----------
    anchors : Embedded
        m of them.
    positives : ndarray, shape (m, d)
    candidates : Embedded
        p of them; memory is 1,024 · p distances, whatever m is.
    margin : float
        Above 0, in the units of the vectors.
    rng : numpy.random.Generator

    Returns
    -------
    chosen : ndarray of int64, shape (m,)
        Position among the candidates; -1 for none.
    kinds : ndarray of int64, shape (m,)
        Position in `KINDS`: how each was chosen; the last one where there was none.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [1.1], [3.0]])
    >>> chosen, kinds = semi_hard_negatives(
    ...     Embedded(line[:1], np.array([0])),
    ...     line[1:2],
    ...     Embedded(line, np.array([0, 0, 1, 1])),
    ...     margin=0.5,
    ...     rng=np.random.default_rng(0),
    ... )
    >>> chosen.tolist(), [KINDS[kind] for kind in kinds]
    ([2], ['semi-hard'])
    """
    chosen, kinds = np.empty((2, len(anchors.codes)), np.int64)
    to_positive = np.linalg.norm(anchors.vectors - positives, axis=1)
    for start in range(0, len(chosen), _BLOCK):
        block = slice(start, start + _BLOCK)
        distances = euclidean_distances(anchors.vectors[block], candidates.vectors)
        near = to_positive[block, None]
        other = anchors.codes[block, None] != candidates.codes
        farther = other & (distances > near)
        semi_hard = farther & (distances < near + margin)
        drawn = np.where(semi_hard, rng.random(distances.shape), -1).argmax(axis=1)
        nearest = np.where(farther, distances, np.inf).argmin(axis=1)
        conditions = [semi_hard.any(axis=1), farther.any(axis=1)]
        chosen[block] = np.select(conditions, [drawn, nearest], -1)
        kinds[block] = np.select(conditions, [SEMI_HARD, FARTHER], RANDOM)
    return chosen, kinds


def shares(kinds: Indices) -> dict[str, float]:
    """Return which share of the negatives was chosen in which way, 0…1."""
    counts = np.bincount(kinds, minlength=len(KINDS)) / len(kinds)
    return dict(zip(KINDS, counts.tolist(), strict=True))


def embedded(embed: Embed, photos: Photos, positions: Indices, batch_size: int) -> Vectors:
    """Return the vectors ``(n, d)`` of photos, which are decoded a batch at a time."""
    parts = []
    for start in range(0, len(positions), batch_size):
        pixels = photos.pixels(positions[start : start + batch_size])
        vectors = np.asarray(embed(pixels))
        if vectors.ndim != 2 or len(vectors) != len(pixels) or vectors.dtype.kind != "f":
            raise InputError(
                f"embed must turn {pixels.shape} uint8 pixels into ({len(pixels)}, d) "
                f"floating-point vectors, got {vectors.shape} {vectors.dtype}"
            )
        if not np.isfinite(vectors).all():
            raise InputError(
                "embed gave vectors that are not finite, so no negative can be chosen by distance; "
                "has training diverged? a lower learning rate may help"
            )
        parts.append(vectors)
    return np.concatenate(parts)
