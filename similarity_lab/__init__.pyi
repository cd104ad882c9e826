from ._version import __version__, versions
from .datasets import ImageDataset, find_leaks, grocery_store, load_dataset
from .distances.comparators import compare
from .embedders import load_embedder
from .errors import ImageError, SimilarityLabError
from .images import read_image
from .pairs import make_pairs, make_pairs_target
from .ranking import Ranking, rank
from .relevance import RelevanceScorer, SiteRelevance
from .samples import make_samples
from .sites import Site

__all__ = [
    "ImageDataset",
    "ImageError",
    "Ranking",
    "RelevanceScorer",
    "SimilarityLabError",
    "Site",
    "SiteRelevance",
    "__version__",
    "compare",
    "find_leaks",
    "grocery_store",
    "load_dataset",
    "load_embedder",
    "make_pairs",
    "make_pairs_target",
    "make_samples",
    "rank",
    "read_image",
    "versions",
]
