"""Almonds, hazelnuts and peanuts, one at a time; `items` and `vessels` arrange them."""

import numpy as np

from .pixels import Rng, fractal, grid, mix, rgb, step, vary, wrap
from .scene import Sprite


def almond(rng: Rng, pixels: int) -> Sprite:
    """Return a shelled almond, point to the right: a flat teardrop with lengthwise wrinkles."""
    rows = round(pixels * 0.66)
    x, y = grid((rows, pixels))
    x, y = x * 1.03, y * 0.66 * 1.03
    plump = rng.uniform(0.47, 0.57)
    bend = rng.uniform(-0.08, 0.08)
    y = y - bend * (x * x - 0.4)
    t = np.clip(x, -0.999, 0.999)
    # Round at the blunt end (root), pointed at the other (power near 1)
    outline = plump * (1 + t) ** 0.5 * (1 - t) ** rng.uniform(0.72, 0.86) / 1.06
    s = np.clip(y / np.maximum(outline, 1e-3), -1, 1)
    inside = (np.abs(x) < 0.995) & (np.abs(y) < outline)
    body = 0.27 * outline * (1 - np.abs(s) ** 2.3) ** 0.5
    # Wrinkles live in (s, x): they run along the nut and meet at its tips
    lines = fractal(rng, (96, 64), (18, 2), 3, 0.62)
    groove = wrap(lines, x, s)
    fine = fractal(rng, (rows, pixels), (rows / 3, pixels / 7), 2)
    skin = vary(rng, rgb(140, 82, 44), 0.12)
    dusty = mix(skin, rgb(214, 165, 112), 0.10 + 0.50 * groove + 0.12 * fine)
    color = mix(dusty, skin * 0.42, 0.9 * step(groove, 0.0, -0.7))
    color = mix(color, skin * 0.5, 0.6 * step(np.abs(s), 0.8, 1.0))
    height = np.where(inside, body + 0.03 * groove * (body > 0.02) + 0.01, 0)
    return Sprite(color, height, 0.10)


def hazelnut(rng: Rng, pixels: int) -> Sprite:
    """Return a hazelnut in its shell: a smooth shining red-brown ball with a pale matt cap."""
    x, y = grid((pixels, pixels))
    x, y = x * 1.06, y * 1.06
    # The nut's own axis, from its point to its cap, turned anyhow towards the camera
    lift = rng.uniform(-0.9, 0.9)
    axis = np.array([np.sqrt(1 - lift**2), 0.0, lift])
    longer = 1 + 0.10 * (1 - lift**2)
    px, py = x / longer, y * rng.uniform(1.0, 1.08)
    r2 = px * px + py * py
    # A little point opposite the cap, only seen from the side
    tip = 0.10 * (1 - lift**2) * step(px, -0.6, -1.0) * step(np.abs(py), 0.35, 0.0)
    inside = r2 < (0.94 + tip) ** 2
    z = np.sqrt(np.maximum(0.9 - r2, 0))
    pole = (px * axis[0] + z * axis[2]) / 0.95
    around = np.arctan2(py, px * axis[2] - z * axis[0]) / np.pi
    stripes = wrap(fractal(rng, (64, 128), (1.5, 26), 2), around, pole)
    shell = vary(rng, rgb(158, 84, 38), 0.10)
    color = mix(shell, shell * 0.55, 0.25 + 0.55 * stripes)
    color = mix(color, rgb(205, 150, 95), 0.5 * step(pole, -0.55, -0.95))
    edge = 0.62 + 0.05 * stripes
    cap = step(pole, edge - 0.02, edge + 0.02)
    rough = fractal(rng, (pixels, pixels), pixels / 4, 2)
    color = mix(color, vary(rng, rgb(212, 184, 142), 0.06) * (1 + 0.2 * rough)[..., None], cap)
    height = 0.47 * z - 0.014 * cap * (1 + 0.6 * rough)
    height = np.where(inside, np.maximum(height, 0.012), 0)
    nut = Sprite(color, height, 0.45)
    return _in_husk(rng, nut) if rng.random() < 0.2 else nut


def _in_husk(rng: Rng, nut: Sprite) -> Sprite:
    """Return the nut sitting in its frilled green husk, as it comes from the bush."""
    shape = nut.height.shape
    x, y = grid(shape)
    r, turn = np.hypot(x, y), np.arctan2(y, x) / np.pi
    lobes = wrap(fractal(rng, (8, 128), (2, 9), 2, 0.7), turn, r)
    veins = wrap(fractal(rng, (8, 256), (1, 40), 2), turn, r)
    reach = 0.86 + 0.2 * lobes - 0.05 * np.abs(veins)
    green = mix(vary(rng, rgb(134, 152, 72), 0.12), rgb(88, 104, 44), 0.4 + 0.8 * veins)
    green = mix(green, rgb(176, 150, 92), 0.8 * step(r - reach, -0.14, 0.0))
    hole = 0.56 + 0.05 * lobes
    frill = 0.16 + 0.10 * step(r, 1.0, hole) + 0.02 * veins
    # The nut itself, smaller, shows in the middle
    core = wrap(nut.color, x / 0.66, y / 0.66)
    body = 0.66 * wrap(nut.height, x / 0.66, y / 0.66)
    inner = step(r, hole + 0.02, hole - 0.02)
    height = np.where(r < hole, np.maximum(body, 0.02) + 0.05, np.where(r < reach, frill, 0))
    return Sprite(mix(green, core, inner), height, 0.12)


def peanut(rng: Rng, pixels: int) -> Sprite:
    """Return a peanut in its shell: a tan figure of eight under a net of ridges."""
    rows = round(pixels * 0.56)
    x, y = grid((rows, pixels))
    x, y = x * 1.03, y * 0.56 * 1.03
    y = y - rng.uniform(-0.12, 0.12) * (x * x - 0.3)
    waist, left, right = rng.uniform(0.10, 0.22), *rng.uniform(0.46, 0.53, 2)
    t = np.clip(x, -1, 1)
    ends = np.maximum(1 - np.abs(t) ** 3.2, 0) ** 0.5
    outline = ends * (left + (right - left) * (0.5 + 0.5 * t) - waist * np.exp(-((t / 0.28) ** 2)))
    s = np.clip(y / np.maximum(outline, 1e-3), -1, 1)
    inside = (np.abs(x) < 0.995) & (np.abs(y) < outline)
    around = np.arcsin(s)
    wobble = fractal(rng, (rows, pixels), 6, 2)
    # Lengthwise ridges tied together by cross ones: the meshes between are pits
    turns = around * 5.2 + 0.5 * wobble
    ridges = np.abs(np.cos(turns))
    ties = np.abs(np.cos(x * 15 + 0.9 * np.sin(2 * turns) + 0.9 * wobble))
    pits = step(np.maximum(ridges**2.5, ties**3), 0.8, 0.45)
    shell = vary(rng, rgb(222, 182, 126), 0.08)
    color = mix(shell, shell * np.array([0.62, 0.52, 0.42], np.float32), 0.7 * pits)
    color = color * (1 + 0.10 * wobble)[..., None]
    body = 0.5 * outline * np.sqrt(np.maximum(1 - s * s, 0))
    height = np.where(inside, body - 0.045 * pits * (body > 0.05) + 0.01, 0)
    return Sprite(color, height, 0.06)
