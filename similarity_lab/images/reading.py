"""Decode anything that may be a picture to RGB or grayscale ``uint8``, or refuse with a reason.

Pictures come from strangers' websites, so the type is sniffed from the bytes, only raster formats
on a short list are ever handed to a decoder, and size limits are checked before decoding.
"""

import io
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from similarity_lab.errors import ImageError, InputError
from similarity_lab.images.sources import MAX_BYTES, Source, describe, one_line, read_bytes

__all__ = [
    "Color", "Header", "ImageError", "Pixels", "check_image", "image_size", "read_header",
    "read_image",
]  # fmt: skip

Color = Literal["rgb", "gray"]
"""How an image is read: three channels in this order, or one."""

Pixels = npt.NDArray[np.uint8]
"""A decoded image, ``(height, width, 3)`` or ``(height, width, 1)``, 0…255."""

MAX_PIXELS = 64_000_000
# A progressive JPEG has about ten scans. Each may be thirty bytes long and go over all pixels, so
# that a megabyte could take hours to decode; libtiff has the same limit.
_SCAN, _MAX_SCANS = b"\xff\xda", 100

# Formats that are never asked for cannot be attacked: no EPS (starts Ghostscript), PSD, FITS ...
# Decoders are registered here, once, and not in the threads that decode.
Image.init()
_WANTED = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF")
_FORMATS = tuple(kind for kind in _WANTED if kind in Image.OPEN)
_TRANSPARENT = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_STEPS = {"LAB": "RGB", "La": "LA"}  # which Pillow converts to nothing else
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(
    source: Source,
    *,
    size: int | tuple[int, int] | None = None,
    color: Color = "rgb",
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Pixels:
    """Decode one picture.

    EXIF orientation is applied, transparency is composited on white, 16-bit and CMYK become 8-bit
    RGB, of an animation the first frame is taken. Embedded colour profiles are ignored.

    Parameters
    ----------
    source : path, bytes, binary file object, PIL image or array
        An array is ``(h, w)``, ``(h, w, 1)``, ``(h, w, 3)`` or ``(h, w, 4)``, RGB order, ``uint8``
        in 0…255 or floating point in 0…1.
    size : int or (height, width), optional
        Resize to this, in pixels (bicubic with antialiasing; the aspect ratio is not kept). An
        integer is a square.
    color : {"rgb", "gray"}
        ``"gray"`` is ITU-R 601 luma, taken before resizing, as in the original study.
    max_pixels, max_bytes : int
        Larger pictures are refused: pixels by what the header claims, before decoding.

    Returns
    -------
    ndarray of uint8
        ``(h, w, 3)`` for ``"rgb"``, ``(h, w, 1)`` for ``"gray"``; 0…255.

    Raises
    ------
    ImageError
        With a reason, if this is no picture, is damaged, or is over a limit.
    ValueError
        For an unknown `color` or a `size` below one pixel.

    Examples
    --------
    >>> import numpy as np
    >>> read_image(np.zeros((4, 6, 3), np.uint8), size=(2, 3), color="gray").shape
    (2, 3, 1)
    """
    if color not in ("rgb", "gray"):
        raise InputError(f'color must be "rgb" or "gray", got {color!r}')
    height_width = image_size(size) if size is not None else None
    with _opened(source, max_pixels, max_bytes) as image:
        picture = _converted(image, color, describe(source))
        if height_width is not None and picture.size != height_width[::-1]:
            picture = picture.resize(height_width[::-1], Image.Resampling.BICUBIC)
        pixels = np.array(picture, dtype=np.uint8)
    return pixels[..., None] if color == "gray" else pixels


def check_image(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> None:
    """Raise `ImageError` unless `read_image` would succeed; cheaper than decoding in full.

    JPEGs are decoded at an eighth of their size, which still reads every byte of the file.
    """
    with _opened(source, max_pixels, max_bytes, draft=True) as image:
        if image.mode == "F":
            _flat_rgb_or_gray(image, describe(source))


class Header(NamedTuple):
    """What a picture claims to be: format (``"JPEG"``), width and height in pixels."""

    format: str
    width: int
    height: int


def read_header(
    source: Source, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> Header:
    """Return what a picture claims to be, without decoding it; `ImageError` if it is none."""
    name = describe(source)
    image = identified(read_bytes(source, max_bytes), name)
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


def _opened(source: Source, max_pixels: int, max_bytes: int, *, draft: bool = False) -> Image.Image:
    """Return a fully loaded, upright PIL image."""
    name = describe(source)
    if isinstance(source, np.ndarray):
        return _image_from_array(source)
    image = (
        source
        if isinstance(source, Image.Image)
        else identified(read_bytes(source, max_bytes), name)
    )
    _check_pixels(image, max_pixels, name)
    try:
        if image is source:  # maybe opened and not decoded yet; the caller's own stays as it is
            image = image.copy()
        elif draft:
            image.draft("L", (1, 1))
        image.load()
        if (turn := UPRIGHT.get(orientation(image))) is not None:
            image = image.transpose(turn)
    except Exception as error:  # a decoder fed hostile bytes may raise anything at all
        raise ImageError(name, f"damaged {image.format or 'picture'}: {one_line(error)}") from error
    return image


def identified(data: bytes, name: str) -> Image.Image:
    """Return a picture whose header was read and nothing else; `name` is for the error."""
    if not data:
        raise ImageError(name, "is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        raise ImageError(name, f"is not a picture we read: {_looks_like(data)}") from None
    except Image.DecompressionBombError as error:
        raise ImageError(name, f"claims too many pixels: {one_line(error)}") from None
    except Exception as error:  # a parser fed hostile bytes may raise anything at all
        raise ImageError(name, f"damaged header: {one_line(error)}") from error
    if image.format in ("JPEG", "MPO") and (scans := data.count(_SCAN)) > _MAX_SCANS:
        raise ImageError(name, f"has {scans:,} scans, made to take long; the limit is {_MAX_SCANS}")
    return image


def _check_pixels(image: Image.Image, max_pixels: int, name: str) -> None:
    sizes = {"": image.size}
    if isinstance(image, TiffImageFile):  # decoded a tile at a time, however small the picture
        width, height = (image.tag_v2.get(tag, 0) for tag in (TILEWIDTH, TILELENGTH))
        if isinstance(width, int) and isinstance(height, int):  # others Pillow refuses
            sizes["a tile of "] = width, height
    for part, (width, height) in sizes.items():
        if width * height > max_pixels:
            claim = f"claims {part}{width} x {height} pixels"
            raise ImageError(name, f"{claim}, the limit is {max_pixels:,}")


def _looks_like(data: bytes) -> str:
    head = data[:512].lstrip().lower()
    if b"<svg" in head:
        return "SVG is a drawing, not a photo"
    if data[4:8] == b"ftyp":
        return f"it is a {data[8:12].decode('ascii', 'replace').strip()} media file"
    if b"\0" not in head and head.isascii():
        return "it holds HTML" if b"<html" in head or b"<!doctype html" in head else "it holds text"
    return "unknown bytes"


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
    """Return how EXIF says the picture lies, 1…8; a key of `UPRIGHT`, or upright."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF is common on the web and says nothing about the pixels
        return 1


def _converted(image: Image.Image, color: Color, name: str) -> Image.Image:
    """Return an 8-bit image of three channels or one."""
    try:
        flat = _flat_rgb_or_gray(image, name)
        return flat.convert("L" if color == "gray" else "RGB")
    except ImageError:
        raise
    except Exception as error:  # modes that Pillow cannot convert, transparency that is none
        raise ImageError(name, f"{image.mode} pixels cannot be used: {one_line(error)}") from error


def _flat_rgb_or_gray(image: Image.Image, name: str) -> Image.Image:
    """Return an 8-bit image without transparency."""
    if image.mode == "F":
        raise ImageError(name, "floating-point pixels have no known range; save it as 8 or 16 bit")
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(np.clip(values // 257, 0, 255).astype(np.uint8))
    if (step := _STEPS.get(image.mode)) is not None:
        image = image.convert(step)
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image
