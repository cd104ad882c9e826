"""The TensorFlow Similarity approach: train an embedding, index photos, look up, calibrate, match.

Names are imported on first use (PEP 562): importing this package loads no network library. What
trains needs the extra ``train``: ``pip install "similarity_lab[train]"``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
