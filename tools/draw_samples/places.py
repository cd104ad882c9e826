"""Places: a delivery van, a shop front, fields, shelves of boxes."""

import numpy as np

from .lettering import write
from .pixels import Floats, Rng, fractal, grid, mix, pick, polygon, rgb, step, vary

Shape = tuple[int, int]
_PAINT = (
    (200, 50, 45),
    (40, 90, 150),
    (50, 120, 75),
    (235, 175, 40),
    (90, 60, 110),
    (240, 240, 238),
)


def place(rng: Rng, shape: Shape) -> Floats:
    """Return one of the places, (h, w, 3) linear light."""
    draw = pick(rng, (_van, _shop, _field, _field, _shelves))
    return draw(rng, shape)


def _paint(rng: Rng) -> Floats:
    """Return the colour of a van or a shop front."""
    return vary(rng, rgb(*pick(rng, _PAINT)), 0.12)


def _panel(shape: Shape, left: float, top: float, right: float, bottom: float) -> Floats:
    """Return the mask of a rectangle, its sides as parts 0…1 of the frame."""
    return polygon(shape, ((left, top), (right, top), (right, bottom), (left, bottom)))


def _sky(rng: Rng, shape: Shape) -> Floats:
    """Return clouds on blue, paler towards the horizon."""
    _, y = grid(shape)
    blue = mix(rgb(90, 150, 220), rgb(205, 225, 240), 0.5 + 0.6 * y)
    clouds = fractal(rng, shape, (4, 2.5), 5, 0.55)
    return mix(blue, rgb(252, 252, 252), 0.9 * step(clouds, 0.05, 0.7))


def _field(rng: Rng, shape: Shape) -> Floats:
    """Return rows of a crop that run to a vanishing point under hills and sky."""
    x, y = grid(shape)
    horizon = rng.uniform(-0.3, 0.05)
    image = _sky(rng, shape)
    for k in range(3):
        ridge = horizon - 0.22 + 0.09 * k + 0.10 * fractal(rng, (1, shape[1]), (1, 4), 3)
        hill = mix(rgb(110, 140, 150), rgb(70, 110, 60), k / 2)
        image = mix(image, hill, step(y - ridge, -0.01, 0.01))
    depth = np.maximum(y - horizon, 1e-3)
    rows = np.sin((x - rng.uniform(-0.4, 0.4)) / depth * rng.uniform(5, 9))
    leaf = vary(rng, pick(rng, (rgb(70, 120, 40), rgb(200, 170, 70), rgb(130, 150, 60))))
    crop = mix(rgb(96, 70, 46), leaf, step(rows, -0.4, 0.3))
    crop = crop * (1 + 0.25 * fractal(rng, shape, (60, 30), 2))[..., None]
    return mix(image, np.clip(crop, 0, 1), step(depth, 0.01, 0.03))


def _van(rng: Rng, shape: Shape) -> Floats:
    """Return a delivery van from the side, on a road, with words on it."""
    x, y = grid(shape)
    image = _sky(rng, shape)
    image = mix(image, rgb(60, 100, 55), step(y, 0.18, 0.22))
    road = rgb(96, 96, 98) * (1 + 0.15 * fractal(rng, shape, 60, 2))[..., None]
    image = mix(image, road, step(y, 0.40, 0.42))
    paint = _paint(rng)
    body = ((0.08, 0.28), (0.66, 0.28), (0.84, 0.44), (0.94, 0.54), (0.94, 0.74), (0.08, 0.74))
    shade = np.clip(1.1 - 0.35 * (y + 0.45), 0.6, 1.15)[..., None]
    image = mix(image, paint * shade, polygon(shape, body))
    window = polygon(shape, ((0.67, 0.33), (0.79, 0.45), (0.79, 0.50), (0.67, 0.50)))
    image = mix(image, rgb(60, 80, 95), window)
    for line in (0.46, 0.655):
        image = mix(image, paint * 0.5, _panel(shape, line, 0.3, line + 0.005, 0.72))
    under = np.hypot((x - 0.02) / 0.95, (y - 0.66) / 0.07)
    image = mix(image, rgb(40, 40, 42), 0.7 * step(under, 1, 0.4))
    for wheel in (-0.52, 0.56):
        r = np.hypot(x - wheel, (y - 0.50) * shape[0] / shape[1])
        image = mix(image, rgb(28, 28, 30), step(r, 0.165, 0.155))
        image = mix(image, rgb(170, 172, 176), step(r, 0.09, 0.08))
    ink = rgb(250, 250, 250) if paint.mean() < 0.35 else rgb(40, 40, 60)
    words = pick(rng, ("DELIVERY", "FRESH TO YOU", "EXPRESS"))
    write(image, words, (0.30, 0.46), (0.4, 0.12), ink)
    return image


def _shop(rng: Rng, shape: Shape) -> Floats:
    """Return a shop front: sign, striped awning, window, door, pavement."""
    x, y = grid(shape)
    brick = np.sin(y * 90) + np.sin(x * 45 + np.floor(y * 90 / np.pi) * np.pi / 2)
    stains = 1 - 0.06 * brick + 0.1 * fractal(rng, shape, 30, 2)
    wall = vary(rng, rgb(176, 120, 95), 0.2) * stains[..., None]
    image = mix(wall, rgb(150, 148, 145), step(y, 0.74, 0.76))
    paint = _paint(rng)
    image = mix(image, paint * 0.6, _panel(shape, 0.06, 0.06, 0.94, 0.2))
    ink = rgb(250, 240, 215) if paint.mean() < 0.5 else rgb(40, 40, 40)
    name = pick(rng, ("FOOD MARKET", "THE PANTRY", "GROCERY", "DELI"))
    write(image, name, (0.5, 0.13), (0.7, 0.09), ink)
    glass = mix(rgb(60, 75, 85), rgb(235, 200, 140), 0.4 + 0.5 * fractal(rng, shape, 6, 3))
    image = mix(image, rgb(50, 42, 38), _panel(shape, 0.08, 0.3, 0.62, 0.8))
    image = mix(image, glass, _panel(shape, 0.1, 0.32, 0.60, 0.78))
    image = mix(image, paint * 0.5, _panel(shape, 0.68, 0.3, 0.9, 0.87))
    image = mix(image, glass, _panel(shape, 0.71, 0.34, 0.87, 0.66))
    stripes = step(np.sin(x * 28), -0.1, 0.1)
    awning = polygon(shape, ((0.06, 0.22), (0.94, 0.22), (0.99, 0.40), (0.01, 0.40)))
    fall = np.clip(1.1 - 0.8 * (y + 0.5), 0.6, 1.1)[..., None]
    return mix(image, mix(paint, rgb(248, 245, 238), stripes) * fall, awning)


def _shelves(rng: Rng, shape: Shape) -> Floats:
    """Return a warehouse: shelves with rows of cardboard boxes."""
    x, y = grid(shape)
    image = np.tile(rgb(70, 74, 80), (*shape, 1)).astype(np.float32)
    floors = int(rng.integers(3, 5))
    for floor in range(floors):
        bottom = (floor + 0.92) / floors
        left = rng.uniform(-0.05, 0.02)
        while left < 1:
            width, tall = rng.uniform(0.1, 0.22), rng.uniform(0.45, 0.8) / floors
            box = _panel(shape, left, bottom - tall, left + width, bottom)
            card = vary(rng, rgb(190, 150, 104), 0.15)
            shade = np.clip(1 - 0.3 * (x - 2 * left + 1), 0.5, 1.1)[..., None]
            image = mix(image, card * shade, box)
            middle = left + width / 2
            tape = _panel(shape, middle - 0.01, bottom - tall, middle + 0.01, bottom)
            image = mix(image, card * 1.25, tape)
            left += width + rng.uniform(0.005, 0.05)
        board = _panel(shape, 0, bottom, 1, bottom + 0.03)
        image = mix(image, rgb(220, 120, 40), board)
    return image * np.clip(1.05 - 0.2 * (x * x + y * y), 0.4, 1)[..., None]
