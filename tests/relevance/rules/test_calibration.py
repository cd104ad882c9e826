import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from similarity_lab.relevance.rules.calibration import LikelihoodRatio, cross_fit, probability
from similarity_lab.relevance.rules.prototypes import Prototypes, Scatter, Whitening, unit


def test_likelihood_ratio_rises_and_separates():
    rng = np.random.default_rng(0)
    target, others = rng.normal(2, 1, 60), rng.normal(-3, 1, 400)
    line = LikelihoodRatio.fit(target, others, np.ones(400))
    assert line.slope > 0
    assert (line(target) > 0).mean() > 0.95 and (line(others) < 0).mean() > 0.9


def fit_by_scikit_learn(target, others, weights, generated):
    """Fit the line as its docstring says, by another library."""
    order = np.argsort(others)
    heavy = np.cumsum(weights[order]) / weights.sum() >= 0.9
    hardest = others[order][heavy][0]
    if generated and len(target) > 1:
        positives = target
    else:
        mirrored = 2 * np.median(target) - np.quantile(target, 0.9)
        end = target[0] if len(target) == 1 else mirrored
        positives = np.linspace(min(hardest, end), end, 200)
    lowest = np.quantile(positives, 0.1)
    between = np.linspace(min(hardest, lowest), lowest, 200)
    halves = (0.5, 0.5) if generated else (1.0, 0.0)
    scores = np.concatenate([positives, others, between])
    mass = np.concatenate(
        [
            np.full(len(positives), 1 / len(positives)),
            halves[0] * weights / weights.sum(),
            np.full(200, halves[1] / 200),
        ]
    )
    labels = np.arange(len(scores)) < len(positives)
    model = LogisticRegression(C=1 / (2 * 1e-4), tol=1e-10, max_iter=10_000)
    model.fit(scores[:, None], labels, sample_weight=mass)
    return model.coef_[0, 0], model.intercept_[0]


@pytest.mark.parametrize("count", [1, 2, 12])
@pytest.mark.parametrize("generated", [False, True])
@pytest.mark.parametrize("shift", [0.0, 2.0])
@pytest.mark.parametrize("scale", [1.0, 0.01])  # where scores hardly differ, the ridge counts
def test_likelihood_ratio_equals_logistic_regression(count, generated, shift, scale):
    rng = np.random.default_rng(count)
    target, others = scale * rng.normal(shift, 1, count), scale * rng.normal(-1, 1.5, 40)
    weights = rng.uniform(0.2, 2, 40)
    line = LikelihoodRatio.fit(target, others, weights, is_generated=generated)
    slope, offset = fit_by_scikit_learn(target, others, weights, generated)
    if slope > 1e-3:
        assert (line.slope, line.offset) == pytest.approx((slope, offset), rel=2e-3, abs=2e-3)
    else:
        assert line.slope == pytest.approx(1e-3)


def test_weights_equal_repeats():
    target, others = np.array([1.0, 2.0]), np.array([-1.0, 0.5, 0.0])
    weighted = LikelihoodRatio.fit(target, others, np.array([3.0, 1.0, 1.0]))
    repeated = LikelihoodRatio.fit(target, np.array([-1.0, -1.0, -1.0, 0.5, 0.0]), np.ones(5))
    assert weighted.slope == pytest.approx(repeated.slope, rel=1e-3)
    assert weighted.offset == pytest.approx(repeated.offset, rel=1e-3, abs=1e-3)


def test_slope_is_positive_for_reversed_scores():
    line = LikelihoodRatio.fit(np.array([-3.0, -2.0]), np.array([2.0, 3.0]), np.ones(2))
    assert line.slope > 0


def test_cut_is_below_the_midpoint():
    """The target's weight reaches down below the held-out references: the cut moves down."""
    target, others = np.array([5.0, 5.5, 6.0]), np.linspace(-5, 0, 50)
    line = LikelihoodRatio.fit(target, others, np.ones(50))
    assert -line.offset / line.slope < 2.4  # half-way between the groups would be 2.5


def test_cut_is_robust_to_mislabelled_references():
    rng = np.random.default_rng(0)
    target, others = rng.normal(5, 1, 40), rng.normal(-3, 1, 400)
    right = LikelihoodRatio.fit(target, others, np.ones(400))
    spoilt = np.concatenate([target[:32], rng.normal(-3, 1, 8)])
    wrong = LikelihoodRatio.fit(spoilt, others, np.ones(400))
    assert -wrong.offset / wrong.slope == pytest.approx(-right.offset / right.slope, abs=0.6)


def test_cut_is_higher_for_generated_others():
    """They are too easy: what lies between them and the references is taken for something else."""
    target, others = np.linspace(5, 6, 20), np.linspace(-5, 0, 50)
    real = LikelihoodRatio.fit(target, others, np.ones(50))
    generated = LikelihoodRatio.fit(target, others, np.ones(50), is_generated=True)
    assert -real.offset / real.slope < 2.5 < 3.5 < -generated.offset / generated.slope < 5.2


def test_probability_is_bayes_rule():
    ratios = np.array([-2.0, 0.0, 3.0])
    odds = np.exp(ratios) * 0.1 / 0.9
    np.testing.assert_allclose(probability(ratios, 0.1), odds / (1 + odds))
    assert probability(0.0, 0.25) == pytest.approx(0.25)


@pytest.mark.parametrize(("products", "known"), [(2, 9), (4, 2), (10, 9)])
def test_cross_fit_leaves_image_and_product_out(products, known):
    """Oracle: fit without the fold by hand, for every fold that the seed gives."""
    rng = np.random.default_rng(1)
    folds = min(8, products)
    labels = np.repeat(np.arange(products), 5)
    others = unit(rng.normal(0, 1, (products, 7))[labels] + rng.normal(0, 0.2, (len(labels), 7)))
    references = unit(rng.normal(0, 1, 7) + rng.normal(0, 0.2, (known, 7)))
    held_out = cross_fit(references, others, labels, seed=3)
    order = np.random.default_rng(3)
    of_product, of_reference = (order.permutation(n) % folds for n in (products, known))
    for fold in range(folds):
        is_out, is_in = of_product[labels] == fold, of_reference != fold
        points = np.concatenate([references[is_in], others[~is_out]])
        codes = np.concatenate([np.full(is_in.sum(), -1), labels[~is_out]])
        space = Whitening.from_scatter(Scatter.of(points, codes))
        prototypes = Prototypes.fit(references[is_in], others[~is_out], labels[~is_out], space)
        np.testing.assert_allclose(
            held_out.others[is_out], prototypes.scores(others[is_out]), atol=1e-3
        )
        np.testing.assert_allclose(
            held_out.references[~is_in], prototypes.scores(references[~is_in]), atol=1e-3
        )
    np.testing.assert_allclose(held_out.weights, 1 / 5)
    with pytest.raises(ValueError, match="at least two"):
        cross_fit(references, others[:5], labels[:5], seed=0)
    assert np.isfinite(cross_fit(references[:1], others, labels, seed=0).references).all()
