"""Prediction-powered inference: a share from predictions for all images and marks on some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from similarity_lab._numbers import percent
from similarity_lab.errors import InputError
from similarity_lab.evaluation.intervals import check_confidence
from similarity_lab.evaluation.truths import nullable_truths

Floats = npt.NDArray[np.float64]

_MOST = 0.75  # part of the capital that may be bet


@dataclass(frozen=True)
class ShareEstimate:
    """The share of images that show the target, from predictions and marks.

    Attributes
    ----------
    share : float
        Mean prediction, corrected by how wrong predictions are on the marked images, 0…1.
    low, high : float
        Confidence interval of the share among all these images, 0…1.
    n_marked, n_images : int
    confidence : float
    """

    share: float
    low: float
    high: float
    n_marked: int
    n_images: int
    confidence: float

    def __repr__(self) -> str:
        return (
            f"<share {self.share:.0%} ({percent(self.confidence)} CI {100 * self.low:.0f}–"
            f"{self.high:.0%}) from {self.n_marked} marks on {self.n_images} images>"
        )


def prediction_powered_share(
    predicted: npt.ArrayLike,
    marks: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> ShareEstimate:
    """Return the share of images that show the target, from predictions for all and marks on some.

    The estimate is that of A. Angelopoulos, S. Bates, C. Fannjiang, M. Jordan, T. Zrnic,
    "Prediction-powered inference", Science 382, 2023, https://doi.org/10.1126/science.adi6000: the
    mean prediction plus the mean error of the predictions on the marked images. The interval holds
    for any number of marks and however wrong predictions are. It is the intersection of two, each
    with half of the error: one by betting on these errors, without replacement (I. Waudby-Smith,
    A. Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86, 2024,
    https://doi.org/10.1093/jrsssb/qkad009), and the exact hypergeometric interval of the marks
    alone. Good predictions make it narrower from some 50 marks; with fewer the marks decide.

    Parameters
    ----------
    predicted : array of float, shape (n,)
        P(shows the target) of every image, 0…1, from before the marks.
    marks : array of bool, None or NaN, shape (n,)
        Whether an image shows the target; None or NaN: not marked. The marked images must be a
        simple random sample, not those that looked most interesting.
    confidence : float
        Above 0 and below 1.
    seed : int
        Seed of the order in which the marks are bet on.

    Raises
    ------
    InputError
        For arrays that do not match, values out of range, or no marks.

    Examples
    --------
    >>> predicted = np.r_[np.full(60, 0.9), np.full(140, 0.05)]
    >>> marks = np.full(200, np.nan)
    >>> marks[::2] = predicted[::2] > 0.5
    >>> prediction_powered_share(predicted, marks)
    <share 30% (95% CI 26–34%) from 100 marks on 200 images>
    """
    f = np.asarray(predicted, np.float64)
    y = nullable_truths(np.asarray(marks, object).ravel()).to_numpy(float, na_value=np.nan)
    if f.ndim != 1 or f.shape != np.shape(marks):
        raise InputError(
            f"expected one mark (or None) per prediction, got shapes {f.shape} and "
            f"{np.shape(marks)}"
        )
    if not ((f >= 0) & (f <= 1)).all():
        raise InputError("expected predicted probabilities from 0 to 1")
    check_confidence(confidence)
    rows = np.flatnonzero(~np.isnan(y))
    if not rows.size:
        raise InputError("no image is marked; mark a random sample of them")
    rows = np.random.default_rng(seed).permutation(rows)  # a sample drawn in random order
    tail = (1 - confidence) / 2
    counts = np.arange(len(f) + 1)  # candidates: the number of images that show the target
    is_possible = _by_counts(y[rows], counts, tail) & _by_errors(f, y[rows], rows, counts, tail)
    # both intervals contain the truth unless one of them fails; if they contradict, keep the marks'
    if not is_possible.any():
        is_possible = _by_counts(y[rows], counts, tail)
    low, high = counts[is_possible][[0, -1]] / len(f)
    share = float(np.clip(f.mean() + (y[rows] - f[rows]).mean(), low, high))
    return ShareEstimate(share, float(low), float(high), len(rows), len(f), confidence)


def _by_counts(y: Floats, counts: npt.NDArray[np.intp], error: float) -> npt.NDArray[np.bool_]:
    """Return which numbers of images agree with the marks alone (exact, two-sided)."""
    size, n, k = counts[-1], len(y), int(y.sum())
    hits = np.arange(n + 1)
    with np.errstate(invalid="ignore"):
        logs = (
            _log_choose(counts[:, None], hits)
            + _log_choose(size - counts[:, None], n - hits)
            - _log_choose(size, n)
        )
    chances = np.exp(logs)  # P(hits | count), rows sum to 1
    at_least, at_most = chances[:, k:].sum(1), chances[:, : k + 1].sum(1)
    return (at_least > error / 2) & (at_most > error / 2)


def _log_choose(n: npt.ArrayLike, k: npt.ArrayLike) -> Floats:
    n, k = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(k, np.float64))
    is_valid = (k >= 0) & (k <= n)
    n, k = np.where(is_valid, n, 0), np.where(is_valid, k, 0)
    logs = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.where(is_valid, logs, -np.inf)


def _by_errors(
    f: Floats, y: Floats, rows: npt.NDArray[np.intp], counts: npt.NDArray[np.intp], error: float
) -> npt.NDArray[np.bool_]:
    """Return which numbers of images a gambler on the errors of the predictions cannot refute.

    Under a candidate the mean of the errors that are still to come is known, so that bets on the
    next one are fair, and capital above ``1 / error`` is improbable (Ville).
    """
    size, n = len(f), len(rows)
    x = (y - f[rows] + 1) / 2  # errors of predictions, scaled to 0…1
    total = ((counts - f.sum()) + size) / 2  # sum of x over all images under each candidate
    up, down = np.zeros(len(counts)), np.zeros(len(counts))  # log capital
    is_refuted = np.zeros(len(counts), bool)
    mean, spread, seen = 0.5, 0.25, 0.0  # running, regularised
    for index, value in enumerate(x):
        expected = (total - seen) / (size - index)
        is_refuted |= (expected < -1e-9) | (expected > 1 + 1e-9)
        expected = expected.clip(1e-9, 1 - 1e-9)
        bet = np.sqrt(2 * np.log(2 / error) / (n * spread / (index + 1)))
        gain = value - expected
        up += np.log1p(np.minimum(bet, _MOST / expected) * gain)
        down += np.log1p(-np.minimum(bet, _MOST / (1 - expected)) * gain)
        is_refuted |= np.maximum(up, down) >= np.log(2 / error)
        seen += value
        mean = (0.5 + seen) / (index + 2)
        spread += (value - mean) ** 2
    return ~is_refuted
