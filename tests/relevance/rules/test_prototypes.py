import numpy as np
import pytest
from scipy.special import logsumexp

from similarity_lab.relevance.rules.prototypes import Prototypes, Scatter, Whitening, unit


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 8)
    centres = rng.normal(0, 1, (5, 6))
    return unit(centres[labels] + rng.normal(0, 0.3, (40, 6))), labels


def test_scatters_add_up(vectors):
    points, labels = vectors
    whole = Scatter.of(points, labels)
    parts = Scatter.of(points[labels < 2], labels[labels < 2]) + Scatter.of(
        points[labels >= 2], labels[labels >= 2]
    )
    np.testing.assert_allclose(parts.matrix, whole.matrix, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.means, whole.means, rtol=1e-5)
    assert parts.count == whole.count == 40


def test_whitening_is_the_shrunk_mahalanobis_geometry(vectors):
    """Oracle: inner products in the whitened space, by the inverse of the shrunk covariance."""
    points, labels = vectors
    scatter = Scatter.of(points, labels)
    white = Whitening.from_scatter(scatter)(points)
    np.testing.assert_allclose(np.linalg.norm(white, axis=1), 1, rtol=1e-5)
    within = points - np.array([points[labels == label].mean(0) for label in labels])
    covariance = within.T @ within
    inverse = np.linalg.inv(covariance / (np.trace(covariance) / 6) + np.eye(6))
    centred = points - np.array([points[labels == k].mean(0) for k in range(5)]).mean(0)
    inner = centred @ inverse @ centred.T
    lengths = np.sqrt(np.diag(inner))
    np.testing.assert_allclose(white @ white.T, inner / np.outer(lengths, lengths), atol=1e-4)


def test_comparison_equals_cosines_to_the_prototypes(vectors):
    """Oracle: image by image, product by product."""
    points, labels = vectors
    space = Whitening.from_scatter(Scatter.of(points, labels))
    is_target = labels == 0
    prototypes = Prototypes.fit(points[is_target], points[~is_target], labels[~is_target], space)
    comparison = prototypes.compare(points)
    means = [unit(space(points[labels == label]).mean(0)[None])[0] for label in range(5)]
    for index, point in enumerate(points):
        own, *others = (float(space(point[None])[0] @ mean) for mean in means)
        score = 8 * own - logsumexp([*(8 * cosine for cosine in others), 8 * 0.4])
        assert comparison.scores[index] == pytest.approx(score, abs=1e-4)
        assert comparison.margins[index] == pytest.approx(own - max(others), abs=1e-5)
        assert others[comparison.nearest[index]] == pytest.approx(max(others), abs=1e-5)
    assert comparison.margins[is_target].min() > comparison.margins[~is_target].max()
    assert (comparison.nearest[~is_target] == labels[~is_target] - 1).mean() > 0.9


def test_whitening_without_variation_is_centring():
    """One photo of each product: cosines around the mean of all, as they are."""
    points = unit(np.random.default_rng(0).normal(0, 1, (4, 6)))
    white = Whitening.from_scatter(Scatter.of(points, np.arange(4)))(points)
    np.testing.assert_allclose(white, unit(points - points.mean(0)), atol=1e-6)


def test_unit_keeps_zero_vectors():
    np.testing.assert_allclose(unit(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
