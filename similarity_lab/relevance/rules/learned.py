"""The learned rule: prototypes of the target and of other products, calibrated by cross-fitting."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from similarity_lab.datasets.layout import class_name
from similarity_lab.distances.comparators import Comparator, EmbeddingComparator, PairComparator
from similarity_lab.embedders import join_embedders, load_embedder
from similarity_lab.embedders.base import Embedder, Vectors
from similarity_lab.errors import InputError, check_number, did_you_mean
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.calibration import (
    Calibration,
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
from similarity_lab.relevance.rules.text import TextPart, TextReferences
from similarity_lab.relevance.words.prompts import has_text
from similarity_lab.store import unit

_NOT_SOLD = 0.75  # part of the names most similar to the target that a site does surely not sell
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
    text : bool
        Use the names of the target as references as well, or alone if there are no photos of it.
        Needs an embedder with a text tower (``embed_text``).

    Examples
    --------
    >>> LearnedRule(prior_share=0.25).get_params()
    {'prior_share': 0.25, 'similarity_threshold': 0.5, 'text': False}
    """

    name: ClassVar[str] = "learned"
    gives_probability: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ("offered", "share")

    def __init__(
        self, similarity_threshold: float = 0.5, prior_share: float = 0.1, text: bool = False
    ) -> None:
        self.similarity_threshold = similarity_threshold
        self.prior_share = prior_share
        self.text = text

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
        if not isinstance(self.text, (bool, np.bool_)):
            raise InputError(
                f"text of the learned rule is True or False, got {self.text!r}; names go to words= "
                "of the scorer"
            )

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
        if self.text and not has_text(comparator.embedder):
            raise InputError(
                f"LearnedRule(text=True) needs an embedder of images and texts, but "
                f"{comparator.embedder.name!r} has no embed_text; pass one that has, such as "
                'embedder="siglip2-base", or leave text=True out'
            )

    def needs_other_products(self, _comparator: Comparator) -> bool:
        """Return True: the rule learns from the other products of the library."""
        return True

    def check_references(self, _count: int) -> None:
        """Accept any number of reference images."""

    def learn(
        self,
        library: EmbeddedLibrary | None,
        target: str,
        comparator: Comparator,
        *,
        seed: int,
        text: TextReferences | None = None,
    ) -> FittedLearnedRule:
        """Fit on the vectors of a library, on names, or on both.

        A file that is in a class several times counts once. If the library has fewer than two
        other products, generated images are added.

        Parameters
        ----------
        library : EmbeddedLibrary or None
            None, or one without the target, only with `text`.
        target : str
        comparator : Comparator
        seed : int
            Of the cross-fitting folds.
        text : TextReferences, optional
            Names as references.
        """
        if library is None or class_name(target) not in map(class_name, library.dataset.classes):
            if text is None:
                raise InputError(f"There are neither photos nor names of {target!r} to learn from")
            no_references = np.empty((0, comparator.embedder.dimension), np.float32)
            rule = self._learn_names(library, text, comparator, no_references)
            _warn_unless_learned(target, rule.calibration)
            return rule
        library = library.distinct()
        is_target = library.is_target(target)
        references = unit(library.vectors[is_target])
        others, labels, names = _other_products(library, is_target)
        is_generated = len(names) < _MIN_PRODUCTS
        if text is not None and (is_generated or len(references) == 1):
            # too few photos to learn from, but several of the target measure what its names find
            if len(references) == 1:
                warnings.warn(
                    f"Only one image of {target!r}, too few to learn from: its names are the only "
                    "references; pass two images or more",
                    stacklevel=5,
                )
            others_only = None if is_generated else library.subset(np.flatnonzero(~is_target))
            measuring = references if len(references) > 1 else references[:0]
            rule = self._learn_names(others_only, text, comparator, measuring)
            _warn_unless_learned(target, rule.calibration)
            return rule
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
                stacklevel=5,
            )
        with one_thread:
            held_out = cross_fit(references, others, labels, seed)
            own = Scatter.of(references, np.zeros(len(references), int))
            space = Whitening.from_scatter(own + Scatter.of(others, labels))
            prototypes = Prototypes.fit(references, others, labels, space)
        calibration = Calibration.of(held_out, is_generated=is_generated)
        by_name = None
        if text is not None:
            with one_thread:
                by_name, calibration = TextPart.beside_photos(
                    text, held_out, calibration, references, others, labels
                )
        if len(references) > 1:
            _warn_unless_learned(target, calibration)
        return FittedLearnedRule(
            prototypes,
            tuple(names),
            calibration,
            float(self.similarity_threshold),
            float(self.prior_share),
            by_name,
        )

    def _learn_names(
        self,
        library: EmbeddedLibrary | None,
        text: TextReferences,
        comparator: Comparator,
        references: Vectors,
    ) -> FittedLearnedRule:
        """Return the rule of a target by its names, with photos only to measure them on.

        Other products of a library say how well names find products. Without them, drawn images
        of the sample only say what the target's name finds by mistake.
        """
        if library is not None and len(set(library.dataset.labels.tolist())) >= _MIN_PRODUCTS:
            others, labels, names = _other_products(library, np.zeros(len(library.vectors), bool))
        else:
            from similarity_lab.relevance.rules.background import (  # deferred: rarely needed
                KINDS,
                background_labels,
                background_vectors,
            )

            others = unit(background_vectors(comparator.embedder))
            labels = background_labels()
            is_other = np.isin(labels, [k for k, kind in enumerate(KINDS) if text.is_other(kind)])
            others, labels = others[is_other], labels[is_other]
            names = [KINDS[label] for label in np.unique(labels)]
        with one_thread:
            part = TextPart.alone(text, references, others, labels, tuple(names))
        return FittedLearnedRule(
            None,
            part.prototypes.other_names,
            part.calibration,
            float(self.similarity_threshold),
            float(self.prior_share),
            part,
        )


@dataclass(frozen=True, eq=False)
class FittedLearnedRule:
    """Gives P(an image shows the target).

    Attributes
    ----------
    prototypes : Prototypes or None
        Of reference images; None: there were none.
    others : tuple of str
        Names of the other products, in the order of the prototypes.
    calibration : Calibration
        Of the scores and margins, of photos and names together.
    similarity_threshold : float
        Minimum probability of a match.
    prior_share : float
        Prior probability that an image shows the target.
    text : TextPart or None
        Names as references; None: they are not used.
    """

    name: ClassVar[str] = "learned"
    gives_probability: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ("offered", "share")
    repeats_count_once: ClassVar[bool] = True
    reference_draw: ClassVar[None] = None

    prototypes: Prototypes | None
    others: tuple[str, ...]
    calibration: Calibration
    similarity_threshold: float
    prior_share: float
    text: TextPart | None = None

    @property
    def other_products(self) -> int:
        """Number of other products that the target competes with, 0 if they were generated."""
        has_photos = self.prototypes is not None
        if self.text is None or has_photos or self.text.measured_on == "other products":
            return self.calibration.n_products
        return 0

    def site_calibration(self, vectors: Vectors) -> Calibration:
        """Return the calibration for the images of one site, shape (n, d).

        Without photos to compare with, what other names reach on the same images tells what the
        target may reach by chance.
        """
        rivals = self._rival_margins(unit(vectors))
        if rivals is None:
            return self.calibration
        return replace(
            self.calibration, look_alike_margins=tuple((rivals - _usual(rivals)).tolist())
        )

    def _rival_margins(self, vectors: Vectors) -> Floats | None:
        """Return the best margin of other names on these images; None if there are photos."""
        if self.text is None or self.prototypes is not None or not len(vectors):
            return None
        with one_thread:
            return self.calibration.margins(self.text.prototypes.rival_margins(vectors))

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
            to the target than 95 % of the held-out other images, or than most other names to any of
            these images; ``confusable``, list of n names;
            ``photo_score`` and ``text_score``, the log likelihood ratio by reference images and by
            names alone, NaN where there are none.
        """
        vectors = unit(vectors)
        photo_scores = text_scores = np.full(len(vectors), np.nan)
        known = self.calibration if self.text is None else self.text.photo_calibration
        if self.prototypes is not None and known is not None:
            comparison = self.prototypes.compare(vectors)
            photo_scores = known.line(comparison.scores)
        if self.text is not None:
            by_name = self.text.prototypes.compare(vectors)
            text_scores = self.text.calibration.line(by_name.scores)
            has_photos = self.prototypes is not None
            comparison = self.text.join(comparison, by_name) if has_photos else by_name
        scores, margins = self.calibration.line(comparison.scores), comparison.margins
        rivals = self._rival_margins(vectors)
        usual = 0.0 if rivals is None else _usual(rivals)
        return {
            "score": scores,
            "probability": probability(scores, self.prior_share),
            "margin": self.calibration.margins(margins) - usual,
            "confusable": [self.others[index] for index in comparison.nearest],
            "photo_score": photo_scores,
            "text_score": text_scores,
        }

    def to_saved(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return the fitted values: those for JSON, and the arrays."""
        content: dict[str, Any] = {
            "others": list(self.others),
            "calibration": asdict(self.calibration),
            "similarity_threshold": self.similarity_threshold,
            "prior_share": self.prior_share,
        }
        arrays: dict[str, npt.NDArray[Any]] = {}
        if self.prototypes is not None:
            arrays |= {
                "mean": self.prototypes.whitening.mean,
                "factor": self.prototypes.whitening.factor,
                "target": self.prototypes.target,
                "others": self.prototypes.others,
            }
        if self.text is not None:
            content["text"], text_arrays = self.text.to_saved()
            arrays |= text_arrays
        return content, arrays

    @classmethod
    def from_saved(
        cls, content: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> FittedLearnedRule:
        """Return the rule that `to_saved` describes."""
        text = TextPart.from_saved(content["text"], arrays) if "text" in content else None
        prototypes = None
        if text is None or text.photo_calibration is not None:
            whitening = Whitening(arrays["mean"], arrays["factor"])
            prototypes = Prototypes(whitening, arrays["target"], arrays["others"])
        return cls(
            prototypes,
            tuple(str(name) for name in content["others"]),
            Calibration.from_saved(content["calibration"]),
            float(content["similarity_threshold"]),
            float(content["prior_share"]),
            text,
        )


def _usual(rivals: Floats) -> float:
    """Return what names reach that a site does not sell, at least 0; it may sell some of them."""
    return max(0.0, float(np.quantile(rivals, _NOT_SOLD)))


def _warn_unless_learned(target: str, known: Calibration) -> None:
    if not known.is_learned:
        warnings.warn(
            f"{target!r} was not learned: its held-out references look like other products "
            f"(separability {known.separability:.2f}, where 0.5 is chance). Split the class into "
            "products that look alike, or add references; until then decisions on images are "
            "unsure",
            stacklevel=6,
        )


def _other_products(
    library: EmbeddedLibrary, is_target: npt.NDArray[np.bool_]
) -> tuple[Vectors, npt.NDArray[np.int64], list[str]]:
    """Return unit vectors, labels and names of the other products that have images."""
    present, labels = np.unique(library.dataset.labels[~is_target], return_inverse=True)
    names = [library.dataset.classes[label] for label in present]
    return unit(library.vectors[~is_target]), labels.astype(np.int64), names
