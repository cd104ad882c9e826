"""Small generated photos of products, for the demo, the tests and the notebooks: no network.

`draw` gives one photo as an array; `make_samples` writes a labelled library and the images of
eight invented shops, with the truth about which of them sell almonds.
"""

from .drawing import OTHERS, PRODUCTS, draw
from .writing import Samples, make_samples

__all__ = ["OTHERS", "PRODUCTS", "Samples", "draw", "make_samples"]
