"""Semi-hard negatives: images of other classes only a little farther away than the positive.

Schroff, Kalenichenko, Philbin: FaceNet (CVPR 2015), https://doi.org/10.1109/CVPR.2015.7298682,
arXiv:1503.03832.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics.pairwise import euclidean_distances

from similarity_lab.pairs.indices import Indices

KINDS = ("semi-hard", "hardest farther", "random")
SEMI_HARD, FARTHER, RANDOM = range(len(KINDS))

_BLOCK = 1024  # anchors whose distances to all candidates are in memory at once

AnyFloats = npt.NDArray[np.floating]


class LabelledVectors(NamedTuple):
    """Vectors ``(n, d)`` and the class ``(n,)`` of each."""

    vectors: AnyFloats
    codes: Indices


def semi_hard_negatives(
    anchors: LabelledVectors,
    positives: AnyFloats,
    candidates: LabelledVectors,
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
    anchors : LabelledVectors
        m of them.
    positives : ndarray, shape (m, d)
    candidates : LabelledVectors
        p of them; memory is 1,024 · p distances, whatever m is.
    margin : float
        Above 0, in the units of the vectors.
    rng : numpy.random.Generator

    Returns
    -------
    negatives : ndarray of int64, shape (m,)
        Position among the candidates; -1 for none.
    kinds : ndarray of int64, shape (m,)
        How each was chosen, as a position in `KINDS`; the last one where there was none.

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [1.1], [3.0]])
    >>> negatives, kinds = semi_hard_negatives(
    ...     LabelledVectors(line[:1], np.array([0])),
    ...     line[1:2],
    ...     LabelledVectors(line, np.array([0, 0, 1, 1])),
    ...     margin=0.5,
    ...     rng=np.random.default_rng(0),
    ... )
    >>> negatives.tolist(), [KINDS[kind] for kind in kinds]
    ([2], ['semi-hard'])
    """
    negatives, kinds = np.empty((2, len(anchors.codes)), np.int64)
    to_positive = np.linalg.norm(anchors.vectors - positives, axis=1)
    for start in range(0, len(negatives), _BLOCK):
        block = slice(start, start + _BLOCK)
        distances = euclidean_distances(anchors.vectors[block], candidates.vectors)
        near = to_positive[block, None]
        is_other = anchors.codes[block, None] != candidates.codes
        is_farther = is_other & (distances > near)
        is_semi_hard = is_farther & (distances < near + margin)
        random = np.where(is_semi_hard, rng.random(distances.shape), -1).argmax(axis=1)
        nearest = np.where(is_farther, distances, np.inf).argmin(axis=1)
        conditions = [is_semi_hard.any(axis=1), is_farther.any(axis=1)]
        negatives[block] = np.select(conditions, [random, nearest], -1)
        kinds[block] = np.select(conditions, [SEMI_HARD, FARTHER], RANDOM)
    return negatives, kinds


def kind_shares(kinds: Indices) -> dict[str, float]:
    """Return the share of the negatives that was chosen in each way, 0…1."""
    counts = np.bincount(kinds, minlength=len(KINDS)) / len(kinds)
    return dict(zip(KINDS, counts.tolist(), strict=True))
