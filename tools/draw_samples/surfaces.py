"""Surfaces to put things on (paper, wood, cloth, slate, …) and walls behind them."""

from collections.abc import Callable

import numpy as np

from .pixels import Floats, Rng, blur, fractal, grid, mix, pick, rgb, step, vary
from .scene import Scene

Shape = tuple[int, int]


def _studio(rng: Rng, shape: Shape) -> Scene:
    x, y = grid(shape)
    glow = 0.90 + 0.06 * x * rng.uniform(-1, 1) + 0.06 * y * rng.uniform(-1, 1)
    color = glow[..., None] * rgb(*rng.uniform(240, 253, 3))
    return Scene(color, np.zeros(shape, np.float32))


def _sheet(rng: Rng, shape: Shape) -> Scene:
    x, y = grid(shape)
    turn = rng.uniform(0, 2 * np.pi)
    ramp = 0.5 + 0.4 * (x * np.cos(turn) + y * np.sin(turn))
    hue = rng.uniform(0, 2 * np.pi)
    wheel = 0.5 + 0.5 * np.cos(hue + np.array([0, 2.1, 4.2]))
    bright = rgb(*(rng.uniform(130, 190) + rng.uniform(20, 75) * wheel))
    return Scene(mix(bright, bright * rng.uniform(0.35, 0.8), ramp), np.zeros(shape, np.float32))


def _wood(rng: Rng, shape: Shape) -> Scene:
    """Planks: grain is noise drawn out along the plank, rings are waves bent by it."""
    upright = rng.random() < 0.4
    rows, columns = shape[::-1] if upright else shape
    boards = int(rng.integers(2, 6))
    board = np.minimum(np.arange(rows) * boards // rows, boards - 1)
    slow = fractal(rng, (rows, columns), (boards * 3, 1.5), 2)
    fine = fractal(rng, (rows, columns), (rows / 5, 5), 2)
    offset = rng.uniform(0, 9, boards)[board][:, None]
    rings = np.sin(9 * slow + 40 * np.linspace(0, 1, rows)[:, None] + offset)
    tones = [(222, 184, 135), (190, 140, 90), (150, 105, 70), (110, 72, 48), (205, 195, 180)]
    light = vary(rng, rgb(*pick(rng, tones)), 0.1)
    tone = (1 + 0.10 * rng.standard_normal(boards))[board][:, None]
    color = light * (tone * (1 + 0.12 * rings + 0.16 * fine))[..., None]
    gap = np.abs((np.arange(rows) * boards / rows + 0.5) % 1 - 0.5) * rows / boards
    relief = np.repeat(np.minimum(gap - 2, 0)[:, None] * 1.5, columns, 1) + 0.25 * fine
    color *= step(gap.astype(np.float32), -1, 2)[:, None, None]
    if upright:
        color, relief = color.swapaxes(0, 1), relief.T
    return Scene(np.clip(color, 0, 1), relief, 0.05)


def _cloth(rng: Rng, shape: Shape) -> Scene:
    """Woven threads over soft folds, sometimes with checks."""
    rows, columns = np.indices(shape, np.float32)
    pitch = rng.uniform(3.5, 6)
    weave = np.sin(rows * (2 * np.pi / pitch)) * np.sin(columns * (2 * np.pi / pitch))
    folds = fractal(rng, shape, (rng.uniform(1, 4), rng.uniform(1, 4)), 2) * min(shape) * 0.02
    pale = [(235, 228, 215), (200, 190, 170), (150, 165, 180), (175, 60, 55), (70, 90, 80)]
    color = np.broadcast_to(vary(rng, rgb(*pick(rng, pale))), (*shape, 3))
    if rng.random() < 0.35:
        width = min(shape) * rng.uniform(0.06, 0.14)
        bars = (rows % (2 * width) < width) * 0.5 + (columns % (2 * width) < width) * 0.5
        color = mix(color, rgb(240, 236, 228), bars.astype(np.float32))
    color = color * (1 + 0.06 * weave + 0.05 * fractal(rng, shape, 60, 2))[..., None]
    return Scene(color, folds + 0.35 * weave)


def _slate(rng: Rng, shape: Shape) -> Scene:
    rough = fractal(rng, shape, 6, 6, 0.62)
    tone = rgb(*(rng.uniform(48, 85) + rng.uniform(-5, 5, 3)))
    return Scene(tone * (1 + 0.3 * rough)[..., None].clip(0.3, 2), 1.5 * rough, 0.05)


def _marble(rng: Rng, shape: Shape) -> Scene:
    cloud = fractal(rng, shape, 3, 5)
    veins = np.exp(-14 * np.abs(cloud + 0.5 * fractal(rng, shape, 2, 3)))
    stone = mix(rgb(238, 236, 233), rgb(150, 150, 152), 0.55 * veins + 0.12 * cloud)
    return Scene(stone, np.zeros(shape, np.float32), 0.1)


def _kraft(rng: Rng, shape: Shape) -> Scene:
    fibres = fractal(rng, shape, (shape[0] / 4, shape[1] / 9), 2)
    creases = np.abs(fractal(rng, shape, 3, 3))
    color = vary(rng, rgb(190, 150, 105)) * (1 + 0.08 * fibres)[..., None]
    return Scene(color, 5 * creases)


_SURFACES: tuple[tuple[Callable[[Rng, Shape], Scene], float], ...] = (
    (_studio, 0.30),
    (_wood, 0.22),
    (_cloth, 0.14),
    (_sheet, 0.12),
    (_slate, 0.10),
    (_marble, 0.07),
    (_kraft, 0.05),
)


def tabletop(rng: Rng, shape: Shape) -> Scene:
    """Return an empty table seen from above, (h, w) pixels; white studio paper most often."""
    weights = [weight for _, weight in _SURFACES]
    make = _SURFACES[rng.choice(len(_SURFACES), p=weights)][0]
    return make(rng, shape)


def wall(rng: Rng, shape: Shape) -> tuple[Scene, float]:
    """Return an empty shelf or table with a wall behind, and where it begins (0 top … 1 bottom)."""
    if rng.random() < 0.35:
        return _studio(rng, shape), float(rng.uniform(0.7, 0.85))
    edge = float(rng.uniform(0.66, 0.84))
    table = _wood(rng, shape) if rng.random() < 0.6 else _marble(rng, shape)
    back = _sheet(rng, shape) if rng.random() < 0.5 else _bokeh(rng, shape)
    _, y = grid(shape)
    share = step(y, 2 * edge - 1.02, 2 * edge - 0.98)
    color = mix(blur(back.color, 4), table.color, share)
    return Scene(color, np.zeros(shape, np.float32), 0.05), edge


def _bokeh(rng: Rng, shape: Shape) -> Scene:
    """Return a room far out of focus: soft discs of light on a soft ground."""
    ground = _sheet(rng, shape).color * rng.uniform(0.4, 0.9)
    x, y = grid(shape)
    for _ in range(int(rng.integers(5, 14))):
        cx, cy, r = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.08, 0.3)
        disc: Floats = step(np.hypot(x - cx, y - cy), r * 1.2, r)
        ground = mix(ground, rgb(*rng.uniform(90, 255, 3)), 0.35 * disc)
    return Scene(blur(ground, 4), np.zeros(shape, np.float32))
