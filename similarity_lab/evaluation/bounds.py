"""Bounds on errors that hold with a stated confidence, and a threshold that keeps one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import bdtr, betaincinv  # not scipy.stats, which takes a second to import

from similarity_lab._numbers import percent
from similarity_lab.errors import InputError
from similarity_lab.evaluation.intervals import check_confidence
from similarity_lab.evaluation.truths import judged_truths

THRESHOLDS = (0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
"""Thresholds that `bounded_threshold` tests, in this order."""


@dataclass(frozen=True, eq=False)
class BoundedThreshold:
    """A probability from which errors stay below a limit, with a stated confidence.

    Attributes
    ----------
    threshold : float or None
        Smallest threshold that passed; None if none did.
    error : float
        The limit, 0…1.
    confidence : float
        Of all samples of judged cases, at least this part gives a threshold that keeps the limit
        (or none), 0…1.
    tests : DataFrame
        One row per threshold in the order of testing, up to the first that failed: threshold, n
        (cases above it), n_wrong, bound (`error_bound` of this threshold alone), p_value, passed.
    reason : str
        Why the next threshold failed; empty if all passed.
    """

    threshold: float | None
    error: float
    confidence: float
    tests: pd.DataFrame
    reason: str

    def __repr__(self) -> str:
        if self.threshold is None:
            return f"<no threshold keeps errors below {percent(self.error)}: {self.reason}>"
        return (
            f"<probability ≥ {self.threshold:g}: at most {percent(self.error)} wrong, with "
            f"{percent(self.confidence)} confidence>"
        )


def error_bound(n_wrong: int, n: int, confidence: float = 0.95) -> float:
    """Return the one-sided Clopper-Pearson bound of an error rate.

    Source: C. Clopper, E. Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the
    Case of the Binomial", 1934, https://doi.org/10.1093/biomet/26.4.404.

    Parameters
    ----------
    n_wrong, n : int
        Errors among `n` cases drawn independently.
    confidence : float
        Above 0 and below 1.

    Returns
    -------
    float
        0…1; of all samples, at least the part `confidence` gives a bound that is not below the true
        error rate. 1 without cases.

    Examples
    --------
    >>> round(error_bound(0, 30), 3)  # not one wrong among 30
    0.095
    """
    if not 0 <= n_wrong <= n:
        raise InputError(f"expected 0 <= n_wrong <= n, got {n_wrong} of {n}")
    check_confidence(confidence)
    return 1.0 if n_wrong == n else float(betaincinv(n_wrong + 1, n - n_wrong, confidence))


def bounded_threshold(
    probability: npt.ArrayLike,
    truth: npt.ArrayLike,
    *,
    error: float = 0.1,
    confidence: float = 0.95,
    thresholds: Sequence[float] = THRESHOLDS,
) -> BoundedThreshold:
    """Return the smallest threshold above which errors are rare, with a stated confidence.

    "Of the sites with at least this probability, at most 10% do not sell it, with 95% confidence."
    Thresholds are tested in the order given, each by an exact binomial test on the cases above it,
    until one fails: learn then test with fixed-sequence testing (A. Angelopoulos, S. Bates,
    E. Candès, M. Jordan, L. Lei, "Learn then Test", 2021, https://arxiv.org/abs/2110.01052). The
    statement is about cases like the judged ones: drawn at random from those that it will be used
    on, judged independently, and not used to tune or fit anything.

    Parameters
    ----------
    probability : array of float, shape (n,)
        0…1. For the error of "irrelevant" pass ``1 - probability`` and ``~truth``.
    truth : array of bool, shape (n,)
    error : float
        Limit of the error rate above the threshold; above 0 and below 1.
    confidence : float
        Above 0 and below 1.
    thresholds : sequence of float
        Chosen before looking at the judged cases. The first needs enough cases above it: 29 for the
        default error and confidence if none of them is wrong, 46 if one is.

    Raises
    ------
    InputError
        For arrays that do not match, numbers out of range, or truth values that are missing or
        neither True nor False.

    Examples
    --------
    >>> probability = np.r_[np.linspace(0.91, 0.99, 40), np.full(9, 0.6)]
    >>> bounded_threshold(probability, probability > 0.7)
    <probability ≥ 0.65: at most 10% wrong, with 95% confidence>
    """
    values, is_true = judged_truths(probability, truth)
    if not 0 < error < 1:
        raise InputError(f"error must be above 0 and below 1, got {error}")
    check_confidence(confidence)
    if not len(thresholds):
        raise InputError("expected at least one threshold to test")
    rows, kept, reason = [], None, ""
    for threshold in thresholds:
        is_above = values >= threshold
        n, n_wrong = int(is_above.sum()), int((is_above & ~is_true).sum())
        p_value = float(bdtr(n_wrong, n, error)) if n else 1.0  # P(so few errors | rate = error)
        passed = p_value <= 1 - confidence
        bound = error_bound(n_wrong, n, confidence)
        rows.append((threshold, n, n_wrong, bound, p_value, passed))
        if not passed:
            needed = int(np.ceil(np.log(1 - confidence) / np.log(1 - error)))
            reason = f"from {threshold:g}, {n_wrong} wrong of {n}" + (
                f"; at least {needed} cases are needed" if n < needed else ""
            )
            break
        kept = float(threshold)
    columns = ["threshold", "n", "n_wrong", "bound", "p_value", "passed"]
    tests = pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "n_wrong": "Int64"})
    return BoundedThreshold(kept, error, confidence, tests, reason)
