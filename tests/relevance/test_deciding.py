"""From a table of images to a decision, against the two rules spelled out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.relevance.deciding import by_distance, by_probability

STATUSES = st.sampled_from(["scored", "repeated", "left out", "skipped"])
TENTHS = st.integers(0, 10).map(lambda number: number / 10)  # so that thresholds are met exactly
TABLES = st.lists(st.tuples(STATUSES, TENTHS), max_size=12).flatmap(
    lambda rows: st.permutations([*rows, ("scored", 0.5)])  # without one there is no decision
)


def table(column, rows):
    """Return images of which only the skipped ones have no figure, as `site_images` makes them."""
    images = pd.DataFrame(rows, columns=["status", column])
    images[column] = images[column].where(images["status"] != "skipped")
    return images


@given(TABLES, TENTHS, TENTHS)
def test_the_original_rule_counts_matches(rows, similar, relevant):
    counted = [distance for status, distance in rows if status == "scored"]
    matches = [distance for distance in counted if distance <= similar]
    found = by_distance(table("distance", rows), similar, relevant)
    assert found["share"] == len(matches) / len(counted)
    assert found["relevant"] == (len(matches) / len(counted) >= relevant)
    assert found["decision"] == ("relevant" if found["relevant"] else "irrelevant")
    assert found["interval"] == wilson_interval(len(matches), len(counted))
    assert found["probability"] is None
    expected = [status == "scored" and distance <= similar for status, distance in rows]
    assert found["images"]["is_match"].tolist() == expected


@given(TABLES, TENTHS, st.integers(1, 99), st.floats(0.05, 0.95), st.floats(0.5, 1))
def test_the_learned_rule_weighs_all_shares(rows, similar, percent, prior, certainty):
    """Oracle: Bayes' rule on a grid of shares; what the prior added to each image is taken off."""
    images, relevant = table("probability", rows), percent / 100
    found = by_probability(images, similar, relevant, prior, certainty)
    grid = (np.arange(4_000) + 0.5) / 4_000

    def posterior(chances):
        each = [grid * p / prior + (1 - grid) * (1 - p) / (1 - prior) for p in chances]
        likely = np.prod(each, axis=0) * np.ones(len(grid))
        return likely / likely.sum()

    def log_odds(chances):
        above = posterior(chances)[grid >= relevant].sum()
        return np.log(above / (1 - above))

    counted = [chance for status, chance in rows if status == "scored"]
    chance = found["probability"]
    likely = posterior(counted)
    assert chance == pytest.approx(likely[grid >= relevant].sum(), abs=1e-4)
    assert likely[np.abs(grid - found["share"]) < 0.0005].max() > 0.999 * likely.max()
    low, high = found["interval"]
    assert likely[(grid > low) & (grid < high)].sum() == pytest.approx(0.95, abs=0.03)
    assert found["relevant"] == (chance >= 0.5)
    forced = "relevant" if found["relevant"] else "irrelevant"
    assert found["decision"] == ("unsure" if max(chance, 1 - chance) < certainty else forced)
    just = by_probability(images, similar, relevant, prior, max(chance, 1 - chance))
    assert just["decision"] == forced  # as certain as was asked for
    expected = [status == "scored" and chance >= similar for status, chance in rows]
    assert found["images"]["is_match"].tolist() == expected
    influence = found["images"]["influence"]
    assert influence.isna().tolist() == [status != "scored" for status, _ in rows]
    if 1e-4 < chance < 1 - 1e-4:
        rest = [counted[:at] + counted[at + 1 :] for at in range(len(counted))]
        expected = [log_odds(counted) - log_odds(some) for some in rest]
        np.testing.assert_allclose(influence.dropna(), expected, rtol=0.01, atol=0.01)
