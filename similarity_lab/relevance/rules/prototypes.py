"""Products as prototypes in a whitened space, and an image's score for the target among them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from similarity_lab.embedders.base import Vectors

# Fixed once for every embedder: vectors are whitened and of length 1, so their scale is known.
_SHRINKAGE = 1.0  # as much of the identity as of the covariance whose mean variance is 1
_SHARPNESS = 8.0  # how much a cosine counts in the competition between products
_NONE_OF_THESE = 0.4  # cosine at which "no product of the library" competes


@dataclass(frozen=True, eq=False)
class Scatter:
    """How vectors vary within their classes; scatters of different photos add up.

    Attributes
    ----------
    matrix : ndarray of float32, shape (d, d)
        Sum of outer products of each vector minus the mean of its class.
    means : ndarray of float32, shape (c, d)
    count : int
        Number of vectors.
    """

    matrix: npt.NDArray[np.float32]
    means: Vectors
    count: int

    @classmethod
    def of(cls, vectors: Vectors, labels: npt.NDArray[np.integer]) -> "Scatter":
        """Measure vectors ``(n, d)`` with labels ``(n,)``."""
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
    """Makes vectors vary alike in all directions within a class, as far as shrinkage allows.

    What changes between photos of one product (light, background) then counts less, what differs
    between products counts more. The covariance is shrunk half-way to the identity, so that a
    library of another domain, or a small one, cannot do much harm.

    Source: B. Hariharan, J. Malik, D. Ramanan, "Discriminative Decorrelation for Clustering and
    Classification", ECCV 2012, https://doi.org/10.1007/978-3-642-33765-9_33.

    Attributes
    ----------
    mean : ndarray of float32, shape (d,)
        Mean of the classes' means.
    factor : ndarray of float32, shape (d, d)
        Lower triangular; factor times its transpose is the shrunk covariance.
    """

    mean: Vectors
    factor: npt.NDArray[np.float32]

    @classmethod
    def from_scatter(cls, scatter: Scatter) -> "Whitening":
        """Fit on what was measured."""
        dimension = len(scatter.matrix)
        mean_variance = float(np.trace(scatter.matrix)) / dimension
        covariance = scatter.matrix / mean_variance if mean_variance > 0 else scatter.matrix.copy()
        covariance[np.diag_indices(dimension)] += _SHRINKAGE
        factor = np.linalg.cholesky(covariance)
        return cls(scatter.means.mean(0), factor.astype(np.float32))

    def __call__(self, vectors: Vectors) -> Vectors:
        """Return whitened vectors of length 1, ``(n, d)`` float32."""
        centred = (vectors - self.mean).T.astype(np.float32)
        return unit(solve_triangular(self.factor, centred, lower=True, check_finite=False).T)


@dataclass(frozen=True, eq=False)
class Prototypes:
    """The target and the other products, each as the mean direction of its photos.

    Attributes
    ----------
    whitening : Whitening
    target : ndarray of float32, shape (d,)
    others : ndarray of float32, shape (c, d)
        All of length 1, whitened.
    """

    whitening: Whitening
    target: Vectors
    others: Vectors

    @classmethod
    def fit(
        cls, references: Vectors, others: Vectors, labels: npt.NDArray[np.integer], space: Whitening
    ) -> "Prototypes":
        """Take the mean directions of photos given as unit vectors.

        Parameters
        ----------
        references : ndarray, shape (n, d)
        others : ndarray, shape (m, d)
        labels : integers, shape (m,)
            Products of `others`; prototypes come in the order of sorted labels.
        space : Whitening
        """
        whitened = space(others)
        means = [whitened[labels == label].mean(0) for label in np.unique(labels)]
        return cls(space, unit(space(references).mean(0)[None])[0], unit(np.array(means)))

    def scores(self, vectors: Vectors) -> npt.NDArray[np.float64]:
        """Return how far the target wins over all other products, and over none of these.

        Parameters
        ----------
        vectors : ndarray, shape (n, d)
            Of length 1.

        Returns
        -------
        ndarray of float64, shape (n,)
            Log-odds of a softmax over cosines, any real number, higher = more like the target.
        """
        return self.compare(vectors)[0]

    def most_confusable(self, vectors: Vectors) -> npt.NDArray[np.intp]:
        """Return the position of the other product that each vector is most like, ``(n,)``."""
        return self.compare(vectors)[1]

    def compare(self, vectors: Vectors) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
        """Return `scores` and `most_confusable` of one whitening, which is most of the work."""
        whitened = self.whitening(vectors)
        likeness = whitened @ self.others.T
        target = _SHARPNESS * (whitened @ self.target).astype(np.float64)
        others = logsumexp(_SHARPNESS * likeness.astype(np.float64), axis=1)
        scores = target - np.logaddexp(others, _SHARPNESS * _NONE_OF_THESE)
        return scores, likeness.argmax(axis=1)


def unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Return vectors scaled to length 1, float32; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0).astype(
        np.float32
    )
