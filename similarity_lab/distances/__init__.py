"""Distances between vectors and between images; smaller = more alike."""

from similarity_lab.distances.metrics import (
    DISTANCES,
    Cosine,
    Distance,
    Dot,
    Euclidean,
    get_distance,
)

__all__ = ["DISTANCES", "Cosine", "Distance", "Dot", "Euclidean", "get_distance"]
