"""The learned rule on vectors that the tests wrote themselves, against its parts put together."""

import json
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from similarity_lab.datasets import ImageDataset
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules import background
from similarity_lab.relevance.rules.calibration import Calibration, cross_fit, probability
from similarity_lab.relevance.rules.learned import FittedLearnedRule, LearnedRule
from similarity_lab.relevance.rules.prototypes import Prototypes, Scatter, Whitening, unit

DIMENSION = 24
CLASSES = ["dates", "almonds", "absent", "figs", "oats"]
DIRECTIONS = np.random.default_rng(0).normal(0, 1, (len(CLASSES), DIMENSION))
DRAWN = np.random.default_rng(1).normal(0, 1, (len(background.KINDS), DIMENSION))


def vectors_of(labels, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.4, (len(labels), DIMENSION))
    return np.float32(3 * (DIRECTIONS[labels] + noise))


def library(**counts):
    """Return a library with this many images of each class, in random order."""
    labels = np.repeat([CLASSES.index(name) for name in counts], list(counts.values()))
    labels = np.random.default_rng(0).permutation(labels)
    dataset = ImageDataset.from_arrays(np.zeros((len(labels), 1, 1, 3), np.uint8), labels, CLASSES)
    nothing = pd.DataFrame({"path": [], "reason": []})
    return EmbeddedLibrary(dataset, vectors_of(labels), "written", nothing)


def fit(some, **changed):
    comparator = SimpleNamespace(embedder=None)
    return LearnedRule(**{"prior_share": 0.3, **changed}).learn(some, "almonds", comparator, seed=5)


def scored(rule, vectors):
    return rule.columns(vectors, np.empty((len(vectors), 1), np.float32), [])


@pytest.fixture
def drawn(monkeypatch):
    """Give generated images one direction per kind; return the vectors."""
    vectors = np.float32(DRAWN[background.background_labels()])
    monkeypatch.setattr(background, "background_vectors", lambda embedder: vectors)
    return vectors


def test_columns_equal_the_parts_put_together():
    some = library(dates=6, almonds=5, figs=4, oats=7)
    rule, vectors, labels = fit(some), unit(some.vectors), some.dataset.labels
    references, others = vectors[labels == 1], vectors[labels != 1]
    codes = np.searchsorted([0, 3, 4], labels[labels != 1])
    held_out = cross_fit(references, others, codes, 5)
    prototypes = Prototypes.fit(
        references, others, codes, Whitening.from_scatter(Scatter.of(vectors, labels))
    )
    known = Calibration.of(held_out)
    site = vectors_of(np.arange(5), seed=9)
    columns, expected = scored(rule, site), prototypes.compare(unit(site))
    np.testing.assert_allclose(columns["score"], known.line(expected.scores), atol=1e-3)
    margins = expected.margins - known.margin_anchor
    np.testing.assert_allclose(columns["margin"], margins, atol=1e-4)
    assert columns["margin"].argmax() == 1  # the image of the target
    np.testing.assert_allclose(columns["probability"], probability(columns["score"], 0.3))
    assert rule.others == ("dates", "figs", "oats")
    assert [columns["confusable"][index] for index in (0, 3, 4)] == ["dates", "figs", "oats"]
    assert (rule.prior_share, rule.other_products) == (0.3, 3)


def test_fit_uses_the_similarity_threshold():
    some = library(dates=3, almonds=3, figs=3)
    assert fit(some, similarity_threshold=0.7).similarity_threshold == 0.7
    assert fit(some).similarity_threshold == 0.5  # more likely than not
    assert LearnedRule().prior_share == 0.1


@pytest.mark.parametrize("products", [[], ["figs"], ["dates", "oats"]])
def test_generated_images_stand_in_for_missing_products(drawn, products):
    rule = fit(library(almonds=4, **dict.fromkeys(products, 3)))
    generated = [name for name in rule.others if name.startswith("generated ")]
    assert list(rule.others) == products + generated and bool(generated) == (len(products) < 2)
    assert len(rule.prototypes.others) == len(rule.others)
    photos = vectors_of([CLASSES.index(name) for name in products], seed=9)
    kinds = [background.KINDS.index(name.removeprefix("generated ")) for name in generated]
    of_all = np.concatenate([photos, DRAWN[kinds]]).astype(np.float32)
    assert scored(rule, of_all)["confusable"] == list(rule.others)  # each is closest to itself


def test_single_reference_warns():
    with pytest.warns(UserWarning, match="Only one image of 'almonds'"):
        fit(library(dates=3, almonds=1, figs=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(library(dates=3, almonds=2, figs=3))


def test_target_that_looks_like_other_products_warns():
    some = library(dates=6, almonds=12, figs=6, oats=6)
    vectors = np.random.default_rng(0).normal(0, 1, some.vectors.shape).astype(np.float32)
    is_target = some.is_target("almonds")[:, None]
    with pytest.warns(UserWarning, match="'almonds' was not learned: .* Split the class"):
        rule = fit(replace(some, vectors=np.where(is_target, vectors, some.vectors)))
    assert not rule.calibration.is_learned and rule.calibration.separability < 0.75
    assert fit(some).calibration.is_learned


def test_saved_rule_scores_alike():
    some = library(dates=6, almonds=5, figs=4, oats=7)
    rule, site = fit(some), vectors_of(np.arange(5), seed=9)
    content, arrays = rule.to_saved()
    again = FittedLearnedRule.from_saved(json.loads(json.dumps(content)), arrays)
    assert again.calibration == rule.calibration and again.others == rule.others
    before, after = scored(rule, site), scored(again, site)
    assert before.keys() == after.keys()
    for name in ("score", "margin", "probability"):
        np.testing.assert_array_equal(before[name], after[name])
