"""The estimator: fit on labelled photos, score supplier websites."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from similarity_lab._version import versions
from similarity_lab.comparators import (
    Comparator,
    ComparatorSource,
    EmbeddingComparator,
    as_comparator,
)
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.embedders import Embedded, embed_readable
from similarity_lab.relevance.decision import (
    IMAGE_COLUMNS,
    SITE_COLUMNS,
    SiteRelevance,
    check_thresholds,
)
from similarity_lab.relevance.references import Aggregate, Draw, ReferenceDraw
from similarity_lab.relevance.thresholds import balanced_threshold
from similarity_lab.sites import Site, SiteError, SiteSource
from similarity_lab.sources import Source, content_digest, describe

METHODS = ("mean-distance",)
ORIGINAL_EMBEDDER, ORIGINAL_THRESHOLD = "efficientnet-lite0", 0.65


@dataclass(frozen=True)
class SiteFailure:
    """A site on which no decision is possible, and why."""

    site: str
    target: str
    reason: str

    def to_row(self) -> dict[str, object]:
        """Return the failure as one row of the table of sites."""
        return {"site": self.site, "target": self.target, "reason": self.reason}

    def to_dict(self) -> dict[str, object]:
        """Return the failure as plain values, for JSON."""
        return self.to_row()


class RelevanceScorer(BaseEstimator):
    """Decides which sites sell the target.

    Parameters
    ----------
    target : str
        The class of the library that is looked for.
    method : {"mean-distance"}
        The original study's rule: an image is similar if its mean distance to `n_references`
        random references is at most `similarity_threshold`; the site is relevant if the share of
        similar images is at least `relevance_threshold`.
    embedder : embedder, comparator, name or Keras model, optional
        Default: the original's, gray EfficientNet-Lite0 compared by cosine.
    similarity_threshold : float or "from-library", optional
        Distance; smaller = more alike. ``"from-library"`` chooses it when fitting: best balanced
        accuracy on the library, each reference compared with the other ones. Default 0.65 with the
        original's embedder and mean; with any other ``"from-library"``, since a threshold holds
        for one embedder only.
    relevance_threshold : float
        Share, 0…1.
    n_references : int
    draw : {"with-replacement", "without-replacement", "all"}
    aggregate : {"mean", "nearest", "mean-of-nearest"}
    n_nearest : int
        See `ReferenceDraw` for these three.
    seed : int
    progress : bool

    Attributes
    ----------
    comparator_ : Comparator
    references_ : ImageDataset
        The photos of the target.
    reference_vectors_ : ndarray of float32, shape (n references, dimension)
    similarity_threshold_ : float
    skipped_ : DataFrame with columns path, reason
        Photos of the library that could not be used.

    Examples
    --------
    >>> scorer = RelevanceScorer("almonds").fit("library/")        # doctest: +SKIP
    >>> scorer.score("sites/greenfield-foods")                     # doctest: +SKIP
    <greenfield-foods: relevant for almonds: 9 of 19 images match, 47 % ...>
    """

    def __init__(
        self,
        target: str,
        *,
        method: str = "mean-distance",
        embedder: ComparatorSource | None = None,
        similarity_threshold: float | Literal["from-library"] | None = None,
        relevance_threshold: float = 0.25,
        n_references: int = 15,
        draw: Draw = "with-replacement",
        aggregate: Aggregate = "mean",
        n_nearest: int = 3,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        self.target = target
        self.method = method
        self.embedder = embedder
        self.similarity_threshold = similarity_threshold
        self.relevance_threshold = relevance_threshold
        self.n_references = n_references
        self.draw = draw
        self.aggregate = aggregate
        self.n_nearest = n_nearest
        self.seed = seed
        self.progress = progress

    def fit(self, library: DatasetSource) -> "RelevanceScorer":
        """Learn from labelled photos.

        Parameters
        ----------
        library : folder, zip, mapping or ImageDataset
            As `load_dataset` takes it; must hold photos of the target. Photos of other products
            are needed only to choose a threshold.

        Raises
        ------
        UnknownClassError
            If the target is not in the library; the message lists what is.
        """
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        given = self.similarity_threshold
        check_thresholds(
            given if isinstance(given, (int, float)) else 0.0, self.relevance_threshold
        )
        rule = self._rule()
        dataset = load_dataset(library, progress=self.progress)
        references = dataset.of_class(self.target)
        rule.check(len(references))
        self.comparator_ = self._comparator()
        embedded = self._embed(references.sources)
        self.references_ = references.subset(embedded.kept)
        self.reference_vectors_ = embedded.vectors
        self.skipped_ = pd.concat([dataset.skipped, embedded.skipped], ignore_index=True)
        threshold = self.similarity_threshold
        if threshold is None:
            is_original = self._is_original(self.comparator_)
            threshold = ORIGINAL_THRESHOLD if is_original else "from-library"
        if threshold == "from-library":
            threshold = self._chosen_threshold(dataset, rule)
        self.similarity_threshold_ = float(threshold)
        return self

    def score(self, site: SiteSource) -> SiteRelevance:
        """Decide on one site.

        Parameters
        ----------
        site : Site, folder, zip, or list of paths

        Raises
        ------
        SiteError
            If the site has no readable image.
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        site = Site.of(site)
        if not site.paths:
            raise SiteError(f"{site.name}: has no files at all")
        embedded = self._embed(site.paths)
        if not embedded.kept:
            first = embedded.errors[0]
            raise SiteError(
                f"{site.name}: none of its {len(site.paths)} files is a readable image "
                f"(the first: {first.path}: {first.reason})"
            )
        return SiteRelevance.from_images(
            self._images(site, embedded),
            similarity_threshold=self.similarity_threshold_,
            relevance_threshold=self.relevance_threshold,
            site=site.name,
            target=self.target,
            skipped=pd.concat([site.skipped, embedded.skipped], ignore_index=True),
            method=self.method,
            embedder=self.comparator_.embedder.name,
            settings={**asdict(self._rule()), "references": len(self.references_)},
            versions=versions(),
        )

    def score_each(self, sites: Iterable[SiteSource]) -> Iterator[SiteRelevance | SiteFailure]:
        """Decide on sites one by one; a site that fails is yielded with its reason."""
        check_is_fitted(self)
        sites = list(sites)
        for source in tqdm(sites, desc="sites", unit="site", disable=not self.progress):
            try:
                yield self.score(source)
            except (SiteError, OSError) as error:
                name = source.name if isinstance(source, Site) else describe(source)
                yield SiteFailure(name, self.target, str(error))

    def score_many(self, sites: Iterable[SiteSource]) -> pd.DataFrame:
        """Decide on many sites.

        Returns
        -------
        DataFrame
            One row per site, in order: site, target, decision, relevant, share, share_low,
            share_high, n_matches, n_scored, n_skipped, both thresholds, reason. A site that fails
            has a reason and no decision.
        """
        return decisions_table(self.score_each(sites))

    def _rule(self) -> ReferenceDraw:
        return ReferenceDraw(
            self.n_references, self.draw, self.aggregate, self.n_nearest, self.seed
        )

    def _comparator(self) -> Comparator:
        if self.embedder is None:
            return EmbeddingComparator(ORIGINAL_EMBEDDER, color="gray")
        return as_comparator(self.embedder)

    def _is_original(self, comparator: Comparator) -> bool:
        return (
            self.aggregate == "mean"
            and isinstance(comparator, EmbeddingComparator)
            and comparator.distance.name == "cosine"
            and comparator.embedder.name.startswith(f"{ORIGINAL_EMBEDDER} ")
            and getattr(comparator.embedder, "color", None) == "gray"
        )

    def _embed(self, sources: Sequence[Source]) -> Embedded:
        return embed_readable(self.comparator_.embedder, sources, progress=self.progress)

    def _images(self, site: Site, embedded: Embedded) -> pd.DataFrame:
        to_references = self.comparator_.between(embedded.vectors, self.reference_vectors_)
        digests = [content_digest(site.paths[index]) for index in embedded.kept]
        distances = self._rule().distances(to_references, digests)
        nearest = to_references.argmin(axis=1)
        names = [describe(source) for source in self.references_.sources]
        images = pd.DataFrame(index=range(len(site.paths)), columns=IMAGE_COLUMNS)
        images["path"] = pd.Series(list(site.paths), dtype=object)
        images["status"] = "skipped"
        images["reason"] = ""
        images.loc[embedded.kept, "status"] = "scored"
        images.loc[embedded.kept, "score"] = -distances
        images.loc[embedded.kept, "distance"] = distances
        images.loc[embedded.kept, "nearest_reference"] = [names[index] for index in nearest]
        images.loc[embedded.kept, "nearest_distance"] = to_references.min(axis=1)
        for index, error in embedded.errors.items():
            images.loc[index, "reason"] = error.reason
        numbers = ["score", "distance", "nearest_distance"]
        return images.astype(dict.fromkeys(numbers, np.float64))

    def _chosen_threshold(self, dataset: ImageDataset, rule: ReferenceDraw) -> float:
        others = dataset.subset(np.flatnonzero(dataset.labels != dataset.class_index(self.target)))
        if not len(others) or len(self.references_) < 2:
            raise ValueError(
                f"no threshold is known for {self.comparator_.embedder.name!r} with "
                f"aggregate={self.aggregate!r}; pass similarity_threshold, or a library with at "
                "least two photos of the target and photos of other products to choose it on"
            )
        embedded = self._embed(others.sources)
        far = self.comparator_.between(embedded.vectors, self.reference_vectors_)
        far_digests = [content_digest(others.sources[index]) for index in embedded.kept]
        return balanced_threshold(self._leave_one_out(rule), rule.distances(far, far_digests))

    def _leave_one_out(self, rule: ReferenceDraw) -> np.ndarray:
        """Distances of each reference to the other ones."""
        among = self.comparator_.between(self.reference_vectors_, self.reference_vectors_)
        digests = [content_digest(source) for source in self.references_.sources]
        rows = [
            rule.distances(np.delete(among[index], index)[None], [digest])
            for index, digest in enumerate(digests)
        ]
        return np.concatenate(rows)


def decisions_table(results: Iterable[SiteRelevance | SiteFailure]) -> pd.DataFrame:
    """Return decisions and failures as a table, one row per site, in order."""
    return pd.DataFrame([result.to_row() for result in results], columns=SITE_COLUMNS)
