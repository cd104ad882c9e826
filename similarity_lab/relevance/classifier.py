"""Tune a scorer on labelled sites, as scikit-learn tunes a classifier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.errors import InputError
from similarity_lab.evaluation.thresholds import balanced_threshold
from similarity_lab.evaluation.truths import is_missing
from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules import MeanDistanceRule
from similarity_lab.relevance.rules.prototypes import Floats
from similarity_lab.relevance.scorer import (
    DEFAULT_PRIOR,
    DEFAULT_RELEVANCE_THRESHOLD,
    RelevanceScorer,
)
from similarity_lab.relevance.site import EmbeddedSite
from similarity_lab.relevance.tables import SiteFailure, decisions_table
from similarity_lab.relevance.verdict import share_posterior
from similarity_lab.sites import SiteSource, site_list

IsRelevant = npt.NDArray[np.bool_]
"""Whether each site is relevant, shape (n,)."""

_SHARES = np.arange(1, 100) / 100  # candidate relevance thresholds and priors
_MAX_DISTANCES = 200  # candidate similarity thresholds of the mean-distance rule


def _gives_probability(classifier: SiteClassifier) -> bool:
    return hasattr(classifier.scorer, "predict_proba")


class SiteClassifier(ClassifierMixin, BaseEstimator):
    """Classify sites as relevant or not, with thresholds chosen on labelled sites.

    This is the estimator for `GridSearchCV`, `cross_val_predict` and `Pipeline`, which fit on
    samples and their labels: the samples are sites here. The library is a parameter.

    Parameters
    ----------
    scorer : RelevanceScorer
        Its parameters are those of the decision; ``scorer__rule__n_references`` and the like can
        be searched. `fit` works on a clone. Leave its `relevance_threshold` and `prior` at the
        default, since `fit` chooses them; a number as `similarity_threshold` of the mean-distance
        rule is kept.
    library : folder, zip, mapping, ImageDataset or EmbeddedLibrary
        What the scorer is fitted on. The `library_` of a fitted scorer is not embedded again.

    Attributes
    ----------
    scorer_ : RelevanceScorer
        Fitted on the library, with the chosen thresholds.
    prior_ : float
        By the criterion "offered" chosen so that the probabilities fit the labels; otherwise the
        scorer's.
    relevance_threshold_ : float
        Share from which a site is relevant, 0…1.
    similarity_threshold_ : float
        Maximum distance of a match, chosen together with the share unless the rule has a number
        (mean-distance rule); minimum probability of a match, unchanged (learned rule, whose
        decision does not depend on it).
    classes_ : ndarray of bool
        ``[False, True]``.

    Notes
    -----
    `fit` maximises the balanced accuracy on the labelled sites: the mean of the shares of relevant
    and of irrelevant sites decided correctly. Among equally good thresholds, the learned rule takes
    the one with the highest likelihood of the labels, and the mean-distance rule the one with the
    largest difference between the mean shares of both kinds of sites. Measure the accuracy on other
    sites than these.

    Examples
    --------
    >>> classifier = SiteClassifier(RelevanceScorer("almonds"), "library")     # doctest: +SKIP
    >>> search = GridSearchCV(classifier, {"scorer__rule__prior_share": [0.1, 0.25]}, cv=3)
    ...                                                                        # doctest: +SKIP
    >>> search.fit(sites, sells_almonds).best_params_                          # doctest: +SKIP
    """

    def __init__(self, scorer: RelevanceScorer, library: DatasetSource | EmbeddedLibrary) -> None:
        self.scorer = scorer
        self.library = library

    @property
    def target(self) -> str:
        """The product that the scorer looks for."""
        return self.scorer.target

    def __sklearn_clone__(self) -> SiteClassifier:
        return type(self)(clone(self.scorer), self.library)  # the library is not changed by `fit`

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.two_d_array = False  # sites, not a table of features
        tags.no_validation = True
        return tags

    def fit(self, sites: Sequence[SiteSource | EmbeddedSite], y: npt.ArrayLike) -> SiteClassifier:
        """Fit the scorer on the library, then choose thresholds on labelled sites.

        Parameters
        ----------
        sites : sequence of Site, folder, zip, list of paths, or what `embed_site` returned
        y : array of bool, shape (n,)
            Whether each site is relevant.

        Raises
        ------
        InputError
            If the labels do not fit the sites, or are all equal; or if the scorer's
            `relevance_threshold`, which is chosen here, was set.
        SiteError
            At the first site without a readable image.
        """
        sites = site_list(sites)
        labels = _check_labels(y, len(sites))
        defaults = {"relevance_threshold": DEFAULT_RELEVANCE_THRESHOLD, "prior": DEFAULT_PRIOR}
        for name, default in defaults.items():
            if getattr(self.scorer, name) != default:
                raise InputError(
                    f"{name}={getattr(self.scorer, name)} has no effect: fit chooses it on the "
                    "labelled sites; leave it out"
                )
        scorer = clone(self.scorer).fit(self.library)
        results = [scorer.decide(site) for site in sites]
        if results[0].probability is None:
            rule = scorer.rule
            is_fixed = isinstance(rule, MeanDistanceRule) and isinstance(
                rule.similarity_threshold, (int, float)
            )
            fixed = scorer.rule_.similarity_threshold if is_fixed else None
            choice = _choose_by_distance(results, labels, fixed)
        elif results[0].criterion == "share":
            choice = _choose_by_share(results, labels)
        else:
            choice = _choose_by_offer(results, labels)
        scorer.set_params(relevance_threshold=choice.relevance, prior=choice.prior)
        self.scorer_ = scorer
        self.prior_ = choice.prior
        self.relevance_threshold_ = choice.relevance
        self.similarity_threshold_ = choice.similarity
        self.classes_ = np.array([False, True])
        return self

    def decide(self, site: SiteSource | EmbeddedSite) -> SiteRelevance:
        """Decide on one site with the chosen thresholds."""
        check_is_fitted(self)
        return self.scorer_.decide(site).rethreshold(
            similarity_threshold=self.similarity_threshold_
        )

    def decide_many(
        self, sites: Iterable[SiteSource | EmbeddedSite], targets: None = None
    ) -> pd.DataFrame:
        """Return a row per site with the chosen thresholds, as `RelevanceScorer.decide_many` does.

        A site that fails has a reason and no decision.

        Parameters
        ----------
        sites : iterable of Site, folder, zip, list of paths, or what `embed_site` returned
        targets : None
            Thresholds are chosen for the scorer's own target.
        """
        check_is_fitted(self)
        if targets is not None and [*targets] not in ([*self.scorer.target], [self.scorer.target]):
            raise InputError(
                f"The thresholds were chosen for {self.scorer.target!r}; leave targets= out, or "
                "fit a classifier for each target"
            )
        return decisions_table(
            result
            if isinstance(result, SiteFailure)
            else result.rethreshold(similarity_threshold=self.similarity_threshold_)
            for result in self.scorer_.decide_each(sites)
        )

    def predict(self, sites: Iterable[SiteSource | EmbeddedSite]) -> IsRelevant:
        """Return whether each site is relevant, bool (n,)."""
        check_is_fitted(self)
        return np.array([self.decide(site).relevant for site in site_list(sites)], bool)

    @available_if(_gives_probability)
    def predict_proba(self, sites: Iterable[SiteSource | EmbeddedSite]) -> Floats:
        """Return P(irrelevant) and P(relevant) of each site, float64 (n, 2).

        Not available with the mean-distance rule, which gives no probability.
        """
        check_is_fitted(self)
        return self.scorer_.predict_proba(sites)


@dataclass(frozen=True)
class _Thresholds:
    similarity: float
    relevance: float = DEFAULT_RELEVANCE_THRESHOLD
    prior: float = DEFAULT_PRIOR


def _check_labels(y: npt.ArrayLike, count: int) -> IsRelevant:
    if isinstance(y, Iterable) and any(map(is_missing, y)):  # scikit-learn says less of it
        raise InputError("labels are True or False; leave out sites that nobody judged")
    check_classification_targets(y)
    values = np.asarray(y)
    if values.shape != (count,):
        raise InputError(f"expected {count} labels for {count} sites, got shape {values.shape}")
    if others := set(values.tolist()) - {False, True}:
        raise InputError(f"labels are True or False, got {sorted(others)[0]!r}")
    labels = values.astype(bool)
    if labels.all() or not labels.any():
        raise InputError("thresholds need both relevant and irrelevant sites, got one kind only")
    return labels


def _balanced_accuracy(predicted: IsRelevant, labels: IsRelevant) -> float:
    return float((predicted[labels].mean() + (~predicted[~labels]).mean()) / 2)


def _choose_by_share(results: list[SiteRelevance], labels: IsRelevant) -> _Thresholds:
    """Return the relevance threshold under which the probabilities fit the labels best."""
    posteriors = [share_posterior(result.images, result.settings) for result in results]
    share = _best_fit(
        [[posterior.at_least(share) for posterior in posteriors] for share in _SHARES], labels
    )
    return _Thresholds(results[0].settings.similarity_threshold, relevance=share)


def _choose_by_offer(results: list[SiteRelevance], labels: IsRelevant) -> _Thresholds:
    """Return the prior under which the probabilities fit the labels best."""
    ratios = [(result.image_evidence or 0) + (result.word_evidence or 0) for result in results]
    prior = _best_fit([expit(logit(prior) + np.array(ratios)) for prior in _SHARES], labels)
    return _Thresholds(results[0].settings.similarity_threshold, prior=prior)


def _best_fit(candidates: Sequence[npt.ArrayLike], labels: IsRelevant) -> float:
    """Return the element of `_SHARES` whose probabilities fit the labels best."""

    def fit_of(probabilities: npt.ArrayLike) -> tuple[float, float]:
        values = np.asarray(probabilities, np.float64)
        likelihoods = np.where(labels, values, 1 - values).clip(1e-12)
        return _balanced_accuracy(values >= 0.5, labels), float(np.log(likelihoods).mean())

    fits = [fit_of(probabilities) for probabilities in candidates]
    return float(_SHARES[max(range(len(fits)), key=fits.__getitem__)])


def _choose_by_distance(
    results: list[SiteRelevance], labels: IsRelevant, similarity_threshold: float | None
) -> _Thresholds:
    """Return the pair of thresholds with the best balanced accuracy, then the largest margin.

    A similarity threshold that is not None is kept.
    """
    distances = [result.ranked()["distance"].to_numpy(float) for result in results]
    candidates = np.unique(np.concatenate(distances))
    if similarity_threshold is not None:
        candidates = np.array([similarity_threshold])
    if len(candidates) > _MAX_DISTANCES:
        candidates = np.quantile(candidates, np.linspace(0, 1, _MAX_DISTANCES))
    best, best_value = _Thresholds(0.0, 0.0), (-1.0, -np.inf)
    for similarity in candidates:
        shares = np.array([(values <= similarity).mean() for values in distances])
        # relevant sites have the larger shares, `balanced_threshold` expects smaller values
        relevance = -balanced_threshold(-shares[labels], -shares[~labels])
        is_relevant = shares >= relevance
        margin = shares[labels].mean() - shares[~labels].mean()
        value = (_balanced_accuracy(is_relevant, labels), float(margin))
        if value > best_value:
            best = _Thresholds(float(similarity), float(np.clip(relevance, 0, 1)))
            best_value = value
    return best
