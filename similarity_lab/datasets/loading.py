"""Load labelled images from folders, a zip, a mapping or a table."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from similarity_lab._numbers import format_count
from similarity_lab.datasets.dataset import ImageDataset
from similarity_lab.datasets.layout import class_name, find_layout, is_image_name, near_equal_names
from similarity_lab.errors import InputError, InputTypeError, InputWarning
from similarity_lab.files import (
    existing_folder,
    extract_for_process,
    is_zip,
    list_files,
    skipped_table,
)
from similarity_lab.files.listing import lost_files, user_path
from similarity_lab.files.tables import TABLE_SUFFIXES, read_tables
from similarity_lab.images import Color, image_size
from similarity_lab.images.decoding import errors_table, readable

__all__ = ["DatasetSource", "load_dataset"]

_Mapping = Mapping[str, str | PathLike[str] | Iterable[str | PathLike[str]]]

DatasetSource = str | PathLike[str] | _Mapping | pd.DataFrame | ImageDataset
"""Everything that `load_dataset` accepts."""

_LabelledPaths = list[tuple[str, Path]]
_Skipped = list[tuple[object, str]]
_PATH, _LABEL = "path", "label"


def load_dataset(
    source: DatasetSource,
    *,
    size: int | tuple[int, int] | None = None,
    color: Color | None = None,
    classes: Sequence[str] | None = None,
    split: str | None = None,
    encoding: str | None = None,
    progress: bool = True,
) -> ImageDataset:
    """Load labelled images.

    Every file is checked by decoding it, whatever its name. Listed in ``skipped``, with a reason,
    are files that are not readable images, classes without an image, and hidden and system files
    and folders (``.DS_Store``, ``@eaDir``, ``__MACOSX`` …).

    Parameters
    ----------
    source : folder, zip, mapping, DataFrame, table file or ImageDataset
        A folder with one folder per class, in which nested folders belong to the class. Outer
        folders are opened as long as there is one way in. A folder of images without folders is
        one class, named after it. A ``.zip`` of either. A mapping from class to a folder or to
        paths. A DataFrame with columns ``path`` and ``label``; a CSV, TSV or ``.xlsx`` file of it,
        with paths relative to the file. A loaded dataset is returned with the parameters below
        applied. Names of classes are compared in Unicode's form NFC; an `InputWarning` lists those
        that are nearly equal.
    size : int or (height, width), optional
        In pixels; needed only for ``dataset.images``, since embedders decode to their own size.
    color : {"rgb", "gray"}, optional
        Default: ``"rgb"``, or that of a loaded dataset.
    classes : sequence of str, optional
        Load only these classes, in this order; default: all, sorted.
    split : str, optional
        If the folder has ready-made splits (``train``, ``val``, ``test``): the one to load, or
        ``"all"``. Default: all together, with an `InputWarning`.
    encoding : str, optional
        Encoding of the names in a zip that are not in Unicode; see
        `similarity_lab.files.extract_zip`.
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
        `source` has no readable image, `classes` has duplicates, there is no such `split`, or a
        table gives one image two labels.

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
    labelled, unlisted = _list_labelled(source, split, encoding)
    positions, unreadable = readable([path for _, path in labelled], progress=progress)
    kept = [labelled[position] for position in positions]
    empty = sorted({name for name, _ in labelled} - {name for name, _ in kept}) if kept else []
    without_image = skipped_table([(name, "class without a readable image") for name in empty])
    tables = [unlisted, errors_table(unreadable), without_image]
    dataset = _assemble(kept, pd.concat(tables, ignore_index=True), source)
    _warn_of_near_equal_names(dataset.classes)
    dataset = replace(dataset, size=target_size, color=color or "rgb")
    return dataset if classes is None else _select(dataset, classes)


def _list_labelled(
    source: str | PathLike[str] | _Mapping | pd.DataFrame, split: str | None, encoding: str | None
) -> tuple[_LabelledPaths, pd.DataFrame]:
    if isinstance(source, pd.DataFrame):
        labelled, skipped = _in_table(source, Path())
        return labelled, skipped_table(skipped)
    if isinstance(source, Mapping) and set(source) == {_PATH, _LABEL}:  # columns, not classes
        values = [value for value in source.values() if not isinstance(value, (str, PathLike))]
        if len(values) == 2 and len({len(list(value)) for value in values}) == 1:
            return _list_labelled(pd.DataFrame(source), split, encoding)
    if isinstance(source, Mapping):
        labelled, skipped = _in_mapping(source)
        return labelled, skipped_table(skipped)
    if not isinstance(source, (str, PathLike)):
        raise InputTypeError(
            "expected a folder, a .zip, a mapping, a DataFrame or an ImageDataset, "
            f"got {type(source).__name__}"
        )
    path = user_path(source)
    if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES:
        header, *rows = next(iter(read_tables(path).values()), [[]])
        width = len(header)
        frame = pd.DataFrame([(row + [""] * width)[:width] for row in rows], columns=header)
        try:
            labelled, skipped = _in_table(frame, path.parent)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return labelled, skipped_table(skipped)
    if is_zip(path):
        folder, refused = extract_for_process(path, encoding=encoding)
        labelled, skipped = _in_folder(folder, path.stem, split, path)
        return labelled, pd.concat([refused, skipped_table(skipped)], ignore_index=True)
    folder = existing_folder(
        source, "a folder with one folder of images per class, or a .zip of it"
    )
    labelled, skipped = _in_folder(folder, folder.resolve().name, split, folder)
    return labelled, skipped_table(skipped)


def _in_mapping(mapping: _Mapping) -> tuple[_LabelledPaths, _Skipped]:
    labelled: _LabelledPaths = []
    skipped: _Skipped = []
    for name in sorted(mapping):
        images = mapping[name]
        if isinstance(images, (str, PathLike)):
            folder = existing_folder(images, "a folder of images, or a list of paths")
            files, left_out = list_files(folder)
        else:
            files, left_out = [Path(path) for path in images], []
        skipped += left_out if files else [*left_out, (str(name), "class without a file")]
        labelled += [(class_name(str(name)), path) for path in files]
    return labelled, skipped


def _in_table(table: pd.DataFrame, folder: Path) -> tuple[_LabelledPaths, _Skipped]:
    """Return the images of a table; relative paths are those from `folder`."""
    if {_PATH, _LABEL} & {str(name).strip().casefold() for name in table.index.names}:
        table = table.reset_index()
    names = [str(name).strip().casefold() for name in table.columns]
    columns = dict(zip(names, table.columns, strict=True))
    for name in (_PATH, _LABEL):
        if names.count(name) > 1:
            raise InputError(f"the table has {names.count(name)} columns {name}; keep one")
    if not {_PATH, _LABEL} <= set(columns):
        raise InputError(
            f"expected a table with columns path and label, got {list(map(str, table.columns))}; "
            'rename them, as in table.rename(columns={"image": "path", "class": "label"})'
        )
    labels: dict[Path, str] = {}
    skipped: _Skipped = []
    pairs = zip(table[columns[_PATH]], table[columns[_LABEL]], strict=True)
    for number, (value, label_value) in enumerate(pairs):
        label = class_name(_cell(label_value))
        if not _cell(value) or not label:
            missing = "path" if not _cell(value) else "label"
            skipped.append((_cell(value) or f"row {number}", f"no {missing} in the table"))
            continue
        path = folder / _cell(value)
        if re.match("https?://", _cell(value), re.IGNORECASE):
            skipped.append((_cell(value), "a url in the table; download the image first"))
            continue
        if "\\" in str(path) and not path.exists():  # written on Windows
            path = folder / _cell(value).replace("\\", "/")
        if path not in labels:
            labels[path] = label
        elif labels[path] == label:
            skipped.append((str(path), f"listed more than once as {label}"))
        else:
            raise InputError(
                f"{path} has two labels in the table, {labels[path]!r} and {label!r}; keep one"
            )
    return [(label, path) for path, label in labels.items()], skipped


def _cell(value: object) -> str:
    """Return a cell as text; empty if missing; 3.0, which pandas makes of 3, as 3."""
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:g}"
    return "" if value is None or value is pd.NA else str(value).strip()


def _in_folder(
    folder: Path, name: str, split: str | None, source: Path
) -> tuple[_LabelledPaths, _Skipped]:
    files, skipped = list_files(folder)
    layout = find_layout(folder, files, name, split)
    if layout.annotations:
        labels = {name for name, path in layout.labelled if is_image_name(path.name)}
        warnings.warn(
            f"{source}: what the images show is in {layout.annotations}, not in the names of "
            f"folders, which were taken as classes ({', '.join(sorted(labels)[:5])}). Pass a table "
            "with columns path and label, as a DataFrame or a CSV file, or put the images of each "
            "class into a folder",
            InputWarning,
            stacklevel=4,
        )
        return layout.labelled, [*skipped, *layout.strays]
    if layout.inner is not None:
        names = ", ".join(sorted({name for name, _ in layout.labelled}))
        warnings.warn(
            f"{source}: the folders {names} were taken as classes. If the folders in one of them "
            f"are the classes, pass it, such as {layout.inner}",
            InputWarning,
            stacklevel=4,
        )
    if layout.root != folder and source == folder:
        warnings.warn(
            f"{source}: the classes are the folders in {layout.root}, since it is the only way in; "
            "pass that folder",
            InputWarning,
            stacklevel=4,
        )
    if layout.splits and split is None:
        names = ", ".join(layout.splits)
        example = next(
            (name for name in layout.splits if "train" in name.lower()), layout.splits[0]
        )
        n_classes = len({name for name, _ in layout.labelled})
        warnings.warn(
            f"{source}: {names} are ready-made splits; their images were loaded together, as "
            f"{n_classes} classes. Choose one with split={example!r} (or pass its "
            'folder), or confirm with split="all"',
            InputWarning,
            stacklevel=4,
        )
    return layout.labelled, [*skipped, *layout.strays]


def _warn_of_near_equal_names(names: Sequence[str]) -> None:
    if groups := near_equal_names(names):
        listing = "; ".join(", ".join(map(repr, group)) for group in groups)
        warnings.warn(
            f"classes with nearly equal names: {listing}. If they are the same product, put their "
            "images into one folder",
            InputWarning,
            stacklevel=3,
        )


def _assemble(
    labelled: _LabelledPaths, skipped: pd.DataFrame, source: DatasetSource
) -> ImageDataset:
    if not labelled:
        kinds = {Mapping: "the mapping", pd.DataFrame: "the table"}
        location = next((text for kind, text in kinds.items() if isinstance(source, kind)), source)
        files = skipped if (lost := lost_files(skipped)).empty else lost
        shown = files.drop_duplicates("reason").head(3)
        reasons = "; ".join(f"{row.path}: {row.reason}" for row in shown.itertuples())
        raise InputError(
            f"{location}: no readable image among {format_count(len(files), 'file')}"
            + (f" ({reasons}{' …' if len(files) > len(shown) else ''})" if reasons else "")
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
