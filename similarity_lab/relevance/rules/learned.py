"""The learned rule: prototypes of the target and of other products, calibrated by cross-fitting."""

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from similarity_lab.distances.comparators import Comparator, EmbeddingComparator, PairComparator
from similarity_lab.embedders import join_embedders, load_embedder
from similarity_lab.embedders.base import Embedder, Vectors
from similarity_lab.errors import InputError, check_number, did_you_mean
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.calibration import (
    Calibration,
    LikelihoodRatio,
    cross_fit,
    probability,
)
from similarity_lab.relevance.rules.prototypes import (
    Floats,
    Prototypes,
    Scatter,
    Whitening,
    one_thread,
)
from similarity_lab.store import unit

_MIN_PRODUCTS = 2  # calibration leaves products out, so it needs at least two

QUALITIES: dict[str, list[dict[str, Any]]] = {
    "fast": [{}],
    "standard": [{"crops": (0.5,)}],
    "best": [
        {"crops": (0.5,)},
        {"source": "efficientnet-lite2", "input_size": 380, "crops": (0.75,)},
    ],
}
"""Parameters of `load_embedder` for each quality; several embedders are joined."""


def quality_embedder(quality: str | None) -> Embedder:
    """Return the embedder of a quality; None = "standard".

    Raises
    ------
    InputError
        There is no such quality.
    """
    quality = "standard" if quality is None else quality
    if quality not in QUALITIES:
        raise InputError(
            f"Unknown quality {quality!r}.{did_you_mean(quality, QUALITIES)} "
            f"Expected one of: {', '.join(QUALITIES)}"
        )
    return join_embedders(*(load_embedder(**params) for params in QUALITIES[quality]))


class LearnedRule(BaseEstimator):
    """Tell the target from the other products of the library, with calibrated probabilities.

    Parameters
    ----------
    similarity_threshold : float
        Minimum probability of a match, 0…1.
    prior_share : float
        Prior probability that an image shows the target; above 0, below 1. The default balances
        false and missed matches on real shops.

    Examples
    --------
    >>> LearnedRule(prior_share=0.25).get_params()
    {'prior_share': 0.25, 'similarity_threshold': 0.5}
    """

    name: ClassVar[str] = "learned"
    gives_probability: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ("offered", "share")

    def __init__(self, similarity_threshold: float = 0.5, prior_share: float = 0.1) -> None:
        self.similarity_threshold = similarity_threshold
        self.prior_share = prior_share

    def check(self) -> None:
        """Raise `InputError` at the first invalid parameter."""
        threshold = self.similarity_threshold
        if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise InputError(
                "similarity_threshold of the learned rule is the minimum probability of a match, "
                f"from 0 to 1; got {threshold!r}"
            )
        expected = "a probability above 0 and below 1"
        check_number("prior_share", self.prior_share, expected)
        if not 0 < self.prior_share < 1:
            raise InputError(f"prior_share is {expected}, got {self.prior_share}")

    def default_comparator(self, quality: str | None) -> Comparator:
        """Return the cosine distance of this quality's embedder."""
        return EmbeddingComparator(quality_embedder(quality))

    def check_comparator(self, comparator: Comparator) -> None:
        """Raise `InputError` for a comparator without vectors to learn from."""
        if isinstance(comparator, PairComparator):
            raise InputError(
                f"{comparator!r} gives distances but no vectors to learn from; pass "
                "rule=MeanDistanceRule(similarity_threshold=…)"
            )

    def needs_other_products(self, _comparator: Comparator) -> bool:
        """Return True: the rule learns from the other products of the library."""
        return True

    def check_references(self, _count: int) -> None:
        """Accept any number of reference images."""

    def learn(
        self, library: EmbeddedLibrary, target: str, comparator: Comparator, *, seed: int
    ) -> "FittedLearnedRule":
        """Fit on the vectors of a library.

        A file that is in a class several times counts once. If the library has fewer than two
        other products, generated images are added.

        Parameters
        ----------
        library : EmbeddedLibrary
        target : str
        comparator : Comparator
        seed : int
            Of the cross-fitting folds.
        """
        library = library.distinct()
        is_target = library.is_target(target)
        references = unit(library.vectors[is_target])
        others, labels, names = _other_products(library, is_target)
        is_generated = len(names) < _MIN_PRODUCTS
        if is_generated:
            from similarity_lab.relevance.rules.background import (  # deferred: rarely needed
                background_vectors,
                counter_examples,
            )

            background = unit(background_vectors(comparator.embedder))
            generated, generated_labels, kinds = counter_examples(references, background)
            others = np.concatenate([others, generated])
            labels = np.concatenate([labels, generated_labels + len(names)])
            names += [f"generated {kind}" for kind in kinds]
        if len(references) == 1:
            warnings.warn(
                f"Only one image of {target!r}: it cannot be held out, so the probabilities are "
                "not calibrated; pass two or more",
                stacklevel=4,
            )
        with one_thread:
            held_out = cross_fit(references, others, labels, seed)
            own = Scatter.of(references, np.zeros(len(references), int))
            space = Whitening.from_scatter(own + Scatter.of(others, labels))
            prototypes = Prototypes.fit(references, others, labels, space)
        calibration = Calibration.of(held_out, is_generated=is_generated)
        if len(references) > 1 and not calibration.is_learned:
            warnings.warn(
                f"{target!r} was not learned: its held-out references look like other products "
                f"(separability {calibration.separability:.2f}, where 0.5 is chance). Split the "
                "class into products that look alike, or add references; until then decisions on "
                "images are unsure",
                stacklevel=4,
            )
        return FittedLearnedRule(
            prototypes,
            tuple(names),
            calibration,
            float(self.similarity_threshold),
            float(self.prior_share),
        )


@dataclass(frozen=True, eq=False)
class FittedLearnedRule:
    """Gives P(an image shows the target).

    Attributes
    ----------
    prototypes : Prototypes
    others : tuple of str
        Names of the other products, in the order of the prototypes.
    calibration : Calibration
        Of the prototypes' scores and margins.
    similarity_threshold : float
        Minimum probability of a match.
    prior_share : float
        Prior probability that an image shows the target.
    """

    name: ClassVar[str] = "learned"
    gives_probability: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ("offered", "share")
    repeats_count_once: ClassVar[bool] = True
    reference_draw: ClassVar[None] = None

    prototypes: Prototypes
    others: tuple[str, ...]
    calibration: Calibration
    similarity_threshold: float
    prior_share: float

    @property
    def other_products(self) -> int:
        """Number of other products that the target competes with, 0 if they were generated."""
        return self.calibration.n_products

    def columns(
        self, vectors: Vectors, _to_references: npt.NDArray[np.float32], _digests: list[str]
    ) -> dict[str, Floats | list[str]]:
        """Return score, probability and closest other product of images.

        Parameters
        ----------
        vectors : ndarray of float32, shape (n, d)

        Returns
        -------
        dict
            ``score``: log likelihood ratio, float64 (n,), 0 = no evidence, higher = more likely to
            show the target; ``probability``, 0…1; ``margin``, float64 (n,), above 0 = more similar
            to the target than 95 % of the held-out other images; ``confusable``, list of n names.
        """
        comparison = self.prototypes.compare(unit(vectors))
        scores = self.calibration.line(comparison.scores)
        return {
            "score": scores,
            "probability": probability(scores, self.prior_share),
            "margin": comparison.margins - self.calibration.margin_anchor,
            "confusable": [self.others[index] for index in comparison.nearest],
        }

    def to_saved(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return the fitted values: those for JSON, and the arrays."""
        content = {
            "others": list(self.others),
            "calibration": asdict(self.calibration),
            "similarity_threshold": self.similarity_threshold,
            "prior_share": self.prior_share,
        }
        arrays = {
            "mean": self.prototypes.whitening.mean,
            "factor": self.prototypes.whitening.factor,
            "target": self.prototypes.target,
            "others": self.prototypes.others,
        }
        return content, arrays

    @classmethod
    def from_saved(
        cls, content: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> "FittedLearnedRule":
        """Return the rule that `to_saved` describes."""
        whitening = Whitening(arrays["mean"], arrays["factor"])
        return cls(
            Prototypes(whitening, arrays["target"], arrays["others"]),
            tuple(str(name) for name in content["others"]),
            _saved_calibration(content["calibration"]),
            float(content["similarity_threshold"]),
            float(content["prior_share"]),
        )


def _saved_calibration(content: Mapping[str, Any]) -> Calibration:
    """Return the calibration that `asdict` turned into plain values."""
    values: dict[str, Any] = {
        name: tuple(map(float, value)) if isinstance(value, list) else value
        for name, value in content.items()
    }
    line = LikelihoodRatio(**{name: float(value) for name, value in values["line"].items()})
    return Calibration(**{**values, "line": line})


def _other_products(
    library: EmbeddedLibrary, is_target: npt.NDArray[np.bool_]
) -> tuple[Vectors, npt.NDArray[np.int64], list[str]]:
    """Return unit vectors, labels and names of the other products that have images."""
    present, labels = np.unique(library.dataset.labels[~is_target], return_inverse=True)
    names = [library.dataset.classes[label] for label in present]
    return unit(library.vectors[~is_target]), labels.astype(np.int64), names
