"""Load labelled images from a folder per class, a zip of it, or a mapping."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from similarity_lab.datasets.dataset import ImageDataset
from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.files import (
    existing_folder,
    extract_for_process,
    list_files,
    skipped_table,
)
from similarity_lab.images import Color, image_size
from similarity_lab.images.decoding import errors_table, readable
from similarity_lab.images.sources import printable

__all__ = ["DatasetSource", "load_dataset"]

_Mapping = Mapping[str, str | PathLike[str] | Iterable[str | PathLike[str]]]

DatasetSource = str | PathLike[str] | _Mapping | ImageDataset
"""Everything that `load_dataset` accepts."""

_LabelledPaths = list[tuple[str, Path]]


def load_dataset(
    source: DatasetSource,
    *,
    size: int | tuple[int, int] | None = None,
    color: Color | None = None,
    classes: Sequence[str] | None = None,
    progress: bool = True,
) -> ImageDataset:
    """Load labelled images.

    Every file is checked by decoding it, whatever its name; files that are not readable images are
    listed in ``skipped`` with a reason.

    Parameters
    ----------
    source : folder, zip, mapping or ImageDataset
        A folder with one folder per class: the class is the first folder below `source`, and
        images in nested folders belong to it. A folder of images without folders is one class,
        named after it. A ``.zip`` of either; it may have one outer folder. A mapping from class
        to a folder or to paths. A loaded dataset is returned with the parameters below applied.
    size : int or (height, width), optional
        In pixels; needed only for ``dataset.images``, since embedders decode to their own size.
    color : {"rgb", "gray"}, optional
        Default: ``"rgb"``, or that of a loaded dataset.
    classes : sequence of str, optional
        Load only these classes, in this order; default: all, sorted.
    progress : bool
        Show a progress bar while the images are checked.

    Returns
    -------
    ImageDataset

    Raises
    ------
    PathNotFoundError, NotAFolderError
        `source` does not exist, or is a file but not a zip.
    ArchiveError
        The zip is damaged, dangerous or too large.
    UnknownClassError
        A class of `classes` does not exist; the message suggests the most similar one.
    InputError
        `source` has no readable image, or `classes` has duplicates.

    Examples
    --------
    >>> library = load_dataset("photos/")                       # doctest: +SKIP
    >>> library                                                 # doctest: +SKIP
    ImageDataset(59 images of 2 classes: almonds 29, dates 30; 1 skipped)
    """
    target_size = image_size(size) if size is not None else None
    if color not in (None, "rgb", "gray"):
        raise InputError(f'color must be "rgb" or "gray", got {color!r}')
    if isinstance(classes, str):
        raise InputError(f"classes is a list of names; pass [{classes!r}]")
    if isinstance(source, ImageDataset):
        return _adapt(source, target_size, color, classes)
    labelled, unlisted = _list_labelled(source)
    positions, unreadable = readable([path for _, path in labelled], progress=progress)
    skipped = pd.concat([unlisted, errors_table(unreadable)], ignore_index=True)
    dataset = _assemble([labelled[position] for position in positions], skipped, source)
    dataset = replace(dataset, size=target_size, color=color or "rgb")
    return dataset if classes is None else _select(dataset, classes)


def _list_labelled(
    source: str | PathLike[str] | _Mapping,
) -> tuple[_LabelledPaths, pd.DataFrame]:
    if isinstance(source, Mapping):
        classes = {name: _class_files(source[name]) for name in sorted(source)}
        pairs = [(str(name), path) for name, (files, _) in classes.items() for path in files]
        return pairs, skipped_table([row for _, skipped in classes.values() for row in skipped])
    if not isinstance(source, (str, PathLike)):
        raise InputTypeError(
            f"expected a folder, a .zip, a mapping or an ImageDataset, got {type(source).__name__}"
        )
    path = Path(source)
    if path.is_file() and path.suffix.lower() == ".zip":
        folder, refused = extract_for_process(path)
        labelled, skipped = _in_folder(_without_outer_folder(folder), path.stem)
        return labelled, pd.concat([refused, skipped_table(skipped)], ignore_index=True)
    folder = existing_folder(path, "a folder with one folder of images per class, or a .zip of it")
    labelled, skipped = _in_folder(folder, folder.resolve().name)
    return labelled, skipped_table(skipped)


def _class_files(
    images: str | PathLike[str] | Iterable[str | PathLike[str]],
) -> tuple[list[Path], list[tuple[object, str]]]:
    """Return the files of one class of a mapping: of a folder, or those listed."""
    if isinstance(images, (str, PathLike)):
        return list_files(existing_folder(images, "a folder of images, or a list of paths"))
    return [Path(path) for path in images], []


def _in_folder(folder: Path, name: str) -> tuple[_LabelledPaths, list[tuple[object, str]]]:
    files, skipped = list_files(folder)
    nested = [path for path in files if len(path.relative_to(folder).parts) > 1]
    if not nested:
        return [(printable(name), path) for path in files], skipped
    stray = [(str(path), "not in a class folder") for path in files if path.parent == folder]
    labelled = [(printable(path.relative_to(folder).parts[0]), path) for path in nested]
    return labelled, [*skipped, *stray]


def _without_outer_folder(folder: Path) -> Path:
    """Return the single outer folder of an unpacked archive; macOS adds another, of metadata."""
    entries = [entry for entry in folder.iterdir() if entry.name != "__MACOSX"]
    if len(entries) == 1 and entries[0].is_dir():
        inner = list(entries[0].iterdir())
        if any(entry.is_dir() for entry in inner):
            return entries[0]
    return folder


def _assemble(
    labelled: _LabelledPaths, skipped: pd.DataFrame, source: DatasetSource
) -> ImageDataset:
    if not labelled:
        location = "the mapping" if isinstance(source, Mapping) else str(source)
        reasons = "; ".join(f"{row.path}: {row.reason}" for row in skipped.head(3).itertuples())
        raise InputError(
            f"{location}: no readable image among {len(skipped)} files"
            + (f" ({reasons}{' …' if len(skipped) > 3 else ''})" if reasons else "")
        )
    names = tuple(sorted({name for name, _ in labelled}))
    position = {name: index for index, name in enumerate(names)}
    return ImageDataset(
        paths=tuple(path for _, path in labelled),
        labels=np.array([position[name] for name, _ in labelled]),
        classes=names,
        skipped=skipped,
    )


def _select(dataset: ImageDataset, classes: Sequence[str]) -> ImageDataset:
    old_labels = [dataset.class_index(name) for name in classes]
    if len(set(old_labels)) != len(old_labels):
        raise InputError(f"duplicate class in {list(classes)}")
    selection = dataset.subset(np.flatnonzero(np.isin(dataset.labels, old_labels)))
    new_labels = {label: index for index, label in enumerate(old_labels)}
    labels = np.array([new_labels[label] for label in selection.labels], dtype=np.int64)
    return replace(selection, labels=labels, classes=tuple(classes), skipped=dataset.skipped)


def _adapt(
    dataset: ImageDataset,
    size: tuple[int, int] | None,
    color: Color | None,
    classes: Sequence[str] | None,
) -> ImageDataset:
    selection = dataset if classes is None else _select(dataset, classes)
    if size in (None, selection.size) and color in (None, selection.color):
        return selection
    if selection.arrays is not None:
        raise InputError("size and color of a dataset of arrays are fixed; convert the arrays")
    return replace(selection, size=size or selection.size, color=color or selection.color)
