"""The scorer as a scikit-learn estimator.

Of scikit-learn's own checks those apply that look at parameters, representation and tags, since
`fit` takes a library of labelled images and not a table of features: checks that call
``fit(X, y)`` with random numbers (all others) cannot run.
"""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import RocCurveDisplay
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.validation import check_is_fitted

from similarity_lab import RelevanceScorer, load_embedder
from similarity_lab.errors import InputError, InputTypeError, UnknownClassError
from similarity_lab.relevance import LearnedRule, MeanDistanceRule, SiteClassifier

CHECKS = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_mixin_order,
]
ESTIMATORS = [
    RelevanceScorer("almonds"),
    RelevanceScorer("almonds", rule=MeanDistanceRule(n_references=3), leave_out=("icons",)),
    SiteClassifier(RelevanceScorer("almonds"), "library"),
    LearnedRule(),
    MeanDistanceRule(),
]


both_copies = pytest.mark.parametrize(
    "copy_of",
    [lambda original: pickle.loads(pickle.dumps(original)), copy.deepcopy],
    ids=["pickle", "deepcopy"],
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_passes_the_check_of_scikit_learn(estimator, check):
    check(type(estimator).__name__, clone(estimator))


@pytest.fixture
def scorer(shelf, embedder):
    return RelevanceScorer("almonds", embedder=embedder, progress=False).fit(shelf)


@pytest.fixture
def shops(written):
    """Three sites with almonds, three without."""
    names = ["almonds", "almonds", "almonds", "tea", "phones", "bikes"]
    return [
        written(f"shop {index}", name, 5, seed=index) + written(f"shop {index}", "plums", 3)
        for index, name in enumerate(names)
    ]


@both_copies
def test_copy_of_a_fitted_scorer_decides_alike(scorer, shops, copy_of):
    again = copy_of(scorer)
    for site in shops[::3]:
        pd.testing.assert_frame_equal(again.decide(site).images, scorer.decide(site).images)
    assert again.for_target("figs").decide(shops[0]).target == "figs"


def test_joblib_file_of_a_fitted_scorer_decides_alike(scorer, shops, tmp_path):
    joblib.dump(scorer, tmp_path / "scorer.joblib")
    again = joblib.load(tmp_path / "scorer.joblib")
    assert again.decide(shops[0]).to_row() == scorer.decide(shops[0]).to_row()


def test_clone_shares_the_embedder_and_copies_the_rule(scorer):
    scorer.set_params(rule=LearnedRule(0.7))
    again = clone(scorer)
    assert again.embedder is scorer.embedder
    assert again.rule is not scorer.rule and again.rule.similarity_threshold == 0.7
    with pytest.raises(NotFittedError):
        check_is_fitted(again)


def test_check_is_fitted(scorer):
    check_is_fitted(scorer)


@pytest.mark.parametrize("method", ["decide", "embed_site", "for_target"])
def test_methods_of_one_site_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(RelevanceScorer("almonds"), method)("site")


@pytest.mark.parametrize("method", ["decide_many", "predict", "predict_proba"])
def test_methods_of_many_sites_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(RelevanceScorer("almonds"), method)(["site"])


def test_fit_returns_the_scorer_and_sets_fitted_attributes(shelf, embedder):
    scorer = RelevanceScorer("almonds", embedder=embedder, progress=False)
    assert scorer.fit(shelf, None) is scorer
    attributes = {name for name in vars(scorer) if name.endswith("_")}
    assert attributes == {
        "classes_", "comparator_", "fitted_with_", "library_", "reference_names_",
        "reference_vectors_", "rule_", "skipped_", "words_",
    }  # fmt: skip


def test_predictions_are_the_forced_choices(scorer, shops):
    table = scorer.decide_many(shops)
    relevant, probabilities = scorer.predict(shops), scorer.predict_proba(shops)
    assert relevant.dtype == bool and relevant.tolist() == table["relevant"].tolist()
    assert relevant.tolist() == [True] * 3 + [False] * 3
    np.testing.assert_array_equal(probabilities[:, 1], table["probability"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert scorer.classes_.tolist() == [False, True]


def test_predict_proba_needs_a_rule_with_probabilities(shelf, embedder, shops):
    scorer = RelevanceScorer("almonds", rule="mean-distance", embedder=embedder, progress=False)
    assert scorer.fit(shelf).predict(shops).tolist() == [True] * 3 + [False] * 3
    assert not hasattr(scorer, "predict_proba")


def test_tags_say_what_the_scorer_is(scorer, shops):
    tags = get_tags(scorer)
    assert is_classifier(scorer) and not tags.input_tags.two_d_array
    assert not tags.classifier_tags.multi_class
    display = RocCurveDisplay.from_estimator(
        FrozenEstimator(scorer), shops, [True] * 3 + [False] * 3
    )
    assert display.roc_auc == 1


def test_set_params_reaches_into_the_rule():
    scorer = RelevanceScorer("almonds").set_params(rule__prior_share=0.3)
    assert scorer.rule.prior_share == 0.3
    scorer.set_params(rule="mean-distance", rule__n_references=3)
    assert scorer.get_params()["rule__n_references"] == 3
    with pytest.raises(ValueError, match="Invalid parameter 'seeds'"):
        scorer.set_params(seeds=1)


def test_repr_shows_changed_parameters():
    assert repr(RelevanceScorer("almonds", rule=LearnedRule(0.7))) == (
        "RelevanceScorer(rule=LearnedRule(similarity_threshold=0.7), target='almonds')"
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rule": "lerned"}, "Unknown rule 'lerned'. Did you mean 'learned'?"),
        ({"quality": "bets"}, "Unknown quality 'bets'. Did you mean 'best'?"),
        ({"leave_out": ["icon"]}, "Unknown kind of clutter 'icon'.*Did you mean 'icons'?"),
        ({"quality": "best", "embedder": "efficientnet-lite0"}, "not both"),
        ({"quality": "best", "rule": "mean-distance"}, "applies to the learned rule"),
        ({"certainty": 0.8, "rule": "mean-distance"}, "certainty=0.8 has no effect"),
        ({"prior": 0.5, "rule": "mean-distance"}, "prior=0.5 has no effect"),
        ({"words": ["Mandeln"], "rule": "mean-distance"}, "reads no words"),
        ({"words": (), "rule": "mean-distance"}, "reads no words"),
        ({"criterion": "offered", "rule": "mean-distance"}, "only knows the share"),
        ({"criterion": "shares"}, "Unknown criterion 'shares'. Did you mean 'share'?"),
        ({"relevance_threshold": 0.1}, r"relevance_threshold=0.1 has no effect .* criterion="),
        ({"relevance_threshold": 25}, "share from 0 to 1"),
        ({"prior": 1}, "prior is a probability above 0 and below 1"),
    ],
)
def test_fit_refuses_parameters_without_effect(shelf, parameters, message):
    with pytest.raises(InputError, match=message):
        RelevanceScorer("almonds", **parameters).fit(shelf)


@pytest.mark.parametrize(
    "parameters",
    [
        {"prior": "a"}, {"prior": "0.3"}, {"prior": None}, {"prior": [0.1]}, {"prior": True},
        {"certainty": "a"}, {"certainty": None}, {"seed": "a"}, {"seed": 1.5}, {"leave_out": None},
        {"relevance_threshold": "x", "criterion": "share"}, {"words": 5}, {"words": {"Mandel"}},
        {"rule": LearnedRule(prior_share="a")}, {"rule": MeanDistanceRule("a")}, {"store": 5},
        {"rule": MeanDistanceRule(n_references="a")}, {"rule": MeanDistanceRule(n_references=2.5)},
        {"rule": MeanDistanceRule(aggregate="mean-of-nearest", n_nearest=None)},
        {"rule": MeanDistanceRule(similarity_threshold=[0.1])},
    ],
)  # fmt: skip
def test_fit_refuses_parameters_of_another_type(shelf, parameters):
    with pytest.raises((InputError, InputTypeError), match="got|expected"):
        RelevanceScorer("almonds", **parameters).fit(shelf)


def test_fit_refuses_a_negative_seed(shelf):
    with pytest.raises(InputError, match="seed is an integer from 0, got -1"):
        RelevanceScorer("almonds", seed=-1).fit(shelf)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"relevance_threshold": 25}, "share from 0 to 1"),
        ({"relevance_threshold": 0.1}, "has no effect"),
        ({"certainty": 0.2}, "certainty is a probability"),
        ({"prior": 0.0}, "prior is a probability"),
        ({"criterion": "shares"}, "Unknown criterion"),
        ({"leave_out": ["icon"]}, "Did you mean 'icons'?"),
    ],
)
def test_decide_checks_parameters_that_were_set_after_fit(scorer, shops, parameters, message):
    scorer.set_params(**parameters)
    with pytest.raises(InputError, match=message):
        scorer.decide(shops[0])


def test_decide_uses_criterion_and_prior_that_were_set_after_fit(scorer, shops):
    offered = scorer.decide(shops[0])
    by_share = scorer.set_params(criterion="share", relevance_threshold=0.9).decide(shops[0])
    assert (offered.criterion, by_share.criterion) == ("offered", "share")
    assert by_share.offered == offered.offered == offered.probability > by_share.probability
    scorer.set_params(criterion=None, relevance_threshold=0.25, prior=0.01)
    assert scorer.decide(shops[0]).probability < offered.probability


def test_decide_refuses_a_site_embedded_with_other_clutter(scorer, shops):
    site = scorer.embed_site(shops[0])
    strict = clone(scorer).set_params(leave_out=["icons"]).fit(scorer.library_)
    assert strict.decide(strict.embed_site(shops[0])).n_scored == 8
    with pytest.raises(InputError, match=r"leave_out=\[\], the scorer has leave_out=\['icons'\]"):
        strict.decide(site)


def test_decide_many_takes_the_name_of_one_target(scorer, shops):
    assert scorer.decide_many(shops[:1], "figs")["target"].tolist() == ["figs"]


def test_fit_refuses_other_rules(shelf):
    with pytest.raises(InputTypeError, match="the name of a rule, .* got int"):
        RelevanceScorer("almonds", rule=7).fit(shelf)


def test_fit_suggests_the_nearest_class(shelf, embedder):
    with pytest.raises(UnknownClassError, match="Did you mean 'almonds'"):
        RelevanceScorer("almond", embedder=embedder, progress=False).fit(shelf)


@both_copies
@pytest.mark.parametrize("runtime", ["openvino-int8", "keras"])
def test_copy_of_a_packaged_embedder_embeds_alike(runtime, copy_of):
    if runtime == "keras":
        pytest.importorskip("keras")
    embedder = load_embedder(runtime=runtime)
    images = [np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)]
    expected = embedder.embed(images, progress=False).vectors
    again = copy_of(embedder)
    assert again.name == embedder.name
    np.testing.assert_allclose(again.embed(images, progress=False).vectors, expected, atol=1e-5)
