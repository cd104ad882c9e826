from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest

from similarity_lab.errors import InputError
from similarity_lab.evaluation import prediction_powered_share
from similarity_lab.evaluation.prediction_powered import _by_counts, _by_errors


def sampled(truth, n, rng):
    marks = np.full(len(truth), None, object)
    rows = rng.permutation(len(truth))[:n]
    marks[rows] = truth[rows]
    return marks


def coverage(truth, predicted, n, *, confidence, repeats=400):
    rng = np.random.default_rng(0)
    found = [
        prediction_powered_share(predicted, sampled(truth, n, rng), confidence=confidence)
        for _ in range(repeats)
    ]
    hits = np.mean([each.low <= truth.mean() <= each.high for each in found])
    return hits, np.mean([each.high - each.low for each in found])


RNG = np.random.default_rng(7)
TRUTH = RNG.random(120) < 0.25
PREDICTIONS = {
    "good": np.where(TRUTH, 0.95, 0.04),
    "useless": RNG.random(120),
    "reversed": np.where(TRUTH, 0.02, 0.97),
    "good but for a few": np.where(TRUTH & (np.arange(120) % 4 > 0), 0.99, 0.001),
}


@pytest.mark.parametrize("name", PREDICTIONS)
@pytest.mark.parametrize("n", [1, 5, 30, 80, 120])
def test_interval_contains_the_share_as_often_as_stated(name, n):
    """Simulation, also for few marks and for predictions that mislead."""
    hits, _ = coverage(TRUTH, PREDICTIONS[name], n, confidence=0.9)
    assert hits >= 0.9 - 3 * np.sqrt(0.1 * 0.9 / 400)


def test_good_predictions_make_the_interval_narrower():
    truth = np.arange(600) % 4 == 0
    widths = {
        name: coverage(truth, predicted, 200, confidence=0.95, repeats=20)[1]
        for name, predicted in {
            "good": np.where(truth, 0.97, 0.02), "useless": np.full(600, 0.5),
        }.items()
    }  # fmt: skip
    assert widths["good"] < 0.75 * widths["useless"]


def test_marks_alone_give_the_exact_interval():
    """Oracle: every sample of a small population, counted."""
    size, n, error = 9, 4, 0.2
    counts = np.arange(size + 1)
    for k in range(n + 1):
        y = np.r_[np.ones(k), np.zeros(n - k)]
        expected = []
        for count in counts:
            images = [1] * count + [0] * (size - count)
            hits = np.array([sum(sample) for sample in combinations(images, n)])
            assert len(hits) == comb(size, n)
            expected.append(min((hits >= k).mean(), (hits <= k).mean()) > error / 2)
        assert _by_counts(y, counts, error).tolist() == expected


def test_bets_equal_the_definition():
    """Oracle: the capital of each candidate, bet by bet, in plain loops."""
    rng = np.random.default_rng(3)
    f, y = rng.random(30), (rng.random(12) < 0.4).astype(float)
    rows, error = np.arange(12), 0.1
    kept = _by_errors(f, y, rows, np.arange(31), error)
    for count in range(31):
        up = down = 1.0
        refuted, spread, seen = False, 0.25, 0.0
        total = sum((1 - fi) / 2 for fi in f) + count / 2
        for t in range(12):
            x = (y[t] - f[t] + 1) / 2
            m = (total - seen) / (30 - t)
            if not -1e-9 <= m <= 1 + 1e-9:
                refuted = True
                break
            bet = np.sqrt(2 * np.log(2 / error) * (t + 1) / (12 * spread))
            up *= 1 + min(bet, 0.75 / m) * (x - m)
            down *= 1 - min(bet, 0.75 / (1 - m)) * (x - m)
            refuted = refuted or max(up, down) >= 2 / error
            seen += x
            spread += (x - (0.5 + seen) / (t + 2)) ** 2
        assert kept[count] == (not refuted), count


def test_all_marked_is_certain():
    estimate = prediction_powered_share(PREDICTIONS["useless"], TRUTH)
    assert estimate.low == estimate.high == estimate.share == TRUTH.mean()
    assert "120 marks on 120 images" in repr(estimate)


@pytest.mark.parametrize(
    ("predicted", "marks", "match"),
    [
        ([0.5, 0.5], [True], "one mark"),
        ([0.5, 1.5], [True, None], "from 0 to 1"),
        ([0.5, np.nan], [True, None], "from 0 to 1"),
        ([0.5, 0.5], [None, np.nan], "no image is marked"),
        ([0.5, 0.5], [2, None], "True, False or None"),
        ([0.5, 0.5], ["no", None], "True, False or None"),
        ([0.5, 0.5], [pd.NA, None], "no image is marked"),
        ([], [], "no image is marked"),
    ],
)
def test_invalid_input_is_refused(predicted, marks, match):
    with pytest.raises(InputError, match=match):
        prediction_powered_share(predicted, marks)
