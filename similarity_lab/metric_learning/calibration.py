"""How near is near enough: the threshold below which a nearest neighbour's label is believed."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.errors import InputError, PromiseWarning

Strategy = Literal["recall-at-precision", "precision-at-recall", "f1"]
STRATEGIES = ("recall-at-precision", "precision-at-recall", "f1")

CURVE_COLUMNS = ["threshold", "precision", "recall", "f1"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """A threshold, what it promises, and the curve it was chosen on.

    Attributes
    ----------
    threshold : float or None
        Cosine distance: a nearest neighbour up to it is a match. None: the promise cannot be met.
    strategy : {"recall-at-precision", "precision-at-recall", "f1"}
    least : float or None
        The precision, or the recall, that was asked for.
    curve : DataFrame
        ``threshold, precision, recall, f1`` at each distance where something changes, ascending.
    statement : str
        In a sentence what holds on the calibration photos.
    """

    threshold: float | None
    strategy: Strategy
    least: float | None
    curve: pd.DataFrame
    statement: str

    @property
    def met(self) -> bool:
        """Whether the promise holds on the calibration photos."""
        return self.threshold is not None


def precision_recall_curve(
    distances: npt.ArrayLike, is_right: npt.ArrayLike, n_known: int
) -> pd.DataFrame:
    """Return what every threshold on the distance of the nearest neighbour does.

    Parameters
    ----------
    distances : array of float, shape (n,)
        Of each photo to its nearest neighbour.
    is_right : array of bool, shape (n,)
        Whether that neighbour's label is the photo's. Never, for a photo of an unknown class.
    n_known : int
        How many of the photos have a class that is in the index.

    Returns
    -------
    DataFrame
        ``threshold`` (each distance that occurs, ascending), ``precision`` (of the photos with a
        match up to it, the share whose label is right), ``recall`` (of the photos with a known
        class, the share that has a match with the right label), ``f1`` (their harmonic mean).

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
    accepted = np.cumsum(np.bincount(group, minlength=len(cuts)))
    right = np.cumsum(np.bincount(group, np.asarray(is_right, float), minlength=len(cuts)))
    precision, recall = right / accepted, right / max(n_known, 1)
    f1 = 2 * right / (accepted + n_known)
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
        recall of at least `recall`; the highest F1. Of equals the smaller threshold.
    precision, recall : float
        Above 0, at most 1.

    Returns
    -------
    Calibration

    Warns
    -----
    PromiseWarning
        If no threshold keeps the promise; the calibration then has none and says what there is.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    if not (0 < precision <= 1 and 0 < recall <= 1):
        raise InputError(
            f"precision and recall are shares above 0 up to 1, got {precision} and {recall}"
        )
    if not len(curve):
        raise InputError("the curve has no rows; calibrate on at least one photo")
    wanted, goal, least = {
        "recall-at-precision": ("precision", "recall", precision),
        "precision-at-recall": ("recall", "precision", recall),
        "f1": ("f1", "f1", None),
    }[strategy]
    possible = curve if least is None else curve[curve[wanted] >= least]
    if not len(possible):
        best = curve.iloc[int(curve[wanted].argmax())]
        statement = (
            f"no threshold reaches a {wanted} of {least:g} on these photos; the highest is "
            f"{best[wanted]:.3f}, up to distance {best['threshold']:.4f}"
        )
        warnings.warn(statement, PromiseWarning, stacklevel=3)
        return Calibration(None, strategy, least, curve, statement)
    chosen = possible.iloc[int(possible[goal].argmax())]
    asked = "highest F1" if least is None else f"highest {goal} with {wanted} ≥ {least:g}"
    statement = (
        f"{asked}: up to distance {chosen['threshold']:.4f}, precision {chosen['precision']:.3f}, "
        f"recall {chosen['recall']:.3f}"
    )
    return Calibration(float(chosen["threshold"]), strategy, least, curve, statement)
