"""Sentences about decisions never contradict the numbers in them, whatever was seen."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab._numbers import format_probability
from similarity_lab.relevance import DecisionSettings, SiteRelevance
from similarity_lab.relevance.decision import describe_evidence, describe_matches
from similarity_lab.relevance.rules.calibration import Calibration, LikelihoodRatio
from similarity_lab.relevance.verdict import SCORE_COLUMNS
from similarity_lab.report.evidence import evidence_steps

KINDS = ["", "target", "target and other", "ambiguous", "other form", "other"]
# What may outweigh the number of matches; one of them has to be named if something does.
FOR = [r"comes close", r"(?:text|texts) of \d+ (?:may )?names? ", r"not collected do",
       r"the prior of", r"suggest a larger share", r"by its text|with its text"]  # fmt: skip
AGAINST = [r"no text (?:clearly )?names", r"not more clearly", r"the prior of",
           r"may be other products", r"although"]  # fmt: skip


@st.composite
def results(draw):
    count = draw(st.integers(1, 12))
    table = pd.DataFrame(index=range(count), columns=SCORE_COLUMNS)
    table["path"] = [f"{number}.jpg" for number in range(count)]
    status = st.sampled_from(["scored", "scored", "scored", "repeated", "left out", "skipped"])
    table["status"] = ["scored", *(draw(status) for _ in range(count - 1))]
    table["reason"] = table["words"] = ""
    table["word_kind"] = [draw(st.sampled_from(KINDS)) for _ in range(count)]
    table["probability"] = [draw(st.floats(0, 1)) for _ in range(count)]
    table["score"] = [draw(st.floats(-8, 8)) for _ in range(count)]
    table["margin"] = [draw(st.floats(-0.6, 0.6)) for _ in range(count)]
    table["distance"] = [draw(st.floats(0, 2)) for _ in range(count)]
    if draw(st.booleans()):
        settings = DecisionSettings(
            "mean-distance", "none", draw(st.floats(0, 2)), draw(st.floats(0, 1))
        )
    else:
        known = Calibration(
            line=LikelihoodRatio(1.0, 0.0), margin_anchor=0.1, margin_noise=1.0,
            separability=draw(st.floats(0.5, 1)), reliability=draw(st.floats(0, 1)),
            look_alike_ratios=(), look_alike_margins=(0.0, 0.1), reference_margins=(0.1, 0.2, 0.3),
            n_references=draw(st.integers(1, 20)), n_products=draw(st.integers(0, 20)),
        )  # fmt: skip
        settings = DecisionSettings(
            "learned", "none", 0.5, draw(st.floats(0.01, 0.9)),
            criterion=draw(st.sampled_from(["offered", "share"])),
            certainty=draw(st.sampled_from([0.5, 0.8, 0.9])),
            prior=draw(st.sampled_from([0.02, 0.25, 0.9, 0.99])), prior_share=0.1,
            words=draw(st.sampled_from([(), ("almonds",)])), n_references=known.n_references,
            calibration=draw(st.sampled_from([None, known])),
            unseen_kinds=tuple(draw(st.lists(st.sampled_from(KINDS), max_size=2))),
            image_coverage=draw(st.sampled_from([1.0, 0.3])),
            page_coverage=draw(st.sampled_from([1.0, 0.3])),
        )  # fmt: skip
    return SiteRelevance.from_images(
        table, settings=settings, site="shop", target="almonds",
        skipped=pd.DataFrame(columns=["path", "reason"]),
    )  # fmt: skip


def says(patterns, text):
    return any(re.search(pattern, text) for pattern in patterns)


@given(result=results())
def test_summary_explains_a_decision_against_the_matches(result):
    text = result.summary()
    if result.probability is None:
        share = result.n_matches / result.n_scored
        assert (share >= result.settings.relevance_threshold) == (result.decision == "relevant")
        return
    if result.criterion == "share":
        needed = result.settings.relevance_threshold * result.n_scored
        if result.decision == "relevant" and result.n_matches < needed:
            assert "suggest a larger share" in text
        if result.decision == "irrelevant" and result.n_matches >= needed:
            assert "may be other products" in text
    elif result.decision == "relevant" and not result.n_matches:
        assert says(FOR, text), text
    elif result.decision == "irrelevant" and result.n_matches:
        assert says(AGAINST, text), text


@given(result=results())
def test_reason_to_be_unsure_agrees_with_the_matches(result):
    if result.decision != "unsure":
        return
    n_matches, n_with_words = result.n_matches, result.n_matches_with_words
    reason = result.reason
    if reason.startswith("no image is a clear match"):
        assert not n_matches
        assert bool(n_with_words) == reason.endswith("by itself")
    elif reason.startswith("an image matches"):
        assert n_matches == 1 and n_with_words
    elif reason.startswith("images match"):
        assert n_matches > 1
    elif found := re.fullmatch(r"words (may )?name it, images do not (clearly )?show it", reason):
        assert bool(found[1]) == (not result.n_named) and bool(found[2]) == (n_matches > 0)
    elif reason.startswith("an image looks like it"):
        assert result.image_evidence > 0


@given(result=results())
def test_numbers_in_sentences_are_those_of_the_table(result):
    scored = result.images[result.images["status"] == "scored"]
    n_matches = int(scored["is_match"].sum())
    matches = describe_matches(result)
    if found := re.search(r"(\d+) of (\d+) images match", matches):
        assert [int(number) for number in found.groups()] == [n_matches, len(scored)]
    else:
        assert ("none of" in matches or "does not match" in matches) == (n_matches == 0)
    text = describe_evidence(result)
    if found := re.search(r"texts? of (\d+) names? almonds", text):
        named = result.images["word_kind"].eq("target") & result.images["status"].isin(
            ["scored", "repeated"]
        )
        assert int(found[1]) == named.sum() > 0
    elif "no text names almonds" in text:
        assert not scored["word_kind"].isin(["target", "target and other", "ambiguous"]).any()
    if result.criterion == "offered":
        assert format_probability(result.probability) in result.summary()
        assert result.relevant == (result.probability >= 0.5)


@given(result=results())
def test_direction_of_evidence_agrees_with_its_sentence(result):
    steps = evidence_steps(result)
    for before, after in pairwise(steps):
        if after.probability is None or not after.says:
            continue
        if "if the site sells almonds" in after.says and "times as likely" in after.says:
            assert after.probability >= before.probability
        if "if the site does not sell" in after.says and "times as likely" in after.says:
            assert after.probability <= before.probability
    if steps:
        last = [step for step in steps if step.probability is not None][-1]
        assert np.isclose(last.probability, result.offered)
