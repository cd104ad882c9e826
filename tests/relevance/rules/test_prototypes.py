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


def test_scores_are_log_odds_of_a_softmax(vectors):
    points, labels = vectors
    space = Whitening.from_scatter(Scatter.of(points, labels))
    is_target = labels == 0
    prototypes = Prototypes.fit(points[is_target], points[~is_target], labels[~is_target], space)
    for vector, score in zip(points, prototypes.scores(points), strict=True):
        white = space(vector[None])[0]
        to_others = [8 * float(white @ other) for other in prototypes.others]
        expected = 8 * float(white @ prototypes.target) - logsumexp([*to_others, 8 * 0.4])
        assert score == pytest.approx(expected, abs=1e-4)
    nearest = prototypes.most_confusable(points[~is_target])
    assert (nearest == labels[~is_target] - 1).mean() > 0.9


def test_whitening_without_variation_is_centring():
    """One photo of each product: cosines around the mean of all, as they are."""
    points = unit(np.random.default_rng(0).normal(0, 1, (4, 6)))
    white = Whitening.from_scatter(Scatter.of(points, np.arange(4)))(points)
    np.testing.assert_allclose(white, unit(points - points.mean(0)), atol=1e-6)


def test_unit_keeps_zero_vectors():
    np.testing.assert_allclose(unit(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
