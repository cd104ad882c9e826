"""The learned rule: prototypes of the target and of other products, calibrated by cross-fitting."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders import Embedder
from similarity_lab.relevance.blas import one_thread
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.calibration import (
    HeldOut,
    LikelihoodRatio,
    cross_fit,
    probability,
)
from similarity_lab.relevance.rules.prototypes import Prototypes, Scatter, Vectors, Whitening, unit

_LEAST_PRODUCTS = 2  # with fewer, none could be left out while calibrating

# What is learned on a library is about as fast as comparing; what is looked at is the choice.
QUALITIES: dict[str, tuple[str, int]] = {
    "standard": ("efficientnet-lite0", 224),
    "best": ("efficientnet-lite2", 380),
}


@dataclass(frozen=True, eq=False)
class LearnedRule:
    """P(an image shows the target), from a few references and photos of other products.

    Attributes
    ----------
    prototypes : Prototypes
    others : tuple of str
        Names of the other products, as the prototypes have them.
    likelihood : LikelihoodRatio
        Of scores.
    held_out : HeldOut or None
        The scores it was fitted on; None in a rule that was loaded.
    similarity_threshold : float
        Probability from which an image is called a match.
    prior_share : float
        Share of images that show the target before one is looked at.
    certainty : float
        A decision less probable than this is "unsure".
    """

    repeats_count_once: ClassVar[bool] = True

    prototypes: Prototypes
    others: tuple[str, ...]
    likelihood: LikelihoodRatio
    held_out: HeldOut | None
    similarity_threshold: float
    prior_share: float
    certainty: float

    @classmethod
    def fit(
        cls,
        library: EmbeddedLibrary,
        target: str,
        embedder: Embedder,
        *,
        similarity_threshold: float | None,
        prior_share: float,
        certainty: float,
        seed: int,
    ) -> "LearnedRule":
        """Fit on the vectors of a library.

        Where it has fewer than two other products, generated photos stand in.
        """
        is_target = library.is_target(target)
        references = unit(library.vectors[is_target])
        others, labels, names = _others(library, is_target)
        generated = len(names) < _LEAST_PRODUCTS
        if generated:  # only who needs them waits for what draws them
            from similarity_lab.relevance.rules.background import (
                background_vectors,
                counter_examples,
            )

            background = unit(background_vectors(embedder))
            more, more_labels, more_names = counter_examples(references, background)
            others = np.concatenate([others, more])
            labels = np.concatenate([labels, more_labels + len(names)])
            names += [f"generated {name}" for name in more_names]
        if len(references) == 1:
            warnings.warn(
                f"one photo of {target!r} cannot be held out, so its probabilities are guesses; "
                "pass two or more",
                stacklevel=4,
            )
        with one_thread:
            held_out = cross_fit(references, others, labels, seed)
            own = Scatter.of(references, np.zeros(len(references), int))
            space = Whitening.from_scatter(own + Scatter.of(others, labels))
            prototypes = Prototypes.fit(references, others, labels, space)
        return cls(
            prototypes,
            tuple(names),
            LikelihoodRatio.fit(
                held_out.references, held_out.others, held_out.weights, generated=generated
            ),
            held_out,
            0.5 if similarity_threshold is None else float(similarity_threshold),
            prior_share,
            certainty,
        )

    def columns(
        self, vectors: Vectors, _to_references: npt.NDArray[np.float32], _digests: list[str]
    ) -> dict[str, npt.NDArray[np.float64] | list[str]]:
        """Return score, probability and most confusable other product of images ``(n, d)``.

        The score is the log likelihood ratio: how much likelier the image is if it shows the
        target than if it does not.
        """
        wins, nearest = self.prototypes.compare(unit(vectors))
        scores = self.likelihood(wins)
        return {
            "score": scores,
            "probability": probability(scores, self.prior_share),
            "confusable": [self.others[at] for at in nearest],
        }

    def settings(self) -> dict[str, object]:
        """Return what the figures depend on."""
        return {
            "prior_share": self.prior_share,
            "certainty": self.certainty,
            "other_products": len(self.others),
        }


def _others(
    library: EmbeddedLibrary, is_target: npt.NDArray[np.bool_]
) -> tuple[Vectors, npt.NDArray[np.int64], list[str]]:
    """Return vectors, labels and names of the other products that have photos."""
    present, labels = np.unique(library.photos.labels[~is_target], return_inverse=True)
    names = [library.photos.classes[at] for at in present]
    return unit(library.vectors[~is_target]), labels.astype(np.int64), names
