from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.spatial.distance import cosine, euclidean

from similarity_lab.evaluation import (
    PairDistances,
    bootstrap_interval,
    distance_auc,
    pair_distances,
)

RNG = np.random.default_rng(0)
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
VECTORS = (RNG.random((10, 5)) + LABELS[:, None] * 0.3).astype(np.float32)


def pairs_of(same, different):
    values = np.array([*same, *different], np.float32)
    n_images = round((1 + np.sqrt(1 + 8 * len(values))) / 2)
    return PairDistances(values, np.arange(len(values)) < len(same), n_images)


def brute_force_auc(same, different):
    return np.mean([(a < b) + 0.5 * (a == b) for a in same for b in different])


@pytest.mark.parametrize(("distance", "oracle"), [("cosine", cosine), ("euclidean", euclidean)])
def test_pair_distances_has_each_pair_once_in_order(distance, oracle, monkeypatch):
    monkeypatch.setattr("similarity_lab.evaluation.verification.BLOCK_ROWS", 3)
    pairs = pair_distances(VECTORS, LABELS, distance)
    all_pairs = list(combinations(range(10), 2))
    expected = [oracle(VECTORS[i], VECTORS[j]) for i, j in all_pairs]
    np.testing.assert_allclose(pairs.values, expected, atol=1e-6)
    assert pairs.is_same.tolist() == [LABELS[i] == LABELS[j] for i, j in all_pairs]
    assert pairs.auc == pytest.approx(brute_force_auc(pairs.same, pairs.different))


def test_pair_distances_of_a_function():
    by_name = pair_distances(VECTORS, LABELS, "dot")
    by_function = pair_distances(VECTORS, LABELS, lambda a, b: -(a @ b.T))
    np.testing.assert_allclose(by_name.values, by_function.values, atol=1e-6)
    with pytest.raises(TypeError, match="comparator's between"):
        pair_distances(VECTORS, LABELS, 7)


def test_distance_auc_counts_ties_half():
    assert distance_auc([0.5, 0.5], [0.5]) == 0.5
    assert distance_auc([0.1], [0.2]) == 1.0


def test_auc_interval_resamples_images_without_pairing_copies():
    vectors = np.round(VECTORS, 1)  # with ties
    pairs = pair_distances(vectors, LABELS, "euclidean")

    def brute(index):
        same, different = [], []
        for i, j in combinations(index, 2):
            if i != j:
                values = same if LABELS[i] == LABELS[j] else different
                values.append(np.float32(np.linalg.norm(vectors[i] - vectors[j])))
        return brute_force_auc(np.round(same, 5), np.round(different, 5))

    rounded = PairDistances(np.round(pairs.values, 5), pairs.is_same, 10)
    expected = bootstrap_interval(brute, 10, seed=3, repeats=20)
    assert rounded.auc_interval(seed=3, repeats=20) == pytest.approx(expected)


def test_auc_interval_narrows_with_more_images():
    labels = np.arange(120) % 4
    vectors = (np.eye(4)[labels] + np.random.default_rng(0).normal(0, 0.8, (120, 4))).astype("f4")
    width = {}
    for n in (30, 120):
        pairs = pair_distances(vectors[:n], labels[:n])
        low, high = pairs.auc_interval(seed=0, repeats=50)
        assert low < pairs.auc < high
        width[n] = high - low
    assert width[120] < width[30]


@pytest.mark.parametrize("seed", range(20))
def test_equal_error_rate_lies_on_the_roc_curve(seed):
    rng = np.random.default_rng(seed)
    pairs = pairs_of(rng.normal(0, 1, 17).round(1), rng.normal(1, 1, 28).round(1))
    cuts = np.unique(pairs.values)
    points = [(0.0, 0.0)] + [
        ((pairs.different <= cut).mean(), (pairs.same <= cut).mean()) for cut in cuts
    ]
    crossings = []
    for (x0, y0), (x1, y1) in pairwise(points):
        for step in np.linspace(0, 1, 2001):
            x, y = x0 + step * (x1 - x0), y0 + step * (y1 - y0)
            crossings.append((abs(x - (1 - y)), x))
    assert pairs.equal_error_rate == pytest.approx(min(crossings)[1], abs=1e-3)


def test_equal_error_rate_of_perfect_inverted_and_constant_distances():
    assert pairs_of([0.1, 0.2], [0.3]).equal_error_rate == 0
    assert pairs_of([0.8, 0.9], [0.3]).equal_error_rate == 1
    assert pairs_of([0.5, 0.5], [0.5]).equal_error_rate == 0.5


def test_best_threshold_and_balanced_accuracy():
    validation = pairs_of([0.1, 0.2, 0.9], [0.5, 0.7, 0.8])
    cut = validation.best_threshold()
    assert 0.2 < cut < 0.5
    assert validation.balanced_accuracy(cut) == pytest.approx((2 / 3 + 1) / 2)
    assert pairs_of([0.1, 0.9], [0.2]).balanced_accuracy(cut) == 0.25


def test_roc_runs_from_none_to_all_accepted():
    rng = np.random.default_rng(1)
    pairs = pairs_of(rng.normal(0, 1, 400), rng.normal(1, 1, 595))
    table = pairs.roc(points=50)
    assert len(table) <= 50
    assert table.iloc[0, 1:].tolist() == [0, 0] and table.iloc[-1, 1:].tolist() == [1, 1]
    for row in table.iloc[1:].itertuples():
        assert row.false_accepts == pytest.approx((pairs.different <= row.threshold).mean())
        assert row.true_accepts == pytest.approx((pairs.same <= row.threshold).mean())
    area = np.trapezoid(table.true_accepts, table.false_accepts)
    assert area == pytest.approx(pairs.auc, abs=0.01)


def test_pair_distances_invalid_input(monkeypatch):
    with pytest.raises(ValueError, match="same-class and different-class pairs"):
        pair_distances(VECTORS, np.zeros(10, int))
    with pytest.raises(ValueError, match="labels"):
        pair_distances(VECTORS, LABELS[:3])
    monkeypatch.setattr("similarity_lab.evaluation.verification.MAX_IMAGES", 9)
    with pytest.raises(ValueError, match="a sample of at most 9"):
        pair_distances(VECTORS, LABELS)
