"""Pairs of images of the same class and of different classes: arrays, positions, training streams.

`make_pairs`, `make_pairs_target` and `pair_indices` need NumPy only. The streams and the callback
are Keras's (extra ``train``) and imported on first use: importing this package imports no Keras.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
