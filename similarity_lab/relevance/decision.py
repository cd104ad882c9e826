"""The decision on a site with its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from similarity_lab._numbers import format_probability, percent, percent_beside
from similarity_lab._views import html_view
from similarity_lab.errors import InputError, check_number
from similarity_lab.files.listing import count_lost
from similarity_lab.images.sources import Source
from similarity_lab.images.thumbnails import EncodedThumbnail
from similarity_lab.relevance.doubt import NO_MATCH
from similarity_lab.relevance.offered import UNCLEAR_KINDS, offered_order, word_ratios
from similarity_lab.relevance.settings import (
    Criterion,
    Decision,
    DecisionSettings,
    check_effect,
    check_prior,
    check_thresholds,
)
from similarity_lab.relevance.verdict import (
    SCORE_COLUMNS,
    decide_by_distance,
    decide_by_probability,
    names_target,
)

_UNKNOWN = 0.9  # width of the interval from which the share is called unknown


@dataclass(frozen=True, eq=False, repr=False)
class SiteRelevance:
    """Whether a site sells the target, and why.

    Attributes
    ----------
    site, target : str
    criterion : {"offered", "share"}
        What the decision is about.
    decision : {"relevant", "irrelevant", "unsure"}
    relevant : bool
        The forced choice, which also exists if the decision is "unsure".
    probability : float or None
        Probability of "relevant" by the criterion; None under the mean-distance rule.
    offered : float or None
        P(the site sells the target at all); None under the mean-distance rule.
    image_evidence, word_evidence : float or None
        Log likelihood ratios that led from the prior to `offered`: of the images alone, and what
        the words add; 0 = no evidence, higher = in favour.
    share : float
        Share that shows the target, 0…1: of the scored images (mean-distance rule), or the most
        probable share of the site's catalogue (learned rule).
    interval : (float, float)
        95% interval of the share in the site's catalogue, of which the images are a sample.
    evidence : bool
        False if the site shows too little to say anything.
    reason : str
        Why the decision is "unsure"; empty otherwise.
    images : DataFrame
        One row per file, in order: path (text; images that are no files have a name in brackets);
        status ("scored"; "repeated": same image as
        another one; "left out": icon, banner or graphic; "skipped": unreadable); score (log
        likelihood ratio of the image alone, or minus its distance; higher = more likely to show the
        target); photo_score and text_score (the same by reference images alone and by names of the
        target alone, where these are references); distance (mean-distance rule) or probability
        (learned rule, without words); margin (by how much the image is more similar to the target
        than to the closest other product, compared with held-out products; the best one decides
        whether the target is offered); words (what the texts of the image name) and word_kind
        (`WordEvidence.kind`); nearest_reference and nearest_distance; confusable (the closest other
        product); is_match (by the image alone) and is_match_with_words; reason.
    skipped : DataFrame with columns path, reason
        Files that could not be read.
    settings : DecisionSettings
    versions : dict of str to str
        Versions of the libraries that the numbers depend on.
    sources : tuple
        The image of each row of `images` as it was given, for `read_image`: path, bytes or array.
    origins : DataFrame or None
        Where the images came from: one row for each row of `images`, as in `Site`.
    thumbnails : mapping of path to EncodedThumbnail
        Thumbnails for a report, made while the images were embedded; empty unless requested.
    marks : mapping of int to bool
        Row of `images` → whether a person said that it shows the target, see `with_marks`.
    """

    site: str
    target: str
    decision: Decision
    relevant: bool
    probability: float | None
    offered: float | None
    image_evidence: float | None
    word_evidence: float | None
    share: float
    interval: tuple[float, float]
    evidence: bool
    reason: str
    images: pd.DataFrame
    skipped: pd.DataFrame
    settings: DecisionSettings
    versions: dict[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    origins: pd.DataFrame | None = None
    thumbnails: Mapping[object, EncodedThumbnail] = field(default_factory=dict)
    marks: Mapping[int, bool] = field(default_factory=dict)

    @property
    def criterion(self) -> Criterion:
        """What the decision is about."""
        return self.settings.criterion

    @classmethod
    def from_images(
        cls,
        images: pd.DataFrame,
        *,
        settings: DecisionSettings,
        site: str,
        target: str,
        skipped: pd.DataFrame,
        versions: dict[str, str] | None = None,
        sources: Sequence[Source] | None = None,
        origins: pd.DataFrame | None = None,
        thumbnails: Mapping[object, EncodedThumbnail] | None = None,
        marks: Mapping[int, bool] | None = None,
    ) -> SiteRelevance:
        """Decide from a table of images with distances or probabilities.

        Parameters
        ----------
        images : DataFrame
            With `SCORE_COLUMNS`; the matches are determined here.
        settings : DecisionSettings
        site, target : str
        skipped : DataFrame with columns path, reason
        versions : dict of str to str, optional
        sources : sequence of images, optional
            One per row; default: the paths of the table.
        origins : DataFrame, optional
        thumbnails : mapping of path to EncodedThumbnail, optional
        marks : mapping of int to bool, optional
        """
        check_thresholds(settings.similarity_threshold, settings.relevance_threshold)
        if settings.rule == "learned":
            verdict = decide_by_probability(images, settings)
        else:
            verdict = decide_by_distance(images, settings)
        return cls(
            site=site,
            target=target,
            decision=verdict.decision,
            relevant=verdict.relevant,
            probability=verdict.probability,
            offered=verdict.offered,
            image_evidence=verdict.image_evidence,
            word_evidence=verdict.word_evidence,
            share=verdict.share,
            interval=verdict.interval,
            evidence=verdict.evidence,
            reason=verdict.reason,
            images=verdict.images[SCORE_COLUMNS],
            skipped=skipped,
            settings=settings,
            versions=versions or {},
            sources=tuple(images["path"] if sources is None else sources),
            origins=origins,
            thumbnails=thumbnails or {},
            marks=marks or {},
        )

    @property
    def n_scored(self) -> int:
        """Number of images that count."""
        return self._count("scored")

    @property
    def n_matches(self) -> int:
        """Number of images that show the target according to the rule, by the images alone."""
        return int(self.images["is_match"].sum())

    @property
    def n_matches_with_words(self) -> int:
        """Number of images that show the target according to image and words together."""
        return int(self.images["is_match_with_words"].sum())

    @property
    def n_named(self) -> int:
        """Number of images whose texts name the target and no other product, copies included."""
        return int(names_target(self.images).sum())

    def _count(self, status: str) -> int:
        return int((self.images["status"] == status).sum())

    def rethreshold(
        self,
        *,
        similarity_threshold: float | None = None,
        relevance_threshold: float | None = None,
        prior: float | None = None,
    ) -> SiteRelevance:
        """Return the decision under other thresholds, or another prior; nothing is embedded again.

        Raises
        ------
        InputError
            For a value out of range, a prior under the mean-distance rule, which has none, or a
            relevance threshold by the criterion "offered", on which it has no effect.
        InputTypeError
            For a value that is no number.
        """
        for name, value in (
            ("similarity_threshold", similarity_threshold),
            ("relevance_threshold", relevance_threshold),
        ):
            if value is not None:
                check_number(name, value, "a number")
        if relevance_threshold is not None:
            check_effect(self.settings.criterion, relevance_threshold)
        if prior is not None:
            check_prior(prior)
            if self.settings.prior is None:
                raise InputError(
                    f"prior={prior} has no effect: the mean-distance rule gives no probability; "
                    "leave it out"
                )
        changes = {
            "similarity_threshold": similarity_threshold,
            "relevance_threshold": relevance_threshold,
            "prior": prior,
        }
        changed = {name: float(value) for name, value in changes.items() if value is not None}
        settings = replace(self.settings, **changed)  # type: ignore[arg-type]
        return self._decide_again(self.images, settings, self.marks)

    def without_words(self) -> SiteRelevance:
        """Return the decision of the images alone; nothing is embedded again."""
        images = self.images.assign(words="", word_kind="")
        return self._decide_again(images, replace(self.settings, words=()), self.marks)

    def with_images(self, images: pd.DataFrame, marks: Mapping[int, bool]) -> SiteRelevance:
        """Return the decision on a changed table of images, some of them marked by hand.

        Parameters
        ----------
        images : DataFrame
            `images` of this decision with the scores of marked images replaced.
        marks : mapping of int to bool
            All marks: row → whether it shows the target.
        """
        return self._decide_again(images, replace(self.settings, n_marked=len(marks)), marks)

    def _decide_again(
        self, images: pd.DataFrame, settings: DecisionSettings, marks: Mapping[int, bool]
    ) -> SiteRelevance:
        return SiteRelevance.from_images(
            images,
            settings=settings,
            site=self.site,
            target=self.target,
            skipped=self.skipped,
            versions=self.versions,
            sources=self.sources,
            origins=self.origins,
            thumbnails=self.thumbnails,
            marks=marks,
        )

    def ranked(self) -> pd.DataFrame:
        """Return the scored images, best evidence for the target first.

        By the criterion "offered", the first image is the one that decided. Words count if the
        decision stands on words.
        """
        scored = self.images[self.images["status"] == "scored"]
        if self.probability is None:
            order = scored["score"]
        elif self.criterion == "offered":
            order = pd.Series(offered_order(scored["margin"], scored["word_kind"]), scored.index)
        else:
            order = scored["score"] + word_ratios(scored["word_kind"])
        return scored.loc[order.sort_values(ascending=False, kind="stable").index]

    def nearest_misses(self, n: int = 5) -> pd.DataFrame:
        """Return the best images that are not matches, with words where there are any."""
        ranked = self.ranked()
        return ranked[~ranked["is_match_with_words"].astype(bool)].head(n)

    def deciding(self, n: int = 5, *, n_closest: int | None = None) -> pd.DataFrame:
        """Return the images that decided, best matches first; without any, what came closest.

        Those that decided are the matches, the images whose text names the target, also if they
        repeat another image, and the image that looks most like it. Reports show the same.

        Parameters
        ----------
        n : int
            Maximum number of images.
        n_closest : int, optional
            Maximum number of images if none matches and no text names the target; default: `n`.

        Returns
        -------
        DataFrame
            Rows of `images`.
        """
        first, closest = self._deciding_order
        if not first:
            return self.images.loc[closest[: min(n, n if n_closest is None else n_closest)]]
        best = [row for row in closest[:1] if row not in first]
        return self.images.loc[[*first[: max(n - len(best), 1)], *best][:n]]

    @cached_property
    def _deciding_order(self) -> tuple[list[Any], list[Any]]:
        """Rows of the images that decided, best first; and of all scored ones, most alike first."""
        images, ranked = self.images, self.ranked()
        is_named = names_target(images) & bool(self.settings.words)
        is_first = images["is_match_with_words"].astype(bool) | is_named
        repeated = images.index[is_named & (images["status"] == "repeated")]
        first = [*ranked.index[is_first[ranked.index]], *repeated]
        by_margin = self.criterion == "offered" and self.probability is not None
        alone = ranked["margin" if by_margin else "score"].to_numpy(np.float64)
        order = np.argsort(-alone, kind="stable")
        return first, ranked.index[order].tolist()

    def to_row(self) -> dict[str, object]:
        """Return the decision as a row of `decisions_table`."""
        return {
            "site": self.site,
            "target": self.target,
            "decision": self.decision,
            "relevant": self.relevant,
            "probability": self.probability,
            "criterion": self.criterion,
            "offered": self.offered,
            "image_evidence": self.image_evidence,
            "word_evidence": self.word_evidence,
            "share": self.share,
            "share_low": self.interval[0],
            "share_high": self.interval[1],
            "n_matches": self.n_matches,
            "n_matches_with_words": self.n_matches_with_words,
            "n_named": self.n_named,
            "n_scored": self.n_scored,
            "n_repeated": self._count("repeated"),
            "n_left_out": self._count("left out"),
            "n_skipped": count_lost(self.skipped),
            "similarity_threshold": self.settings.similarity_threshold,
            "relevance_threshold": self.settings.relevance_threshold,
            "prior": self.settings.prior,
            "evidence": self.evidence,
            "reason": self.reason,
        }

    def to_dict(self) -> dict[str, object]:
        """Return the decision with its images as plain values, for JSON.

        None stands for missing numbers and for infinite ones (the distance of a marked image).
        """
        numbers = self.images.select_dtypes("number")
        images = self.images.assign(**numbers.where(np.isfinite(numbers))).astype(object)
        skipped = self.skipped.to_dict("records")
        rows = images.where(images.notna(), None).to_dict("records")
        return {
            **self.to_row(),
            "summary": self.summary(),
            "settings": asdict(self.settings, dict_factory=_plain),
            "images": rows,
            "skipped": [{name: str(row[name]) for name in row} for row in skipped],
        }

    def summary(self) -> str:
        """Return the decision as one sentence, with what was seen and what outweighs it."""
        if self.probability is None or self.criterion == "share":
            return self._share_summary()
        chance, seen = format_chance(self), describe_evidence(self)
        if self.decision == "unsure":
            is_said = self.reason == NO_MATCH and "is a clear match" in seen
            reason = "" if is_said else f"{self.reason}; "
            return (
                f"{self.site}: unsure whether it sells {self.target} (probability {chance}); "
                f"{reason}{seen}"
            )
        if self.decision == "relevant":
            return f"{self.site} sells {self.target} (probability {chance}): {seen}"
        return (
            f"{self.site} does not sell {self.target} (probability that it does: {chance}): {seen}"
        )

    def _share_summary(self) -> str:
        low, high = self.interval
        threshold = self.settings.relevance_threshold
        if self.probability is None:
            criterion = f"relevance threshold {percent(threshold)}"
        else:
            chance = format_chance(self)
            equals = "" if chance[0] in "<>" else "= "
            criterion = f"P(share ≥ {percent(threshold)}) {equals}{chance}"
        reason = f"; {self.reason}" if self.reason else ""
        share = f"estimated share {format_share(self)} (95% CI {100 * low:.0f}–{high:.0%})"
        if high - low >= _UNKNOWN:
            share = f"share unknown (95% CI {100 * low:.0f}–{high:.0%})"
        return (
            f"{self.site}: {self.decision} for {self.target}: {describe_evidence(self)}; {share}; "
            f"{criterion}{reason}"
        )

    def __repr__(self) -> str:
        return f"<{self.summary()}>"

    def _repr_html_(self) -> str | None:
        """Return the notebook view, which `similarity_lab.report` registers."""
        return html_view(self)


def _plain(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return fields as JSON reads them back: lists instead of tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in pairs}


def describe_matches(result: SiteRelevance) -> str:
    """Return how many images match by themselves, as a clause.

    If the images as a whole say the opposite of that number, the clause says so.
    """
    n_matches, n_scored = result.n_matches, result.n_scored
    images = _images_favour(result)
    if n_scored == 1:
        text = f"the only image {'matches' if n_matches else 'does not match'}"
    elif n_matches:
        text = f"{n_matches} of {n_scored} images match{'es' if n_matches == 1 else ''}"
    elif images > 0:
        return f"none of {n_scored} images is a clear match, but the best one comes close"
    else:
        return f"none of {n_scored} images matches"
    if n_matches and images < 0:
        return f"{text}, though not more clearly than images of other products may"
    return text if n_matches or images <= 0 else f"{text} clearly, but comes close"


def _images_favour(result: SiteRelevance) -> float:
    """Return the evidence of the images that the number of matches may contradict; 0 = none."""
    return (result.image_evidence or 0) if result.criterion == "offered" else 0


def describe_evidence(result: SiteRelevance, target: str = "") -> str:
    """Return what images and texts show, as a clause; it explains a decision against a number.

    Parameters
    ----------
    result : SiteRelevance
    target : str
        Word for the target; default: its name.
    """
    target = target or result.target
    seen = describe_matches(result)
    if result.probability is None:
        return seen
    if result.criterion == "share":
        return f"{seen}{_share_against_matches(result)}"
    says, favours = _describe_words(result, target)
    if says:
        images = _images_favour(result)
        if images and (images > 0) != (result.n_matches > 0):  # `seen` has a "but" already
            seen += f"; {says}"
        elif (images > 0) == favours:
            seen += f", and {says}"
        else:
            is_against = result.decision != "unsure" and favours != result.relevant
            seen += f", {'although' if is_against else 'but'} {says}"
    total = (result.image_evidence or 0) + (result.word_evidence or 0)
    if result.decision != "unsure" and (total > 0) != result.relevant:
        seen += f"; the prior of {result.settings.prior:.3g} decides"
    return seen


def _describe_words(result: SiteRelevance, target: str) -> tuple[str, bool]:
    """Return what the texts name, as a clause, and whether that speaks for the target."""
    if not result.settings.words:
        return "", False
    n_named, kinds = result.n_named, result.images["word_kind"]
    is_scored = result.images["status"] == "scored"
    if n_named:
        texts = "the text of 1 names" if n_named == 1 else f"the texts of {n_named} name"
        return f"{texts} {target}", True
    favours = (result.word_evidence or 0) > 0
    n_unclear = int(kinds[is_scored].isin(UNCLEAR_KINDS).sum())
    if n_unclear and favours:
        texts = "the text of 1 may name" if n_unclear == 1 else f"the texts of {n_unclear} may name"
        return f"{texts} {target}", True
    if n_unclear:
        return f"no text clearly names {target}", False
    if favours:
        return f"no text names {target}, but texts beside images that were not collected do", True
    n_other = int(kinds[is_scored].isin(["other", "other form"]).sum())
    others = ""
    if n_other and result.n_matches and result.decision == "irrelevant":
        others = f" ({n_other} name{'s' * (n_other == 1)} other products)"
    return f"no text names {target}{others}", False


def _share_against_matches(result: SiteRelevance) -> str:
    """Return why the decision on the share differs from what the number of matches says."""
    is_enough = result.n_matches >= result.settings.relevance_threshold * result.n_scored
    if is_enough == result.relevant:
        return ""
    if result.relevant:
        return " clearly, but all of them together suggest a larger share"
    return ", but some may be other products that look like it"


def format_chance(result: SiteRelevance) -> str:
    """Return the probability that decides, which never looks like a limit that it misses."""
    limits: tuple[float, ...] = (0.5,)
    if result.settings.certainty is not None:
        limits += (result.settings.certainty, 1 - result.settings.certainty)
    return format_probability(result.probability or 0.0, *limits)


def format_share(result: SiteRelevance) -> str:
    """Return the share, which never looks like the relevance threshold unless it is that."""
    is_compared = result.criterion == "share"
    limits = (result.settings.relevance_threshold,) if is_compared else ()
    return percent_beside(result.share, 0, limits)


def format_evidence(images: pd.DataFrame, settings: DecisionSettings) -> list[str]:
    """Return the evidence of each image as text: its probability or, without one, its distance.

    The infinite distance of an image marked by hand becomes an empty text.
    """
    has_probability = images["probability"].notna().all()
    column = "probability" if has_probability else "distance"

    def form(value: float) -> str:
        if has_probability:
            return format_probability(value, settings.similarity_threshold)
        return f"{value:.3f}"

    return [form(value) if np.isfinite(value) else "" for value in images[column]]
