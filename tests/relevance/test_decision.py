"""Decisions on tables of images that the tests write themselves."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.relevance import (
    DecisionSettings,
    Marks,
    SiteRelevance,
    mark_values,
    marking_order,
    with_marks,
)
from similarity_lab.relevance.decision import format_evidence
from similarity_lab.relevance.offered import offered_evidence
from similarity_lab.relevance.rules import FittedLearnedRule, ReferenceDraw
from similarity_lab.relevance.rules.calibration import Calibration, LikelihoodRatio
from similarity_lab.relevance.settings import check_thresholds
from similarity_lab.relevance.share import SharePosterior
from similarity_lab.relevance.tables import (
    DECISION_COLUMNS,
    SiteFailure,
    decisions_table,
    expected_accuracy,
    rank_results,
)
from similarity_lab.relevance.verdict import (
    SCORE_COLUMNS,
    decide_by_distance,
    decide_by_probability,
)

CALIBRATION = Calibration(
    LikelihoodRatio(1.0, 0.0),
    margin_anchor=0.0,
    margin_noise=1.0,
    separability=0.95,
    reliability=1.0,
    look_alike_ratios=(-3.0,) * 20,
    look_alike_margins=(-0.2,) * 20,
    reference_margins=(0.1, 0.2, 0.3, 0.4, 0.5),
    n_references=5,
    n_products=20,
)
LEARNED = DecisionSettings(
    "learned",
    "written",
    0.5,
    0.25,
    certainty=0.9,
    prior=0.25,
    prior_share=0.3,
    n_references=5,
    calibration=CALIBRATION,
)
ORIGINAL = DecisionSettings("mean-distance", "written", 0.5, 0.25, reference_draw=ReferenceDraw())
RULES = {settings.rule: settings for settings in (LEARNED, ORIGINAL)}
COUNTS = {"scored": 12, "repeated": 3, "left out": 2, "skipped": 1}
STATUSES = st.sampled_from(list(COUNTS))
TENTHS = st.integers(0, 10).map(lambda number: number / 10)  # so that thresholds are met exactly
ROWS = st.lists(st.tuples(STATUSES, TENTHS), max_size=12).flatmap(
    lambda rows: st.permutations([*rows, ("scored", 0.5)])  # without one there is no decision
)


def image_table(rule):
    """Return 18 images in random order; some scored ones are equal, a third of them match."""
    rng = np.random.default_rng(0)
    statuses = rng.permutation(np.repeat(list(COUNTS), list(COUNTS.values())))
    chances = np.full(len(statuses), 0.95)  # higher than all that count
    scored = statuses == "scored"
    chances[scored] = rng.permutation([0.9, 0.8, 0.7, 0.6, *[0.4, 0.3, 0.2, 0.1] * 2])
    paths = pd.DataFrame({"path": [f"{index}.jpg" for index in range(len(statuses))]})
    images = paths.reindex(columns=SCORE_COLUMNS)
    images["status"], images["score"], images["reason"] = statuses, chances, ""
    images[["words", "word_kind"]] = ""
    if rule == "learned":
        images["probability"] = chances
        images["score"] = logit(chances) - logit(0.3)
        images["margin"] = (chances - 0.5) / 2
    else:
        images["distance"] = 1 - chances
    images.loc[statuses == "skipped", ["score", "distance", "probability", "margin"]] = np.nan
    return images


def decide(rule, **changes):
    skipped = pd.DataFrame({"path": ["bad.jpg"], "reason": ["holds text"]})
    return SiteRelevance.from_images(
        image_table(rule),
        settings=replace(RULES[rule], **changes),
        site="shop",
        target="almonds",
        skipped=skipped,
        versions={"similarity_lab": "1"},
        origins=skipped,
    )


@pytest.fixture(params=RULES)
def result(request):
    return decide(request.param)


def small_table(column, rows):
    """Return images of which only the skipped ones have no value."""
    images = pd.DataFrame(rows, columns=["status", column])
    images[column] = images[column].where(images["status"] != "skipped")
    return images.assign(word_kind="")


def learned_table(rows, prior_share):
    """Return images with these probabilities, and margins in the same order."""
    images = small_table("probability", rows)
    with np.errstate(divide="ignore"):
        scores = logit(images["probability"]) - logit(prior_share)
    return images.assign(score=scores, margin=images["probability"] - 0.5)


def decide_on(margins, *, kinds=None, words=("almonds",), **changes):
    """Return the decision by the criterion "offered" on images with these margins."""
    images = pd.DataFrame({"path": [f"{index}.jpg" for index in range(len(margins))]})
    images = images.reindex(columns=SCORE_COLUMNS).assign(
        status="scored", margin=margins, score=20 * np.array(margins), words="", reason=""
    )
    images["probability"] = expit(images["score"] + logit(0.1))
    images["word_kind"] = "" if kinds is None else kinds
    settings = replace(
        LEARNED, criterion="offered", prior_share=0.1, words=() if kinds is None else words
    )
    skipped = pd.DataFrame({"path": [], "reason": []})
    return SiteRelevance.from_images(
        images, settings=replace(settings, **changes), site="shop", target="almonds",
        skipped=skipped,
    )  # fmt: skip


@given(ROWS, TENTHS, TENTHS)
def test_decide_by_distance_counts_matches(rows, similar, relevant):
    counted = [distance for status, distance in rows if status == "scored"]
    matches = [distance for distance in counted if distance <= similar]
    settings = replace(ORIGINAL, similarity_threshold=similar, relevance_threshold=relevant)
    verdict = decide_by_distance(small_table("distance", rows), settings)
    assert verdict.share == len(matches) / len(counted)
    assert verdict.relevant == (len(matches) / len(counted) >= relevant)
    assert verdict.decision == ("relevant" if verdict.relevant else "irrelevant")
    assert verdict.interval == wilson_interval(len(matches), len(counted))
    assert verdict.probability is None
    expected = [status == "scored" and distance <= similar for status, distance in rows]
    assert verdict.images["is_match"].tolist() == expected


@given(ROWS, TENTHS, st.integers(1, 99), st.floats(0.05, 0.95), st.floats(0.5, 1))
def test_decide_by_probability_decides_by_the_share(rows, similar, percent, prior, certainty):
    images, relevant = learned_table(rows, prior), percent / 100
    settings = replace(
        LEARNED, similarity_threshold=similar, relevance_threshold=relevant, certainty=certainty,
        prior_share=prior,
    )  # fmt: skip
    verdict = decide_by_probability(images, settings)
    seen = images[images["status"] == "scored"]
    posterior = SharePosterior.of(seen["score"], CALIBRATION.look_alike_ratios, n_references=5)
    chance = verdict.probability
    assert chance == pytest.approx(posterior.at_least(relevant))
    assert (verdict.share, verdict.interval) == (posterior.share, posterior.interval())
    assert verdict.relevant == (chance >= 0.5)
    forced = "relevant" if verdict.relevant else "irrelevant"
    is_sure = verdict.evidence and max(chance, 1 - chance) >= certainty
    assert verdict.decision == (forced if is_sure else "unsure")
    assert bool(verdict.reason) == (verdict.decision == "unsure")
    expected = [status == "scored" and chance >= similar for status, chance in rows]
    assert verdict.images["is_match"].tolist() == expected


@given(ROWS, st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_decide_by_probability_decides_by_the_offer(rows, prior, prior_share):
    images = learned_table(rows, prior_share)
    settings = replace(LEARNED, criterion="offered", prior=prior, prior_share=prior_share)
    verdict = decide_by_probability(images, settings)
    margins = images["margin"][images["status"] == "scored"]
    expected = offered_evidence(margins, None, CALIBRATION)
    assert verdict.image_evidence == expected.images and verdict.word_evidence == 0
    chance = expit(logit(prior) + expected.images)
    assert verdict.probability == verdict.offered == pytest.approx(chance)


@pytest.mark.parametrize(
    ("rule", "decide_by"),
    [("learned", decide_by_probability), ("mean-distance", decide_by_distance)],
)
def test_from_images_follows_the_rule(rule, decide_by):
    result, verdict = decide(rule), decide_by(image_table(rule), RULES[rule])
    for name in ("decision", "relevant", "share", "interval", "probability", "offered", "reason"):
        assert getattr(result, name) == getattr(verdict, name)
    pd.testing.assert_frame_equal(result.images, verdict.images[SCORE_COLUMNS])


@pytest.mark.parametrize("missing", ["certainty", "prior", "prior_share"])
def test_learned_rule_needs_its_settings(missing):
    with pytest.raises(InputError, match="needs certainty, prior and prior_share"):
        decide("learned", **{missing: None})


def test_to_row_counts_statuses(result):
    row = result.to_row()
    assert list(row) == DECISION_COLUMNS and result.n_scored == 12 and result.n_matches == 4
    expected = {"n_matches": 4, "n_scored": 12, "n_repeated": 3, "n_left_out": 2, "n_skipped": 1}
    expected |= {"similarity_threshold": 0.5, "relevance_threshold": 0.25, "evidence": True}
    expected |= {"reason": result.reason, "criterion": "share", "n_matches_with_words": 4}
    assert {name: row[name] for name in expected} == expected
    assert (row["share_low"], row["share_high"]) == result.interval
    for name in ("site", "target", "decision", "relevant", "probability", "share"):
        assert row[name] == getattr(result, name)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "changes", [{}, {"similarity_threshold": 0.25}, {"relevance_threshold": 0.75}, {"prior": 0.5}]
)
def test_rethreshold_decides_as_with_these_thresholds(rule, changes):
    if rule == "mean-distance" and "prior" in changes:
        pytest.skip("has no prior")
    actual, expected = decide(rule).rethreshold(**changes), decide(rule, **changes)
    assert actual.to_row() == expected.to_row() and actual.settings == expected.settings
    pd.testing.assert_frame_equal(actual.images, expected.images)
    assert actual.versions == expected.versions and actual.origins is not None


def test_ranked_and_nearest_misses_are_sorted_by_score(result):
    scored = result.images[result.images["status"] == "scored"]
    best = sorted(scored.index, key=lambda row: -scored["score"][row])  # stable for equal scores
    assert result.ranked().index.tolist() == best
    misses = [row for row in best if not scored["is_match"][row]]
    assert result.nearest_misses(99).index.tolist() == misses
    assert result.nearest_misses().index.tolist() == misses[:5]


def test_deciding_are_the_matches_best_first(result):
    ranked = result.ranked()
    matches = ranked.index[ranked["is_match_with_words"].astype(bool)].tolist()
    assert matches and result.deciding(99).index.tolist() == matches
    assert result.deciding(2).index.tolist() == matches[:2]


def test_deciding_without_a_match_came_closest(result):
    threshold = 1.0 if result.probability is not None else 0.0
    nothing = result.rethreshold(similarity_threshold=threshold)
    assert nothing.n_matches_with_words == 0
    assert nothing.deciding().index.tolist() == nothing.ranked().index.tolist()[:5]
    assert nothing.deciding(12, n_closest=3).index.tolist() == nothing.ranked().index.tolist()[:3]


def test_deciding_has_named_images_and_the_one_that_looks_most_alike():
    kinds = ["other", "", "target", "target", ""]
    result = decide_on([0.2, 0.1, -0.4, -0.2, 0.05], kinds=kinds)
    named, best = [3, 2], 0  # by margin and words; by margin alone
    order = result.deciding().index.tolist()
    assert [row for row in order if row in named] == named and order[-1] == best
    assert result.deciding(2).index.tolist() == [3, 0] and result.deciding(1).index[0] == 3


def test_ranked_puts_the_largest_margin_first_by_the_offer():
    result = decide_on([0.1, 0.3, -0.2, 0.2])
    assert result.ranked().index.tolist() == [1, 3, 0, 2]


def test_ranked_counts_words():
    kinds = ["", "other", "", "target"]
    result = decide_on([0.1, 0.2, -0.2, 0.05], kinds=kinds)
    assert result.ranked().index.tolist() == [3, 0, 1, 2]
    assert result.without_words().ranked().index.tolist() == [1, 0, 3, 2]


def test_matches_with_words_are_reported_apart():
    result = decide_on([0.0, 0.3, 0.3], kinds=["target", "other", ""])
    assert result.images["is_match"].tolist() == [False, True, True]
    assert result.images["is_match_with_words"].tolist() == [True, True, True]
    assert (result.n_matches, result.n_matches_with_words, result.n_named) == (2, 3, 1)


def test_words_add_to_the_images():
    silent, named = (decide_on([-0.1] * 9, kinds=[kind] * 9) for kind in ("", "target"))
    alone = decide_on([-0.1] * 9)
    assert silent.offered == alone.offered and alone.word_evidence == 0
    assert named.offered > alone.offered and named.word_evidence > 3
    assert named.without_words().offered == pytest.approx(alone.offered)
    others = decide_on([-0.1] * 9, kinds=["other"] * 9)
    assert others.offered < alone.offered and others.word_evidence < -1


def test_text_of_a_copy_names_the_target():
    result = decide_on([-0.2] * 9, kinds=["other"] * 8 + ["target"])
    images = result.images.assign(status=["scored"] * 8 + ["repeated"])
    copy = result.with_images(images, {})
    assert copy.n_named == 1 and copy.word_evidence > 2
    assert copy.word_evidence == pytest.approx(result.word_evidence, abs=0.1)


@pytest.mark.parametrize(
    ("margins", "kinds", "changes", "reason"),
    [
        ([-0.3], None, {}, "1 image seen"),
        ([-0.3, -0.2], None, {}, "2 images seen"),
        ([-0.05, -0.1, 0.0], None, {}, "no image is a clear match"),
        ([-0.3] * 4, ["target", "", "", ""], {"prior": 0.1}, "words name it, images do not"),
        ([0.25] * 4, ["other"] * 4, {}, "an image looks like it, but no text names it"),
        (
            [0.25, 0.25, 0.25, -0.4],
            ["other", "other", "other", "ambiguous"],
            {},
            "an image looks like it, but no text clearly names it",
        ),
        ([0.12, -0.3, -0.3], None, {}, "an image matches, but not clearly enough"),
        ([0.12] * 9, None, {}, "images match, but none clearly enough"),
        ([-0.3] * 9, None, {"image_coverage": 0.2}, "only about 20% of the site's images were"),
        ([0.12] * 9, None, {"image_coverage": 0.2}, "images match, but none clearly enough"),
        (
            [-0.3] * 9,
            ["other"] * 9,
            {"image_coverage": 0.5, "page_coverage": 0.5, "unseen_kinds": ("target",)},
            "texts name it beside images that were not collected",
        ),
    ],
)
def test_unsure_decision_has_a_reason(margins, kinds, changes, reason):
    result = decide_on(margins, kinds=kinds, **changes)
    assert result.decision == "unsure" and result.reason.startswith(reason)
    assert "unsure whether" in result.summary()
    assert result.summary().count(result.reason.removeprefix("no image ")) == 1  # not said twice


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"separability": 0.6}, "not learned"),
        ({"n_products": 3}, "learned from only 3 other products"),
        ({"n_products": 0}, "learned without at least two other products; extend"),
        ({"n_products": 0, "n_references": 2}, "2 reference images, without at least two other"),
        ({"n_references": 1}, "learned from only 1 reference image"),
    ],
)
@pytest.mark.parametrize("margin", [0.5, -0.5])
def test_weak_footing_makes_images_unsure(known, reason, margin):
    calibration = replace(CALIBRATION, **known)
    result = decide_on([margin] * 20, calibration=calibration)
    assert result.decision == "unsure" and reason in result.reason
    named = decide_on([margin] * 20, kinds=["target"] * 20, calibration=calibration)
    assert named.offered > result.offered and "not learned" not in named.reason
    is_sure = named.probability >= 0.9  # then words decide, whatever the images stand on
    assert named.decision == ("relevant" if is_sure else "unsure") and (is_sure or margin < 0)


def test_generated_products_do_not_count():
    calibration = replace(CALIBRATION, n_products=0)
    rule = FittedLearnedRule(None, ("generated noise", "generated blur"), calibration, 0.5, 0.1)
    assert rule.other_products == 0


def test_site_of_a_logo_gives_no_evidence():
    logo = decide_on([-0.3])
    assert not logo.evidence and logo.offered == pytest.approx(0.25, abs=0.06)
    assert decide_on([0.4]).evidence and decide_on([-0.3], kinds=["target"]).evidence


def test_marks_decide():
    result = decide_on([-0.4, 0.3, -0.3, -0.2])
    assert with_marks(result, {0: True}).offered > 0.999
    no = with_marks(result, {1: False})
    assert no.offered < result.offered and no.ranked().index[-1] == 1


def test_image_marked_as_something_else_leaves_the_doubt():
    calibration = replace(CALIBRATION, separability=0.6)
    result = decide_on([0.5, 0.4, -0.3], calibration=calibration)
    assert with_marks(result, {2: False}).decision == "unsure"
    assert with_marks(result, {0: True}).decision == "relevant"
    assert with_marks(result, dict.fromkeys(range(3), False)).decision != "relevant"


def test_rethreshold_with_another_prior_shifts_the_odds():
    result = decide_on([0.1] * 5)
    other = result.rethreshold(prior=0.5)
    shift = logit(other.offered) - logit(result.offered)
    assert shift == pytest.approx(logit(0.5) - logit(0.25))
    assert other.settings.prior == 0.5 and other.image_evidence == result.image_evidence


@pytest.mark.parametrize("prior", [-1, 0, 1, 2, np.nan])
def test_rethreshold_refuses_an_impossible_prior(prior):
    with pytest.raises(InputError, match="prior is a probability above 0 and below 1"):
        decide_on([0.1] * 5).rethreshold(prior=prior)


@pytest.mark.parametrize(
    "changes", [{"prior": "a"}, {"similarity_threshold": "0.5"}, {"relevance_threshold": [0.5]}]
)
def test_rethreshold_refuses_what_is_no_number(changes):
    ((name, _),) = changes.items()
    with pytest.raises(InputTypeError, match=f"{name} is "):
        decide("learned").rethreshold(**changes)


def test_rethreshold_refuses_a_relevance_threshold_that_has_no_effect():
    with pytest.raises(InputError, match="relevance_threshold=0.25 has no effect on whether"):
        decide_on([0.1] * 5).rethreshold(relevance_threshold=0.25)


def test_system_files_are_listed_but_not_counted():
    rows = [("bad.jpg", "holds text"), (".DS_Store", "made by macOS, not an image")]
    result = replace(decide("learned"), skipped=pd.DataFrame(rows, columns=["path", "reason"]))
    assert result.to_row()["n_skipped"] == 1 and len(result.to_dict()["skipped"]) == 2


def test_rethreshold_refuses_a_prior_that_has_no_effect():
    with pytest.raises(InputError, match="prior=0.5 has no effect: the mean-distance rule"):
        decide("mean-distance").rethreshold(prior=0.5)


@pytest.mark.parametrize("known", [{"separability": 0.6}, {"n_references": 1}, {"n_products": 0}])
def test_mark_of_one_image_leaves_the_others_without_footing(known):
    calibration = replace(CALIBRATION, **known)
    for criterion in ("offered", "share"):
        for margins in ([0.5] * 20, [-0.5] * 20):
            result = decide_on(margins, calibration=calibration, criterion=criterion)
            one = with_marks(result, {0: False})
            assert one.decision == "unsure" and one.reason == result.reason
        every = with_marks(result, dict.fromkeys(range(20), False))
        assert every.decision == "irrelevant"  # a person has seen all of them
        yes = with_marks(result, {0: True})
        assert yes.decision == ("relevant" if criterion == "offered" else "unsure")


def test_unsure_share_names_the_threshold():
    result = decide_on([0.5] * 5 + [-0.5] * 15, criterion="share")
    assert result.decision == "unsure"
    assert result.reason == "the share may be below or above 25%"


def test_summary_tells_unclear_texts_from_none():
    unclear, none = (decide_on([-0.3] * 4, kinds=[kind] * 4) for kind in ("ambiguous", "other"))
    assert unclear.summary().endswith("but the texts of 4 may name almonds")
    assert "words may name it" in unclear.reason
    assert none.summary().endswith("and no text names almonds")


def test_summary_is_a_sentence():
    sells = decide_on([0.4, 0.3, -0.1, -0.2], kinds=["target", "", "other", ""])
    assert sells.summary().startswith("shop sells almonds (")
    assert "2 of 4 images match, and the text" in sells.summary()
    assert sells.summary().endswith("of 1 names almonds")
    assert "shop does not sell almonds" in decide_on([-0.5] * 30).summary()


def test_summary_gives_the_share_and_its_interval():
    assert repr(decide("mean-distance")) == (
        "<shop: relevant for almonds: 4 of 12 images match; "
        "estimated share 33% (95% CI 14–61%); relevance threshold 25%>"
    )


def test_summary_gives_the_probability():
    learned = decide("learned")
    chance = f"; P(share ≥ 25%) = {learned.probability:.1%}"
    assert learned.decision == "unsure" and learned.reason
    assert learned.summary().endswith(f"{chance}; {learned.reason}")
    sure = decide("learned", relevance_threshold=1.0)
    assert sure.summary().endswith(f"; P(share ≥ 100%) = {sure.probability:.1%}")


def test_to_dict_is_json(result):
    values = result.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert {name: values[name] for name in DECISION_COLUMNS} == result.to_row()
    assert values["settings"]["rule"] == result.settings.rule
    assert values["settings"]["embedder"] == "written"
    assert [image["path"] for image in values["images"]] == result.images["path"].tolist()
    has_no_score = [image["score"] is None for image in values["images"]]
    assert has_no_score == (result.images["status"] == "skipped").tolist()
    assert values["skipped"] == [{"path": "bad.jpg", "reason": "holds text"}]


def test_to_dict_has_no_infinite_distance():
    result = decide("mean-distance")
    row = int(result.ranked().index[0])
    values = with_marks(result, {row: False}).to_dict()  # marked as farther than any threshold
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["images"][row]["distance"] is None and values["images"][row]["reason"]


def test_format_evidence_is_a_probability_or_a_distance():
    for rule, expected in (("learned", ["90.0%", "80.0%"]), ("mean-distance", ["0.100", "0.200"])):
        result = decide(rule)
        assert format_evidence(result.ranked().head(2), result.settings) == expected
    half = pd.DataFrame({"probability": [0.5, np.nan], "distance": [0.25, 1]})
    assert format_evidence(half, result.settings) == ["0.250", "1.000"]


@pytest.mark.parametrize("relevance", [0, 0.5, 1])
def test_check_thresholds_accepts_shares(relevance):
    check_thresholds(-3.0, relevance)


@pytest.mark.parametrize("relevance", [-0.01, 1.01, np.nan])
def test_check_thresholds_refuses_other_shares(relevance):
    with pytest.raises(InputError, match="is a share from 0 to 1, got"):
        check_thresholds(0.5, relevance)


@pytest.mark.parametrize("similarity", [np.nan, np.inf])
def test_check_thresholds_refuses_infinite_similarity(similarity):
    with pytest.raises(InputError, match="must be a finite number, got"):
        check_thresholds(similarity, 0.25)


def test_decisions_table_lists_failures(result):
    failure = SiteFailure("gone", "almonds", "no such folder")
    table = decisions_table([failure, result])
    assert list(table.columns) == DECISION_COLUMNS and table["site"].tolist() == ["gone", "shop"]
    assert table["reason"].tolist() == ["no such folder", result.reason]
    assert pd.isna(table["decision"][0]) and table["evidence"].tolist() == [False, True]
    assert table["n_scored"].dtype == "Int64" and table["n_scored"].tolist() == [pd.NA, 12]
    assert table["relevant"].dtype == "boolean" and table["relevant"][1] == result.relevant
    expected = {"site": "gone", "target": "almonds", "evidence": False, "reason": "no such folder"}
    assert failure.to_dict() == {
        **expected, "summary": "no decision on whether gone sells almonds: no such folder"
    }  # fmt: skip


def test_expected_accuracy_is_the_mean_of_the_probabilities():
    chances = [0.0, 0.07, 0.1, 0.3, 0.5, 0.7, 0.9, 0.96, 1.0]
    expected = expected_accuracy(pd.DataFrame({"probability": [*chances, None]}))
    right = [max(chance, 1 - chance) for chance in chances]
    confident = [chance for chance in right if chance >= 0.9]
    assert expected["unsure_rate"] == pytest.approx(1 - len(confident) / len(chances))
    assert expected["accuracy"] == pytest.approx(np.mean(confident))
    assert expected["accuracy_forced"] == pytest.approx(np.mean(right))


def test_expected_accuracy_needs_probabilities():
    with pytest.raises(InputError, match="No decision in this table has a probability"):
        expected_accuracy(pd.DataFrame({"probability": [None]}))


def test_notebook_view_needs_no_other_import(result, tmp_path):
    """`similarity_lab.report` registers the view; nobody has to import it."""
    (tmp_path / "result.pickle").write_bytes(pickle.dumps(replace(result, origins=None)))
    code = (
        "import pickle, sys\n"
        "from similarity_lab.relevance import SiteRelevance\n"
        "result = pickle.load(open('result.pickle', 'rb'))\n"
        "assert isinstance(result, SiteRelevance) and 'similarity_lab.report' not in sys.modules\n"
        "print(result._repr_html_())\n"
    )
    command = [sys.executable, "-c", code]
    html = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "<b>shop" in html and ".ranked()" in html  # as the gallery writes it


def test_rank_results_sorts_by_target_then_evidence():
    learned, original = decide("learned"), decide("mean-distance")
    failure = SiteFailure("gone", "almonds", "no such folder")
    tie = replace(learned, site="tie")
    best = replace(learned, site="best", probability=1.0)
    dates = replace(original, target="dates")
    results = [failure, learned, dates, tie, best]
    assert rank_results(results) == [best, learned, tie, failure, dates]
    assert rank_results(results, ["dates", "almonds"])[0] is dates
    low = replace(original, site="low", share=0.1)
    assert rank_results([low, original]) == [original, low]
    silent = replace(learned, site="silent", probability=0.99, evidence=False)
    assert rank_results([silent, failure, learned]) == [learned, silent, failure]


def test_share_is_unknown_without_footing():
    calibration = replace(CALIBRATION, n_products=0)
    result = decide_on([0.5] * 8, calibration=calibration, criterion="share")
    assert result.interval == (0, 1) and "share unknown" in result.summary()


@pytest.mark.parametrize("other", ["folder", 5, None, [5], pd.Series([1.0])])
@pytest.mark.parametrize("function", [decisions_table, rank_results, marking_order])
def test_what_is_no_decision_is_refused_by_name(function, other):
    with pytest.raises(InputTypeError, match="expected decisions on sites, as .*, got "):
        function(other)


@pytest.mark.parametrize("function", [mark_values, Marks().apply, expected_accuracy])
def test_another_object_is_refused_by_name(function):
    with pytest.raises(InputTypeError, match=r"^expected .*, got str"):
        function("folder")
