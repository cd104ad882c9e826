"""Pairs of images of the same class and of different classes: arrays, positions, training streams.

`make_pairs`, `make_pairs_target` and `pair_indices` need NumPy only. The streams and the callback
are Keras's (extra ``train``) and imported on first use: importing this package imports no Keras.
"""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names
from similarity_lab.images.augmentation import Augmentation
from similarity_lab.pairs.arrays import make_pairs, make_pairs_target
from similarity_lab.pairs.indices import pair_indices

if TYPE_CHECKING:
    from similarity_lab.pairs.streams import ClassBalancedStream, MineNegatives, PairStream

_HOMES = {"ClassBalancedStream": "streams", "MineNegatives": "streams", "PairStream": "streams"}

__all__ = [
    "Augmentation",
    "ClassBalancedStream",
    "MineNegatives",
    "PairStream",
    "make_pairs",
    "make_pairs_target",
    "pair_indices",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
