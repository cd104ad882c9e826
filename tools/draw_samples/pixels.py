"""Helpers on pixel arrays: colours, noise, blur, masks.

Colours are linear light (not sRGB) until an image is developed, since light adds up linearly.
"""

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Pixels = npt.NDArray[np.uint8]
Rng = np.random.Generator
T = TypeVar("T")


def rgb(red: float, green: float, blue: float) -> Floats:
    """Return an sRGB colour (0…255 each) as linear light, (3,) float32 in 0…1.

    >>> rgb(255, 0, 255).tolist()
    [1.0, 0.0, 1.0]
    """
    return ((np.array([red, green, blue], np.float32) / 255) ** 2.2).astype(np.float32)


def pick(rng: Rng, options: Sequence[T]) -> T:
    """Return one of `options`, each as likely as the others."""
    return options[int(rng.integers(len(options)))]


def vary(rng: Rng, color: Floats, amount: float = 0.1) -> Floats:
    """Return `color` a little brighter or darker, and a little shifted in hue."""
    gain = np.exp(amount * rng.standard_normal() + 0.35 * amount * rng.standard_normal(3))
    return np.clip(color * gain, 0, 1).astype(np.float32)


def mix(a: Floats | float, b: Floats | float, weight: Floats | float) -> Floats:
    """Return `a` where `weight` (any range, cut to 0…1) is 0 and `b` where it is 1."""
    share = np.asarray(np.clip(weight, 0, 1), np.float32)
    if share.ndim == 2:
        share = share[..., None]
    start, end = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return np.asarray(start + (end - start) * share, np.float32)


def step(values: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """Return 0 below `low`, 1 above `high`, smooth between (swapped bounds fall instead)."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def blur(image: Floats, sigma: float) -> Floats:
    """Return `image` under a Gaussian of `sigma` pixels; wide ones are done on a small copy."""
    if sigma < 0.2:
        return image
    if sigma > 6:
        height, width = image.shape[:2]
        small = resize(image, (max(2, height // 4), max(2, width // 4)))
        return resize(blur(small, sigma / 4), (height, width))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def resize(image: Floats, shape: tuple[int, int]) -> Floats:
    """Return `image` at `shape` (height, width): averaged when it shrinks, linear when it grows."""
    shrinks = shape[0] < image.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=how), np.float32)


def fractal(
    rng: Rng,
    shape: tuple[int, int],
    cells: float | tuple[float, float],
    octaves: int = 3,
    fade: float = 0.5,
) -> Floats:
    """Return cloudy noise, about -1…1: `cells` blobs over the (height, width), then finer ones.

    Different numbers of cells along the two axes give streaks: wood grain, wrinkles, fibres.
    """
    rows, columns = cells if isinstance(cells, tuple) else (cells, cells)
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        size = [max(2, round(n * 2**octave) + 1) for n in (rows, columns)]
        knots = rng.standard_normal(size, np.float32)
        layer = cv2.resize(knots, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
        total += np.float32(0.5 * fade**octave) * layer
    return total


def wrap(texture: Floats, across: Floats, along: Floats) -> Floats:
    """Return `texture`, (h, w) or (h, w, 3), looked up at positions in -1…1 to cover a body.

    Beyond that range the texture's edge goes on.
    """
    rows, columns = texture.shape[:2]
    xs = ((across + 1) * 0.5 * (columns - 1)).astype(np.float32)
    ys = ((along + 1) * 0.5 * (rows - 1)).astype(np.float32)
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(texture, xs, ys, cv2.INTER_LINEAR, borderMode=edge), np.float32)


def grid(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return x and y from -1 to 1 over the (height, width), pixel centres, x to the right."""
    y = (np.arange(shape[0], dtype=np.float32) + 0.5) * (2 / shape[0]) - 1
    x = (np.arange(shape[1], dtype=np.float32) + 0.5) * (2 / shape[1]) - 1
    return np.broadcast_to(x, shape), np.broadcast_to(y[:, None], shape)


def polygon(shape: tuple[int, int], points: Sequence[Sequence[float]] | Floats) -> Floats:
    """Return a mask 0…1 of the closed outline `points`, (n, 2) as x, y in 0…1 of the frame."""
    scaled = np.asarray(points, np.float64) * (shape[1], shape[0])
    canvas = np.zeros(shape, np.uint8)
    fixed = np.round(scaled * 16).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255


def inflate(mask: Floats, radius: float) -> Floats:
    """Return a height field in pixels: `mask` as a cushion whose edge is rounded over `radius`."""
    inside = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    t = np.clip(inside / radius, 0, 1)
    return np.asarray(radius * np.sqrt(1 - (1 - t) ** 2), np.float32)
