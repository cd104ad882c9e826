import numpy as np
import pytest
from scipy.spatial.distance import cosine
from sklearn.metrics import average_precision_score

from similarity_lab.evaluation import evaluate_retrieval, nearest_labels

RNG = np.random.default_rng(0)
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
VECTORS = (RNG.random((10, 5)) + LABELS[:, None] * 0.3).astype(np.float32)


def test_retrieval_equals_brute_force_per_query(monkeypatch):
    monkeypatch.setattr("similarity_lab.evaluation.retrieval.BLOCK_ROWS", 4)
    result = evaluate_retrieval(VECTORS, LABELS, k=[2])
    assert result.queries.index.tolist() == list(range(9))  # the last image is alone in its class
    for query, row in result.queries.iterrows():
        gallery = [index for index in range(10) if index != query]
        scores = [-cosine(VECTORS[query], VECTORS[index]) for index in gallery]
        truth = LABELS[gallery] == LABELS[query]
        ranked = truth[np.argsort(scores)[::-1]]
        assert row["average_precision"] == pytest.approx(average_precision_score(truth, scores))
        assert row["recall@2"] == ranked[:2].any()
        assert row["r_precision"] == ranked[: truth.sum()].mean()
    means = result.queries.mean()
    assert result.means() == pytest.approx(
        {"recall@2": means.iloc[0], "r_precision": means.iloc[1], "map": means.iloc[2]}
    )


def test_retrieval_intervals_contain_the_means():
    result = evaluate_retrieval(VECTORS, LABELS)
    intervals = result.intervals(seed=0, repeats=100)
    assert set(intervals) == set(result.means())
    for name, value in result.means().items():
        low, high = intervals[name]
        assert low <= value <= high
    assert intervals == result.intervals(seed=0, repeats=100)


def test_retrieval_of_constant_vectors_is_at_chance_level():
    labels = np.repeat(np.arange(4), 100)
    result = evaluate_retrieval(np.ones((400, 3), np.float32), labels, k=[1])
    assert result.means()["map"] == pytest.approx(99 / 399, abs=0.03)
    assert result.means()["recall@1"] == pytest.approx(99 / 399, abs=0.08)


def test_retrieval_excludes_the_query():
    vectors = np.eye(4, dtype=np.float32)
    vectors[1] = vectors[0]
    result = evaluate_retrieval(vectors, np.array([0, 1, 0, 1]), k=[1])
    assert result.queries.loc[0, "recall@1"] == 0  # its copy belongs to the other class


def test_nearest_labels_equal_brute_force(monkeypatch):
    monkeypatch.setattr("similarity_lab.evaluation.retrieval.BLOCK_ROWS", 2)
    queries = VECTORS[::2]
    expected = [
        LABELS[np.argmin([np.linalg.norm(query - vector) for vector in VECTORS[1::2]]) * 2 + 1]
        for query in queries
    ]
    assert nearest_labels(queries, VECTORS[1::2], LABELS[1::2], "euclidean").tolist() == expected


def test_retrieval_invalid_input():
    with pytest.raises(ValueError, match="at least two images"):
        evaluate_retrieval(VECTORS[:3], np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="ranks of at least 1"):
        evaluate_retrieval(VECTORS, LABELS, k=[0])
    with pytest.raises(ValueError, match="labels"):
        nearest_labels(VECTORS, VECTORS, LABELS[:2])
