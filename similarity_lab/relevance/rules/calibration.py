"""From scores to probabilities: a likelihood ratio fitted on scores of held-out photos."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError
from similarity_lab.relevance.posterior import Floats
from similarity_lab.relevance.rules.prototypes import Prototypes, Scatter, Whitening

_FOLDS = 8
_HARD = 0.9  # quantile of the others' scores above which a photo is hard to tell
_EDGE = 0.9  # quantile of the references' scores that is mirrored to tell where their lower end is
_REACH = 0.1  # quantile of the references' scores up to which generated others may reach
_EVEN = 200  # points that stand for an even spread
_GENERATED = 0.5  # share of generated others that are taken to be harder than they are
_RIDGE = 1e-4  # on the slope, so that it stays finite where nothing overlaps
_LEAST_SLOPE = 1e-3  # a score never counts against the target


@dataclass(frozen=True)
class LikelihoodRatio:
    """Log of how much likelier a score is for the target than for anything else: a line.

    Fitted by logistic regression on scores of photos that were held out, target and others of
    equal weight. References mostly come from few places and are more like each other than photos
    from elsewhere are, which no held-out reference can show. So the target's weight does not follow
    their scores: it lies evenly between the hardest tenth of the others and the lowest tenth of the
    references, where a photo from anywhere may be. Where the lowest tenth begins is told by the
    highest, mirrored in the median, since the lowest may be photos of something else. A single
    reference cannot be held out; photos of the target are then expected anywhere up to its score.

    Generated counter-examples are too easy. With them the target's weight does follow the
    references, and half of the others' lies evenly between their hardest tenth and the lowest tenth
    of the references.

    Source: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999; the even spread
    is ours.

    Attributes
    ----------
    slope, offset : float
        Above 0; any.
    """

    slope: float
    offset: float

    @classmethod
    def fit(
        cls, target: Floats, others: Floats, weights: Floats, *, is_generated: bool = False
    ) -> "LikelihoodRatio":
        """Fit the line.

        Parameters
        ----------
        target, others : ndarray, shapes (n,) and (m,)
            Scores of held-out photos.
        weights : ndarray, shape (m,)
            Of the others.
        is_generated : bool
            Whether the others are generated photos.

        Examples
        --------
        >>> line = LikelihoodRatio.fit(np.array([2.0, 3.0]), np.array([-2.0, 0.0]), np.ones(2))
        >>> line(np.array([-3.0, 3.0])).round() > 0
        array([False,  True])
        """
        from scipy.optimize import minimize  # only who fits waits for it

        hard = _quantile(others, weights, _HARD)
        if len(target) == 1:  # it could not be held out: it says how high a score can be, no more
            shown = _even(hard, target.item())
        elif is_generated:
            shown = target
        else:
            highest = float(np.quantile(target, _EDGE))
            shown = _even(hard, 2 * float(np.median(target)) - highest)
        end = float(np.quantile(shown, _REACH))
        harder, share = _even(hard, end), _GENERATED if is_generated else 0.0
        scores = np.concatenate([shown, others, harder])
        positive = np.zeros(len(scores))
        positive[: len(shown)] = 1 / len(shown)
        negative = np.zeros(len(scores))
        negative[len(shown) :] = share / _EVEN
        negative[len(shown) : -_EVEN] = (1 - share) * weights / weights.sum()
        centre = np.average(scores, weights=positive + negative)

        def loss(line: Floats) -> tuple[float, Floats]:
            value = line[0] * (scores - centre) + line[1]
            wrong = negative * expit(value) - positive * expit(-value)
            total = positive @ np.logaddexp(0, -value) + negative @ np.logaddexp(0, value)
            gradient = np.array([wrong @ (scores - centre) + 2 * _RIDGE * line[0], wrong.sum()])
            return float(total + _RIDGE * line[0] ** 2), gradient

        found = minimize(
            loss,
            [1.0, 0.0],
            jac=True,
            method="L-BFGS-B",
            bounds=[(_LEAST_SLOPE, None), (None, None)],
        )
        slope, offset = found.x
        return cls(float(slope), float(offset - slope * centre))

    def __call__(self, scores: npt.ArrayLike) -> Floats:
        """Return log likelihood ratios, same shape; 0 = the score says nothing."""
        return self.slope * np.asarray(scores, np.float64) + self.offset


def probability(log_ratios: npt.ArrayLike, prior_share: float) -> Floats:
    """Return P(shows the target) of images, given their log likelihood ratios.

    Parameters
    ----------
    log_ratios : array of float
    prior_share : float
        Share of all images that show the target, before one is looked at; above 0, below 1.
    """
    return np.asarray(expit(np.asarray(log_ratios, np.float64) + logit(prior_share)))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of photos by prototypes that were made without them.

    Attributes
    ----------
    references : ndarray, shape (n,)
        Score of each reference.
    others : ndarray, shape (m,)
        Score of each other photo; none of its whole product was in the library then, since what a
        site shows besides the target is not in the library either.
    weights : ndarray, shape (m,)
        Every product counts alike.
    """

    references: Floats
    others: Floats
    weights: Floats


def cross_fit(
    references: Vectors, others: Vectors, labels: npt.NDArray[np.integer], seed: int
) -> HeldOut:
    """Score every photo of a library by prototypes that did not see it, nor its product.

    Parameters
    ----------
    references : ndarray, shape (n, d)
        Unit vectors of the target's photos.
    others : ndarray, shape (m, d)
    labels : integers, shape (m,)
        At least two different ones.
    seed : int
        Of the folds.
    """
    products, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(products) < 2:
        raise InputError(f"leaving products out takes at least two of them, got {len(products)}")
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
        held = fold_of_reference == fold
        kept = references[~held] if len(references) > 1 else references  # one cannot be held out
        scatter = Scatter.of(kept, np.zeros(len(kept), int))
        for other in (part for number, part in enumerate(parts) if number != fold):
            scatter += other
        seen = fold_of_other != fold
        prototypes = Prototypes.fit(
            kept, others[seen], codes[seen], Whitening.from_scatter(scatter)
        )
        reference_scores[held] = prototypes.scores(references[held])
        other_scores[~seen] = prototypes.scores(others[~seen])
    return HeldOut(reference_scores, other_scores, 1 / sizes[codes])


def _even(low: float, high: float) -> Floats:
    """Return points between the two; all of them `high` where that is the lower one."""
    return np.linspace(min(low, high), high, _EVEN)


def _quantile(values: Floats, weights: Floats, level: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, level)])
