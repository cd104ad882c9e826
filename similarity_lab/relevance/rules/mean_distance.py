"""The original study's rule: a mean distance to references, and a similarity threshold."""

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from similarity_lab.distances.comparators import Comparator, EmbeddingComparator
from similarity_lab.errors import InputError
from similarity_lab.evaluation.thresholds import balanced_threshold
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.prototypes import Vectors
from similarity_lab.relevance.rules.references import ReferenceDraw

ORIGINAL_EMBEDDER, ORIGINAL_THRESHOLD = "efficientnet-lite0", 0.65

Threshold = float | Literal["from-library"] | None


@dataclass(frozen=True, eq=False)
class MeanDistanceRule:
    """Compares each image with drawn references of the target.

    Attributes
    ----------
    draw : ReferenceDraw
    similarity_threshold : float
        An image is a match if its distance is at most this.
    """

    repeats_count_once: ClassVar[bool] = False  # the study counted every file

    draw: ReferenceDraw
    similarity_threshold: float

    @classmethod
    def fit(
        cls,
        library: EmbeddedLibrary,
        target: str,
        comparator: Comparator,
        draw: ReferenceDraw,
        threshold: Threshold,
    ) -> "MeanDistanceRule":
        """Take the threshold, or choose it on the library: best balanced accuracy."""
        is_target = library.is_target(target)
        draw.check(int(is_target.sum()))
        if needs_counter_examples(threshold, comparator, draw):
            threshold = _chosen_threshold(library, is_target, comparator, draw)
        elif threshold is None:
            threshold = ORIGINAL_THRESHOLD
        return cls(draw, float(threshold))

    def columns(
        self, _vectors: Vectors, to_references: npt.NDArray[np.float32], digests: list[str]
    ) -> dict[str, npt.NDArray[np.float64] | list[str]]:
        """Return score and distance of images.

        Parameters
        ----------
        to_references : ndarray, shape (n images, n references)
        digests : list of str
        """
        distances = self.draw.distances(to_references, digests).astype(np.float64)
        return {"score": -distances, "distance": distances}

    def settings(self) -> dict[str, object]:
        """Return what the figures depend on."""
        return asdict(self.draw)


def needs_counter_examples(
    threshold: Threshold, comparator: Comparator, draw: ReferenceDraw
) -> bool:
    """Return whether a threshold must be chosen on photos of other products."""
    original = draw.aggregate == "mean" and _is_original(comparator)
    return threshold == "from-library" or (threshold is None and not original)


def _is_original(comparator: Comparator) -> bool:
    return (
        isinstance(comparator, EmbeddingComparator)
        and comparator.distance.name == "cosine"
        and comparator.embedder.name.startswith(f"{ORIGINAL_EMBEDDER} ")
        and comparator.embedder.input_size == (224, 224)
        and getattr(comparator.embedder, "color", None) == "gray"
    )


def _chosen_threshold(
    library: EmbeddedLibrary,
    is_target: npt.NDArray[np.bool_],
    comparator: Comparator,
    draw: ReferenceDraw,
) -> float:
    references, others = library.vectors[is_target], library.vectors[~is_target]
    if not len(others) or len(references) < 2:
        raise InputError(
            f"no threshold is known for {comparator.embedder.name!r} with "
            f"aggregate={draw.aggregate!r}; pass similarity_threshold, or a library with at "
            "least two photos of the target and photos of other products to choose it on"
        )
    far = draw.distances(comparator.between(others, references), library.digests(~is_target))
    near = _leave_one_out(references, library.digests(is_target), comparator, draw)
    return balanced_threshold(near, far)


def _leave_one_out(
    references: Vectors, digests: list[str], comparator: Comparator, draw: ReferenceDraw
) -> npt.NDArray[np.float32]:
    """Distances of each reference to the other ones."""
    among = comparator.between(references, references)
    rows = [
        draw.distances(np.delete(among[index], index)[None], [digest])
        for index, digest in enumerate(digests)
    ]
    return np.concatenate(rows)
