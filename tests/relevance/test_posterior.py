import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from similarity_lab.relevance.posterior import SharePosterior, influences

ratios = st.lists(st.floats(-20, 20), min_size=1, max_size=30)


@pytest.mark.parametrize(("shown", "total"), [(1, 3), (40, 120), (0, 10), (10, 10)])
def test_posterior_of_certain_images_is_beta(shown, total):
    """Oracle: under equal shares the posterior of sure images is Beta(k + 1, n − k + 1)."""
    posterior = SharePosterior.of([60.0] * shown + [-60.0] * (total - shown))
    exact = beta(shown + 1, total - shown + 1)
    assert posterior.share == pytest.approx(shown / total, abs=0.001)
    for share in (0.1, 0.25, 0.5, 0.9):
        assert posterior.at_least(share) == pytest.approx(exact.sf(share), abs=1e-4)


def test_interval_of_few_images_is_wide():
    few, many = SharePosterior.of([9, -9, -9]), SharePosterior.of([9] * 40 + [-9] * 80)
    assert few.share == pytest.approx(many.share, abs=0.02)
    width = [high - low for low, high in (few.interval(), many.interval())]
    assert width[0] > 3 * width[1]
    assert few.interval()[0] < 0.25 < many.interval()[0] + 0.02
    assert few.at_least(0.25) < many.at_least(0.25)


@given(ratios, st.randoms(use_true_random=False))
def test_posterior_ignores_order_and_stays_in_range(values, random):
    posterior = SharePosterior.of(values)
    low, high = posterior.interval()
    assert 0 <= low <= posterior.share <= high <= 1
    chances = [posterior.at_least(share) for share in (0, 0.1, 0.25, 0.8, 1)]
    assert chances == sorted(chances, reverse=True) and max(chances) <= 1
    assert chances[0] == pytest.approx(1) and chances[-1] == 0
    shuffled = random.sample(values, len(values))
    assert SharePosterior.of(shuffled).at_least(0.25) == pytest.approx(chances[2], abs=1e-9)


@given(ratios, st.integers(0, 29), st.floats(0.1, 10))
def test_posterior_is_monotonic_in_each_image(values, at, more):
    before = SharePosterior.of(values).at_least(0.25)
    values[at % len(values)] += more
    assert SharePosterior.of(values).at_least(0.25) >= before - 1e-9


def test_influences_are_differences_of_log_odds():
    values = [3.0, -2.0, 0.0, 8.0]

    def log_odds(some):
        chance = SharePosterior.of(some).at_least(0.25)
        return np.log(chance / (1 - chance))

    brute = [log_odds(values) - log_odds(values[:i] + values[i + 1 :]) for i in range(4)]
    np.testing.assert_allclose(influences(values, 0.25), brute, atol=1e-6)
    assert abs(brute[2]) < 1e-6  # an image that says nothing moves nothing


def test_infinite_log_ratios_stay_finite():
    certain = SharePosterior.of([np.inf, -np.inf, 5000.0, -5000.0])
    assert certain.share == pytest.approx(0.5, abs=0.001)
    assert np.isfinite(influences([np.inf, -np.inf], 0.25)).all()


@pytest.mark.parametrize("index", [0, 255, 256, 599])
def test_influences_of_many_images_equal_leave_one_out(index):
    """Oracle: posteriors with and without the image, across the blocks of the computation."""
    values = np.random.default_rng(0).normal(0, 0.3, 600)

    def log_odds(values):
        above = SharePosterior.of(values).at_least(0.5)
        return np.log(above / (1 - above))

    expected = log_odds(values) - log_odds(np.delete(values, index))
    assert influences(values, 0.5)[index] == pytest.approx(expected, abs=1e-6)


def test_posterior_without_images_is_uniform():
    assert SharePosterior.of([]).at_least(0.25) == pytest.approx(0.75)
    assert influences([], 0.25).shape == (0,)


def test_share_is_exact_at_0_and_1():
    assert SharePosterior.of([-9.0, -9.0]).share == 0 and SharePosterior.of([9.0, 9.0]).share == 1
    sure = SharePosterior.of([60.0] * 200)  # far beyond what exp can hold
    low, high = sure.interval()
    assert np.isfinite(sure.weights).all() and low > 0.98 and high == 1
    for share in (0.0, 1.0):  # certain whatever the images say, so none of them moves anything
        np.testing.assert_allclose(influences([3.0, -2.0], share), 0, atol=1e-9)


@given(ratios, st.sampled_from([0.5, 0.8, 0.95]))
def test_interval_is_the_shortest(values, confidence):
    """Oracle: every window of the thousand shares."""
    posterior = SharePosterior.of(values)
    low, high = (round(1000 * end) for end in posterior.interval(confidence))
    reached = np.concatenate([[0], np.cumsum(posterior.weights)])
    assert reached[high] - reached[low] >= confidence - 1e-9
    shorter = reached[high - low - 1 :] - reached[: len(reached) - (high - low - 1)]
    assert shorter.max() < confidence + 1e-9
