"""Dates and coconuts."""

import numpy as np

from .items import Hand, Item
from .pixels import Rng, blur, fractal, grid, mix, polygon, rgb, step, vary, wrap
from .scene import Scene, Sprite


def date(rng: Rng, pixels: int) -> Sprite:
    """Return a dried date: a long dark brown oval, deeply wrinkled and shining."""
    rows = round(pixels * 0.54)
    x, y = grid((rows, pixels))
    x, y = x * 1.03, y * 0.54 * 1.03
    y = y - rng.uniform(-0.10, 0.10) * (x * x - 0.3)
    girth = rng.uniform(0.44, 0.50)
    outline = girth * np.maximum(1 - np.abs(x) ** rng.uniform(2.4, 3.0), 0) ** 0.5
    s = np.clip(y / np.maximum(outline, 1e-3), -1, 1)
    inside = (np.abs(x) < 0.995) & (np.abs(y) < outline)
    # Crumpled skin: sharp valleys between rounded backs, bent across as it shrank
    bent = s + 0.25 * fractal(rng, (rows, pixels), 3, 1)
    folds = wrap(fractal(rng, (64, 96), (8, 8), 3, 0.6), x, bent)
    folds = np.tanh(2 * np.abs(folds)) / 2 - 0.25
    skin = vary(rng, rgb(96, 44, 22), 0.16)
    color = mix(skin, rgb(40, 17, 10), 0.35 - 0.9 * folds)
    color = mix(color, rgb(150, 80, 36), 0.3 * step(folds, 0.1, 0.3))
    stalk = step(np.hypot(x + 0.93, y), 0.10, 0.06)
    color = mix(color, rgb(205, 165, 110), stalk)
    body = 0.46 * outline * np.sqrt(np.maximum(1 - s * s, 0))
    height = np.where(inside, body + 0.11 * folds * (body > 0.04) + 0.02, 0)
    return Sprite(color, np.maximum(height, 0), 0.7)


def half_coconut(rng: Rng, pixels: int) -> Sprite:
    """Return a half coconut from above: hairy brown shell, thick white flesh, a hollow."""
    x, y = grid((pixels, pixels))
    x, y = x * 1.12, y * 1.12 * rng.uniform(1.0, 1.08)
    wobble = fractal(rng, (pixels, pixels), 5, 2)
    r = np.hypot(x, y) + 0.02 * wobble
    turn = np.arctan2(y, x) / np.pi
    hair = wrap(fractal(rng, (16, 256), (2, 150), 2), turn, 2 * r - 1)
    shell, flesh = rng.uniform(0.88, 0.92), rng.uniform(0.66, 0.74)
    husk = mix(vary(rng, rgb(112, 74, 44)), rgb(58, 36, 22), 0.5 + 0.7 * hair)
    white = rgb(250, 248, 242) * (0.97 + 0.05 * wobble)[..., None]
    color = mix(white, rgb(120, 80, 52), step(r, shell - 0.03, shell - 0.015))
    color = mix(color, husk, step(r, shell, shell + 0.015))
    hollow = np.sqrt(np.clip(1 - (r / flesh) ** 2, 0, 1))
    height = 0.40 - 0.30 * hollow - 0.25 * step(r, shell, 1.05) + 0.01 * hair * (r > shell)
    inside = r < 0.99 + 0.035 * hair
    return Sprite(color, np.where(inside, np.maximum(height, 0.02), 0), 0.12)


def whole_coconut(rng: Rng, pixels: int) -> Sprite:
    """Return a whole coconut: a brown ball of coarse fibres with three dark eyes."""
    x, y = grid((pixels, pixels))
    x, y = x * 1.15, y * 1.15 * 1.06
    r = np.hypot(x, y)
    z = np.sqrt(np.maximum(1 - r * r, 0))
    # Fibres run from the end with the eyes, which looks up and to one side
    lean = rng.uniform(0.35, 0.8)
    ex, ez = x * np.cos(lean) + z * np.sin(lean), z * np.cos(lean) - x * np.sin(lean)
    around = np.arctan2(y, ex) / np.pi
    fibres = wrap(fractal(rng, (96, 384), (5, 110), 3, 0.65), around, ez)
    color = mix(vary(rng, rgb(128, 88, 54)), rgb(62, 38, 22), 0.45 + 0.75 * fibres)
    color = mix(color, rgb(186, 146, 100), 0.7 * step(fibres, 0.45, 0.9))
    for k in range(3):
        angle = 2 * np.pi * k / 3 + 0.5
        eye = np.hypot(ex - 0.30 * np.cos(angle), y - 0.30 * np.sin(angle)) + 2 * (ez < 0)
        color = mix(color, rgb(34, 20, 14), step(eye, 0.15, 0.10))
    fringe = fractal(rng, (pixels, pixels), pixels / 4, 2)
    inside = r < 0.97 + 0.05 * fringe
    height = np.where(inside, 0.42 * z + 0.022 * fibres + 0.03, 0)
    return Sprite(color, height, 0.03)


def coconut_piece(rng: Rng, pixels: int) -> Sprite:
    """Return a broken wedge of white flesh with a strip of brown skin."""
    turns = np.array([0, 2.1, 4.2]) + rng.uniform(-0.5, 0.5, 3)
    corners = 0.5 + 0.46 * np.stack([np.cos(turns), np.sin(turns)], 1)
    mask = blur(polygon((pixels, pixels), corners), pixels * 0.02)
    x, _ = grid((pixels, pixels))
    skin = step(x + 0.4 * fractal(rng, (pixels, pixels), 2, 2), 0.42, 0.5)
    color = mix(rgb(250, 247, 240), rgb(110, 70, 45), skin)
    return Sprite(color, (0.16 * step(mask, 0.4, 0.9)), 0.1)


def coconuts(rng: Rng, scene: Scene, item: Item) -> None:
    """Lay halves and whole coconuts on the table, with broken pieces around."""
    number = int(rng.integers(1, 5))
    width = scene.unit * rng.uniform(0.62, 0.82) / (1 + 0.22 * (number - 1))
    middle = np.array(scene.shape[::-1]) * (0.5 + rng.uniform(-0.06, 0.06, 2))
    pieces = Hand(
        rng, Item("", coconut_piece, 0, 1, item.crumb), scene.unit * rng.uniform(0.1, 0.18)
    )
    for _ in range(int(rng.integers(0, 9))):
        spot = rng.uniform(0.08, 0.92, 2) * scene.shape[::-1]
        pieces.put(scene, (spot[0], spot[1]), lean=0.02)
    turn = rng.uniform(0, 2 * np.pi)
    halves = rng.random(number) < 0.65
    halves[0] = True
    for k in np.argsort(halves, kind="stable"):  # the halves, which name it, on top
        draw = half_coconut if halves[k] else whole_coconut
        away = 0.0 if number == 1 else width * (0.38 + 0.08 * number)
        angle = turn + 2 * np.pi * k / number
        spot = middle + away * np.array([np.cos(angle), np.sin(angle)])
        sprite = draw(rng, round(width))
        tilt = (float(rng.normal(0, 0.1)), float(rng.normal(0, 0.1)))
        squash = float(rng.uniform(0.72, 1.0)) if halves[k] else 1.0
        spin = float(rng.uniform(0, 2 * np.pi))
        scene.place(sprite, (spot[0], spot[1]), width, spin, squash=squash, tilt=tilt)
