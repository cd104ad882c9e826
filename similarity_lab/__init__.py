"""Does this supplier's website sell the product I look for, judging by its images?

Data takes one way through the package:

    images ──► datasets, sites ──► embedders ──► distances ──► relevance ──► report, plots

The names below are the public interface; everything else is reached through its module. They are
imported on first use, so that ``import similarity_lab`` is fast and loads no network library.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
