"""Plan of the sample: which images it consists of, and which subject, size and role each has."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np

from similarity_lab.samples import OTHERS, PRODUCTS, TARGET

from .pixels import Rng

BACKGROUND = "random"
IMAGES_PER_PRODUCT = 20
BACKGROUND_IMAGES = 20
TITLES: Mapping[str, tuple[str, ...]] = {
    "almonds": ("Natural almonds 500 g", "Whole almonds 1 kg", "Roasted almonds, unsalted",
                "Californian almonds", "Organic almonds 250 g", "Almonds, bulk bag 5 kg"),
    "cocoa": ("Cocoa powder 250 g", "Organic raw cocoa", "Dutch-process cocoa 1 kg"),
    "coconut": ("Fresh coconut", "Coconut halves", "Young coconuts, box of six"),
    "dates": ("Deglet Nour dates 400 g", "Medjool dates 1 kg", "Pitted dates"),
    "hazelnuts": ("Hazelnuts in shell 1 kg", "Hazelnuts, new harvest", "Piedmont hazelnuts"),
    "maple syrup": ("Maple syrup, amber 250 ml", "Grade A maple syrup", "Dark maple syrup 500 ml"),
    "oats": ("Rolled oats 500 g", "Jumbo oats 1 kg", "Organic porridge oats"),
    "peanuts": ("Peanuts in shell 500 g", "Roasted peanuts", "Monkey nuts 1 kg"),
    "sunflower oil": ("Sunflower oil 1 l", "Cold-pressed sunflower oil", "High-oleic oil 750 ml"),
    "clothing": ("Linen shirt", "Cotton T-shirt", "Summer dress", "Canvas trousers"),
}  # fmt: skip
_PAGE_TITLES = {"person": "Our team", "scene": "Where we work", "banner": "Offers of the week"}


@dataclass(frozen=True)
class Shot:
    """One file of the sample: where it lies, what it shows, how it is drawn and saved.

    Attributes
    ----------
    path : str
        Below the sample's folder.
    subject : str
        What it shows, of `PRODUCTS` or `OTHERS`.
    seed, size : int, (height, width)
        Of the drawing.
    saved_size : (height, width), optional
        What the drawing is scaled to before it is saved: a thumbnail, an icon.
    role : str
        "reference" in the library; on a site "product", "detail" (another image of a product),
        "thumbnail", "repeat" (the same file again), "page" (not of a product), "banner", "logo" or
        "icon".
    product : int
        Number of the product on its site, -1 = none.
    title : str
        The product's name, or the alternative text.
    truncated : bool
        The second half of the file is missing.
    """

    path: str
    subject: str
    seed: int
    size: tuple[int, int]
    saved_size: tuple[int, int] | None = None
    role: str = "reference"
    product: int = -1
    title: str = ""
    truncated: bool = False


@dataclass(frozen=True)
class Recipe:
    """A shop: how many products and other images of what it shows.

    Attributes
    ----------
    name : str
        Folder of the site.
    products : mapping of subject to int
        How many products of each.
    pages : mapping of subject to int
        Images that belong to no product: banners, people, scenes.
    details, thumbnails, repeats : int
        How many products have a second image, a small copy, and the same file twice.
    truncated : bool
        One more image of the target is cut off in the middle of its file.
    """

    name: str
    products: Mapping[str, int]
    pages: Mapping[str, int] = field(default_factory=dict)
    details: int = 3
    thumbnails: int = 3
    repeats: int = 1
    truncated: bool = False


RECIPES: tuple[Recipe, ...] = (
    # Nothing like the target at all
    Recipe(
        "blue-harbour-outfitters", {"clothing": 9}, {"person": 3, "banner": 2, "scene": 1}
    ),
    # One product of many
    Recipe(
        "copper-kettle",
        {"almonds": 1, "oats": 3, "cocoa": 3, "dates": 2, "coconut": 2, "maple syrup": 2,
         "sunflower oil": 2, "peanuts": 1, "hazelnuts": 1},
        {"banner": 1, "person": 1, "scene": 1},
        truncated=True,
    ),
    # Half of the catalogue
    Recipe(
        "greenfield-foods",
        {"almonds": 9, "dates": 2, "oats": 2, "hazelnuts": 1, "cocoa": 1},
        {"banner": 2, "scene": 1},
    ),
    # Look-alikes only
    Recipe("hazel-and-shell", {"hazelnuts": 7, "peanuts": 7}, {"banner": 1, "person": 1}),
    Recipe(
        "juniper-row",
        {"almonds": 1, "dates": 3, "coconut": 3, "oats": 3, "cocoa": 2, "sunflower oil": 3,
         "maple syrup": 3, "hazelnuts": 1},
        {"banner": 2, "scene": 2},
    ),
    Recipe(
        "marble-mill",
        {"oats": 5, "cocoa": 3, "maple syrup": 2, "sunflower oil": 2},
        {"banner": 1, "scene": 1, "person": 1},
    ),
    Recipe(
        "nordic-pantry",
        {"almonds": 7, "hazelnuts": 2, "oats": 2, "cocoa": 1, "dates": 1},
        {"banner": 1, "person": 1},
    ),
    Recipe(
        "oak-and-honey",
        {"almonds": 11, "hazelnuts": 1, "dates": 1, "maple syrup": 1},
        {"banner": 1, "scene": 1},
    ),
    Recipe("pebble-and-pod", {"peanuts": 7, "dates": 3, "coconut": 1}, {"banner": 1, "scene": 1}),
    Recipe(
        "sunny-larder",
        {"almonds": 6, "coconut": 3, "dates": 3, "peanuts": 2, "oats": 2, "sunflower oil": 2},
        {"banner": 1, "person": 1},
    ),
)  # fmt: skip


def plan_library() -> list[Shot]:
    """Return the labelled images: a folder per product, and the background folder."""
    shots = []
    for name in (*PRODUCTS, BACKGROUND):
        rng = np.random.default_rng([crc32(name.encode()), 1])
        # The lower half of the seeds is for the library, the upper half for the sites.
        # Consecutive seeds, so that every way to show a product occurs
        first = int(rng.integers(2**30))
        for k in range(BACKGROUND_IMAGES if name == BACKGROUND else IMAGES_PER_PRODUCT):
            subject = OTHERS[k % len(OTHERS)] if name == BACKGROUND else name
            path = f"library/{name}/{k:03d}.jpg"
            shots.append(Shot(path, subject, first + k, _size(rng)))
    return shots


def plan_site(recipe: Recipe) -> list[Shot]:
    """Return the images of one shop, in an order that tells nothing."""
    rng = np.random.default_rng([crc32(recipe.name.encode()), 2])
    subjects = [name for name, count in recipe.products.items() for _ in range(count)]
    shots = []
    for product, k in enumerate(rng.permutation(len(subjects))):
        titles = TITLES[subjects[k]]
        title = titles[int(rng.integers(len(titles)))]
        shots.append(_shot(rng, subjects[k], "product", product, title))
    many = rng.permutation(len(shots))
    # The target's product has its details first: the share stays what the recipe says
    details = [replace(shots[k], seed=_seed(rng), role="detail") for k in many[: recipe.details]]
    small = [
        replace(shots[k], role="thumbnail", saved_size=_thumbnail(rng, shots[k].size))
        for k in many[::-1][: recipe.thumbnails]
    ]
    repeats = [replace(shots[k], role="repeat") for k in many[recipe.details :][: recipe.repeats]]
    others = [
        _shot(rng, name, "banner" if name == "banner" else "page", -1, _PAGE_TITLES[name])
        for name, count in recipe.pages.items()
        for _ in range(count)
    ]
    shots += [*details, *small, *repeats, *others]
    if recipe.truncated:
        whole = next(shot for shot in shots if shot.subject == TARGET)
        cut = _shot(rng, TARGET, "detail", whole.product, whole.title)
        shots.append(replace(cut, truncated=True))
    name = recipe.name.replace("-", " ").title()
    logo = replace(_shot(rng, "logo", "logo", -1, name), size=(96, 192))
    shots += [logo, replace(logo, role="icon", size=(128, 128), saved_size=(40, 40))]
    order = rng.permutation(len(shots))
    return [
        replace(shots[k], path=f"sites/{recipe.name}/{number:03d}{_ending(shots[k])}")
        for number, k in enumerate(order, start=1)
    ]


def _ending(shot: Shot) -> str:
    """Return the file name's ending; a repeated image is saved as the first one is."""
    if shot.role in ("product", "repeat") and shot.seed % 9 == 0:
        return ".webp"
    return {"logo": ".png", "icon": ".gif"}.get(shot.role, ".jpg")


def _shot(rng: Rng, subject: str, role: str, product: int, title: str) -> Shot:
    size = (112, 224) if role == "banner" else _size(rng)
    return Shot("", subject, _seed(rng), size, None, role, product, title)


def _seed(rng: Rng) -> int:
    return int(rng.integers(2**31, 2**32))


def _thumbnail(rng: Rng, size: tuple[int, int]) -> tuple[int, int]:
    scale = (72, 80, 96)[int(rng.integers(3))] / min(size)
    return round(size[0] * scale), round(size[1] * scale)


def _size(rng: Rng) -> tuple[int, int]:
    """Return a (height, width): half of them square."""
    side = int(rng.integers(192, 225))
    if rng.random() < 0.5:
        return side, side
    other = int(side * rng.uniform(0.76, 1.0))
    return (side, other) if rng.random() < 0.5 else (other, side)
