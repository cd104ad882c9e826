"""Prototypes: products as mean directions in a whitened space, and scores against them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from similarity_lab.store import Vectors, unit

Floats = npt.NDArray[np.float64]
"""Scores, log likelihood ratios and probabilities."""

one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
"""Context manager and decorator that limits linear algebra (BLAS) to one thread.

The matrix products of a decision take milliseconds. More threads hardly shorten them, but then
busy-wait for the next product and slow down the threads that decode and embed.
"""

# The same for every embedder: vectors are whitened and of unit length, so their scale is known.
_SHRINKAGE = 1.0  # weight of the identity, relative to a covariance with mean variance 1
_SHARPNESS = 8.0  # inverse temperature of the softmax over cosines
_NONE_OF_THESE = 0.4  # cosine of the class "no product of the library"


@dataclass(frozen=True, eq=False)
class Scatter:
    """Within-class scatter of vectors; scatters of disjoint images can be added.

    Attributes
    ----------
    matrix : ndarray of float32, shape (d, d)
        Sum of the outer products of each vector minus the mean of its class.
    means : ndarray of float32, shape (c, d)
    count : int
        Number of vectors.
    """

    matrix: npt.NDArray[np.float32]
    means: Vectors
    count: int

    @classmethod
    def of(cls, vectors: Vectors, labels: npt.NDArray[np.integer]) -> "Scatter":
        """Return the scatter of vectors ``(n, d)`` with labels ``(n,)``."""
        classes, codes = np.unique(labels, return_inverse=True)
        means = np.array([vectors[codes == code].mean(0) for code in range(len(classes))])
        within = vectors - means[codes]
        return cls(within.T @ within, means.astype(np.float32), len(vectors))

    def __add__(self, other: "Scatter") -> "Scatter":
        return Scatter(
            self.matrix + other.matrix,
            np.concatenate([self.means, other.means]),
            self.count + other.count,
        )


@dataclass(frozen=True, eq=False)
class Whitening:
    """Whitens vectors by the within-class covariance, shrunk half-way to the identity.

    Directions that vary between images of one product (light, background) count less afterwards,
    those that differ between products count more. Shrinkage limits the harm that a small library,
    or one of another domain, can do.

    Source: B. Hariharan, J. Malik, D. Ramanan, "Discriminative Decorrelation for Clustering and
    Classification", ECCV 2012, https://doi.org/10.1007/978-3-642-33765-9_33.

    Attributes
    ----------
    mean : ndarray of float32, shape (d,)
        Mean of the classes' means.
    factor : ndarray of float32, shape (d, d)
        Lower Cholesky factor of the shrunk covariance.
    """

    mean: Vectors
    factor: npt.NDArray[np.float32]

    @classmethod
    def from_scatter(cls, scatter: Scatter) -> "Whitening":
        """Return the whitening by a within-class scatter."""
        dimension = len(scatter.matrix)
        mean_variance = float(np.trace(scatter.matrix)) / dimension
        covariance = scatter.matrix / mean_variance if mean_variance > 0 else scatter.matrix.copy()
        covariance[np.diag_indices(dimension)] += _SHRINKAGE
        factor = np.linalg.cholesky(covariance)
        return cls(scatter.means.mean(0), factor.astype(np.float32))

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return whitened vectors of unit length, float32 ``(n, d)``."""
        centred = (vectors - self.mean).T.astype(np.float32)
        return unit(solve_triangular(self.factor, centred, lower=True, check_finite=False).T)


@dataclass(frozen=True, eq=False)
class Prototypes:
    """The target and the other products, each as the mean direction of its images.

    Attributes
    ----------
    whitening : Whitening
    target : ndarray of float32, shape (d,)
    others : ndarray of float32, shape (c, d)
        Whitened, of unit length.
    """

    whitening: Whitening
    target: Vectors
    others: Vectors

    @classmethod
    def fit(
        cls, references: Vectors, others: Vectors, labels: npt.NDArray[np.integer], space: Whitening
    ) -> "Prototypes":
        """Return the mean directions of images given as unit vectors.

        Parameters
        ----------
        references : ndarray, shape (n, d)
        others : ndarray, shape (m, d)
        labels : integers, shape (m,)
            Products of `others`; the prototypes are in the order of sorted labels.
        space : Whitening
        """
        whitened = space(others)
        means = [whitened[labels == label].mean(0) for label in np.unique(labels)]
        return cls(space, unit(space(references).mean(0)[None])[0], unit(np.array(means)))

    def compare(self, vectors: Vectors) -> "Comparison":
        """Compare vectors of unit length, shape ``(n, d)``, with the target and the others."""
        whitened = self.whitening(vectors)
        others = (whitened @ self.others.T).astype(np.float64)
        target = (whitened @ self.target).astype(np.float64)
        rest = logsumexp(_SHARPNESS * others, axis=1)
        return Comparison(
            _SHARPNESS * target - np.logaddexp(rest, _SHARPNESS * _NONE_OF_THESE),
            target - others.max(axis=1),
            others.argmax(axis=1),
        )


class Comparison(NamedTuple):
    """How images compare with the target and the other products.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        Log-odds of a softmax over cosines, the target against all other products and "none of
        these"; higher = more similar to the target. Tells best what a single image shows.
    margins : ndarray of float64, shape (n,)
        Cosine to the target minus the largest cosine to another product, -2…2; higher = more
        similar to the target. The largest of a site tells best whether it shows the target at all.
    nearest : ndarray of int, shape (n,)
        Position of the closest other product.
    """

    scores: Floats
    margins: Floats
    nearest: npt.NDArray[np.intp]
