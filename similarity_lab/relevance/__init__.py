"""From distances to a decision: does this site sell the target?"""

from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.references import ReferenceDraw
from similarity_lab.relevance.scorer import RelevanceScorer, SiteFailure, decisions_table

__all__ = ["ReferenceDraw", "RelevanceScorer", "SiteFailure", "SiteRelevance", "decisions_table"]
