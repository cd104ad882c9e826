"""The rules that turn vectors into scores.

`LearnedRule` and `MeanDistanceRule` are parameters; what they learn from a library is a
`FittedLearnedRule` or a `FittedMeanDistanceRule`.
"""

from similarity_lab.relevance.rules.learned import FittedLearnedRule, LearnedRule
from similarity_lab.relevance.rules.mean_distance import (
    FittedMeanDistanceRule,
    MeanDistanceRule,
    ReferenceDraw,
)

Rule = LearnedRule | MeanDistanceRule
FittedRule = FittedLearnedRule | FittedMeanDistanceRule

__all__ = [
    "FittedLearnedRule",
    "FittedMeanDistanceRule",
    "LearnedRule",
    "MeanDistanceRule",
    "ReferenceDraw",
]
