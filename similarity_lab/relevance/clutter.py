"""Images of a site that show no goods: icons, banners, graphics of few colours."""

from typing import Literal

import numpy as np

from similarity_lab.images import Pixels

Clutter = Literal["icons", "banners", "graphics"]
KINDS: tuple[Clutter, ...] = ("icons", "banners", "graphics")

_ICON_SIDE = 64  # pixels, longer side
_BANNER_ASPECT = 3.0  # longer side over shorter
_GRID = 96  # rows and columns of the sampled pixels
_FEW_COLOURS = 6  # of 512, that make up nearly all of a graphic
_NEARLY_ALL = 0.95


def clutter_kind(pixels: Pixels, size: tuple[int, int] | None = None) -> Clutter | None:
    """Return whether an image is an icon, a banner or a graphic, judging by its pixels alone.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
    size : (height, width), optional
        Of the image in full, if `pixels` are reduced.

    Returns
    -------
    {"icons", "banners", "graphics"} or None
        Icons have at most 64 pixels on the longer side; banners are at least three times as long
        as they are high, or the other way round; graphics (logos, images of text) consist of few
        flat colours. None for photos.

    Examples
    --------
    >>> clutter_kind(np.zeros((40, 40, 3), np.uint8))
    'icons'
    >>> clutter_kind(np.zeros((100, 400, 3), np.uint8))
    'banners'
    >>> clutter_kind(np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)) is None
    True
    """
    longer, shorter = sorted(size or pixels.shape[:2], reverse=True)
    if longer <= _ICON_SIDE:
        return "icons"
    if longer >= _BANNER_ASPECT * shorter:
        return "banners"
    height, width = pixels.shape[:2]
    rows = np.linspace(0, height - 1, min(height, _GRID)).astype(int)
    columns = np.linspace(0, width - 1, min(width, _GRID)).astype(int)
    colours = (pixels[rows][:, columns] // 32).astype(np.int64).reshape(-1, 3) @ [64, 8, 1]
    counts = np.sort(np.bincount(colours, minlength=512))[::-1]
    return "graphics" if counts[:_FEW_COLOURS].sum() >= _NEARLY_ALL * colours.size else None
