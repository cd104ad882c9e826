from fractions import Fraction
from math import comb

import numpy as np
import pytest

from similarity_lab.errors import InputError
from similarity_lab.evaluation import bounded_threshold, error_bound
from similarity_lab.evaluation.bounds import THRESHOLDS


def tail(k, n, p):
    """Oracle: P(at most k of n), added up in exact arithmetic."""
    p = Fraction(p).limit_denominator(10**6)
    return float(sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)))


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 30), (1, 30), (7, 40), (39, 40), (3, 200)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_error_bound_is_the_largest_rate_that_is_not_refuted(k, n, confidence):
    bound = error_bound(k, n, confidence)
    assert tail(k, n, bound) == pytest.approx(1 - confidence, rel=1e-3)


def test_error_bound_without_evidence_is_one():
    assert error_bound(0, 0) == 1 and error_bound(5, 5) == 1
    for arguments in ((-1, 5), (6, 5), (0, 5, 1.0)):
        with pytest.raises(InputError):
            error_bound(*arguments)


def literal(probability, truth, error, confidence, thresholds):
    """Oracle: the definition, threshold by threshold."""
    kept = None
    for threshold in thresholds:
        above = [is_true for p, is_true in zip(probability, truth, strict=True) if p >= threshold]
        if not above or tail(above.count(False), len(above), error) > 1 - confidence:
            break
        kept = threshold
    return kept


def test_bounded_threshold_equals_the_definition():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        probability = rng.beta(5, 1, 80)
        truth = rng.random(80) < probability**0.9
        result = bounded_threshold(probability, truth, error=0.2)
        expected = literal(probability, truth.tolist(), 0.2, 0.95, THRESHOLDS)
        assert result.threshold == expected
        found.append(expected)
    assert len(set(found)) > 2  # the sample is no trivial one


@pytest.mark.parametrize("risk", ["at the limit", "falling", "rising"])
def test_bound_is_broken_at_most_as_often_as_stated(risk):
    """Simulation: the true error above the threshold is known and exceeds the limit rarely."""
    error, confidence, n, repeats = 0.1, 0.9, 150, 1500
    rate = {
        "at the limit": lambda p: np.full_like(p, 0.1001),
        "falling": lambda p: 0.3 * (1 - p) + 0.08,  # worse for looser thresholds
        "rising": lambda p: np.where(p > 0.97, 0.4, 0.05),  # confident and wrong
    }[risk]
    grid = np.linspace(0.5, 1, 20001)
    rng = np.random.default_rng(1)
    broken = 0
    for _ in range(repeats):
        probability = rng.uniform(0.5, 1, n)
        truth = rng.random(n) >= rate(probability)
        found = bounded_threshold(probability, truth, error=error, confidence=confidence)
        if found.threshold is not None:
            broken += rate(grid[grid >= found.threshold]).mean() > error
    allowed = repeats * (1 - confidence)
    assert broken <= allowed + 3 * np.sqrt(allowed)  # sampling error of the simulation
    if risk == "at the limit":
        assert broken > 0  # the test is able to fail


def test_bounded_threshold_says_why_there_is_none():
    few = bounded_threshold([0.95] * 20, [True] * 20)
    assert few.threshold is None and few.reason == (
        "from 0.9, 0 wrong of 20; at least 29 cases are needed"
    )
    assert "no threshold" in repr(few) and few.tests["passed"].tolist() == [False]
    wrong = bounded_threshold([0.95] * 50, [True] * 40 + [False] * 10)
    assert wrong.threshold is None and wrong.reason == "from 0.9, 10 wrong of 50"
    empty = bounded_threshold([], [])
    assert empty.threshold is None and empty.tests["n"].tolist() == [0]


@pytest.mark.parametrize(
    "change",
    [
        {"probability": [0.5, np.nan]}, {"probability": [0.5, 1.5]}, {"truth": [True]},
        {"error": 0}, {"confidence": 1}, {"thresholds": ()},
    ],
)  # fmt: skip
def test_bounded_threshold_refuses_invalid_input(change):
    arguments = {"probability": [0.5, 0.9], "truth": [True, False]} | change
    with pytest.raises(InputError):
        bounded_threshold(arguments.pop("probability"), arguments.pop("truth"), **arguments)
