"""HEIC photos, as phones take them, with the optional library pi-heif."""

import io
import re

from PIL import Image

from similarity_lab.errors import ImageError, MissingExtraError

__all__ = ["coded_size", "open_heif"]

_CODED_SIZE = "size before cropping"  # a key of the image's `info`
_SIZE = re.compile(rb"\0\0\0\x14ispe\0\0\0\0(.{4})(.{4})", re.DOTALL)


def open_heif(data: bytes, name: str) -> Image.Image:
    """Return the primary image of a HEIC photo, of which only the header has been read.

    It is turned as the container says; EXIF does not count.

    Raises
    ------
    ImageError
        pi-heif is not installed; the message says how to install it.
    Exception
        Of any type: the header is damaged.
    """
    try:
        from pi_heif.as_plugin import HeifImageFile  # registers nothing in Pillow
    except ModuleNotFoundError:
        needs = MissingExtraError("reading it", "pi-heif", "heif")
        raise ImageError(name, f"unsupported image format (HEIC photo; {needs})") from None
    image: Image.Image = HeifImageFile(io.BytesIO(data))
    image.info[_CODED_SIZE] = max(_sizes(data), default=(0, 0), key=lambda size: size[0] * size[1])
    return image


def _sizes(data: bytes) -> list[tuple[int, int]]:
    return [
        (int.from_bytes(width, "big"), int.from_bytes(height, "big"))
        for width, height in _SIZE.findall(data)
    ]


def coded_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height before the image is cropped, which is decoded; 0 if unknown."""
    width, height = image.info.get(_CODED_SIZE, (0, 0))
    return width, height
