from .architectures import architecture_1, architecture_2
from .comparator import SiameseComparator, load
from .heads import build
from .losses import ContrastiveLoss, TripletSemiHardLoss, make_loss
from .run import TrainingRun
from .strong import fit_projection, strong_tower, train_strong, unfreeze
from .training import train

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
