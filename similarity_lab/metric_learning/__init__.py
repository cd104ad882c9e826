"""The TensorFlow Similarity approach: train an embedding, index photos, look up, calibrate, match.

Names are imported on first use (PEP 562): importing this package loads no network library. What
trains needs the extra ``train``: ``pip install "similarity_lab[train]"``.
"""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names

if TYPE_CHECKING:
    from similarity_lab.metric_learning.calibration import Calibration, calibrate
    from similarity_lab.metric_learning.index import PhotoIndex
    from similarity_lab.metric_learning.learner import MetricLearner

_HOMES = {
    "Calibration": "calibration",
    "MetricLearner": "learner",
    "PhotoIndex": "index",
    "calibrate": "calibration",
}

__all__ = [
    "Calibration",
    "MetricLearner",
    "PhotoIndex",
    "calibrate",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
