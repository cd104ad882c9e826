"""A decision that carries its evidence."""

import html
import json
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from similarity_lab.intervals import wilson_interval
from similarity_lab.sources import describe

Decision = Literal["relevant", "irrelevant", "unsure"]

IMAGE_COLUMNS = [
    "path",
    "status",
    "score",
    "distance",
    "nearest_reference",
    "nearest_distance",
    "is_match",
    "reason",
]
SITE_COLUMNS = [
    "site",
    "target",
    "decision",
    "relevant",
    "share",
    "share_low",
    "share_high",
    "n_matches",
    "n_scored",
    "n_skipped",
    "similarity_threshold",
    "relevance_threshold",
    "reason",
]


@dataclass(frozen=True, eq=False, repr=False)
class SiteRelevance:
    """Whether a site sells the target, and why.

    Attributes
    ----------
    site, target : str
    decision : {"relevant", "irrelevant", "unsure"}
    relevant : bool
        The forced choice, also where the decision is "unsure".
    share : float
        Share of the scored images that show the target, 0…1.
    interval : (float, float)
        95 % interval for the share in the site's catalogue, of which the images are a sample.
    probability : float or None
        Probability that the site is relevant; None under the original rule, which has none.
    images : DataFrame
        One row per file, in order: path (as given), status ("scored" or "skipped"), score (higher
        = likelier to show the target), distance, nearest_reference, nearest_distance, is_match,
        reason.
    skipped : DataFrame with columns path, reason
        All that was left out.
    similarity_threshold : float
        An image is a match if its distance is at most this.
    relevance_threshold : float
        The site is relevant if the share is at least this.
    method, embedder : str
    settings, versions : dict
        What else the figures depend on.
    """

    site: str
    target: str
    decision: Decision
    relevant: bool
    share: float
    interval: tuple[float, float]
    probability: float | None
    images: pd.DataFrame
    skipped: pd.DataFrame
    similarity_threshold: float
    relevance_threshold: float
    method: str
    embedder: str
    settings: dict[str, object] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_images(
        cls,
        images: pd.DataFrame,
        *,
        similarity_threshold: float,
        relevance_threshold: float,
        **evidence: object,
    ) -> "SiteRelevance":
        """Decide by the original rule from a table of images that has distances.

        Parameters
        ----------
        images : DataFrame
            With `IMAGE_COLUMNS`; `is_match` is filled in here.
        similarity_threshold, relevance_threshold : float
        **evidence
            The other attributes.
        """
        scored = images["status"] == "scored"
        images = images.assign(is_match=scored & (images["distance"] <= similarity_threshold))
        n_matches, n_scored = int(images["is_match"].sum()), int(scored.sum())
        share = n_matches / n_scored
        relevant = share >= relevance_threshold
        return cls(
            decision="relevant" if relevant else "irrelevant",
            relevant=relevant,
            share=share,
            interval=wilson_interval(n_matches, n_scored),
            probability=None,
            images=images[IMAGE_COLUMNS],
            similarity_threshold=float(similarity_threshold),
            relevance_threshold=float(relevance_threshold),
            **evidence,  # type: ignore[arg-type]
        )

    @property
    def n_scored(self) -> int:
        """Number of images that were looked at."""
        return int((self.images["status"] == "scored").sum())

    @property
    def n_matches(self) -> int:
        """Number of images that show the target, as far as the rule can tell."""
        return int(self.images["is_match"].sum())

    def rethreshold(
        self, *, similarity_threshold: float | None = None, relevance_threshold: float | None = None
    ) -> "SiteRelevance":
        """Return the decision under other thresholds; nothing is embedded again."""
        similarity = (
            self.similarity_threshold if similarity_threshold is None else similarity_threshold
        )
        relevance = self.relevance_threshold if relevance_threshold is None else relevance_threshold
        check_thresholds(similarity, relevance)
        decided = SiteRelevance.from_images(
            self.images,
            similarity_threshold=similarity,
            relevance_threshold=relevance,
            site=self.site,
            target=self.target,
            skipped=self.skipped,
            method=self.method,
            embedder=self.embedder,
        )
        return replace(decided, settings=self.settings, versions=self.versions)

    def ranked(self) -> pd.DataFrame:
        """Return the scored images, likeliest to show the target first."""
        scored = self.images[self.images["status"] == "scored"]
        return scored.sort_values("score", ascending=False, kind="stable")

    def nearest_misses(self, n: int = 5) -> pd.DataFrame:
        """Return the images that came closest to being a match."""
        ranked = self.ranked()
        return ranked[~ranked["is_match"].astype(bool)].head(n)

    def to_row(self) -> dict[str, object]:
        """Return the decision as one row of the table of sites."""
        return {
            "site": self.site,
            "target": self.target,
            "decision": self.decision,
            "relevant": self.relevant,
            "share": self.share,
            "share_low": self.interval[0],
            "share_high": self.interval[1],
            "n_matches": self.n_matches,
            "n_scored": self.n_scored,
            "n_skipped": len(self.skipped),
            "similarity_threshold": self.similarity_threshold,
            "relevance_threshold": self.relevance_threshold,
            "reason": "",
        }

    def to_dict(self) -> dict[str, object]:
        """Return the decision with its images as plain values, for JSON (NaN becomes None)."""
        images = self.images.assign(path=self.images["path"].map(describe))
        return {
            **self.to_row(),
            "method": self.method,
            "embedder": self.embedder,
            "settings": self.settings,
            "images": json.loads(images.to_json(orient="records")),
            "skipped": json.loads(self.skipped.astype(str).to_json(orient="records")),
        }

    def summary(self) -> str:
        """Return the decision as one sentence."""
        low, high = self.interval
        return (
            f"{self.site}: {self.decision} for {self.target}: {self.n_matches} of {self.n_scored} "
            f"images match, {self.share:.0%} (95 % interval {low:.0%} to {high:.0%}; "
            f"relevant from {self.relevance_threshold:.0%})"
        )

    def __repr__(self) -> str:
        return f"<{self.summary()}>"

    def _repr_html_(self) -> str:
        """Show the decision and its images in a notebook."""
        columns = ["path", "score", "distance", "nearest_reference", "is_match"]
        images = self.ranked()[columns].head(10).to_html(index=False, escape=True)
        left_out = f"<p>{len(self.skipped)} left out.</p>" if len(self.skipped) else ""
        return f"<p><b>{html.escape(self.summary())}</b></p>{images}{left_out}"


def check_thresholds(similarity: float, relevance: float) -> None:
    """Raise unless both thresholds can be meant."""
    if not np.isfinite(similarity):
        raise ValueError(f"similarity_threshold must be a finite distance, got {similarity}")
    if not 0 <= relevance <= 1:
        raise ValueError(f"relevance_threshold is a share from 0 to 1, got {relevance}")
