"""Bottles of maple syrup and sunflower oil, and pancakes."""

import numpy as np

from .glass import Bottle, ground_contact, stand
from .items import Item
from .lettering import write
from .pixels import Floats, Rng, fractal, mix, pick, rgb, step, vary
from .plants import leaf, leaf_mask, print_on, sunflower
from .scene import Scene

AMBER = np.array([0.62, 2.0, 4.6], np.float32)
GOLD = np.array([0.03, 0.32, 3.4], np.float32)

_JUG = ((0.0, 0.27), (0.03, 0.31), (0.30, 0.33), (0.48, 0.30), (0.62, 0.18), (0.70, 0.085),
        (0.84, 0.075), (0.86, 0.10), (1.0, 0.10))  # fmt: skip
_FLASK = ((0.0, 0.17), (0.03, 0.20), (0.52, 0.20), (0.62, 0.16), (0.70, 0.075), (0.84, 0.07),
          (0.86, 0.085), (1.0, 0.085))  # fmt: skip
_TALL = ((0.0, 0.14), (0.02, 0.155), (0.30, 0.155), (0.36, 0.135), (0.44, 0.155), (0.62, 0.155),
         (0.74, 0.12), (0.85, 0.055), (0.91, 0.05), (0.915, 0.07), (1.0, 0.07))  # fmt: skip
_SLIM = ((0.0, 0.12), (0.02, 0.135), (0.60, 0.135), (0.70, 0.10), (0.80, 0.045), (0.92, 0.042),
         (0.925, 0.055), (1.0, 0.055))  # fmt: skip


def syrup_label(rng: Rng, shape: tuple[int, int]) -> Floats:
    """Return a cream label with a red maple leaf."""
    ground, red = vary(rng, rgb(248, 238, 214), 0.04), vary(rng, rgb(186, 34, 30), 0.08)
    label = np.tile(ground, (*shape, 1)).astype(np.float32)
    label[[1, 2, -3, -2]] = red
    side = round(min(0.62 * shape[0], 0.8 * shape[1]))
    print_on(label, red, leaf_mask((side, side)), round(0.05 * shape[0]), (shape[1] - side) // 2)
    write(label, "MAPLE SYRUP", (0.5, 0.82), (0.9, 0.2), rgb(70, 40, 24))
    return label


def oil_label(rng: Rng, shape: tuple[int, int]) -> Floats:
    """Return a label with a sunflower on green, blue or white."""
    tone = pick(rng, [(40, 110, 60), (245, 245, 240), (36, 84, 150), (200, 40, 36)])
    label = np.tile(vary(rng, rgb(*tone), 0.06), (*shape, 1)).astype(np.float32)
    side = round(min(0.62 * shape[0], 0.86 * shape[1]))
    flower = sunflower(rng, side)
    mask = (flower.height > 0).astype(np.float32)
    print_on(label, flower.color, mask, round(0.05 * shape[0]), (shape[1] - side) // 2)
    ink = rgb(30, 60, 34) if min(tone) > 200 else rgb(255, 240, 190)
    write(label, "SUNFLOWER", (0.5, 0.77), (0.92, 0.16), ink)
    write(label, "OIL", (0.5, 0.90), (0.5, 0.12), ink)
    return label


def _syrup(rng: Rng) -> Bottle:
    cap = pick(rng, [rgb(40, 32, 28), rgb(170, 30, 30), rgb(220, 190, 110)])
    if rng.random() < 0.6:
        return Bottle(_JUG, AMBER, 0.86, cap, syrup_label, (0.08, 0.47, 0.74))
    return Bottle(_FLASK, AMBER, 0.86, cap, syrup_label, (0.10, 0.50, 0.9))


def _oil(rng: Rng) -> Bottle:
    cap = pick(rng, [rgb(240, 190, 20), rgb(40, 120, 50), rgb(190, 30, 30)])
    if rng.random() < 0.65:
        return Bottle(_TALL, GOLD, 0.915, cap, oil_label, (0.06, 0.30, 1.0), 0.012)
    return Bottle(_SLIM, GOLD, 0.925, cap, oil_label, (0.14, 0.46, 0.9))


def syrup_bottles(rng: Rng, scene: Scene, item: Item, edge: float) -> None:
    """Stand one or two bottles of syrup, often with a loop handle, an autumn leaf beside."""
    number = 1 if rng.random() < 0.7 else 2
    bottle = _syrup(rng)
    foot_y = scene.shape[0] * min(0.97, edge + rng.uniform(0.08, 0.16))
    tall = foot_y * rng.uniform(0.84, 0.98) / (1 + 0.12 * (number - 1))
    for k in range(number):
        middle = 0.5 if number == 1 else 0.27 + 0.46 * k
        foot = (scene.shape[1] * (middle + rng.uniform(-0.04, 0.04)), foot_y)
        if bottle.outline is _JUG:
            _loop(scene, foot, tall)
        stand(rng, scene, bottle, foot, tall)
    for side in rng.choice([0.12, 0.88], int(rng.integers(0, 4))):  # left and right of the label
        width = scene.unit * rng.uniform(0.16, 0.28)
        spot = (
            scene.shape[1] * (side + rng.uniform(-0.06, 0.06)),
            scene.shape[0] * rng.uniform(0.88, 0.96),
        )
        pose = float(rng.uniform(0, 6.3))
        scene.place(leaf(rng, round(width)), spot, width, pose, squash=0.55)


def _loop(scene: Scene, foot: tuple[float, float], tall: float) -> None:
    """Draw the small round handle between neck and shoulder of a syrup jug."""
    x, y = scene.around((foot[0] + 0.13 * tall, foot[1] - 0.70 * tall), tall)
    ring = np.abs(np.hypot(x, y) - 0.085)
    relief = 0.05 * tall * np.sqrt(np.clip(1 - (ring / 0.026) ** 2, 0, 1))
    scene.paint(step(ring, 0.028, 0.023), np.exp(-0.8 * AMBER), relief, 0.9)


def oil_bottles(rng: Rng, scene: Scene, item: Item, edge: float) -> None:
    """Stand one to three bottles of oil, perhaps with a sunflower leaning on them."""
    number = pick(rng, (1, 1, 2, 3))
    bottle = _oil(rng)
    foot_y = scene.shape[0] * min(0.98, edge + rng.uniform(0.10, 0.18))
    tall = foot_y * rng.uniform(0.9, 1.0)
    middle = 0.5 + rng.uniform(-0.12, 0.12) * (number == 1)
    apart = min(0.31, 2.3 * bottle.outline[1][1] * tall / scene.shape[1])
    for k in range(number):
        center = scene.shape[1] * (middle + apart * (k - (number - 1) / 2))
        stand(rng, scene, bottle, (center, foot_y), tall)
    if rng.random() < 0.5:
        width = scene.unit * rng.uniform(0.34, 0.5)
        side = -1 if middle > 0.5 else 1
        spot = scene.shape[1] * (0.5 + side * rng.uniform(0.26, 0.36)), scene.shape[0] * 0.8
        scene.place(sunflower(rng, round(width)), spot, width, squash=0.9)


def pancakes(rng: Rng, scene: Scene, item: Item, edge: float) -> None:
    """Stack pancakes, syrup running down their sides, a bottle behind."""
    rows, columns = scene.shape
    cx, radius = columns * rng.uniform(0.40, 0.5), columns * rng.uniform(0.32, 0.38)
    k, thick = rng.uniform(0.32, 0.45), rows * rng.uniform(0.055, 0.075)
    floor = rows * rng.uniform(0.84, 0.9)
    tall = rows * rng.uniform(0.7, 0.82)
    bottle = _syrup(rng)
    stand(
        rng, scene, bottle, (columns * rng.uniform(0.72, 0.8), rows * min(0.86, edge + 0.06)), tall
    )
    ground_contact(scene, (cx, floor), 2.4 * radius)
    px, py = scene.around((0, 0), 1)
    lift = 2.0
    plate = np.hypot((px - cx) / (1.25 * radius), (py - floor) / (1.25 * radius * k))
    scene.paint(step(plate, 1.01, 0.99), rgb(244, 243, 240), lift + 6 * plate, 0.4)
    layers = int(rng.integers(3, 6))
    crust = 0.5 * fractal(rng, scene.shape, 9, 3)
    for n in range(layers):
        lift += thick
        sx = cx + rng.normal(0, 0.03) * radius
        top = floor - 0.15 * radius * k - thick * (n + 1)
        far = np.hypot((px - sx) / radius, (py - top) / (radius * k))
        low = np.hypot((px - sx) / radius, (py - top - thick) / (radius * k))
        side = np.broadcast_to(rgb(236, 196, 124), (*scene.shape, 3)) * (1 + 0.2 * crust)[..., None]
        wall = lift + thick * np.sqrt(np.clip(1.02 - low**2, 0, 1))
        body = np.maximum(step(low, 1.01, 0.98), step(far, 1.01, 0.98))
        scene.paint(body, side, wall)
        face = mix(rgb(186, 112, 48), rgb(232, 178, 96), step(far, 0.82, 0.97) + 0.4 * crust)
        scene.paint(step(far, 0.99, 0.96), face, lift + thick)
    _pour(rng, scene, ((px - sx) / radius, (py - top) / (radius * k)), lift + thick, layers * thick)


def _pour(rng: Rng, scene: Scene, center: tuple[Floats, Floats], lift: float, drop: float) -> None:
    """Let syrup lie on the topmost pancake and run over its front edge; then butter."""
    x, y = center
    far = np.hypot(x, y) + 0.10 * fractal(rng, scene.shape, 5, 2)
    pool = step(far, 0.84, 0.80)
    rim = np.sqrt(np.clip(1 - x * x, 0, 1))
    for _ in range(int(rng.integers(3, 6))):
        place, width = rng.uniform(-0.75, 0.75), rng.uniform(0.06, 0.11)
        length = rng.uniform(0.3, 0.9) * drop / (0.13 * scene.unit)
        run = np.abs(x - place) < width * np.sqrt(np.clip(rim + length - y, 0, 1))
        pool = np.maximum(pool, run * (y > 0) * (y < rim + length))
    deep = (
        np.broadcast_to(np.exp(-1.25 * AMBER), (*scene.shape, 3))
        * (0.7 + 0.5 * np.minimum(far, 1))[..., None]
    )
    scene.paint(pool, deep, lift + 5 * pool, 0.25)
    pat = (np.abs(x + 0.3 * y) < 0.2) & (np.abs(y + 0.1) < 0.2)
    scene.paint(pat.astype(np.float32), rgb(252, 228, 130), lift + 14, 0.2)
