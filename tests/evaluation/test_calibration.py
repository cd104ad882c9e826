import numpy as np
import pytest

from similarity_lab.evaluation import expected_calibration_error, reliability_curve


def test_expected_calibration_error_equals_a_loop_over_bins():
    rng = np.random.default_rng(0)
    predicted = rng.random(1000)
    observed = rng.random(1000) < predicted**2
    order, error = np.argsort(predicted), 0.0
    for part in np.array_split(order, 15):
        error += len(part) / 1000 * abs(predicted[part].mean() - observed[part].mean())
    assert expected_calibration_error(predicted, observed) == pytest.approx(error)
    assert reliability_curve(predicted, observed)["n"].sum() == 1000
    assert expected_calibration_error(predicted, rng.random(1000) < predicted) < error


def test_reliability_curve_invalid_input():
    with pytest.raises(ValueError, match="one truth value per probability"):
        reliability_curve([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="0 to 1"):
        reliability_curve([1.1], [True])
    with pytest.raises(ValueError, match="at least 1"):
        reliability_curve([0.1], [True], bins=0)
