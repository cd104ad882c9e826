import numpy as np
import pytest
from scipy.stats import binomtest

from similarity_lab.errors import InputError
from similarity_lab.evaluation import bootstrap_interval, wilson_interval


@pytest.mark.parametrize(("count", "total"), [(0, 5), (1, 3), (40, 120), (7, 7)])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_wilson_interval_equals_scipy(count, total, confidence):
    expected = binomtest(count, total).proportion_ci(confidence, method="wilson")
    interval = wilson_interval(count, total, confidence)
    assert interval == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_narrows_with_the_sample():
    small, large = wilson_interval(1, 3), wilson_interval(40, 120)
    assert small[1] - small[0] > 3 * (large[1] - large[0])


@pytest.mark.parametrize(("count", "total"), [(0, 0), (4, 3), (-1, 3)])
def test_wilson_interval_refuses_invalid_counts(count, total):
    with pytest.raises(InputError, match="0 <= count <= total"):
        wilson_interval(count, total)


def test_wilson_interval_refuses_a_percentage():
    with pytest.raises(InputError, match="confidence must be"):
        wilson_interval(1, 3, 95)


def test_bootstrap_interval_is_seeded_and_close_to_the_normal_interval():
    values = np.random.default_rng(0).normal(size=400)
    interval = bootstrap_interval(lambda index: values[index].mean(), 400, seed=1)
    assert interval == bootstrap_interval(lambda index: values[index].mean(), 400, seed=1)
    assert interval == pytest.approx(
        (values.mean() - 1.96 / 20, values.mean() + 1.96 / 20), abs=0.02
    )


def test_bootstrap_interval_refuses_a_percentage():
    with pytest.raises(InputError, match="confidence must be above 0 and below 1, got 95"):
        bootstrap_interval(lambda index: index.mean(), 4, seed=0, confidence=95)
