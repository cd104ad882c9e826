"""The decision on a site with its evidence, and the posterior of the share behind it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit

from similarity_lab._views import html_view
from similarity_lab.errors import InputError
from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.images.sources import describe
from similarity_lab.images.thumbnails import EncodedThumbnail
from similarity_lab.relevance.rules.mean_distance import ReferenceDraw
from similarity_lab.relevance.rules.prototypes import Floats

Decision = Literal["relevant", "irrelevant", "unsure"]

SCORE_COLUMNS = [
    "path",
    "status",
    "score",
    "distance",
    "probability",
    "nearest_reference",
    "nearest_distance",
    "confusable",
    "influence",
    "is_match",
    "reason",
]
"""Columns of `SiteRelevance.images`, one row per file of a site."""

_SHARES = (np.arange(1000) + 0.5) / 1000
_MAX_LOG_RATIO = 700.0  # its exponential is still finite
_BLOCK = 256  # images processed at a time, which bounds memory


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
        The site is relevant if the share is at least this, 0…1.
    certainty : float or None
        Minimum probability of a decision, 0.5…1; None under the mean-distance rule, which gives
        no probability.
    prior_share : float or None
        Prior probability that an image shows the target; learned rule only.
    n_references : int
        Reference images of the target.
    other_products : int or None
        Other products that the target competes with; learned rule only.
    reference_draw : ReferenceDraw or None
        Which references an image is compared with; mean-distance rule only.
    n_marked : int
        Number of images marked by hand.
    """

    rule: str
    embedder: str
    similarity_threshold: float
    relevance_threshold: float
    certainty: float | None = None
    prior_share: float | None = None
    n_references: int = 0
    other_products: int | None = None
    reference_draw: ReferenceDraw | None = None
    n_marked: int = 0


@dataclass(frozen=True, eq=False, repr=False)
class SiteRelevance:
    """Whether a site sells the target, and why.

    Attributes
    ----------
    site, target : str
    decision : {"relevant", "irrelevant", "unsure"}
    relevant : bool
        The forced choice, which also exists if the decision is "unsure".
    probability : float or None
        Probability that the share is at least the relevance threshold; None under the
        mean-distance rule.
    share : float
        Share that shows the target, 0…1: of the scored images (mean-distance rule), or the most
        probable share of the site's catalogue (learned rule).
    interval : (float, float)
        95% interval of the share in the site's catalogue, of which the images are a sample.
    images : DataFrame
        One row per file, in order: path (as given); status ("scored"; "repeated": same image as
        another one; "left out": icon, banner or graphic; "skipped": unreadable); score (higher =
        more likely to show the target); distance (mean-distance rule) or probability (learned
        rule); nearest_reference and nearest_distance; confusable (the closest other product);
        influence (change of the log-odds of "relevant" due to this image); is_match; reason.
    skipped : DataFrame with columns path, reason
        Files that could not be read.
    settings : DecisionSettings
    versions : dict of str to str
        Versions of the libraries that the numbers depend on.
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
    share: float
    interval: tuple[float, float]
    images: pd.DataFrame
    skipped: pd.DataFrame
    settings: DecisionSettings
    versions: dict[str, str] = field(default_factory=dict)
    origins: pd.DataFrame | None = None
    thumbnails: Mapping[object, EncodedThumbnail] = field(default_factory=dict)
    marks: Mapping[int, bool] = field(default_factory=dict)

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
        origins: pd.DataFrame | None = None,
        thumbnails: Mapping[object, EncodedThumbnail] | None = None,
        marks: Mapping[int, bool] | None = None,
    ) -> "SiteRelevance":
        """Decide from a table of images with distances or probabilities.

        Parameters
        ----------
        images : DataFrame
            With `SCORE_COLUMNS`; is_match and influence are computed here.
        settings : DecisionSettings
        site, target : str
        skipped : DataFrame with columns path, reason
        versions : dict of str to str, optional
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
            share=verdict.share,
            interval=verdict.interval,
            images=verdict.images[SCORE_COLUMNS],
            skipped=skipped,
            settings=settings,
            versions=versions or {},
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
        """Number of images that show the target according to the rule."""
        return int(self.images["is_match"].sum())

    def _count(self, status: str) -> int:
        return int((self.images["status"] == status).sum())

    def rethreshold(
        self, *, similarity_threshold: float | None = None, relevance_threshold: float | None = None
    ) -> "SiteRelevance":
        """Return the decision under other thresholds; nothing is embedded again."""
        settings = self.settings
        if similarity_threshold is not None:
            settings = replace(settings, similarity_threshold=float(similarity_threshold))
        if relevance_threshold is not None:
            settings = replace(settings, relevance_threshold=float(relevance_threshold))
        return self._decide_again(self.images, settings, self.marks)

    def with_images(self, images: pd.DataFrame, marks: Mapping[int, bool]) -> "SiteRelevance":
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
    ) -> "SiteRelevance":
        return SiteRelevance.from_images(
            images,
            settings=settings,
            site=self.site,
            target=self.target,
            skipped=self.skipped,
            versions=self.versions,
            origins=self.origins,
            thumbnails=self.thumbnails,
            marks=marks,
        )

    def ranked(self) -> pd.DataFrame:
        """Return the scored images, highest score first."""
        scored = self.images[self.images["status"] == "scored"]
        return scored.sort_values("score", ascending=False, kind="stable")

    def nearest_misses(self, n: int = 5) -> pd.DataFrame:
        """Return the highest-scoring images that are not matches."""
        ranked = self.ranked()
        return ranked[~ranked["is_match"].astype(bool)].head(n)

    def deciding(self, n: int = 5) -> pd.DataFrame:
        """Return the images with the largest influence on the decision, for or against it.

        Under the mean-distance rule, whose matches all count alike, return the nearest images.
        """
        if self.probability is None:
            return self.ranked().head(n)
        order = self.images["influence"].abs().sort_values(ascending=False, kind="stable")
        return self.images.loc[order.index[: min(n, self.n_scored)]]

    def to_row(self) -> dict[str, object]:
        """Return the decision as a row of `decisions_table`."""
        return {
            "site": self.site,
            "target": self.target,
            "decision": self.decision,
            "relevant": self.relevant,
            "probability": self.probability,
            "share": self.share,
            "share_low": self.interval[0],
            "share_high": self.interval[1],
            "n_matches": self.n_matches,
            "n_scored": self.n_scored,
            "n_repeated": self._count("repeated"),
            "n_left_out": self._count("left out"),
            "n_skipped": len(self.skipped),
            "similarity_threshold": self.settings.similarity_threshold,
            "relevance_threshold": self.settings.relevance_threshold,
            "reason": "",
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
            "settings": asdict(self.settings),
            "images": [{**row, "path": describe(row["path"])} for row in rows],
            "skipped": [{name: str(row[name]) for name in row} for row in skipped],
        }

    def summary(self) -> str:
        """Return the decision as one sentence."""
        low, high = self.interval
        threshold = self.settings.relevance_threshold
        if self.probability is None:
            criterion = f"relevance threshold {threshold:.0%}"
        else:
            criterion = f"P(share ≥ {threshold:.0%}) = {self.probability:.1%}"
        return (
            f"{self.site}: {self.decision} for {self.target}: {self.n_matches} of {self.n_scored} "
            f"images match; estimated share {self.share:.0%} (95% CI {100 * low:.0f}–{high:.0%}); "
            f"{criterion}"
        )

    def __repr__(self) -> str:
        return f"<{self.summary()}>"

    def _repr_html_(self) -> str | None:
        """Return the notebook view, which `similarity_lab.report` registers."""
        return html_view(self)


@dataclass(frozen=True, eq=False)
class SharePosterior:
    """Probability of each share, given the images of a site.

    The images are a sample of the catalogue: each shows the target with probability s, the share.
    The prior of the share is uniform. Misses and false alarms are part of the likelihood ratios, so
    the share needs no correction for them; few or ambiguous images give a wide interval. A certain
    image counts as one image, regardless of its score.

    Attributes
    ----------
    weights : ndarray, shape (1000,)
        Probability of each of 1000 equal intervals of shares from 0 to 1; they sum to 1.
    """

    weights: Floats

    @classmethod
    def of(cls, log_ratios: npt.ArrayLike) -> "SharePosterior":
        """Return the posterior given the log likelihood ratios of images, shape (n,).

        Examples
        --------
        >>> posterior = SharePosterior.of([9.0, 9.0, -9.0])  # two of three show it
        >>> round(posterior.share, 1), round(posterior.at_least(0.25), 2)
        (0.7, 0.95)
        """
        weights = _weights(_total(log_ratios))
        return cls(weights / weights.sum())

    @property
    def share(self) -> float:
        """The most probable share; exactly 0 or 1 if the posterior peaks there."""
        peak = int(self.weights.argmax())
        if peak in (0, len(_SHARES) - 1):
            return float(peak > 0)
        return float(_SHARES[peak])

    def at_least(self, share: float) -> float:
        """Return P(share in the catalogue ≥ `share`)."""
        return min(1.0, float(self.weights @ _fraction_above(share)))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the shortest interval that contains the share with this probability."""
        peak, count = int(self.weights.argmax()), len(_SHARES)
        cumulative = np.concatenate([[0.0], np.cumsum(self.weights)])
        lows = np.arange(peak + 1)  # the interval contains the only peak
        highs = np.searchsorted(cumulative, cumulative[lows] + confidence)
        lengths = np.where(highs <= count, np.maximum(highs, peak + 1) - lows, count)
        low = int(lengths.argmin())
        return low / count, min(low + int(lengths[low]), count) / count


def influences(log_ratios: npt.ArrayLike, share: float) -> Floats:
    """Return how much each image changes the log-odds of "the share is at least `share`".

    Shape (n,): the log-odds with all images minus the log-odds without this one; above 0 = in
    favour.
    """
    total = _total(log_ratios)
    without = [_log_odds(total - block, share) for block in _log_likelihoods(log_ratios)]
    return _log_odds(total, share) - np.concatenate([*without, np.empty(0)])


def _log_likelihoods(log_ratios: npt.ArrayLike) -> Iterator[Floats]:
    """Yield the log likelihood of each share given each image, ``(b, 1000)``, block by block."""
    ratios = np.exp(np.clip(np.asarray(log_ratios, np.float64), -_MAX_LOG_RATIO, _MAX_LOG_RATIO))[
        :, None
    ]
    for start in range(0, len(ratios), _BLOCK):
        yield np.log(_SHARES * ratios[start : start + _BLOCK] + (1 - _SHARES))


def _total(log_ratios: npt.ArrayLike) -> Floats:
    """Return the log likelihood of each share given all images, ``(1000,)``."""
    return sum(
        (block.sum(axis=0) for block in _log_likelihoods(log_ratios)), np.zeros(len(_SHARES))
    )


def _weights(log_weights: Floats) -> Floats:
    """Return weights of shares, ``(…, 1000)``, scaled to a maximum of 1."""
    return np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))


def _fraction_above(share: float) -> Floats:
    """Return the fraction of each interval that is at least the share, ``(1000,)``."""
    edges = np.linspace(0, 1, len(_SHARES) + 1)
    return np.clip((edges[1:] - share) * len(_SHARES), 0, 1)


def _log_odds(log_weights: Floats, share: float) -> Floats:
    """Return the log-odds of "at least the share", for each row of log weights."""
    weights = _weights(log_weights)
    above = np.clip(weights @ _fraction_above(share) / weights.sum(axis=-1), 1e-12, 1 - 1e-12)
    return np.log(above) - np.log1p(-above)


@dataclass(frozen=True, eq=False)
class Verdict:
    """The decision that follows from a table of images; attributes as in `SiteRelevance`."""

    images: pd.DataFrame
    decision: Decision
    relevant: bool
    share: float
    interval: tuple[float, float]
    probability: float | None


def decide_by_distance(images: pd.DataFrame, settings: DecisionSettings) -> Verdict:
    """Decide by the original study's rule: the share of images within the similarity threshold."""
    scored = images["status"] == "scored"
    is_match = scored & (images["distance"] <= settings.similarity_threshold)
    n_matches, n_scored = int(is_match.sum()), int(scored.sum())
    share = n_matches / n_scored
    relevant = share >= settings.relevance_threshold
    return Verdict(
        images=images.assign(is_match=is_match),
        decision="relevant" if relevant else "irrelevant",
        relevant=relevant,
        share=share,
        interval=wilson_interval(n_matches, n_scored),
        probability=None,
    )


def decide_by_probability(images: pd.DataFrame, settings: DecisionSettings) -> Verdict:
    """Decide by the learned rule: the posterior of the share, given the images' probabilities.

    The similarity threshold only labels matches; the posterior does not depend on it.
    """
    scored = images["status"] == "scored"
    log_ratios = _log_ratios(images, settings)
    posterior = SharePosterior.of(log_ratios)
    probability = posterior.at_least(settings.relevance_threshold)
    relevant = probability >= 0.5
    forced: Decision = "relevant" if relevant else "irrelevant"
    is_unsure = max(probability, 1 - probability) < (settings.certainty or 0)
    images = images.assign(
        is_match=scored & (images["probability"] >= settings.similarity_threshold),
        influence=np.nan,
    )
    images.loc[scored, "influence"] = influences(log_ratios, settings.relevance_threshold)
    return Verdict(
        images=images,
        decision="unsure" if is_unsure else forced,
        relevant=relevant,
        share=posterior.share,
        interval=posterior.interval(),
        probability=probability,
    )


def share_posterior(images: pd.DataFrame, settings: DecisionSettings) -> SharePosterior:
    """Return the posterior of the share under the learned rule."""
    return SharePosterior.of(_log_ratios(images, settings))


def _log_ratios(images: pd.DataFrame, settings: DecisionSettings) -> Floats:
    """Return log likelihood ratios of the scored images: the prior removed, (n scored,)."""
    if settings.prior_share is None or settings.certainty is None:
        raise InputError("The learned rule needs prior_share and certainty in its settings")
    probabilities = images["probability"][images["status"] == "scored"].to_numpy(np.float64)
    return np.asarray(logit(probabilities) - logit(settings.prior_share))  # infinite where certain


def format_evidence(images: pd.DataFrame) -> list[str]:
    """Return the evidence of each image as text: its probability or, without one, its distance.

    The infinite distance of an image marked by hand becomes an empty text.
    """
    has_probability = images["probability"].notna().all()
    column, form = ("probability", "{:.1%}") if has_probability else ("distance", "{:.3f}")
    return [form.format(value) if np.isfinite(value) else "" for value in images[column]]


def check_thresholds(similarity: float, relevance: float) -> None:
    """Raise `InputError` unless both thresholds are valid."""
    if not np.isfinite(similarity):
        raise InputError(f"similarity_threshold must be a finite number, got {similarity}")
    if not 0 <= relevance <= 1:
        raise InputError(f"relevance_threshold is a share from 0 to 1, got {relevance}")
