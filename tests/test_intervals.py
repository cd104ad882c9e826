import numpy as np
import pytest
from scipy.stats import norm

from similarity_lab.intervals import bootstrap_interval, wilson_interval


@pytest.mark.parametrize(("count", "total"), [(0, 5), (1, 3), (40, 120), (7, 7)])
def test_wilson_equals_the_formula(count, total):
    z, share = norm.ppf(0.975), count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    assert wilson_interval(count, total) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_one_of_three_is_not_forty_of_a_hundred_and_twenty():
    few, many = wilson_interval(1, 3), wilson_interval(40, 120)
    assert few[1] - few[0] > 3 * (many[1] - many[0])


def test_wilson_refuses():
    for count, total in [(0, 0), (4, 3), (-1, 3)]:
        with pytest.raises(ValueError, match="0 <= count <= total"):
            wilson_interval(count, total)


def test_bootstrap_is_seeded_and_near_the_normal_interval():
    values = np.random.default_rng(0).normal(size=400)
    interval = bootstrap_interval(lambda at: values[at].mean(), 400, seed=1)
    assert interval == bootstrap_interval(lambda at: values[at].mean(), 400, seed=1)
    assert interval == pytest.approx(
        (values.mean() - 1.96 / 20, values.mean() + 1.96 / 20), abs=0.02
    )
