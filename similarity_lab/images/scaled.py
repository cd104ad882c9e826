"""Decode pictures straight to the size of a network: several times cheaper than in full.

Most of what decoding costs is antialiased bicubic resizing. Here a picture is scaled down by a
whole factor first, a JPEG while it is decoded (libjpeg does that almost for free), until it is at
least one and a half times as large as wanted; then one interpolates between neighbours.
"""

import numpy as np
import simplejpeg
from PIL import Image

from similarity_lab.images import (
    MAX_PIXELS,
    UPRIGHT,
    Color,
    Pixels,
    identified,
    orientation,
    read_image,
)
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.sources import Source

_SPARE = 1.5  # at least so much larger than wanted before interpolating
_SIDEWAYS = 5  # EXIF orientations from here on exchange height and width


def read_scaled(source: Source, *, size: tuple[int, int], color: Color = "rgb") -> Pixels:
    """Decode one picture to `size`; like `read_image` in everything but the exact pixels.

    Photos' pixels differ from `read_image`'s by about one of 255 on average, their EfficientNet
    vectors by a cosine distance of about 0.005; what that costs in decisions is in
    docs/benchmarks.md.

    Parameters
    ----------
    source : path, bytes, binary file object, PIL image or array
    size : (height, width)
    color : {"rgb", "gray"}

    Returns
    -------
    ndarray of uint8
        ``(h, w, 3)`` for ``"rgb"``, ``(h, w, 1)`` for ``"gray"``; 0…255.

    Raises
    ------
    ImageError
        With a reason, if this is no picture, is damaged, or is over a limit.

    Examples
    --------
    >>> read_scaled(np.zeros((40, 60, 3), np.uint8), size=(8, 8)).shape
    (8, 8, 3)
    """
    if isinstance(source, (np.ndarray, Image.Image)):
        return _resized(read_image(source, color=color), size)
    image = source if isinstance(source, OpenedImage) else OpenedImage(source)
    decoded = _from_jpeg(image.data, image.name, size, color)
    if decoded is None:
        pixels = read_image(image, color=color)
        decoded = pixels, pixels.shape[:2]
    pixels, full_size = decoded
    resized = _resized(pixels, size)
    if color == "rgb":
        image.decoded(pixels, full_size, resized)
    return resized


def _from_jpeg(
    data: bytes, name: str, size: tuple[int, int], color: Color
) -> tuple[Pixels, tuple[int, int]] | None:
    """Return an upright JPEG, scaled down, and its full size; None if it needs `read_image`."""
    header = identified(data, name)
    plain = header.format in ("JPEG", "MPO") and header.mode in ("RGB", "L")
    if not plain or header.width * header.height > MAX_PIXELS:
        return None
    lies = orientation(header)
    height, width = size[::-1] if lies >= _SIDEWAYS else size
    try:
        pixels = simplejpeg.decode_jpeg(
            data,
            "GRAY" if color == "gray" else "RGB",
            min_height=_SPARE * height,
            min_width=_SPARE * width,
            strict=True,  # what is truncated is no picture
        )
    except ValueError:  # damaged, or merely odd: the other decoder says which
        return None
    if (turn := UPRIGHT.get(lies)) is not None:
        pixels = np.asarray(Image.fromarray(pixels.squeeze()).transpose(turn))
    full_size = header.height, header.width
    return pixels, full_size[::-1] if lies >= _SIDEWAYS else full_size


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    import cv2  # who looks vectors up does not wait for it

    height, width = pixels.shape[:2]
    factor = int(min(height / size[0], width / size[1]) / _SPARE)
    if factor > 1:
        pixels = cv2.resize(
            pixels, (width // factor, height // factor), interpolation=cv2.INTER_AREA
        )
    if pixels.shape[:2] != size:
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR)
    return pixels.reshape(*size, -1)
