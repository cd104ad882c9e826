"""Thresholds chosen on labelled sites, in the hands of scikit-learn."""

from itertools import product

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from similarity_lab import RelevanceScorer, Site
from similarity_lab.errors import InputError, SiteError
from similarity_lab.relevance import MeanDistanceRule, SiteClassifier

RULES = ["learned", "mean-distance"]


@pytest.fixture
def library(shelf, embedder):
    """The library, embedded once."""
    return RelevanceScorer("almonds", embedder=embedder, progress=False).fit(shelf).library_


@pytest.fixture
def make_classifier(library, embedder):
    def make(rule="learned", criterion="share", **parameters):
        scorer = RelevanceScorer(
            "almonds", rule=rule, criterion=criterion, embedder=embedder, progress=False,
            **parameters,
        )  # fmt: skip
        return SiteClassifier(scorer, library)

    return make


@pytest.fixture
def sites(written):
    """Eight sites of ten images with 0 to 7 of almonds."""
    return [
        Site.from_paths(
            written(f"site {count}", "almonds", count, seed=count)
            + written(f"site {count}", "tea", 10 - count, seed=count),
            name=f"site {count}",
        )
        for count in range(8)
    ]


@pytest.fixture
def labels():
    """Relevant from five of ten images: not the default threshold."""
    return np.arange(8) >= 5


@pytest.mark.parametrize("rule", RULES)
def test_fit_finds_the_threshold_of_the_labels(make_classifier, sites, labels, rule):
    classifier = make_classifier(rule)
    assert classifier.fit(sites, labels) is classifier
    assert classifier.predict(sites).tolist() == labels.tolist()
    assert 0.4 < classifier.relevance_threshold_ < 0.6 or rule == "mean-distance"
    assert classifier.score(sites, labels) == 1
    default = classifier.scorer.set_params(progress=False).fit(classifier.library)
    assert default.predict(sites).tolist() != labels.tolist()


def test_fit_maximises_balanced_accuracy(make_classifier, sites):
    """Oracle: every pair of thresholds, on labels that no pair separates."""
    labels = np.array([0, 1, 0, 0, 1, 0, 1, 1], bool)
    classifier = make_classifier("mean-distance").fit(sites, labels)
    distances = [classifier.decide(site).images["distance"].to_numpy() for site in sites]
    best = max(
        balanced_accuracy_score(labels, [(values <= near).mean() >= share for values in distances])
        for near, share in product(np.concatenate(distances), np.arange(0, 1.01, 0.05))
    )
    predicted = classifier.predict(sites)
    assert balanced_accuracy_score(labels, predicted) == pytest.approx(best) and best < 1


def test_decide_uses_the_chosen_thresholds(make_classifier, sites, labels):
    classifier = make_classifier("mean-distance").fit(sites, labels)
    settings = classifier.decide(sites[0]).settings
    assert settings.similarity_threshold == classifier.similarity_threshold_
    assert settings.relevance_threshold == classifier.relevance_threshold_


def test_fit_keeps_a_similarity_threshold(make_classifier, sites, labels):
    classifier = make_classifier(MeanDistanceRule(0.3)).fit(sites, labels)
    assert classifier.similarity_threshold_ == 0.3


def test_fit_refuses_a_relevance_threshold(make_classifier, sites, labels):
    with pytest.raises(InputError, match="relevance_threshold=0.4 has no effect"):
        make_classifier(relevance_threshold=0.4).fit(sites, labels)


@pytest.fixture
def sellers(written):
    """Six sites of ten images, the last three with one or two of almonds."""
    return [
        written(f"seller {count}", "almonds", max(0, count - 2) // 2 + (count > 2), seed=count)
        + written(f"seller {count}", "tea", 9, seed=count)
        for count in range(6)
    ]


def test_fit_chooses_the_prior_by_the_offer(make_classifier, sellers):
    """Oracle: every prior, by scikit-learn and by hand."""
    labels = np.array([0, 0, 1, 1, 1, 1], bool)  # the third sells it, but shows none
    classifier = make_classifier(criterion="offered").fit(sellers, labels)
    assert classifier.relevance_threshold_ == 0.25
    decided = [classifier.decide(site) for site in sellers]

    def fit_of(prior):
        results = [result.rethreshold(prior=prior) for result in decided]
        chances = np.array([result.probability for result in results])
        likelihoods = np.where(labels, chances, 1 - chances)
        return balanced_accuracy_score(labels, chances >= 0.5), np.log(likelihoods).mean()

    best = max(fit_of(prior) for prior in np.arange(1, 100) / 100)
    assert fit_of(classifier.prior_) == pytest.approx(best)
    assert classifier.decide(sellers[0]).settings.prior == classifier.prior_ != 0.25
    predicted = classifier.predict_proba(sellers)[:, 1] >= 0.5
    assert predicted.tolist() == classifier.predict(sellers).tolist()


def test_fit_keeps_the_prior_by_the_share(make_classifier, sites, labels):
    assert make_classifier().fit(sites, labels).prior_ == 0.25


def test_fit_refuses_a_prior(make_classifier, sellers):
    with pytest.raises(InputError, match="prior=0.4 has no effect: fit chooses it"):
        make_classifier(criterion="offered", prior=0.4).fit(sellers, [True, False] * 3)


def test_fit_does_not_change_the_scorer(make_classifier, sites, labels):
    classifier = make_classifier()
    classifier.fit(sites, labels)
    assert classifier.scorer.relevance_threshold == 0.25
    assert not hasattr(classifier.scorer, "rule_")


def test_predict_proba_agrees_with_predict(make_classifier, sites, labels):
    classifier = make_classifier().fit(sites, labels)
    probabilities = classifier.predict_proba(sites)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert ((probabilities[:, 1] >= 0.5) == classifier.predict(sites)).all()
    assert not hasattr(make_classifier("mean-distance"), "predict_proba")


def test_grid_search_over_parameters_of_the_rule(make_classifier, sites, labels):
    grid = {
        "scorer__rule__n_references": [1, 15],
        "scorer__rule": [MeanDistanceRule(), MeanDistanceRule(aggregate="nearest")],
    }
    search = GridSearchCV(make_classifier(MeanDistanceRule()), grid, cv=2, error_score="raise")
    search.fit(sites, labels)
    assert search.best_estimator_.predict(sites).dtype == bool
    assert search.best_params_["scorer__rule__n_references"] in (1, 15)


def test_grid_search_over_rules(make_classifier, sites, labels):
    search = GridSearchCV(make_classifier(), {"scorer__rule": RULES}, cv=2, error_score="raise")
    search.fit(sites, labels)
    assert search.best_params_["scorer__rule"] in RULES and search.best_score_ > 0.5


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_cross_val_predict(make_classifier, sites, labels, method):
    predicted = cross_val_predict(make_classifier(), sites, labels, cv=3, method=method)
    relevant = predicted if method == "predict" else predicted[:, 1] >= 0.5
    assert len(relevant) == 8 and (relevant == labels).mean() >= 0.75


def test_cross_val_score_on_embedded_sites(make_classifier, sites, labels):
    scorer = RelevanceScorer("almonds", embedder=make_classifier().scorer.embedder, progress=False)
    embedded = [scorer.fit(make_classifier().library).embed_site(site) for site in sites]
    scores = cross_val_score(make_classifier(), embedded, labels, cv=2, scoring="roc_auc")
    assert scores.min() == 1


def test_pipeline_with_a_transformer_of_sites(make_classifier, sites, labels):
    folders = [site.paths[0].parent for site in sites]
    read = FunctionTransformer(lambda paths: [Site.from_folder(path) for path in paths])
    pipeline = make_pipeline(read, make_classifier())
    assert pipeline.fit(folders, labels).predict(folders).tolist() == labels.tolist()
    assert pipeline.predict_proba(folders).shape == (8, 2)


def test_clone_shares_the_library(make_classifier):
    classifier = make_classifier()
    again = clone(classifier)
    assert again.library is classifier.library and again.scorer is not classifier.scorer
    assert is_classifier(again)


@pytest.mark.parametrize("method", ["decide", "predict", "predict_proba"])
def test_methods_before_fit(make_classifier, sites, method):
    argument = sites[0] if method == "decide" else sites
    with pytest.raises(NotFittedError):
        getattr(make_classifier(), method)(argument)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([True] * 8, "both relevant and irrelevant"),
        ([True, False], "expected 8 labels for 8 sites"),
        ([True, None] * 4, "leave out sites that nobody judged"),
        ([1.0, np.nan] * 4, "leave out sites that nobody judged"),
        (["yes", "no"] * 4, "labels are True or False, got 'no'"),
        ([0, 1, 2, 3] * 2, "labels are True or False, got 2"),
    ],
)
def test_fit_refuses_other_labels(make_classifier, sites, labels, message):
    with pytest.raises(InputError, match=message):
        make_classifier().fit(sites, labels)


def test_fit_names_a_site_without_images(make_classifier, sites, labels, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SiteError, match="empty"):
        make_classifier().fit([*sites[:7], tmp_path / "empty"], labels)
