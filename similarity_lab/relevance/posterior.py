"""The share of a site's catalogue that shows the target, from images of which none is certain."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SHARES = (np.arange(1000) + 0.5) / 1000
_MOST = 700.0  # log ratio whose exponential is still a number; an image cannot say more
_BLOCK = 256  # images whose weights of all shares are in memory at a time


@dataclass(frozen=True, eq=False)
class SharePosterior:
    """What the images of a site say about the share in its catalogue.

    The images are a sample of the catalogue. Each shows the target with probability s, the share;
    its score is then as likely as the likelihood ratio says. All shares are taken to be equally
    likely beforehand. Misses and false alarms are in the ratio, so the share needs no correction
    for them, and few or unclear images give a wide interval. However sure an image is, it is one
    image: no score outweighs several others.

    Attributes
    ----------
    weights : ndarray, shape (1000,)
        Probability of each thousandth of the way from 0 to 1.
    """

    weights: Floats

    @classmethod
    def of(cls, log_ratios: npt.ArrayLike) -> "SharePosterior":
        """Weigh all shares by the images' log likelihood ratios, shape (n,).

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
        """The likeliest share; 0 or 1 where the likelihood only falls or rises."""
        best = int(self.weights.argmax())
        if best in (0, len(_SHARES) - 1):
            return float(best > 0)
        return float(_SHARES[best])

    def at_least(self, share: float) -> float:
        """Return P(share in the catalogue ≥ `share`)."""
        return min(1.0, float(self.weights @ _part_above(share)))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the shortest interval that holds the share with this probability."""
        best, count = int(self.weights.argmax()), len(_SHARES)
        reached = np.concatenate([[0.0], np.cumsum(self.weights)])
        lows = np.arange(best + 1)  # it holds the likeliest share: there is one peak
        highs = np.searchsorted(reached, reached[lows] + confidence)
        lengths = np.where(highs <= count, np.maximum(highs, best + 1) - lows, count)
        low = int(lengths.argmin())
        return low / count, min(low + int(lengths[low]), count) / count


def influences(log_ratios: npt.ArrayLike, share: float) -> Floats:
    """Return by how much each image moves the log-odds of "the share is at least `share`".

    The log-odds with all images minus those without this one, shape (n,): above 0 speaks for.
    """
    total = _total(log_ratios)
    without = [_log_odds(total - each, share) for each in _log_likelihoods(log_ratios)]
    return _log_odds(total, share) - np.concatenate([*without, np.empty(0)])


def _log_likelihoods(log_ratios: npt.ArrayLike) -> Iterator[Floats]:
    """Yield, for a block of images at a time, how likely each is at each share, ``(b, 1000)``."""
    ratios = np.exp(np.clip(np.asarray(log_ratios, np.float64), -_MOST, _MOST))[:, None]
    for at in range(0, len(ratios), _BLOCK):
        yield np.log(_SHARES * ratios[at : at + _BLOCK] + (1 - _SHARES))


def _total(log_ratios: npt.ArrayLike) -> Floats:
    """Return how likely all images together are at each share, ``(1000,)``."""
    return sum((each.sum(axis=0) for each in _log_likelihoods(log_ratios)), np.zeros(len(_SHARES)))


def _weights(log_weights: Floats) -> Floats:
    """Return weights of shares, ``(…, 1000)``, the largest 1."""
    return np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))


def _part_above(share: float) -> Floats:
    """Return which part of each thousandth is at least the share, ``(1000,)``."""
    edges = np.linspace(0, 1, len(_SHARES) + 1)
    return np.clip((edges[1:] - share) * len(_SHARES), 0, 1)


def _log_odds(log_weights: Floats, share: float) -> Floats:
    """Return the log-odds of "at least the share" for each row of log weights."""
    weights = _weights(log_weights)
    above = np.clip(weights @ _part_above(share) / weights.sum(axis=-1), 1e-12, 1 - 1e-12)
    return np.log(above) - np.log1p(-above)
