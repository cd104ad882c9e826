from dataclasses import replace

import pytest

from similarity_lab.relevance import DecisionSettings, ReferenceDraw
from similarity_lab.report.views import settings_table

from .conftest import CALIBRATION

LEARNED = DecisionSettings(
    "learned", "written", 0.5, 0.25, criterion="offered", certainty=0.9, prior=0.25,
    prior_share=0.1, n_references=5,
)  # fmt: skip
MEAN_DISTANCE = DecisionSettings(
    "mean-distance", "written", 0.5, 0.25, n_references=5, reference_draw=ReferenceDraw()
)


def test_settings_table_of_the_learned_rule():
    words = ("almonds", "mandel")
    settings = replace(LEARNED, n_marked=2, other_products=4, words=words, calibration=CALIBRATION)
    assert settings_table(settings) == {
        "rule": "learned",
        "criterion": "offered",
        "embedder": "written",
        "similarity threshold": "probability at least 0.5",
        "certainty": "at least 0.9",
        "prior that a site sells it": "0.25",
        "prior that an image shows it": "0.1",
        "reference images": "5",
        "other products": "4",
        "names looked for": "almonds, mandel",
        "separability": "0.988",
        "reliability": "0.75",
        "marked by hand": "2 images",
    }


def test_settings_table_has_the_relevance_threshold_by_the_criterion_share():
    table = settings_table(replace(LEARNED, criterion="share"))
    assert table["relevance threshold"] == "share at least 25%"


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
    assert table["relevance threshold"] == "share at least 25%"
    assert not {"certainty", "names looked for", "prior that a site sells it"} & set(table)
