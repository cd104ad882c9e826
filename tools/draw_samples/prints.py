"""Banners and logos."""

import numpy as np

from .lettering import write
from .pixels import Floats, Rng, blur, fractal, grid, mix, pick, polygon, rgb, step
from .plants import leaf_mask
from .surfaces import tabletop

_SLOGANS = (
    ("FREE SHIPPING", "on orders over 50"), ("SALE -20%", "this week only"),
    ("ABOUT US", "our story since 1987"), ("NEW IN", "discover the range"),
    ("CONTACT", "we are here for you"), ("NEWSLETTER", "10% off your first order"),
    ("SUMMER SALE", "up to -50%"), ("GIFT CARDS", "for every occasion"),
)  # fmt: skip
_NAMES = ("GREENFIELD", "PANTRY 24", "ORIGO", "TWO RIVERS", "LUMEN", "KARSTEN", "SOLEA", "BRIX")
_COLORS = ((200, 40, 45), (30, 70, 130), (40, 110, 70), (240, 170, 30), (50, 50, 55),
           (240, 235, 225), (110, 50, 110), (20, 130, 140))  # fmt: skip


def _pick(rng: Rng, avoid: Floats | None = None) -> Floats:
    """Return a strong colour, clearly lighter or darker than `avoid`."""
    colors = [rgb(*c) for c in _COLORS]
    if avoid is not None:
        # How light an eye finds them: linear light to the power 1/2.2, green counting most
        light = np.array([0.30, 0.59, 0.11], np.float32)
        own = float(avoid @ light) ** 0.45
        colors = [c for c in colors if abs(float(c @ light) ** 0.45 - own) > 0.22]
    return pick(rng, colors)


def banner(rng: Rng, shape: tuple[int, int]) -> Floats:
    """Return a shop banner, (h, w, 3) linear light: a slogan, a line below, often a button."""
    ground = _pick(rng)
    image = np.tile(ground, (*shape, 1)).astype(np.float32)
    x, y = grid(shape)
    kind = rng.integers(4)
    if kind == 0:  # slanting stripes
        stripes = np.sin((x + rng.choice([-1, 1]) * y) * rng.uniform(8, 22))
        image = mix(image, ground * 0.75, step(stripes, -0.05, 0.05))
    elif kind == 1:  # large discs
        for _ in range(3):
            cx, cy, r = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.3, 0.9)
            image = mix(image, _pick(rng), 0.6 * step(np.hypot(x - cx, y - cy), r + 0.01, r))
    elif kind == 2:  # a blurred, darkened tabletop
        image = blur(tabletop(rng, shape).color, 6) * 0.6
        ground = np.asarray(image.mean((0, 1)), np.float32)
    ink = _pick(rng, ground)
    slogan, line = pick(rng, _SLOGANS)
    if kind == 3:  # a star burst behind the slogan
        r, turn = np.hypot(x, y + 0.15), np.arctan2(y + 0.15, x)
        star = step(r - 0.72 - 0.06 * np.sin(turn * 12), 0.02, -0.02)
        burst = _pick(rng, ground)
        image, ink = mix(image, burst, star), _pick(rng, burst)
    write(image, slogan, (0.5, 0.40), (0.84, rng.uniform(0.16, 0.3)), ink)
    write(image, line, (0.5, 0.60), (0.66, 0.08), ink)
    if rng.random() < 0.6:
        button = ((np.abs(x) < 0.34) & (np.abs(y - 0.56) < 0.11)).astype(np.float32)
        image = mix(image, ink, button)
        write(image, "SHOP NOW", (0.5, 0.78), (0.28, 0.06), ground)
    return image


def logo(rng: Rng, shape: tuple[int, int], name: str = "") -> Floats:
    """Return a logo, (h, w, 3) linear light: an emblem over a name, on a plain ground."""
    ground = rgb(252, 252, 252) if rng.random() < 0.7 else _pick(rng)
    ink, second = _pick(rng, ground), _pick(rng, ground)
    image = np.tile(ground, (*shape, 1)).astype(np.float32)
    side = round(min(shape) * rng.uniform(0.42, 0.56))
    emblem = _emblem(rng, side)
    top, left = round(shape[0] * 0.38 - side / 2), (shape[1] - side) // 2
    window = image[top : top + side, left : left + side]
    window[...] = mix(window, second, emblem)
    write(image, name or pick(rng, _NAMES), (0.5, 0.78), (0.76, 0.14), ink)
    if rng.random() < 0.5:
        write(image, "since 1987", (0.5, 0.91), (0.4, 0.06), ink)
    return image


def _emblem(rng: Rng, side: int) -> Floats:
    """Return the mask of a ring, leaf, mountain, sun or hexagon, (side, side)."""
    shape = (side, side)
    x, y = grid(shape)
    r, turn = np.hypot(x, y), np.arctan2(y, x)
    kind = rng.integers(5)
    if kind == 0:
        ring = step(np.abs(r - 0.82), 0.12, 0.10)
        return np.maximum(ring, polygon(shape, [(0.3, 0.62), (0.5, 0.28), (0.7, 0.62)]))
    if kind == 1:
        return leaf_mask(shape)
    if kind == 2:
        ridge = [(0.02, 0.9), (0.36, 0.2), (0.54, 0.56), (0.68, 0.36), (0.98, 0.9)]
        return polygon(shape, ridge)
    if kind == 3:
        rays = step(np.cos(turn * 10), 0.3, 0.5) * step(r, 0.98, 0.96) * step(r, 0.6, 0.62)
        return np.maximum(rays, step(r, 0.5, 0.48))
    hexagon = np.cos((turn + np.pi / 6) % (np.pi / 3) - np.pi / 6) * r
    wave = np.abs(y - 0.2 * np.sin(x * 5) - 0.1 * fractal(rng, shape, 1, 1))
    return np.asarray(step(hexagon, 0.84, 0.82) * step(wave, 0.08, 0.10), np.float32)
