"""A decision that carries its evidence."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from similarity_lab._views import html_view
from similarity_lab.errors import InputError
from similarity_lab.images.sources import describe
from similarity_lab.relevance.deciding import Decision, by_distance, by_probability

IMAGE_COLUMNS = [
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
SITE_COLUMNS = [
    "site",
    "target",
    "decision",
    "relevant",
    "probability",
    "share",
    "share_low",
    "share_high",
    "n_matches",
    "n_scored",
    "n_repeated",
    "n_left_out",
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
        Share that shows the target, 0…1: of the scored images under the original rule, of the
        site's catalogue (the likeliest share) under the learned one.
    interval : (float, float)
        95 % interval for the share in the site's catalogue, of which the images are a sample.
    probability : float or None
        Probability that the catalogue's share is at least the relevance threshold; None under the
        original rule, which has none.
    images : DataFrame
        One row per file, in order: path (as given); status ("scored", "repeated": shows what
        another image shows, "left out": an icon, banner or graphic, or "skipped": unreadable);
        score (higher = likelier to show the target); distance (original rule) or probability
        (learned rule); nearest_reference and nearest_distance; confusable (the other product it is
        most like); influence (by how much it moves the log-odds of "relevant"); is_match; reason.
    skipped : DataFrame with columns path, reason
        All that could not be read.
    similarity_threshold : float
        An image is a match if its distance is at most this (original rule), or its probability at
        least this (learned rule).
    relevance_threshold : float
        The site is relevant if the share is at least this.
    method, embedder : str
    settings, versions : dict
        What else the figures depend on.
    origins : DataFrame or None
        Where the images came from, one row per row of `images`, as `Site` has it.
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
    origins: pd.DataFrame | None = None

    @classmethod
    def from_images(
        cls,
        images: pd.DataFrame,
        *,
        method: str,
        similarity_threshold: float,
        relevance_threshold: float,
        settings: dict[str, object],
        **evidence: object,
    ) -> "SiteRelevance":
        """Decide from a table of images that have distances or probabilities.

        Parameters
        ----------
        images : DataFrame
            With `IMAGE_COLUMNS`; is_match and influence are filled in here.
        method : {"learned", "mean-distance"}
        similarity_threshold, relevance_threshold : float
        settings : dict
            Under the learned rule with ``prior_share`` and ``certainty``.
        **evidence
            The other attributes.
        """
        thresholds = (float(similarity_threshold), float(relevance_threshold))
        if method == "learned":
            prior, certainty = (float(str(settings[name])) for name in ("prior_share", "certainty"))
            decided = by_probability(images, *thresholds, prior, certainty)
        else:
            decided = by_distance(images, *thresholds)
        decided["images"] = decided["images"][IMAGE_COLUMNS]  # type: ignore[index]
        return cls(
            method=method,
            similarity_threshold=thresholds[0],
            relevance_threshold=thresholds[1],
            settings=settings,
            **decided,  # type: ignore[arg-type]
            **evidence,  # type: ignore[arg-type]
        )

    @property
    def n_scored(self) -> int:
        """Number of images that count."""
        return self._count("scored")

    @property
    def n_matches(self) -> int:
        """Number of images that show the target, as far as the rule can tell."""
        return int(self.images["is_match"].sum())

    def _count(self, status: str) -> int:
        return int((self.images["status"] == status).sum())

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
            method=self.method,
            similarity_threshold=similarity,
            relevance_threshold=relevance,
            settings=self.settings,
            site=self.site,
            target=self.target,
            skipped=self.skipped,
            embedder=self.embedder,
        )
        return replace(decided, versions=self.versions, origins=self.origins)

    def ranked(self) -> pd.DataFrame:
        """Return the scored images, likeliest to show the target first."""
        scored = self.images[self.images["status"] == "scored"]
        return scored.sort_values("score", ascending=False, kind="stable")

    def nearest_misses(self, n: int = 5) -> pd.DataFrame:
        """Return the images that came closest to being a match."""
        ranked = self.ranked()
        return ranked[~ranked["is_match"].astype(bool)].head(n)

    def deciding(self, n: int = 5) -> pd.DataFrame:
        """Return the images that moved the decision most, for or against (learned rule).

        Under the original rule every match counts alike, so these are the nearest ones.
        """
        if self.probability is None:
            return self.ranked().head(n)
        order = self.images["influence"].abs().sort_values(ascending=False, kind="stable")
        return self.images.loc[order.index[: min(n, self.n_scored)]]

    def to_row(self) -> dict[str, object]:
        """Return the decision as one row of the table of sites."""
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
            "similarity_threshold": self.similarity_threshold,
            "relevance_threshold": self.relevance_threshold,
            "reason": "",
        }

    def to_dict(self) -> dict[str, object]:
        """Return the decision with its images as plain values, for JSON.

        None stands for what is no finite number: missing, or endless (a marked image's distance).
        """
        numbers = self.images.select_dtypes("number")
        images = self.images.assign(**numbers.where(np.isfinite(numbers))).astype(object)
        skipped = self.skipped.to_dict("records")
        rows = images.where(images.notna(), None).to_dict("records")
        return {
            **self.to_row(),
            "method": self.method,
            "embedder": self.embedder,
            "settings": self.settings,
            "images": [{**row, "path": describe(row["path"])} for row in rows],
            "skipped": [{name: str(row[name]) for name in row} for row in skipped],
        }

    def summary(self) -> str:
        """Return the decision as one sentence."""
        low, high = self.interval
        chance = "" if self.probability is None else f" with probability {self.probability:.1%}"
        return (
            f"{self.site}: {self.decision} for {self.target}: {self.n_matches} of {self.n_scored} "
            f"images match, share {self.share:.0%} (95 % interval {low:.0%} to {high:.0%}; "
            f"relevant from {self.relevance_threshold:.0%}{chance})"
        )

    def __repr__(self) -> str:
        return f"<{self.summary()}>"

    def _repr_html_(self) -> str | None:
        """Return the notebook view, which `similarity_lab.report` registers."""
        return html_view(self)


def evidence(images: pd.DataFrame) -> list[str]:
    """Return what speaks for each image, to be read: a probability or, without one, a distance."""
    by_probability = images["probability"].notna().all()
    column, form = ("probability", "{:.1%}") if by_probability else ("distance", "{:.3f}")
    return [form.format(value) for value in images[column]]


def check_thresholds(similarity: float, relevance: float) -> None:
    """Raise unless both thresholds can be meant."""
    if not np.isfinite(similarity):
        raise InputError(f"similarity_threshold must be a finite number, got {similarity}")
    if not 0 <= relevance <= 1:
        raise InputError(f"relevance_threshold is a share from 0 to 1, got {relevance}")
