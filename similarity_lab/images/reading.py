"""Decode an untrusted image to RGB or grayscale ``uint8``, or raise `ImageError` with a reason.

The type is sniffed from the bytes, only raster formats of a short list are passed to a decoder,
and size limits are checked before decoding.
"""

import io
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from similarity_lab.errors import ImageError, InputError, one_line
from similarity_lab.images.sources import MAX_BYTES, Source, describe, read_bytes

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

# A progressive JPEG has about ten scans. Each may take thirty bytes and yet cover all pixels, so
# that one megabyte could take hours to decode; libtiff has the same limit.
_SCAN, _MAX_SCANS = b"\xff\xda", 100

# Only these formats are decoded, which keeps the attack surface small: no EPS (which starts
# Ghostscript), PSD, FITS … `init` registers the decoders once, and not in the decoding threads.
Image.init()
_SUPPORTED = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF")
_FORMATS = tuple(name for name in _SUPPORTED if name in Image.OPEN)
_TRANSPARENT_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_INTERMEDIATE_MODES = {"LAB": "RGB", "La": "LA"}  # the only mode to which Pillow converts these

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

    EXIF orientation is applied, transparency is composited on white, 16-bit and CMYK images are
    converted to 8-bit RGB, and only the first frame of an animation is decoded. Embedded colour
    profiles are ignored.

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
    with _load(source, max_pixels, max_bytes) as image:
        converted = _convert(image, color, describe(source))
        if height_width is not None and converted.size != height_width[::-1]:
            converted = converted.resize(height_width[::-1], Image.Resampling.BICUBIC)
        pixels = np.array(converted, dtype=np.uint8)
    return pixels[..., None] if color == "gray" else pixels


def check_image(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> None:
    """Raise `ImageError` unless `read_image` would succeed; faster than decoding in full.

    JPEGs are decoded at an eighth of their size, which still reads every byte of the file.
    """
    with _load(source, max_pixels, max_bytes, draft=True) as image:
        if image.mode == "F":
            _flatten(image, describe(source))


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


def _load(source: Source, max_pixels: int, max_bytes: int, *, draft: bool = False) -> Image.Image:
    """Return a decoded, upright PIL image; with `draft`, JPEGs at an eighth of their size."""
    name = describe(source)
    if isinstance(source, np.ndarray):
        return _image_from_array(source)
    image = (
        source if isinstance(source, Image.Image) else identify(read_bytes(source, max_bytes), name)
    )
    _check_pixels(image, max_pixels, name)
    try:
        if image is source:  # may not be decoded yet; the caller's image stays unchanged
            image = image.copy()
        elif draft:
            image.draft("L", (1, 1))
        image.load()
        if (transpose := UPRIGHT.get(orientation(image))) is not None:
            image = image.transpose(transpose)
    except Exception as error:  # decoders raise errors of any type on hostile bytes
        raise ImageError(name, f"damaged {image.format or 'image'}: {one_line(error)}") from error
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
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        raise ImageError(name, f"unsupported image format ({_guess_content(data)})") from None
    except Image.DecompressionBombError as error:
        raise ImageError(name, f"declares too many pixels: {one_line(error)}") from None
    except Exception as error:  # parsers raise errors of any type on hostile bytes
        raise ImageError(name, f"damaged header: {one_line(error)}") from error
    if image.format in ("JPEG", "MPO") and (scans := data.count(_SCAN)) > _MAX_SCANS:
        raise ImageError(
            name, f"{scans:,} JPEG scans (decompression bomb?), the limit is {_MAX_SCANS}"
        )
    return image


def _check_pixels(image: Image.Image, max_pixels: int, name: str) -> None:
    sizes = {"": image.size}
    if isinstance(image, TiffImageFile):  # decoded tile by tile, however small the image
        width, height = (image.tag_v2.get(tag, 0) for tag in (TILEWIDTH, TILELENGTH))
        if isinstance(width, int) and isinstance(height, int):  # Pillow refuses other types
            sizes["a tile of "] = width, height
    for part, (width, height) in sizes.items():
        if width * height > max_pixels:
            raise ImageError(
                name, f"declares {part}{width} x {height} pixels, the limit is {max_pixels:,}"
            )


def _guess_content(data: bytes) -> str:
    head = data[:512].lstrip().lower()
    if b"<svg" in head:
        return "SVG is a vector graphic"
    if data[4:8] == b"ftyp":
        return f"content is {data[8:12].decode('ascii', 'replace').strip()} media"
    if b"\0" not in head and head.isascii():
        is_html = b"<html" in head or b"<!doctype html" in head
        return f"content looks like {'HTML' if is_html else 'text'}"
    return "content not recognised"


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
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF is common on the web and does not affect the pixels
        return 1


def _convert(image: Image.Image, color: Color, name: str) -> Image.Image:
    """Return an 8-bit image with three channels or one."""
    try:
        flat = _flatten(image, name)
        return flat.convert("L" if color == "gray" else "RGB")
    except ImageError:
        raise
    except Exception as error:  # modes that Pillow cannot convert, invalid transparency
        raise ImageError(name, f"cannot convert {image.mode} pixels: {one_line(error)}") from error


def _flatten(image: Image.Image, name: str) -> Image.Image:
    """Return an 8-bit image without transparency."""
    if image.mode == "F":
        raise ImageError(name, "floating-point pixels have no known range; use 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(np.clip(values // 257, 0, 255).astype(np.uint8))
    if (mode := _INTERMEDIATE_MODES.get(image.mode)) is not None:
        image = image.convert(mode)
    if image.mode in _TRANSPARENT_MODES or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image
