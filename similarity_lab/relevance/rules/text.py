"""Words as references: products as the directions of their names in a joint space.

Images and texts of a joint space lie in two cones apart (the modality gap: W. Liang et al., "Mind
the Gap", NeurIPS 2022, https://arxiv.org/abs/2203.02053), and some names are closer to all images
than others. A similarity between an image and a name therefore counts only as far as it exceeds the
mean similarity of that name to images, and only against those of several hundred other names.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from similarity_lab.embedders import Embedder
from similarity_lab.embedders.base import Vectors
from similarity_lab.relevance.rules.calibration import Calibration, HeldOut
from similarity_lab.relevance.rules.prototypes import Comparison, Floats
from similarity_lab.relevance.words import TargetWords
from similarity_lab.relevance.words.prompts import (
    BuiltInNames,
    embed_names,
    form_names,
    is_multilingual,
    target_names,
)
from similarity_lab.store import unit

# With the temperatures that CLIP and SigLIP were trained with (logit scales of 100 and more), the
# logits of one image spread over names with a standard deviation of two to three.
_SHARPNESS = 2.5
_MIN_NAMED_PRODUCTS = 5  # fewer do not say how well names find products
_RIVALS = 100  # so many names that are most like the target tell what a site shows by chance

SPREAD, MARGIN_SPREAD = 0.5, 0.1
"""Standard deviation of scores and margins of the images of one product, in the units of the
calibration; what the packaged networks have on photos of any kind."""

MeasuredOn = Literal["references", "other products", ""]


@dataclass(frozen=True, eq=False)
class TextReferences:
    """What is known of a target by its names, before any image is seen.

    Attributes
    ----------
    words : TargetWords
    names : tuple of str
        Names of the target.
    target : ndarray of float32, shape (d,)
        Their mean direction.
    other_names : tuple of str
        Built-in names of other products.
    others : ndarray of float32, shape (c, d)
    by_class : mapping of str to TextReferences
        The same for classes of the library whose names are words: how well they are found says
        how well names do.
    """

    words: TargetWords
    names: tuple[str, ...]
    target: Vectors
    other_names: tuple[str, ...]
    others: Vectors
    by_class: Mapping[str, "TextReferences"]

    @classmethod
    def of(
        cls,
        embedder: Embedder,
        words: TargetWords,
        given: tuple[str, ...] | None,
        builtin: BuiltInNames,
        classes: tuple[str, ...] = (),
    ) -> "TextReferences":
        """Embed the names of a target, and those of other classes.

        Parameters
        ----------
        embedder : Embedder
            With ``embed_text``.
        words : TargetWords
        given : tuple of str or None
            Names by the user.
        builtin : BuiltInNames
        classes : tuple of str
            Other classes of the library.
        """
        named = {name: TargetWords.of(name) for name in classes}
        by_class = {
            name: cls.of(embedder, other, None, builtin)
            for name, other in named.items()
            if other.products or _is_name(name)
        }
        names = target_names(words, given, is_multilingual=is_multilingual(embedder))
        target = unit(embed_names(embedder, names).mean(0)[None])[0]
        other_names, others = builtin.others(words)
        forms = tuple(name for name in form_names(words) if name not in other_names)
        if forms:
            others = np.concatenate([others, embed_names(embedder, forms)])
        return cls(words, names, target, (*other_names, *forms), others, by_class)

    def is_other(self, kind: str) -> bool:
        """Return whether a kind of drawn image shows something else than the target."""
        is_food = kind in self.words.table
        return self.words.is_other_food(kind) if is_food else kind not in self.names


@dataclass(frozen=True, eq=False)
class TextPrototypes:
    """A target and other products as the directions of their names.

    Attributes
    ----------
    names, other_names : tuple of str
    target : ndarray of float32, shape (d,)
        Of unit length.
    others : ndarray of float32, shape (c, d)
    image_mean : ndarray of float32, shape (d,)
        Mean of images of many things; what a name has in common with it is not evidence.
    gap : float
        Length of the difference between the mean image and the mean name, 0…2.
    scale : float
        Factor of similarities in the softmax.
    units : (float, float)
        By what scores and margins are divided, so that they spread within a product as the
        calibration expects.
    """

    names: tuple[str, ...]
    other_names: tuple[str, ...]
    target: Vectors
    others: Vectors
    image_mean: Vectors
    gap: float
    scale: float
    units: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def fit(
        cls, text: TextReferences, images: Vectors, labels: npt.NDArray[np.integer]
    ) -> "TextPrototypes":
        """Return the prototypes, with what is measured on images of other things.

        Parameters
        ----------
        text : TextReferences
        images : ndarray, shape (n, d)
            Unit vectors.
        labels : integers, shape (n,)
            What they show; every product counts alike.
        """
        means = np.array([images[labels == label].mean(0) for label in np.unique(labels)])
        mean = means.mean(0).astype(np.float32)
        similarities = (images - mean) @ text.others.T
        similarities -= similarities.mean(axis=1, keepdims=True)
        spread = float(similarities.std())
        return cls(
            text.names,
            text.other_names,
            text.target,
            text.others,
            mean,
            float(np.linalg.norm(mean - text.others.mean(0))),
            _SHARPNESS / spread if spread > 0 else 1.0,
        )

    def in_units_of(self, held_out: HeldOut) -> "TextPrototypes":
        """Return the same with scores and margins in the units of the calibration.

        Parameters
        ----------
        held_out : HeldOut
            Scores of these prototypes, in any units.
        """
        score, margin = _units(held_out)
        return replace(self, units=(score * self.units[0], margin * self.units[1]))

    def compare(self, vectors: Vectors) -> Comparison:
        """Compare images, unit vectors of shape ``(n, d)``, with the target and the other names."""
        target, others = self._logits(vectors)
        return Comparison(
            (target - logsumexp(others, axis=1)) / self.units[0],
            (target - others.max(axis=1)) / self.units[1],
            others.argmax(axis=1),
        )

    def rival_margins(self, vectors: Vectors) -> Floats:
        """Return the margin that each of the most similar other names reaches on these images.

        A site sells few of them, so they tell what the target reaches on it by chance.

        Returns
        -------
        ndarray of float64, shape (up to 100,)
            In the units of `compare`.
        """
        target, others = self._logits(vectors)
        logits = np.column_stack([others, target])
        highest = np.sort(logits, axis=1)[:, -2:]
        rivals = self._rivals
        own = logits[:, rivals]
        best_other = np.where(own == highest[:, 1:], highest[:, :1], highest[:, 1:])
        return np.asarray((own - best_other).max(axis=0) / self.units[1])

    @cached_property
    def _rivals(self) -> npt.NDArray[np.intp]:
        """Positions of the names that are most similar to the target."""
        centre = self.others.mean(0)
        similarity = unit(self.others - centre) @ (self.target - centre)
        return np.sort(np.argsort(-similarity, kind="stable")[:_RIVALS])

    def _logits(self, vectors: Vectors) -> tuple[Floats, Floats]:
        """Return logits of the target, shape (n,), and of the other names, shape (n, c)."""
        centred = self.scale * (vectors - self.image_mean).astype(np.float64)
        return centred @ self.target, centred @ self.others.T


def text_held_out(
    text: TextReferences,
    prototypes: TextPrototypes,
    references: Vectors,
    others: Vectors,
    labels: npt.NDArray[np.integer],
    names: tuple[str, ...],
) -> HeldOut:
    """Return the scores of labelled images by names; no name has seen any of them.

    Without references, images of other products are scored by the names of these products.

    Parameters
    ----------
    text : TextReferences
    prototypes : TextPrototypes
        Of the target.
    references, others : ndarray, shapes (n, d) and (m, d)
    labels : integers, shape (m,)
        Products of `others`.
    names : tuple of str
        Their names, in the order of sorted labels.
    """
    _, codes = np.unique(labels, return_inverse=True)
    own = prototypes.compare(references) if len(references) else None
    other = prototypes.compare(others)
    scores = own.scores if own is not None else np.empty(0)
    margins = own.margins if own is not None else np.empty(0)
    if own is None and len(text.by_class) >= _MIN_NAMED_PRODUCTS:
        found = []
        for code, name in enumerate(names):
            if name in text.by_class:
                known = text.by_class[name]
                of_class = replace(
                    prototypes,
                    names=known.names,
                    other_names=known.other_names,
                    target=known.target,
                    others=known.others,
                )
                found.append(of_class.compare(others[codes == code]))
        scores = np.concatenate([each.scores for each in found])
        margins = np.concatenate([each.margins for each in found])
    return HeldOut(scores, other.scores, margins, other.margins, codes)


@dataclass(frozen=True, eq=False)
class TextPart:
    """What a rule knows by names, and how that joins what it knows by photos.

    Attributes
    ----------
    prototypes : TextPrototypes
    calibration : Calibration
        Of names alone.
    measured_on : {"references", "other products", ""}
        The images on which it was measured how well names find what they name: photos of the
        target; photos of other products, by their own names; or none.
    photo_calibration : Calibration or None
        Of photos alone; None: there are none, or nothing to tell them from.
    weight : float
        Part of names in the joint scores and margins, 0…1; the rest is that of photos.
    factors : (float, float)
        By what scores and margins of names are multiplied to spread within a product as those of
        photos do.
    units : (float, float)
        By what the joint ones are divided to spread as those of photos do.
    """

    prototypes: TextPrototypes
    calibration: Calibration
    measured_on: MeasuredOn
    photo_calibration: Calibration | None = None
    weight: float = 1.0
    factors: tuple[float, float] = (1.0, 1.0)
    units: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def alone(
        cls,
        text: TextReferences,
        references: Vectors,
        others: Vectors,
        labels: npt.NDArray[np.integer],
        names: tuple[str, ...],
    ) -> "TextPart":
        """Return what names alone know; parameters as in `text_held_out`."""
        prototypes = TextPrototypes.fit(text, others, labels)
        held_out = text_held_out(text, prototypes, references, others, labels, names)
        prototypes = prototypes.in_units_of(held_out)
        held_out = text_held_out(text, prototypes, references, others, labels, names)
        if not len(held_out.references):
            return cls(prototypes, Calibration.without_references(held_out), "")
        measured_on: MeasuredOn = "references" if len(references) else "other products"
        return cls(prototypes, Calibration.of(held_out), measured_on)

    @classmethod
    def beside_photos(
        cls,
        text: TextReferences,
        photos: HeldOut,
        photo_calibration: Calibration,
        references: Vectors,
        others: Vectors,
        labels: npt.NDArray[np.integer],
    ) -> tuple["TextPart", Calibration]:
        """Return what names know beside photos, and the calibration of both together.

        Scores and margins are averaged, weighted by the reliability of names and photos, and
        brought to the spread of photos within a product before and after: the average is less noisy
        than either.

        Parameters
        ----------
        text : TextReferences
        photos : HeldOut
            Of reference images, and of the same `others`.
        photo_calibration : Calibration
        references, others, labels
            As in `text_held_out`.
        """
        part = cls.alone(text, references, others, labels, ())
        by_name = text_held_out(text, part.prototypes, references, others, labels, ())
        mine, theirs = part.calibration.reliability, photo_calibration.reliability
        part = replace(
            part,
            photo_calibration=photo_calibration,
            weight=mine / (mine + theirs) if mine + theirs > 0 else 0.5,
            factors=_units(photos),
        )
        spreads = zip(_units(part._join_held_out(photos, by_name)), part.factors, strict=True)
        score, margin = (joint / photo for joint, photo in spreads)
        part = replace(part, units=(score, margin))
        return part, Calibration.of(part._join_held_out(photos, by_name))

    def join(self, photo: Comparison, text: Comparison) -> Comparison:
        """Return scores and margins of photos and names together."""
        return Comparison(
            self._mean(photo.scores, text.scores, 0),
            self._mean(photo.margins, text.margins, 1),
            photo.nearest,
        )

    def _join_held_out(self, photos: HeldOut, text: HeldOut) -> HeldOut:
        return HeldOut(
            self._mean(photos.references, text.references, 0),
            self._mean(photos.others, text.others, 0),
            self._mean(photos.reference_margins, text.reference_margins, 1),
            self._mean(photos.margins, text.margins, 1),
            photos.products,
        )

    def _mean(self, photo: Floats, text: Floats, which: int) -> Floats:
        mean = (1 - self.weight) * photo + self.weight * self.factors[which] * text
        return mean / self.units[which]

    def to_saved(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return the fitted values: those for JSON, and the arrays."""
        known, photo = self.prototypes, self.photo_calibration
        content = {
            "names": list(known.names),
            "other_names": list(known.other_names),
            "gap": known.gap,
            "scale": known.scale,
            "name_units": list(known.units),
            "calibration": asdict(self.calibration),
            "photo_calibration": None if photo is None else asdict(photo),
            "measured_on": self.measured_on,
            "weight": self.weight,
            "factors": list(self.factors),
            "units": list(self.units),
        }
        arrays = {
            "text_target": known.target,
            "text_others": known.others,
            "image_mean": known.image_mean,
        }
        return content, arrays

    @classmethod
    def from_saved(
        cls, content: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> "TextPart":
        """Return what `to_saved` describes."""
        photo = content["photo_calibration"]
        return cls(
            TextPrototypes(
                tuple(content["names"]),
                tuple(content["other_names"]),
                arrays["text_target"],
                arrays["text_others"],
                arrays["image_mean"],
                float(content["gap"]),
                float(content["scale"]),
                _pair(content["name_units"]),
            ),
            Calibration.from_saved(content["calibration"]),
            content["measured_on"],
            None if photo is None else Calibration.from_saved(photo),
            float(content["weight"]),
            _pair(content["factors"]),
            _pair(content["units"]),
        )


def _units(held_out: HeldOut) -> tuple[float, float]:
    """Return the spreads of scores and margins within a product, relative to the usual ones."""
    spreads = held_out.spread(held_out.others), held_out.spread(held_out.margins)
    score, margin = (
        spread / usual if spread > 0 else 1.0
        for spread, usual in zip(spreads, (SPREAD, MARGIN_SPREAD), strict=True)
    )
    return score, margin


def _is_name(class_name: str) -> bool:
    """Return whether a class name says what it is, unlike "sku-17"."""
    letters = class_name.translate(str.maketrans("", "", " _-"))
    return len(letters) > 2 and letters.isalpha()


def _pair(values: list[float]) -> tuple[float, float]:
    first, second = map(float, values)
    return first, second
