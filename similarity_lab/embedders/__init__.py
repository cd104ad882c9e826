"""Embedders: image → vector, with packaged networks or your own, behind one small protocol."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
