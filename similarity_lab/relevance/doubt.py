"""Why a decision is "unsure", in words that say what would help."""

from __future__ import annotations

import numpy as np
import pandas as pd

from similarity_lab._numbers import format_count, percent
from similarity_lab.relevance.offered import UNCLEAR_KINDS, OfferedEvidence
from similarity_lab.relevance.rules.calibration import Calibration
from similarity_lab.relevance.settings import DecisionSettings

FEW_PRODUCTS, FEW_REFERENCES = 10, 5
"""Fewer other products or references are named as the reason of an unsure decision."""
NO_MATCH = "no image is a clear match"
_SMALL_PART = 0.9  # less of a site's images is named as the reason
# With fewer, "sure" answers were wrong too often (docs/benchmarks.md, "Few references, few other
# products"): they do not tell what else looks like the target.
_FEWEST_PRODUCTS, _FEWEST_REFERENCES = 8, 2


def reason_to_doubt(seen: pd.DataFrame, settings: DecisionSettings, *, is_named: bool) -> str:
    """Return why the images cannot decide; empty if they can, or words or marks decide anyway."""
    known = settings.calibration
    if known is None or np.isinf(seen["margin"]).all():  # a person has seen every image
        return ""
    is_offered = settings.criterion == "offered"
    if is_offered and (np.isposinf(seen["margin"]).any() or is_named):
        return ""
    if has_too_few(known):
        return _footing(known)
    if not known.is_learned:
        advice = "split the class, or add references"
        if settings.text is not None and settings.text.weight == 1:
            advice = "the embedder does not find it by its names; add reference images"
        return f"not learned (separability {known.separability:.2f}, where 0.5 is chance): {advice}"
    return ""


def reason_to_doubt_absence(
    seen: pd.DataFrame, settings: DecisionSettings, offered: OfferedEvidence
) -> str:
    """Return why images that show no target do not say that the site has none.

    Names alone, measured on no photo, find the target or miss it: how often they miss is unknown,
    and so is the share. Words of the page may still say that other products are sold.
    """
    known = settings.calibration
    if known is None or known.separability is not None or np.isinf(seen["margin"]).all():
        return ""
    if settings.criterion == "offered" and settings.certainty is not None:
        by_words = OfferedEvidence(0.0, offered.words).probability(settings.prior or 0.5)
        if offered.words < 0 and by_words <= 1 - settings.certainty:
            return ""
    return (
        "judged by its names alone: how often they miss it was not measured; add reference images"
    )


def what_is_missing(
    seen: pd.DataFrame, offered: OfferedEvidence, settings: DecisionSettings
) -> str:
    """Return what more of the library or of the site would help, or ``""``."""
    known = settings.calibration
    if (
        known is not None
        and not np.isinf(seen["margin"]).all()  # a person has seen every image
        and known.separability is not None
        and (known.n_products < FEW_PRODUCTS or known.n_references < FEW_REFERENCES)
    ):
        return _footing(known)
    if settings.criterion == "share" or offered.images + offered.words > 0:
        return ""
    if settings.words and "target" in settings.unseen_kinds:
        return "texts name it beside images that were not collected: look at the site"
    if settings.image_coverage < _SMALL_PART:
        return (
            f"only about {settings.image_coverage:.0%} of the site's images were collected: raise "
            "the limits of the crawl"
        )
    return ""


def what_came_closest(
    seen: pd.DataFrame, offered: OfferedEvidence, settings: DecisionSettings, *, is_named: bool
) -> str:
    """Return why the evidence is too weak for a decision."""
    if settings.criterion == "share":
        return f"the share may be below or above {percent(settings.relevance_threshold)}"
    n_alone, n_with_words = int(seen["is_match"].sum()), int(seen["is_match_with_words"].sum())
    if offered.words > 0 > offered.images:
        verb = "name" if is_named else "may name"
        return f"words {verb} it, images do not {'clearly ' if n_alone else ''}show it"
    if offered.words < 0 < offered.images:
        clearly = "clearly " if seen["word_kind"].isin(UNCLEAR_KINDS).any() else ""
        return f"an image looks like it, but no text {clearly}names it"
    if not n_alone:
        return f"{NO_MATCH}{' by itself' if n_with_words else ''}"
    if not n_with_words:
        return "what matches by the image does not match with its text"
    return (
        "an image matches, but not clearly enough"
        if n_alone == 1
        else ("images match, but none clearly enough")
    )


def has_too_few(known: Calibration) -> bool:
    """Return whether so little was learned from that images alone decide nothing."""
    if known.separability is None:  # nothing was learned from images; names are the references
        return False
    return known.n_products < _FEWEST_PRODUCTS or known.n_references < _FEWEST_REFERENCES


def _footing(known: Calibration) -> str:
    """Return on how few references and other products a decision stands, with advice."""
    n_references, n_products = known.n_references, known.n_products
    few = []
    if n_references < FEW_REFERENCES:
        few.append(format_count(n_references, "reference image"))
    if 0 < n_products < FEW_PRODUCTS:
        few.append(format_count(n_products, "other product"))
    text = f"learned from only {' and '.join(few)}" if few else "learned"
    if not n_products:  # one would be too few to count
        text += f"{',' if few else ''} without at least two other products"
    return f"{text}; extend the library"
