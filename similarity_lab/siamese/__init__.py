"""Siamese networks: one tower for both images, a head on the distance between their vectors.

Names are imported on first use (PEP 562): importing this package loads no network library.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from similarity_lab.siamese.architectures import architecture_1, architecture_2
    from similarity_lab.siamese.comparator import SiameseComparator
    from similarity_lab.siamese.heads import build
    from similarity_lab.siamese.losses import ContrastiveLoss, TripletSemiHardLoss, make_loss
    from similarity_lab.siamese.run import TrainingRun
    from similarity_lab.siamese.strong import fit_projection, strong_tower, unfreeze
    from similarity_lab.siamese.training import train

_HOME = {
    "ContrastiveLoss": "losses",
    "SiameseComparator": "comparator",
    "TrainingRun": "run",
    "TripletSemiHardLoss": "losses",
    "architecture_1": "architectures",
    "architecture_2": "architectures",
    "build": "heads",
    "fit_projection": "strong",
    "make_loss": "losses",
    "strong_tower": "strong",
    "train": "training",
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
    "make_loss",
    "strong_tower",
    "train",
    "unfreeze",
]


def __getattr__(name: str) -> object:
    """Import a name from its module the first time it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
