"""A scene as maps of colour, height and gloss, shaded once at the end.

Things are placed into one buffer. Where two overlap, the higher one wins, so that heaps, bowls and
spoons occlude each other. Light, cast shadows and ambient occlusion are computed in one pass.
"""

import copy
import math
from dataclasses import dataclass

import cv2
import numpy as np

from .pixels import Floats, Rng, blur, resize


@dataclass(frozen=True)
class Sprite:
    """One thing seen from above, drawn once and placed many times.

    Attributes
    ----------
    color : (h, w, 3) float32
        Linear light; also filled outside the outline, so that edges do not bleed.
    height : (h, w) float32
        Height in units of the sprite's width; 0 = outside the outline.
    gloss : float
        0 = matt like paper, 1 = shining like glass.
    """

    color: Floats
    height: Floats
    gloss: float = 0.0

    def __post_init__(self) -> None:
        for name in ("color", "height"):  # double precision would only cost time
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float32))


@dataclass(frozen=True)
class Light:
    """Where the lamp stands, as a unit vector from the table, and how hard its shadows are."""

    direction: tuple[float, float, float]
    hardness: float = 0.6

    @classmethod
    def random(cls, rng: Rng) -> "Light":
        """Return a lamp behind or beside the things."""
        azimuth = math.radians(rng.uniform(-200, 20))
        elevation = math.radians(rng.uniform(38, 66))
        flat = math.cos(elevation)
        direction = (flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation))
        return cls(direction, float(rng.uniform(0.35, 0.8)))


class Scene:
    """The buffer into which things are placed.

    Parameters
    ----------
    color : (h, w, 3) float32
        The surface everything lies on, linear light.
    height : (h, w) float32
        Its relief in pixels.
    gloss : float
        Its gloss, 0…1.
    """

    def __init__(self, color: Floats, height: Floats, gloss: float = 0.0) -> None:
        self.color = np.ascontiguousarray(color, np.float32).copy()
        self.height = np.ascontiguousarray(height, np.float32).copy()
        self.gloss = np.full(height.shape, gloss, np.float32)
        self.scale = 1.0  # how large things are put down

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height.shape[0], self.height.shape[1]

    @property
    def unit(self) -> float:
        """The shorter side in pixels, times `scale`; sizes are given as parts of it."""
        return min(self.shape) * self.scale

    def window(self, top: int, left: int, rows: int, columns: int) -> "Scene":
        """Return a part of the scene that shares its pixels: what is painted there shows here."""
        part = copy.copy(self)
        window = slice(top, top + rows), slice(left, left + columns)
        part.color, part.height = self.color[window], self.height[window]
        part.gloss = self.gloss[window]
        return part

    def around(self, center: tuple[float, float], unit: float) -> tuple[Floats, Floats]:
        """Return x and y, (h, w) each, in units of `unit` pixels from `center` (x, y in pixels)."""
        x = (np.arange(self.shape[1], dtype=np.float32) + 0.5 - center[0]) / unit
        y = (np.arange(self.shape[0], dtype=np.float32) + 0.5 - center[1]) / unit
        return np.broadcast_to(x, self.shape), np.broadcast_to(y[:, None], self.shape)

    def place(
        self,
        sprite: Sprite,
        center: tuple[float, float],
        width: float,
        angle: float = 0.0,
        *,
        squash: float = 1.0,
        tint: Floats | float = 1.0,
        tilt: tuple[float, float] = (0.0, 0.0),
        base: float | None = None,
        clip: Floats | None = None,
    ) -> None:
        """Place `sprite` at `center` (x, y in pixels), `width` pixels wide.

        `angle` turns it (radians), `squash` < 1 shortens it vertically, `tilt` leans it (slope in
        x and y), `tint` multiplies its colour, `base` is the height it stands on (None: on
        whatever lies there already), and `clip` is a mask (h, w) that limits it.
        """
        rows, columns = sprite.height.shape
        scale = width / columns
        cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
        turn = np.array([[cos, -sin], [squash * sin, squash * cos]])
        reach = np.abs(turn) @ (columns / 2, rows / 2) + 1
        left, top = (max(0, math.floor(c - r)) for c, r in zip(center, reach, strict=True))
        right = min(self.shape[1], math.ceil(center[0] + reach[0]))
        bottom = min(self.shape[0], math.ceil(center[1] + reach[1]))
        if right - left < 2 or bottom - top < 2:
            return  # it lies outside the frame
        # warpAffine speaks of pixel centres, hence the half pixels
        shift = np.array([center[0] - left, center[1] - top]) - turn @ (columns / 2, rows / 2)
        shift += turn @ (0.5, 0.5) - 0.5
        matrix = np.column_stack([turn, shift])
        size = (right - left, bottom - top)
        edge = cv2.BORDER_CONSTANT
        height = cv2.warpAffine(sprite.height, matrix, size, borderMode=edge) * width
        color = cv2.warpAffine(sprite.color, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        window = slice(top, bottom), slice(left, right)
        inside = height > 0.25
        if clip is not None:
            inside &= clip[window] > 0.5
        below = self.height[window]
        if not inside.any():
            return
        if base is None:
            base = 0.6 * float(below[inside].mean()) + 0.4 * float(below[inside].max())
        level = height + base
        if tilt != (0.0, 0.0):
            xs = np.arange(left, right, dtype=np.float32) - center[0]
            ys = np.arange(top, bottom, dtype=np.float32) - center[1]
            level += tilt[0] * xs[None, :] + tilt[1] * ys[:, None]
        # A little give: what is put down later lies on top instead of sinking in
        visible = inside & (level > below - 0.12 * width)
        np.copyto(below, level, where=visible)
        np.copyto(self.color[window], color * np.float32(tint), where=visible[..., None])
        self.gloss[window][visible] = sprite.gloss

    def paint(
        self, mask: Floats, color: Floats, height: Floats | float, gloss: float = 0.0
    ) -> None:
        """Paint over the scene where `mask` (h, w) is 1; colour and height may be scalars."""
        rows = np.flatnonzero(mask.max(1))
        columns = np.flatnonzero(mask.max(0))
        if not len(rows):
            return
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        share = mask[window]
        pixels = self.color[window]
        pixels += (np.broadcast_to(color, self.color.shape)[window] - pixels) * share[..., None]
        inside = share > 0.5
        np.copyto(self.height[window], np.broadcast_to(height, self.shape)[window], where=inside)
        self.gloss[window][inside] = gloss

    def shade(self, light: Light) -> Floats:
        """Return the lit scene, (h, w, 3) float32, linear light, about 0…1."""
        lx, ly, lz = light.direction
        relief = blur(self.height, 0.8)  # otherwise outlines become jagged dark lines
        slope_x = np.clip(cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=1 / 8), -1.1, 1.1)
        slope_y = np.clip(cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=1 / 8), -1.1, 1.1)
        facing = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
        lambert = np.maximum((lz - slope_x * lx - slope_y * ly) * facing, 0)
        lit = lambert * self._shadow(light)
        dim = self._crevices() * (0.55 + 0.45 * facing)
        # A flat surface in full light comes out at its own colour
        flat = self.color * (0.42 * dim + (0.58 / lz) * lit)[..., None]
        half = math.sqrt(lx * lx + ly * ly + (lz + 1) ** 2)
        mirror = (lz + 1 - slope_x * lx - slope_y * ly) * facing / half
        shine = self.gloss * (0.9 * mirror**60 + 0.12 * mirror**8) * (lit > 0)
        # Steep glossy sides mirror the room, which is brighter above
        room = self.gloss * 0.10 * (1 - facing) * np.clip(0.5 - slope_y * 0.4 * np.sign(-ly), 0, 1)
        return np.asarray(flat + (shine + room * dim)[..., None], np.float32)

    def _shadow(self, light: Light) -> Floats:
        """Return the light that reaches each point, 0…1: march from there towards the lamp."""
        small = resize(self.height, (self.shape[0] // 3, self.shape[1] // 3))
        lx, ly, lz = light.direction
        flat = math.hypot(lx, ly)
        blocked = np.full_like(small, -1e3)
        size = (small.shape[1], small.shape[0])
        stride = self.unit / 3 / 90
        for k in range(1, 15):
            reach = stride * k * (1 + 0.12 * k)
            move = np.array([[1, 0, -reach * lx / flat], [0, 1, -reach * ly / flat]])
            moved = cv2.warpAffine(small, move, size, borderMode=cv2.BORDER_REPLICATE)
            np.maximum(blocked, moved - 3 * reach * lz / flat, out=blocked)
        soft = self.unit * 0.02 * (1.2 - light.hardness)
        dark = np.clip((blocked - small) / soft + 0.2, 0, 1)
        spread = 1.0 + 3 * (1 - light.hardness)
        return resize(1 - (0.35 + 0.55 * light.hardness) * blur(dark, spread), self.shape)

    def _crevices(self) -> Floats:
        """Return ambient light, 1 in the open … 0 deep between things."""
        depth = np.zeros(self.shape, np.float32)
        for part in (0.006, 0.02, 0.06):
            sigma = part * self.unit
            depth += np.maximum(blur(self.height, sigma) - self.height, 0) / sigma
        return np.asarray(np.exp(-0.55 * depth), np.float32)
