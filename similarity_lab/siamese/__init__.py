"""Siamese networks: one tower for both images, a head on the distance between their vectors.

Names are imported on first use: importing this package does not import Keras. What Keras must know
to load a saved network is registered as soon as Keras is imported, before or after this package.
"""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names
from similarity_lab.siamese.registration import register_with_keras

if TYPE_CHECKING:
    from similarity_lab.siamese.architectures import architecture_1, architecture_2
    from similarity_lab.siamese.comparator import SiameseComparator, load
    from similarity_lab.siamese.heads import build
    from similarity_lab.siamese.losses import ContrastiveLoss, TripletSemiHardLoss, make_loss
    from similarity_lab.siamese.run import TrainingRun
    from similarity_lab.siamese.strong import (
        fit_projection,
        strong_tower,
        train_strong,
        unfreeze,
    )
    from similarity_lab.siamese.training import train

_HOMES = {
    "ContrastiveLoss": "losses",
    "SiameseComparator": "comparator",
    "TrainingRun": "run",
    "TripletSemiHardLoss": "losses",
    "architecture_1": "architectures",
    "architecture_2": "architectures",
    "build": "heads",
    "fit_projection": "strong",
    "load": "comparator",
    "make_loss": "losses",
    "strong_tower": "strong",
    "train": "training",
    "train_strong": "strong",
    "unfreeze": "strong",
}

__all__ = [
    "ContrastiveLoss",
    "SiameseComparator",
    "TrainingRun",
    "TripletSemiHardLoss",
    "architecture_1",
    "architecture_2",
    "build",
    "fit_projection",
    "load",
    "make_loss",
    "strong_tower",
    "train",
    "train_strong",
    "unfreeze",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

register_with_keras()
