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
def test_the_curve_is_what_every_cut_gives(seed):
    distances, right, n_known = drawn(seed)
    curve = precision_recall_curve(distances, right, n_known)
    assert curve.columns.tolist() == CURVE_COLUMNS
    assert curve["threshold"].tolist() == sorted(set(distances))
    for row in curve.itertuples():
        expected = by_hand(distances, right, n_known, row.threshold)
        np.testing.assert_allclose((row.precision, row.recall, row.f1), expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "strategy, least, kept, best",
    [("recall-at-precision", 0.8, 0, 1), ("precision-at-recall", 0.3, 1, 0), ("f1", 0, 2, 2)],
)
def test_no_other_cut_is_better(seed, strategy, least, kept, best):
    distances, right, n_known = drawn(seed)
    curve = precision_recall_curve(distances, right, n_known)
    chosen = calibrate(curve, strategy, precision=0.8, recall=0.3)
    assert chosen.met
    all_cuts = {cut: by_hand(distances, right, n_known, cut) for cut in set(distances)}
    possible = {cut: f for cut, f in all_cuts.items() if f[kept] >= least}
    top = max(figures[best] for figures in possible.values())
    assert chosen.threshold == min(c for c, f in possible.items() if np.isclose(f[best], top))
    assert f"{all_cuts[chosen.threshold][0]:.3f}" in chosen.statement


def test_a_promise_that_cannot_be_met_is_said():
    curve = precision_recall_curve([0.1, 0.2, 0.3], [False, True, True], 2)
    with pytest.warns(PromiseWarning, match=r"no threshold reaches a precision of 0.9 .* 0\.667"):
        chosen = calibrate(curve, precision=0.9)
    assert not chosen.met and chosen.threshold is None and "0.667" in chosen.statement


def test_what_cannot_be_asked():
    curve = precision_recall_curve([0.1], [True], 1)
    with pytest.raises(ValueError, match="strategy must be one of"):
        calibrate(curve, "accuracy")
    with pytest.raises(ValueError, match="shares above 0"):
        calibrate(curve, precision=95)
    with pytest.raises(ValueError, match="at least one photo"):
        calibrate(curve[:0])
