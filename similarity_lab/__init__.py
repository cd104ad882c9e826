"""Decide from the images of a supplier's website whether it sells a product.

Data flows through the package in one direction:

    images ──► datasets, sites ──► embedders ──► distances ──► relevance ──► report, plots

The names in ``__all__`` are imported on first use, so that ``import similarity_lab`` is fast and
does not import TensorFlow. Everything else is imported from its module.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
