"""Lettering, in the font that comes with Pillow."""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .pixels import Floats, mix, resize

_SIZE = 48  # letters are drawn once at this size and scaled


@cache
def _letters(text: str) -> Floats:
    font = ImageFont.load_default(size=_SIZE)
    left, top, right, bottom = (round(v) for v in font.getbbox(text))
    canvas = Image.new("L", (right - left + 4, bottom - top + 4), 0)
    ImageDraw.Draw(canvas).text((2 - left, 2 - top), text, fill=255, font=font, stroke_width=1)
    return np.asarray(canvas, np.float32) / 255


def write(
    image: Floats, text: str, center: tuple[float, float], size: tuple[float, float], ink: Floats
) -> None:
    """Print `text` into `image` (h, w, 3) in place, centred at `center` (x, y in 0…1).

    The letters fill the box `size` (width, height as parts 0…1) as far as their shape allows.
    """
    letters = _letters(text)
    rows, columns = image.shape[:2]
    scale = min(size[0] * columns / letters.shape[1], size[1] * rows / letters.shape[0])
    shape = [max(1, round(side * scale)) for side in letters.shape]
    mask = resize(letters, (shape[0], shape[1]))
    top = round(center[1] * rows - shape[0] / 2)
    left = round(center[0] * columns - shape[1] / 2)
    y0, x0 = max(0, top), max(0, left)
    window = image[y0 : top + shape[0], x0 : left + shape[1]]
    mask = mask[y0 - top :, x0 - left :][: window.shape[0], : window.shape[1]]
    window[...] = mix(window, ink, mask)
