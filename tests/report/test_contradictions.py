"""Headline, cards, evidence and counts of invented results never contradict each other."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from similarity_lab._numbers import format_probability
from similarity_lab.relevance import SiteRelevance
from similarity_lab.relevance.decision import describe_evidence
from similarity_lab.relevance.verdict import SCORE_COLUMNS
from similarity_lab.report import write_report
from similarity_lab.report.evidence import describe_share, evidence_steps
from similarity_lab.report.rows import chance

from .invented import KINDS, RULES, invented_result

FILES = [f"shop/{number}.jpg" for number in range(60)]
TEXTS = [(1, 0, 0, 0, 0, 0), (0.1, 0.1, 0.1, 0.1, 0.3, 0.3), (0, 0, 0, 0.2, 0.6, 0.2)]
TEXTS += [(0, 0, 0, 0, 0, 1), (0, 0.5, 0.5, 0, 0, 0)]


@st.composite
def invented(draw):
    """A decision by any rule, on any number of images, with or without texts."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return invented_result(
        rng,
        FILES[: draw(st.integers(1, len(FILES)))],
        rule=draw(st.sampled_from(RULES)),
        naming=draw(st.sampled_from([None, *TEXTS])),
        level=draw(st.sampled_from([-1.0, -0.4, -0.1, 0.1, 0.6])),
    )


def percent(text):
    """Return the number of a percentage, an edge for one that is shown as a bound."""
    return float(text.strip("<>%")) / 100


@given(result=invented())
def test_decision_follows_from_the_number_beside_it(result):
    settings, text = result.settings, chance(result)
    if result.probability is None:
        is_enough = result.share >= settings.relevance_threshold
        assert result.decision == ("relevant" if is_enough else "irrelevant")
        return
    shown = percent(re.findall(r"[<>]?[\d.]+%", text)[-1 if result.criterion == "offered" else 1])
    if result.decision == "relevant":
        assert shown >= settings.certainty and not result.reason
    elif result.decision == "irrelevant":
        assert shown <= 1 - settings.certainty + 1e-9 and not result.reason
    else:
        assert result.reason
    assert result.relevant == (result.probability >= 0.5)


@pytest.mark.parametrize(
    ("n_matches", "n", "threshold", "expected"),
    [
        (62, 249, 0.25, "24.9%"), (1, 4, 0.25, "25%"), (124, 996, 0.125, "12%"),
        (3, 8, 0.375, "37.5%"), (3, 8, 0.25, "38%"), (2499, 10_000, 0.25, "24.99%"),
    ],
)  # fmt: skip
def test_share_never_looks_like_a_threshold_that_it_misses(n_matches, n, threshold, expected):
    result = invented_result(np.random.default_rng(0), FILES, rule="mean-distance")
    settings = replace(result.settings, relevance_threshold=threshold, similarity_threshold=0.4)
    table = pd.DataFrame(index=range(n), columns=SCORE_COLUMNS)
    table["path"], table["status"] = [f"{index}.jpg" for index in range(n)], "scored"
    table["distance"] = np.where(np.arange(n) < n_matches, 0.1, 0.9)
    result = SiteRelevance.from_images(
        table, settings=settings, site="s", target="t", skipped=result.skipped
    )
    assert chance(result) == f"share {expected}"
    assert f"share {expected} " in result.summary()
    assert f"relevance threshold {100 * threshold:g}%" in result.summary()
    assert (percent(expected) >= threshold) == result.relevant


@pytest.mark.parametrize("certainty", [0.9, 0.95, 0.995, 0.999])
def test_probability_never_looks_like_a_certainty_that_it_misses(certainty):
    for value in (certainty - 4e-4, certainty - 4e-6, certainty, certainty + 4e-4):
        for each in (value, 1 - value):
            shown = format_probability(each, certainty, 1 - certainty)
            if shown[0] not in "<>":
                assert (percent(shown) >= certainty - 1e-12) == (each >= certainty)
                assert (1 - percent(shown) >= certainty - 1e-12) == (1 - each >= certainty)


@given(result=invented())
def test_headline_counts_what_the_cards_show(result):
    said = describe_evidence(result, "it")
    scored = result.images[result.images["status"] == "scored"]
    match = re.match(r"(\d+) of (\d+) images match(es)?\b", said)
    if match:
        assert (int(match[1]), int(match[2])) == (scored["is_match"].sum(), len(scored))
        assert bool(match[3]) == (match[1] == "1")
    elif len(scored) > 1:
        assert said.startswith(f"none of {len(scored)} images") and not scored["is_match"].any()
    else:
        assert scored["is_match"].all() == ("does not" not in said.split(",")[0])
    n_named = result.images["word_kind"].eq("target").sum() if result.settings.words else 0
    named = re.search(r"texts? of (\d+) names? it", said)
    assert (int(named[1]) if named else 0) == (n_named if result.criterion == "offered" else 0)
    if "no text names it" in said:
        assert n_named == 0
    for clause in said.split("; "):
        assert len(re.findall(r"\b(?:al)?though\b|\bbut\b", clause)) <= 1, said


@given(result=invented())
def test_images_that_decided_come_first_and_are_the_matches(result):
    shown = result.deciding(12, n_closest=4)
    images = result.images
    is_named = images["word_kind"].eq("target") & bool(result.settings.words)
    is_first = images["is_match_with_words"].astype(bool) | (
        is_named & images["status"].isin(["scored", "repeated"])
    )
    assert shown.index.is_unique and 1 <= len(shown) <= 12
    if is_first.any():
        n_first = min(is_first.sum(), 12)
        assert is_first[shown.index].sum() >= n_first - 1
        assert is_first[shown.index[0]] and (~is_first[shown.index]).sum() <= 1
    else:
        assert len(shown) == min(4, result.n_scored)
    matches = [row for row in shown.index if images.loc[row, "is_match_with_words"]]
    assert matches == [row for row in result.ranked().index if row in matches]
    for n in (1, 2, 5):
        assert len(result.deciding(n)) <= n


@given(result=invented())
def test_evidence_leads_from_the_prior_to_the_probability(result):
    steps = evidence_steps(result)
    if result.probability is None:
        assert steps == []
        return
    shown = [step.probability for step in steps if step.probability is not None]
    assert shown[0] == result.settings.prior
    assert format_probability(shown[-1]) == format_probability(result.offered)
    for step, before, after in zip(steps[1:], shown, shown[1:], strict=False):
        if "times as likely" in step.says:
            assert ("does not sell" in step.says) == (after < before), step
        elif "as likely if the site sells" in step.says:
            assert after == pytest.approx(before, rel=0.06)


@given(result=invented())
def test_evidence_counts_the_texts_that_the_headline_counts(result):
    said = re.search(r"texts? of (\d+) names? it", describe_evidence(result, "it"))
    steps = [step.says for step in evidence_steps(result) if step.name == "Words"]
    if result.settings.words and result.criterion == "offered":
        assert steps[0].startswith(f"{said[1] if said else 'no'} text")


@given(result=invented())
def test_share_of_a_site_that_may_sell_it_is_not_zero(result):
    text = describe_share(result)
    high = result.interval[1]
    if text.startswith("at most "):  # a bound is not rounded down
        assert high <= percent(text.split()[2]) < high + 0.0101
    else:
        assert f"{high:.0%}" in text
    if result.share > 0 or result.decision != "irrelevant":
        assert not text.startswith("0%")
    if result.probability is not None:  # else it is the part of the images seen
        assert "share 0%" not in chance(result)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 256, (9, 9, 3), np.uint8).repeat(9, 0).repeat(9, 1)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("rule", RULES)
def test_pages_agree_with_their_numbers(rule, photos, tmp_path):
    rng = np.random.default_rng(RULES.index(rule))
    results = [
        invented_result(
            rng, photos[: 3 + number], site=f"shop {number}", target=target, rule=rule,
            naming=TEXTS[number % len(TEXTS)], level=rng.normal(0, 0.4),
        )
        for number in range(8)
        for target in ("almonds", "dates")
    ]  # fmt: skip
    index = write_report(results, tmp_path / "report", progress=False)
    html = re.sub(r"\s+", " ", index.read_text("utf-8"))
    for position, target in enumerate(("almonds", "dates")):
        counts = Counter(r.decision for r in results if r.target == target)
        head = html[html.index(f"<bdi>{target}</bdi>:") :].split("</li>")[0]
        said = re.findall(r'class="word">([\w ]+)</span></span> (\d+)', head)
        assert {name: int(count) for name, count in said if count != "0"} == counts
        cells = [
            row.split("<td ")[1:3][position] for row in html.split('<tr role="row" class="site')[1:]
        ]
        shown = Counter(re.search(r'data-decision="([\w ]+)"', cell)[1] for cell in cells)
        assert shown == counts
    for page in (index.parent / "sites").iterdir():
        text = page.read_text("utf-8")
        for card in re.findall(r'<li class="card.*?</li>', text, re.DOTALL):
            chances = re.findall(r"(?:probability|with its text) [<>]?([\d.]+)%", card)
            if "<b>probability" in card and chances:
                assert ("✓&nbsp;match" in card) == (float(chances[-1]) >= 50)
        assert "None" not in text and "nan" not in re.sub(r"[a-z]*nan[a-z]+", "", text)


def test_every_kind_of_text_is_invented():
    assert {len(each) for each in TEXTS} == {len(KINDS)}
