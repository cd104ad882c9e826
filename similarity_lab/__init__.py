"""Does this supplier's website sell the product I look for, judging by its images?

Data takes one way through the package:

    images ──► datasets, sites ──► embedders ──► comparators ──► relevance ──► report, plots

The names below are the front door; everything else is reached through its module. Names are
imported on first use, so that ``import similarity_lab`` stays quick and loads no network library.
"""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names
from similarity_lab._version import __version__, versions

if TYPE_CHECKING:
    from similarity_lab.datasets import ImageDataset, find_leaks, grocery_store, load_dataset
    from similarity_lab.distances.comparators import compare
    from similarity_lab.embedders import load_embedder
    from similarity_lab.errors import ImageError, SimilarityLabError
    from similarity_lab.images import read_image
    from similarity_lab.pairs import make_pairs, make_pairs_target
    from similarity_lab.ranking import Ranking, rank
    from similarity_lab.relevance import RelevanceScorer, SiteRelevance
    from similarity_lab.samples import make_samples
    from similarity_lab.sites import Site

_HOMES = {
    "ImageDataset": "datasets",
    "ImageError": "errors",
    "Ranking": "ranking",
    "RelevanceScorer": "relevance",
    "SimilarityLabError": "errors",
    "Site": "sites",
    "SiteRelevance": "relevance",
    "compare": "distances.comparators",
    "find_leaks": "datasets",
    "grocery_store": "datasets",
    "load_dataset": "datasets",
    "load_embedder": "embedders",
    "make_pairs": "pairs",
    "make_pairs_target": "pairs",
    "make_samples": "samples",
    "rank": "ranking",
    "read_image": "images",
}

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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
