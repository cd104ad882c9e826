"""Evidence that a site sells the target, by properties that hold whatever the constants are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from similarity_lab.relevance.offered import (
    OfferedEvidence,
    offered_evidence,
    offered_order,
    word_ratios,
)
from similarity_lab.relevance.rules.calibration import Calibration, LikelihoodRatio

KINDS = ("target", "target and other", "ambiguous", "", "other form", "other")
"""From what speaks most for the target to what speaks most against it."""

KNOWN = Calibration(
    LikelihoodRatio(1.0, 0.0),
    margin_anchor=0.0,
    margin_noise=1.0,
    separability=0.95,
    reliability=1.0,
    look_alike_ratios=(-3.0,) * 30,
    look_alike_margins=(-0.2,) * 30,
    reference_margins=tuple(np.linspace(0.1, 0.6, 20)),
    n_references=20,
    n_products=30,
)
CALIBRATIONS = st.sampled_from([None, KNOWN, replace(KNOWN, reliability=0.4)])
MARGINS = st.lists(st.floats(-1, 1), min_size=1, max_size=40)


def chance(margins, kinds=None, calibration=KNOWN, prior=0.25):
    return offered_evidence(margins, kinds, calibration).probability(prior)


@given(MARGINS, st.floats(0, 1), CALIBRATIONS)
def test_evidence_rises_with_the_best_margin_and_only_with_it(margins, more, calibration):
    best = int(np.argmax(margins))
    before = offered_evidence(margins, None, calibration).images
    higher = [*margins]
    higher[best] += more
    assert offered_evidence(higher, None, calibration).images >= before - 1e-9
    others = [margin if index == best else -1.0 for index, margin in enumerate(margins)]
    assert offered_evidence(others, None, calibration).images == pytest.approx(before)


@given(MARGINS, CALIBRATIONS, st.randoms(use_true_random=False))
def test_evidence_ignores_order(margins, calibration, random):
    shuffled = random.sample(margins, len(margins))
    before, after = (offered_evidence(m, None, calibration).images for m in (margins, shuffled))
    assert after == pytest.approx(before) and np.isfinite(before)


@given(MARGINS, CALIBRATIONS, st.floats(0, 1))
def test_part_of_a_site_counts_against_the_target_as_far_as_it_goes(margins, known, coverage):
    whole = offered_evidence(margins, None, known).images
    part = offered_evidence(margins, None, known, image_coverage=coverage).images
    # a seller shows the target in the collected part with this probability, else anything does
    mixture = coverage * np.exp(whole) + (1 - coverage)
    assert part == pytest.approx(whole if whole > 0 else np.log(mixture), abs=1e-9)


@given(st.lists(st.sampled_from(KINDS), max_size=30), st.lists(st.sampled_from(KINDS)))
def test_names_of_unseen_images_are_hints(kinds, unseen):
    margins = [-0.4] * len(kinds)
    words = offered_evidence(margins, kinds, KNOWN, unseen_kinds=unseen).words
    hints = ["ambiguous" if kind == "target" else kind for kind in unseen]
    assert words == pytest.approx(
        offered_evidence(margins, kinds, KNOWN, repeated_kinds=hints).words
    )
    if "target" not in kinds:
        assert words < 1


def test_words_count_against_the_target_as_far_as_pages_were_read():
    words = [
        offered_evidence([-0.4] * 9, ["other"] * 9, KNOWN, page_coverage=coverage).words
        for coverage in (1.0, 0.5, 0.0)
    ]
    assert words == sorted(words) and words[0] < -1


@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(0.01, 0.99))
def test_probability_is_bayes_rule(images, words, prior):
    odds = prior / (1 - prior) * np.exp(images + words)
    probability = OfferedEvidence(images, words).probability(prior)
    assert probability == pytest.approx(odds / (1 + odds))


@given(st.floats(0.01, 0.99), CALIBRATIONS)
def test_site_without_images_keeps_the_prior(prior, calibration):
    assert chance([], None, calibration, prior) == pytest.approx(prior)


@pytest.mark.parametrize("prior", [0.05, 0.25, 0.6])
def test_site_of_one_logo_keeps_about_the_prior(prior):
    logo = chance([-0.5], prior=prior)
    assert 0.7 * prior < logo < prior
    assert chance([-0.5] * 40, prior=prior) < 0.5 * logo  # forty images say more


def test_large_site_of_ordinary_images_stays_low():
    """One unknown product in twenty exceeds the anchor a little: 10,000 images must not add up."""
    margins = np.random.default_rng(0).normal(-0.3, 0.12, 10_000).clip(max=0.08)
    assert margins.max() == 0.08
    assert chance(margins) < 0.25 > chance(margins[:100])
    assert chance(margins) < chance([0.08] + [-0.3] * 20)  # the same best image among few


@given(st.floats(0, 0.5), st.integers(1, 2000), st.integers(1, 2000))
def test_same_best_image_says_less_on_a_larger_site(best, count, more):
    few, many = (chance([best] + [-0.5] * n) for n in (20 + count, 20 + count + more))
    assert many <= few + 1e-12


def test_look_alikes_nobody_has_seen_bound_the_probability():
    """However large the margin, some other product may look like the target."""
    certain = chance([5.0] * 20)
    assert chance([0.9] * 20) == pytest.approx(certain, abs=0.01) and certain < 0.995
    few = replace(KNOWN, look_alike_margins=(-0.2,) * 5)
    assert chance([5.0] * 20, calibration=few) < certain
    alike = replace(KNOWN, look_alike_margins=(-0.2,) * 27 + (0.6,) * 3)
    assert chance([0.5] * 20, calibration=alike) < chance([0.5] * 20)
    assert chance([0.7] * 20, calibration=alike) == pytest.approx(chance([0.7] * 20))


def test_margin_far_below_those_of_the_references_says_less():
    """The better products are told apart, the more reaches one that resembles the target."""
    near, far, farther = (
        chance([0.25] * 20, calibration=replace(KNOWN, reference_margins=(low, low + 0.1)))
        for low in (0.0, 0.4, 0.8)
    )
    assert near > far > farther
    within = replace(KNOWN, reference_margins=(0.7, 0.8, 0.9))
    assert chance([0.85] * 20, calibration=within) == pytest.approx(chance([0.85] * 20))
    for known in (within, KNOWN):  # also just above 0, from where on such a product counts
        margins = np.concatenate([np.linspace(-1, 2, 61), np.linspace(-0.01, 0.2, 211)])
        values = [chance([margin] * 20, calibration=known) for margin in np.sort(margins)]
        assert np.all(np.diff(values) >= -1e-12)
    single = replace(KNOWN, reference_margins=(0.9,))  # it was not held out
    assert chance([0.25] * 20, calibration=single) >= near


def test_held_out_references_bound_what_low_margins_say():
    """References that look like other products when held out: a seller's images would, too."""
    clear = chance([-0.2] * 40)
    low = replace(KNOWN, reference_margins=tuple(np.linspace(-0.6, 0.1, 20)))
    assert chance([-0.2] * 40, calibration=low) > 3 * clear
    bound = (sum(margin <= -0.2 for margin in low.reference_margins) + 0.5) / 21
    missed = expit(logit(0.25) + np.log(bound))
    assert chance([-0.2] * 1000, calibration=low) == pytest.approx(missed, abs=0.01)
    few = replace(KNOWN, reference_margins=(0.3, 0.5))
    assert chance([-0.5] * 40, calibration=few) > chance([-0.5] * 40)


def test_low_reliability_flattens_the_evidence():
    for margin in (-0.2, 0.2):
        values = [
            abs(offered_evidence([margin] * 20, None, replace(KNOWN, reliability=trust)).images)
            for trust in (0.0, 0.3, 1.0)
        ]
        assert values == sorted(values)
    nothing = offered_evidence([0.4] * 20, None, replace(KNOWN, reliability=0.0))
    assert nothing.images <= 0  # look-alikes remain possible


@given(MARGINS, st.data())
def test_words_are_reported_apart_from_images(margins, data):
    kinds = data.draw(
        st.lists(st.sampled_from(KINDS), min_size=len(margins), max_size=len(margins))
    )
    alone, both = (offered_evidence(margins, k, KNOWN) for k in (None, kinds))
    assert both.images == alone.images and alone.words == 0
    again = offered_evidence(margins[::-1], kinds[::-1], KNOWN)
    assert again.words == pytest.approx(both.words)


def test_word_evidence_of_each_kind():
    margins = [-0.1] * 10
    words = {kind: offered_evidence(margins, [kind] + [""] * 9, KNOWN).words for kind in KINDS}
    assert words["target"] > 3 > words["target and other"] == words["ambiguous"] > 0
    assert words[""] == 0 > words["other"]
    one, all_ = (
        offered_evidence(margins, ["target"] * n + [""] * (10 - n), KNOWN) for n in (1, 10)
    )
    assert one.words == all_.words  # a site that names it once sells it


def test_silence_counts_as_far_as_texts_name_products():
    margins = [0.1] + [-0.5] * 30
    words = [
        offered_evidence(margins, [""] + ["other"] * n + [""] * (30 - n), KNOWN).words
        for n in (0, 1, 5, 30)
    ]
    assert words == sorted(words, reverse=True) and words[0] == 0 > words[1] > -1.5 > words[3]
    assert words[3] > -4


def test_text_that_names_another_product_discounts_its_image():
    margins = [0.3] + [-0.5] * 9
    beside, of_it = (
        chance(margins, kinds) for kinds in ([""] + ["other"] + [""] * 8, ["other"] + [""] * 9)
    )
    assert of_it < beside < chance(margins)


def test_marks_of_a_person_are_as_good_as_certain():
    yes = chance([np.inf] + [-0.5] * 50)
    assert yes > 0.9999 and chance([np.inf], ["other"]) > 0.99
    no = offered_evidence([-np.inf] * 40, None, KNOWN)
    assert np.isfinite(no.images) and no.probability(0.25) < 0.05
    mixed = [-np.inf, 0.2, -0.3]
    assert chance(mixed) == pytest.approx(chance([-1.0, 0.2, -0.3]))


def test_word_ratios_are_in_order():
    named = ("target", "target and other", "ambiguous", "other form", "other")
    ratios = word_ratios(named)
    assert (np.diff(ratios) < 0).all() and ratios[2] > 0 > ratios[3]
    assert len(word_ratios([])) == 0


def test_image_without_a_name_counts_only_where_others_have_names():
    assert (word_ratios(["", "", "target"])[:2] == 0).all()
    ratios = word_ratios(["", "target", "other", "other", "other"])
    assert word_ratios(["other"])[0] < ratios[0] < 0


@given(MARGINS)
def test_offered_order_is_that_of_margins_without_words(margins):
    order = offered_order(margins, [""] * len(margins))
    assert np.argsort(order, kind="stable").tolist() == np.argsort(margins, kind="stable").tolist()
    named = offered_order(margins, ["target"] + [""] * (len(margins) - 1))
    assert named[0] > order[0] and (named[1:] == order[1:]).all()
