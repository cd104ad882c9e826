"""Metric learning with TensorFlow Similarity: fit an embedding, index images, calibrate, match.

Names are imported on first use: importing this package imports neither TensorFlow nor Keras.
Training needs the extra ``train``: ``pip install "similarity_lab[train]"``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
