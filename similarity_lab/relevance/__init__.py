"""From vectors to a decision: does this site sell the target?"""

from similarity_lab.relevance.classifier import SiteClassifier
from similarity_lab.relevance.decision import DecisionSettings, SiteRelevance, TextBasis
from similarity_lab.relevance.library_check import LibraryReport, library_report
from similarity_lab.relevance.marks import Marks, with_marks
from similarity_lab.relevance.rules import LearnedRule, MeanDistanceRule, ReferenceDraw
from similarity_lab.relevance.scorer import RelevanceScorer
from similarity_lab.relevance.tables import (
    SiteFailure,
    decisions_table,
    expected_accuracy,
    rank_results,
)

__all__ = [
    "DecisionSettings",
    "LearnedRule",
    "LibraryReport",
    "Marks",
    "MeanDistanceRule",
    "ReferenceDraw",
    "RelevanceScorer",
    "SiteClassifier",
    "SiteFailure",
    "SiteRelevance",
    "TextBasis",
    "decisions_table",
    "expected_accuracy",
    "library_report",
    "rank_results",
    "with_marks",
]
