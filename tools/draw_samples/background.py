"""The images behind ``background.npz`` and ``int8.npz``: drawn by `draw`, not by `draw_staged`."""

from collections.abc import Iterable

from similarity_lab.images import Pixels
from similarity_lab.samples import IMAGES_PER_KIND, OTHERS, PRODUCTS

from .drawing import draw

_SIDE, _SEED = 300, 2**30


def background_images(numbers: Iterable[int] | None = None) -> list[Pixels]:
    """Draw `IMAGES_PER_KIND` images of each kind, in the order of `PRODUCTS` and `OTHERS`.

    With `numbers`, only those of them.
    """
    kinds = (*PRODUCTS, *OTHERS)
    indices = range(len(kinds) * IMAGES_PER_KIND) if numbers is None else numbers
    return [
        draw(kinds[n // IMAGES_PER_KIND], seed=_SEED + n % IMAGES_PER_KIND, size=(_SIDE, _SIDE))
        for n in indices
    ]
