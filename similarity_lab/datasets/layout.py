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
    "train": "train", "training": "train", "trn": "train", "trainset": "train",
    "trainval": "train", "traindata": "train", "val": "val", "valid": "val", "validation": "val",
    "validate": "val", "dev": "val", "valset": "val", "test": "test", "testing": "test",
    "tst": "test", "eval": "test", "evaluation": "test", "holdout": "test", "testset": "test",
    "testdata": "test",
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
_COPY_WORDS = r"(copy|copie|kopie|kopia|copia|cópia|kopija|копия|копія|コピー|副本|복사본)"
_COPY = re.compile(  # almonds (1), almonds - Copy (2), Copy of almonds
    rf"(\s*\(\d+\)|[\s_]*[-–—(的の]?\s*{_COPY_WORDS}\)?([\s_]*\(?\d+\)?)?)$"
    rf"|^{_COPY_WORDS}[\s_]*(\(\d+\)\s*)?(of|von|de|di|av|van|z)[\s_]+"
)

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
    inner : Path or None
        A class whose name says nothing, like those of all others, and that has folders itself.
    """

    root: Path
    splits: tuple[str, ...]
    labelled: list[tuple[str, Path]]
    strays: list[tuple[object, str]]
    annotations: str = ""
    inner: Path | None = None


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
        # accents of capitals are left out in Greek, and so are the dots of ё
        is_bare = base[0].isascii() or "α" <= base[0] <= "ω" or letter == "ё"
        letters.append(base[0] if is_bare else letter)
    words = re.findall(r"[^\W_]+", "".join(letters))
    key = "".join(words)
    if key.isascii() and len(key) > 3:  # cherry and cherries, tomato and tomatoes
        key = re.sub(r"y$", "i", key.removesuffix("s").removesuffix("e"))
    return key or text


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
    wrappers = _wrappers(inside, splits) if level == 0 else {}
    is_nested = any(len(part) > 1 for part in inside)
    for path, part in parts.items():
        inner, outside = part[len(root) :], root if part[: len(root)] != root else ()
        if splits and not outside and len(inner) > level + 1:
            name_of_split = inner[level]
            if name_of_split not in splits:
                strays.append((str(path), f"beside the splits {', '.join(splits)}"))
                continue
            if name_of_split not in chosen:
                continue
            inner = inner[:level] + inner[level + 1 :]
            wrapper = wrappers.get(name_of_split, ())
            outside = wrapper if inner[: len(wrapper)] != wrapper else ()
            inner = inner[len(wrapper) :]
        if outside:
            strays.append((str(path), f"outside {outside[-1]}, which has the classes"))
        elif is_nested and len(inner) < 2:
            strays.append((str(path), "not in a class folder"))
        else:
            labelled.append((class_name(inner[0] if is_nested else name), path))
    of_images = {label for label, path in labelled if is_image_name(path.name)}
    says_nothing = len(of_images) == 1 or all(map(_is_generic, of_images))
    annotations = find_annotations(files) if says_nothing else ""
    inner_folder = None
    if says_nothing and len(of_images) > 1 and not annotations and not splits:
        nested = {part[0] for part in inside if len(part) > 2}
        if of_images <= nested:
            inner_folder = folder.joinpath(*root, sorted(of_images)[0])
    return Layout(folder.joinpath(*root), splits, labelled, strays, annotations, inner_folder)


def _wrappers(parts: list[_Parts], splits: tuple[str, ...]) -> dict[str, _Parts]:
    """Return the outer folder in each split, as in train/train/almonds, if all have one."""
    roots = {name: _class_root([part[1:] for part in parts if part[0] == name]) for name in splits}
    return roots if all(roots.values()) else {}


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
    """Return the folders at this level if they are ready-made splits, such as train and val.

    Above the classes, other folders may be beside splits that have classes in common.
    """
    folders = sorted({part[level] for part in parts if len(part) > level + 1})
    names = {folder: _split_name(folder) for folder in folders}
    splits = [folder for folder in folders if names[folder][0]]
    if len(splits) < 2 or len({names[folder][1] for folder in splits}) > 1:
        return ()
    if level == 0:
        classes = [{part[1] for part in parts if part[0] == s and len(part) > 2} for s in splits]
        has_classes = any(classes) if len(splits) == len(folders) else set.intersection(*classes)
    else:
        has_classes = len(splits) == len(folders)
    return tuple(splits) if has_classes else ()


def _split_name(folder: str) -> tuple[str, str]:
    """Return the usual name of a split and the rest of its folder's name: data_train → train."""
    words = re.findall(r"[^\W\d_]+", folder.casefold())
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
