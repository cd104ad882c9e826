"""Calibration: from scores to log likelihood ratios, anchored on the scores of held-out images."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

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

# Fitted once for all embedders on the images of grocery sites, shop composites and real shops, see
# docs/benchmarks.md; `python -m benchmarks.rule_constants` fits them again.
_SLOPE = 2.6  # log likelihood ratio per unit of score
_OFFSET = 1.85  # log likelihood ratio at the anchor
_TOP = 0.05  # part of the other images that lies above the anchor; at most one product's
_PULL = 0.1  # weight of the references' median in the anchor
_MANY_PRODUCTS = 20  # fewer say too little about the upper end
_FEW_PRODUCTS = 10  # fewer were trustworthy under no rule
_CHANCE, _LEARNED = 0.6, 0.75  # separability at which nothing, and enough, was learned
_MANY_REFERENCES = 50  # of more, quantiles are kept
_BLIND = 0.7  # reliability of scores that were not measured on any reference
_GENERATED_PRODUCTS = 3  # as many real products tell as much as the generated images

# How far scores and margins spread within a product: 0.5 and 0.1 with the packaged networks,
# whatever the photos show. The constants above hold up to these, which the packaged networks do not
# exceed; see docs/benchmarks.md.
_MAX_SPREAD = 0.75
_MAX_MARGIN_SPREAD = 0.135

# Mean likelihood ratio of other images, those above the anchor counted as if at it. A likelihood
# ratio has the mean 1 over what it counts against; with the packaged networks this part of it is
# 0.6 at most on groceries. It is more where scores of all images are close together, as in whitened
# spaces and in photos of many shops. Lower bounds make images of rare products fit better and those
# of frequent ones worse: calibration errors on shops and on composites are 0.019 and 0.036 with a
# bound of 0.6, 0.029 and 0.020 with 0.8, 0.032 and 0.018 with 1; see docs/benchmarks.md.
_MAX_MEAN_RATIO = 0.8
_MAX_STEEPER = 32.0


@dataclass(frozen=True)
class LikelihoodRatio:
    """Log likelihood ratio of a score, target against everything else: a linear function.

    Attributes
    ----------
    slope : float
        At least 0.
    offset : float
    """

    slope: float
    offset: float

    @classmethod
    def calibrated(cls, held_out: "HeldOut", *, is_generated: bool = False) -> "LikelihoodRatio":
        """Return the line for the scores of held-out images.

        How high products outside the library score is told by products held out of it: the line
        passes through the same value near their upper end in every library, with the same slope.
        That transfers from photos of one kind to photos of another where a line fitted to each
        library does not. If scores are noisier than those that the slope was fitted on, the line is
        flatter, see `HeldOut.noise`; if they are so close together that the mean likelihood ratio
        of the others would be too large, it is steeper. Below twenty other products the upper end
        is not known well; the line is then mixed with that of `platt`. It is flattened by
        `HeldOut.reliability`.

        Parameters
        ----------
        held_out : HeldOut
        is_generated : bool
            Whether the others are generated images, which say little about real products.

        Examples
        --------
        >>> scores, margins = np.array([-4.0, -2.0]), np.array([-0.3, -0.1])
        >>> products = np.array([0, 1])
        >>> held_out = HeldOut(scores + 5, scores, margins + 0.5, margins, products)
        >>> line = LikelihoodRatio.calibrated(held_out)
        >>> line([-4.0, 3.0]).round() > 0
        array([False,  True])
        """
        weight = 0.0 if is_generated else min(1.0, held_out.n_products / _MANY_PRODUCTS)
        slope = _SLOPE / held_out.noise(held_out.others, _MAX_SPREAD)
        slope *= _steepness(slope * (held_out.others - held_out.anchor), held_out.weights)
        line = cls(slope, _OFFSET - slope * held_out.anchor)
        if weight < 1:
            own = cls.platt(
                held_out.references, held_out.others, held_out.weights, is_generated=is_generated
            )
            line = cls(
                weight * line.slope + (1 - weight) * own.slope,
                weight * line.offset + (1 - weight) * own.offset,
            )
        factor = held_out.reliability(is_generated=is_generated)
        return cls(factor * line.slope, factor * line.offset)

    @classmethod
    def platt(
        cls, target: Floats, others: Floats, weights: Floats, *, is_generated: bool = False
    ) -> "LikelihoodRatio":
        """Return the line fitted to the scores by logistic regression (Platt scaling).

        Target and others have equal weight. Reference images mostly come from few sources and
        resemble each other more than images from elsewhere do, which held-out references cannot
        show. The weight of the target is therefore not placed at their scores but spread evenly
        from the hardest tenth of the others to the lowest tenth of the references. The lowest tenth
        is estimated by mirroring the highest in the median, since the lowest references may be
        mislabelled. A single reference cannot be held out; the target is then spread up to its
        score.

        Generated counter-examples are too easy. With them the weight of the target stays at the
        references' scores, and half of the others' weight is spread evenly from their hardest tenth
        to the lowest tenth of the references.

        Source: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999. The even spread
        is an addition of this package.

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
        >>> likelihood = LikelihoodRatio.platt(target, others, np.ones(2))
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
    reference_margins, margins : ndarray, shapes (n,) and (m,)
        Margins of the same images, as `Comparison` describes them.
    products : ndarray of int, shape (m,)
        Product of each of the others, 0…k-1.
    """

    references: Floats
    others: Floats
    reference_margins: Floats
    margins: Floats
    products: npt.NDArray[np.intp]

    @property
    def n_products(self) -> int:
        """Number of other products."""
        return int(self.products.max()) + 1

    @cached_property
    def weights(self) -> Floats:
        """Weights of the others, shape (m,); every product has the same total, 1."""
        return 1 / np.bincount(self.products)[self.products]

    @property
    def anchor(self) -> float:
        """Score at the upper end of the others, pulled a little towards the references."""
        return (1 - _PULL) * self.top_of(self.others) + _PULL * float(np.median(self.references))

    def top_of(self, values: Floats) -> float:
        """Return the upper end of the others' values, shape (m,).

        5 % lie above it; of few products more, since one product in k + 1 may look like the target.
        """
        above = max(_TOP, 1 / (self.n_products + 1))
        return _quantile(values, self.weights, 1 - above)

    @cached_property
    def separability(self) -> float:
        """P(a reference scores above an image of another product), the area under the ROC curve.

        0.5 = the target was not learned, 1 = it was learned perfectly. Products count alike.
        """
        order = np.argsort(self.others)
        below = np.concatenate([[0.0], np.cumsum(self.weights[order])])
        first, last = (
            np.searchsorted(self.others[order], self.references, side) for side in ("left", "right")
        )
        return float((below[first] + below[last]).mean() / 2 / below[-1])

    def reliability(self, *, is_generated: bool = False) -> float:
        """Return how far the scores can be trusted, 0…1.

        It falls with fewer references, with fewer other products, and if held-out references score
        like other products. Generated others count as three products.
        """
        n_references = len(self.references)
        n_products = _GENERATED_PRODUCTS if is_generated else self.n_products
        size = 1.35 * n_references / (n_references + 1) * n_products / (n_products + 6)
        size *= min(1.0, n_products / _FEW_PRODUCTS)
        learned = np.clip((self.separability - _CHANCE) / (_LEARNED - _CHANCE), 0, 1)
        return float(learned * min(1.0, size))

    def spread(self, values: Floats) -> float:
        """Return the standard deviation of the others' values, shape (m,), within a product.

        Products of one image say nothing of it; products count alike.
        """
        counts = np.bincount(self.products)
        means = np.bincount(self.products, values) / counts
        squares = np.bincount(self.products, (values - means[self.products]) ** 2)
        is_several = counts > 1
        if not is_several.any():
            return 0.0
        return float(np.sqrt((squares[is_several] / (counts[is_several] - 1)).mean()))

    def noise(self, values: Floats, usual: float) -> float:
        """Return the variance of the others' values within a product, relative to the usual; ≥ 1.

        The log likelihood ratio of a value rises as fast as its noise is small: two normal
        distributions at a distance d with variance v give the slope d / v. In a space of few
        dimensions, or one in which few directions vary, cosines are noisier than with the networks
        that the slopes were fitted on. Of few products it is larger, and not well known.

        Parameters
        ----------
        values : ndarray, shape (m,)
            Scores or margins.
        usual : float
            Largest standard deviation at which the fitted slope holds, with many products.
        """
        bound = usual * np.sqrt(max(1.0, _MANY_PRODUCTS / self.n_products))
        return float(max(1.0, self.spread(values) / bound) ** 2)

    def by_product(self, values: Floats, level: float) -> Floats:
        """Return a quantile of the others' values for each product, shape (k,)."""
        return np.array(
            [
                np.quantile(values[self.products == product], level)
                for product in range(self.n_products)
            ]
        )


@dataclass(frozen=True)
class Calibration:
    """What a library tells about recognising the target.

    Attributes
    ----------
    line : LikelihoodRatio
        Log likelihood ratio of a score.
    margin_anchor : float
        Upper end of the margins of held-out others, see `HeldOut.top_of`.
    margin_noise : float
        By what margins above the anchor are divided, at least 1, see `HeldOut.noise`.
    separability : float or None
        P(a held-out reference scores above an image of another product); 0.5 = nothing was
        learned; None: there was no reference to measure it on.
    reliability : float
        How far scores and margins can be trusted, 0…1.
    look_alike_ratios : tuple of float
        Median log likelihood ratio of each held-out product.
    look_alike_margins : tuple of float
        Upper tenth of the margins of each held-out product, as `margins` gives them.
    reference_margins : tuple of float
        Margins of the held-out references, as `margins` gives them, in ascending order; evenly
        spaced quantiles of them if there are more than fifty.
    n_references : int
    n_products : int
        Other products of the library, 0 if they were generated.
    reference_ratio : float
        Median log likelihood ratio of the held-out references; 0: there were fewer than two.
    """

    line: LikelihoodRatio
    margin_anchor: float
    margin_noise: float
    separability: float | None
    reliability: float
    look_alike_ratios: tuple[float, ...]
    look_alike_margins: tuple[float, ...]
    reference_margins: tuple[float, ...]
    n_references: int
    n_products: int
    reference_ratio: float = 0.0

    @classmethod
    def of(cls, held_out: HeldOut, *, is_generated: bool = False) -> "Calibration":
        """Return the calibration that follows from the scores of held-out images."""
        line = LikelihoodRatio.calibrated(held_out, is_generated=is_generated)
        anchor = held_out.top_of(held_out.margins)
        noise = held_out.noise(held_out.margins, _MAX_MARGIN_SPREAD)
        levels = np.linspace(0, 1, min(len(held_out.references), _MANY_REFERENCES))
        quantiles = np.quantile(held_out.reference_margins, levels)
        return cls(
            line,
            anchor,
            noise,
            held_out.separability,
            held_out.reliability(is_generated=is_generated),
            tuple(held_out.by_product(line(held_out.others), 0.5).tolist()),
            tuple(((held_out.by_product(held_out.margins, 0.9) - anchor) / noise).tolist()),
            tuple(((quantiles - anchor) / noise).tolist()),
            len(held_out.references),
            0 if is_generated else held_out.n_products,
            float(np.median(line(held_out.references))) if len(held_out.references) > 1 else 0.0,
        )

    @classmethod
    def without_references(cls, held_out: HeldOut) -> "Calibration":
        """Return what images of other things tell; what the target's reach is not known.

        Parameters
        ----------
        held_out : HeldOut
            Without references; scores and margins in usual units, see `HeldOut.noise`.
        """
        anchor = held_out.top_of(held_out.others)
        line = LikelihoodRatio(_BLIND * _SLOPE, _BLIND * (_OFFSET - _SLOPE * anchor))
        margin_anchor = held_out.top_of(held_out.margins)
        margins = held_out.by_product(held_out.margins, 0.9) - margin_anchor
        return cls(
            line,
            margin_anchor,
            1.0,
            None,
            _BLIND,
            tuple(held_out.by_product(line(held_out.others), 0.5).tolist()),
            tuple(margins.tolist()),
            (),
            0,
            held_out.n_products,
        )

    @classmethod
    def from_saved(cls, content: Mapping[str, Any]) -> "Calibration":
        """Return the calibration that `asdict` turned into plain values."""
        values: dict[str, Any] = {
            name: tuple(map(float, value)) if isinstance(value, list) else value
            for name, value in content.items()
        }
        line = LikelihoodRatio(**{name: float(value) for name, value in values["line"].items()})
        return cls(**{**values, "line": line})

    def margins(self, margins: Floats) -> Floats:
        """Return margins of images, shape (n,), relative to those of held-out others.

        0 = as large as 95 % of the others reach; larger = more similar to the target.
        """
        return (margins - self.margin_anchor) / self.margin_noise

    @property
    def is_learned(self) -> bool:
        """Whether held-out references score clearly higher than other products, as far as known."""
        return self.separability is None or self.separability >= _LEARNED


def cross_fit(
    references: Vectors,
    others: Vectors,
    labels: npt.NDArray[np.integer],
    seed: int,
    *,
    n_folds: int = _FOLDS,
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
    n_folds : int
        Maximum number of folds; fewer are faster, and leave more images out at a time.

    Raises
    ------
    InputError
        If there are fewer than two other products.
    """
    products, codes = np.unique(labels, return_inverse=True)
    if len(products) < 2:
        raise InputError(
            f"cross-fitting leaves products out and needs at least two, got {len(products)}"
        )
    folds = min(n_folds, len(products))
    rng = np.random.default_rng(seed)
    fold_of_product = rng.permutation(len(products)) % folds
    fold_of_reference = rng.permutation(len(references)) % folds
    fold_of_other = fold_of_product[codes]
    parts = [
        Scatter.of(others[fold_of_other == f], codes[fold_of_other == f]) for f in range(folds)
    ]
    reference_scores, reference_margins = np.empty((2, len(references)))
    other_scores, margins = np.empty((2, len(others)))
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
        if is_held.any():
            comparison = prototypes.compare(references[is_held])
            reference_scores[is_held] = comparison.scores
            reference_margins[is_held] = comparison.margins
        comparison = prototypes.compare(others[~is_seen])
        other_scores[~is_seen], margins[~is_seen] = comparison.scores, comparison.margins
    return HeldOut(reference_scores, other_scores, reference_margins, margins, codes)


def _steepness(ratios: Floats, weights: Floats) -> float:
    """Return by what the slope of a line is multiplied, at least 1, see `_MAX_MEAN_RATIO`.

    Parameters
    ----------
    ratios : ndarray, shape (m,)
        Log likelihood ratios of the others, minus that of the anchor.
    weights : ndarray, shape (m,)
    """
    below = np.minimum(ratios, 0.0)
    share = weights / weights.sum()

    def excess(factor: float) -> float:
        return float(share @ np.exp(_OFFSET + factor * below)) - _MAX_MEAN_RATIO

    if excess(1.0) <= 0:
        return 1.0
    if excess(_MAX_STEEPER) >= 0:
        return _MAX_STEEPER
    from scipy.optimize import brentq  # deferred: slow import, rarely needed

    return float(brentq(excess, 1.0, _MAX_STEEPER, xtol=1e-3))


def _spread(low: float, high: float) -> Floats:
    """Return evenly spaced points from `low` to `high`; all equal `high` if it is the lower one."""
    return np.linspace(min(low, high), high, _EVEN)


def _quantile(values: Floats, weights: Floats, level: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(cumulative, level)])
