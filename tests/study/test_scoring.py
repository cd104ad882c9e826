"""The study's scoring loop; tests/relevance compares the package's rule with it."""

import pytest

from similarity_lab.relevance import MeanDistanceRule, RelevanceScorer
from similarity_lab.relevance.rules.mean_distance import ORIGINAL_THRESHOLD
from similarity_lab.study import original_decision, scoring


def test_constants_are_the_defaults_of_the_package():
    assert MeanDistanceRule().n_references == scoring.N_REFERENCES == 15
    assert ORIGINAL_THRESHOLD == scoring.SIMILARITY_THRESHOLD == 0.65
    assert RelevanceScorer("almonds").relevance_threshold == scoring.RELEVANCE_THRESHOLD == 0.25


@pytest.mark.parametrize(
    "distances, is_relevant",
    [([0.65, 0.66, 0.7, 0.9], True), ([0.651, 0.7, 0.8, 0.9], False), ([0.1] + [0.9] * 4, False)],
)
def test_original_decision_at_the_thresholds(distances, is_relevant):
    assert original_decision(distances) == is_relevant
