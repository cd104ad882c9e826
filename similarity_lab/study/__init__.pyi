from .experiments import EXPERIMENTS, Experiment, run_experiment
from .faults import ImageZeroPairs, SelfPairs, blue_channel, target_positions
from .mnist import Demo, run_demo
from .scoring import embed_alone, original_decision, original_distances

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
