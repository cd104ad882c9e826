"""The posterior of the share of a site's catalogue that shows the target."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
"""Scores, log likelihood ratios and probabilities."""

_SHARES = (np.arange(1000) + 0.5) / 1000
_MAX_LOG_RATIO = 700.0  # its exponential is still finite
_BLOCK = 256  # images processed at a time, which bounds memory


@dataclass(frozen=True, eq=False)
class SharePosterior:
    """Probability of each share, given the images of a site.

    The images are a sample of the catalogue: each shows the target with probability s, the share.
    The prior of the share is uniform. Misses and false alarms are part of the likelihood ratios, so
    the share needs no correction for them; few or ambiguous images give a wide interval. A certain
    image still counts as one image, whatever its score.

    Attributes
    ----------
    weights : ndarray, shape (1000,)
        Probability of each of 1000 equal intervals of shares from 0 to 1; they sum to 1.
    """

    weights: Floats

    @classmethod
    def of(cls, log_ratios: npt.ArrayLike) -> "SharePosterior":
        """Return the posterior given the log likelihood ratios of images, shape (n,).

        Examples
        --------
        >>> posterior = SharePosterior.of([9.0, 9.0, -9.0])  # two of three show it
        >>> round(posterior.share, 1), round(posterior.at_least(0.25), 2)
        (0.7, 0.95)
        """
        weights = _weights(_total(log_ratios))
        return cls(weights / weights.sum())

    @property
    def share(self) -> float:
        """The most probable share; exactly 0 or 1 if the posterior peaks there."""
        peak = int(self.weights.argmax())
        if peak in (0, len(_SHARES) - 1):
            return float(peak > 0)
        return float(_SHARES[peak])

    def at_least(self, share: float) -> float:
        """Return P(share in the catalogue ≥ `share`)."""
        return min(1.0, float(self.weights @ _fraction_above(share)))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the shortest interval that contains the share with this probability."""
        peak, count = int(self.weights.argmax()), len(_SHARES)
        cumulative = np.concatenate([[0.0], np.cumsum(self.weights)])
        lows = np.arange(peak + 1)  # the interval contains the only peak
        highs = np.searchsorted(cumulative, cumulative[lows] + confidence)
        lengths = np.where(highs <= count, np.maximum(highs, peak + 1) - lows, count)
        low = int(lengths.argmin())
        return low / count, min(low + int(lengths[low]), count) / count


def influences(log_ratios: npt.ArrayLike, share: float) -> Floats:
    """Return how much each image changes the log-odds of "the share is at least `share`".

    Shape (n,): the log-odds with all images minus the log-odds without this one; above 0 = in
    favour.
    """
    total = _total(log_ratios)
    without = [_log_odds(total - block, share) for block in _log_likelihoods(log_ratios)]
    return _log_odds(total, share) - np.concatenate([*without, np.empty(0)])


def _log_likelihoods(log_ratios: npt.ArrayLike) -> Iterator[Floats]:
    """Yield the log likelihood of each share given each image, ``(b, 1000)``, block by block."""
    ratios = np.exp(np.clip(np.asarray(log_ratios, np.float64), -_MAX_LOG_RATIO, _MAX_LOG_RATIO))[
        :, None
    ]
    for start in range(0, len(ratios), _BLOCK):
        yield np.log(_SHARES * ratios[start : start + _BLOCK] + (1 - _SHARES))


def _total(log_ratios: npt.ArrayLike) -> Floats:
    """Return the log likelihood of each share given all images, ``(1000,)``."""
    return sum(
        (block.sum(axis=0) for block in _log_likelihoods(log_ratios)), np.zeros(len(_SHARES))
    )


def _weights(log_weights: Floats) -> Floats:
    """Return weights of shares, ``(…, 1000)``, scaled to a maximum of 1."""
    return np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))


def _fraction_above(share: float) -> Floats:
    """Return the fraction of each interval that is at least the share, ``(1000,)``."""
    edges = np.linspace(0, 1, len(_SHARES) + 1)
    return np.clip((edges[1:] - share) * len(_SHARES), 0, 1)


def _log_odds(log_weights: Floats, share: float) -> Floats:
    """Return the log-odds of "at least the share", for each row of log weights."""
    weights = _weights(log_weights)
    above = np.clip(weights @ _fraction_above(share) / weights.sum(axis=-1), 1e-12, 1 - 1e-12)
    return np.log(above) - np.log1p(-above)
