"""Choose a similarity threshold on labelled images."""

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError


def balanced_threshold(target: npt.ArrayLike, others: npt.ArrayLike) -> float:
    """Return the distance threshold with the highest balanced accuracy.

    Parameters
    ----------
    target : array of float, shape (n,)
        Distances of images that show the target; smaller = more alike.
    others : array of float, shape (m,)
        Distances of images that show something else.

    Returns
    -------
    float
        Midpoint between the two distances around the best cut; the smallest of equally good cuts.

    Raises
    ------
    InputError
        If one of the arrays is empty.

    Examples
    --------
    >>> balanced_threshold([0.2, 0.3], [0.5, 0.9])
    0.4
    """
    from sklearn.metrics import roc_curve  # deferred: slow import

    near, far = np.asarray(target, np.float64), np.asarray(others, np.float64)
    if near.ndim != 1 or far.ndim != 1 or not near.size or not far.size:
        raise InputError(
            f"expected two non-empty arrays of distances, got shapes {near.shape} and {far.shape}"
        )
    values = np.concatenate([near, far])
    is_target = np.concatenate([np.ones(near.size), np.zeros(far.size)])
    false_rate, true_rate, cuts = roc_curve(is_target, -values, drop_intermediate=False)
    best = int(np.argmax(true_rate - false_rate))
    cut = -cuts[best]
    above = values[values > cut]
    if not np.isfinite(cut):  # no cut is better than calling nothing similar
        return float(np.nextafter(values.min(), -np.inf))
    return float((cut + above.min()) / 2) if above.size else float(cut)
