"""Calibration: from scores to probabilities, fitted on the scores of held-out images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError
from similarity_lab.relevance.rules.prototypes import Floats, Prototypes, Scatter, Whitening

_FOLDS = 8
_HARD = 0.9  # quantile of the others' scores above which an image is hard
_EDGE = 0.9  # quantile of the references' scores, mirrored to estimate their lower end
_REACH = 0.1  # quantile of the references' scores up to which generated others are spread
_EVEN = 200  # points of an even spread
_GENERATED = 0.5  # weight of the generated others that is spread over harder scores
_RIDGE = 1e-4  # on the slope: keeps it finite for separable scores
_MIN_SLOPE = 1e-3  # a higher score never counts against the target


@dataclass(frozen=True)
class LikelihoodRatio:
    """Log likelihood ratio of a score, target against everything else: a linear function.

    Fitted by logistic regression (Platt scaling) on the scores of held-out images, target and
    others with equal weight. Reference images mostly come from few sources and resemble each other
    more than images from elsewhere do, which held-out references cannot show. The weight of the
    target is therefore not placed at their scores but spread evenly from the hardest tenth of the
    others to the lowest tenth of the references. The lowest tenth is estimated by mirroring the
    highest in the median, since the lowest references may be mislabelled. A single reference cannot
    be held out; the target is then spread up to its score.

    Generated counter-examples are too easy. With them the weight of the target stays at the
    references' scores, and half of the others' weight is spread evenly from their hardest tenth to
    the lowest tenth of the references.

    Source: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999. The even spread is
    an addition of this package.

    Attributes
    ----------
    slope : float
        Above 0.
    offset : float
    """

    slope: float
    offset: float

    @classmethod
    def fit(
        cls, target: Floats, others: Floats, weights: Floats, *, is_generated: bool = False
    ) -> "LikelihoodRatio":
        """Fit slope and offset.

        Parameters
        ----------
        target, others : ndarray, shapes (n,) and (m,)
            Scores of held-out images.
        weights : ndarray, shape (m,)
            Weights of the others.
        is_generated : bool
            Whether the others are generated images.

        Examples
        --------
        >>> target, others = np.array([2.0, 3.0]), np.array([-2.0, 0.0])
        >>> likelihood = LikelihoodRatio.fit(target, others, np.ones(2))
        >>> likelihood(np.array([-3.0, 3.0])).round() > 0
        array([False,  True])
        """
        from scipy.optimize import minimize  # deferred: slow import

        hard = _quantile(others, weights, _HARD)
        if len(target) == 1:  # it could not be held out: only an upper bound
            positives = _spread(hard, target.item())
        elif is_generated:
            positives = target
        else:
            highest = float(np.quantile(target, _EDGE))
            positives = _spread(hard, 2 * float(np.median(target)) - highest)
        end = float(np.quantile(positives, _REACH))
        harder, share = _spread(hard, end), _GENERATED if is_generated else 0.0
        scores = np.concatenate([positives, others, harder])
        positive = np.zeros(len(scores))
        positive[: len(positives)] = 1 / len(positives)
        negative = np.zeros(len(scores))
        negative[len(positives) :] = share / _EVEN
        negative[len(positives) : -_EVEN] = (1 - share) * weights / weights.sum()
        centre = np.average(scores, weights=positive + negative)

        def loss(line: Floats) -> tuple[float, Floats]:
            value = line[0] * (scores - centre) + line[1]
            wrong = negative * expit(value) - positive * expit(-value)
            total = positive @ np.logaddexp(0, -value) + negative @ np.logaddexp(0, value)
            gradient = np.array([wrong @ (scores - centre) + 2 * _RIDGE * line[0], wrong.sum()])
            return float(total + _RIDGE * line[0] ** 2), gradient

        optimum = minimize(
            loss,
            [1.0, 0.0],
            jac=True,
            method="L-BFGS-B",
            bounds=[(_MIN_SLOPE, None), (None, None)],
        )
        slope, offset = optimum.x
        return cls(float(slope), float(offset - slope * centre))

    def __call__(self, scores: npt.ArrayLike) -> Floats:
        """Return log likelihood ratios, same shape; 0 = no evidence."""
        return self.slope * np.asarray(scores, np.float64) + self.offset


def probability(log_ratios: npt.ArrayLike, prior_share: float) -> Floats:
    """Return P(shows the target) of images, given their log likelihood ratios.

    Parameters
    ----------
    log_ratios : array of float
    prior_share : float
        Prior probability that an image shows the target; above 0, below 1.

    Returns
    -------
    ndarray of float64, the same shape, 0…1
    """
    return np.asarray(expit(np.asarray(log_ratios, np.float64) + logit(prior_share)))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of images by prototypes that were fitted without them.

    Attributes
    ----------
    references : ndarray, shape (n,)
        Score of each reference.
    others : ndarray, shape (m,)
        Score of each other image, fitted without its whole product: what else a site shows is
        mostly not in the library either.
    weights : ndarray, shape (m,)
        Weights of the others; every product has the same total.
    """

    references: Floats
    others: Floats
    weights: Floats


def cross_fit(
    references: Vectors, others: Vectors, labels: npt.NDArray[np.integer], seed: int
) -> HeldOut:
    """Score every image of a library by prototypes fitted without it and without its product.

    Parameters
    ----------
    references : ndarray, shape (n, d)
        Unit vectors of the target's images.
    others : ndarray, shape (m, d)
        Unit vectors of the other images.
    labels : integers, shape (m,)
        Products of `others`, at least two.
    seed : int
        Of the folds.

    Raises
    ------
    InputError
        If there are fewer than two other products.
    """
    products, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(products) < 2:
        raise InputError(
            f"cross-fitting leaves products out and needs at least two, got {len(products)}"
        )
    folds = min(_FOLDS, len(products))
    rng = np.random.default_rng(seed)
    fold_of_product = rng.permutation(len(products)) % folds
    fold_of_reference = rng.permutation(len(references)) % folds
    fold_of_other = fold_of_product[codes]
    parts = [
        Scatter.of(others[fold_of_other == f], codes[fold_of_other == f]) for f in range(folds)
    ]
    reference_scores = np.empty(len(references))
    other_scores = np.empty(len(others))
    for fold in range(folds):
        is_held = fold_of_reference == fold
        rest = references[~is_held] if len(references) > 1 else references  # one cannot be held out
        scatter = Scatter.of(rest, np.zeros(len(rest), int))
        for other in (part for number, part in enumerate(parts) if number != fold):
            scatter += other
        is_seen = fold_of_other != fold
        prototypes = Prototypes.fit(
            rest, others[is_seen], codes[is_seen], Whitening.from_scatter(scatter)
        )
        reference_scores[is_held] = prototypes.scores(references[is_held])
        other_scores[~is_seen] = prototypes.scores(others[~is_seen])
    return HeldOut(reference_scores, other_scores, 1 / sizes[codes])


def _spread(low: float, high: float) -> Floats:
    """Return evenly spaced points from `low` to `high`; all equal `high` if it is the lower one."""
    return np.linspace(min(low, high), high, _EVEN)


def _quantile(values: Floats, weights: Floats, level: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(cumulative, level)])
