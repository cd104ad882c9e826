import numpy as np
import pytest

from similarity_lab.evaluation import calibration_error, reliability


def test_against_a_loop():
    rng = np.random.default_rng(0)
    said = rng.random(1000)
    so = rng.random(1000) < said**2
    order, error = np.argsort(said), 0.0
    for part in np.array_split(order, 15):
        error += len(part) / 1000 * abs(said[part].mean() - so[part].mean())
    assert calibration_error(said, so) == pytest.approx(error)
    assert reliability(said, so)["n"].sum() == 1000
    assert calibration_error(said, rng.random(1000) < said) < error


def test_bad_input():
    with pytest.raises(ValueError, match="as many probabilities as truths"):
        reliability([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="0 to 1"):
        reliability([1.1], [True])
    with pytest.raises(ValueError, match="at least 1"):
        reliability([0.1], [True], bins=0)
