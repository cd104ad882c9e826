from .calibration import Calibration, calibrate
from .index import ImageIndex
from .learner import MetricLearner
from .losses import make_loss
from .towers import EfficientNetTower, FeatureTower, HeadEmbedder, SmallTower

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
