"""Pictures of a site that show no goods at all: icons, banners, drawings of few colours."""

from typing import Literal

import numpy as np

from similarity_lab.images import Pixels

Clutter = Literal["icons", "banners", "graphics"]
KINDS: tuple[Clutter, ...] = ("icons", "banners", "graphics")

_ICON = 64  # pixels, longer side
_BANNER = 3.0  # longer side over shorter
_SIDE = 96  # looked at in so many rows and columns
_FEW = 6  # colours, of 512, that make up nearly all of a graphic
_NEARLY_ALL = 0.95


def clutter_kind(image: Pixels) -> Clutter | None:
    """Say whether a picture is an icon, a banner or a graphic, judging by its pixels alone.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)

    Returns
    -------
    {"icons", "banners", "graphics"} or None
        Icons have at most 64 pixels on the longer side; banners are three times as long as they
        are short; graphics (logos, pictures of text) consist of few flat colours. None for photos.

    Examples
    --------
    >>> clutter_kind(np.zeros((40, 40, 3), np.uint8))
    'icons'
    >>> clutter_kind(np.zeros((100, 400, 3), np.uint8))
    'banners'
    >>> clutter_kind(np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)) is None
    True
    """
    height, width = image.shape[:2]
    if max(height, width) <= _ICON:
        return "icons"
    if max(height, width) >= _BANNER * min(height, width):
        return "banners"
    rows = np.linspace(0, height - 1, min(height, _SIDE)).astype(int)
    columns = np.linspace(0, width - 1, min(width, _SIDE)).astype(int)
    coarse = (image[rows][:, columns] // 32).astype(np.int64).reshape(-1, 3) @ [64, 8, 1]
    most = np.sort(np.bincount(coarse, minlength=512))[::-1]
    return "graphics" if most[:_FEW].sum() >= _NEARLY_ALL * coarse.size else None
