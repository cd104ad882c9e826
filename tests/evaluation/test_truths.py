import numpy as np
import pandas as pd
import pytest

from similarity_lab.errors import InputError
from similarity_lab.evaluation import (
    bounded_threshold,
    expected_calibration_error,
    reliability_curve,
)

MEASURES = [bounded_threshold, expected_calibration_error, reliability_curve]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_truth_is_refused(measure, missing):
    """None would count as false, NaN as true."""
    with pytest.raises(InputError, match="truth is missing for 1 of 2 cases"):
        measure([0.2, 0.9], [True, missing])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("value", ["irrelevant", "False", 2, 0.5])
def test_other_value_than_a_truth_is_refused(measure, value):
    """Every text but the empty one would count as true."""
    with pytest.raises(InputError, match="truth is True, False or None"):
        measure([0.2, 0.9], [True, value])


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda v: pd.array(v, "boolean")])
def test_truth_of_any_kind_is_read(kind):
    truth = [True, False, True]
    expected = reliability_curve([0.9, 0.2, 0.8], np.array(truth))
    for values in (truth, [int(value) for value in truth]):
        assert reliability_curve([0.9, 0.2, 0.8], kind(values)).equals(expected)
