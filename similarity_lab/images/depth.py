"""Pixels of more than 8 bits per channel: decode them in full, and scale them to 8 bits."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from similarity_lab.errors import InputError

__all__ = ["decode_still", "is_deep", "scale_to_8_bits"]

# How Pillow unpacks 16-bit colours, of which it keeps the high bytes → how to unpack their low
# bytes instead: in the other order.
_NOT_NATIVE = "B" if sys.byteorder == "little" else "L"
_LOW_BYTES = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for order, other in {"L": "B", "B": "L", "N": _NOT_NATIVE}.items()
} | {"LA;16B": "RGBA"}  # unpacked as four bytes: high and low of each channel


def is_deep(mode: str) -> bool:
    """Return whether a Pillow mode has one channel of more than 8 bits."""
    return mode in ("I", "F") or mode.startswith("I;16")


def scale_to_8_bits(values: npt.NDArray[np.number]) -> npt.NDArray[np.uint8]:
    """Scale pixels of more than 8 bits by the range that they use.

    - Integers: by the smallest bit depth, from 8, that holds all values. A 12-bit scan in a 16-bit
      file is divided by 4095, not by 65535, which would make it black.
    - Floating point: at most 1: by the smallest power of two that no value exceeds, usually 1;
      at most 255: unchanged; larger: like integers.
    - With negative values, there is no common scale: lowest … highest becomes 0…255.

    Values that are not finite count as the lowest one. A dark image that uses only a part of its
    depth becomes brighter; it cannot be told from a scan of fewer bits.

    Parameters
    ----------
    values : ndarray of numbers, any shape

    Returns
    -------
    ndarray of uint8, same shape

    Raises
    ------
    InputError
        No value is finite.

    Examples
    --------
    >>> scale_to_8_bits(np.array([0, 2048, 4095], np.uint16))
    array([  0, 127, 255], dtype=uint8)
    >>> scale_to_8_bits(np.array([0, 0.5, 1.0]))
    array([  0, 128, 255], dtype=uint8)
    """
    if np.issubdtype(values.dtype, np.floating):
        finite = np.isfinite(values)
        if not finite.any():
            raise InputError("no pixel is a number")
        lowest = values.min(where=finite, initial=np.inf)
        values = np.where(finite, values, lowest).astype(np.float64)
    else:
        values = values.astype(np.int64)
    lowest, highest = values.min(), values.max()
    if lowest < 0:
        spread = float(highest) - float(lowest) or 1.0
        return np.rint((values - float(lowest)) * (255 / spread)).astype(np.uint8)
    if np.issubdtype(values.dtype, np.integer):
        return (values * 255 // (2 ** max(8, int(highest).bit_length()) - 1)).astype(np.uint8)
    if highest > 255:
        full = 2.0 ** np.ceil(np.log2(highest + 1)) - 1
    elif highest > 1:
        full = 255.0
    else:
        full = 2.0 ** np.ceil(np.log2(highest)) if highest > 0 else 1.0
    return np.rint(values * (255 / full)).astype(np.uint8)


def decode_still(image: Image.Image, reopen: Callable[[], Image.Image]) -> Image.Image:
    """Decode a still image of which only the header has been read.

    Pillow keeps the high bytes of 16-bit colours only. Where they leave bits unused, the low bytes
    are decoded as well, and both are scaled by what is used.

    Parameters
    ----------
    image : PIL image
    reopen : callable
        Returns the same image, not decoded yet.

    Returns
    -------
    PIL image
        In its own mode; "RGB" or "RGBA" after scaling.
    """
    rawmode = _rawmode(image)
    image.load()
    low_rawmode = _LOW_BYTES.get(rawmode)
    if low_rawmode is None:
        return image
    high = np.asarray(image)
    if high[..., :3].max() >= 128:  # the highest bit is used
        return image
    low_image = reopen()
    if isinstance(low_image, ImageFile.ImageFile):
        low_image.tile = [_with_rawmode(tile, low_rawmode) for tile in low_image.tile]
    low_image.load()
    low = np.asarray(low_image)
    if rawmode == "LA;16B":
        low = low[..., [1, 1, 1, 3]]
    pixels = scale_to_8_bits(high[..., :3].astype(np.uint16) << 8 | low[..., :3])
    scaled = Image.fromarray(np.concatenate([pixels, high[..., 3:]], axis=2))
    scaled.info = image.info
    return scaled


def _rawmode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", None)
    args = tiles[0].args if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _with_rawmode(tile: Any, rawmode: str) -> Any:  # noqa: ANN401 (a private type of Pillow)
    args = (rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode
    return tile._replace(args=args)
