import numpy as np
import pytest
from scipy.stats import binomtest

from similarity_lab.evaluation.intervals import bootstrap_interval, wilson_interval


@pytest.mark.parametrize(("count", "total"), [(0, 5), (1, 3), (40, 120), (7, 7)])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_wilson_equals_scipys(count, total, confidence):
    theirs = binomtest(count, total).proportion_ci(confidence, method="wilson")
    ours = wilson_interval(count, total, confidence)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_one_of_three_is_not_forty_of_a_hundred_and_twenty():
    few, many = wilson_interval(1, 3), wilson_interval(40, 120)
    assert few[1] - few[0] > 3 * (many[1] - many[0])


def test_wilson_refuses():
    for count, total in [(0, 0), (4, 3), (-1, 3)]:
        with pytest.raises(ValueError, match="0 <= count <= total"):
            wilson_interval(count, total)
    with pytest.raises(ValueError, match="confidence must be"):
        wilson_interval(1, 3, 95)


def test_bootstrap_is_seeded_and_near_the_normal_interval():
    values = np.random.default_rng(0).normal(size=400)
    interval = bootstrap_interval(lambda at: values[at].mean(), 400, seed=1)
    assert interval == bootstrap_interval(lambda at: values[at].mean(), 400, seed=1)
    assert interval == pytest.approx(
        (values.mean() - 1.96 / 20, values.mean() + 1.96 / 20), abs=0.02
    )
