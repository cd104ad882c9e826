"""Which references an image is compared with, and what becomes of the distances."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError

Draw = Literal["with-replacement", "without-replacement", "all"]
Aggregate = Literal["mean", "nearest", "mean-of-nearest"]

DRAWS = ("with-replacement", "without-replacement", "all")
AGGREGATES = ("mean", "nearest", "mean-of-nearest")


@dataclass(frozen=True)
class ReferenceDraw:
    """Draws references for an image and aggregates the distances to them.

    The draw of an image depends on `seed` and on the image's content alone, so that its distance
    is the same whatever else is on the site, whatever its name, and in every run.

    Parameters
    ----------
    n : int
        References drawn per image; not used by ``draw="all"``.
    draw : {"with-replacement", "without-replacement", "all"}
        The original study draws with replacement.
    aggregate : {"mean", "nearest", "mean-of-nearest"}
        Of the distances to the drawn references: their mean (the original), the smallest, or the
        mean of the `n_nearest` smallest.
    n_nearest : int
        For ``aggregate="mean-of-nearest"``.
    seed : int

    Examples
    --------
    >>> rule = ReferenceDraw(n=2, draw="all")
    >>> rule.distances(np.array([[0.2, 0.4, 0.9]], np.float32), ["00ff"])
    array([0.5], dtype=float32)
    """

    n: int = 15
    draw: Draw = "with-replacement"
    aggregate: Aggregate = "mean"
    n_nearest: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draw not in DRAWS:
            raise InputError(f"draw must be one of {', '.join(DRAWS)}, got {self.draw!r}")
        if self.aggregate not in AGGREGATES:
            raise InputError(
                f"aggregate must be one of {', '.join(AGGREGATES)}, got {self.aggregate!r}"
            )
        if self.n < 1 or self.n_nearest < 1:
            raise InputError(
                f"n_references and n_nearest must be at least 1, got {self.n} and {self.n_nearest}"
            )

    def check(self, available: int) -> None:
        """Raise unless this draw can be made from so many references."""
        if self.draw == "without-replacement" and self.n > available:
            raise InputError(
                f"cannot draw {self.n} of {available} references without replacement; "
                f'lower n_references to {available} or use draw="all"'
            )

    def indices(self, available: int, digest: str) -> npt.NDArray[np.intp]:
        """Return the positions of the references that an image is compared with.

        Parameters
        ----------
        available : int
            How many references there are.
        digest : str
            The image's content digest, hexadecimal (`images.sources.content_digest`).
        """
        if self.draw == "all":
            return np.arange(available)
        rng = np.random.default_rng([self.seed, int(digest[:16], 16)])
        return rng.choice(available, self.n, replace=self.draw == "with-replacement")

    def distances(
        self, to_references: npt.NDArray[np.float32], digests: list[str]
    ) -> npt.NDArray[np.float32]:
        """Return one distance per image.

        Parameters
        ----------
        to_references : ndarray, shape (n images, n references)
        digests : list of str
            One per image.
        """
        available = to_references.shape[1]
        drawn = [
            self._aggregated(row[self.indices(available, digest)])
            for row, digest in zip(to_references, digests, strict=True)
        ]
        return np.array(drawn, np.float32)

    def _aggregated(self, distances: npt.NDArray[np.float32]) -> float:
        if self.aggregate == "nearest":
            return float(distances.min())
        if self.aggregate == "mean-of-nearest":
            distances = np.sort(distances)[: self.n_nearest]
        return float(distances.mean(dtype=np.float64))
