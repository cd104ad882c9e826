"""The images that ship with the package, and what each of them shows."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import pandas as pd

from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.images import Pixels, read_image

_DATA = Path(__file__).with_name("data")
ARCHIVE, TABLE = _DATA / "images.zip", _DATA / "images.csv"
COLUMNS = ("path", "subject", "role", "product", "title", "readable")

PRODUCTS: tuple[str, ...] = (
    "almonds",
    "cocoa",
    "coconut",
    "dates",
    "hazelnuts",
    "maple syrup",
    "oats",
    "peanuts",
    "sunflower oil",
)
"""The nine products of the sample."""

OTHERS: tuple[str, ...] = ("banner", "clothing", "logo", "person", "scene")
"""What else a shop shows."""

TARGET = "almonds"
"""The product that the sample's shops are asked for."""

IMAGES_PER_KIND = 10  # of each kind in the background


@cache
def _table() -> pd.DataFrame:
    return pd.read_csv(TABLE, keep_default_na=False)


def images_table() -> pd.DataFrame:
    """Return what each shipped image shows.

    Returns
    -------
    pandas.DataFrame
        One row per image: path (below the sample's folder), subject (of `PRODUCTS` or `OTHERS`),
        role ("reference" in the library; "product", "detail", "thumbnail", "repeat", "page",
        "banner", "logo" or "icon" on a site), product (its number on that site, -1 = none), title
        and readable.
    """
    return _table().copy()


def image_bytes(paths: Sequence[str]) -> list[bytes]:
    """Return the shipped files of these paths, as they are."""
    with ZipFile(ARCHIVE) as archive:
        return [archive.read(path) for path in paths]


@cache
def _paths(subject: str) -> tuple[str, ...]:
    """Return the paths of the full-size images of a subject, the library's first."""
    if subject not in PRODUCTS and subject not in OTHERS:
        known = [*PRODUCTS, *OTHERS]
        raise InputError(
            f"Unknown subject {subject!r}.{did_you_mean(subject, known)} "
            f"Expected one of: {', '.join(known)}"
        )
    table = _table()
    usable = table["readable"] & ~table["role"].isin(["thumbnail", "repeat", "icon"])
    return tuple(table["path"][usable & (table["subject"] == subject)])


def subject_count(subject: str) -> int:
    """Return how many images of a subject `load_images` has."""
    return len(_paths(subject))


def load_images(
    subject: str, count: int, *, start: int = 0, size: tuple[int, int] | None = None
) -> list[Pixels]:
    """Return shipped images of a subject, decoded.

    Parameters
    ----------
    subject : str
        One of `PRODUCTS` or `OTHERS`.
    count : int
        How many.
    start : int
        Number of the first one: other images with other numbers.
    size : (height, width), optional
        Scale them; by default each keeps its own size of 120 to 224 pixels a side.

    Returns
    -------
    list of (height, width, 3) uint8, RGB

    Raises
    ------
    InputError
        For an unknown subject, or more images than there are.

    Examples
    --------
    >>> [image.shape for image in load_images("almonds", 2, size=(64, 96))]
    [(64, 96, 3), (64, 96, 3)]
    """
    paths = _paths(subject)
    if start < 0 or count < 0 or start + count > len(paths):
        raise InputError(
            f"The sample has {len(paths)} images of {subject!r}; got count={count}, start={start}"
        )
    return [read_image(data, size=size) for data in image_bytes(paths[start : start + count])]


def load_image(subject: str, number: int = 0, *, size: tuple[int, int] | None = None) -> Pixels:
    """Return shipped image `number` of a subject; see `load_images`.

    Examples
    --------
    >>> load_image("logo", size=(32, 64)).shape
    (32, 64, 3)
    """
    return load_images(subject, 1, start=number, size=size)[0]


def background_images() -> list[Pixels]:
    """Return `IMAGES_PER_KIND` images of each of `PRODUCTS` and `OTHERS`, in that order."""
    return [image for kind in (*PRODUCTS, *OTHERS) for image in load_images(kind, IMAGES_PER_KIND)]
