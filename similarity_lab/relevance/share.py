"""The posterior of the share of a site's catalogue that shows the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from similarity_lab.relevance.rules.prototypes import Floats

_SHARES = (np.arange(1000) + 0.5) / 1000
_MAX_LOG_RATIO = 700.0  # its exponential is still finite
_BLOCK = 256  # images processed at a time, which bounds memory

_UNTYPICAL = 0.05  # part of the target's images that look like nothing known

# Rivals: the site shows something that looks like the target. Compared on grocery sites, shop
# composites and real shops, see docs/benchmarks.md.
_RIVAL = 0.3  # weight of an unknown one
_UNKNOWN_RATIO = 2.0  # log likelihood ratio that an unknown one reaches, at least
_UNKNOWN_PART = 0.4  # or this part of what the references reach
_KNOWN_RIVALS = 6.0  # weight of the held-out products that look like the target, all together


@dataclass(frozen=True, eq=False)
class SharePosterior:
    """Probability of each share, given the images of a site.

    The images are a sample of the catalogue: each shows the target with probability s, the share.
    The prior of the share is uniform. Misses and false alarms are part of the likelihood ratios, so
    the share needs no correction for them; few or ambiguous images give a wide interval. A certain
    image counts as one image, regardless of its score. Some of the target's images may look like
    none of the references, the more so the fewer these are.

    With look-alikes the site may instead show a product that resembles the target, in which case
    none of its images is worth more than images of that product; its share of the target is 0.

    Attributes
    ----------
    weights : ndarray, shape (1000,)
        Probability of each of 1000 equal intervals of shares from 0 to 1, if the site shows no
        look-alike; they sum to 1.
    look_alike : float
        P(the site shows a look-alike instead).
    """

    weights: Floats
    look_alike: float = 0.0

    @classmethod
    def of(
        cls,
        log_ratios: npt.ArrayLike,
        look_alike_ratios: Sequence[float] | None = None,
        *,
        n_references: int = 30,
        reference_ratio: float = 0.0,
    ) -> SharePosterior:
        """Return the posterior given the log likelihood ratios of images, shape (n,).

        Parameters
        ----------
        log_ratios : array of float, shape (n,)
        look_alike_ratios : sequence of float, shape (k,), optional
            Median log likelihood ratio of each held-out product; None: no look-alikes.
        n_references : int
            Reference images of the target.
        reference_ratio : float
            Median log likelihood ratio of held-out references: products that nobody has seen may
            reach a part of it.

        Examples
        --------
        >>> posterior = SharePosterior.of([9.0, 9.0, -9.0])  # two of three show it
        >>> round(posterior.share, 1), round(posterior.at_least(0.25), 2)
        (0.7, 0.96)
        >>> round(SharePosterior.of([9.0, 9.0, -9.0], [-3.0, 8.0]).at_least(0.25), 2)
        0.91
        """
        caps, weights, untypical = _hypotheses(look_alike_ratios, n_references, reference_ratio)
        ratios = np.asarray(log_ratios, np.float64)
        totals = np.array([_total(np.minimum(ratios, cap), untypical) for cap in caps])
        return cls._from_totals(totals, weights)

    @classmethod
    def of_each_change(
        cls,
        log_ratios: npt.ArrayLike,
        new_ratio: float,
        look_alike_ratios: Sequence[float] | None = None,
        *,
        n_references: int = 30,
        reference_ratio: float = 0.0,
    ) -> Iterator[SharePosterior]:
        """Yield the posterior after each image in turn has another log likelihood ratio.

        Parameters
        ----------
        log_ratios, look_alike_ratios, n_references, reference_ratio
            As in `of`.
        new_ratio : float
            Of the changed image.

        Examples
        --------
        >>> changed = SharePosterior.of_each_change([9.0, 9.0, -9.0], -27.0)
        >>> [round(posterior.share, 1) for posterior in changed]
        [0.4, 0.4, 0.7]
        """
        caps, weights, untypical = _hypotheses(look_alike_ratios, n_references, reference_ratio)
        ratios = np.asarray(log_ratios, np.float64)
        totals = np.array([_total(np.minimum(ratios, cap), untypical) for cap in caps])
        new = _total_each(np.minimum(new_ratio, caps), untypical)
        for ratio in ratios:
            old = _total_each(np.minimum(ratio, caps), untypical)
            yield cls._from_totals(totals - old + new, weights)

    @classmethod
    def _from_totals(cls, totals: Floats, weights: Floats) -> SharePosterior:
        """Return the posterior given the log likelihood of each share under each hypothesis.

        The first row of `totals` (k, 1000) is that the site shows no look-alike; `weights` are
        prior log weights.
        """
        likelihoods = np.exp(totals[0] - totals[0].max())
        own = likelihoods / likelihoods.sum()
        if len(totals) == 1:
            return cls(own)
        evidence = weights + logsumexp(totals, axis=1)
        others = logsumexp(evidence[1:])
        return cls(own, float(np.exp(others - np.logaddexp(evidence[0], others))))

    @property
    def share(self) -> float:
        """The most probable share; exactly 0 or 1 if the posterior peaks there."""
        peak = int(self.weights.argmax())
        if self.look_alike > 0.5 or peak == 0:
            return 0.0
        return 1.0 if peak == len(_SHARES) - 1 else float(_SHARES[peak])

    def at_least(self, share: float) -> float:
        """Return P(share in the catalogue ≥ `share`)."""
        if share <= 0:
            return 1.0
        return (1 - self.look_alike) * min(1.0, float(self.weights @ _fraction_above(share)))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the shortest interval that contains the share with this probability.

        It starts at 0 if a look-alike is not improbable enough, and always contains `share`.
        """
        count, peak = len(_SHARES), int(self.weights.argmax())
        cumulative = np.concatenate([[0.0], np.cumsum(self.weights)])
        if self.look_alike > 1 - confidence:
            rest = (confidence - self.look_alike) / (1 - self.look_alike)
            high = int(np.searchsorted(cumulative, rest)) if rest > 0 else 0
            if self.share > 0:
                high = max(high, peak + 1)
            return 0.0, min(high, count) / count
        inside = confidence / (1 - self.look_alike)
        lows = np.arange(peak + 1)  # the interval contains the only peak
        highs = np.searchsorted(cumulative, cumulative[lows] + inside)
        lengths = np.where(highs <= count, np.maximum(highs, peak + 1) - lows, count)
        low = int(lengths.argmin())
        return low / count, min(low + int(lengths[low]), count) / count


def _rivals(
    look_alike_ratios: Sequence[float], reference_ratio: float
) -> list[tuple[float, float]]:
    """Return the highest log likelihood ratio and the weight of each rival hypothesis."""
    unknown = max(_UNKNOWN_RATIO, _UNKNOWN_PART * reference_ratio)
    weight = min(_RIVAL, _KNOWN_RIVALS / (len(look_alike_ratios) + 1))
    known = [(ratio, weight) for ratio in look_alike_ratios if ratio > unknown]
    return [(unknown, _RIVAL), *known]


def _hypotheses(
    look_alike_ratios: Sequence[float] | None, n_references: int, reference_ratio: float
) -> tuple[Floats, Floats, float]:
    """Return what no ratio exceeds under each hypothesis, its log weight, and `_UNTYPICAL`."""
    rivals = [] if look_alike_ratios is None else _rivals(look_alike_ratios, reference_ratio)
    caps = np.array([np.inf, *(top for top, _ in rivals)])
    weights = np.log([1 - _RIVAL, *(weight for _, weight in rivals)])
    return caps, weights, _UNTYPICAL + 1 / (n_references + 1)


def _total_each(ratios: Floats, untypical: float) -> Floats:
    """Return the log likelihood of each share given each of a few images, ``(n, 1000)``."""
    return np.concatenate(list(_log_likelihoods(ratios, untypical)))


def _log_likelihoods(ratios: Floats, untypical: float) -> Iterator[Floats]:
    """Yield the log likelihood of each share given each image, ``(b, 1000)``, block by block."""
    ratios = np.exp(np.clip(ratios, -_MAX_LOG_RATIO, _MAX_LOG_RATIO))[:, None]
    ratios = (1 - untypical) * ratios + untypical
    for start in range(0, len(ratios), _BLOCK):
        yield np.log(_SHARES * ratios[start : start + _BLOCK] + (1 - _SHARES))


def _total(ratios: Floats, untypical: float) -> Floats:
    """Return the log likelihood of each share given all images, ``(1000,)``."""
    blocks = (block.sum(axis=0) for block in _log_likelihoods(ratios, untypical))
    return sum(blocks, np.zeros(len(_SHARES)))


def _fraction_above(share: float) -> Floats:
    """Return the fraction of each interval that is at least the share, ``(1000,)``."""
    edges = np.linspace(0, 1, len(_SHARES) + 1)
    return np.clip((edges[1:] - share) * len(_SHARES), 0, 1)
