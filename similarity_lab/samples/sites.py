"""What each invented shop shows: a plan made before anything is drawn, so it can be checked."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from ._pixels import Rng, pick
from .drawing import OTHERS, PRODUCTS

TARGET = "almonds"
BACKGROUND = "random"
_ENDINGS = (".jpg", ".jpg", ".jpg", ".png", ".webp")


@dataclass(frozen=True)
class Shot:
    """One file to write: its place under the folder, what it shows, and how it is drawn."""

    path: str
    subject: str
    seed: int
    size: tuple[int, int]
    truncated: bool = False


@dataclass(frozen=True)
class Recipe:
    """A shop: from which to which share of its images show the target, and what else it shows."""

    name: str
    share: tuple[float, float]
    wares: tuple[str, ...]
    broken: bool = False

    @property
    def relevant(self) -> bool:
        """Whether it sells the target in earnest."""
        return self.share[0] > 0


_OTHER_WARES = tuple(p for p in PRODUCTS if p != TARGET)

RECIPES: tuple[Recipe, ...] = (
    Recipe("blue-harbour-outfitters", (0, 0), ("clothing", "clothing", "person", "banner", "logo")),
    Recipe("copper-kettle", (0, 0.08), (*_OTHER_WARES, *OTHERS), broken=True),
    Recipe("greenfield-foods", (0.5, 0.75), (*_OTHER_WARES, *OTHERS)),
    Recipe(
        "hazel-and-shell",
        (0, 0),
        ("hazelnuts", "hazelnuts", "peanuts", "peanuts", "banner", "logo"),
    ),
    Recipe("marble-mill", (0, 0.08), ("oats", "cocoa", "sunflower oil", "maple syrup", *OTHERS)),
    Recipe("nordic-pantry", (0.35, 0.45), (*_OTHER_WARES, *OTHERS)),
    Recipe("oak-and-honey", (0.45, 0.65), ("hazelnuts", "dates", "maple syrup", *OTHERS)),
    Recipe("sunny-larder", (0.36, 0.5), ("coconut", "dates", "peanuts", "sunflower oil", *OTHERS)),
)


def plan_library(seed: int, photos_per_product: int) -> list[Shot]:
    """Return the labelled photos: a folder per product, and the background folder."""
    shots = []
    for name in (*PRODUCTS, BACKGROUND):
        rng = np.random.default_rng([seed, crc32(name.encode()), 1])
        # Lower half of the seeds for the library, upper half for the sites: no photo twice.
        # Consecutive ones, so that every way to show a product is there
        first = int(rng.integers(2**31 - photos_per_product))
        for k in range(photos_per_product):
            subject = OTHERS[k % len(OTHERS)] if name == BACKGROUND else name
            size = _size(rng, 280, 340)
            shots.append(Shot(f"library/{name}/{k:03d}.jpg", subject, first + k, size))
    return shots


def plan_site(seed: int, recipe: Recipe) -> list[Shot]:
    """Return the images of one shop, in an order that tells nothing."""
    rng = np.random.default_rng([seed, crc32(recipe.name.encode()), 2])
    count = int(rng.integers(14, 25))
    low, high = np.ceil(recipe.share[0] * count), np.floor(recipe.share[1] * count)
    targets = int(rng.integers(low, high + 1))
    wares = [recipe.wares[k] for k in rng.integers(len(recipe.wares), size=count - targets)]
    subjects = [TARGET] * targets + wares + [TARGET] * recipe.broken
    broken = len(subjects) - 1 if recipe.broken else -1
    shots = []
    for number, k in enumerate(rng.permutation(len(subjects)), start=1):
        ending = ".jpg" if k == broken else pick(rng, _ENDINGS)
        path = f"sites/{recipe.name}/{number:03d}{ending}"
        shot = int(rng.integers(2**31, 2**32))
        shots.append(Shot(path, subjects[k], shot, _size(rng, 200, 480), k == broken))
    return shots


def _size(rng: Rng, low: int, high: int) -> tuple[int, int]:
    """Return a (height, width): half of them square."""
    side = int(rng.integers(low, high + 1))
    if rng.random() < 0.5:
        return side, side
    other = int(np.clip(side * rng.uniform(0.72, 1.38), low, high))
    return side, other
