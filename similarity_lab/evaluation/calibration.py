"""Calibration of probabilities: reliability curve and expected calibration error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.errors import InputError
from similarity_lab.evaluation.truths import judged_truths


def reliability_curve(
    probability: npt.ArrayLike, truth: npt.ArrayLike, *, bins: int = 15
) -> pd.DataFrame:
    """Return predicted probabilities against observed frequencies, in bins of equal mass.

    Source: M. Naeini, G. Cooper, M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning", AAAI 2015 (with bins of equal width).

    Parameters
    ----------
    probability : array of float, shape (n,)
        Predicted probabilities, 0…1.
    truth : array of bool, shape (n,)
    bins : int
        Maximum number of bins; their sizes differ by at most one.

    Returns
    -------
    DataFrame
        One row per bin, by probability: predicted (mean probability), observed (fraction that is
        true), n (number of cases).

    Raises
    ------
    InputError
        For probabilities outside 0…1, truth values that are missing or neither True nor False, or
        arrays that do not match.

    Examples
    --------
    >>> reliability_curve([0.1, 0.1, 0.9, 0.9], [False, False, True, False], bins=2)
       predicted  observed  n
    0        0.1       0.0  2
    1        0.9       0.5  2
    """
    predicted, observed = judged_truths(probability, truth)
    if not predicted.size:
        raise InputError("expected at least one case, got none")
    check_bins(bins)
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    rows = [(predicted[part].mean(), observed[part].mean(), len(part)) for part in parts]
    table = pd.DataFrame(rows, columns=["predicted", "observed", "n"])
    return table.astype({"n": "Int64"})


def expected_calibration_error(
    probability: npt.ArrayLike, truth: npt.ArrayLike, *, bins: int = 15
) -> float:
    """Return the expected calibration error (ECE): mean gap of the reliability curve.

    Parameters
    ----------
    probability : array of float, shape (n,)
    truth : array of bool, shape (n,)
    bins : int

    Returns
    -------
    float
        0…1; 0 = perfectly calibrated: events predicted with probability p occur with frequency p.

    Examples
    --------
    >>> truth = [False, False, True, False]
    >>> round(expected_calibration_error([0.1, 0.1, 0.9, 0.9], truth, bins=2), 2)
    0.25
    """
    curve = reliability_curve(probability, truth, bins=bins)
    gaps = (curve["predicted"] - curve["observed"]).abs()
    return float(np.average(gaps, weights=curve["n"]))


def check_bins(bins: int) -> None:
    """Raise `InputError` unless there is at least one bin."""
    if bins < 1:
        raise InputError(f"bins must be at least 1, got {bins}")
