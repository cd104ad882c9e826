"""Thumbnails: small JPEGs of images, for report pages."""

import io
from typing import NamedTuple

from PIL import Image

from similarity_lab.images.reading import Pixels

__all__ = ["THUMBNAIL_SIDE", "EncodedThumbnail", "make_thumbnail"]

THUMBNAIL_SIDE = 180
"""Longer side of a thumbnail, in pixels."""

_QUALITY = 78


class EncodedThumbnail(NamedTuple):
    """A small JPEG.

    Attributes
    ----------
    data : bytes
    width, height : int
        In pixels.
    digest : str
        Content digest of the original image; empty if unknown.
    """

    data: bytes
    width: int
    height: int
    digest: str = ""


def make_thumbnail(pixels: Pixels, side: int = THUMBNAIL_SIDE) -> EncodedThumbnail:
    """Return an image as a small JPEG.

    It is encoded from pixels alone, so that nothing else of an untrusted file gets into a page.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
    side : int
        Length of the longer side, in pixels; smaller images keep their size.

    Examples
    --------
    >>> import numpy as np
    >>> thumbnail = make_thumbnail(np.zeros((90, 360, 3), np.uint8))
    >>> thumbnail.data[:2].hex(), thumbnail.width, thumbnail.height
    ('ffd8', 180, 45)
    """
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return EncodedThumbnail(buffer.getvalue(), image.width, image.height)
