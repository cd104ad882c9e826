"""Words as a second witness: which product the texts around an image name."""

from similarity_lab.relevance.words.evidence import FIELDS, KINDS, TargetWords, WordEvidence
from similarity_lab.relevance.words.food_names import FoodNames, Product

__all__ = ["FIELDS", "KINDS", "FoodNames", "Product", "TargetWords", "WordEvidence"]
