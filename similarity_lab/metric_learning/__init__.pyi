from .calibration import Calibration, calibrate
from .index import PhotoIndex
from .learner import MetricLearner

__all__ = [
    "Calibration",
    "MetricLearner",
    "PhotoIndex",
    "calibrate",
]
