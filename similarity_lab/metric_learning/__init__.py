"""The TensorFlow Similarity approach: train an embedding, index photos, look up, calibrate, match.

Names are imported on first use (PEP 562): importing this package loads no network library. What
trains needs the extra ``metric``: ``pip install "similarity_lab[metric]"``.
"""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names

if TYPE_CHECKING:
    from similarity_lab.metric_learning.calibration import Calibration, PromiseWarning, calibrate
    from similarity_lab.metric_learning.embedder import RememberingEmbedder
    from similarity_lab.metric_learning.index import PhotoIndex
    from similarity_lab.metric_learning.learner import MetricLearner
    from similarity_lab.metric_learning.manifest import SavedModelError

_HOMES = {
    "Calibration": "calibration",
    "MetricLearner": "learner",
    "PhotoIndex": "index",
    "PromiseWarning": "calibration",
    "RememberingEmbedder": "embedder",
    "SavedModelError": "manifest",
    "calibrate": "calibration",
}

__all__ = [
    "Calibration",
    "MetricLearner",
    "PhotoIndex",
    "PromiseWarning",
    "RememberingEmbedder",
    "SavedModelError",
    "calibrate",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
