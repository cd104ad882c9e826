"""Leaves and a sunflower, printed on labels or lying beside products."""

import numpy as np

from .pixels import Floats, Rng, fractal, grid, mix, polygon, rgb, step, vary
from .scene import Scene, Sprite

# The right half of a maple leaf, from its tip to its stalk; x, y up
_LEAF = (
    (0.00, 1.00), (0.15, 0.70), (0.30, 0.78), (0.23, 0.34), (0.45, 0.58), (0.53, 0.44),
    (0.85, 0.50), (0.75, 0.26), (0.90, 0.16), (0.42, -0.26), (0.48, -0.44), (0.04, -0.36),
    (0.04, -0.92),
)  # fmt: skip


def leaf_mask(shape: tuple[int, int]) -> Floats:
    """Return a maple leaf, 0…1, (h, w), filling the frame."""
    right = np.array(_LEAF)
    outline = np.concatenate([right, right[::-1] * (-1, 1)])
    return polygon(shape, outline * (0.5, -0.48) + (0.5, 0.52))


def leaf(rng: Rng, pixels: int) -> Sprite:
    """Return a real maple leaf in autumn red or orange, with veins."""
    shape = (pixels, pixels)
    mask = leaf_mask(shape)
    x, y = grid(shape)
    turn = np.arctan2(x, -(y + 0.15))
    veins = np.abs(np.sin(turn * 3.4)) * np.hypot(x, y + 0.15)
    red, amber = rgb(176, 46, 30), rgb(214, 134, 40)
    color = mix(red, amber, 0.4 + 0.6 * fractal(rng, shape, 3, 3))
    color = mix(color, rgb(240, 190, 110), 0.7 * step(veins, 0.07, 0.01))
    height = mask * (0.02 + 0.03 * np.abs(fractal(rng, shape, 3, 2)))
    return Sprite(color, (height * (mask > 0.5)), 0.05)


def green_leaf(rng: Rng, pixels: int, slim: float, teeth: int) -> Sprite:
    """Return a green leaf, point to the right, `slim` as wide as long, with `teeth` on its rim."""
    rows = max(4, round(pixels * slim))
    x, y = grid((rows, pixels))
    t = np.clip(x, -0.99, 0.99)
    outline = 0.98 * (1 + t) ** 0.55 * (1 - t) ** 0.9 / 1.12
    outline = outline * (1 - 0.10 * ((t * teeth / 2) % 1) * (teeth > 0))
    side = np.abs(y)
    ribs = np.abs(np.sin((x - 0.55 * side) * 13))
    green = mix(
        vary(rng, rgb(96, 136, 54), 0.18), rgb(48, 82, 30), 0.4 + fractal(rng, (rows, pixels), 3, 2)
    )
    veins = np.maximum(step(ribs, 0.22, 0.04) * 0.6, step(side, 0.07, 0.02))
    color = mix(green, rgb(160, 186, 110), 0.75 * veins)
    bulge = 0.02 * ribs + 0.05 * np.sqrt(side) + 0.03 * fractal(rng, (rows, pixels), 2, 2)
    inside = (side < outline) & (np.abs(x) < 0.985)
    height = np.where(inside, 0.03 + np.maximum(bulge, 0), 0)
    return Sprite(color, height, 0.12)


def sunflower(rng: Rng, pixels: int) -> Sprite:
    """Return a sunflower from the front: two rings of yellow petals, a dark seed disc."""
    x, y = grid((pixels, pixels))
    r, turn = np.hypot(x, y), np.arctan2(y, x) + rng.uniform(0, 6)
    petals = int(rng.integers(8, 11))
    front = 0.62 + 0.34 * np.abs(np.cos(turn * petals)) ** 0.7
    back = 0.60 + 0.36 * np.abs(np.sin(turn * petals)) ** 0.7
    rays = 0.5 + 0.5 * np.cos(turn * petals * 6)
    yellow = mix(rgb(250, 196, 20), rgb(232, 140, 10), 0.7 * step(r, 0.75, 0.38) + 0.15 * rays)
    color = mix(yellow * 0.72, yellow, step(r - front, 0.01, -0.01))
    seeds = np.sin(turn * 21 + 30 * r) * np.sin(turn * 21 - 30 * r)
    disc = mix(rgb(60, 36, 18), rgb(130, 84, 34), 0.5 + 0.5 * seeds)
    disc = mix(disc, rgb(40, 26, 14), step(r, 0.2, 0.05))
    color = mix(color, disc, step(r, 0.42, 0.39))
    dome = 0.10 * np.sqrt(np.clip(1 - (r / 0.42) ** 2, 0, 1)) + 0.01 * seeds * (r < 0.4)
    height = np.where(r < np.maximum(front, back), 0.03 + 0.03 * (r < front) + dome, 0)
    return Sprite(color, height, 0.0)


def print_on(label: Floats, image: Floats, mask: Floats, top: int, left: int) -> None:
    """Print `image` (h, w, 3) or one colour (3,) through `mask` (h, w) onto `label`, in place."""
    window = label[top : top + mask.shape[0], left : left + mask.shape[1]]
    mask = mask[: window.shape[0], : window.shape[1]]
    if image.ndim == 3:
        image = image[: window.shape[0], : window.shape[1]]
    window[...] = mix(window, image, mask)


def lay_leaves(rng: Rng, scene: Scene, slim: float, teeth: int) -> None:
    """Lay one to three green leaves near the edges of the frame."""
    turn = rng.uniform(0, 2 * np.pi)
    for k in range(int(rng.integers(1, 4))):
        angle = turn + 2.2 * k + rng.normal(0, 0.3)
        width = scene.unit * rng.uniform(0.3, 0.5)
        across = 0.5 + 0.42 * np.array([np.cos(angle), np.sin(angle)])
        spot = across * scene.shape[::-1]
        pose = float(angle + rng.normal(0, 0.7))
        scene.place(green_leaf(rng, round(width), slim, teeth), (spot[0], spot[1]), width, pose)
