"""What held-out images tell, against other libraries and by hand."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from similarity_lab.relevance.rules.calibration import (
    Calibration,
    HeldOut,
    LikelihoodRatio,
    cross_fit,
    probability,
)
from similarity_lab.relevance.rules.prototypes import Prototypes, Scatter, Whitening, unit


def test_likelihood_ratio_rises_and_separates():
    rng = np.random.default_rng(0)
    target, others = rng.normal(2, 1, 60), rng.normal(-3, 1, 400)
    line = LikelihoodRatio.platt(target, others, np.ones(400))
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
    line = LikelihoodRatio.platt(target, others, weights, is_generated=generated)
    slope, offset = fit_by_scikit_learn(target, others, weights, generated)
    if slope > 1e-3:
        assert (line.slope, line.offset) == pytest.approx((slope, offset), rel=2e-3, abs=2e-3)
    else:
        assert line.slope == pytest.approx(1e-3)


def test_weights_equal_repeats():
    target, others = np.array([1.0, 2.0]), np.array([-1.0, 0.5, 0.0])
    weighted = LikelihoodRatio.platt(target, others, np.array([3.0, 1.0, 1.0]))
    repeated = LikelihoodRatio.platt(target, np.array([-1.0, -1.0, -1.0, 0.5, 0.0]), np.ones(5))
    assert weighted.slope == pytest.approx(repeated.slope, rel=1e-3)
    assert weighted.offset == pytest.approx(repeated.offset, rel=1e-3, abs=1e-3)


def test_slope_is_positive_for_reversed_scores():
    line = LikelihoodRatio.platt(np.array([-3.0, -2.0]), np.array([2.0, 3.0]), np.ones(2))
    assert line.slope > 0


def test_cut_is_below_the_midpoint():
    """The target's weight reaches down below the held-out references: the cut moves down."""
    target, others = np.array([5.0, 5.5, 6.0]), np.linspace(-5, 0, 50)
    line = LikelihoodRatio.platt(target, others, np.ones(50))
    assert -line.offset / line.slope < 2.4  # half-way between the groups would be 2.5


def test_cut_is_robust_to_mislabelled_references():
    rng = np.random.default_rng(0)
    target, others = rng.normal(5, 1, 40), rng.normal(-3, 1, 400)
    right = LikelihoodRatio.platt(target, others, np.ones(400))
    spoilt = np.concatenate([target[:32], rng.normal(-3, 1, 8)])
    wrong = LikelihoodRatio.platt(spoilt, others, np.ones(400))
    assert -wrong.offset / wrong.slope == pytest.approx(-right.offset / right.slope, abs=0.6)


def test_cut_is_higher_for_generated_others():
    """They are too easy: what lies between them and the references is taken for something else."""
    target, others = np.linspace(5, 6, 20), np.linspace(-5, 0, 50)
    real = LikelihoodRatio.platt(target, others, np.ones(50))
    generated = LikelihoodRatio.platt(target, others, np.ones(50), is_generated=True)
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
        expected = prototypes.compare(others[is_out])
        np.testing.assert_allclose(held_out.others[is_out], expected.scores, atol=1e-3)
        np.testing.assert_allclose(held_out.margins[is_out], expected.margins, atol=1e-3)
        expected = prototypes.compare(references[~is_in])
        np.testing.assert_allclose(held_out.references[~is_in], expected.scores, atol=1e-3)
        np.testing.assert_allclose(held_out.reference_margins[~is_in], expected.margins, atol=1e-3)
    np.testing.assert_allclose(held_out.weights, 1 / 5)
    with pytest.raises(ValueError, match="at least two"):
        cross_fit(references, others[:5], labels[:5], seed=0)
    assert np.isfinite(cross_fit(references[:1], others, labels, seed=0).references).all()


def held_out_scores(
    n_references=12, n_products=24, gap=6.0, *, per_product=5, spread=1.0, between=0.0, seed=0
):
    """Return scores in which the references lie a gap above the other products."""
    rng = np.random.default_rng(seed)
    products = np.repeat(np.arange(n_products), per_product)
    others = rng.normal(0, spread, len(products)) + between * np.linspace(-2, 0, 24)[products % 24]
    references = rng.normal(gap, spread, n_references)
    return HeldOut(references, others, references / 20, others / 20, products)


TENTHS = st.integers(-20, 20).map(lambda number: number / 10)  # so that there are ties


@st.composite
def any_held_out(draw):
    """Return held-out scores with ties, of products of different sizes."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=8))
    products = np.repeat(np.arange(len(sizes)), sizes)
    others = draw(st.lists(TENTHS, min_size=len(products), max_size=len(products)))
    references = np.array(draw(st.lists(TENTHS, min_size=1, max_size=6)))
    return HeldOut(references, np.array(others), references, np.array(others), products)


@given(any_held_out())
def test_separability_is_the_area_under_the_roc_curve(held_out):
    """Oracle: scikit-learn, with the same weight for each product."""
    sizes = {code: (held_out.products == code).sum() for code in held_out.products}
    weights = [1 / sizes[code] for code in held_out.products]
    n_references = len(held_out.references)
    expected = roc_auc_score(
        [1] * n_references + [0] * len(held_out.others),
        np.concatenate([held_out.references, held_out.others]),
        sample_weight=[1] * n_references + weights,
    )
    assert held_out.separability == pytest.approx(expected)


@given(any_held_out())
def test_top_of_leaves_at_most_one_product_above(held_out):
    """Oracle: repeat images until all products have as many; count those above."""
    top = held_out.top_of(held_out.others)
    repeated = np.concatenate(
        [np.repeat(held_out.others[held_out.products == code], 12 // n)
         for code, n in enumerate(np.bincount(held_out.products))]
    )  # fmt: skip
    n_products = held_out.n_products
    assert top in held_out.others
    assert (repeated > top).mean() <= max(0.1, 1 / (n_products + 1)) + 1e-9
    assert (repeated >= top).mean() >= 1 / (n_products + 1) - 1e-9


def test_top_of_many_products_ignores_one_look_alike():
    held_out = held_out_scores(n_products=40)
    alike = np.where(held_out.products == 0, 9.0, held_out.others)
    assert held_out.top_of(alike) < 3


def test_top_of_few_products_is_lower():
    values = np.arange(100.0)
    few, many = (
        held_out_scores(n_products=n, per_product=100 // n).top_of(values) for n in (4, 20)
    )
    assert few < many


def test_anchor_follows_the_others_and_a_little_the_references():
    held_out = held_out_scores()
    top, middle = held_out.top_of(held_out.others), np.median(held_out.references)
    assert top < held_out.anchor < top + 0.5 * (middle - top)


def test_reliability_grows_with_the_library():
    by_references = [held_out_scores(n).reliability() for n in (1, 2, 3, 5, 12)]
    by_products = [held_out_scores(n_products=n).reliability() for n in (2, 3, 5, 10, 20)]
    for values in (by_references, by_products):
        assert values == sorted(values) and values[0] < 0.8 * values[-1] <= 1
    assert by_products[0] < 0.1
    generated = held_out_scores(n_products=14).reliability(is_generated=True)
    assert generated == pytest.approx(held_out_scores(n_products=3).reliability())


def test_reliability_is_0_if_nothing_was_learned():
    alike = held_out_scores(gap=0.0, n_references=60)
    assert alike.separability == pytest.approx(0.5, abs=0.1) and alike.reliability() == 0
    line = LikelihoodRatio.calibrated(alike)
    assert (line.slope, line.offset) == (0, 0)  # no image says anything
    gaps = [held_out_scores(gap=gap, n_references=60).reliability() for gap in (0, 0.6, 0.8, 4)]
    assert gaps == sorted(gaps) and gaps[1] < gaps[-1]


def test_by_product_is_the_quantile_of_each_product():
    held_out = held_out_scores(n_products=7)
    for level in (0.5, 0.9):
        values = held_out.by_product(held_out.others, level)
        for code in range(7):
            own = [s for s, k in zip(held_out.others, held_out.products, strict=True) if k == code]
            assert values[code] == pytest.approx(np.quantile(own, level))


@given(st.floats(-5, 5), st.floats(0.3, 0.6))
def test_calibrated_line_moves_with_the_upper_end_of_the_others(shift, spread):
    """With many products, the slope is the same whatever the scores' place and usual spread."""
    usual, other = (held_out_scores(spread=each, gap=4, between=3) for each in (0.5, spread))
    moved = replace(other, references=other.references + shift, others=other.others + shift)
    before, after = LikelihoodRatio.calibrated(usual), LikelihoodRatio.calibrated(moved)
    assert after.slope == pytest.approx(before.slope)
    assert after(moved.anchor) == pytest.approx(before(usual.anchor))
    assert before(usual.anchor) > 0 > before(np.median(usual.others))


def test_spread_is_that_of_images_within_a_product():
    held_out = held_out_scores(n_products=7)
    values = held_out.others + 100 * held_out.products  # what differs between products is no noise
    variances = [np.var(values[held_out.products == code], ddof=1) for code in range(7)]
    assert held_out.spread(values) == pytest.approx(np.sqrt(np.mean(variances)))
    single = replace(held_out, products=np.arange(len(values)))
    assert single.spread(values) == 0 and single.noise(values, 0.1) == 1


def test_calibrated_line_is_flatter_where_scores_are_noisy():
    """Twice the usual noise: a quarter of the slope, the same ratio at the anchor."""
    quiet = held_out_scores(spread=0.5, between=3)
    noisy = held_out_scores(spread=2.0, gap=24.0, between=30)
    before, after = LikelihoodRatio.calibrated(quiet), LikelihoodRatio.calibrated(noisy)
    noise = (noisy.spread(noisy.others) / 0.75) ** 2
    assert noise > 4 and after.slope == pytest.approx(before.slope / noise)
    assert after(noisy.anchor) == pytest.approx(before(quiet.anchor))
    known = Calibration.of(replace(noisy, margins=noisy.others, reference_margins=noisy.references))
    assert known.margin_noise > 4
    reached = known.margins(np.array([known.margin_anchor, known.margin_anchor + 1]))
    assert reached == pytest.approx([0, 1 / known.margin_noise])


@given(st.floats(0.02, 2), st.floats(0, 1), st.integers(20, 40))
def test_mean_likelihood_ratio_of_others_is_bounded(spread, between, n_products):
    """Scores close together, as in a whitened space: the line is steeper, not everything likely."""
    held_out = held_out_scores(n_products=n_products, spread=spread, between=between)
    line = LikelihoodRatio.calibrated(held_out)
    at_anchor = line(held_out.anchor)
    ratios = np.minimum(line(held_out.others), at_anchor) / held_out.reliability()
    mean = np.average(np.exp(ratios), weights=held_out.weights)
    wide = held_out_scores(n_products=n_products, spread=0.5, between=3)
    assert mean <= 0.81
    assert (
        line.slope
        >= LikelihoodRatio.calibrated(wide).slope / held_out.noise(held_out.others, 0.75) - 1e-9
    )
    assert at_anchor == pytest.approx(LikelihoodRatio.calibrated(wide)(wide.anchor))


def test_noise_of_few_products_is_not_trusted():
    few, many = held_out_scores(n_products=3), held_out_scores(n_products=24)
    assert few.noise(few.others, 0.75) < many.noise(many.others, 0.75)


def test_calibrated_line_of_few_products_leans_on_the_fitted_one():
    few = held_out_scores(n_products=5)
    line, own = LikelihoodRatio.calibrated(few), LikelihoodRatio.platt(
        few.references, few.others, few.weights
    )  # fmt: skip
    same = replace(few, products=np.arange(len(few.others)))  # as many products as images
    universal = LikelihoodRatio.calibrated(same)
    slopes = sorted([own.slope, universal.slope / same.reliability()])
    assert slopes[0] <= line.slope / few.reliability() <= slopes[1]


def test_calibration_of_held_out_images():
    held_out = held_out_scores(n_references=80)
    known = Calibration.of(held_out)
    assert (known.n_references, known.n_products) == (80, 24) and known.is_learned
    assert known.reference_ratio == pytest.approx(np.median(known.line(held_out.references)))
    assert Calibration.of(held_out_scores(n_references=1)).reference_ratio == 0
    assert known.line == LikelihoodRatio.calibrated(held_out)
    assert known.margin_anchor == held_out.top_of(held_out.margins)
    assert (known.separability, known.reliability) == (
        held_out.separability, held_out.reliability()
    )  # fmt: skip
    for code in range(24):
        is_own = held_out.products == code
        ratio = np.median(known.line(held_out.others[is_own]))
        margin = np.quantile(held_out.margins[is_own], 0.9) - known.margin_anchor
        assert known.look_alike_ratios[code] == pytest.approx(ratio)
        assert known.look_alike_margins[code] == pytest.approx(margin / known.margin_noise)
    own = np.array(known.reference_margins) * known.margin_noise + known.margin_anchor
    assert len(own) == 50 and (np.diff(own) >= 0).all()
    assert own[0] == pytest.approx(held_out.reference_margins.min())
    assert own[-1] == pytest.approx(held_out.reference_margins.max())
    few = Calibration.of(held_out_scores(n_references=3))
    np.testing.assert_allclose(
        np.array(few.reference_margins) * few.margin_noise + few.margin_anchor,
        np.sort(held_out_scores(n_references=3).reference_margins),
    )


def test_calibration_on_generated_images_has_no_products():
    held_out = held_out_scores(n_products=14)
    known = Calibration.of(held_out, is_generated=True)
    assert known.n_products == 0 and known.reliability < Calibration.of(held_out).reliability
    assert all(isinstance(value, float) for value in known.look_alike_margins)
    assert set(asdict(known)) == set(vars(known))


@pytest.mark.parametrize(("gap", "is_learned"), [(0.0, False), (0.4, False), (2.0, True)])
def test_calibration_is_learned_if_references_score_clearly_higher(gap, is_learned):
    assert Calibration.of(held_out_scores(gap=gap, n_references=60)).is_learned == is_learned
