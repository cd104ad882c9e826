"""Choose a similarity threshold from the distances of labelled images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError


def balanced_threshold(positives: npt.ArrayLike, negatives: npt.ArrayLike) -> float:
    """Return the distance threshold with the highest balanced accuracy.

    Parameters
    ----------
    positives : array of float, shape (n,)
        Distances of images that show the target; smaller = more alike.
    negatives : array of float, shape (m,)
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

    groups = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    if any(group.ndim != 1 or not group.size for group in groups):
        raise InputError(
            "expected two non-empty arrays of distances, "
            f"got shapes {groups[0].shape} and {groups[1].shape}"
        )
    values = np.concatenate(groups)
    is_target = np.repeat([1, 0], [group.size for group in groups])
    false_rate, true_rate, cuts = roc_curve(is_target, -values, drop_intermediate=False)
    best = int(np.argmax(true_rate - false_rate))
    cut = -cuts[best]
    above = values[values > cut]
    if not np.isfinite(cut):  # best if all are rejected
        return float(np.nextafter(values.min(), -np.inf))
    return float((cut + above.min()) / 2) if above.size else float(cut)
