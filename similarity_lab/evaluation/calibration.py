"""Do probabilities mean what they say?"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.errors import InputError


def reliability(
    probability: npt.ArrayLike, truth: npt.ArrayLike, *, bins: int = 15
) -> pd.DataFrame:
    """Return the reliability curve: what was said against what was so, in bins of equal mass.

    Source: M. Naeini, G. Cooper, M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning", AAAI 2015 (there with bins of equal width).

    Parameters
    ----------
    probability : array of float, shape (n,)
        0…1.
    truth : array of bool, shape (n,)
    bins : int
        At most n; each holds as many cases as the others, give or take one.

    Returns
    -------
    DataFrame
        One row per bin, in order: said (mean probability), so (share that is true), n.

    Examples
    --------
    >>> reliability([0.1, 0.1, 0.9, 0.9], [False, False, True, False], bins=2)
       said   so  n
    0   0.1  0.0  2
    1   0.9  0.5  2
    """
    said, so = np.asarray(probability, np.float64), np.asarray(truth, bool)
    if said.ndim != 1 or said.shape != so.shape or not said.size:
        raise InputError(
            f"expected as many probabilities as truths, got {said.shape} and {so.shape}"
        )
    if not ((said >= 0) & (said <= 1)).all():
        raise InputError("probabilities lie from 0 to 1")
    if bins < 1:
        raise InputError(f"bins must be at least 1, got {bins}")
    order = np.argsort(said, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    rows = [(said[part].mean(), so[part].mean(), len(part)) for part in parts]
    return pd.DataFrame(rows, columns=["said", "so", "n"])


def calibration_error(probability: npt.ArrayLike, truth: npt.ArrayLike, *, bins: int = 15) -> float:
    """Return the expected calibration error: mean distance of `reliability` from the diagonal.

    Parameters
    ----------
    probability : array of float, shape (n,)
    truth : array of bool, shape (n,)
    bins : int

    Returns
    -------
    float
        0…1, 0 = what is said with probability p is so in a share p of the cases.

    Examples
    --------
    >>> round(calibration_error([0.1, 0.1, 0.9, 0.9], [False, False, True, False], bins=2), 2)
    0.25
    """
    curve = reliability(probability, truth, bins=bins)
    return float(np.average((curve["said"] - curve["so"]).abs(), weights=curve["n"]))
