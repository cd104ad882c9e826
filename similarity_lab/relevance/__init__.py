"""From vectors to a decision: does this site sell the target?"""

from similarity_lab.relevance.classifier import SiteClassifier
from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.library_check import LibraryReport, library_report
from similarity_lab.relevance.mark_formats import (
    LABEL_STUDIO_CONFIG,
    read_fiftyone,
    read_label_studio,
    write_fiftyone,
    write_label_studio,
)
from similarity_lab.relevance.mark_order import mark_values, marking_order
from similarity_lab.relevance.marks import Marks, marked_share, with_marks
from similarity_lab.relevance.rules import LearnedRule, MeanDistanceRule, ReferenceDraw
from similarity_lab.relevance.scorer import RelevanceScorer
from similarity_lab.relevance.settings import DecisionSettings, TextBasis
from similarity_lab.relevance.tables import (
    SiteFailure,
    decisions_table,
    expected_accuracy,
    rank_results,
)

__all__ = [
    "LABEL_STUDIO_CONFIG",
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
    "mark_values",
    "marked_share",
    "marking_order",
    "rank_results",
    "read_fiftyone",
    "read_label_studio",
    "with_marks",
    "write_fiftyone",
    "write_label_studio",
]
