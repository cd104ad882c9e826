"""The Grocery Store dataset: phone photos of fruit, vegetables and packages in shops."""

import csv
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from similarity_lab.datasets.dataset import ImageDataset
from similarity_lab.errors import InputError, PathNotFoundError
from similarity_lab.files import existing_folder
from similarity_lab.images.decoding import errors_table, readable

_LISTS = ("train", "val", "test")


def grocery_store(
    root: str | PathLike[str],
    split: Literal["train", "val", "test"],
    level: Literal["fine", "coarse"] = "fine",
    *,
    progress: bool = True,
) -> ImageDataset:
    """Read one split of the Grocery Store dataset.

    Parameters
    ----------
    root : path
        The folder that holds ``train.txt``, ``val.txt``, ``test.txt`` and ``classes.csv``, or its
        parent (as ``similarity-lab fetch grocery-store`` makes it).
    split : {"train", "val", "test"}
    level : {"fine", "coarse"}
        81 fine classes (a brand of milk) or 43 coarse ones (milk).
    progress : bool

    Returns
    -------
    ImageDataset
        Photos in the order of the list, classes in the order of their numbers.

    References
    ----------
    M. Klasson, C. Zhang, H. Kjellström, "A Hierarchical Grocery Store Image Dataset with Visual
    and Semantic Labels", WACV 2019, https://arxiv.org/abs/1901.00711
    """
    if split not in _LISTS:
        raise InputError(f"split must be one of {', '.join(_LISTS)}, got {split!r}")
    if level not in ("fine", "coarse"):
        raise InputError(f'level must be "fine" or "coarse", got {level!r}')
    folder = existing_folder(root, "the Grocery Store dataset")
    folder = folder / "dataset" if (folder / "dataset").is_dir() else folder
    missing = [name for name in (f"{split}.txt", "classes.csv") if not (folder / name).is_file()]
    if missing:
        raise PathNotFoundError(
            f"{folder}: no {' and no '.join(missing)}; expected the Grocery Store dataset "
            "(similarity-lab fetch grocery-store)"
        )
    classes = _class_names(folder / "classes.csv", level)
    rows = [line.split(",") for line in (folder / f"{split}.txt").read_text().splitlines() if line]
    paths = [folder / row[0].strip() for row in rows]
    labels = np.array([int(row[1 if level == "fine" else 2]) for row in rows], dtype=np.int64)
    kept, errors = readable(paths, progress=progress)
    photos = tuple(paths[index] for index in kept)
    return ImageDataset(photos, labels[kept], classes, errors_table(errors))


def _class_names(table: Path, level: str) -> tuple[str, ...]:
    column = 0 if level == "fine" else 2
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    names = {int(row[column + 1]): row[column] for row in rows}
    return tuple(names[number] for number in range(len(names)))
