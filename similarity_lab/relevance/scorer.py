"""The estimator: fit on labelled photos, score supplier websites."""

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import cast

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from similarity_lab.datasets import load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.distances.comparators import Comparator, ComparatorSource
from similarity_lab.errors import ArchiveError, InputError, NoReferencesError, SiteError
from similarity_lab.relevance.clutter import Clutter
from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.estimator import Estimator
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.parameters import check_parameters, chosen_comparator
from similarity_lab.relevance.rules.learned import LearnedRule
from similarity_lab.relevance.rules.mean_distance import (
    MeanDistanceRule,
    Threshold,
    needs_counter_examples,
)
from similarity_lab.relevance.rules.references import Aggregate, Draw, ReferenceDraw
from similarity_lab.relevance.scoring import check_same, decide
from similarity_lab.relevance.site import EmbeddedSite
from similarity_lab.relevance.tables import SiteFailure, decisions_table
from similarity_lab.sites import Site, SiteSource, site_name
from similarity_lab.store import StoreSource


class RelevanceScorer(Estimator):
    """Decides which sites sell the target.

    Parameters
    ----------
    target : str
        The class of the library that is looked for.
    method : {"learned", "mean-distance"}
        ``"learned"`` tells the target from the library's other products, with probabilities for
        images and sites that are calibrated on the library. ``"mean-distance"`` is the original
        study's rule: an image is similar if its mean distance to `n_references` random references
        is at most `similarity_threshold`; the site is relevant if the share of similar images is
        at least `relevance_threshold`.
    embedder : embedder, comparator, name or Keras model, optional
        Default: colour EfficientNet-Lite as `quality` says; for ``"mean-distance"`` the original's,
        gray EfficientNet-Lite0.
    quality : {"standard", "best"}
        For the learned rule without `embedder`: Lite0 at 224 pixels, or Lite2 at 380, which sees
        finer things and takes several times as long.
    similarity_threshold : float or "from-library", optional
        From which probability an image is called a match (learned, default 0.5); or up to which
        distance (mean-distance; ``"from-library"``: best balanced accuracy on the library; default
        0.65 with the original's embedder and mean, else ``"from-library"``, since a threshold
        holds for one embedder only).
    relevance_threshold : float
        Share from which a site is relevant.
    prior_share : float
        Learned: share of all images that show the target, before one is looked at.
    certainty : float
        Learned: the decision is "unsure" where neither answer is this probable, 0.5…1.
    leave_out : sequence of {"icons", "banners", "graphics"}
        Pictures that do not count, see `clutter_kind`.
    n_references, draw, aggregate, n_nearest
        Mean-distance only, see `ReferenceDraw`; the learned rule uses all references.
    store : VectorStore or folder, optional
        Keep vectors on disk and look up those of known pictures; None keeps nothing.
    seed : int
    progress : bool

    Attributes
    ----------
    comparator_ : Comparator
    rule_ : LearnedRule or MeanDistanceRule
    library_ : EmbeddedLibrary or None
        None in a scorer that was loaded.
    reference_names_ : list of str
    reference_vectors_ : ndarray of float32, shape (n references, dimension)
    similarity_threshold_ : float
    fitted_with_ : str
        Name of the embedder whose vectors it learned from.
    skipped_ : DataFrame with columns path, reason
        Photos of the library that could not be used.

    Examples
    --------
    >>> scorer = RelevanceScorer("almonds").fit("library/")        # doctest: +SKIP
    >>> scorer.score("sites/greenfield-foods")                     # doctest: +SKIP
    <greenfield-foods: relevant for almonds: 8 of 14 images match, share 57% ...>
    """

    library_digest_: str  # of what a loaded scorer was fitted on

    def __init__(
        self,
        target: str,
        *,
        method: str = "learned",
        embedder: ComparatorSource | None = None,
        quality: str = "standard",
        similarity_threshold: Threshold = None,
        relevance_threshold: float = 0.25,
        prior_share: float = 0.25,
        certainty: float = 0.9,
        leave_out: Sequence[Clutter] = (),
        n_references: int = 15,
        draw: Draw = "with-replacement",
        aggregate: Aggregate = "mean",
        n_nearest: int = 3,
        store: StoreSource | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        self.target = target
        self.method = method
        self.embedder = embedder
        self.quality = quality
        self.similarity_threshold = similarity_threshold
        self.relevance_threshold = relevance_threshold
        self.prior_share = prior_share
        self.certainty = certainty
        self.leave_out = leave_out
        self.n_references = n_references
        self.draw = draw
        self.aggregate = aggregate
        self.n_nearest = n_nearest
        self.store = store
        self.seed = seed
        self.progress = progress

    def fit(self, library: DatasetSource | EmbeddedLibrary) -> "RelevanceScorer":
        """Learn from labelled photos.

        Parameters
        ----------
        library : folder, zip, mapping, ImageDataset or EmbeddedLibrary
            As `load_dataset` takes it; must hold photos of the target. Photos of other products
            make the learned rule sharper; without them generated photos stand in. The `library_`
            of another scorer with this embedder is not embedded again.

        Raises
        ------
        UnknownClassError
            If the target is not in the library; the message lists what is.
        """
        check_parameters(**self.get_params(deep=False))
        comparator = chosen_comparator(self.method, self.quality, self.embedder, self.store)
        if isinstance(library, EmbeddedLibrary):
            check_same(library, comparator.embedder.name)
            return self._fit(library, comparator)
        photos = load_dataset(library, progress=self.progress)
        references = photos.of_class(self.target)
        if self.method == "mean-distance":
            self._draw().check(len(references))
            if not needs_counter_examples(self.similarity_threshold, comparator, self._draw()):
                photos = photos.subset(
                    np.flatnonzero(photos.labels == photos.class_index(self.target))
                )
        return self._fit(EmbeddedLibrary.of(photos, comparator, progress=self.progress), comparator)

    def for_target(self, target: str) -> "RelevanceScorer":
        """Return a scorer for another product of the same library; nothing is embedded again."""
        self._check_is_fitted()
        if self.library_ is None:
            raise InputError(
                "a scorer that was loaded knows its own target only; fit one on the library"
            )
        parameters = {**self.get_params(deep=False), "target": target}
        return type(self)(**parameters)._fit(self.library_, self.comparator_)

    def look_at(self, site: SiteSource | EmbeddedSite) -> EmbeddedSite:
        """Embed a site's images, to be scored as often as one likes."""
        self._check_is_fitted()
        if not isinstance(site, EmbeddedSite):
            site, embedder = Site.of(site), self.comparator_.embedder
            site = EmbeddedSite.of(site, embedder, leave_out=self.leave_out, progress=self.progress)
        check_same(site, self.fitted_with_)  # also where it had to fall back on another network
        return site

    def score(self, site: SiteSource | EmbeddedSite) -> SiteRelevance:
        """Decide on one site.

        Parameters
        ----------
        site : Site, folder, zip, list of paths, or what `look_at` returned

        Raises
        ------
        SiteError
            If the site has no readable image.
        NotFittedError
            Before `fit`.
        """
        return decide(self, self.look_at(site))

    def score_each(
        self, sites: Iterable[SiteSource | EmbeddedSite], targets: Sequence[str] | None = None
    ) -> Iterator[SiteRelevance | SiteFailure]:
        """Decide on sites one by one; a site that fails is yielded with its reason.

        With `targets`, for each of these products of the library; images are embedded once, or
        not at all where a site is what `look_at` returned.
        """
        scorers = [self] if targets is None else [self.for_target(name) for name in targets]
        sites = list(sites)
        for source in tqdm(sites, desc="sites", unit="site", disable=not self.progress):
            try:
                images = self.look_at(source)
            except (SiteError, ArchiveError, OSError) as error:
                name = site_name(source)
                yield from (SiteFailure(name, scorer.target, str(error)) for scorer in scorers)
            else:
                yield from (decide(scorer, images) for scorer in scorers)

    def score_many(
        self, sites: Iterable[SiteSource | EmbeddedSite], targets: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Decide on many sites, and for many targets in one pass.

        Returns
        -------
        DataFrame
            One row per site and target, in order: site, target, decision, relevant, probability,
            share, share_low, share_high, n_matches, n_scored, n_repeated, n_left_out, n_skipped,
            both thresholds, reason. A site that fails has a reason and no decision.
        """
        return decisions_table(self.score_each(sites, targets))

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the fitted scorer to a folder, without pickle; see `load`."""
        from similarity_lab.relevance.saving import save_scorer

        self._check_is_fitted()
        save_scorer(self, folder)

    @classmethod
    def load(
        cls,
        folder: str | PathLike[str],
        *,
        embedder: ComparatorSource | None = None,
        library: DatasetSource | None = None,
        store: StoreSource | None = None,
    ) -> "RelevanceScorer":
        """Read what `save` wrote; decisions are equal and need no fitting.

        Parameters
        ----------
        folder : path
        embedder : embedder or comparator, optional
            Needed where the scorer was fitted with an object rather than a name.
        library : folder, zip, mapping or ImageDataset, optional
            Refuse the scorer unless it was fitted on exactly these photos.
        store : VectorStore or folder, optional

        Raises
        ------
        SavedFolderError
            If the folder holds no scorer, one that was changed, or one of another embedder or
            library.
        """
        from similarity_lab.relevance.saving import load_scorer

        return load_scorer(folder, embedder=embedder, library=library, store=store)

    def _fit(self, library: EmbeddedLibrary, comparator: Comparator) -> "RelevanceScorer":
        is_target = library.is_target(self.target)
        if not is_target.any():
            raise NoReferencesError(self.target)
        self.rule_: LearnedRule | MeanDistanceRule
        if self.method == "learned":
            self.rule_ = LearnedRule.fit(
                library,
                self.target,
                comparator.embedder,
                similarity_threshold=cast("float | None", self.similarity_threshold),
                prior_share=self.prior_share,
                certainty=self.certainty,
                seed=self.seed,
            )
        else:
            self.rule_ = MeanDistanceRule.fit(
                library, self.target, comparator, self._draw(), self.similarity_threshold
            )
        self.similarity_threshold_ = self.rule_.similarity_threshold
        self.comparator_ = comparator
        self.fitted_with_ = library.embedder
        self.library_: EmbeddedLibrary | None = library
        self.reference_names_ = library.names(is_target)
        self.reference_vectors_ = library.vectors[is_target]
        self.skipped_ = library.skipped
        return self

    def _draw(self) -> ReferenceDraw:
        return ReferenceDraw(
            self.n_references, self.draw, self.aggregate, self.n_nearest, self.seed
        )
