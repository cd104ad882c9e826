"""Arrangements of many small items: filling the frame, scattered, a few, a heap."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .pixels import Floats, Rng, fractal, pick, vary
from .scene import Scene, Sprite


@dataclass(frozen=True)
class Item:
    """A small thing that is sold in heaps.

    Attributes
    ----------
    name : str
        As printed on its bag.
    draw : callable
        ``draw(rng, pixels) -> Sprite`` of that width.
    size : float
        Its usual width, in shorter sides of the frame.
    slim : float
        Its length across, in widths: decides how many fill a space.
    crumb : (3,) float32
        Colour of what shows between them when they lie deep.
    """

    name: str
    draw: Callable[[Rng, int], Sprite]
    size: float
    slim: float
    crumb: Floats


@dataclass
class Hand:
    """A few variants of an item, placed in random poses."""

    rng: Rng
    item: Item
    width: float
    kinds: int = 6

    def __post_init__(self) -> None:
        pixels = max(8, round(self.width))
        self.sprites = [self.item.draw(self.rng, pixels) for _ in range(self.kinds)]

    def put(
        self,
        scene: Scene,
        center: tuple[float, float],
        *,
        lean: float = 0.12,
        base: float | None = None,
        clip: Floats | None = None,
    ) -> None:
        """Place one at `center` (x, y in pixels)."""
        rng = self.rng
        scene.place(
            pick(rng, self.sprites),
            center,
            self.width * float(np.exp(rng.normal(0, 0.08))),
            float(rng.uniform(0, 2 * np.pi)),
            squash=1 - abs(float(rng.normal(0, 0.8 * lean))),
            tint=vary(rng, np.ones(3, np.float32), 0.07),
            tilt=(float(rng.normal(0, lean)), float(rng.normal(0, lean))),
            base=base,
            clip=clip,
        )

    def count(self, area: float, layers: float) -> int:
        """Return how many cover `area` (square pixels) `layers` times."""
        return max(1, round(layers * area / (self.width**2 * self.item.slim * 0.8)))


def fill(scene: Scene, hand: Hand, clip: Floats, layers: float = 2.0) -> None:
    """Fill the mask `clip` (h, w) with the item, without gaps."""
    rows, columns = np.nonzero(clip > 0.5)
    if not len(rows):
        return
    ground = hand.item.crumb * (0.55 + 0.2 * fractal(hand.rng, scene.shape, 30, 2))[..., None]
    scene.paint(clip, ground, scene.height)
    top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
    margin = hand.width * 0.4
    wide, tall = right - left + 2 * margin, bottom - top + 2 * margin
    for _ in range(2):  # the second layer lies on the gaps of the first
        for u, v in even(hand.rng, hand.count(wide * tall, layers / 2), wide / tall):
            hand.put(
                scene, (left - margin + u * wide, top - margin + v * tall), clip=clip, lean=0.2
            )


def even(rng: Rng, count: int, aspect: float) -> npt.NDArray[np.float64]:
    """Return about `count` spots (n, 2) in 0…1, shuffled: one per cell of a jittered grid.

    Even cover, without the clumps and holes of free chance; `aspect` is width / height.
    """
    across = max(1, round(np.sqrt(count * aspect)))
    down = max(1, round(count / across))
    cells = rng.permutation(across * down)
    corner = np.stack([cells % across, cells // across], 1)
    return (corner + rng.uniform(0, 1, corner.shape)) / (across, down)


def whorl(rng: Rng, count: int) -> npt.NDArray[np.float64]:
    """Return `count` spots (n, 2) in the unit disc, as evenly as the seeds of a sunflower."""
    k = np.arange(count)
    reach = np.sqrt((k + rng.uniform(0, 1, count)) / count)
    turn = rng.uniform(0, 2 * np.pi) + k * 2.399963 + rng.normal(0, 0.15, count)
    return np.stack([reach * np.cos(turn), reach * np.sin(turn)], 1)


def spread(rng: Rng, scene: Scene, item: Item) -> None:
    """Cover the whole frame."""
    hand = Hand(rng, item, scene.unit * item.size * rng.uniform(1.0, 1.9))
    fill(scene, hand, np.ones(scene.shape, np.float32), 2.2)


def scatter(rng: Rng, scene: Scene, item: Item) -> None:
    """Lay some apart from each other on the table."""
    hand = Hand(rng, item, scene.unit * item.size * rng.uniform(1.1, 1.7))
    spots: list[tuple[float, float]] = []
    frame = np.array(scene.shape[::-1])
    for _ in range(min(60, max(5, hand.count(float(frame.prod()), rng.uniform(0.35, 0.7))))):
        tries = rng.uniform(0.05, 0.95, (8, 2)) * frame
        if spots:  # best-candidate sampling: the farthest from all others
            gaps = np.hypot(*(tries[:, None] - np.array(spots)[None]).transpose(2, 0, 1))
            tries = tries[gaps.min(1).argmax()][None]
        spots.append((float(tries[0, 0]), float(tries[0, 1])))
    for spot in spots:
        hand.put(scene, spot, lean=0.04)


def few(rng: Rng, scene: Scene, item: Item) -> None:
    """Show one to four, close up."""
    number = int(rng.integers(1, 5))
    largest = min(0.62, 0.26 + 2 * item.size)
    width = scene.unit * largest * rng.uniform(0.85, 1.1) / (1 + 0.16 * (number - 1))
    hand = Hand(rng, item, width, kinds=number)
    turn = rng.uniform(0, 2 * np.pi)
    middle = np.array(scene.shape[::-1]) * (0.5 + rng.uniform(-0.06, 0.06, 2))
    for k in range(number):
        away = 0.0 if number == 1 else width * (0.30 + 0.07 * number) * item.slim**0.25
        angle = turn + 2 * np.pi * k / number
        spot = middle + away * np.array([np.cos(angle), np.sin(angle)])
        hand.put(scene, (spot[0], spot[1]), lean=0.02)


def heap(rng: Rng, scene: Scene, item: Item) -> None:
    """Pour a heap, with some that rolled away."""
    hand = Hand(rng, item, scene.unit * item.size * rng.uniform(0.95, 1.35))
    middle = np.array(scene.shape[::-1]) * (0.5 + rng.uniform(-0.05, 0.05, 2))
    radius = scene.unit * rng.uniform(0.34, 0.46)
    stretch = np.array([rng.uniform(0.95, 1.25), rng.uniform(0.75, 1.0)])
    x, y = scene.around((middle[0], middle[1]), 0.8 * radius)
    core = np.clip(1 - np.hypot(x / stretch[0], y / stretch[1]), 0, 1)
    foot = (core > 0).astype(np.float32)
    scene.paint(foot, item.crumb * 0.5, scene.height + 0.30 * radius * core)
    number = hand.count(np.pi * radius**2 * stretch[0] * stretch[1], 2.6)
    spots = whorl(rng, number)
    spots = spots[np.argsort(-np.hypot(*spots.T), kind="stable")]  # from the foot to the top
    spots[: number // 14] *= rng.uniform(1.05, 1.4, (number // 14, 1))
    for dx, dy in spots:
        lean = 0.2 if np.hypot(dx, dy) < 1 else 0.04
        hand.put(scene, tuple(middle + radius * stretch * (dx, dy)), lean=lean)
