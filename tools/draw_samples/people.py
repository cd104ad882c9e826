"""Portraits, team photos and clothes."""

import numpy as np

from .lettering import write
from .pixels import Floats, Rng, blur, fractal, grid, inflate, mix, pick, polygon, rgb, step, vary
from .scene import Scene

_SKIN = ((244, 208, 180), (224, 172, 132), (172, 116, 80), (110, 72, 50))
_HAIR = ((40, 28, 22), (90, 58, 34), (190, 150, 90), (140, 140, 140), (120, 50, 30))
_FABRIC = ((60, 80, 120), (180, 50, 50), (235, 235, 230), (50, 90, 70), (40, 40, 44),
           (220, 170, 60), (150, 120, 160))  # fmt: skip


def portrait(rng: Rng, scene: Scene) -> None:
    """Draw one to four people from the chest up, before whatever the scene shows."""
    number = pick(rng, (1, 1, 1, 2, 3))
    scene.color[:] = blur(scene.color, 3)
    for k in range(number):
        middle = 0.5 if number == 1 else (k + 0.5) / number
        _person(rng, scene, middle + rng.uniform(-0.03, 0.03), 1.0 if number == 1 else 1.5 / number)


def _person(rng: Rng, scene: Scene, middle: float, scale: float) -> None:
    """Draw one person: shoulders, neck, head, hair, face."""
    rows, columns = scene.shape
    size = scale * scene.unit * rng.uniform(0.21, 0.25)  # half a head's height
    x, y = scene.around((middle * columns, rng.uniform(0.36, 0.42) * rows), size)
    skin, hair = rgb(*pick(rng, _SKIN)), rgb(*pick(rng, _HAIR))

    def lay(mask: Floats, color: Floats, deep: float, gloss: float = 0.0) -> None:
        relief = blur(inflate(mask, deep * size), 2) * 0.8 + 0.2 * size
        scene.paint(mask, color, relief, gloss)

    soft = 2.5 / size
    long_hair = rng.random() < 0.5
    if long_hair:
        lay(step(np.hypot(x / 1.02, (y - 0.25) / 1.45), 1 + soft, 1 - soft), hair, 0.5, 0.2)
    shirt = vary(rng, rgb(*pick(rng, _FABRIC)))
    torso = np.hypot(x / 1.85, np.minimum(y - 2.6, 0) / 1.35)
    lay(step(torso, 1 + soft, 1 - soft), shirt, 0.7)
    if rng.random() < 0.4:  # an apron
        bib = (np.abs(x) < 0.75) & (y > 1.9) | (np.abs(np.abs(x) - 0.6) < 0.1) & (torso < 1)
        apron = rgb(*pick(rng, _FABRIC))
        scene.paint(bib.astype(np.float32), apron, scene.height + 2)
    lay(step(np.hypot(x / 0.36, (y - 1.0) / 0.55), 1 + soft, 1 - soft), skin * 0.8, 0.3)
    lay(step(np.hypot(x / 0.74, y), 1 + soft, 1 - soft), skin, 0.8, 0.1)
    fringe = 0.35 + 0.15 * np.sin(x * 2 + rng.uniform(0, 6))
    crown = step(np.hypot(x / 0.82, (y + 0.06) / 1.06), 1 + soft, 1 - soft)
    lay(crown * step(y, -fringe + soft, -fringe - soft), hair, 0.3, 0.25)
    _face(rng, scene, x, y, skin)


def _face(rng: Rng, scene: Scene, x: Floats, y: Floats, skin: Floats) -> None:
    """Draw brows, eyes, nose and a smile onto the head whose middle is 0, 0."""
    for side in (-0.3, 0.3):
        white = np.hypot((x - side) / 0.15, (y - 0.02) / 0.085)
        scene.color[:] = mix(scene.color, rgb(245, 242, 238), step(white, 1.1, 0.9))
        iris = np.hypot(x - side, y - 0.02)
        scene.color[:] = mix(scene.color, rgb(50, 36, 28), step(iris, 0.085, 0.06))
        brow = np.hypot((x - side) / 0.2, (y + 0.17 - 0.3 * (x - side) ** 2) / 0.035)
        scene.color[:] = mix(scene.color, skin * 0.25, step(brow, 1.1, 0.8))
    nose = np.hypot(x / 0.10, (y - 0.28) / 0.07)
    scene.color[:] = mix(scene.color, skin * 0.62, 0.7 * step(nose, 1.2, 0.3))
    curve = y - 0.58 + 0.5 * x * x
    mouth = np.maximum(np.abs(curve) / rng.uniform(0.03, 0.07), np.abs(x) / 0.3)
    scene.color[:] = mix(scene.color, rgb(170, 70, 70), step(mouth, 1.1, 0.8))


_SHIRT = (
    (0.36, 0.08),
    (0.44, 0.13),
    (0.56, 0.13),
    (0.64, 0.08),
    (0.96, 0.28),
    (0.85, 0.46),
    (0.75, 0.40),
    (0.76, 0.95),
    (0.24, 0.95),
    (0.25, 0.40),
    (0.15, 0.46),
    (0.04, 0.28),
)
_TROUSERS = (
    (0.30, 0.05),
    (0.70, 0.05),
    (0.78, 0.96),
    (0.56, 0.96),
    (0.50, 0.38),
    (0.44, 0.96),
    (0.22, 0.96),
)
_DRESS = (
    (0.38, 0.05),
    (0.44, 0.16),
    (0.56, 0.16),
    (0.62, 0.05),
    (0.68, 0.22),
    (0.61, 0.42),
    (0.86, 0.95),
    (0.14, 0.95),
    (0.39, 0.42),
    (0.32, 0.22),
)
_CUTS = (_SHIRT, _SHIRT, _TROUSERS, _DRESS)


def clothing(rng: Rng, scene: Scene) -> None:
    """Lay a shirt, trousers or a dress flat on the table, plain, striped or printed."""
    cut = np.array(pick(rng, _CUTS))
    cut = 0.5 + (cut - 0.5) * rng.uniform(0.86, 1.02) + rng.normal(0, 0.006, cut.shape)
    mask = blur(polygon(scene.shape, cut), 1.0)
    x, y = grid(scene.shape)
    fabric = vary(rng, rgb(*pick(rng, _FABRIC)), 0.15)
    color = np.broadcast_to(fabric, (*scene.shape, 3)).astype(np.float32)
    kind = rng.integers(4)
    if kind == 0:
        stripes = np.sin((x if rng.random() < 0.4 else y) * rng.uniform(20, 60))
        color = mix(color, rgb(*pick(rng, _FABRIC)), step(stripes, -0.1, 0.1))
    elif kind == 1:
        color = color.copy()
        ink = rgb(250, 250, 250) if fabric.mean() < 0.4 else rgb(30, 30, 30)
        write(color, pick(rng, ("92", "SURF", "NYC", "TEAM")), (0.5, 0.42), (0.3, 0.14), ink)
    threads = fractal(rng, scene.shape, scene.unit / 4, 1)
    folds = fractal(rng, scene.shape, (3, 6), 3, 0.4)
    relief = inflate(mask, 0.05 * scene.unit) * 0.6 + 0.018 * scene.unit * folds + 0.3 * threads
    color = color * (1 + 0.05 * threads)[..., None]
    scene.paint(mask, color, np.maximum(relief, 0.5))
