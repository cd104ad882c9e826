"""A similarity threshold from labelled photos, for comparators that have none of their own."""

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError


def balanced_threshold(target: npt.ArrayLike, others: npt.ArrayLike) -> float:
    """Return the distance that separates best: highest mean of the two classes' accuracies.

    Parameters
    ----------
    target : array of float, shape (n,)
        Distances of photos that show the target; smaller = more alike.
    others : array of float, shape (m,)
        Distances of photos that show something else.

    Returns
    -------
    float
        Half-way between the two distances around the best cut; the smallest of equally good ones.

    Examples
    --------
    >>> balanced_threshold([0.2, 0.3], [0.5, 0.9])
    0.4
    """
    from sklearn.metrics import roc_curve  # slow to import, and mostly thresholds are given

    near, far = np.asarray(target, np.float64), np.asarray(others, np.float64)
    if near.ndim != 1 or far.ndim != 1 or not near.size or not far.size:
        raise InputError("expected two non-empty lists of distances")
    values = np.concatenate([near, far])
    is_target = np.concatenate([np.ones(near.size), np.zeros(far.size)])
    false_rate, true_rate, cuts = roc_curve(is_target, -values, drop_intermediate=False)
    best = int(np.argmax(true_rate - false_rate))
    cut = -cuts[best]
    above = values[values > cut]
    if not np.isfinite(cut):  # nothing separates: call nothing similar
        return float(np.nextafter(values.min(), -np.inf))
    return float((cut + above.min()) / 2) if above.size else float(cut)
