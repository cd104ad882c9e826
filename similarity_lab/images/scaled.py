"""Decode images directly to the input size of a network, several times faster than `read_image`.

Antialiased bicubic resizing is the most expensive part of reading an image. Here an image is
first reduced by an integer factor, to at least one and a half times the target size (a JPEG while
it is decoded, which libjpeg does at almost no cost), and then resized bilinearly.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.reading import (
    MAX_PIXELS,
    UPRIGHT,
    Color,
    Pixels,
    identify,
    orientation,
    read_image,
)
from similarity_lab.images.sources import Source

__all__ = ["decode_scaled", "read_full", "read_scaled", "resize"]

_MIN_OVERSIZE = 1.5  # an image is first reduced to at least this many times the target size
_FIRST_SIDEWAYS = 5  # EXIF orientations from here on exchange height and width

_FIXED_POINT_ONE = 2048  # the weight 1 in fixed-point interpolation: 11 bits
# Values computed at a time. More fit no cache; fewer mean more calls of NumPy, and between these
# calls threads wait for each other.
_BLOCK_SIZE = 75_000
_BLOCK_ROWS = 32  # rows averaged at a time, each of many rows of a large image


def read_scaled(source: Source, *, size: tuple[int, int], color: Color = "rgb") -> Pixels:
    """Decode one image to `size`, like `read_image` except for small differences of the pixels.

    For photos, the pixels differ from those of `read_image` by about 1 of 255 on average, and
    EfficientNet vectors by a cosine distance of about 0.005; docs/benchmarks.md has the effect on
    decisions.

    Parameters
    ----------
    source : path, bytes, binary file object, PIL image or array
    size : (height, width)
        In pixels.
    color : {"rgb", "gray"}

    Returns
    -------
    ndarray of uint8
        ``(h, w, 3)`` for ``"rgb"``, ``(h, w, 1)`` for ``"gray"``; 0…255.

    Raises
    ------
    ImageError
        The image is unsupported, damaged, or exceeds a limit.

    Examples
    --------
    >>> read_scaled(np.zeros((40, 60, 3), np.uint8), size=(8, 8)).shape
    (8, 8, 3)
    """
    pixels, full_size = decode_scaled(source, size=size, color=color)
    resized = resize(pixels, size)
    if isinstance(source, OpenedImage) and color == "rgb":
        source.notify_decode(pixels, full_size, resized)
    return resized


def read_full(source: Source, *, size: tuple[int, int], color: Color = "rgb") -> Pixels:
    """Decode one image at its full size, like `read_image`; tell the observer of an `OpenedImage`.

    It is told of about the pixels that `read_scaled` would have told it of, so that nothing needs a
    second decode.

    Parameters
    ----------
    source : path, bytes, binary file object, PIL image or array
    size : (height, width)
        Input size of the network, in pixels.
    color : {"rgb", "gray"}

    Returns
    -------
    ndarray of uint8
        ``(h, w, 3)`` for ``"rgb"``, ``(h, w, 1)`` for ``"gray"``; 0…255.

    Raises
    ------
    ImageError
        The image is unsupported, damaged, or exceeds a limit.
    """
    pixels = read_image(source, color=color)
    if isinstance(source, OpenedImage) and source.is_observed and color == "rgb":
        full_size, reduced = pixels.shape[:2], pixels
        if _is_plain_jpeg(identify(source.data, source.name)):
            factor = _reduction(full_size, size)
            reduced = np.asarray(Image.fromarray(pixels).reduce(factor)) if factor > 1 else pixels
        source.notify_decode(reduced, full_size, resize(reduced, size))
    return pixels


def decode_scaled(
    source: Source, *, size: tuple[int, int], color: Color = "rgb"
) -> tuple[Pixels, tuple[int, int]]:
    """Decode one image at a scale that suffices to resize it to `size`.

    A JPEG is scaled down, but stays at least one and a half times as large as `size` if it was. All
    other images keep their size. Parameters and errors are those of `read_scaled`.

    Returns
    -------
    pixels : ndarray of uint8, shape (h, w, 3) or (h, w, 1)
        Upright.
    full_size : (height, width)
        Of the upright image before scaling, in pixels.
    """
    if not isinstance(source, (np.ndarray, Image.Image)):
        image = source if isinstance(source, OpenedImage) else OpenedImage(source)
        decoded = _decode_jpeg(image.data, image.name, size, color)
        if decoded is not None:
            return decoded
        source = image
    pixels = read_image(source, color=color)
    return pixels, pixels.shape[:2]


def _decode_jpeg(
    data: bytes, name: str, size: tuple[int, int], color: Color
) -> tuple[Pixels, tuple[int, int]] | None:
    """Return an upright JPEG, scaled down, and its full size; None if it needs `read_image`."""
    header = identify(data, name)
    if not _is_plain_jpeg(header) or header.width * header.height > MAX_PIXELS:
        return None
    exif = orientation(header)
    height, width = size[::-1] if exif >= _FIRST_SIDEWAYS else size
    try:
        pixels = simplejpeg.decode_jpeg(
            data,
            "GRAY" if color == "gray" else "RGB",
            min_height=_MIN_OVERSIZE * height,
            min_width=_MIN_OVERSIZE * width,
            strict=True,  # truncated data is an error
        )
    except ValueError:  # damaged or unsupported: `read_image` decides
        return None
    if (transpose := UPRIGHT.get(exif)) is not None:
        flat = pixels.squeeze(2) if color == "gray" else pixels
        pixels = np.asarray(Image.fromarray(flat).transpose(transpose))
        pixels = pixels.reshape(*pixels.shape[:2], -1)
    full_size = header.height, header.width
    return pixels, full_size[::-1] if exif >= _FIRST_SIDEWAYS else full_size


def _is_plain_jpeg(header: Image.Image) -> bool:
    """Return whether `decode_scaled` scales an image down while it is decoded."""
    return header.format == "JPEG" and header.mode in ("RGB", "L")


def _reduction(full_size: tuple[int, ...], size: tuple[int, int]) -> int:
    """Return the integer factor by which an image is reduced before it is resized."""
    return int(min(full_size[0] / size[0], full_size[1] / size[1]) / _MIN_OVERSIZE)


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Reduce an image by an integer factor, then resize it bilinearly.

    Equal to OpenCV's ``INTER_AREA`` and ``INTER_LINEAR`` up to rounding. OpenCV would be half a
    millisecond faster, but it is optional, and its rounding depends on the processor.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w), (h, w, 1) or (h, w, 3)
    size : (height, width)
        In pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width, 1) or (height, width, 3)
    """
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    height, width = pixels.shape[:2]
    factor = _reduction((height, width), size)
    if factor > 1:
        pixels = _average(pixels, (height // factor, width // factor))
    if pixels.shape[:2] == size:
        return pixels
    if pixels.shape[:2] == (2 * size[0], 2 * size[1]):
        return _average(pixels, size)
    return _interpolate(pixels, size)


def _interpolate(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Interpolate between the two nearest rows and columns, in fixed-point arithmetic."""
    height, width, channels = pixels.shape
    (tops, bottoms), (top_weights, bottom_weights) = _linear_weights(height, size[0], 1)
    (lefts, rights), (left_weights, right_weights) = _linear_weights(width, size[1], channels)
    rows = pixels.reshape(height, -1)
    resized = np.empty((size[0], size[1] * channels), np.uint8)
    n_rows = max(1, _BLOCK_SIZE // resized.shape[1])
    for start in range(0, size[0], n_rows):
        block = slice(start, start + n_rows)
        top, bottom = tops[block], bottoms[block]
        start_row = top[0]
        lines = rows[start_row : bottom[-1] + 1]
        columns = lines.take(lefts, 1) * left_weights
        columns += lines.take(rights, 1) * right_weights
        columns >>= 4  # leaves room for the second product in 32 bits
        total = (columns[top - start_row] * top_weights[block, None]) >> 16
        total += (columns[bottom - start_row] * bottom_weights[block, None]) >> 16
        total += 2  # of 4: rounds to nearest
        total >>= 2
        resized[block] = total
    return resized.reshape(*size, channels)


@lru_cache(256)
def _linear_weights(
    n_in: int, n_out: int, channels: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
    """Return the positions of the two neighbours of each output value and their weights.

    Both have shape (2, n_out · channels); the weights are fixed-point and sum to 2048.
    """
    # this order of operations gives the same rounding as OpenCV
    centres = ((np.arange(n_out) + 0.5) * (1 / (n_out / n_in)) - 0.5).astype(np.float32)
    lower = np.floor(centres)
    fraction = centres - lower
    neighbours = np.stack([lower, lower + 1]).astype(np.intp).clip(0, n_in - 1)
    weights = np.rint(np.stack([1 - fraction, fraction]) * np.float32(_FIXED_POINT_ONE))
    positions = neighbours[..., None] * channels + np.arange(channels)
    return positions.reshape(2, -1), np.repeat(weights, channels, axis=1).astype(np.int32)


def _average(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Average the area of each output pixel; `size` is at most half that of `pixels`."""
    height, width, channels = pixels.shape
    if height % size[0] == 0 and width % size[1] == 0:
        image = Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)
        small = image.reduce((width // size[1], height // size[0]))
        return np.asarray(small).reshape(*size, channels)
    row_weights = _area_weights(height, size[0])
    column_weights = _area_weights(width, size[1])
    averaged = np.empty((*size, channels), np.uint8)
    for start in range(0, size[0], _BLOCK_ROWS):
        block = row_weights[start : start + _BLOCK_ROWS]
        top, bottom = block.indices.min(), block.indices.max() + 1
        lines = block[:, top:bottom] @ pixels[top:bottom].reshape(bottom - top, -1)
        columns = lines.reshape(-1, width, channels).transpose(1, 0, 2).reshape(width, -1)
        means = (column_weights @ columns).reshape(size[1], -1, channels).transpose(1, 0, 2)
        averaged[start : start + _BLOCK_ROWS] = np.rint(means)
    return averaged


@lru_cache(64)
def _area_weights(n_in: int, n_out: int) -> Any:  # noqa: ANN401 (scipy's types are sparse)
    """Return the share of each input row in each output row, sparse, (n_out, n_in) float32."""
    from scipy.sparse import csr_array  # deferred: slow import

    edges = np.linspace(0, n_in, n_out + 1)
    begins = np.floor(edges[:-1] + 1e-9).astype(np.intp)
    ends = np.minimum(np.ceil(edges[1:] - 1e-9).astype(np.intp), n_in)
    counts = ends - begins
    starts = np.concatenate([[0], counts.cumsum()])
    rows = np.repeat(np.arange(n_out), counts)
    columns = np.arange(starts[-1]) - np.repeat(starts[:-1] - begins, counts)
    covered = np.minimum(columns + 1, edges[rows + 1]) - np.maximum(columns, edges[rows])
    shares = (covered * (n_out / n_in)).astype(np.float32)
    return csr_array((shares, columns, starts), shape=(n_out, n_in))
