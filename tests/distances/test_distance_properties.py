"""Properties of all distances, for any vectors."""

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
    """Draw two sets of vectors of the same dimension, some of them equal or zero."""
    dimension = draw(st.integers(1, 5))
    a, b = (
        draw(arrays(np.float32, (draw(st.integers(1, 7)), dimension), elements=VALUES))
        for _ in range(2)
    )
    shared = draw(st.integers(0, len(a)))
    return a, np.concatenate([b, a[:shared]])


def tolerance_of(a, b, name):
    """Return the rounding error to allow: of a float32 result, and of squares that cancel."""
    largest = max(np.abs(a).max(), np.abs(b).max(), 1.0)
    return {"cosine": 1e-6, "euclidean": 1e-6 * largest, "dot": 1e-6 * largest**2}[name]


@names
@given(sets=two_sets(), block=st.integers(1, 9), data=st.data())
def test_distance_equals_brute_force(name, sets, block, data):
    """Oracles: SciPy's double loop, and sorting all distances."""
    a, b = sets
    distance = DISTANCES[name]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK", block)
        result = distance.pairwise(a, b)
        k = data.draw(st.integers(1, len(b)))
        positions, nearest = distance.closest(a, b, k)
    tolerance = tolerance_of(a, b, name)
    np.testing.assert_allclose(result, distance.pairwise(b, a).T, atol=tolerance)
    low, high = distance.range
    assert (result >= low).all() and (result <= high).all()
    is_defined = a.any(1)[:, None] & b.any(1) if name == "cosine" else np.ones(result.shape, bool)
    with np.errstate(invalid="ignore"):
        brute = cdist(a.astype(float), b.astype(float), ORACLES[name])
    np.testing.assert_allclose(result[is_defined], brute[is_defined], rtol=1e-5, atol=tolerance)
    assert (result[~is_defined] == 1).all()  # a vector of zeros has no direction
    np.testing.assert_array_equal(positions, np.argsort(result, axis=1, kind="stable")[:, :k])
    np.testing.assert_array_equal(nearest, np.take_along_axis(result, positions, axis=1))


@given(sets=two_sets())
def test_distance_of_a_vector_to_itself_is_zero(sets):
    a, _ = sets
    for distance in (Cosine(), Euclidean()):
        to_itself = np.diag(distance.pairwise(a, a))[a.any(1)]
        np.testing.assert_allclose(to_itself, 0, atol=tolerance_of(a, a, distance.name))


@given(sets=two_sets(), exponents=st.lists(st.integers(-30, 30), min_size=2, max_size=2))
def test_cosine_is_invariant_to_scaling(sets, exponents):
    a, b = sets
    scaled = [
        vectors * np.float64(10.0) ** exponent
        for vectors, exponent in zip(sets, exponents, strict=True)
    ]
    np.testing.assert_allclose(Cosine().pairwise(*scaled), Cosine().pairwise(a, b), atol=1e-6)


@given(sets=two_sets())
def test_euclidean_satisfies_the_triangle_inequality(sets):
    a, b = sets
    direct, onward = Euclidean().pairwise(a, a), Euclidean().pairwise(a, b)
    detours = (onward[:, None] + onward[None]).min(axis=2)
    assert (direct <= detours * (1 + 1e-6) + 3 * tolerance_of(a, b, "euclidean")).all()
