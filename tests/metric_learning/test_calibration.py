import numpy as np
import pytest

from similarity_lab.errors import PromiseWarning
from similarity_lab.metric_learning import calibrate
from similarity_lab.metric_learning.calibration import CURVE_COLUMNS, precision_recall_curve


def drawn(seed, n=60, levels=25):
    """Distances with ties, and a truth that near ones are likelier right."""
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, levels, n) / levels
    right = rng.random(n) > distances
    return distances, right, int(right.sum()) + int(rng.integers(0, 9))


def by_hand(distances, right, n_known, cut):
    accepted = distances <= cut
    hits = int((right & accepted).sum())
    precision, recall = hits / accepted.sum(), hits / n_known
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return precision, recall, f1


@pytest.mark.parametrize("seed", range(5))
def test_curve_equals_every_cut_by_hand(seed):
    distances, right, n_known = drawn(seed)
    curve = precision_recall_curve(distances, right, n_known)
    assert curve.columns.tolist() == CURVE_COLUMNS
    assert curve["threshold"].tolist() == sorted(set(distances))
    for row in curve.itertuples():
        expected = by_hand(distances, right, n_known, row.threshold)
        np.testing.assert_allclose((row.precision, row.recall, row.f1), expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "strategy, minimum, bound, goal",
    [("recall-at-precision", 0.8, 0, 1), ("precision-at-recall", 0.3, 1, 0), ("f1", 0, 2, 2)],
)
def test_calibrate_finds_the_best_cut(seed, strategy, minimum, bound, goal):
    distances, right, n_known = drawn(seed)
    curve = precision_recall_curve(distances, right, n_known)
    calibration = calibrate(curve, strategy, precision=0.8, recall=0.3)
    assert calibration.is_met
    all_cuts = {cut: by_hand(distances, right, n_known, cut) for cut in set(distances)}
    possible = {cut: f for cut, f in all_cuts.items() if f[bound] >= minimum}
    top = max(figures[goal] for figures in possible.values())
    assert calibration.threshold == min(c for c, f in possible.items() if np.isclose(f[goal], top))
    assert f"{all_cuts[calibration.threshold][0]:.3f}" in calibration.statement


def test_calibrate_warns_if_the_promise_cannot_be_met():
    curve = precision_recall_curve([0.1, 0.2, 0.3], [False, True, True], 2)
    with pytest.warns(PromiseWarning, match=r"no threshold reaches a precision of 0.9 .* 0\.667"):
        calibration = calibrate(curve, precision=0.9)
    assert (
        not calibration.is_met
        and calibration.threshold is None
        and "0.667" in calibration.statement
    )


@pytest.mark.parametrize(
    "n_rows, strategy, precision, message",
    [
        (1, "accuracy", 0.9, "Unknown strategy 'accuracy'.*precision-at-recall"),
        (1, "f1", 95, "shares above 0"),
        (0, "f1", 0.9, "at least one image"),
    ],
)
def test_calibrate_refuses(n_rows, strategy, precision, message):
    curve = precision_recall_curve([0.1], [True], 1)[:n_rows]
    with pytest.raises(ValueError, match=message):
        calibrate(curve, strategy, precision=precision)
