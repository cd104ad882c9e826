"""Bowls, jars and bags that hold things."""

import numpy as np

from .glass import ground_contact, stick
from .items import Hand, Item, fill, whorl
from .lettering import write
from .pixels import Floats, Rng, fractal, inflate, mix, pick, rgb, step, vary
from .scene import Scene

BRANDS = ("GOOD GROVE", "MILLSTONE", "HARVEST & CO", "NORDIC", "FIELD 7", "PURE", "OLD BARN")
_WARE = ((240, 238, 232), (60, 90, 120), (120, 75, 45), (70, 72, 75), (180, 110, 80),
         (200, 210, 190))  # fmt: skip
_LIDS = ((200, 200, 205), (190, 150, 70), (40, 40, 42), (160, 60, 50))
_FOILS = ((190, 150, 105), (245, 243, 238), (45, 45, 48), (70, 110, 70), (150, 40, 45),
          (230, 180, 60))  # fmt: skip
_PAPERS = ((246, 240, 226), (250, 250, 248), (60, 80, 60), (40, 40, 44), (200, 160, 90))


def bowl(rng: Rng, scene: Scene, item: Item) -> None:
    """Put a heaped bowl in the middle, seen from somewhere between the side and above."""
    hand = Hand(rng, item, scene.unit * item.size * rng.uniform(0.9, 1.25))
    k = float(rng.uniform(0.45, 1.0))
    radius = scene.unit * rng.uniform(0.38, 0.5)
    cx, cy = scene.shape[1] * rng.uniform(0.45, 0.55), scene.shape[0] * rng.uniform(0.42, 0.5)
    top = empty_bowl(rng, scene, (cx, cy), radius, k, item.crumb * 0.4)
    rise = np.sqrt(1 - k * k)
    number = hand.count(np.pi * radius**2 * k, 2.6)
    dx, dy = 0.88 * whorl(rng, number).T
    dome = 0.42 * (1 - dx**2 - dy**2)
    # From the back to the front when seen from the side, from the foot to the top from above
    for j in np.argsort(dy * rise + dome * k, kind="stable"):
        spot = (cx + radius * dx[j], cy + radius * (k * dy[j] - 0.8 * rise * dome[j]))
        level = top + radius * (0.5 * k * dome[j] + 0.35 * rise * (dy[j] + 1))
        hand.put(scene, spot, base=level, lean=0.2)


def empty_bowl(
    rng: Rng, scene: Scene, center: tuple[float, float], radius: float, k: float, inside: Floats
) -> float:
    """Paint a bowl whose rim is an ellipse flattened by `k`; return the height of its filling."""
    glaze = vary(rng, rgb(*pick(rng, _WARE)), 0.12)
    x, y = scene.around(center, radius)
    rim = np.hypot(x, y / k)
    soft = 1.5 / radius
    deep = k + 0.75 * np.sqrt(1 - k * k)
    body = np.where(y > 0, np.hypot(np.abs(x) ** 1.2, y / deep), rim)
    wall = 0.55 * radius * np.sqrt(np.clip(1.02 - body**2, 0, 1))
    scene.paint(step(body, 1 + soft, 1 - soft), glaze, wall, 0.35)
    lip = float(0.55 * radius)
    scene.paint(step(rim, 1 + soft, 1 - soft), glaze, lip, 0.35)
    hollow = lip - 0.25 * radius * np.clip(1 - (rim / 0.93) ** 2, 0, 1)
    scene.paint(step(rim, 0.93 + soft, 0.93 - soft), inside, hollow)
    return lip - 0.12 * radius


def jar(rng: Rng, scene: Scene, item: Item, edge: float) -> None:
    """Stand a filled glass jar with lid and label on the table that begins at `edge`."""
    rows, columns = scene.shape
    tall, wide = rows * rng.uniform(0.74, 0.86), columns * rng.uniform(0.5, 0.64)
    foot = min(rows * 0.97, rows * (edge + rng.uniform(0.06, 0.13)))
    cx = columns * rng.uniform(0.46, 0.54)
    x, y = scene.around((cx, foot), 1)
    x, y = x / (wide / 2), -y / tall  # y: 0 foot … 1 top of the lid
    neck = 1 - rng.uniform(0.12, 0.3) * step(y, 0.74, 0.86)
    shoulder = neck - 0.16 * np.clip(1 - y / 0.07, 0, 1) ** 2.5
    glass = step(np.abs(x) / shoulder, 1.01, 0.99) * (y > 0) * (y < 0.88)
    round_ = np.sqrt(np.clip(1 - (x / shoulder) ** 2, 0, 1))
    cylinder = (0.30 * wide * round_).astype(np.float32)
    ground_contact(scene, (cx, foot), wide)
    scene.paint(glass, mix(scene.color, rgb(225, 232, 232), 0.6), cylinder, 0.9)
    level = rng.uniform(0.72, 0.84)
    inner = glass * (np.abs(x) < 0.95) * (y < level) * (y > 0.025)
    hand = Hand(rng, item, scene.unit * item.size * rng.uniform(0.75, 1.0))
    fill(scene, hand, inner, 1.9)
    scene.color *= mix(1.0, (0.45 + 0.55 * round_**0.6)[..., None], inner)
    lid = (np.abs(x) < neck * 1.03).astype(np.float32) * (y > 0.86) * (y < 1)
    metal = vary(rng, rgb(*pick(rng, _LIDS)))
    ribs = 1 + 0.12 * np.cos(np.arcsin(np.clip(x / neck, -1, 1)) * 40)
    scene.paint(lid, metal * ribs[..., None], cylinder + 4, 0.6)
    if rng.random() < 0.7:
        mark = paper(rng, item.name, (round(tall * 0.26), round(wide * 0.62)))
        stick(scene, mark, (cx, foot - tall * rng.uniform(0.25, 0.45)), cylinder)
    streak = step(np.abs(x + 0.66), 0.10, 0.05) + 0.5 * step(np.abs(x - 0.78), 0.05, 0.02)
    scene.color[:] = mix(scene.color, 1.0, 0.45 * streak * glass)


def bag(rng: Rng, scene: Scene, item: Item) -> None:
    """Lay a pouch on the table, with a window onto what is in it and its name above."""
    rows, columns = scene.shape
    tall, wide = rows * rng.uniform(0.84, 0.94), columns * rng.uniform(0.66, 0.84)
    cx, cy = columns / 2, rows / 2
    x, y = scene.around((cx, cy), 1)
    x, y = x / (wide / 2), y / (tall / 2)
    wavy = 0.97 - 0.05 * y**2 * np.sign(y) + 0.012 * fractal(rng, scene.shape, (6, 2), 2)
    mask = step(np.abs(x), wavy + 0.008, wavy - 0.008) * step(np.abs(y), 1.005, 0.995)
    foil = vary(rng, rgb(*pick(rng, _FOILS)))
    belly = inflate(mask, 0.3 * scene.unit) * 0.35 + 5 * np.abs(fractal(rng, scene.shape, 3, 3))
    color = np.broadcast_to(foil, (*scene.shape, 3)) * np.where(y < -0.9, 0.8, 1.0)[..., None]
    scene.paint(mask, color, belly, 0.2)
    ink = rgb(245, 240, 230) if foil.mean() < 0.35 else rgb(50, 38, 30)
    left, right = round(cx - wide * 0.42), round(cx + wide * 0.42)
    panel = scene.color[round(cy - tall * 0.44) : round(cy - tall * 0.28), left:right]
    write(panel, item.name, (0.5, 0.62), (0.95, 0.6), ink)
    write(panel, pick(rng, BRANDS), (0.5, 0.16), (0.6, 0.24), ink)
    corner = rng.uniform(2, 6)
    window = (np.abs(x / 0.87) ** corner + np.abs((y - 0.2) / 0.7) ** corner < 1).astype(np.float32)
    fill(scene, Hand(rng, item, scene.unit * item.size * rng.uniform(0.9, 1.3)), window, 2.0)
    glare = step(np.abs(x - 0.5 * y + rng.uniform(-0.5, 0.5)), 0.22, 0.05) * window
    scene.color[:] = mix(scene.color, 1.0, rng.uniform(0.05, 0.22) * glare)


def paper(rng: Rng, name: str, shape: tuple[int, int]) -> Floats:
    """Return a label, (h, w, 3) linear light, with a brand and the name, ruled off."""
    ground = rgb(*pick(rng, _PAPERS))
    ink = rgb(40, 34, 30) if ground.mean() > 0.3 else rgb(245, 240, 225)
    label = np.tile(ground, (*shape, 1)).astype(np.float32)
    label[[1, 2, -3, -2]] = ink
    write(label, pick(rng, BRANDS), (0.5, 0.26), (0.6, 0.2), ink)
    write(label, name, (0.5, 0.62), (0.86, 0.42), ink)
    return label
