"""Bottles of coloured liquid, standing on a table, seen from the front."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .pixels import Floats, Rng, blur, mix, pick, step
from .scene import Scene

Label = Callable[[Rng, tuple[int, int]], Floats]


@dataclass(frozen=True)
class Bottle:
    """The shape and contents of a bottle.

    Attributes
    ----------
    outline : tuple of (height, half width)
        From foot (0) to the top of the cap (1), both in heights of the bottle.
    absorbs : (3,) float32
        Absorption of red, green and blue light per depth of liquid.
    cap : float
        Where the cap begins, 0…1.
    cap_color : (3,) float32
    label : callable
        ``label(rng, (h, w)) -> (h, w, 3)`` linear light.
    label_box : tuple
        Bottom, top (heights) and width (in widths of the bottle at its middle).
    ribs : float
        Depth of the waves pressed into a plastic bottle, 0 = smooth glass.
    """

    outline: tuple[tuple[float, float], ...]
    absorbs: Floats
    cap: float
    cap_color: Floats
    label: Label
    label_box: tuple[float, float, float]
    ribs: float = 0.0


def stand(rng: Rng, scene: Scene, bottle: Bottle, foot: tuple[float, float], tall: float) -> None:
    """Stand `bottle`, `tall` pixels high, with the middle of its foot at `foot` (x, y pixels)."""
    x, y = scene.around(foot, tall)
    y = -y  # up
    heights, halves = np.array(bottle.outline).T
    corners = np.interp(y[:, :1], heights, halves).astype(np.float32)
    wide = blur(corners, 0.012 * tall)  # rounds the corners of the outline
    wide = wide.reshape(-1, 1) * (
        1 + bottle.ribs * np.sin(y * 120) * step(np.abs(y - 0.3), 0.3, 0.25)
    )
    s = x / np.maximum(wide, 1e-3)
    soft = 1.2 / tall
    inside = step(np.abs(x) - wide, soft, -soft) * step(y, -soft, soft) * (y < 1)
    around = np.sqrt(np.clip(1 - s * s, 0, 1))
    relief = 0.9 * tall * wide * around
    ground_contact(scene, foot, 2 * tall * float(halves[1]))
    glass = _liquid(rng, scene, bottle, around, y)
    scene.paint(inside, glass, relief, 0.8)
    _reflections(rng, scene, s, inside)
    lid = inside * (y > bottle.cap)
    ridges = 1 + 0.15 * np.cos(np.arcsin(np.clip(s, -1, 1)) * 30)
    scene.paint(lid, bottle.cap_color * ridges[..., None], relief, 0.3)
    low, high, share = bottle.label_box
    span = 2 * share * float(np.interp((low + high) / 2, heights, halves))
    label = bottle.label(rng, (round((high - low) * tall), round(span * tall)))
    stick(scene, label, (foot[0], foot[1] - (low + high) / 2 * tall), relief)


def _liquid(rng: Rng, scene: Scene, bottle: Bottle, around: Floats, y: Floats) -> Floats:
    """Return the colour of glass and liquid: the background, filtered by the depth of liquid."""
    fill = min(bottle.cap - 0.06, rng.uniform(0.74, 0.86))
    behind = mix(blur(scene.color, 0.05 * scene.unit), 1.0, 0.55)
    depth = 0.35 + 1.1 * around
    through = np.exp(-bottle.absorbs * depth[..., None])
    # Light gathers at the foot and is lost at the steep sides
    glow = (0.72 + 0.5 * step(y, 0.35, 0.0)) * (0.35 + 0.65 * step(around, 0.05, 0.55))
    liquid = behind * through * glow[..., None]
    empty = mix(behind, 0.55, 0.25) * (0.55 + 0.45 * step(around, 0.1, 0.6))[..., None]
    return mix(liquid, empty, step(y, fill - 0.006, fill + 0.006))


def _reflections(rng: Rng, scene: Scene, s: Floats, inside: Floats) -> None:
    """Paint reflections of two lamps: a broad strip on one side, a thin one on the other."""
    side = pick(rng, (-1.0, 1.0))
    strips = 0.75 * step(np.abs(s - 0.62 * side), 0.13, 0.07)
    strips = strips + 0.4 * step(np.abs(s + 0.80 * side), 0.06, 0.02)
    scene.color[:] = mix(scene.color, 1.0, rng.uniform(0.5, 0.8) * strips * inside)


def stick(scene: Scene, label: Floats, center: tuple[float, float], relief: Floats) -> None:
    """Stick `label` (h, w, 3) at `center` (x, y) onto a body whose heights are `relief`."""
    rows, columns = label.shape[:2]
    top, left = max(0, round(center[1] - rows / 2)), max(0, round(center[0] - columns / 2))
    window = slice(top, top + rows), slice(left, left + columns)
    visible = scene.height[window].shape  # less than the label where the frame cuts it
    scene.color[window] = label[: visible[0], : visible[1]]
    scene.height[window] = relief[window] + 1.5
    scene.gloss[window] = 0.1


def ground_contact(scene: Scene, center: tuple[float, float], wide: float) -> None:
    """Darken the table where something `wide` pixels wide stands on it."""
    x, y = scene.around(center, 0.62 * wide)
    scene.color *= (1 - 0.55 * step(np.hypot(x, 5.2 * y), 1.1, 0.2))[..., None]
