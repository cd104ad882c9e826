"""Pairs as positions of images: they hold no pixels, so they are small whatever the photos are."""

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError
from similarity_lab.pairs.members import Indices, IsSame, LabelsLike, Members


def pair_indices(
    labels: LabelsLike, *, seed: int, anchors: npt.ArrayLike | None = None
) -> tuple[Indices, IsSame]:
    """Draw a positive and a negative partner for every anchor.

    The positive is another image of the anchor's class, each equally likely. For the negative a
    class is drawn first, each of the others equally likely, and then an image of it: drawn over
    the images, a large class (background, say) would crowd out the small ones.

    Parameters
    ----------
    labels : integers or strings, shape (n,)
    seed : int
        Equal seeds give equal pairs.
    anchors : integers, shape (m,), optional
        Positions of the images that are paired; default: every image once, in order.

    Returns
    -------
    indices : ndarray of int64, shape (2m, 2)
        Positions in `labels`, anchor first, in order positive, negative, positive, negative …
        Rows 2i and 2i + 1 belong to anchor i.
    is_same : ndarray of float32, shape (2m, 1)
        1 for the same class, 0 for different classes.

    Raises
    ------
    ValueError
        For labels of one class only, labels that are neither integers nor strings, and anchors
        that are no positions in `labels`.

    Warns
    -----
    UserWarning
        If an anchor is the only image of its class: its positive is itself.

    Examples
    --------
    >>> indices, is_same = pair_indices(["almonds", "almonds", "dates", "dates"], seed=0)
    >>> indices[0::2].tolist()  # two images a class: the positive is the other one
    [[0, 1], [1, 0], [2, 3], [3, 2]]
    >>> is_same.ravel().tolist()
    [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    """
    members = Members.of(labels)
    chosen = _checked_anchors(anchors, len(members.codes))
    members.warn_of_singles(chosen, members.values)
    return members.pairs(chosen, np.random.default_rng(seed))


def _checked_anchors(anchors: npt.ArrayLike | None, count: int) -> Indices:
    if anchors is None:
        return np.arange(count)
    chosen = np.asarray(anchors)
    if chosen.ndim != 1 or not (np.issubdtype(chosen.dtype, np.integer) or not len(chosen)):
        raise InputError(
            f"expected anchors (m,), positions of images, got {chosen.shape} {chosen.dtype}; "
            "np.flatnonzero(mask) turns a mask into positions"
        )
    if len(chosen) and not 0 <= chosen.min() <= chosen.max() < count:
        raise InputError(
            f"anchors must be positions in the {count} labels, 0…{count - 1}, "
            f"got {chosen.min()}…{chosen.max()}"
        )
    return chosen.astype(np.int64)
