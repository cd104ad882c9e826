"""How well distances tell products apart: verification, retrieval, and which are confused.

Everything takes vectors and a way to compare them (a distance, or a comparator's `between`), so
that all comparators are measured alike.
"""

from similarity_lab.evaluation.calibration import calibration_error, reliability
from similarity_lab.evaluation.confusion import confused_classes
from similarity_lab.evaluation.measures import Between, DistanceSource
from similarity_lab.evaluation.searching import Retrieval, nearest_labels, retrieval
from similarity_lab.evaluation.verification import PairDistances, distance_auc, pair_distances

__all__ = [
    "Between",
    "DistanceSource",
    "PairDistances",
    "Retrieval",
    "calibration_error",
    "confused_classes",
    "distance_auc",
    "nearest_labels",
    "pair_distances",
    "reliability",
    "retrieval",
]
