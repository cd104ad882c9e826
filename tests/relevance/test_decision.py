"""The decision and what can be asked of it, on tables of images that the tests wrote themselves."""

import json

import numpy as np
import pandas as pd
import pytest

from similarity_lab.relevance.deciding import by_distance, by_probability
from similarity_lab.relevance.decision import (
    IMAGE_COLUMNS,
    SITE_COLUMNS,
    SiteRelevance,
    check_thresholds,
    evidence,
)
from similarity_lab.relevance.marks import with_marks
from similarity_lab.relevance.tables import SiteFailure, decisions_table, expected_accuracy

METHODS = ["learned", "mean-distance"]
both = pytest.mark.parametrize("method", METHODS)
SETTINGS = {"prior_share": 0.3, "certainty": 0.9}
COUNTS = {"scored": 12, "repeated": 3, "left out": 2, "skipped": 1}


def table(method):
    """Return 18 images in any order; of the scored ones some are equal, and a third matches."""
    rng = np.random.default_rng(0)
    statuses = rng.permutation(np.repeat(list(COUNTS), list(COUNTS.values())))
    chances = np.empty(len(statuses))
    chances[statuses == "scored"] = rng.permutation([0.9, 0.8, 0.7, 0.6, *[0.4, 0.3, 0.2, 0.1] * 2])
    chances[statuses != "scored"] = 0.95  # better than any that counts
    images = pd.DataFrame({"path": [f"{at}.jpg" for at in range(len(statuses))]}).reindex(
        columns=IMAGE_COLUMNS
    )
    images["status"], images["score"], images["reason"] = statuses, chances, ""
    images["distance" if method == "mean-distance" else "probability"] = chances
    if method == "mean-distance":
        images["distance"] = 1 - chances
    images.loc[statuses == "skipped", ["score", "distance", "probability"]] = np.nan
    return images


def decided(method, **changed):
    skipped = pd.DataFrame({"path": ["bad.jpg"], "reason": ["holds text"]})
    given = {
        "method": method, "similarity_threshold": 0.5, "relevance_threshold": 0.25,
        "settings": SETTINGS, "site": "shop", "target": "almonds", "skipped": skipped,
        "embedder": "written", "versions": {"similarity_lab": "1"}, "origins": skipped,
    }  # fmt: skip
    return SiteRelevance.from_images(table(method), **{**given, **changed})


@pytest.fixture(params=METHODS)
def result(request):
    return decided(request.param)


def test_each_method_decides_by_its_rule():
    learned, original = decided("learned"), decided("mean-distance")
    for one, found in [
        (learned, by_probability(table("learned"), 0.5, 0.25, *SETTINGS.values())),
        (original, by_distance(table("mean-distance"), 0.5, 0.25)),
    ]:
        for name in found.keys() - {"images"}:
            assert getattr(one, name) == found[name]
        pd.testing.assert_frame_equal(one.images, found["images"][IMAGE_COLUMNS])


def test_a_row_says_what_was_counted(result):
    row = result.to_row()
    assert list(row) == SITE_COLUMNS and result.n_scored == 12 and result.n_matches == 4
    expected = {"n_matches": 4, "n_scored": 12, "n_repeated": 3, "n_left_out": 2, "n_skipped": 1}
    expected |= {"similarity_threshold": 0.5, "relevance_threshold": 0.25, "reason": ""}
    assert {name: row[name] for name in expected} == expected
    assert (row["share_low"], row["share_high"]) == result.interval
    for name in ("site", "target", "decision", "relevant", "probability", "share"):
        assert row[name] == getattr(result, name)


@both
@pytest.mark.parametrize(
    "changed", [{}, {"similarity_threshold": 0.25}, {"relevance_threshold": 0.75}]
)
def test_other_thresholds_decide_as_if_they_had_been_asked_for(method, changed):
    moved, expected = decided(method).rethreshold(**changed), decided(method, **changed)
    assert moved.to_row() == expected.to_row()
    pd.testing.assert_frame_equal(moved.images, expected.images)
    assert moved.versions == expected.versions and moved.origins is not None


def test_the_best_and_the_nearest_misses_come_first(result):
    scored = result.images[result.images["status"] == "scored"]
    best = sorted(scored.index, key=lambda at: -scored["score"][at])  # equal ones as they were
    assert result.ranked().index.tolist() == best
    misses = [at for at in best if not scored["is_match"][at]]
    assert result.nearest_misses(99).index.tolist() == misses
    assert result.nearest_misses().index.tolist() == misses[:5]


def test_what_moved_the_decision_most_comes_first():
    learned, original = decided("learned"), decided("mean-distance")
    influence = learned.images["influence"].abs().dropna()
    most = sorted(influence.index, key=lambda at: -influence[at])
    assert learned.deciding(99).index.tolist() == most and len(most) == 12
    assert learned.deciding().index.tolist() == most[:5]
    assert set(influence[most[:5]].index) != set(learned.ranked().head(5).index)
    assert original.deciding().index.tolist() == original.ranked().index.tolist()[:5]


def test_the_sentence_names_a_probability_where_there_is_one():
    learned, original = decided("learned"), decided("mean-distance")
    assert repr(original) == (
        "<shop: relevant for almonds: 4 of 12 images match, share 33% "
        "(95 % interval 14% to 61%; relevant from 25%)>"
    )
    assert f"from 25% with probability {learned.probability:.1%})" in learned.summary()


def test_all_of_it_becomes_json(result):
    told = result.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert {name: told[name] for name in SITE_COLUMNS} == result.to_row()
    assert (told["method"], told["embedder"]) == (result.method, "written")
    assert [image["path"] for image in told["images"]] == result.images["path"].tolist()
    unread = [image["score"] is None for image in told["images"]]
    assert unread == (result.images["status"] == "skipped").tolist()
    assert told["skipped"] == [{"path": "bad.jpg", "reason": "holds text"}]


def test_json_has_no_endless_distances():
    result = decided("mean-distance")
    row = int(result.ranked().index[0])
    told = with_marks(result, {row: False}).to_dict()  # farther than any threshold
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["images"][row]["distance"] is None and told["images"][row]["reason"]


def test_evidence_is_a_probability_or_a_distance():
    assert evidence(decided("learned").ranked().head(2)) == ["90.0%", "80.0%"]
    assert evidence(decided("mean-distance").ranked().head(2)) == ["0.100", "0.200"]
    half = pd.DataFrame({"probability": [0.5, np.nan], "distance": [0.25, 1]})
    assert evidence(half) == ["0.250", "1.000"]


def test_thresholds_that_can_be_meant():
    for relevance in (0, 0.5, 1):
        check_thresholds(-3.0, relevance)
    for relevance in (-0.01, 1.01, np.nan):
        with pytest.raises(ValueError, match="is a share from 0 to 1, got"):
            check_thresholds(0.5, relevance)
    for similarity in (np.nan, np.inf):
        with pytest.raises(ValueError, match="must be a finite number, got"):
            check_thresholds(similarity, 0.25)


def test_failures_stand_in_the_table_of_sites(result):
    failure = SiteFailure("gone", "almonds", "no such folder")
    sites = decisions_table([failure, result])
    assert list(sites.columns) == SITE_COLUMNS and sites["site"].tolist() == ["gone", "shop"]
    assert sites["reason"].tolist() == ["no such folder", ""] and pd.isna(sites["decision"][0])
    assert failure.to_dict() == {"site": "gone", "target": "almonds", "reason": "no such folder"}


def test_expected_accuracy_is_the_mean_of_what_is_certain():
    chances = [0.0, 0.07, 0.1, 0.3, 0.5, 0.7, 0.9, 0.96, 1.0]
    found = expected_accuracy(pd.DataFrame({"probability": [*chances, None]}))
    right = [max(chance, 1 - chance) for chance in chances]
    sure = [chance for chance in right if chance >= 0.9]
    assert found["unsure_rate"] == pytest.approx(1 - len(sure) / len(chances))
    assert found["accuracy"] == pytest.approx(np.mean(sure))
    assert found["accuracy_forced"] == pytest.approx(np.mean(right))
    with pytest.raises(ValueError, match="no decision here has a probability"):
        expected_accuracy(pd.DataFrame({"probability": [None]}))
