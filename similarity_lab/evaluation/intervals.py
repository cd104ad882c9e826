"""Confidence intervals: Wilson score and bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri  # not scipy.stats, which takes a second to import

from similarity_lab.errors import InputError


def wilson_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    1927, https://doi.org/10.1080/01621459.1927.10502953.

    Parameters
    ----------
    count, total : int
        `total` at least 1.
    confidence : float
        Above 0 and below 1.

    Returns
    -------
    low, high : float
        0…1.

    Examples
    --------
    >>> low, high = wilson_interval(1, 3)
    >>> round(low, 2), round(high, 2)
    (0.06, 0.79)
    """
    if not 0 <= count <= total or total < 1:
        raise InputError(f"expected 0 <= count <= total and total >= 1, got {count} of {total}")
    check_confidence(confidence)
    z = float(ndtri((1 + confidence) / 2))
    share, spread = count / total, z * z / total
    centre = share + spread / 2
    reach = z * math.sqrt(share * (1 - share) / total + spread / total / 4)
    # exact at the ends, without rounding errors
    low = 0.0 if count == 0 else (centre - reach) / (1 + spread)
    high = 1.0 if count == total else (centre + reach) / (1 + spread)
    return low, high


def bootstrap_interval(
    statistic: Callable[[npt.NDArray[np.intp]], float],
    size: int,
    *,
    seed: int,
    repeats: int = 1000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic.

    Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Parameters
    ----------
    statistic : callable
        Takes indices (n,) drawn with replacement from ``range(size)`` and returns a float; results
        that are not finite (for example an AUC of a resample without positives) are left out.
    size : int
        Number of observations.
    seed : int
    repeats : int
        Number of resamples.
    confidence : float
        Above 0 and below 1.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> values = np.arange(100)
    >>> low, high = bootstrap_interval(lambda index: values[index].mean(), 100, seed=0)
    >>> bool(low < values.mean() < high)
    True
    """
    check_confidence(confidence)
    rng = np.random.default_rng(seed)
    results = np.array([statistic(rng.integers(0, size, size)) for _ in range(repeats)])
    results = results[np.isfinite(results)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(results, [tail, 1 - tail])
    return float(low), float(high)


def check_confidence(confidence: float) -> None:
    """Raise `InputError` unless the confidence is above 0 and below 1."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be above 0 and below 1, got {confidence}")
