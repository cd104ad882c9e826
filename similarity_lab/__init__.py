"""Decide from the images of a supplier's website whether it sells a product.

Data flows through the package in one direction:

    images ──► datasets, sites ──► embedders ──► distances ──► relevance ──► report, plots

The names in ``__all__`` and the sub-packages are imported on first use, so that
``import similarity_lab`` is fast and does not import TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)

_ROOMS = frozenset(
    {
        "datasets", "distances", "distributed", "embedders", "errors", "evaluation", "hosted",
        "images", "metric_learning", "pairs", "plots", "relevance", "report", "samples",
        "siamese", "store", "study", "web",
    }
)  # fmt: skip
# a star import takes the names, not the sub-packages: some of these need an extra
__all__ = [name for name in _names if name not in _ROOMS]
