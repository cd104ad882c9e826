import numpy as np
import pytest
from scipy.spatial.distance import cdist

from similarity_lab.distances import Cosine, Dot, Euclidean, get_distance, metrics

ORACLES = {"cosine": "cosine", "euclidean": "euclidean", "dot": lambda u, v: -u @ v}


@pytest.fixture(params=[3, 2048])
def block(request, monkeypatch):
    """Blocks smaller and larger than the data."""
    monkeypatch.setattr(metrics, "_BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("name", ORACLES)
def test_pairwise_equals_scipy(name):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(10, 7)).astype(np.float32), rng.normal(size=(8, 7)).astype(np.float32)
    result = get_distance(name).pairwise(a, b)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, cdist(a, b, ORACLES[name]), atol=1e-6)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("k", [1, 4, 9])
def test_closest_equals_sorting_everything(name, k):
    rng = np.random.default_rng(1)
    a, b = rng.integers(-2, 3, (11, 3)), rng.integers(-2, 3, (9, 3))  # many equal distances
    distance = get_distance(name)
    all_distances = distance.pairwise(a, b)
    order = np.argsort(all_distances, axis=1, kind="stable")[:, :k]
    positions, distances = distance.closest(a, b, k)
    np.testing.assert_array_equal(positions, order)
    np.testing.assert_array_equal(distances, np.take_along_axis(all_distances, order, axis=1))


def test_distance_ranges_and_directions():
    up, down, zero = np.array([[1.0, 2.0]]), np.array([[-1.0, -2.0]]), np.zeros((1, 2))
    assert Cosine().pairwise(up, down) == pytest.approx(2)
    assert Cosine().pairwise(up, 3 * up) == pytest.approx(0, abs=1e-7)
    assert Cosine().pairwise(up, zero) == Cosine().pairwise(zero, zero) == 1
    assert Euclidean().pairwise(up, up) == 0
    assert Dot().pairwise(up, up) < Dot().pairwise(up, down)
    assert Cosine.range == (0, 2) and Euclidean.range == (0, np.inf)
    assert Dot.range == (-np.inf, np.inf)
    assert Cosine().closest(up, down)[0].shape == (1, 1)


def test_euclidean_of_near_duplicates_is_accurate():
    base = np.full((1, 1280), 3.0, np.float32)
    duplicate = base.copy()
    duplicate[0, 0] += 1e-3
    assert Euclidean().pairwise(base, duplicate)[0, 0] == pytest.approx(1e-3, rel=1e-2)


def test_euclidean_is_finite_despite_rounding():
    vectors = np.random.default_rng(0).normal(size=(200, 64))
    assert np.isfinite(Euclidean().pairwise(vectors, vectors)).all()


def test_distance_invalid_input():
    vectors = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"got \(3,\); pass a batch of one"):
        Cosine().pairwise(vectors[0], vectors)
    with pytest.raises(ValueError, match="different embedders"):
        Cosine().pairwise(vectors, np.zeros((2, 4)))
    with pytest.raises(ValueError, match="must be finite"):
        Cosine().pairwise(np.full((1, 3), np.nan), vectors)
    for k in (0, 3):
        with pytest.raises(ValueError, match="k must be from 1"):
            Cosine().closest(vectors, vectors, k)
    with pytest.raises(ValueError, match="cosine, euclidean, dot"):
        get_distance("manhattan")


def test_distance_of_no_queries():
    assert Cosine().pairwise(np.zeros((0, 3)), np.zeros((2, 3))).shape == (0, 2)
    assert Cosine().closest(np.zeros((0, 3)), np.zeros((2, 3)), 2)[0].shape == (0, 2)


def test_get_distance_returns_a_distance_unchanged():
    distance = Euclidean()
    assert get_distance(distance) is distance
