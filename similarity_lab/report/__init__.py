"""Report decisions to people: static pages, a notebook gallery, a labelling widget, safe tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
