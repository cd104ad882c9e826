"""Oats and cocoa: flakes, powder, chocolate."""

import numpy as np

from .items import Item
from .pixels import Floats, Rng, fractal, grid, inflate, mix, rgb, step, vary
from .scene import Scene, Sprite
from .vessels import empty_bowl

POWDER = (88, 50, 32)


def oat(rng: Rng, pixels: int) -> Sprite:
    """Return a rolled oat: a thin pale flake with a ragged rim and a crease along it."""
    rows = max(6, round(pixels * 0.74))
    x, y = grid((rows, pixels))
    rough = fractal(rng, (rows, pixels), 4, 3)
    r = np.hypot(x * 1.04, y * 1.08) + 0.16 * rough
    crease = np.exp(-(((y + 0.25 * rough - 0.1) / 0.13) ** 2)) * (np.abs(x) < 0.8)
    flake = vary(rng, rgb(226, 200, 156), 0.07)
    color = mix(flake, rgb(250, 240, 218), 0.5 * step(r, 0.55, 0.95) + 0.35 * rough)
    color = mix(color, rgb(158, 116, 70), 0.75 * crease)
    height = 0.09 + 0.05 * rough + 0.05 * (1 - r) - 0.05 * crease
    return Sprite(color, np.where(r < 0.97, np.maximum(height, 0.02), 0), 0.0)


def scoop(rng: Rng, length: int) -> tuple[Sprite, Sprite]:
    """Return an empty wooden spoon, bowl to the left, and a mask-like sprite of its hollow."""
    rows = round(length * 0.36)
    x, y = grid((rows, length))
    y = y * 0.36
    dish = np.hypot((x + 0.62) / 0.36, y / 0.30)
    handle = np.maximum(np.abs(y) - 0.055 - 0.03 * step(x, 0.5, 0.95), np.abs(x - 0.3) - 0.67)
    mask = ((dish < 1) | (handle < 0)).astype(np.float32)
    grain = fractal(rng, (rows, length), (30, 3), 2)
    wood = vary(rng, rgb(196, 146, 96)) * (1 + 0.15 * grain)[..., None]
    height = np.where(dish < 1, 0.10 - 0.09 * (dish < 0.86), inflate(mask, 0.03 * length) / length)
    spoon = Sprite(wood, (height + 0.03 * mask) * mask, 0.1)
    hollow = Sprite(wood, (dish < 0.84), 0.0)
    return spoon, hollow


def chocolate(rng: Rng, pixels: int) -> Sprite:
    """Return a square of dark chocolate with a bevelled rim."""
    x, y = grid((pixels, pixels))
    side = np.maximum(np.abs(x), np.abs(y)) + 0.01 * fractal(rng, (pixels, pixels), 5, 2)
    height = 0.26 - 0.10 * step(side, 0.62, 0.90)
    color = np.broadcast_to(vary(rng, rgb(64, 34, 22), 0.08), (pixels, pixels, 3))
    inside = side < 0.94
    return Sprite(color, np.where(inside, height, 0), 0.45)


def _powder(rng: Rng, scene: Scene, level: Floats, mask: Floats) -> None:
    """Cover `mask` with cocoa powder whose surface is `level` plus lumps."""
    lumps = fractal(rng, scene.shape, 7, 6, 0.62)
    crumbs = fractal(rng, scene.shape, scene.unit / 5, 2)
    brown = vary(rng, rgb(*POWDER), 0.10)
    color = mix(brown, brown * 0.55, 0.35 + 0.5 * crumbs) * (1 + 0.15 * lumps)[..., None]
    relief = level + scene.unit * (0.016 * lumps + 0.004 * crumbs)
    scene.paint(mask, color, relief)


def _dust(rng: Rng, scene: Scene, far: Floats) -> None:
    """Scatter fine specks where `far` (0 at the heap's rim) is small."""
    specks = fractal(rng, scene.shape, scene.unit / 2.5, 1)
    mask = step(specks, 0.55, 0.75) * np.exp(-np.maximum(far, 0) * 7)
    scene.color[:] = mix(scene.color, rgb(*POWDER), 0.9 * mask)


def cocoa_heap(rng: Rng, scene: Scene, item: Item) -> None:
    """Pour a heap of cocoa powder on the table, with a spoon in it or squares of chocolate."""
    x, y = grid(scene.shape)
    cx, cy = rng.uniform(-0.12, 0.12, 2)
    ragged = 0.16 * fractal(rng, scene.shape, 5, 5, 0.6)
    far = np.hypot((x - cx) * rng.uniform(0.85, 1.1), (y - cy) * rng.uniform(1.0, 1.2)) + ragged
    size = rng.uniform(0.62, 0.85)
    cone = scene.unit * 0.42 * np.clip(size - far, 0, 1)
    cone = scene.unit * 0.22 * np.tanh(cone / (scene.unit * 0.22))
    _dust(rng, scene, far - size)
    _powder(rng, scene, scene.height + cone, step(far, size + 0.02, size - 0.02))
    _beside(rng, scene)


def cocoa_field(rng: Rng, scene: Scene, item: Item) -> None:
    """Fill the frame with cocoa powder, drawn through with waves as by a fork."""
    x, y = grid(scene.shape)
    turn, bend = rng.uniform(0, np.pi), fractal(rng, scene.shape, 2, 2)
    waves = np.sin(rng.uniform(8, 16) * (x * np.cos(turn) + y * np.sin(turn) + 0.3 * bend))
    level = scene.unit * rng.uniform(0.0, 0.03) * waves + scene.unit * 0.10 * bend
    _powder(rng, scene, level, np.ones(scene.shape, np.float32))
    _beside(rng, scene)


def cocoa_bowl(rng: Rng, scene: Scene, item: Item) -> None:
    """Fill a bowl with cocoa powder."""
    k, radius = float(rng.uniform(0.5, 1.0)), scene.unit * rng.uniform(0.38, 0.5)
    cx, cy = scene.shape[1] * rng.uniform(0.45, 0.55), scene.shape[0] * rng.uniform(0.42, 0.5)
    top = empty_bowl(rng, scene, (cx, cy), radius, k, item.crumb)
    x, y = scene.around((cx, cy), radius)
    rise = np.sqrt(1 - k * k)
    ragged = 0.05 * fractal(rng, scene.shape, 8, 4)
    far = np.hypot(x, (y + 0.12 * rise) / np.where(y < -0.12 * rise, k + 0.25 * rise, k)) + ragged
    dome = radius * 0.45 * np.sqrt(np.clip(1 - (far / 0.95) ** 2, 0, 1))
    _powder(rng, scene, top + dome, step(far, 0.92, 0.88))
    if rng.random() < 0.7:
        _spoonful(rng, scene)


def _beside(rng: Rng, scene: Scene) -> None:
    """Add a wooden spoon of powder, or some squares of chocolate at the edge of the frame."""
    if rng.random() < 0.55:
        _spoonful(rng, scene)
        return
    side = scene.unit * rng.uniform(0.16, 0.26)
    for _ in range(int(rng.integers(1, 5))):
        spot = np.array(scene.shape[::-1]) * (rng.uniform(0.1, 0.9), rng.choice([0.16, 0.84]))
        square = chocolate(rng, round(side))
        scene.place(square, (spot[0], spot[1]), side, float(rng.uniform(0, 1.6)))


def _spoonful(rng: Rng, scene: Scene) -> None:
    """Lay a wooden spoon down and fill it with powder."""
    length = scene.unit * rng.uniform(0.7, 0.95)
    spoon, hollow = scoop(rng, round(length))
    center = (scene.shape[1] * rng.uniform(0.55, 0.75), scene.shape[0] * rng.uniform(0.4, 0.75))
    turn = float(rng.uniform(-0.9, 0.9))
    scene.place(spoon, center, length, turn, base=0.6 * float(scene.height.max()))
    load = Scene(scene.color, np.zeros(scene.shape, np.float32))
    load.place(hollow, center, length, turn, base=0.0)
    inside = (load.height > 1).astype(np.float32)
    _powder(rng, scene, scene.height + inflate(inside, 0.1 * length) * 0.6, inside)
