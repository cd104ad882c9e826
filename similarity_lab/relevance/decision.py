"""The decision on a site with its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._views import html_view
from similarity_lab.errors import InputError, check_number
from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.files.listing import count_lost
from similarity_lab.images.sources import Source
from similarity_lab.images.thumbnails import EncodedThumbnail
from similarity_lab.relevance.offered import (
    FEW_IMAGES,
    UNCLEAR_KINDS,
    OfferedEvidence,
    offered_evidence,
    offered_order,
    word_ratios,
)
from similarity_lab.relevance.rules.calibration import Calibration, probability
from similarity_lab.relevance.rules.mean_distance import ReferenceDraw
from similarity_lab.relevance.share import SharePosterior

Decision = Literal["relevant", "irrelevant", "unsure"]
Criterion = Literal["offered", "share"]
CRITERIA: tuple[Criterion, ...] = ("offered", "share")

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

FEW_PRODUCTS, FEW_REFERENCES = 10, 5
"""Fewer other products or references are named as the reason of an unsure decision."""
MARKED_RATIO = 27.0
"""Log likelihood ratio of an image that a person has marked: as good as certain."""
_SMALL_PART = 0.9  # less of a site's images is named as the reason of an unsure decision
_NO_MATCH = "no image is a clear match"
_UNKNOWN = 0.9  # width of the interval from which the share is called unknown
# With fewer, "sure" answers were wrong too often (docs/benchmarks.md, "Few references, few other
# products"): they do not tell what else looks like the target.
_FEWEST_PRODUCTS, _FEWEST_REFERENCES = 8, 2


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
        return int(_is_named(self.images).sum())

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
        is_named = _is_named(images) & bool(self.settings.words)
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
        chance, seen = format_probability(self.probability), describe_evidence(self)
        if self.decision == "unsure":
            is_said = self.reason == _NO_MATCH and "is a clear match" in seen
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
            criterion = f"relevance threshold {threshold:.0%}"
        else:
            chance = format_probability(self.probability)
            equals = "" if chance[0] in "<>" else "= "
            criterion = f"P(share ≥ {threshold:.0%}) {equals}{chance}"
        reason = f"; {self.reason}" if self.reason else ""
        share = f"estimated share {self.share:.0%} (95% CI {100 * low:.0f}–{high:.0%})"
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
    is_named = _is_named(images).any()
    evidence = len(seen) >= FEW_IMAGES or bool(seen["is_match"].any() or is_named)
    reason = _reason_to_doubt(seen, settings, is_named=bool(is_named))
    if not reason and not (is_offered and chance >= 0.5):
        reason = _reason_to_doubt_absence(seen, settings, offered)
    if not evidence:
        reason = f"{len(seen)} image{'s' if len(seen) > 1 else ''} seen"
    is_close = max(chance, 1 - chance) < settings.certainty
    if is_close and not reason:
        reason = _what_is_missing(offered, settings)
        reason = reason or _what_came_closest(seen, offered, settings, is_named=bool(is_named))
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


def _is_named(images: pd.DataFrame) -> pd.Series:
    """Return which images have a text that names the target and no other product."""
    return (images["word_kind"] == "target") & images["status"].isin(["scored", "repeated"])


def _reason_to_doubt(seen: pd.DataFrame, settings: DecisionSettings, *, is_named: bool) -> str:
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


def _reason_to_doubt_absence(
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


def _what_is_missing(offered: OfferedEvidence, settings: DecisionSettings) -> str:
    """Return what more of the library or of the site would help, or ``""``."""
    known = settings.calibration
    if (
        known is not None
        and known.separability is not None
        and (known.n_products < FEW_PRODUCTS or known.n_references < FEW_REFERENCES)
    ):
        return _footing(known)
    if settings.criterion == "share" or offered.images + offered.words > 0:
        return ""
    if settings.words and "target" in settings.unseen_kinds:
        return "texts name it beside images that were not collected: raise the limits of the crawl"
    if settings.image_coverage < _SMALL_PART:
        return (
            f"only about {settings.image_coverage:.0%} of the site's images were collected: raise "
            "the limits of the crawl"
        )
    return ""


def _what_came_closest(
    seen: pd.DataFrame, offered: OfferedEvidence, settings: DecisionSettings, *, is_named: bool
) -> str:
    """Return why the evidence is too weak for a decision."""
    if settings.criterion == "share":
        return f"the share may be below or above {settings.relevance_threshold:.0%}"
    n_alone, n_with_words = int(seen["is_match"].sum()), int(seen["is_match_with_words"].sum())
    if offered.words > 0 > offered.images:
        verb = "name" if is_named else "may name"
        return f"words {verb} it, images do not {'clearly ' if n_alone else ''}show it"
    if offered.words < 0 < offered.images:
        clearly = "clearly " if seen["word_kind"].isin(UNCLEAR_KINDS).any() else ""
        return f"an image looks like it, but no text {clearly}names it"
    if not n_alone:
        return f"{_NO_MATCH}{' by itself' if n_with_words else ''}"
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
        few.append(f"{n_references} reference image{'s' if n_references > 1 else ''}")
    if 0 < n_products < FEW_PRODUCTS:
        few.append(f"{n_products} other product{'s' if n_products > 1 else ''}")
    text = f"learned from only {' and '.join(few)}" if few else "learned"
    if not n_products:  # one would be too few to count
        text += f"{',' if few else ''} without at least two other products"
    return f"{text}; extend the library"


def format_probability(value: float) -> str:
    """Return a probability as a percentage; one that is not certain never becomes 0% or 100%.

    Examples
    --------
    >>> format_probability(0.4149), format_probability(0.99996), format_probability(1.0)
    ('41.5%', '>99.9%', '100.0%')
    """
    if 0.9995 <= value < 1:
        return ">99.9%"
    if 0 < value < 0.0005:
        return "<0.1%"
    return f"{value:.1%}"


def format_evidence(images: pd.DataFrame) -> list[str]:
    """Return the evidence of each image as text: its probability or, without one, its distance.

    The infinite distance of an image marked by hand becomes an empty text.
    """
    has_probability = images["probability"].notna().all()
    column = "probability" if has_probability else "distance"
    form = format_probability if has_probability else "{:.3f}".format
    return [form(value) if np.isfinite(value) else "" for value in images[column]]


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
