from dataclasses import replace

import pytest

from similarity_lab.relevance import DecisionSettings, ReferenceDraw
from similarity_lab.report.views import settings_table

LEARNED = DecisionSettings(
    "learned", "written", 0.5, 0.25, certainty=0.9, prior_share=0.3, n_references=5
)
MEAN_DISTANCE = DecisionSettings(
    "mean-distance", "written", 0.5, 0.25, n_references=5, reference_draw=ReferenceDraw()
)


def test_settings_table_of_the_learned_rule():
    assert settings_table(replace(LEARNED, n_marked=2, other_products=4)) == {
        "rule": "learned",
        "embedder": "written",
        "similarity threshold": "probability at least 0.5",
        "relevance threshold": "share at least 25%",
        "reference images": "5",
        "certainty": "at least 0.9",
        "prior share": "0.3",
        "other products": "4",
        "marked by hand": "2 images",
    }


@pytest.mark.parametrize(
    ("draw", "references", "aggregate"),
    [
        (ReferenceDraw(), "15 with replacement", "mean"),
        (ReferenceDraw(draw="all", aggregate="nearest"), "all", "nearest"),
        (
            ReferenceDraw(aggregate="mean-of-nearest"),
            "15 with replacement",
            "mean of the 3 nearest",
        ),
    ],
)
def test_settings_table_of_the_mean_distance_rule(draw, references, aggregate):
    table = settings_table(replace(MEAN_DISTANCE, reference_draw=draw))
    assert table["similarity threshold"] == "distance at most 0.5"
    assert (table["references per image"], table["aggregate"]) == (references, aggregate)
    assert "certainty" not in table and "prior share" not in table
