import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab.evaluation import balanced_threshold

DISTANCES = st.lists(st.integers(0, 12).map(lambda n: n / 8), min_size=1, max_size=12)


def balanced_accuracy(positives, negatives, cut):
    return (np.mean(np.array(positives) <= cut) + np.mean(np.array(negatives) > cut)) / 2


@given(DISTANCES, DISTANCES)
def test_balanced_threshold_is_optimal(positives, negatives):
    """Oracle: brute force over all cut points."""
    cuts = [-1.0, *sorted({*positives, *negatives})]
    best = max(balanced_accuracy(positives, negatives, cut) for cut in cuts)
    cut = balanced_threshold(positives, negatives)
    assert balanced_accuracy(positives, negatives, cut) == pytest.approx(best)


def test_balanced_threshold_is_the_midpoint_of_the_gap():
    assert balanced_threshold([0.1, 0.2], [0.6, 0.7]) == pytest.approx(0.4)


def test_balanced_threshold_refuses_an_empty_class():
    with pytest.raises(ValueError, match="non-empty"):
        balanced_threshold([], [0.5])
