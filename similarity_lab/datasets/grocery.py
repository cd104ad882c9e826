"""Load the Grocery Store dataset: phone photos of fruit, vegetables and cartons in shops."""

from __future__ import annotations

import csv
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from similarity_lab.datasets.dataset import ImageDataset
from similarity_lab.errors import InputError, PathNotFoundError, did_you_mean
from similarity_lab.files import existing_folder
from similarity_lab.images.decoding import errors_table, readable

_SPLITS = ("train", "val", "test")


def grocery_store(
    root: str | PathLike[str],
    split: Literal["train", "val", "test"],
    level: Literal["fine", "coarse"] = "fine",
    *,
    progress: bool = True,
) -> ImageDataset:
    """Load one split of the Grocery Store dataset.

    Parameters
    ----------
    root : path
        The folder with ``train.txt``, ``val.txt``, ``test.txt`` and ``classes.csv``, or its parent
        (as created by ``similarity-lab fetch grocery-store``).
    split : {"train", "val", "test"}
    level : {"fine", "coarse"}
        81 fine classes (a brand of milk) or 43 coarse ones (milk).
    progress : bool
        Show a progress bar while the images are checked.

    Returns
    -------
    ImageDataset
        Images in the order of the split's list, classes in the order of their numbers.

    Raises
    ------
    InputError
        Unknown `split` or `level`.
    PathNotFoundError, NotAFolderError
        `root` is not the dataset.

    References
    ----------
    M. Klasson, C. Zhang, H. Kjellström, "A Hierarchical Grocery Store Image Dataset with Visual
    and Semantic Labels", WACV 2019, https://arxiv.org/abs/1901.00711
    """
    if split not in _SPLITS:
        hint = did_you_mean(split, _SPLITS)
        raise InputError(f"split must be one of {', '.join(_SPLITS)}, got {split!r}.{hint}")
    if level not in ("fine", "coarse"):
        hint = did_you_mean(level, ("fine", "coarse"))
        raise InputError(f'level must be "fine" or "coarse", got {level!r}.{hint}')
    folder = existing_folder(root, "the Grocery Store dataset")
    folder = folder / "dataset" if (folder / "dataset").is_dir() else folder
    missing = [name for name in (f"{split}.txt", "classes.csv") if not (folder / name).is_file()]
    if missing:
        raise PathNotFoundError(
            f"{folder}: {' and '.join(missing)} not found; expected the Grocery Store dataset, "
            "which `similarity-lab fetch grocery-store` downloads"
        )
    classes = _class_names(folder / "classes.csv", level)
    text = (folder / f"{split}.txt").read_text(encoding="utf-8")
    rows = [line.rsplit(",", 2) for line in text.splitlines() if line]
    paths = [folder / row[0].strip() for row in rows]
    labels = np.array([int(row[1 if level == "fine" else 2]) for row in rows], dtype=np.int64)
    positions, errors = readable(paths, progress=progress)
    readable_paths = tuple(paths[position] for position in positions)
    return ImageDataset(readable_paths, labels[positions], classes, errors_table(errors))


def _class_names(table: Path, level: str) -> tuple[str, ...]:
    column = 0 if level == "fine" else 2
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    names = {int(row[column + 1]): row[column] for row in rows}
    return tuple(names[number] for number in range(len(names)))
