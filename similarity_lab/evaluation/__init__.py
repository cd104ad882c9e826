"""Evaluation: how well distances separate products, and how well probabilities are calibrated.

Verification and retrieval take vectors and a way to compare them (a distance, or a comparator's
`between`), so that all comparators are measured in the same way.
"""

from similarity_lab.evaluation.calibration import expected_calibration_error, reliability_curve
from similarity_lab.evaluation.confusion import confused_classes
from similarity_lab.evaluation.intervals import bootstrap_interval, wilson_interval
from similarity_lab.evaluation.measures import Between, DistanceSource
from similarity_lab.evaluation.retrieval import Retrieval, evaluate_retrieval, nearest_labels
from similarity_lab.evaluation.thresholds import balanced_threshold
from similarity_lab.evaluation.verification import PairDistances, distance_auc, pair_distances

__all__ = [
    "Between",
    "DistanceSource",
    "PairDistances",
    "Retrieval",
    "balanced_threshold",
    "bootstrap_interval",
    "confused_classes",
    "distance_auc",
    "evaluate_retrieval",
    "expected_calibration_error",
    "nearest_labels",
    "pair_distances",
    "reliability_curve",
    "wilson_interval",
]
