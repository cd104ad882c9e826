"""Convert decoded images to opaque ones of 8 bits, so that something is left to see."""

import math
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from similarity_lab.images.depth import is_deep, scale_to_8_bits

__all__ = ["opaque", "shows_something"]

_TRANSPARENT_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_INTERMEDIATE_MODES = {"LAB": "RGB", "La": "LA"}  # the only mode to which Pillow converts these
_GREY = (128, 128, 128)
_NEARLY_WHITE = 235  # of 255, in all channels
_NEARLY_ALL = 0.99  # of the visible pixels
_VISIBLE = 26  # of 255: a tenth
_SAMPLE = 250_000  # pixels
_MIN_CONTRAST = 8  # of 255; less is the noise of a lossy format


def opaque(image: Image.Image, *, is_check: bool = False) -> Image.Image | None:
    """Return a decoded image with 8 bits per channel and without transparency.

    Transparency is composited on white; on grey, if the visible pixels are white. As a check, it
    is left as it is.

    Returns
    -------
    PIL image or None
        None if every pixel is transparent, or nearly: nothing would be seen.
    """
    if is_deep(image.mode):
        values = np.asarray(image)
        scaled = scale_to_8_bits(values)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):  # a grey value
            scaled = np.where(values == transparent, 255, scaled).astype(np.uint8)
        return Image.fromarray(scaled)
    if (mode := _INTERMEDIATE_MODES.get(image.mode)) is not None:
        image = image.convert(mode)
    if image.mode not in _TRANSPARENT_MODES and "transparency" not in image.info:
        return image
    layer = image if image.mode == "RGBA" else image.convert("RGBA")
    lowest, highest = cast(tuple[int, int], layer.getchannel("A").getextrema())
    if lowest == 255:
        return layer.convert("RGB")
    if highest == 0 and image.format == "BMP":  # 32 bits per pixel, of which 8 are unused
        return layer.convert("RGB")
    if highest < _MIN_CONTRAST or is_check:
        return layer if highest >= _MIN_CONTRAST else None
    backdrop = _GREY if _is_white(np.asarray(layer)) else (255, 255, 255)
    return Image.alpha_composite(Image.new("RGBA", layer.size, backdrop), layer).convert("RGB")


def _is_white(rgba: npt.NDArray[np.uint8]) -> bool:
    """Return whether nearly all visible pixels would vanish on white."""
    step = max(1, math.isqrt(rgba[..., 0].size // _SAMPLE))
    for sample in (rgba[::step, ::step], rgba):
        visible = sample[sample[..., 3] >= min(_VISIBLE, sample[..., 3].max() or 1)]
        if len(visible):
            break
    return bool((visible[:, :3].min(axis=1) >= _NEARLY_WHITE).mean() >= _NEARLY_ALL)


def shows_something(image: Image.Image) -> bool:
    """Return whether an opaque image has more than one colour."""
    extrema = cast(tuple[tuple[int, int], ...], image.convert("RGB").getextrema())
    return any(highest - lowest >= _MIN_CONTRAST for lowest, highest in extrema)
