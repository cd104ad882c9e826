from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from sklearn.metrics import average_precision_score

from similarity_lab.evaluation import (
    confused_classes,
    distance_auc,
    pair_distances,
    retrieval,
)

RNG = np.random.default_rng(0)
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
VECTORS = (RNG.random((10, 5)) + LABELS[:, None] * 0.3).astype(np.float32)


def test_pairs_are_all_pairs_once():
    same = [
        cosine(VECTORS[i], VECTORS[j])
        for i, j in combinations(range(10), 2)
        if LABELS[i] == LABELS[j]
    ]
    different = [
        cosine(VECTORS[i], VECTORS[j])
        for i, j in combinations(range(10), 2)
        if LABELS[i] != LABELS[j]
    ]
    pairs = pair_distances(VECTORS, LABELS)
    np.testing.assert_allclose(sorted(pairs.same), sorted(same), atol=1e-6)
    np.testing.assert_allclose(sorted(pairs.different), sorted(different), atol=1e-6)
    brute = np.mean([(s < d) + 0.5 * (s == d) for s in pairs.same for d in pairs.different])
    assert pairs.auc == pytest.approx(brute)


def test_auc_counts_ties_half():
    assert distance_auc([0.5, 0.5], [0.5]) == 0.5
    assert distance_auc([0.1], [0.2]) == 1.0


def test_retrieval_equals_scikit_learn_query_by_query():
    recalls, precisions = [], []
    for query in range(9):  # the last is alone in its class
        others = [i for i in range(10) if i != query]
        scores = [-cosine(VECTORS[query], VECTORS[i]) for i in others]
        truth = LABELS[others] == LABELS[query]
        precisions.append(average_precision_score(truth, scores))
        recalls.append(truth[np.argsort(scores)[::-1][:2]].any())
    result = retrieval(VECTORS, LABELS, k=[2])
    assert result == pytest.approx({"recall@2": np.mean(recalls), "map": np.mean(precisions)})


def test_confusions_are_ranked():
    clear = np.array([[1, 0, 0], [1, 0.1, 0], [1, 0.05, 0.02], [1, 0, 0.1], [0, 0, 1], [0, 0.1, 1]])
    table = confused_classes(
        clear.astype(np.float32), np.array([0, 0, 1, 1, 2, 2]), ["a", "b", "c"]
    )
    assert {table.class_a[0], table.class_b[0]} == {"a", "b"}
    assert table.auc.is_monotonic_increasing and len(table) == 6
    assert (table[table.class_b == "c"].auc == 1).all()


def test_what_cannot_be_measured():
    with pytest.raises(ValueError, match="pairs of one class and pairs of two"):
        pair_distances(VECTORS, np.zeros(10, int))
    with pytest.raises(ValueError, match="labels"):
        pair_distances(VECTORS, LABELS[:3])
    with pytest.raises(ValueError, match="nothing can be found"):
        retrieval(VECTORS[:3], np.array([0, 1, 2]))
