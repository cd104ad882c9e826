from . import datasets as datasets
from . import distances as distances
from . import distributed as distributed
from . import embedders as embedders
from . import errors as errors
from . import evaluation as evaluation
from . import hosted as hosted
from . import images as images
from . import metric_learning as metric_learning
from . import pairs as pairs
from . import plots as plots
from . import relevance as relevance
from . import report as report
from . import samples as samples
from . import siamese as siamese
from . import store as store
from . import study as study
from . import web as web
from ._version import __version__, versions
from .datasets import ImageDataset, find_leaks, grocery_store, load_dataset
from .distances.comparators import compare
from .embedders import load_embedder
from .errors import ImageError, SimilarityLabError
from .evaluation.sites import evaluate
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
    "evaluate",
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
