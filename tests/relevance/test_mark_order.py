from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, Site
from similarity_lab.errors import InputError
from similarity_lab.evaluation import prediction_powered_share
from similarity_lab.relevance import (
    LearnedRule,
    Marks,
    MeanDistanceRule,
    SiteFailure,
    mark_values,
    marked_share,
    marking_order,
    with_marks,
)
from similarity_lab.relevance.verdict import probability_with_words
from similarity_lab.sites import ORIGIN_COLUMNS


@pytest.fixture
def decide(shelf, embedder, written):
    """Return a function that decides on a site of nine images by a criterion."""
    site = [*written("shop", "almonds", 2, seed=1, noise=1.4), *written("shop", "dates", 4, seed=1)]
    site += written("shop", "unknown", 3, seed=1)

    def by(criterion, **parameters):
        scorer = RelevanceScorer(
            "almonds", criterion=criterion, embedder=embedder, progress=False, **parameters
        )
        return scorer.fit(shelf).decide(site)

    return by


@pytest.mark.parametrize("criterion", ["offered", "share"])
def test_value_is_the_expected_change_of_the_probability(decide, criterion):
    """Oracle: mark each image both ways and decide again."""
    result = decide(criterion)
    result = with_marks(result, {int(result.ranked().index[1]): False})
    scored = result.images[result.images["status"] == "scored"]
    chances = probability_with_words(scored, result.settings)
    expected = {}
    for row in scored.index.difference(list(result.marks)).tolist():
        changes = [
            abs(with_marks(result, {row: shows}).probability - result.probability)
            for shows in (True, False)
        ]
        expected[row] = chances[row] * changes[0] + (1 - chances[row]) * changes[1]
    values = mark_values(result)
    assert set(values.index) == set(expected) and values.is_monotonic_decreasing
    for row, value in expected.items():
        assert values[row] == pytest.approx(value, abs=1e-9)


def test_value_counts_what_texts_name(library, sites, stub):
    site = Site.from_folder(sites / "nut-shop")
    alts = ["Dates", "Almonds", "Almonds or dates", *[""] * 7]
    origins = pd.DataFrame({"path": site.paths, "alt": alts}).reindex(columns=ORIGIN_COLUMNS)
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    result = scorer.decide(replace(site, origins=origins))
    assert result.settings.words
    for row, value in mark_values(result).items():
        changes = [
            abs(with_marks(result, {row: shows}).probability - result.probability)
            for shows in (True, False)
        ]
        assert min(changes) - 1e-9 <= value <= max(changes) + 1e-9


def test_distance_rule_starts_at_the_threshold(library, sites, stub):
    rule = MeanDistanceRule(0.001)
    scorer = RelevanceScorer("almonds", rule=rule, embedder=stub, progress=False).fit(library)
    result = scorer.decide(sites / "nut-shop")
    gaps = (result.images["distance"] - 0.001).abs()
    assert mark_values(result).index[0] == gaps.idxmin()


def test_everything_marked_has_no_order(decide):
    result = decide("offered")
    rows = result.images.index[result.images["status"] == "scored"].tolist()
    result = with_marks(result, dict.fromkeys(rows, False))
    assert mark_values(result).empty
    assert marking_order([result, SiteFailure("x", "almonds", "no images")]).empty


def test_order_mixes_sites(decide):
    first = decide("offered")
    second = with_marks(first, {int(first.ranked().index[0]): True})  # nothing left to learn
    order = marking_order([second, SiteFailure("x", "almonds", "no images"), first])
    assert order["value"].is_monotonic_decreasing and order["result"].iloc[0] == 2
    assert len(order) == 2 * first.n_scored - 1
    row = order.iloc[0]
    assert row["path"] == first.images["path"][row["row"]]
    assert len(marking_order([first], n=3)) == 3


def test_marked_share_predicts_by_the_rule(decide):
    result = decide("share", rule=LearnedRule(prior_share=0.3))
    scored = result.images[result.images["status"] == "scored"]
    truths = {row: row < 2 for row in scored.index.tolist()[::2]}
    predicted = probability_with_words(scored, result.settings)
    marks = [truths.get(row) for row in scored.index.tolist()]
    assert marked_share(result, truths) == prediction_powered_share(predicted, marks)
    saved = Marks()
    for row, shows in truths.items():
        saved.set(result.sources[row], "almonds", shows)
    assert marked_share(result, saved) == marked_share(result, truths)
    with pytest.raises(InputError, match="as it was before"):
        marked_share(with_marks(result, truths), truths)
    with pytest.raises(InputError, match="no image is marked"):
        marked_share(result, Marks())


def test_marked_share_of_the_distance_rule(library, sites, stub):
    rule = MeanDistanceRule(0.001)
    scorer = RelevanceScorer("almonds", rule=rule, embedder=stub, progress=False).fit(library)
    result = scorer.decide(sites / "nut-shop")
    everything = {row: row < 4 for row in range(10)}
    estimate = marked_share(result, everything)
    assert (estimate.low, estimate.high) == (0.4, 0.4) and estimate.n_images == 10


def test_tables_of_marks_are_plain(decide, tmp_path):
    order = marking_order([decide("offered")])
    order.to_parquet(tmp_path / "order.parquet")
    assert pd.read_parquet(tmp_path / "order.parquet")["path"].map(type).eq(str).all()
    assert np.isfinite(order["value"]).all()
