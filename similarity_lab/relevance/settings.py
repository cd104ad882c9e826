"""What a decision depends on besides the images of the site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from similarity_lab.errors import InputError, check_number
from similarity_lab.relevance.rules.calibration import Calibration
from similarity_lab.relevance.rules.mean_distance import ReferenceDraw

Decision = Literal["relevant", "irrelevant", "unsure"]
Criterion = Literal["offered", "share"]
CRITERIA: tuple[Criterion, ...] = ("offered", "share")


@dataclass(frozen=True)
class TextBasis:
    """Names that were references of a decision, and what is known about them.

    Attributes
    ----------
    names : tuple of str
        Names of the target that were embedded.
    n_other_names : int
        Built-in names of other things that they competed with.
    weight : float
        Part of the names in the scores, 0…1; the rest is that of reference images.
    separability : float or None
        P(an image of the target scores above one of another product), by names alone; None: not
        measured.
    measured_on : {"references", "other products", ""}
        The images that it was measured on: of the target; of other products of the library, by
        their own names; or none.
    gap : float
        Distance between the mean image and the mean name, 0…2: the modality gap.
    """

    names: tuple[str, ...]
    n_other_names: int
    weight: float
    separability: float | None
    measured_on: str
    gap: float


@dataclass(frozen=True)
class DecisionSettings:
    """What a decision depends on besides the images of the site.

    Attributes
    ----------
    rule : {"learned", "mean-distance"}
    embedder : str
        Name of the embedder whose vectors were compared.
    similarity_threshold : float
        An image is a match if its probability is at least this (learned rule), or its distance at
        most this (mean-distance rule).
    relevance_threshold : float
        By the criterion "share", the site is relevant if the share is at least this, 0…1.
    criterion : {"offered", "share"}
        What is decided: whether the site sells the target at all, or whether the share is at least
        the relevance threshold.
    certainty : float or None
        Minimum probability of a decision, 0.5…1; None under the mean-distance rule, which gives
        no probability.
    prior : float or None
        P(the site sells the target) before looking; learned rule only.
    prior_share : float or None
        Prior probability that an image shows the target; learned rule only.
    words : tuple of str
        Names of the target that were looked for in the texts of images; empty without words.
    n_references : int
        Reference images of the target.
    other_products : int or None
        Other products that the target competes with, 0 if they were generated; learned rule only.
    calibration : Calibration or None
        What the library tells about recognising the target; learned rule only.
    text : TextBasis or None
        Names as references, beside `n_references` images; None: they were not used.
    reference_draw : ReferenceDraw or None
        Which references an image is compared with; mean-distance rule only.
    n_marked : int
        Number of images marked by hand.
    unseen_kinds : tuple of str
        What the texts of images name that were not collected (`WordEvidence.kind`); the first 100,
        strongest first.
    image_coverage, page_coverage : float
        Parts of the website's images that were collected, and of its pages that were read, 0…1.
    """

    rule: str
    embedder: str
    similarity_threshold: float
    relevance_threshold: float
    criterion: Criterion = "share"
    certainty: float | None = None
    prior: float | None = None
    prior_share: float | None = None
    words: tuple[str, ...] = ()
    n_references: int = 0
    other_products: int | None = None
    calibration: Calibration | None = None
    text: TextBasis | None = None
    reference_draw: ReferenceDraw | None = None
    n_marked: int = 0
    unseen_kinds: tuple[str, ...] = ()
    image_coverage: float = 1.0
    page_coverage: float = 1.0


def check_prior(prior: float) -> None:
    """Raise an error unless the prior is a probability above 0 and below 1."""
    expected = "a probability above 0 and below 1"
    check_number("prior", prior, expected)
    if not 0 < prior < 1:
        raise InputError(f"prior is {expected}, got {prior}")


def check_thresholds(similarity: float, relevance: float) -> None:
    """Raise an error unless both thresholds are valid."""
    check_number("similarity_threshold", similarity, "a finite number")
    if not np.isfinite(similarity):
        raise InputError(f"similarity_threshold must be a finite number, got {similarity}")
    expected = "a share from 0 to 1"
    check_number("relevance_threshold", relevance, expected)
    if not 0 <= relevance <= 1:
        raise InputError(f"relevance_threshold is {expected}, got {relevance}")


def check_effect(criterion: Criterion, relevance_threshold: float) -> None:
    """Raise `InputError` if a relevance threshold has no effect on the criterion."""
    if criterion == "offered":
        raise InputError(
            f"relevance_threshold={relevance_threshold} has no effect on whether the target is "
            'offered at all; pass criterion="share", or leave it out'
        )
