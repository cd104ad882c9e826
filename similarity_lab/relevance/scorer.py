"""The estimator: fit on a library of labelled images, decide on sites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils import ClassifierTags, Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from similarity_lab._progress import tqdm
from similarity_lab._version import versions
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.datasets.layout import class_name
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.distances.comparators import (
    Comparator,
    ComparatorSource,
    as_comparator,
    cached_comparator,
)
from similarity_lab.embedders import vector_space
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import (
    ArchiveError,
    InputError,
    InputTypeError,
    NoReferencesError,
    SavedFolderError,
    SiteError,
    check_number,
    did_you_mean,
)
from similarity_lab.files import skipped_table
from similarity_lab.files.saved import load_folder, save_folder
from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.library import EmbeddedLibrary, library_digest
from similarity_lab.relevance.offered import UNCLEAR_KINDS
from similarity_lab.relevance.rules import (
    FittedLearnedRule,
    FittedMeanDistanceRule,
    FittedRule,
    LearnedRule,
    MeanDistanceRule,
    Rule,
)
from similarity_lab.relevance.rules.prototypes import one_thread
from similarity_lab.relevance.rules.text import TextPart, TextReferences
from similarity_lab.relevance.settings import (
    CRITERIA,
    Criterion,
    DecisionSettings,
    TextBasis,
    check_effect,
    check_prior,
    check_thresholds,
)
from similarity_lab.relevance.site import CLUTTER_KINDS, Clutter, EmbeddedSite
from similarity_lab.relevance.tables import SiteFailure, SiteResult, decisions_table
from similarity_lab.relevance.words import TargetWords
from similarity_lab.relevance.words.prompts import BuiltInNames
from similarity_lab.sites import Site, SiteSource, site_list, site_name
from similarity_lab.store import StoreSource, VectorStore

RuleName = Literal["learned", "mean-distance"]
Words = Sequence[str] | Mapping[str, Sequence[str]]
"""Names of a target, or a mapping of targets to their names; ``()``: no texts are read."""

_RULES: dict[str, type[Rule]] = {"learned": LearnedRule, "mean-distance": MeanDistanceRule}
_FITTED_RULES: dict[str, type[FittedRule]] = {
    "learned": FittedLearnedRule,
    "mean-distance": FittedMeanDistanceRule,
}
DEFAULT_RELEVANCE_THRESHOLD = 0.25
DEFAULT_PRIOR = 0.25
DEFAULT_CERTAINTY = 0.9
_KIND, _ARRAYS = "scorer", "scorer.npz"
_MANY = 100  # names of images that were not collected
_SHARED = ("embedder", "store")  # parameters that `fit` does not change: clones share them


def _gives_probability(scorer: RelevanceScorer) -> bool:
    return _as_rule(scorer.rule).gives_probability


class RelevanceScorer(BaseEstimator):
    """Decides which sites sell the target.

    Parameters
    ----------
    target : str
        Class of the library to look for.
    rule : {"learned", "mean-distance"}, LearnedRule or MeanDistanceRule
        ``"learned"`` tells the target from the other products of the library and gives
        probabilities that are calibrated on it. ``"mean-distance"`` is the original study's rule:
        an image is a match if its mean distance to random references is at most a threshold, and
        the site is relevant if the share of matches is at least `relevance_threshold`. Pass an
        object to set the parameters of the rule.
    criterion : {"offered", "share"}, optional
        What is decided. ``"offered"``: does the site sell the target at all; the default of the
        learned rule. ``"share"``: is the share of the catalogue at least `relevance_threshold`; the
        only question that ``"mean-distance"`` answers. Every result of the learned rule has both
        probabilities.
    relevance_threshold : float
        Share from which a site is relevant, 0…1; only by the criterion "share".
    certainty : float
        Minimum probability of a decision, 0.5…1; below it the decision is "unsure". Only with a
        rule that gives probabilities.
    prior : float
        P(a site sells the target) before looking at it, above 0, below 1: about the part of the
        sites that you expect to sell it. Only with the learned rule.
    words : sequence of str, or mapping of target to sequence of str, optional
        More names of the target, looked for in the texts of collected images: alternative text,
        product name and url. Default: the name of the class, and the built-in names of that food in
        many languages. A mapping has the names of several targets of `decide_many`; a target that
        is not in it has the default. ``()`` reads no texts. Only with the learned rule; with
        ``LearnedRule(text=True)`` these names are references as well.
    leave_out : sequence of {"icons", "banners", "graphics"}
        Kinds of images to exclude from the count, see `clutter_kind`.
    embedder : embedder, comparator, name or Keras model, optional
        Default: colour EfficientNet-Lite as `quality` says; for ``"mean-distance"`` the study's
        grey EfficientNet-Lite0.
    quality : {"fast", "standard", "best"}, optional
        Chooses the learned rule's default embedder: EfficientNet-Lite0 on the whole image; on the
        whole image and its centre (the default, about half as fast); or joined with Lite2 at 380
        pixels, which resolves finer detail and is several times slower. Not together with
        `embedder`.
    store : VectorStore or folder, optional
        Cache of vectors on disk; None caches nothing.
    seed : int
        Seed of random draws and of cross-fitting folds.
    progress : bool
        Show progress bars.

    Attributes
    ----------
    rule_ : FittedLearnedRule or FittedMeanDistanceRule
    words_ : TargetWords
    comparator_ : Comparator
    library_ : EmbeddedLibrary or None
        None in a scorer that was loaded, or fitted on names alone.
    classes_ : ndarray of bool
        ``[False, True]``: the columns of `predict_proba`.
    reference_names_ : list of str
    reference_vectors_ : ndarray of float32, shape (n references, d)
    skipped_ : DataFrame with columns path, reason
        Images of the library that could not be used.
    fitted_with_ : str
        Name of the embedder.

    Examples
    --------
    >>> scorer = RelevanceScorer("almonds").fit("library/")        # doctest: +SKIP
    >>> scorer.decide("sites/greenfield-foods")                    # doctest: +SKIP
    <greenfield-foods sells almonds (probability 96.5%): 14 of 27 images match>
    """

    def __init__(
        self,
        target: str,
        *,
        rule: RuleName | Rule = "learned",
        criterion: Criterion | None = None,
        relevance_threshold: float = DEFAULT_RELEVANCE_THRESHOLD,
        certainty: float = DEFAULT_CERTAINTY,
        prior: float = DEFAULT_PRIOR,
        words: Words | None = None,
        leave_out: Sequence[Clutter] = (),
        embedder: ComparatorSource | None = None,
        quality: Literal["fast", "standard", "best"] | None = None,
        store: StoreSource | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        self.target = target
        self.rule = rule
        self.criterion = criterion
        self.relevance_threshold = relevance_threshold
        self.certainty = certainty
        self.prior = prior
        self.words = words
        self.leave_out = leave_out
        self.embedder = embedder
        self.quality = quality
        self.store = store
        self.seed = seed
        self.progress = progress

    # --- scikit-learn ---------------------------------------------------------------------------

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401
        """Set parameters; what was fitted stays until `fit` is called again.

        ``rule__n_references=30`` and the like also work while `rule` is a name.
        """
        rule = params.get("rule", self.rule)
        if isinstance(rule, str) and any(name.startswith("rule__") for name in params):
            params["rule"] = _as_rule(rule)
        super().set_params(**params)
        return self

    def __sklearn_clone__(self) -> RelevanceScorer:
        params = {
            name: value if name in _SHARED else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        return type(self)(**params)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags(multi_class=False)
        tags.input_tags.two_d_array = False  # sites, not a table of features
        tags.no_validation = True
        return tags

    # --- learning -------------------------------------------------------------------------------

    def fit(
        self,
        library: DatasetSource | EmbeddedLibrary | None,
        y: None = None,
    ) -> RelevanceScorer:
        """Learn from labelled images, from names of the target, or from both.

        Parameters
        ----------
        library : folder, zip, mapping, ImageDataset, EmbeddedLibrary or None
            As `load_dataset` takes it; must contain images of the target. Images of other products
            make the learned rule more accurate; if there are none, generated images are used. The
            `library_` of another scorer with this embedder is not embedded again. With
            ``LearnedRule(text=True)`` names are enough: the library may lack the target, in which
            case it says how well names find other products, or be None.
        y : None
            Ignored: the library has its own labels. Present for scikit-learn.

        Raises
        ------
        UnknownClassError
            If the target is not in the library; the message lists its classes.
        InputError
            For an invalid parameter, or one that would have no effect.
        """
        rule = self._check_params()
        self._not_embedded = None
        if library is None and not rule.text:
            raise InputError(
                "fit needs a library of labelled images; without one, pass "
                "rule=LearnedRule(text=True), names of the target as words=, and an embedder with "
                "a text tower"
            )
        comparator = self._make_comparator(rule)
        if library is None:
            return self._learn(rule, None, comparator)
        if isinstance(library, EmbeddedLibrary):
            _check_same_space(library, comparator.embedder.name)
            return self._learn(rule, library, comparator)
        dataset = load_dataset(library, progress=self.progress)
        if self._is_named_only(rule, dataset):
            embedded = EmbeddedLibrary.of(dataset, comparator, progress=self.progress)
            return self._learn(rule, embedded, comparator)
        return self._learn(rule, self._embed_library(rule, dataset, comparator), comparator)

    def _embed_library(
        self, rule: Rule, dataset: ImageDataset, comparator: Comparator
    ) -> EmbeddedLibrary:
        """Embed what the rule compares: the whole library, or the references alone."""
        references = np.flatnonzero(dataset.labels == dataset.class_index(self.target))
        rule.check_references(len(references))
        if not rule.needs_other_products(comparator):
            self._not_embedded = dataset
            dataset = dataset.subset(references)
        return EmbeddedLibrary.of(dataset, comparator, progress=self.progress)

    def for_target(self, target: str) -> RelevanceScorer:
        """Return a scorer for another product of the same library; nothing is embedded twice.

        It has the same parameters, but a list of `words` belongs to this scorer's target.
        """
        check_is_fitted(self)
        if self._is_loaded:
            raise InputError(
                "A loaded scorer knows only its own target; fit one on the library instead"
            )
        scorer = clone(self).set_params(target=target)
        if self.words and not isinstance(self.words, Mapping):
            scorer.set_params(words=None)  # a list has the names of this scorer's target only
        scorer._builtin_names = self._builtin_names
        rule, library = _as_rule(self.rule), self.library_
        if self._not_embedded is not None:
            library = scorer._embed_library(rule, self._not_embedded, self.comparator_)
        return scorer._learn(rule, library, self.comparator_)

    def check_target(self, target: str) -> None:
        """Raise `UnknownClassError` unless `for_target` can learn this product."""
        check_is_fitted(self)
        if self.library_ is not None:
            scorer = clone(self).set_params(target=target, words=None)
            library = replace(self.library_.dataset, skipped=self.library_.skipped)
            scorer._is_named_only(_as_rule(self.rule), library)

    def _learn(
        self, rule: Rule, library: EmbeddedLibrary | None, comparator: Comparator
    ) -> RelevanceScorer:
        self.words_ = self._target_words()
        dataset = None if library is None else library.dataset
        is_named_only = dataset is None or self._is_named_only(rule, dataset)
        if dataset is not None and not rule.text and isinstance(self.words, Mapping):
            for target in self.words:
                dataset.class_index(target)  # raises for an unknown one
        if library is None or is_named_only:
            self.reference_names_: list[str] = []
            self.reference_vectors_: Vectors = np.empty((0, comparator.embedder.dimension), "f4")
        else:
            is_target = library.is_target(self.target)
            if not is_target.any():
                raise NoReferencesError(self.target)
            self.reference_names_ = library.names(is_target)
            self.reference_vectors_ = library.vectors[is_target]
        self.rule_: FittedRule = self._fitted_rule(
            rule, library, comparator, is_named_only=is_named_only
        )
        self.comparator_ = comparator
        self.library_: EmbeddedLibrary | None = library
        self.classes_ = np.array([False, True])
        self.skipped_ = skipped_table([]) if library is None else library.skipped
        self.fitted_with_ = comparator.embedder.name if library is None else library.embedder
        self._is_loaded = False
        return self

    def _fitted_rule(
        self,
        rule: Rule,
        library: EmbeddedLibrary | None,
        comparator: Comparator,
        *,
        is_named_only: bool,
    ) -> FittedRule:
        if not rule.text:
            known = cast(EmbeddedLibrary, library)
            return rule.learn(known, self.target, comparator, seed=self.seed)
        builtin = self._builtin_names
        if builtin is None or builtin.embedder != comparator.embedder.name:
            self._builtin_names = builtin = BuiltInNames.of(comparator.embedder)
        is_few = is_named_only or len(self.reference_names_) == 1
        classes = library.dataset.classes if library is not None and is_few else ()
        classes = tuple(name for name in classes if name != self.target)
        text = TextReferences.of(
            comparator.embedder, self.words_, self._given_words(), builtin, classes
        )
        return cast(LearnedRule, rule).learn(
            library, self.target, comparator, seed=self.seed, text=text
        )

    def _is_named_only(self, rule: Rule, dataset: ImageDataset) -> bool:
        """Return whether names are the only references, since the library lacks the target.

        Raises
        ------
        UnknownClassError
            The library lacks the target and names are no references, or a class has nearly the
            same name.
        InputError
            A class of another name is the same product.
        """
        if class_name(self.target) in map(class_name, dataset.classes):
            return False
        if not rule.text or did_you_mean(self.target, dataset.classes):
            dataset.class_index(self.target)  # raises
        own = set(self._target_words().products)
        for name in dataset.classes:
            if own & set(TargetWords.of(name).products):
                raise InputError(
                    f"The library has no class {self.target!r}, but {name!r} names the same "
                    f"product; pass target={name!r}"
                )
        return True

    def _check_params(self) -> Rule:
        """Return the rule; raise `InputError` for a parameter that is invalid or has no effect."""
        rule = _as_rule(self.rule)
        rule.check()
        self._check_decision_params(rule)
        check_number("seed", self.seed, "an integer from 0", whole=True)
        if self.seed < 0:
            raise InputError(f"seed is an integer from 0, got {self.seed}")
        words = self.words if isinstance(self.words, Mapping) else {self.target: self.words}
        for target, names in words.items():
            target_words = TargetWords.of(target, names)  # raises; before anything is embedded
            if rule.text and not target_words and (names is None or len(names)):
                raise InputError(
                    f"{target!r} contains no word to go by; pass names of the product as words="
                )
            if rule.text and names is not None and not len(names):
                raise InputError(
                    f"words=() leaves no name of {target!r} for LearnedRule(text=True); name it, "
                    "leave words out to use its class name, or leave text=True out"
                )
        if self.quality is not None and self.embedder is not None:
            raise InputError(
                f"quality={self.quality!r} chooses an embedder; pass quality or embedder, not both"
            )
        return rule

    def _check_decision_params(self, rule: Rule | FittedRule) -> None:
        """Raise `InputError` for an invalid parameter of those that `decide` uses."""
        check_thresholds(0.0, self.relevance_threshold)
        expected = "a probability from 0.5 to 1"
        check_number("certainty", self.certainty, expected)
        if not 0.5 <= self.certainty <= 1:
            raise InputError(f"certainty is {expected}, got {self.certainty}")
        check_prior(self.prior)
        if self.criterion is not None and self.criterion not in CRITERIA:
            raise InputError(
                f"Unknown criterion {self.criterion!r}.{did_you_mean(self.criterion, CRITERIA)} "
                f"Expected one of: {', '.join(CRITERIA)}"
            )
        if self._criterion(rule) not in rule.criteria:
            raise InputError(
                "The mean-distance rule only knows the share of matches; leave criterion= out, or "
                "use the learned rule"
            )
        is_default = {
            "certainty": self.certainty == DEFAULT_CERTAINTY,
            "prior": self.prior == DEFAULT_PRIOR,
            "words": self.words is None,
        }
        for name, value in is_default.items():
            if not value and not rule.gives_probability:
                raise InputError(
                    f"{name}={getattr(self, name)!r} has no effect: the mean-distance rule gives "
                    "no probability and reads no words; leave it out"
                )
        if self.relevance_threshold != DEFAULT_RELEVANCE_THRESHOLD:
            check_effect(self._criterion(rule), self.relevance_threshold)
        if isinstance(self.leave_out, str):
            raise InputError(f"leave_out is a list of names; pass [{self.leave_out!r}]")
        if not isinstance(self.leave_out, Iterable):
            raise InputTypeError(
                f"leave_out is a list of names, () for none; got {self.leave_out!r}"
            )
        for kind in self.leave_out:
            if kind not in CLUTTER_KINDS:
                raise InputError(
                    f"Unknown kind of clutter {kind!r} in leave_out."
                    f"{did_you_mean(kind, CLUTTER_KINDS)} "
                    f"Expected some of: {', '.join(CLUTTER_KINDS)}"
                )

    def _given_words(self) -> tuple[str, ...] | None:
        """Return the names of the target that the user gave; None: none were given."""
        words = self.words
        if isinstance(words, Mapping):
            # as classes are compared: "é" may be one character or two
            by_target = {class_name(target): names for target, names in words.items()}
            words = by_target.get(class_name(self.target))
        return None if words is None else tuple(words)

    def _target_words(self) -> TargetWords:
        return TargetWords.of(self.target, self._given_words())

    def _criterion(self, rule: Rule | FittedRule) -> Criterion:
        return cast(Criterion, self.criterion or rule.criteria[0])

    def _make_comparator(self, rule: Rule) -> Comparator:
        """Return the comparator that the parameters describe; with a store, it is cached."""
        if self.embedder is None:
            comparator = rule.default_comparator(self.quality)
        else:
            comparator = as_comparator(self.embedder)
        rule.check_comparator(comparator)
        if self.store is None:
            return comparator
        return cached_comparator(comparator, VectorStore.of(self.store))

    # --- deciding -------------------------------------------------------------------------------

    def embed_site(
        self, site: SiteSource | EmbeddedSite, *, thumbnails: bool = False
    ) -> EmbeddedSite:
        """Return a site with the vectors of its images, to decide on it several times.

        Parameters
        ----------
        site : Site, folder, zip, list of paths or EmbeddedSite
            An `EmbeddedSite` is checked, and returned with its copies if the rule asks for them.
        thumbnails : bool
            Also make thumbnails for a report, of images that are decoded anyway.

        Raises
        ------
        SiteError
            If the site has no readable image.
        InputError
            If an `EmbeddedSite` has vectors of another embedder, or was made with another
            `leave_out`; or if a parameter changed by `set_params` is invalid.
        """
        check_is_fitted(self)
        self._check_decision_params(self.rule_)
        if not isinstance(site, EmbeddedSite):
            site = EmbeddedSite.of(
                Site.of(site),
                self.comparator_.embedder,
                leave_out=self.leave_out,
                count_repeats_once=self.rule_.repeats_count_once,
                thumbnails=thumbnails,
                progress=self.progress,
            )
        elif site.leave_out != frozenset(self.leave_out):
            raise InputError(
                f"The site was embedded with leave_out={sorted(site.leave_out)}, the scorer has "
                f"leave_out={sorted(self.leave_out)}; embed it with this scorer's embed_site"
            )
        _check_same_space(site, self.fitted_with_)  # the embedder may have fallen back on another
        if site.repeats is None and self.rule_.repeats_count_once:
            site = site.with_copies(self.comparator_.embedder)
        return site

    def decide(self, site: SiteSource | EmbeddedSite) -> SiteRelevance:
        """Decide on one site.

        Parameters
        ----------
        site : Site, folder, zip, list of paths, or what `embed_site` returned

        Raises
        ------
        SiteError
            If the site has no readable image.
        NotFittedError
            Before `fit`.
        """
        return self._decide(self.embed_site(site))

    def decide_each(
        self,
        sites: Iterable[SiteSource | EmbeddedSite],
        targets: str | Sequence[str] | None = None,
        *,
        thumbnails: bool = False,
    ) -> Iterator[SiteResult]:
        """Decide on sites one by one; yield a site that fails as a `SiteFailure` with its reason.

        Parameters
        ----------
        sites : iterable of Site, folder, zip, list of paths, or what `embed_site` returned
            An iterator is asked for the next site when the one before is decided on.
        targets : str or sequence of str, optional
            Decide for each of these products of the library; images are embedded once. Default:
            the scorer's own target.
        thumbnails : bool
            Also make thumbnails for a report, of images that are decoded anyway.

        Yields
        ------
        SiteRelevance or SiteFailure
            By site in the order given, then by target.
        """
        check_is_fitted(self)
        names = [targets] if isinstance(targets, str) else targets
        names = [self.target] if names is None else names
        scorers = [self if name == self.target else self.for_target(name) for name in names]
        sites = sites if isinstance(sites, Iterator) else site_list(sites)
        for source in tqdm(sites, desc="sites", unit="site", disable=not self.progress):
            try:
                site = self.embed_site(source, thumbnails=thumbnails)
            except (SiteError, ArchiveError, OSError) as error:
                name = site_name(source)
                yield from (SiteFailure(name, scorer.target, str(error)) for scorer in scorers)
            else:
                yield from (scorer._decide(site) for scorer in scorers)

    def decide_many(
        self,
        sites: Iterable[SiteSource | EmbeddedSite],
        targets: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Decide on many sites, and for many targets in one pass.

        Parameters
        ----------
        sites, targets
            As in `decide_each`.

        Returns
        -------
        DataFrame
            One row per site and target, in order, with `DECISION_COLUMNS`. A site that fails has a
            reason and no decision.
        """
        return decisions_table(self.decide_each(sites, targets))

    def predict(self, sites: Iterable[SiteSource | EmbeddedSite]) -> npt.NDArray[np.bool_]:
        """Return whether each site is relevant, bool (n,); a forced choice, never "unsure".

        Raises
        ------
        SiteError
            At the first site without a readable image; `decide_many` goes on instead.
        """
        return np.array([self.decide(site).relevant for site in site_list(sites)], bool)

    @available_if(_gives_probability)
    def predict_proba(self, sites: Iterable[SiteSource | EmbeddedSite]) -> npt.NDArray[np.float64]:
        """Return P(irrelevant) and P(relevant) of each site, float64 (n, 2), rows sum to 1.

        Not available with the mean-distance rule, which gives no probability.

        Raises
        ------
        SiteError
            At the first site without a readable image.
        """
        probabilities = [self.decide(site).probability for site in site_list(sites)]
        relevant = np.array(probabilities, np.float64)
        return np.column_stack([1 - relevant, relevant])

    @one_thread
    def _decide(self, site: EmbeddedSite) -> SiteRelevance:
        vectors, rule = site.embedded.vectors, self.rule_
        to_references = self.comparator_.between(vectors, self.reference_vectors_)
        images = site.table(
            rule.columns(vectors, to_references, site.digests),
            to_references,
            self.reference_names_,
            self.words_ if rule.gives_probability else None,
            count_repeats_once=rule.repeats_count_once,
        )
        has_words = rule.gives_probability and bool(self.words_) and site.has_texts
        counted = [index for index, kind in enumerate(site.clutter) if kind is None]
        settings = DecisionSettings(
            rule=rule.name,
            embedder=self.comparator_.embedder.name,
            similarity_threshold=rule.similarity_threshold,
            relevance_threshold=float(self.relevance_threshold),
            criterion=self._criterion(rule),
            certainty=float(self.certainty) if rule.gives_probability else None,
            prior=float(self.prior) if rule.gives_probability else None,
            prior_share=rule.prior_share,
            words=(self.words_.title, *self.words_.names) if has_words else (),
            n_references=len(self.reference_names_),
            other_products=rule.other_products,
            calibration=rule.site_calibration(vectors[counted]),
            text=None if rule.text is None else _text_basis(rule.text),
            reference_draw=rule.reference_draw,
            unseen_kinds=_unseen_kinds(site.site, self.words_) if has_words else (),
            image_coverage=site.site.image_coverage,
            page_coverage=site.site.page_coverage,
        )
        return SiteRelevance.from_images(
            images,
            settings=settings,
            site=site.site.name,
            target=self.target,
            skipped=site.skipped,
            versions=versions(),
            sources=site.site.paths,
            origins=site.site.origins,
            thumbnails=site.thumbnails,
        )

    # --- saving ---------------------------------------------------------------------------------

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the fitted scorer to a folder, without pickle; `load` reads it.

        The folder records the embedder's name and a digest of the library, so that a loaded scorer
        never decides with vectors of another network. The store is not saved.
        """
        check_is_fitted(self)
        rule, arrays = self.rule_.to_saved()
        params = self.get_params(deep=False)
        is_named = self.embedder is None or isinstance(self.embedder, str)
        saved = {
            **{name: value for name, value in params.items() if name not in (*_SHARED, "rule")},
            "leave_out": list(self.leave_out),
            "words": _plain_words(self.words),
            "embedder": self.embedder if is_named else None,
        }
        content = {
            "params": saved,
            "rule": {"name": self.rule_.name, "params": _as_rule(self.rule).get_params()},
            "fitted_rule": rule,
            "embedder": self.fitted_with_,
            "embedder_is_object": not is_named,
            "references": self.reference_names_,
            "library": self._library_digest(),
        }
        files = {_ARRAYS: {**arrays, "references": self.reference_vectors_}}
        save_folder(folder, _KIND, content, files)

    @classmethod
    def load(
        cls,
        folder: str | PathLike[str],
        *,
        embedder: ComparatorSource | None = None,
        library: DatasetSource | None = None,
        store: StoreSource | None = None,
    ) -> RelevanceScorer:
        """Return the scorer that `save` wrote; it decides alike, and nothing is fitted.

        Parameters
        ----------
        folder : path
        embedder : embedder or comparator, optional
            Needed if the scorer was fitted with an object rather than a name.
        library : folder, zip, mapping or ImageDataset, optional
            Raise `SavedFolderError` unless the scorer was fitted on exactly these images.
        store : VectorStore or folder, optional

        Raises
        ------
        PathNotFoundError
            If the folder has no saved scorer.
        SavedFolderError
            If the scorer is damaged, of another version, embedder or library.
        """
        saved = load_folder(folder, _KIND)
        content, arrays = saved.content, saved.arrays(_ARRAYS)
        try:
            rule_class = _RULES[content["rule"]["name"]]
            params = {**content["params"], "rule": rule_class(**content["rule"]["params"])}
            params["leave_out"] = tuple(params["leave_out"])
            scorer = cls(**{**params, "store": store})
            if embedder is not None:
                scorer.set_params(embedder=embedder, quality=None)
            elif content["embedder_is_object"]:
                raise SavedFolderError(
                    f"The scorer in {folder} was fitted with an embedder object, "
                    f"{content['embedder']!r}; pass it again, as embedder= or --embedder"
                )
            rule = scorer._check_params()
            scorer.words_ = scorer._target_words()
            scorer.rule_ = _FITTED_RULES[rule.name].from_saved(content["fitted_rule"], arrays)
            scorer.reference_names_ = [str(name) for name in content["references"]]
            scorer.reference_vectors_ = arrays["references"]
            scorer.fitted_with_ = str(content["embedder"])
            scorer._loaded_digest = str(content["library"])
        except (KeyError, TypeError, AttributeError) as error:
            raise SavedFolderError(f"{folder}: the manifest is incomplete ({error!r})") from None
        scorer.comparator_ = scorer._make_comparator(rule)
        if vector_space(scorer.comparator_.embedder.name) != vector_space(scorer.fitted_with_):
            raise SavedFolderError(
                f"The scorer in {folder} was fitted on vectors of {scorer.fitted_with_!r}; it "
                f"cannot decide with vectors of {scorer.comparator_.embedder.name!r}"
            )
        if library is not None:
            dataset = load_dataset(library, progress=scorer.progress)
            if library_digest(dataset) != scorer._loaded_digest:
                raise SavedFolderError(
                    f"The scorer in {folder} was fitted on a different library; fit it again"
                )
        scorer.library_ = None
        scorer._is_loaded = True
        scorer.classes_ = np.array([False, True])
        scorer.skipped_ = skipped_table([])
        return scorer

    def _library_digest(self) -> str:
        if self._is_loaded:
            return self._loaded_digest
        return "" if self.library_ is None else library_digest(self.library_.dataset)

    _loaded_digest: str
    _is_loaded: bool
    _builtin_names: BuiltInNames | None = None  # shared by the targets of one library
    _not_embedded: ImageDataset | None = None  # the library, if only the target is embedded


def _text_basis(text: TextPart) -> TextBasis:
    return TextBasis(
        text.prototypes.names,
        len(text.prototypes.other_names),
        text.weight,
        text.calibration.separability,
        text.measured_on,
        text.prototypes.gap,
    )


def _unseen_kinds(site: Site, words: TargetWords) -> tuple[str, ...]:
    """Return what the texts of images name that were not collected, strongest first."""
    if site.unseen is None or site.origins is None:
        return ()
    texts = pd.concat([site.origins, site.unseen], ignore_index=True)  # slogans are beside both
    kinds = [each.kind for each in words.read_table(texts)[len(site.origins) :]]
    order = {"target": 0, **dict.fromkeys(UNCLEAR_KINDS, 1)}
    return tuple(sorted(filter(None, kinds), key=lambda kind: (order.get(kind, 2), kind))[:_MANY])


def _as_rule(rule: object) -> Rule:
    """Return the rule of a name, or the rule object itself."""
    if isinstance(rule, str):
        if rule not in _RULES:
            raise InputError(
                f"Unknown rule {rule!r}.{did_you_mean(rule, _RULES)} "
                f"Expected one of: {', '.join(_RULES)}; or a LearnedRule or MeanDistanceRule"
            )
        return _RULES[rule]()
    if isinstance(rule, tuple(_RULES.values())):
        return cast(Rule, rule)
    raise InputTypeError(
        f"expected the name of a rule, a LearnedRule or a MeanDistanceRule, "
        f"got {type(rule).__name__}"
    )


def _plain_words(words: Words | None) -> list[str] | dict[str, list[str]] | None:
    """Return words as JSON writes them."""
    if isinstance(words, Mapping):
        return {target: list(names) for target, names in words.items()}
    return None if words is None else list(words)


def _check_same_space(embedded: EmbeddedLibrary | EmbeddedSite, embedder: str) -> None:
    """Raise `InputError` unless the vectors can be compared with those of this embedder."""
    if vector_space(embedded.embedder) != vector_space(embedder):
        raise InputError(
            f"Cannot compare vectors of {embedded.embedder!r} with the scorer's vectors of "
            f"{embedder!r}; embed the images with the scorer's embedder"
        )
