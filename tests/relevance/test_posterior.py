import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from similarity_lab.relevance import posterior as module
from similarity_lab.relevance.posterior import SharePosterior, influences

ratios = st.lists(st.floats(-20, 20), min_size=1, max_size=30)


@pytest.mark.parametrize(("shown", "total"), [(1, 3), (40, 120), (0, 10), (10, 10)])
def test_certain_images_give_the_beta_posterior(shown, total):
    """Oracle: under equal shares the posterior of sure images is Beta(k + 1, n − k + 1)."""
    posterior = SharePosterior.of([60.0] * shown + [-60.0] * (total - shown))
    exact = beta(shown + 1, total - shown + 1)
    assert posterior.share == pytest.approx(shown / total, abs=0.001)
    for share in (0.1, 0.25, 0.5, 0.9):
        assert posterior.at_least(share) == pytest.approx(exact.sf(share), abs=1e-4)


def test_few_images_say_less_than_many():
    few, many = SharePosterior.of([9, -9, -9]), SharePosterior.of([9] * 40 + [-9] * 80)
    assert few.share == pytest.approx(many.share, abs=0.02)
    width = [high - low for low, high in (few.interval(), many.interval())]
    assert width[0] > 3 * width[1]
    assert few.interval()[0] < 0.25 < many.interval()[0] + 0.02
    assert few.at_least(0.25) < many.at_least(0.25)


@given(ratios, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_all_stays_in_range(values, random):
    posterior = SharePosterior.of(values)
    low, high = posterior.interval()
    assert 0 <= low <= posterior.share <= high <= 1
    chances = [posterior.at_least(share) for share in (0, 0.1, 0.25, 0.8, 1)]
    assert chances == sorted(chances, reverse=True) and max(chances) <= 1
    assert chances[0] == pytest.approx(1) and chances[-1] == 0
    shuffled = random.sample(values, len(values))
    assert SharePosterior.of(shuffled).at_least(0.25) == pytest.approx(chances[2], abs=1e-9)


@given(ratios, st.integers(0, 29), st.floats(0.1, 10))
def test_a_likelier_image_never_lowers_the_share(values, at, more):
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


def test_many_images_and_endless_odds():
    values = np.random.default_rng(0).normal(0, 3, 600)  # more than one block of them
    moved = influences(values, 0.5)
    assert moved.shape == (600,)
    for at in (0, 255, 256, 599):
        rest = influences(np.delete(values, at), 0.5)
        assert np.sign(moved[at]) == np.sign(values[at]) and rest.shape == (599,)
    sure = SharePosterior.of([np.inf, -np.inf, 5000.0, -5000.0])
    assert sure.share == pytest.approx(0.5, abs=0.001)
    assert np.isfinite(influences([np.inf, -np.inf], 0.25)).all()


def test_blocks_change_nothing(monkeypatch):
    values = np.random.default_rng(0).normal(0, 4, 20)
    before = SharePosterior.of(values).weights, influences(values, 0.3)
    monkeypatch.setattr(module, "_BLOCK", 3)
    np.testing.assert_allclose(SharePosterior.of(values).weights, before[0], atol=1e-12)
    np.testing.assert_allclose(influences(values, 0.3), before[1], atol=1e-9)
    assert SharePosterior.of([]).at_least(0.25) == pytest.approx(0.75)  # all shares equally likely


def test_the_ends_are_exact():
    assert SharePosterior.of([-9.0, -9.0]).share == 0 and SharePosterior.of([9.0, 9.0]).share == 1
    sure = SharePosterior.of([60.0] * 200)  # far beyond what exp can hold
    assert np.isfinite(sure.weights).all() and sure.interval() == sure.interval(0.95) != (0, 1)
    for share in (0.0, 1.0):  # certain whatever the images say, so none of them moves anything
        np.testing.assert_allclose(influences([3.0, -2.0], share), 0, atol=1e-9)


@given(ratios, st.sampled_from([0.5, 0.8, 0.95]))
def test_no_shorter_interval_holds_as_much(values, confidence):
    """Oracle: every window of the thousand shares."""
    posterior = SharePosterior.of(values)
    low, high = (round(1000 * end) for end in posterior.interval(confidence))
    reached = np.concatenate([[0], np.cumsum(posterior.weights)])
    assert reached[high] - reached[low] >= confidence - 1e-9
    shorter = reached[high - low - 1 :] - reached[: len(reached) - (high - low - 1)]
    assert shorter.max() < confidence + 1e-9
