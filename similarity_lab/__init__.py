"""Does this supplier's website sell the product I look for, judging by its images?

Data takes one way through the package::

    images ──► datasets, sites ──► embedders ──► comparators ──► relevance ──► report, plots

The names below are the front door; everything else is reached through its module. Names are
imported on first use, so that ``import similarity_lab`` stays quick and loads no network library.
"""

import importlib
from typing import TYPE_CHECKING

from similarity_lab._version import __version__, versions

if TYPE_CHECKING:
    from similarity_lab.comparators import compare
    from similarity_lab.datasets import ImageDataset, find_leaks, grocery_store, load_dataset
    from similarity_lab.embedders import load_embedder
    from similarity_lab.images import ImageError, read_image
    from similarity_lab.relevance import RelevanceScorer, SiteRelevance
    from similarity_lab.samples import make_samples
    from similarity_lab.sites import Site

_HOME = {
    "ImageDataset": "datasets",
    "ImageError": "images",
    "RelevanceScorer": "relevance",
    "Site": "sites",
    "SiteRelevance": "relevance",
    "compare": "comparators",
    "find_leaks": "datasets",
    "grocery_store": "datasets",
    "load_dataset": "datasets",
    "load_embedder": "embedders",
    "make_samples": "samples",
    "read_image": "images",
}

__all__ = [
    "ImageDataset",
    "ImageError",
    "RelevanceScorer",
    "Site",
    "SiteRelevance",
    "__version__",
    "compare",
    "find_leaks",
    "grocery_store",
    "load_dataset",
    "load_embedder",
    "make_samples",
    "read_image",
    "versions",
]


def __getattr__(name: str) -> object:
    """Import a public name from its module the first time it is asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
