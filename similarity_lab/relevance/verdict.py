"""The decision that follows from a table of images with scores and words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._numbers import format_count
from similarity_lab.errors import InputError
from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.relevance.doubt import (
    FEW_REFERENCES,
    has_too_few,
    reason_to_doubt,
    reason_to_doubt_absence,
    what_came_closest,
    what_is_missing,
)
from similarity_lab.relevance.offered import (
    FEW_IMAGES,
    OfferedEvidence,
    offered_evidence,
    word_ratios,
)
from similarity_lab.relevance.rules.calibration import probability
from similarity_lab.relevance.settings import Decision, DecisionSettings
from similarity_lab.relevance.share import SharePosterior

SCORE_COLUMNS = [
    "path",
    "status",
    "score",
    "photo_score",
    "text_score",
    "distance",
    "probability",
    "margin",
    "words",
    "word_kind",
    "nearest_reference",
    "nearest_distance",
    "confusable",
    "is_match",
    "is_match_with_words",
    "reason",
]
"""Columns of `SiteRelevance.images`, one row per file of a site."""

MARKED_RATIO = 27.0
"""Log likelihood ratio of an image that a person has marked: as good as certain."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """The decision that follows from a table of images; attributes as in `SiteRelevance`."""

    images: pd.DataFrame
    decision: Decision
    relevant: bool
    share: float
    interval: tuple[float, float]
    probability: float | None = None
    offered: float | None = None
    image_evidence: float | None = None
    word_evidence: float | None = None
    evidence: bool = True
    reason: str = ""


def decide_by_distance(images: pd.DataFrame, settings: DecisionSettings) -> Verdict:
    """Decide by the original study's rule: the share of images within the similarity threshold."""
    scored = images["status"] == "scored"
    is_match = scored & (images["distance"] <= settings.similarity_threshold)
    n_matches, n_scored = int(is_match.sum()), int(scored.sum())
    share = n_matches / n_scored
    relevant = share >= settings.relevance_threshold
    return Verdict(
        images=images.assign(is_match=is_match, is_match_with_words=is_match),
        decision="relevant" if relevant else "irrelevant",
        relevant=relevant,
        share=share,
        interval=wilson_interval(n_matches, n_scored),
    )


def decide_by_probability(images: pd.DataFrame, settings: DecisionSettings) -> Verdict:
    """Decide by the learned rule, given the scores, margins and words of images.

    The similarity threshold only labels matches; the probabilities do not depend on it.
    """
    if settings.certainty is None or settings.prior is None or settings.prior_share is None:
        raise InputError("The learned rule needs certainty, prior and prior_share in its settings")
    scored = images["status"] == "scored"
    with_words = _with_words(images[scored], settings.prior_share).reindex(images.index)
    images = images.assign(
        is_match=scored & (images["probability"] >= settings.similarity_threshold),
        is_match_with_words=with_words >= settings.similarity_threshold,
    )
    seen = images[scored]
    posterior = share_posterior(images, settings)
    offered = _offered(images, settings)
    is_offered = settings.criterion == "offered"
    chance = (
        offered.probability(settings.prior)
        if is_offered
        else posterior.at_least(settings.relevance_threshold)
    )
    is_named = names_target(images).any()
    evidence = len(seen) >= FEW_IMAGES or bool(seen["is_match"].any() or is_named)
    reason = reason_to_doubt(seen, settings, is_named=bool(is_named))
    if not reason and not (is_offered and chance >= 0.5):
        reason = reason_to_doubt_absence(seen, settings, offered)
    if not evidence:
        reason = f"{format_count(len(seen), 'image')} seen"
    is_close = max(chance, 1 - chance) < settings.certainty
    if is_close and not reason:
        reason = what_is_missing(seen, offered, settings)
        reason = reason or what_came_closest(seen, offered, settings, is_named=bool(is_named))
    relevant = chance >= 0.5
    forced: Decision = "relevant" if relevant else "irrelevant"
    known = settings.calibration
    is_unknown = (
        known is not None
        and (has_too_few(known) or known.separability is None)
        and np.isfinite(seen["margin"]).any()
    )
    interval = (0.0, 1.0) if is_unknown else posterior.interval()
    return Verdict(
        images=images,
        decision="unsure" if reason else forced,
        relevant=relevant,
        share=posterior.share,
        interval=interval,
        probability=chance,
        offered=offered.probability(settings.prior),
        image_evidence=offered.images,
        word_evidence=offered.words,
        evidence=evidence,
        reason=reason,
    )


def probabilities_after_marks(
    images: pd.DataFrame, settings: DecisionSettings, shows: bool
) -> pd.Series:
    """Return the site's probability after each scored image in turn is marked (learned rule).

    Parameters
    ----------
    images : DataFrame
        With `SCORE_COLUMNS`.
    settings : DecisionSettings
    shows : bool
        What the mark says.
    """
    seen = images[images["status"] == "scored"]
    sign = 1 if shows else -1
    if settings.criterion == "share":
        known = settings.calibration
        ratios, new_ratio = seen["score"].to_numpy(np.float64), sign * MARKED_RATIO
        if known is None:
            posteriors = SharePosterior.of_each_change(ratios, new_ratio)
        else:
            posteriors = SharePosterior.of_each_change(
                ratios,
                new_ratio,
                known.look_alike_ratios,
                n_references=known.n_references or FEW_REFERENCES,
                reference_ratio=known.reference_ratio,
            )
        threshold = settings.relevance_threshold
        return pd.Series([each.at_least(threshold) for each in posteriors], seen.index)
    margins, kinds = seen["margin"].to_numpy(np.float64), seen["word_kind"].tolist()
    repeated = images["word_kind"][images["status"] == "repeated"].tolist()
    chances = []
    for position in range(len(seen)):
        changed, texts = margins.copy(), [*kinds]
        changed[position], texts[position] = sign * np.inf, ""  # a person has seen the image
        evidence = _offered_of(changed, texts, repeated, settings)
        chances.append(evidence.probability(float(settings.prior or 0)))
    return pd.Series(chances, seen.index, dtype=float)


def probability_with_words(seen: pd.DataFrame, settings: DecisionSettings) -> pd.Series:
    """Return P(shows the target) of scored images, given image and words (learned rule)."""
    return _with_words(seen, float(settings.prior_share or 0))


def share_posterior(images: pd.DataFrame, settings: DecisionSettings) -> SharePosterior:
    """Return the posterior of the share under the learned rule."""
    scores = images["score"][images["status"] == "scored"].to_numpy(np.float64)
    known = settings.calibration
    if known is None:
        return SharePosterior.of(scores)
    # names that were measured on no image may miss the target as often as few references do
    n_references = known.n_references or FEW_REFERENCES
    return SharePosterior.of(
        scores,
        known.look_alike_ratios,
        n_references=n_references,
        reference_ratio=known.reference_ratio,
    )


def _offered(images: pd.DataFrame, settings: DecisionSettings) -> OfferedEvidence:
    seen, repeated = (images[images["status"] == status] for status in ("scored", "repeated"))
    margins = seen["margin"].to_numpy(np.float64)
    return _offered_of(margins, seen["word_kind"].tolist(), repeated["word_kind"], settings)


def _offered_of(
    margins: npt.NDArray[np.float64],
    kinds: list[str],
    repeated_kinds: Iterable[str],
    settings: DecisionSettings,
) -> OfferedEvidence:
    return offered_evidence(
        margins,
        kinds if settings.words else None,
        settings.calibration,
        repeated_kinds=repeated_kinds,
        unseen_kinds=settings.unseen_kinds if settings.words else (),
        image_coverage=settings.image_coverage,
        page_coverage=settings.page_coverage,
    )


def _with_words(seen: pd.DataFrame, prior_share: float) -> pd.Series:
    """Return P(shows the target) of the scored images, given image and words."""
    ratios = seen["score"] + word_ratios(seen["word_kind"])
    return pd.Series(probability(ratios, prior_share), seen.index)


def names_target(images: pd.DataFrame) -> pd.Series:
    """Return which images have a text that names the target and no other product."""
    return (images["word_kind"] == "target") & images["status"].isin(["scored", "repeated"])
