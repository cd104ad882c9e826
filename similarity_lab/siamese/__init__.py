"""Siamese networks: one tower for both images, a head on the distance between their vectors.

Names are imported on first use: importing this package does not import Keras. What Keras must know
to load a saved network is registered as soon as Keras is imported, before or after this package.
"""

import lazy_loader

from similarity_lab.siamese.registration import register_with_keras

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

register_with_keras()
