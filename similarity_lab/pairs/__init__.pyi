from .arrays import make_pairs, make_pairs_target
from .indices import pair_indices
from .streams import ClassBalancedStream, MineNegatives, PairStream

__all__ = [
    "ClassBalancedStream",
    "MineNegatives",
    "PairStream",
    "make_pairs",
    "make_pairs_target",
    "pair_indices",
]
