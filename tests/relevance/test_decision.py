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
from scipy.stats import beta

from similarity_lab.errors import InputError
from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.relevance import DecisionSettings, SiteRelevance, with_marks
from similarity_lab.relevance.decision import (
    SCORE_COLUMNS,
    SharePosterior,
    check_thresholds,
    decide_by_distance,
    decide_by_probability,
    format_evidence,
    influences,
)
from similarity_lab.relevance.rules import ReferenceDraw
from similarity_lab.relevance.tables import (
    DECISION_COLUMNS,
    SiteFailure,
    decisions_table,
    expected_accuracy,
    rank_results,
)

LEARNED = DecisionSettings(
    "learned", "written", 0.5, 0.25, certainty=0.9, prior_share=0.3, n_references=5
)
ORIGINAL = DecisionSettings("mean-distance", "written", 0.5, 0.25, reference_draw=ReferenceDraw())
RULES = {settings.rule: settings for settings in (LEARNED, ORIGINAL)}
COUNTS = {"scored": 12, "repeated": 3, "left out": 2, "skipped": 1}
STATUSES = st.sampled_from(list(COUNTS))
TENTHS = st.integers(0, 10).map(lambda number: number / 10)  # so that thresholds are met exactly
ROWS = st.lists(st.tuples(STATUSES, TENTHS), max_size=12).flatmap(
    lambda rows: st.permutations([*rows, ("scored", 0.5)])  # without one there is no decision
)


RATIOS = st.lists(st.floats(-20, 20), min_size=1, max_size=30)


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
    if rule == "learned":
        images["probability"] = chances
    else:
        images["distance"] = 1 - chances
    images.loc[statuses == "skipped", ["score", "distance", "probability"]] = np.nan
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
    return images


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
def test_decide_by_probability_is_bayes_rule(rows, similar, percent, prior, certainty):
    """Oracle: Bayes' rule on a grid of shares, the prior removed from each image."""
    images, relevant = small_table("probability", rows), percent / 100
    settings = DecisionSettings("learned", "written", similar, relevant, certainty, prior)
    verdict = decide_by_probability(images, settings)
    grid = (np.arange(4_000) + 0.5) / 4_000

    def posterior(chances):
        each = [grid * p / prior + (1 - grid) * (1 - p) / (1 - prior) for p in chances]
        likelihood = np.prod(each, axis=0) * np.ones(len(grid))
        return likelihood / likelihood.sum()

    def log_odds(chances):
        above = posterior(chances)[grid >= relevant].sum()
        return np.log(above / (1 - above))

    counted = [chance for status, chance in rows if status == "scored"]
    chance, weights = verdict.probability, posterior(counted)
    assert chance == pytest.approx(weights[grid >= relevant].sum(), abs=1e-4)
    assert weights[np.abs(grid - verdict.share) < 0.0005].max() > 0.999 * weights.max()
    low, high = verdict.interval
    assert weights[(grid > low) & (grid < high)].sum() == pytest.approx(0.95, abs=0.03)
    assert verdict.relevant == (chance >= 0.5)
    forced = "relevant" if verdict.relevant else "irrelevant"
    assert verdict.decision == ("unsure" if max(chance, 1 - chance) < certainty else forced)
    exact = replace(settings, certainty=max(chance, 1 - chance))
    assert decide_by_probability(images, exact).decision == forced
    expected = [status == "scored" and chance >= similar for status, chance in rows]
    assert verdict.images["is_match"].tolist() == expected
    influence = verdict.images["influence"]
    assert influence.isna().tolist() == [status != "scored" for status, _ in rows]
    if 1e-4 < chance < 1 - 1e-4:
        rest = [counted[:index] + counted[index + 1 :] for index in range(len(counted))]
        expected = [log_odds(counted) - log_odds(others) for others in rest]
        np.testing.assert_allclose(influence.dropna(), expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    ("rule", "decide_by"),
    [("learned", decide_by_probability), ("mean-distance", decide_by_distance)],
)
def test_from_images_follows_the_rule(rule, decide_by):
    result, verdict = decide(rule), decide_by(image_table(rule), RULES[rule])
    for name in ("decision", "relevant", "share", "interval", "probability"):
        assert getattr(result, name) == getattr(verdict, name)
    pd.testing.assert_frame_equal(result.images, verdict.images[SCORE_COLUMNS])


@pytest.mark.parametrize("missing", ["certainty", "prior_share"])
def test_learned_rule_needs_its_settings(missing):
    with pytest.raises(InputError, match="needs prior_share and certainty"):
        decide("learned", **{missing: None})


def test_to_row_counts_statuses(result):
    row = result.to_row()
    assert list(row) == DECISION_COLUMNS and result.n_scored == 12 and result.n_matches == 4
    expected = {"n_matches": 4, "n_scored": 12, "n_repeated": 3, "n_left_out": 2, "n_skipped": 1}
    expected |= {"similarity_threshold": 0.5, "relevance_threshold": 0.25, "reason": ""}
    assert {name: row[name] for name in expected} == expected
    assert (row["share_low"], row["share_high"]) == result.interval
    for name in ("site", "target", "decision", "relevant", "probability", "share"):
        assert row[name] == getattr(result, name)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "changes", [{}, {"similarity_threshold": 0.25}, {"relevance_threshold": 0.75}]
)
def test_rethreshold_decides_as_with_these_thresholds(rule, changes):
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


def test_deciding_sorts_by_influence():
    learned, original = decide("learned"), decide("mean-distance")
    influence = learned.images["influence"].abs().dropna()
    most = sorted(influence.index, key=lambda row: -influence[row])
    assert learned.deciding(99).index.tolist() == most and len(most) == 12
    assert learned.deciding().index.tolist() == most[:5]
    assert set(influence[most[:5]].index) != set(learned.ranked().head(5).index)
    assert original.deciding().index.tolist() == original.ranked().index.tolist()[:5]


def test_summary_gives_the_share_and_its_interval():
    assert repr(decide("mean-distance")) == (
        "<shop: relevant for almonds: 4 of 12 images match; "
        "estimated share 33% (95% CI 14–61%); relevance threshold 25%>"
    )


def test_summary_gives_the_probability():
    learned = decide("learned")
    assert learned.summary().endswith(f"; P(share ≥ 25%) = {learned.probability:.1%}")


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
    assert format_evidence(decide("learned").ranked().head(2)) == ["90.0%", "80.0%"]
    assert format_evidence(decide("mean-distance").ranked().head(2)) == ["0.100", "0.200"]
    half = pd.DataFrame({"probability": [0.5, np.nan], "distance": [0.25, 1]})
    assert format_evidence(half) == ["0.250", "1.000"]


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
    assert table["reason"].tolist() == ["no such folder", ""] and pd.isna(table["decision"][0])
    assert table["n_scored"].dtype == "Int64" and table["n_scored"].tolist() == [pd.NA, 12]
    assert table["relevant"].dtype == "boolean" and table["relevant"][1] == result.relevant
    assert failure.to_dict() == {"site": "gone", "target": "almonds", "reason": "no such folder"}


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
    assert "almonds" in html and 'class="similarity-lab"' in html


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


@pytest.mark.parametrize(("n_shown", "total"), [(1, 3), (40, 120), (0, 10), (10, 10)])
def test_posterior_of_certain_images_is_beta(n_shown, total):
    """Oracle: under equal shares the posterior of sure images is Beta(k + 1, n − k + 1)."""
    posterior = SharePosterior.of([60.0] * n_shown + [-60.0] * (total - n_shown))
    exact = beta(n_shown + 1, total - n_shown + 1)
    assert posterior.share == pytest.approx(n_shown / total, abs=0.001)
    for share in (0.1, 0.25, 0.5, 0.9):
        assert posterior.at_least(share) == pytest.approx(exact.sf(share), abs=1e-4)


def test_interval_of_few_images_is_wide():
    few, many = SharePosterior.of([9, -9, -9]), SharePosterior.of([9] * 40 + [-9] * 80)
    assert few.share == pytest.approx(many.share, abs=0.02)
    width = [high - low for low, high in (few.interval(), many.interval())]
    assert width[0] > 3 * width[1]
    assert few.interval()[0] < 0.25 < many.interval()[0] + 0.02
    assert few.at_least(0.25) < many.at_least(0.25)


@given(RATIOS, st.randoms(use_true_random=False))
def test_posterior_ignores_order_and_stays_in_range(values, random):
    posterior = SharePosterior.of(values)
    low, high = posterior.interval()
    assert 0 <= low <= posterior.share <= high <= 1
    chances = [posterior.at_least(share) for share in (0, 0.1, 0.25, 0.8, 1)]
    assert chances == sorted(chances, reverse=True) and max(chances) <= 1
    assert chances[0] == pytest.approx(1) and chances[-1] == 0
    shuffled = random.sample(values, len(values))
    assert SharePosterior.of(shuffled).at_least(0.25) == pytest.approx(chances[2], abs=1e-9)


@given(RATIOS, st.integers(0, 29), st.floats(0.1, 10))
def test_posterior_is_monotonic_in_each_image(values, index, more):
    before = SharePosterior.of(values).at_least(0.25)
    values[index % len(values)] += more
    assert SharePosterior.of(values).at_least(0.25) >= before - 1e-9


def test_influences_are_differences_of_log_odds():
    values = [3.0, -2.0, 0.0, 8.0]

    def log_odds(ratios):
        chance = SharePosterior.of(ratios).at_least(0.25)
        return np.log(chance / (1 - chance))

    brute = [log_odds(values) - log_odds(values[:i] + values[i + 1 :]) for i in range(4)]
    np.testing.assert_allclose(influences(values, 0.25), brute, atol=1e-6)
    assert abs(brute[2]) < 1e-6  # a log likelihood ratio of 0 has no influence


def test_infinite_log_ratios_stay_finite():
    certain = SharePosterior.of([np.inf, -np.inf, 5000.0, -5000.0])
    assert certain.share == pytest.approx(0.5, abs=0.001)
    assert np.isfinite(influences([np.inf, -np.inf], 0.25)).all()


@pytest.mark.parametrize("index", [0, 255, 256, 599])
def test_influences_of_many_images_equal_leave_one_out(index):
    """Oracle: posteriors with and without the image, across the blocks of the computation."""
    values = np.random.default_rng(0).normal(0, 0.3, 600)

    def log_odds(values):
        above = SharePosterior.of(values).at_least(0.5)
        return np.log(above / (1 - above))

    expected = log_odds(values) - log_odds(np.delete(values, index))
    assert influences(values, 0.5)[index] == pytest.approx(expected, abs=1e-6)


def test_posterior_without_images_is_uniform():
    assert SharePosterior.of([]).at_least(0.25) == pytest.approx(0.75)
    assert influences([], 0.25).shape == (0,)


def test_share_is_exact_at_0_and_1():
    assert SharePosterior.of([-9.0, -9.0]).share == 0 and SharePosterior.of([9.0, 9.0]).share == 1
    sure = SharePosterior.of([60.0] * 200)  # far beyond what exp can hold
    low, high = sure.interval()
    assert np.isfinite(sure.weights).all() and low > 0.98 and high == 1
    for share in (0.0, 1.0):  # certain without images, so they have no influence
        np.testing.assert_allclose(influences([3.0, -2.0], share), 0, atol=1e-9)


@given(RATIOS, st.sampled_from([0.5, 0.8, 0.95]))
def test_interval_is_the_shortest(values, confidence):
    """Oracle: every window of the thousand shares."""
    posterior = SharePosterior.of(values)
    low, high = (round(1000 * end) for end in posterior.interval(confidence))
    reached = np.concatenate([[0], np.cumsum(posterior.weights)])
    assert reached[high] - reached[low] >= confidence - 1e-9
    shorter = reached[high - low - 1 :] - reached[: len(reached) - (high - low - 1)]
    assert shorter.max() < confidence + 1e-9
