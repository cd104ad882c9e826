"""How people arrange labelled images in folders: which folders are classes, which are splits."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from similarity_lab.datasets.annotations import find_annotations
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.images.sources import printable

__all__ = ["ALL_SPLITS", "Layout", "class_name", "find_layout", "is_image_name", "near_equal_names"]

ALL_SPLITS = "all"

_SPLITS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "tst": "test", "eval": "test", "holdout": "test",
}  # fmt: skip
_IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".dib", ".tif",
    ".tiff", ".heic", ".heif", ".jxl", ".jp2", ".mpo",
})  # fmt: skip
# Names of folders that say nothing about what the images show
_GENERIC = re.compile(
    r"(jpe?g|png)?(image|img|picture|photo)s?|data(set)?|label(s|led)?|annotations?|masks?|xmls?"
    r"|segmentation(class|object)|raw|all|obj"
)
_COPY = re.compile(r"(\s*\(\d+\)|\s*[-–]?\s*(copy|copie|kopie|copia)(\s*\(?\d+\)?)?)$")

_Parts = tuple[str, ...]


class Layout(NamedTuple):
    """Where the classes of a folder are.

    Attributes
    ----------
    root : Path
        The folder whose folders are the classes, or the splits.
    splits : tuple of str
        The folders of ready-made splits; empty if there are none.
    labelled : list of (str, Path)
        The class and the path of each file.
    strays : list of (path, reason)
        Files that belong to no class.
    annotations : str
        What says which image shows what, in words, if the folders do not.
    """

    root: Path
    splits: tuple[str, ...]
    labelled: list[tuple[str, Path]]
    strays: list[tuple[object, str]]
    annotations: str = ""


def class_name(folder: str) -> str:
    r"""Return the name of a class: that of its folder, as valid text in NFC.

    Examples
    --------
    >>> class_name("cafe\u0301") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", printable(folder))


def near_equal_names(names: Iterable[str]) -> list[list[str]]:
    """Return groups of names that probably mean the same class.

    They differ in case, spaces, punctuation, accents of Latin letters, a plural s, or are the copy
    of a folder.

    Examples
    --------
    >>> near_equal_names(["Almonds", "almonds ", "almond", "dates", "Dates (2)", "figs"])
    [['Almonds', 'almond', 'almonds '], ['Dates (2)', 'dates']]
    """
    groups = defaultdict(list)
    for name in sorted(names):
        groups[_near_key(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _near_key(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    text = _COPY.sub("", text) or text
    letters = []
    for letter in text:
        base = unicodedata.normalize("NFKD", letter)
        letters.append(base[0] if base[0].isascii() else letter)
    words = re.findall(r"[^\W_]+", "".join(letters))
    key = "".join(words)
    return (key.removesuffix("s") if key.isascii() else key) or text


def find_layout(folder: Path, files: Sequence[Path], name: str, split: str | None) -> Layout:
    """Find the classes among the files of a folder.

    Outer folders are opened as long as there is one way in: a folder with folders, and no more
    than a few files, or folders without images, beside it. Then each folder is a class; without
    folders, all files are one class. Ready-made splits (train, val, test) may be above the classes
    or directly below them.

    Parameters
    ----------
    folder : Path
    files : sequence of Path
        All files below it.
    name : str
        Of the class, if there are no folders.
    split : str or None
        The split to use: its folder or its usual name, ``"all"``, or None, which is the same.

    Raises
    ------
    InputError
        There is no such split.
    """
    parts = {path: path.relative_to(folder).parts for path in files}
    root = _class_root(list(parts.values()))
    labelled: list[tuple[str, Path]] = []
    strays: list[tuple[object, str]] = []
    inside = [part[len(root) :] for part in parts.values() if part[: len(root)] == root]
    level = 0 if _splits(inside, 0) else 1  # train/almonds, or almonds/train
    splits = _splits(inside, level)
    chosen = _chosen_splits(splits, split, folder)
    is_nested = any(len(part) > 1 for part in inside)
    for path, part in parts.items():
        inner = part[len(root) :]
        if splits and len(inner) > level + 1:
            if inner[level] not in chosen:
                continue
            inner = inner[:level] + inner[level + 1 :]
        if part[: len(root)] != root:
            strays.append((str(path), f"outside {root[-1]}, which has the classes"))
        elif is_nested and len(inner) < 2:
            strays.append((str(path), "not in a class folder"))
        else:
            labelled.append((class_name(inner[0] if is_nested else name), path))
    of_images = {label for label, path in labelled if is_image_name(path.name)}
    says_nothing = len(of_images) == 1 or all(map(_is_generic, of_images))
    annotations = find_annotations(files) if says_nothing else ""
    return Layout(folder.joinpath(*root), splits, labelled, strays, annotations)


def _is_generic(folder: str) -> bool:
    """Tell whether the name of a folder says nothing about its images: images, train2017."""
    words = re.findall(r"[^\W\d_]+", folder.casefold())
    return all(word in _SPLITS or _GENERIC.fullmatch(word) for word in words)


def _class_root(parts: list[_Parts]) -> _Parts:
    """Return the folder, as parts of a path, in which the classes are."""
    root: _Parts = ()
    while True:
        depth = len(root)
        below = [part for part in parts if part[:depth] == root]
        folders = {part[depth] for part in below if len(part) > depth + 1}
        with_images = {
            part[depth] for part in below if len(part) > depth + 1 and _may_be_image(part[-1])
        }
        folders = with_images or folders  # documents and annotations beside the images
        if len(folders) != 1:
            return root
        inner = (*root, *folders)
        inside = [part for part in below if part[: depth + 1] == inner]
        nested = [part[depth + 1 :] for part in inside if len(part) > depth + 2]
        is_class = (
            not nested
            or any(len(part) == depth + 2 and is_image_name(part[-1]) for part in inside)
            or (bool(_splits(inside, depth + 1)) and max(map(len, nested)) == 2)
        )
        n_beside = sum(len(part) == depth + 1 and is_image_name(part[-1]) for part in below)
        if is_class or 10 * n_beside > len(inside):
            return root
        root = inner


def is_image_name(name: str) -> bool:
    """Tell whether a file's name ends like that of an image."""
    return Path(name).suffix.lower() in _IMAGE_SUFFIXES


def _may_be_image(name: str) -> bool:
    return not Path(name).suffix or is_image_name(name)


def _splits(parts: list[_Parts], level: int) -> tuple[str, ...]:
    """Return the folders at this level if they are ready-made splits, such as train and val."""
    folders = sorted({part[level] for part in parts if len(part) > level + 1})
    names = [_split_name(folder) for folder in folders]
    is_split = all(split for split, _ in names) and len({rest for _, rest in names}) == 1
    has_classes = level > 0 or any(len(part) > 2 for part in parts)
    return tuple(folders) if has_classes and len(folders) > 1 and is_split else ()


def _split_name(folder: str) -> tuple[str, str]:
    """Return the usual name of a split and the rest of its folder's name: data_train → train."""
    words = re.split(r"[\W_]+", folder.casefold())
    known = [_SPLITS[word] for word in words if word in _SPLITS]
    rest = " ".join(word for word in words if word not in _SPLITS)
    return (known[0], rest) if len(known) == 1 else ("", rest)


def _chosen_splits(splits: tuple[str, ...], split: str | None, folder: Path) -> set[str]:
    if split is None or split == ALL_SPLITS:
        return set(splits)
    chosen = {name for name in splits if name == split or _split_name(name)[0] == split.casefold()}
    if not chosen:
        available = ", ".join(splits) or "no ready-made splits"
        hint = did_you_mean(split, splits)
        raise InputError(f"{folder}: unknown split {split!r}, the folder has: {available}.{hint}")
    return chosen
