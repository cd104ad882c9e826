"""Evaluation: how good decisions on sites are, and how well distances separate products.

`evaluate` measures a scorer on sites that a person has judged.

Verification and retrieval take vectors and a way to compare them (a distance, or a comparator's
`between`), so that all comparators are measured in the same way.
"""

from similarity_lab.evaluation.bounds import BoundedThreshold, bounded_threshold, error_bound
from similarity_lab.evaluation.calibration import expected_calibration_error, reliability_curve
from similarity_lab.evaluation.confusion import confused_classes
from similarity_lab.evaluation.intervals import bootstrap_interval, wilson_interval
from similarity_lab.evaluation.measures import Between, DistanceSource
from similarity_lab.evaluation.prediction_powered import (
    ShareEstimate,
    prediction_powered_share,
)
from similarity_lab.evaluation.retrieval import Retrieval, evaluate_retrieval, nearest_labels
from similarity_lab.evaluation.sites import (
    SiteEvaluation,
    SiteScorer,
    evaluate,
    evaluate_decisions,
)
from similarity_lab.evaluation.thresholds import balanced_threshold
from similarity_lab.evaluation.verification import PairDistances, distance_auc, pair_distances

__all__ = [
    "Between",
    "BoundedThreshold",
    "DistanceSource",
    "PairDistances",
    "Retrieval",
    "ShareEstimate",
    "SiteEvaluation",
    "SiteScorer",
    "balanced_threshold",
    "bootstrap_interval",
    "bounded_threshold",
    "confused_classes",
    "distance_auc",
    "error_bound",
    "evaluate",
    "evaluate_decisions",
    "evaluate_retrieval",
    "expected_calibration_error",
    "nearest_labels",
    "pair_distances",
    "prediction_powered_share",
    "reliability_curve",
    "wilson_interval",
]
