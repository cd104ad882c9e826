"""Draw one plain image of a subject: which arrangements there are and how often each is used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from similarity_lab.errors import InputError
from similarity_lab.samples import OTHERS, PRODUCTS

from . import bottles, fruit, grains, items, nuts, people, places, prints, vessels
from .camera import develop
from .items import Item
from .pixels import Floats, Pixels, Rng, rgb
from .plants import lay_leaves
from .scene import Light, Scene
from .surfaces import tabletop, wall

Flat = Callable[[Rng, Scene, Item], None]
Upright = Callable[[Rng, Scene, Item, float], None]

# Images are drawn this much larger and scaled down, for smooth edges
_SUPERSAMPLE = 1.5


@dataclass(frozen=True)
class Product:
    """A product and its arrangements: on a table (`flat`) or before a wall (`upright`).

    An arrangement that is listed twice is used twice as often. `leaves` (width / length, teeth)
    describes the leaves of a plant that images of the product often include.
    """

    item: Item
    flat: tuple[Flat, ...] = ()
    upright: tuple[Upright, ...] = ()
    leaves: tuple[float, int] | None = None


# Mostly loose: bowls, bags and jars look similar whatever they hold
_LOOSE: tuple[Flat, ...] = (
    *3 * (items.spread, items.scatter, items.heap),
    *2 * (items.few, vessels.bowl),
    vessels.bag,
)

_JAR: tuple[Upright, ...] = (vessels.jar,)

_CATALOGUE: Mapping[str, Product] = {
    "almonds": Product(Item("ALMONDS", nuts.almond, 0.19, 0.56, rgb(110, 65, 35)), _LOOSE, _JAR),
    "cocoa": Product(
        Item("COCOA", grains.chocolate, 0.20, 1.0, rgb(60, 34, 22)),
        (grains.cocoa_heap, grains.cocoa_field, grains.cocoa_heap, grains.cocoa_bowl),
    ),
    "coconut": Product(
        Item("COCONUT", fruit.coconut_piece, 0.14, 1.0, rgb(90, 60, 40)), (fruit.coconuts,)
    ),
    "dates": Product(Item("DATES", fruit.date, 0.27, 0.46, rgb(60, 26, 14)), _LOOSE, _JAR),
    "hazelnuts": Product(
        Item("HAZELNUTS", nuts.hazelnut, 0.21, 0.95, rgb(90, 45, 20)), _LOOSE, _JAR, (0.85, 14)
    ),
    "maple syrup": Product(
        Item("MAPLE SYRUP", fruit.date, 0.2, 1.0, rgb(90, 45, 20)),
        upright=(bottles.syrup_bottles, bottles.syrup_bottles, bottles.pancakes),
    ),
    "oats": Product(Item("OATS", grains.oat, 0.085, 0.74, rgb(190, 155, 110)), _LOOSE, _JAR),
    "peanuts": Product(Item("PEANUTS", nuts.peanut, 0.23, 0.5, rgb(150, 110, 70)), _LOOSE, _JAR),
    "sunflower oil": Product(
        Item("SUNFLOWER OIL", fruit.date, 0.2, 1.0, rgb(90, 45, 20)), upright=(bottles.oil_bottles,)
    ),
}

_PRINTS: Mapping[str, Callable[[Rng, tuple[int, int]], Floats]] = {
    "banner": prints.banner,
    "logo": prints.logo,
    "scene": places.place,
}
_FIGURES: Mapping[str, Callable[[Rng, Scene], None]] = {
    "clothing": people.clothing,
    "person": people.portrait,
}


def catalogue() -> Mapping[str, Product]:
    """Return how each of `PRODUCTS` is shown."""
    return _CATALOGUE


def draw(subject: str, *, seed: int, size: tuple[int, int] = (320, 320)) -> Pixels:
    """Return a generated image of `subject`.

    Parameters
    ----------
    subject : str
        One of `PRODUCTS` or `OTHERS`.
    seed : int
        0 or more. Equal seeds give equal images. The arrangements of a product (heap, bowl,
        close-up, …) take turns from seed to seed.
    size : (height, width)
        In pixels, at least 32 each.

    Returns
    -------
    (height, width, 3) uint8, RGB

    Raises
    ------
    InputError
        For an unknown subject (the message lists the known ones), a size below 32, a seed below 0.

    Examples
    --------
    >>> draw("almonds", seed=1, size=(64, 96)).shape
    (64, 96, 3)
    """
    if subject not in PRODUCTS and subject not in OTHERS:
        known = ", ".join([*PRODUCTS, *OTHERS])
        raise InputError(f"Unknown subject {subject!r}; expected one of: {known}")
    if min(size) < 32 or seed < 0:
        raise InputError(
            "expected a (height, width) of at least 32 pixels each and a seed of 0 or more, "
            f"got size={size}, seed={seed}"
        )
    rng = np.random.default_rng([seed, crc32(subject.encode())])
    shape = round(size[0] * _SUPERSAMPLE), round(size[1] * _SUPERSAMPLE)
    if subject in _PRINTS:
        return develop(rng, _PRINTS[subject](rng, shape), size, flat=True)
    if subject in _FIGURES:
        scene = tabletop(rng, shape)
        _FIGURES[subject](rng, scene)
        return develop(rng, scene.shade(Light.random(rng)), size, flat=True)
    scene, flat = _show(rng, _CATALOGUE[subject], shape, seed)
    return develop(rng, scene.shade(Light.random(rng)), size, flat=not flat)


def _show(rng: Rng, product: Product, shape: tuple[int, int], turn: int) -> tuple[Scene, bool]:
    """Return a scene of the product, and whether it is seen from above.

    Arrangements take turns, so that images with consecutive seeds differ as much as possible.
    """
    way = turn % (len(product.flat) + len(product.upright))
    if way >= len(product.flat):
        scene, edge = wall(rng, shape)
        product.upright[way - len(product.flat)](rng, scene, product.item, edge)
        return scene, False
    scene = tabletop(rng, shape)
    leaves = product.leaves if rng.random() < 0.6 else None
    under = rng.random() < 0.6
    if leaves and under:
        lay_leaves(rng, scene, *leaves)
    product.flat[way](rng, scene, product.item)
    if leaves and not under:
        lay_leaves(rng, scene, *leaves)
    return scene, True
