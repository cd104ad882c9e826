"""Calibration: the distance up to which the label of the nearest neighbour is accepted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.errors import InputError, PromiseWarning, did_you_mean

Strategy = Literal["recall-at-precision", "precision-at-recall", "f1"]
STRATEGIES = ("recall-at-precision", "precision-at-recall", "f1")

CURVE_COLUMNS = ["threshold", "precision", "recall", "f1"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """A threshold, its promise, and the curve it was chosen on.

    Attributes
    ----------
    threshold : float or None
        Cosine distance up to which a nearest neighbour is a match. None: no threshold keeps the
        promise.
    strategy : {"recall-at-precision", "precision-at-recall", "f1"}
    minimum : float or None
        The precision, or the recall, that was asked for.
    curve : DataFrame
        ``threshold, precision, recall, f1`` at each distance that occurs, ascending.
    statement : str
        One sentence on the figures of the calibration images.
    """

    threshold: float | None
    strategy: Strategy
    minimum: float | None
    curve: pd.DataFrame
    statement: str

    @property
    def is_met(self) -> bool:
        """Whether the promise holds on the calibration images."""
        return self.threshold is not None


def precision_recall_curve(
    distances: npt.ArrayLike, is_correct: npt.ArrayLike, n_known: int
) -> pd.DataFrame:
    """Return precision, recall and F1 of every threshold on the distance of the nearest neighbour.

    Parameters
    ----------
    distances : array of float, shape (n,)
        Of each image to its nearest neighbour.
    is_correct : array of bool, shape (n,)
        Whether that neighbour's label is the image's. Never for an image of an unknown class.
    n_known : int
        How many of the images have a class that is in the index.

    Returns
    -------
    DataFrame
        ``threshold`` (each distance that occurs, ascending), ``precision`` (of the images with a
        match up to it, the share whose label is correct), ``recall`` (of the images of known
        classes, the share that has a match with the correct label), ``f1`` (their harmonic mean).

    Examples
    --------
    >>> precision_recall_curve([0.1, 0.2, 0.3], [True, False, True], 2).round(2)
       threshold  precision  recall    f1
    0        0.1       1.00     0.5  0.67
    1        0.2       0.50     0.5  0.50
    2        0.3       0.67     1.0  0.80
    """
    values = np.asarray(distances, np.float64)
    cuts, group = np.unique(values, return_inverse=True)
    n_accepted = np.cumsum(np.bincount(group, minlength=len(cuts)))
    n_correct = np.cumsum(np.bincount(group, np.asarray(is_correct, float), minlength=len(cuts)))
    precision, recall = n_correct / n_accepted, n_correct / max(n_known, 1)
    f1 = 2 * n_correct / (n_accepted + n_known)
    table = dict(zip(CURVE_COLUMNS, (cuts, precision, recall, f1), strict=True))
    return pd.DataFrame(table)


def calibrate(
    curve: pd.DataFrame,
    strategy: Strategy = "recall-at-precision",
    *,
    precision: float = 0.95,
    recall: float = 0.95,
) -> Calibration:
    """Choose a threshold on a curve.

    Parameters
    ----------
    curve : DataFrame
        From `precision_recall_curve`.
    strategy : {"recall-at-precision", "precision-at-recall", "f1"}
        The highest recall with a precision of at least `precision`; the highest precision with a
        recall of at least `recall`; the highest F1. Among equals the smallest threshold.
    precision, recall : float
        Above 0, at most 1.

    Returns
    -------
    Calibration

    Warns
    -----
    PromiseWarning
        If no threshold keeps the promise; the calibration then has none, and its statement says
        what is possible.
    """
    if strategy not in STRATEGIES:
        raise InputError(
            f"Unknown strategy {strategy!r}.{did_you_mean(strategy, STRATEGIES)} "
            f"Expected one of {', '.join(STRATEGIES)}"
        )
    if not (0 < precision <= 1 and 0 < recall <= 1):
        raise InputError(
            f"precision and recall are shares above 0 up to 1, got {precision} and {recall}"
        )
    if not len(curve):
        raise InputError("the curve has no rows; calibrate on at least one image")
    bound, goal, minimum = {
        "recall-at-precision": ("precision", "recall", precision),
        "precision-at-recall": ("recall", "precision", recall),
        "f1": ("f1", "f1", None),
    }[strategy]
    possible = curve if minimum is None else curve[curve[bound] >= minimum]
    if not len(possible):
        best = curve.iloc[int(curve[bound].argmax())]
        statement = (
            f"no threshold reaches a {bound} of {minimum:g} on these images; the highest is "
            f"{best[bound]:.3f}, up to distance {best['threshold']:.4f}"
        )
        warnings.warn(statement, PromiseWarning, stacklevel=3)
        return Calibration(None, strategy, minimum, curve, statement)
    row = possible.iloc[int(possible[goal].argmax())]
    promise = "highest F1" if minimum is None else f"highest {goal} with {bound} ≥ {minimum:g}"
    statement = (
        f"{promise}: up to distance {row['threshold']:.4f}, precision {row['precision']:.3f}, "
        f"recall {row['recall']:.3f}"
    )
    return Calibration(float(row["threshold"]), strategy, minimum, curve, statement)
