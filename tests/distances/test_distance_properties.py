"""What holds of every distance between any vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from similarity_lab.distances import DISTANCES, Cosine, Euclidean, metrics

VALUES = st.floats(-1e4, 1e4, width=32) | st.integers(-3, 3).map(float)
ORACLES = {"cosine": "cosine", "euclidean": "euclidean", "dot": lambda u, v: -u @ v}
names = pytest.mark.parametrize("name", DISTANCES)


@st.composite
def two_sets(draw):
    """Two sets of vectors of one dimension, of which some are equal, or zeros."""
    dimension = draw(st.integers(1, 5))
    a, b = (
        draw(arrays(np.float32, (draw(st.integers(1, 7)), dimension), elements=VALUES))
        for _ in range(2)
    )
    shared = draw(st.integers(0, len(a)))
    return a, np.concatenate([b, a[:shared]])


def close(a, b, name):
    """Allow for rounding: of float32 in the result, and of squares that cancel out."""
    largest = max(np.abs(a).max(), np.abs(b).max(), 1.0)
    return {"cosine": 1e-6, "euclidean": 1e-6 * largest, "dot": 1e-6 * largest**2}[name]


@names
@given(sets=two_sets(), block=st.integers(1, 9), data=st.data())
def test_blocks_symmetry_range_and_order(name, sets, block, data):
    """Oracles: the double loop of SciPy, and sorting everything."""
    a, b = sets
    distance = DISTANCES[name]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK", block)
        result = distance.pairwise(a, b)
        k = data.draw(st.integers(1, len(b)))
        positions, nearest = distance.closest(a, b, k)
    tolerance = close(a, b, name)
    np.testing.assert_allclose(result, distance.pairwise(b, a).T, atol=tolerance)
    low, high = distance.range
    assert (result >= low).all() and (result <= high).all()
    known = a.any(1)[:, None] & b.any(1) if name == "cosine" else np.ones(result.shape, bool)
    with np.errstate(invalid="ignore"):
        brute = cdist(a.astype(float), b.astype(float), ORACLES[name])
    np.testing.assert_allclose(result[known], brute[known], rtol=1e-5, atol=tolerance)
    assert (result[~known] == 1).all()  # a vector of zeros has no direction
    np.testing.assert_array_equal(positions, np.argsort(result, axis=1, kind="stable")[:, :k])
    np.testing.assert_array_equal(nearest, np.take_along_axis(result, positions, axis=1))


@given(sets=two_sets())
def test_a_vector_is_nearest_to_itself(sets):
    a, _ = sets
    for distance in (Cosine(), Euclidean()):
        to_itself = np.diag(distance.pairwise(a, a))[a.any(1)]
        np.testing.assert_allclose(to_itself, 0, atol=close(a, a, distance.name))


@given(sets=two_sets(), exponents=st.lists(st.integers(-30, 30), min_size=2, max_size=2))
def test_cosine_sees_no_length(sets, exponents):
    a, b = sets
    scaled = [
        vectors * np.float64(10.0) ** exponent
        for vectors, exponent in zip(sets, exponents, strict=True)
    ]
    np.testing.assert_allclose(Cosine().pairwise(*scaled), Cosine().pairwise(a, b), atol=1e-6)


@given(sets=two_sets())
def test_no_detour_is_shorter(sets):
    a, b = sets
    direct, onward = Euclidean().pairwise(a, a), Euclidean().pairwise(a, b)
    detours = (onward[:, None] + onward[None]).min(axis=2)
    assert (direct <= detours * (1 + 1e-6) + 3 * close(a, b, "euclidean")).all()
