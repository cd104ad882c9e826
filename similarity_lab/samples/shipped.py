"""The images that ship with the package, and the table of their subjects."""

from __future__ import annotations

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
"""Other subjects of images on a shop's pages."""

TARGET = "almonds"
"""The target of the sample: the product looked for."""

IMAGES_PER_KIND = 10
"""Number of images of each subject in `background_images`."""


@cache
def _table() -> pd.DataFrame:
    return pd.read_csv(TABLE, keep_default_na=False)


def images_table() -> pd.DataFrame:
    """Return the table of the shipped images.

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
    """Return the bytes of the shipped files with these paths."""
    with ZipFile(ARCHIVE) as archive:
        return [archive.read(path) for path in paths]


@cache
def _paths(subject: str) -> tuple[str, ...]:
    """Return the paths of the full-size images of a subject, the library's first."""
    if subject not in PRODUCTS and subject not in OTHERS:
        subjects = [*PRODUCTS, *OTHERS]
        raise InputError(
            f"Unknown subject {subject!r}.{did_you_mean(subject, subjects)} "
            f"Expected one of: {', '.join(subjects)}"
        )
    table = _table()
    usable = table["readable"] & ~table["role"].isin(["thumbnail", "repeat", "icon"])
    return tuple(table["path"][usable & (table["subject"] == subject)])


def subject_count(subject: str) -> int:
    """Return the number of images of a subject that `load_images` can return."""
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
        Number of images.
    start : int
        Number of the first image; images with different numbers differ.
    size : (height, width), optional
        Size in pixels to which they are scaled; default: their own, 120 to 224 pixels a side.

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
