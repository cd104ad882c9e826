"""Views of an image: the whole image or a centred square, each at its size, from one decode."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.reading import Color, Pixels, read_image
from similarity_lab.images.scaled import decode_scaled, read_full, resize
from similarity_lab.images.sources import Source

__all__ = ["View", "crop_centre", "decode_size", "read_views"]


class View(NamedTuple):
    """What a network is shown of an image.

    Attributes
    ----------
    size : (height, width)
        In pixels, to which it is resized.
    share : float
        Side of the centred square, as a share of the image's shorter side, above 0 and below 1;
        1 is the whole image.
    scaled : bool
        Decode and resize as `read_scaled` does; otherwise as `read_image`.
    resized : bool
        False: the pixels stay as they are decoded, for a network that resizes them itself.
    """

    size: tuple[int, int]
    share: float = 1.0
    scaled: bool = False
    resized: bool = True


def read_views(source: Source, views: Sequence[View], *, color: Color = "rgb") -> list[Pixels]:
    """Decode one image once, at the scale that its smallest crop needs, and return its views.

    Parameters
    ----------
    source : path, bytes, binary file object, PIL image or array
    views : sequence of View
        If all are `scaled`, a JPEG is scaled down while it is decoded. The observer of an
        `OpenedImage` is told of the decode.
    color : {"rgb", "gray"}

    Returns
    -------
    list of ndarray of uint8
        ``(h, w, 3)`` for ``"rgb"``, ``(h, w, 1)`` for ``"gray"``; 0…255.

    Raises
    ------
    ImageError
        The image is unsupported, damaged, or exceeds a limit.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> [pixels.shape for pixels in read_views(image, [View((8, 8)), View((9, 9), share=0.5)])]
    [(8, 8, 3), (9, 9, 3)]
    """
    if not all(view.scaled and view.resized for view in views):
        pixels = read_full(source, size=views[0].size, color=color)
        return [_cut(pixels, view, color) for view in views]
    pixels, full_size = decode_scaled(source, size=decode_size(views), color=color)
    cut = [_cut(pixels, view, color) for view in views]
    if isinstance(source, OpenedImage) and color == "rgb":
        source.notify_decode(pixels, full_size, cut[0])
    return cut


def decode_size(views: Sequence[View]) -> tuple[int, int]:
    """Return the height and width that an image needs, so that no view of it is enlarged.

    Examples
    --------
    >>> decode_size([View((224, 224)), View((224, 224), share=0.5), View((380, 380))])
    (448, 448)
    """
    needed = [
        view.size if view.share == 1 else (ceil(max(view.size) / view.share),) * 2 for view in views
    ]
    return max(height for height, _ in needed), max(width for _, width in needed)


def crop_centre(pixels: Pixels, share: float) -> Pixels:
    """Return the centred square whose side is a share of the shorter side, at least one pixel.

    Examples
    --------
    >>> import numpy as np
    >>> crop_centre(np.arange(24, dtype=np.uint8).reshape(4, 6, 1), 0.5)[..., 0]
    array([[ 8,  9],
           [14, 15]], dtype=uint8)
    """
    height, width = pixels.shape[:2]
    side = max(1, round(share * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _cut(pixels: Pixels, view: View, color: Color) -> Pixels:
    part = pixels if view.share == 1 else crop_centre(pixels, view.share)
    if not view.resized:
        return part
    return resize(part, view.size) if view.scaled else read_image(part, size=view.size, color=color)
