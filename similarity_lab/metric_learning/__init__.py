"""Metric learning with TensorFlow Similarity: fit an embedding, index images, calibrate, match.

Names are imported on first use: importing this package imports neither TensorFlow nor Keras.
Training needs the extra ``train``: ``pip install "similarity_lab[train]"``.
"""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names

if TYPE_CHECKING:
    from similarity_lab.metric_learning.calibration import Calibration, calibrate
    from similarity_lab.metric_learning.index import ImageIndex
    from similarity_lab.metric_learning.learner import MetricLearner
    from similarity_lab.metric_learning.losses import make_loss
    from similarity_lab.metric_learning.towers import (
        EfficientNetTower,
        FeatureTower,
        HeadEmbedder,
        SmallTower,
    )

_HOMES = {
    "Calibration": "calibration",
    "EfficientNetTower": "towers",
    "FeatureTower": "towers",
    "HeadEmbedder": "towers",
    "ImageIndex": "index",
    "MetricLearner": "learner",
    "SmallTower": "towers",
    "calibrate": "calibration",
    "make_loss": "losses",
}

__all__ = [
    "Calibration",
    "EfficientNetTower",
    "FeatureTower",
    "HeadEmbedder",
    "ImageIndex",
    "MetricLearner",
    "SmallTower",
    "calibrate",
    "make_loss",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
