import numpy as np
import pytest
from scipy.spatial.distance import cosine
from sklearn.metrics import average_precision_score

from similarity_lab.evaluation import nearest_labels, retrieval

RNG = np.random.default_rng(0)
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
VECTORS = (RNG.random((10, 5)) + LABELS[:, None] * 0.3).astype(np.float32)


def test_figures_equal_brute_force_query_by_query(monkeypatch):
    monkeypatch.setattr("similarity_lab.evaluation.searching._BLOCK", 4)
    result = retrieval(VECTORS, LABELS, k=[2])
    assert result.queries.index.tolist() == list(range(9))  # the last is alone in its class
    for query, row in result.queries.iterrows():
        others = [i for i in range(10) if i != query]
        scores = [-cosine(VECTORS[query], VECTORS[i]) for i in others]
        truth = LABELS[others] == LABELS[query]
        ranked = truth[np.argsort(scores)[::-1]]
        assert row["average_precision"] == pytest.approx(average_precision_score(truth, scores))
        assert row["recall@2"] == ranked[:2].any()
        assert row["r_precision"] == ranked[: truth.sum()].mean()
    means = result.queries.mean()
    assert result.means() == pytest.approx(
        {"recall@2": means.iloc[0], "r_precision": means.iloc[1], "map": means.iloc[2]}
    )


def test_intervals_hold_the_means():
    result = retrieval(VECTORS, LABELS)
    intervals = result.intervals(seed=0, repeats=100)
    assert set(intervals) == set(result.means())
    for name, value in result.means().items():
        low, high = intervals[name]
        assert low <= value <= high
    assert intervals == result.intervals(seed=0, repeats=100)


def test_one_vector_for_everything_finds_what_chance_finds():
    labels = np.repeat(np.arange(4), 100)
    result = retrieval(np.ones((400, 3), np.float32), labels, k=[1])
    assert result.means()["map"] == pytest.approx(99 / 399, abs=0.03)
    assert result.means()["recall@1"] == pytest.approx(99 / 399, abs=0.08)


def test_an_image_is_never_its_own_neighbour():
    vectors = np.eye(4, dtype=np.float32)
    vectors[1] = vectors[0]
    result = retrieval(vectors, np.array([0, 1, 0, 1]), k=[1])
    assert result.queries.loc[0, "recall@1"] == 0  # its twin is of the other class


def test_nearest_labels_with_any_distance(monkeypatch):
    monkeypatch.setattr("similarity_lab.evaluation.searching._BLOCK", 2)
    queries = VECTORS[::2]
    expected = [
        LABELS[np.argmin([np.linalg.norm(query - vector) for vector in VECTORS[1::2]]) * 2 + 1]
        for query in queries
    ]
    assert nearest_labels(queries, VECTORS[1::2], LABELS[1::2], "euclidean").tolist() == expected


def test_what_cannot_be_measured():
    with pytest.raises(ValueError, match="nothing can be found"):
        retrieval(VECTORS[:3], np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="ranks from 1"):
        retrieval(VECTORS, LABELS, k=[0])
    with pytest.raises(ValueError, match="labels"):
        nearest_labels(VECTORS, VECTORS, LABELS[:2])
