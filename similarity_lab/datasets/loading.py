"""Load labelled photos from a folder per class, a zip of the same, or a mapping."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from similarity_lab.datasets.dataset import ImageDataset
from similarity_lab.errors import InputError
from similarity_lab.files import (
    existing_folder,
    extract_for_process,
    list_files,
    skipped_table,
)
from similarity_lab.images import Color, image_size
from similarity_lab.images.decoding import errors_table, readable
from similarity_lab.images.sources import printable

DatasetSource = str | PathLike[str] | Mapping[str, Iterable[str | PathLike[str]]] | ImageDataset
_Labelled = list[tuple[str, Path]]


def load_dataset(
    source: DatasetSource,
    *,
    size: int | tuple[int, int] | None = None,
    color: Color = "rgb",
    classes: Sequence[str] | None = None,
    progress: bool = True,
) -> ImageDataset:
    """Load labelled photos.

    Every file is decoded once to see that it is a picture, whatever its name says; what is not is
    listed in ``skipped`` with its reason.

    Parameters
    ----------
    source : folder, zip, mapping or ImageDataset
        A folder with one folder per class: the class is the first folder below `source`, photos
        in nested folders count to it. A folder that holds photos but no folders is one class,
        named after it. A ``.zip`` of the same; it may have one outer folder. A mapping from class
        to paths. A dataset that is loaded already is returned with the choices below applied.
    size : int or (height, width), optional
        Needed only for ``dataset.images``; embedders decode to their own size.
    color : {"rgb", "gray"}
    classes : sequence of str, optional
        Keep these classes only, in this order; by default all, sorted.
    progress : bool

    Returns
    -------
    ImageDataset

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If `source` does not exist, or is a file but no zip.
    UnknownClassError
        If a class of `classes` is missing; the message lists what there is.
    ValueError
        If there is no readable photo at all.

    Examples
    --------
    >>> library = load_dataset("photos/")                       # doctest: +SKIP
    >>> library                                                 # doctest: +SKIP
    ImageDataset(59 photos of 2 classes: almonds 29, dates 30; 1 skipped)
    """
    height_width = image_size(size) if size is not None else None
    if isinstance(source, ImageDataset):
        return _adapted(source, height_width, color, classes)
    labelled, unlisted = _find(source)
    kept, unreadable = readable([path for _, path in labelled], progress=progress)
    skipped = pd.concat([unlisted, errors_table(unreadable)], ignore_index=True)
    dataset = _assembled([labelled[index] for index in kept], skipped, source)
    dataset = replace(dataset, size=height_width, color=color)
    return dataset if classes is None else _only(dataset, classes)


def _find(
    source: str | PathLike[str] | Mapping[str, Iterable[str | PathLike[str]]],
) -> tuple[_Labelled, pd.DataFrame]:
    if isinstance(source, Mapping):
        pairs = [(str(name), Path(path)) for name in sorted(source) for path in source[name]]
        return pairs, skipped_table([])
    path = Path(source)
    if path.is_file() and path.suffix.lower() == ".zip":
        folder, refused = extract_for_process(path)
        labelled, skipped = _in_folder(_without_outer_folder(folder), path.stem)
        return labelled, pd.concat([refused, skipped_table(skipped)], ignore_index=True)
    folder = existing_folder(path, "a folder with one folder of photos per class, or a .zip of it")
    labelled, skipped = _in_folder(folder, folder.resolve().name)
    return labelled, skipped_table(skipped)


def _in_folder(folder: Path, name: str) -> tuple[_Labelled, list[tuple[object, str]]]:
    files, skipped = list_files(folder)
    below = [path for path in files if len(path.relative_to(folder).parts) > 1]
    if not below:
        return [(printable(name), path) for path in files], skipped
    beside = [(str(path), "lies beside the class folders") for path in files if path not in below]
    labelled = [(printable(path.relative_to(folder).parts[0]), path) for path in below]
    return labelled, [*skipped, *beside]


def _without_outer_folder(folder: Path) -> Path:
    """Enter the one folder in which archives often wrap all; macOS adds another, of metadata."""
    entries = [entry for entry in folder.iterdir() if entry.name != "__MACOSX"]
    if len(entries) == 1 and entries[0].is_dir():
        inner = list(entries[0].iterdir())
        if any(entry.is_dir() for entry in inner):
            return entries[0]
    return folder


def _assembled(labelled: _Labelled, skipped: pd.DataFrame, source: DatasetSource) -> ImageDataset:
    if not labelled:
        where = "the mapping" if isinstance(source, Mapping) else str(source)
        reasons = "; ".join(f"{row.path}: {row.reason}" for row in skipped.head(3).itertuples())
        raise InputError(
            f"{where}: no readable photo among {len(skipped)} files"
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


def _only(dataset: ImageDataset, classes: Sequence[str]) -> ImageDataset:
    wanted = [dataset.class_index(name) for name in classes]
    if len(set(wanted)) != len(wanted):
        raise InputError(f"a class is named twice in {list(classes)}")
    kept = dataset.subset(np.flatnonzero(np.isin(dataset.labels, wanted)))
    renumber = {label: index for index, label in enumerate(wanted)}
    labels = np.array([renumber[label] for label in kept.labels], dtype=np.int64)
    return replace(kept, labels=labels, classes=tuple(classes), skipped=dataset.skipped)


def _adapted(
    dataset: ImageDataset,
    size: tuple[int, int] | None,
    color: Color,
    classes: Sequence[str] | None,
) -> ImageDataset:
    chosen = dataset if classes is None else _only(dataset, classes)
    if size is not None and chosen.size != size:
        return chosen.with_size(size, color)
    return chosen
