"""The original study, reproduced: its scoring loop, its training with all faults, its MNIST demo.

Names are imported on first use: importing this package does not import Keras. Everything here
needs the extra ``train``.
"""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names

if TYPE_CHECKING:
    from similarity_lab.study.experiments import EXPERIMENTS, Experiment, run_experiment
    from similarity_lab.study.faults import (
        ImageZeroPairs,
        SelfPairs,
        blue_channel,
        target_positions,
    )
    from similarity_lab.study.mnist import Demo, run_demo
    from similarity_lab.study.scoring import embed_alone, original_decision, original_distances

_HOMES = {
    "Demo": "mnist",
    "EXPERIMENTS": "experiments",
    "Experiment": "experiments",
    "ImageZeroPairs": "faults",
    "SelfPairs": "faults",
    "blue_channel": "faults",
    "embed_alone": "scoring",
    "original_decision": "scoring",
    "original_distances": "scoring",
    "run_demo": "mnist",
    "run_experiment": "experiments",
    "target_positions": "faults",
}

__all__ = [
    "EXPERIMENTS",
    "Demo",
    "Experiment",
    "ImageZeroPairs",
    "SelfPairs",
    "blue_channel",
    "embed_alone",
    "original_decision",
    "original_distances",
    "run_demo",
    "run_experiment",
    "target_positions",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
