"""Opaque packages: pouches, cartons and tins that show a product only in print."""

from collections.abc import Callable

import numpy as np

from .glass import ground_contact
from .lettering import write
from .pixels import Floats, Rng, blur, fractal, inflate, mix, pick, rgb, step, vary
from .scene import Light, Scene, Sprite
from .vessels import BRANDS

Emblem = Callable[[Rng, int], Sprite]
_PAINTS = ((245, 243, 238), (190, 150, 105), (45, 45, 48), (70, 110, 70), (150, 40, 45),
           (230, 180, 60), (40, 80, 130), (235, 225, 200), (200, 90, 50),
           (95, 60, 110))  # fmt: skip
_CLAIMS = ("ORGANIC", "500 g", "NATURAL", "PREMIUM", "FAIR TRADE", "1 kg", "VEGAN", "NEW HARVEST")


def artwork(rng: Rng, name: str, emblem: Emblem, shape: tuple[int, int]) -> Floats:
    """Return the printed front of a package, (h, w, 3) linear light: brand, name, illustration."""
    ground = vary(rng, rgb(*pick(rng, _PAINTS)), 0.08)
    front = np.tile(ground, (*shape, 1)).astype(np.float32)
    dark = float(ground.mean()) < 0.3
    ink = rgb(250, 245, 230) if dark else rgb(50, 36, 28)
    rows = shape[0]
    top = rng.uniform(0.05, 0.3)
    if rng.random() < 0.6:  # a band of another colour behind the name
        band = vary(rng, rgb(*pick(rng, _PAINTS)), 0.08)
        front[round(top * rows) : round((top + 0.26) * rows)] = band
        ink = rgb(250, 245, 230) if float(band.mean()) < 0.3 else rgb(50, 36, 28)
    write(front, pick(rng, BRANDS), (0.5, top + 0.05), (0.5, 0.07), ink)
    write(front, name, (0.5, top + 0.16), (0.86, 0.12), ink)
    _illustration(rng, front, emblem, top + 0.3)
    if rng.random() < 0.7:
        foot = rgb(250, 245, 230) if dark else rgb(50, 36, 28)
        write(front, pick(rng, _CLAIMS), (rng.uniform(0.3, 0.7), 0.95), (0.4, 0.05), foot)
    return front


def _illustration(rng: Rng, front: Floats, emblem: Emblem, top: float) -> None:
    """Print some of the product below `top` (part of the height), in place."""
    rows, columns = front.shape[:2]
    window = front[round(top * rows) : round(0.93 * rows), round(0.08 * columns) :]
    window = window[:, : round(0.84 * columns)]
    if min(window.shape[:2]) < 12:
        return
    print_ = Scene(window, np.zeros(window.shape[:2], np.float32))
    number = pick(rng, (1, 2, 3, 5))
    width = print_.unit * rng.uniform(0.5, 0.95) / number**0.45
    sprite = emblem(rng, max(10, round(width)))
    for _ in range(number):
        spread = 0.0 if number == 1 else 0.28
        spot = (0.5 + rng.uniform(-spread, spread, 2)) * print_.shape[::-1]
        print_.place(sprite, (spot[0], spot[1]), width, float(rng.uniform(0, 6.3)))
    window[...] = np.clip(print_.shade(Light((-0.4, -0.5, 0.77), 0.3)), 0, 1)


def pouch(rng: Rng, scene: Scene, name: str, emblem: Emblem) -> None:
    """Lay a closed pouch on the table, wrinkled, without a window."""
    rows, columns = scene.shape
    tall, wide = rows * rng.uniform(0.8, 0.94), columns * rng.uniform(0.58, 0.8)
    x, y = scene.around((columns / 2, rows / 2), 1)
    x, y = x / (wide / 2), y / (tall / 2)
    wavy = 0.97 - 0.05 * y**2 * np.sign(y) + 0.012 * fractal(rng, scene.shape, (6, 2), 2)
    mask = step(np.abs(x), wavy + 0.008, wavy - 0.008) * step(np.abs(y), 1.005, 0.995)
    creases = np.abs(fractal(rng, scene.shape, 3, 3))
    belly = inflate(mask, 0.3 * scene.unit) * 0.4 + 0.02 * scene.unit * creases
    _wrap(rng, scene, mask, belly, artwork(rng, name, emblem, (round(tall), round(wide))), 0.25)


def carton(rng: Rng, scene: Scene, name: str, emblem: Emblem, edge: float) -> None:
    """Stand a cardboard box on the table that begins at `edge`, one side in the shade."""
    rows, columns = scene.shape
    tall, wide = rows * rng.uniform(0.62, 0.82), columns * rng.uniform(0.4, 0.6)
    foot = min(rows * 0.97, rows * (edge + rng.uniform(0.06, 0.13)))
    middle = columns * rng.uniform(0.44, 0.56)
    depth = pick(rng, (-1, 1)) * wide * rng.uniform(0.1, 0.28)
    ground_contact(scene, (middle, foot), wide)
    x, y = scene.around((middle, foot), 1)
    front = ((np.abs(x) < wide / 2) & (y < 0) & (y > -tall)).astype(np.float32)
    art = artwork(rng, name, emblem, (round(tall), round(wide)))
    outer = np.sign(depth) * wide / 2
    along = (x - outer) / depth  # 0 at the front edge … 1 at the back edge
    lift = 0.35 * abs(depth) * along
    side = (along > 0) & (along < 1) & (y < -lift) & (y > -tall - lift * 0.4 + 0.1 * lift)
    dark = art.mean((0, 1)) * rng.uniform(0.35, 0.6)
    scene.paint(side.astype(np.float32), dark, 0.1 * scene.unit, 0.05)
    _wrap(rng, scene, front, np.full(scene.shape, 0.12 * scene.unit, np.float32), art, 0.1)


def tin(rng: Rng, scene: Scene, name: str, emblem: Emblem, edge: float) -> None:
    """Stand a printed tin with a metal rim on the table that begins at `edge`."""
    rows, columns = scene.shape
    tall, wide = rows * rng.uniform(0.55, 0.8), columns * rng.uniform(0.42, 0.58)
    foot = min(rows * 0.97, rows * (edge + rng.uniform(0.06, 0.13)))
    middle = columns * rng.uniform(0.45, 0.55)
    ground_contact(scene, (middle, foot), wide)
    x, y = scene.around((middle, foot), 1)
    x, y = x / (wide / 2), -y / tall
    bow = 0.03 * (1 - x * x)  # the rims are seen a little from above
    body = step(np.abs(x), 1.01, 0.99) * (y + bow > 0) * (y < 1 + bow)
    round_ = np.sqrt(np.clip(1 - x * x, 0, 1))
    relief = (0.3 * wide * round_).astype(np.float32)
    _wrap(rng, scene, body, relief, artwork(rng, name, emblem, (round(tall), round(wide))), 0.5)
    rim = body * ((np.abs(y + bow - 0.03) < 0.025) | (np.abs(y - bow - 0.97) < 0.03))
    scene.paint(rim, rgb(200, 200, 204), relief + 3, 0.8)
    scene.color *= mix(1.0, (0.5 + 0.5 * round_)[..., None], body)


def _wrap(rng: Rng, scene: Scene, mask: Floats, relief: Floats, art: Floats, gloss: float) -> None:
    """Paint `art` over the bounding box of `mask`, through it."""
    rows, columns = np.flatnonzero(mask.max(1) > 0.5), np.flatnonzero(mask.max(0) > 0.5)
    if not len(rows) or not len(columns):
        return
    canvas = np.broadcast_to(art.mean((0, 1)), (*scene.shape, 3)).copy()
    height = min(art.shape[0], scene.shape[0] - rows[0])
    width = min(art.shape[1], scene.shape[1] - columns[0])
    canvas[rows[0] : rows[0] + height, columns[0] : columns[0] + width] = art[:height, :width]
    grain = 1 + 0.03 * fractal(rng, scene.shape, scene.unit / 6, 1)
    scene.paint(mask, blur(canvas * grain[..., None], 0.5), relief, gloss)
