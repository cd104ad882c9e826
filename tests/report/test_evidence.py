from dataclasses import replace

import numpy as np
import pytest

from similarity_lab.relevance import DecisionSettings, TextBasis
from similarity_lab.report.evidence import (
    advice,
    basis,
    evidence_steps,
    format_factor,
    has_share,
    likelihood,
)

from .conftest import CALIBRATION


def settings(n_references, n_products, separability=0.95):
    known = replace(
        CALIBRATION, n_references=n_references, n_products=n_products, separability=separability
    )
    return DecisionSettings("learned", "written", 0.5, 0.25, calibration=known)


@pytest.mark.parametrize("prior", [0.25, 0.6])
def test_evidence_leads_from_the_prior_to_the_probability(scorer, with_texts, prior):
    scorer.set_params(prior=prior)
    result = scorer.decide(with_texts("nut-shop", ["Almonds", "Dates"]))
    steps = evidence_steps(result)
    assert [step.name for step in steps] == ["Before looking", "Images", "Words"]
    assert steps[0].probability == prior
    odds = prior / (1 - prior)
    for step, ratio in zip(steps[1:], (result.image_evidence, result.word_evidence), strict=True):
        odds *= np.exp(ratio)  # Bayes' rule
        assert step.probability == pytest.approx(odds / (1 + odds))
    assert steps[-1].probability == result.offered


def test_evidence_of_images_alone_ends_at_the_probability(results):
    *_, images, words = evidence_steps(results[0])
    assert images.probability == pytest.approx(results[0].offered)
    assert words.probability is None and "without texts" in words.says


def test_evidence_of_texts_counts_what_they_name(scorer, with_texts):
    texts = ["Almond and date bar", "Almond oil", "Dates", "Our shop"]
    words = evidence_steps(scorer.decide(with_texts("nut-shop", texts)))[-1]
    assert words.says.startswith("no text names almonds, 1 may, 2 name another product; this is ")


def test_evidence_says_that_a_target_was_not_learned(results):
    known = replace(results[0].settings.calibration, separability=0.5)
    not_learned = replace(results[0], settings=replace(results[0].settings, calibration=known))
    assert evidence_steps(not_learned)[1].says.endswith("; almonds was not learned")
    assert "not learned" not in evidence_steps(results[0])[1].says


@pytest.mark.parametrize(
    ("interval", "known"), [((0.0, 0.93), False), ((0.05, 0.3), True), ((0.6, 1.0), True)]
)
def test_share_is_unknown_if_it_may_be_anything(results, interval, known):
    assert has_share(replace(results[0], interval=interval)) == known


@pytest.mark.parametrize(
    ("log_ratio", "expected"),
    [
        (np.log(1.04), ""), (np.log(0.5), "2"), (np.log(9.96), "10"), (np.log(123), "120"),
        (np.log(999), "1000"), (np.log(1001), "over 1000"), (-1e6, "over 1000"),
    ],
)  # fmt: skip
def test_factors_have_two_digits(log_ratio, expected):
    assert format_factor(log_ratio) == expected


def test_likelihood_names_the_direction():
    assert likelihood(1.0, "rice") == "2.7 times as likely if the site sells rice"
    assert likelihood(-1.0, "rice") == "2.7 times as likely if the site does not sell rice"
    assert likelihood(0.0, "rice") == "as likely if the site sells rice as if it does not"


@pytest.mark.parametrize(
    ("n_references", "n_products", "start", "end"),
    [
        (20, 12, "Learned from 20 reference images of rice and 12 other products.", "chance)."),
        (1, 12, "Learned from 1 reference image of rice and 12 other products.", "products."),
        (4, 12, "Learned from 4 reference images of rice and 12 other products.",
         "With at least 5 reference images, fewer decisions are unsure."),
        (4, 9, "Learned from 4 reference images of rice and 9 other products.",
         "With at least 5 reference images and 10 other products, fewer decisions are unsure."),
        (9, 0, "Learned from 9 reference images of rice and generated images", "chance)."),
    ],
)  # fmt: skip
def test_basis_says_what_was_learned_from(n_references, n_products, start, end):
    text = basis(settings(n_references, n_products), "rice")
    assert text.startswith(start) and text.endswith(end)
    assert ("0.95 (0.5 is chance)" in text) == (n_references > 1)


def test_advice_is_given_if_the_target_was_not_learned():
    assert advice(settings(20, 12), "spices") == ""
    text = advice(settings(20, 12, separability=0.55), "spices")
    assert text.startswith("spices was not learned") and "Split the class" in text


@pytest.mark.parametrize(
    ("n_references", "n_products", "end"),
    [
        (1, 12, "at least 5 reference images."),
        (9, 2, "at least 10 other products."),
        (1, 0, "at least 5 reference images and 10 other products."),
    ],
)
def test_advice_is_given_if_there_is_too_little_to_learn_from(n_references, n_products, end):
    text = advice(settings(n_references, n_products), "rice")
    assert text.startswith("Too little is known about rice") and text.endswith(end)


def with_names(result, *, weight, photo_score=1.0, text_score=1.0, measured_on="references"):
    """Return a decision as if names had been references, too."""
    separability = 0.9 if measured_on else None
    text = TextBasis(("raw almonds", "badam"), 771, weight, separability, measured_on, 1.2)
    known = replace(result.settings.calibration, separability=separability)
    images = result.images.assign(photo_score=photo_score, text_score=text_score)
    settings = replace(result.settings, text=text, calibration=known)
    return replace(result, images=images, settings=settings)


@pytest.mark.parametrize(
    ("photo_score", "text_score", "says"),
    [
        (2.0, 1.0, "the best one resembles both reference images and names"),
        (2.0, -1.0, "the best one resembles the reference images, not the names"),
        (-2.0, 1.0, "the best one resembles the names, not the reference images"),
        (-2.0, -1.0, "the best one resembles neither reference images nor names clearly"),
    ],
)
def test_evidence_says_which_references_decided(results, photo_score, text_score, says):
    both = with_names(results[0], weight=0.4, photo_score=photo_score, text_score=text_score)
    assert says in evidence_steps(both)[1].says
    assert "“raw almonds” and “badam” (against 771 other names)" in basis(both.settings, "almonds")
    assert "with a weight of 40%; by names alone" in basis(both.settings, "almonds")


@pytest.mark.parametrize(
    ("measured_on", "says"),
    [
        ("references", "reference images only measured them"),
        ("other products", "was measured on the"),
        ("", "was not measured, so images alone never say that a site does not sell it"),
    ],
)
def test_evidence_of_names_alone_says_what_was_measured(results, measured_on, says):
    alone = with_names(results[0], weight=1.0, measured_on=measured_on)
    assert ", judged by names of it alone" in evidence_steps(alone)[1].says
    assert says in basis(alone.settings, "almonds") and advice(alone.settings, "almonds") == ""
    assert basis(alone.settings, "almonds").startswith("almonds is known by names only. ")


def test_advice_on_names_that_find_nothing(results):
    alone = with_names(results[0], weight=1.0)
    known = replace(alone.settings.calibration, separability=0.6)
    assert "does not find almonds by its names" in advice(
        replace(alone.settings, calibration=known), "almonds"
    )
