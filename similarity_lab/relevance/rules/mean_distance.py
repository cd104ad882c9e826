"""The original study's rule: a mean distance to references, and a similarity threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from similarity_lab.distances.comparators import Comparator, EmbeddingComparator
from similarity_lab.embedders import load_embedder
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError, check_number, did_you_mean
from similarity_lab.evaluation.thresholds import balanced_threshold
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.prototypes import Floats

ORIGINAL_EMBEDDER, ORIGINAL_THRESHOLD = "efficientnet-lite0", 0.65
ORIGINAL_NAMES = frozenset(
    f"efficientnet-lite0 57934424 gray 224x224 {runtime}"
    for runtime in (
        "bicubic keras float32",
        "bicubic openvino float32",
        "scaled openvino int8",
    )
)
"""Names of the study's embedder, for which `ORIGINAL_THRESHOLD` holds."""

Draw = Literal["with-replacement", "without-replacement", "all"]
Aggregate = Literal["mean", "nearest", "mean-of-nearest"]
Threshold = float | Literal["from-library"] | None


@dataclass(frozen=True)
class ReferenceDraw:
    """Draws references for an image and aggregates the distances to them.

    The draw depends on `seed` and the content of the image alone, so that its distance is the same
    in every run, independent of the site's other images and of the file's name.

    Parameters
    ----------
    n : int
        References drawn per image. Not with ``draw="all"``.
    draw : {"with-replacement", "without-replacement", "all"}
        The original study draws with replacement.
    aggregate : {"mean", "nearest", "mean-of-nearest"}
        Of the distances to the drawn references: their mean (the original), the smallest, or the
        mean of the `n_nearest` smallest.
    n_nearest : int
        Only with ``aggregate="mean-of-nearest"``.
    seed : int

    Raises
    ------
    InputError
        For a parameter that is invalid or has no effect.

    Examples
    --------
    >>> draw = ReferenceDraw(draw="all")
    >>> draw.distances(np.array([[0.2, 0.4, 0.9]], np.float32), ["00ff"])
    array([0.5], dtype=float32)
    """

    n: int = 15
    draw: Draw = "with-replacement"
    aggregate: Aggregate = "mean"
    n_nearest: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("draw", self.draw, get_args(Draw)),
            ("aggregate", self.aggregate, get_args(Aggregate)),
        ):
            if value not in known:
                raise InputError(
                    f"{name} must be one of {', '.join(known)}, got {value!r}."
                    f"{did_you_mean(value, known)}"
                )
        for name, number in (("n_references", self.n), ("n_nearest", self.n_nearest)):
            check_number(name, number, "an integer from 1", whole=True)
        if self.n < 1 or self.n_nearest < 1:
            raise InputError(
                f"n_references and n_nearest must be at least 1, got {self.n} and {self.n_nearest}"
            )
        if self.draw == "all" and self.n != ReferenceDraw.n:
            raise InputError(f'n_references={self.n} has no effect with draw="all"; leave it out')
        if self.aggregate != "mean-of-nearest" and self.n_nearest != ReferenceDraw.n_nearest:
            raise InputError(
                f"n_nearest={self.n_nearest} has no effect with aggregate={self.aggregate!r}; "
                "leave it out"
            )

    def check(self, available: int) -> None:
        """Raise `InputError` if this many references are too few for the draw."""
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
            Number of references.
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
        """Return one distance per image, float32 (n,), smaller = more alike.

        Parameters
        ----------
        to_references : ndarray of float32, shape (n images, n references)
        digests : list of str
            One per image.
        """
        available = to_references.shape[1]
        aggregated = [
            self._aggregate(row[self.indices(available, digest)])
            for row, digest in zip(to_references, digests, strict=True)
        ]
        return np.array(aggregated, np.float32)

    def _aggregate(self, distances: npt.NDArray[np.float32]) -> float:
        if self.aggregate == "nearest":
            return float(distances.min())
        if self.aggregate == "mean-of-nearest":
            distances = np.sort(distances)[: self.n_nearest]
        return float(distances.mean(dtype=np.float64))


class MeanDistanceRule(BaseEstimator):
    """Compare each image with references of the target, as the original study does.

    An image is a match if the mean of its distances to drawn references is at most
    `similarity_threshold`.

    Parameters
    ----------
    similarity_threshold : float or "from-library", optional
        Maximum distance of a match. ``"from-library"`` takes the one with the best balanced
        accuracy on the library. None: 0.65 with the original's embedder, distance and mean, else
        ``"from-library"``, since a threshold holds for one embedder only.
    n_references, draw, aggregate, n_nearest
        As in `ReferenceDraw`.

    Examples
    --------
    >>> MeanDistanceRule(n_references=30)
    MeanDistanceRule(n_references=30)
    """

    name: ClassVar[str] = "mean-distance"
    gives_probability: ClassVar[bool] = False
    text: ClassVar[bool] = False  # reads images only
    criteria: ClassVar[tuple[str, ...]] = ("share",)

    def __init__(
        self,
        similarity_threshold: Threshold = None,
        n_references: int = 15,
        draw: Draw = "with-replacement",
        aggregate: Aggregate = "mean",
        n_nearest: int = 3,
    ) -> None:
        self.similarity_threshold = similarity_threshold
        self.n_references = n_references
        self.draw = draw
        self.aggregate = aggregate
        self.n_nearest = n_nearest

    def check(self) -> None:
        """Raise `InputError` at the first invalid parameter."""
        threshold = self.similarity_threshold
        if isinstance(threshold, str):
            if threshold != "from-library":
                raise InputError(
                    f'similarity_threshold is a number or "from-library", got {threshold!r}'
                )
        elif threshold is not None:
            check_number("similarity_threshold", threshold, 'a number or "from-library"')
            if not np.isfinite(threshold):
                raise InputError(f"similarity_threshold must be a finite number, got {threshold}")
        self.reference_draw(0)

    def reference_draw(self, seed: int) -> ReferenceDraw:
        """Return the draw that these parameters and a seed define."""
        return ReferenceDraw(self.n_references, self.draw, self.aggregate, self.n_nearest, seed)

    def default_comparator(self, quality: str | None) -> Comparator:
        """Return the study's: cosine distance of grey EfficientNet-Lite0 vectors, in float32."""
        if quality is not None:
            raise InputError(
                f"quality={quality!r} applies to the learned rule; pass embedder= to choose "
                "another embedder for the mean-distance rule"
            )
        return EmbeddingComparator(
            load_embedder(ORIGINAL_EMBEDDER, color="gray", runtime="auto-float32")
        )

    def check_comparator(self, _comparator: Comparator) -> None:
        """Accept any comparator."""

    def needs_other_products(self, comparator: Comparator) -> bool:
        """Return whether the threshold must be chosen on images of other products."""
        is_original = self.aggregate == "mean" and _is_original(comparator)
        threshold = self.similarity_threshold
        return threshold == "from-library" or (threshold is None and not is_original)

    def check_references(self, count: int) -> None:
        """Raise `InputError` if this many reference images are too few for the draw."""
        self.reference_draw(0).check(count)

    def learn(
        self, library: EmbeddedLibrary, target: str, comparator: Comparator, *, seed: int
    ) -> FittedMeanDistanceRule:
        """Take the threshold, or choose it on the library: best balanced accuracy.

        Parameters
        ----------
        library : EmbeddedLibrary
        target : str
        comparator : Comparator
        seed : int
            Of the draws.
        """
        draw = self.reference_draw(seed)
        is_target = library.is_target(target)
        draw.check(int(is_target.sum()))
        threshold = self.similarity_threshold
        if self.needs_other_products(comparator):
            threshold = _threshold_from(library, is_target, comparator, draw)
        elif threshold is None:
            threshold = ORIGINAL_THRESHOLD
        return FittedMeanDistanceRule(draw, float(threshold))


@dataclass(frozen=True, eq=False)
class FittedMeanDistanceRule:
    """Gives the distance of images to drawn references of the target.

    Attributes
    ----------
    reference_draw : ReferenceDraw
    similarity_threshold : float
        Maximum distance of a match.
    """

    name: ClassVar[str] = "mean-distance"
    gives_probability: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("share",)
    repeats_count_once: ClassVar[bool] = False  # the study counted every file
    prior_share: ClassVar[None] = None
    other_products: ClassVar[None] = None
    calibration: ClassVar[None] = None
    text: ClassVar[None] = None

    reference_draw: ReferenceDraw
    similarity_threshold: float

    def site_calibration(self, _vectors: Vectors) -> None:
        """Return None: distances are not calibrated."""

    def columns(
        self, _vectors: Vectors, to_references: npt.NDArray[np.float32], digests: list[str]
    ) -> dict[str, Floats | list[str]]:
        """Return score and distance of images.

        Parameters
        ----------
        to_references : ndarray of float32, shape (n images, n references)
        digests : list of str
            Content digest of each image.

        Returns
        -------
        dict
            ``distance``, float64 (n,), smaller = more alike; ``score``, the distance with the
            opposite sign.
        """
        distances = self.reference_draw.distances(to_references, digests).astype(np.float64)
        return {"score": -distances, "distance": distances}

    def to_saved(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return the fitted values: those for JSON, and the arrays."""
        content = {
            "reference_draw": asdict(self.reference_draw),
            "similarity_threshold": self.similarity_threshold,
        }
        return content, {}

    @classmethod
    def from_saved(
        cls, content: Mapping[str, Any], _arrays: Mapping[str, npt.NDArray[Any]]
    ) -> FittedMeanDistanceRule:
        """Return the rule that `to_saved` describes."""
        draw = ReferenceDraw(**content["reference_draw"])
        return cls(draw, float(content["similarity_threshold"]))


def _is_original(comparator: Comparator) -> bool:
    return (
        isinstance(comparator, EmbeddingComparator)
        and comparator.distance.name == "cosine"
        and comparator.embedder.name in ORIGINAL_NAMES
    )


def _threshold_from(
    library: EmbeddedLibrary,
    is_target: npt.NDArray[np.bool_],
    comparator: Comparator,
    draw: ReferenceDraw,
) -> float:
    """Return the threshold with the best balanced accuracy on the library."""
    references, others = library.vectors[is_target], library.vectors[~is_target]
    if not len(others) or len(references) < 2:
        raise InputError(
            f"No similarity threshold is known for {comparator.embedder.name!r} with "
            f"aggregate={draw.aggregate!r}; pass similarity_threshold, or a library with at "
            "least two images of the target and images of other products to choose it on"
        )
    far = draw.distances(comparator.between(others, references), library.digests(~is_target))
    near = _leave_one_out(references, library.digests(is_target), comparator, draw)
    return balanced_threshold(near, far)


def _leave_one_out(
    references: Vectors, digests: list[str], comparator: Comparator, draw: ReferenceDraw
) -> npt.NDArray[np.float32]:
    """Return the distance of each reference to the other ones, (n,)."""
    between = comparator.between(references, references)
    rows = [
        draw.distances(np.delete(between[index], index)[None], [digest])
        for index, digest in enumerate(digests)
    ]
    return np.concatenate(rows)
