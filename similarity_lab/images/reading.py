"""Decode an untrusted image to RGB or grayscale ``uint8``, or raise `ImageError` with a reason.

The format is recognised by the bytes, only raster formats of a short list are passed to a decoder,
and size limits are checked before decoding.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import count
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.TiffImagePlugin import TiffImageFile

from similarity_lab.errors import ImageError, InputError, one_line
from similarity_lab.images.content import describe_content, image_format
from similarity_lab.images.depth import decode_still
from similarity_lab.images.exif import exif_orientation
from similarity_lab.images.flattening import opaque, shows_something
from similarity_lab.images.heif import coded_size, open_heif
from similarity_lab.images.jpeg import (
    Jpeg,
    check_coding,
    decode_whole,
    limit_scans,
    repair,
    without_metadata,
)
from similarity_lab.images.png import open_png
from similarity_lab.images.sources import MAX_BYTES, Source, describe, read_bytes
from similarity_lab.images.tiff import open_tiff, tile_size
from similarity_lab.images.webp import open_webp

__all__ = [
    "MAX_PIXELS",
    "UPRIGHT",
    "Color",
    "Header",
    "Pixels",
    "check_image",
    "identify",
    "image_size",
    "orientation",
    "read_header",
    "read_image",
]

Color = Literal["rgb", "gray"]
"""How an image is decoded: red, green and blue in this order, or one channel."""

Pixels = npt.NDArray[np.uint8]
"""A decoded image, ``(height, width, 3)`` or ``(height, width, 1)``, 0…255."""

MAX_PIXELS = 64_000_000
"""Default limit on height × width."""

Opener = Callable[[bytes, str], Image.Image]
"""Takes the bytes of a file and its name in errors; reads the header only."""

_TRANSPARENT = "nothing to see: every pixel is transparent"

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → the transposition that makes the image upright; 1 needs none."""


def read_image(
    source: Source,
    *,
    size: int | tuple[int, int] | None = None,
    color: Color = "rgb",
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Pixels:
    """Decode one image.

    The image is what a browser shows: EXIF orientation is applied (XMP's is not), transparency is
    composited on white (on grey, if the visible pixels are white), CMYK is converted to RGB, and
    damage that concerns no pixels is ignored. Of an animation, the first frame that shows more than
    one colour is decoded; of a TIFF, the largest page. More than 8 bits per channel are scaled by
    `similarity_lab.images.depth.scale_to_8_bits`. Embedded colour profiles are ignored.

    Parameters
    ----------
    source : path, bytes, binary file object, PIL image or array
        An array is ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)``, RGB order, ``uint8``
        in 0…255 or floating point in 0…1.
    size : int or (height, width), optional
        Resize to this size in pixels (bicubic with antialiasing; the aspect ratio is not kept).
        An integer is a square.
    color : {"rgb", "gray"}
        ``"gray"`` is ITU-R 601 luma, computed before resizing, as in the original study.
    max_pixels, max_bytes : int
        Larger images are refused; the number of pixels is read from the header, before decoding.

    Returns
    -------
    ndarray of uint8
        ``(h, w, 3)`` for ``"rgb"``, ``(h, w, 1)`` for ``"gray"``; 0…255.

    Raises
    ------
    ImageError
        The image is unsupported, damaged, or exceeds a limit.
    InputError
        Unknown `color`, or a `size` below one pixel.

    Examples
    --------
    >>> import numpy as np
    >>> read_image(np.zeros((4, 6, 3), np.uint8), size=(2, 3), color="gray").shape
    (2, 3, 1)
    """
    if color not in ("rgb", "gray"):
        raise InputError(f'color must be "rgb" or "gray", got {color!r}')
    height_width = image_size(size) if size is not None else None
    image = _load(source, max_pixels, max_bytes)
    try:
        image = image.convert("L" if color == "gray" else "RGB")
    except ValueError as error:
        raise _cannot_convert(image, describe(source), error) from error
    if height_width is not None and image.size != height_width[::-1]:
        image = image.resize(height_width[::-1], Image.Resampling.BICUBIC)
    pixels = np.array(image, dtype=np.uint8)
    return pixels[..., None] if color == "gray" else pixels


def check_image(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> None:
    """Raise `ImageError` unless `read_image` would succeed; faster than decoding in full.

    JPEGs are decoded at an eighth of their size, which still reads every byte of the file.
    """
    _load(source, max_pixels, max_bytes, is_check=True)


class Header(NamedTuple):
    """Format (such as ``"JPEG"``), width and height in pixels, as an image's header declares."""

    format: str
    width: int
    height: int


def read_header(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> Header:
    """Return the header of an image without decoding it.

    Raises
    ------
    ImageError
        The image is unsupported, its header is damaged, or it exceeds a limit.
    """
    name = describe(source)
    image = identify(read_bytes(source, max_bytes), name)
    _check_pixels(image, max_pixels, name)
    return Header(image.format or "", *image.size)


def image_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return `size` as ``(height, width)``; an integer is a square."""
    try:
        height, width = (size, size) if isinstance(size, (int, np.integer)) else size
        height, width = int(height), int(width)
    except (TypeError, ValueError):
        raise InputError(f"size must be an int or (height, width), got {size!r}") from None
    if min(height, width) < 1:
        raise InputError(f"size must be at least one pixel, got {size!r}")
    return height, width


def _load(
    source: Source, max_pixels: int, max_bytes: int, *, is_check: bool = False
) -> Image.Image:
    """Return a decoded, upright, opaque image of 8 bits; as a check, JPEGs at an eighth of it."""
    name = describe(source)
    if isinstance(source, np.ndarray):
        return _opaque(_image_from_array(source), name)
    data = b"" if isinstance(source, Image.Image) else read_bytes(source, max_bytes)
    header = source if isinstance(source, Image.Image) else identify(data, name)
    _check_pixels(header, max_pixels, name)
    try:
        if header is source:  # may not be decoded yet; the caller's image stays unchanged
            header = header.copy()
            image = _opaque(header, name)
        elif header.format == "JPEG":
            image = _decode_jpeg(header, limit_scans(data, name), name, is_check=is_check)
        elif getattr(header, "is_animated", False) and header.format in _ANIMATED:
            image = _decode_animation(header, data, max_pixels, name)
        else:
            still = decode_still(header, lambda: identify(data, name))
            image = _opaque(still, name, is_check=is_check)
        if (transpose := UPRIGHT.get(orientation(header))) is not None:
            image = image.transpose(transpose)
    except ImageError:
        raise
    except Exception as error:  # decoders raise errors of any type on hostile bytes
        reason = _UNCLEAR.get(str(error), one_line(error))
        raise ImageError(name, f"damaged {header.format or 'image'}: {reason}") from error
    return image


def identify(data: bytes, name: str) -> Image.Image:
    """Return a PIL image of which only the header has been read.

    Parameters
    ----------
    data : bytes
        Content of an image file.
    name : str
        Name of the source, for the error.
    """
    if not data:
        raise ImageError(name, "empty file")
    kind = image_format(data)
    if kind is None:
        raise ImageError(name, f"unsupported image format ({describe_content(data)})")
    try:
        image = _OPENERS[kind](data, name)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(name, f"declares too many pixels: {one_line(error)}") from None
    except Exception as error:  # parsers raise errors of any type on hostile bytes
        if kind in _OPTIONAL and not features.check(kind.lower()):
            reason = f"unsupported image format ({kind}: Pillow was built without it)"
        else:
            reason = f"damaged {kind}: {_UNCLEAR.get(str(error), one_line(error))}"
        raise ImageError(name, reason) from error
    image.info.pop("xmp", None)  # Pillow would take the orientation from it
    return image


def _open_jpeg(data: bytes, name: str) -> Image.Image:
    data = limit_scans(data, name)
    try:
        return Jpeg(io.BytesIO(data))
    except Exception:
        check_coding(data, name)
        return Jpeg(io.BytesIO(without_metadata(data)))


def _opener(image_class: Callable[[io.BytesIO], Image.Image]) -> Opener:
    return lambda data, _: image_class(io.BytesIO(data))


# Only these formats are decoded, which keeps the attack surface small: no EPS (which starts
# Ghostscript), PSD, FITS …
_OPENERS: dict[str, Opener] = {
    "JPEG": _open_jpeg,
    "PNG": lambda data, _: open_png(data),
    "GIF": _opener(GifImageFile),
    "WEBP": lambda data, _: open_webp(data),
    "AVIF": _opener(AvifImageFile),
    "HEIF": open_heif,
    "BMP": _opener(BmpImageFile),
    "TIFF": open_tiff,
}
_OPTIONAL = ("WEBP", "AVIF")  # parts of Pillow
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")

_UNCLEAR = {  # Pillow's words for what a person sees otherwise
    "cannot load this image": "no pixels in it",
    "not identified by this driver": "no image in it",
    "no more images in GIF file": "no image in it",
}


def _check_pixels(image: Image.Image, max_pixels: int, name: str) -> None:
    sizes = {"": image.size, "a canvas of ": coded_size(image)}
    if isinstance(image, TiffImageFile):  # decoded tile by tile, however small the image
        sizes["a tile of "] = tile_size(image)
    for part, (width, height) in sizes.items():
        if width * height > max_pixels:
            raise ImageError(
                name, f"declares {part}{width} x {height} pixels, the limit is {max_pixels:,}"
            )


def _decode_jpeg(header: Image.Image, data: bytes, name: str, *, is_check: bool) -> Image.Image:
    if header.mode in ("RGB", "L"):
        is_gray = header.mode == "L" or is_check
        pixels = decode_whole(data, "GRAY" if is_gray else "RGB", int(is_check))
        if pixels is not None:
            return Image.fromarray(pixels[..., 0] if is_gray else pixels)
    check_coding(data, name)
    image = _open_jpeg(repair(data, name), name)
    image.load()
    return image


def _decode_animation(image: Image.Image, data: bytes, max_pixels: int, name: str) -> Image.Image:
    """Return the first frame that shows something, else the first that is not transparent."""
    first: Image.Image | None = None
    n_pixels = 0
    for index in count():
        try:
            image.seek(index)
            _check_pixels(image, max_pixels, name)  # a frame may be larger than the first
            image.load()
        except Exception:
            if index > 0:
                break  # the end, or damage; frames before it are good
            if image.format == "PNG":  # it has a still image, too
                still = open_png(data, is_still=True)
                return _opaque(decode_still(still, lambda: open_png(data, is_still=True)), name)
            raise
        frame = opaque(image)
        if frame is not None and shows_something(frame):
            return frame
        if first is None and frame is not None:
            first = frame.copy()  # seeking changes the image
        n_pixels += image.width * image.height
        if n_pixels >= MAX_PIXELS:  # thousands of blank frames compress well
            break
    if first is None:
        raise ImageError(name, _TRANSPARENT)
    return first


def _cannot_convert(image: Image.Image, name: str, error: Exception) -> ImageError:
    return ImageError(name, f"cannot convert {image.mode} pixels: {one_line(error)}")


def _opaque(image: Image.Image, name: str, *, is_check: bool = False) -> Image.Image:
    try:
        flat = opaque(image, is_check=is_check)
    except Exception as error:  # modes that Pillow cannot convert, invalid transparency
        raise _cannot_convert(image, name, error) from error
    if flat is None:
        raise ImageError(name, _TRANSPARENT)
    return flat


def _image_from_array(array: np.ndarray) -> Image.Image:
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if (
        flat.ndim not in (2, 3)
        or flat.size == 0
        or (flat.ndim == 3 and flat.shape[2] not in (3, 4))
    ):
        raise ImageError(
            "<array>", f"expected (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), got {array.shape}"
        )
    if np.issubdtype(flat.dtype, np.floating):
        if not (np.isfinite(flat).all() and flat.min() >= 0 and flat.max() <= 1):
            raise ImageError("<array>", "floating-point pixels must lie in 0…1; divide by 255")
        flat = np.rint(flat * 255).astype(np.uint8)
    if flat.dtype != np.uint8:
        raise ImageError("<array>", f"expected uint8 in 0…255 or floats in 0…1, got {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(flat))


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) … 8; 1 if there is none."""
    exif = image.info.get("exif")
    return exif_orientation(exif) if isinstance(exif, bytes) else 1
