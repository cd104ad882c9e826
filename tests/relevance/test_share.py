"""The posterior of the share, against brute force on a fine grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab.relevance.share import SharePosterior

RATIOS = st.lists(st.floats(-20, 20), min_size=1, max_size=30)
GRID = (np.arange(4_000) + 0.5) / 4_000


def brute_force(ratios, n_references=30, look_alikes=None):
    """Return P(each share) on the grid without look-alikes, and P(look-alike)."""
    untypical = 0.05 + 1 / (n_references + 1)

    def likelihood(values):
        each = (1 - untypical) * np.exp(np.asarray(values, float))[:, None] + untypical
        return np.prod(GRID * each + 1 - GRID, axis=0)

    own = likelihood(ratios)
    if look_alikes is None:
        return own / own.sum(), 0.0
    known = [ratio for ratio in look_alikes if ratio > 2]
    weight = min(0.3, 6 / (len(look_alikes) + 1))
    rivals = [(2, 0.3), *((ratio, weight) for ratio in known)]
    mass = sum(weight * likelihood(np.minimum(ratios, top)).mean() for top, weight in rivals)
    return own / own.sum(), mass / (mass + 0.7 * own.mean())


@given(
    st.lists(st.floats(-8, 8), min_size=1, max_size=12),
    st.integers(1, 60),
    st.lists(st.floats(-8, 8), max_size=12),
)
def test_posterior_is_bayes_rule(ratios, n_references, look_alikes):
    posterior = SharePosterior.of(ratios, look_alikes, n_references=n_references)
    weights, look_alike = brute_force(ratios, n_references, look_alikes)
    assert posterior.look_alike == pytest.approx(look_alike, abs=1e-3)
    for share in (0.1, 0.25, 0.5, 0.9):
        expected = (1 - look_alike) * weights[share <= GRID].sum()
        assert posterior.at_least(share) == pytest.approx(expected, abs=1e-3)


def test_share_of_certain_images_is_their_share():
    posterior = SharePosterior.of([60.0] * 40 + [-60.0] * 80, n_references=10**9)
    assert posterior.share == pytest.approx(1 / 3, abs=0.03)


def test_fewer_references_widen_the_interval_upwards():
    ratios = [5.0] * 10 + [-5.0] * 30
    few, many = (SharePosterior.of(ratios, n_references=n).interval() for n in (2, 100))
    assert few[1] > many[1] and few[1] - few[0] > many[1] - many[0]


def test_look_alike_of_the_library_makes_the_share_uncertain():
    ratios = [4.0] * 12 + [-4.0] * 8
    alone = SharePosterior.of(ratios, [-3.0] * 20)
    beside = SharePosterior.of(ratios, [-3.0] * 19 + [6.0])
    assert alone.at_least(0.25) > 0.95 > beside.at_least(0.25)
    assert beside.interval()[0] == 0


def test_product_nobody_has_seen_reaches_a_part_of_what_references_do():
    """Ratios of 4 are clear where references reach 5, and doubtful where they reach 15."""
    ratios = [4.0] * 12 + [-4.0] * 8
    clear, usual, doubtful = (
        SharePosterior.of(ratios, [-3.0] * 20, reference_ratio=ratio).at_least(0.25)
        for ratio in (0.0, 5.0, 15.0)
    )
    assert clear == usual > 0.95 > doubtful
    own = SharePosterior.of([15.0] * 12 + [-4.0] * 8, [-3.0] * 20, reference_ratio=15.0)
    assert own.at_least(0.25) > 0.95


def test_probable_look_alike_leaves_no_share():
    posterior = SharePosterior.of([1.9] * 30, [5.0] * 3)
    assert posterior.look_alike > 0.5
    assert posterior.share == 0 and posterior.interval()[0] == 0


@given(RATIOS, st.lists(st.floats(-8, 8), max_size=12), st.integers(1, 60))
def test_interval_contains_the_share_beside_look_alikes(ratios, look_alikes, n_references):
    posterior = SharePosterior.of(ratios, look_alikes, n_references=n_references)
    low, high = posterior.interval()
    assert 0 <= low <= posterior.share <= high <= 1
    is_inside = np.arange(1000) < round(1000 * high)
    mass = (1 - posterior.look_alike) * posterior.weights[is_inside].sum()
    assert low > 0 or mass + posterior.look_alike >= 0.95 - 1e-9


def test_interval_of_few_images_is_wide():
    few, many = SharePosterior.of([9, -9, -9]), SharePosterior.of([9] * 40 + [-9] * 80)
    assert few.share == pytest.approx(many.share, abs=0.02)
    width = [high - low for low, high in (few.interval(), many.interval())]
    assert width[0] > 3 * width[1]
    assert few.interval()[0] < 0.25 < many.interval()[0] + 0.02
    assert few.at_least(0.25) < many.at_least(0.25)


@given(RATIOS, st.randoms(use_true_random=False))
def test_posterior_ignores_order_and_stays_in_range(values, random):
    posterior = SharePosterior.of(values)
    low, high = posterior.interval()
    assert 0 <= low <= posterior.share <= high <= 1
    chances = [posterior.at_least(share) for share in (0, 0.1, 0.25, 0.8, 1)]
    assert chances == sorted(chances, reverse=True) and max(chances) <= 1
    assert chances[0] == pytest.approx(1) and chances[-1] == 0
    shuffled = random.sample(values, len(values))
    assert SharePosterior.of(shuffled).at_least(0.25) == pytest.approx(chances[2], abs=1e-9)


@given(RATIOS, st.integers(0, 29), st.floats(0.1, 10))
def test_posterior_is_monotonic_in_each_image(values, index, more):
    before = SharePosterior.of(values).at_least(0.25)
    values[index % len(values)] += more
    assert SharePosterior.of(values).at_least(0.25) >= before - 1e-9


def test_infinite_log_ratios_stay_finite():
    certain = SharePosterior.of([np.inf, -np.inf, 5000.0, -5000.0])
    assert certain.share == pytest.approx(0.5, abs=0.05) and np.isfinite(certain.weights).all()


def test_posterior_without_images_is_uniform():
    assert SharePosterior.of([]).at_least(0.25) == pytest.approx(0.75)


def test_share_is_exact_at_0_and_1():
    assert SharePosterior.of([-9.0, -9.0]).share == 0 and SharePosterior.of([9.0, 9.0]).share == 1
    sure = SharePosterior.of([60.0] * 200)  # far beyond what exp can hold
    low, high = sure.interval()
    assert np.isfinite(sure.weights).all() and low > 0.98 and high == 1


@given(RATIOS, st.sampled_from([0.5, 0.8, 0.95]))
def test_interval_is_the_shortest(values, confidence):
    """Oracle: every window of the thousand shares."""
    posterior = SharePosterior.of(values)
    low, high = (round(1000 * end) for end in posterior.interval(confidence))
    reached = np.concatenate([[0], np.cumsum(posterior.weights)])
    assert reached[high] - reached[low] >= confidence - 1e-9
    shorter = reached[high - low - 1 :] - reached[: len(reached) - (high - low - 1)]
    assert shorter.max() < confidence + 1e-9
