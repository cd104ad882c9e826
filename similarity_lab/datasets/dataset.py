"""`ImageDataset`: a set of labelled images."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._numbers import format_count
from similarity_lab.errors import ImageError, InputError, InputTypeError, UnknownClassError
from similarity_lab.files import skipped_table
from similarity_lab.files.listing import lost_files
from similarity_lab.images import Color, Pixels, Source, image_size, read_image
from similarity_lab.images.decoding import map_ahead

__all__ = ["ImageDataset", "Labels"]

Positions = slice | Sequence[int] | npt.NDArray[np.integer | np.bool_]
Labels = npt.NDArray[np.int64]
"""Positions in a list of classes, one per image."""


@dataclass(frozen=True, eq=False, repr=False)
class ImageDataset:
    """Labelled images: paths that are decoded when needed, or arrays.

    Created by `load_dataset`, `grocery_store` or `from_arrays`. Immutable: methods return a new
    dataset.

    Attributes
    ----------
    paths : tuple of Path
        One per image, sorted, or in the order of a table; empty for a dataset of arrays.
    labels : ndarray of int64, shape (n,)
        Position of each image's class in `classes`; read-only.
    classes : tuple of str
    skipped : DataFrame with columns path, reason
        Files that could not be used.
    size : (height, width) or None
        Size to which `images` are decoded, in pixels.
    color : {"rgb", "gray"}
    arrays : ndarray of uint8, shape (n, h, w, c), or None
        The images of a dataset that was created from arrays.
    """

    paths: tuple[Path, ...]
    labels: Labels
    classes: tuple[str, ...]
    skipped: pd.DataFrame = field(default_factory=lambda: skipped_table([]))
    size: tuple[int, int] | None = None
    color: Color = "rgb"
    arrays: Pixels | None = None

    def __post_init__(self) -> None:
        labels = np.array(self.labels, dtype=np.int64)
        labels.setflags(write=False)
        object.__setattr__(self, "labels", labels)

    @classmethod
    def from_arrays(
        cls, images: Pixels, labels: Sequence[int] | Labels, classes: Sequence[str]
    ) -> ImageDataset:
        """Return a dataset of images in memory.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, h, w, 3) or (n, h, w, 1)
        labels : integers, shape (n,)
            Positions in `classes`.
        classes : sequence of str

        Raises
        ------
        InputError
            Wrong shapes or dtypes, or a label without a class.

        Examples
        --------
        >>> import numpy as np
        >>> images = np.zeros((3, 8, 8, 3), np.uint8)
        >>> ImageDataset.from_arrays(images, [0, 1, 1], ["almonds", "dates"])
        ImageDataset(3 images of 2 classes: almonds 1, dates 2)
        """
        pixels, numbers = np.asarray(images), np.asarray(labels)
        if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or pixels.dtype != np.uint8:
            raise InputError(
                "expected images (n, h, w, 3) or (n, h, w, 1) uint8, "
                f"got {pixels.shape} {pixels.dtype}"
            )
        if numbers.shape != (len(pixels),) or not np.issubdtype(numbers.dtype, np.integer):
            raise InputError(
                f"expected {len(pixels)} integer labels, one per image, "
                f"got {numbers.shape} {numbers.dtype}"
            )
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(classes):
            raise InputError(f"labels must be positions in the {len(classes)} classes")
        color: Color = "gray" if pixels.shape[3] == 1 else "rgb"
        return cls((), numbers, tuple(classes), size=pixels.shape[1:3], color=color, arrays=pixels)

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int | np.integer) -> tuple[Pixels, int]: ...

    @overload
    def __getitem__(self, index: Positions) -> ImageDataset: ...

    def __getitem__(self, index: int | np.integer | Positions) -> tuple[Pixels, int] | ImageDataset:
        """Return the image and the label at a position, or the images at several as a dataset.

        Parameters
        ----------
        index : int, slice, sequence of int, or mask of bool of shape (n,)

        Returns
        -------
        (ndarray of uint8, shape (h, w, c), int) or ImageDataset
            The image has the size and colour of the dataset, or its own size if `size` is None.
            The label is that of `labels`; its name is ``dataset.classes[label]``.

        Examples
        --------
        >>> images = np.zeros((3, 8, 8, 3), np.uint8)
        >>> data = ImageDataset.from_arrays(images, [0, 1, 1], ["almonds", "dates"])
        >>> image, label = data[2]
        >>> image.shape, data.classes[label]
        ((8, 8, 3), 'dates')
        >>> data[1:]
        ImageDataset(2 images of 2 classes: almonds 0, dates 2)
        """
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            position = range(len(self))[index]  # IndexError if there is no such image
            image = (
                read_image(self.paths[position], size=self.size, color=self.color)
                if self.arrays is None
                else self.arrays[position]
            )
            return image, int(self.labels[position])
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        positions = np.asarray(index)
        if positions.ndim != 1 or (positions.size and positions.dtype.kind not in "iub"):
            raise InputTypeError(
                f"expected a position, a slice, positions or a mask, got {type(index).__name__}; "
                "for the images of a class, use of_class(name)"
            )
        if positions.dtype == bool and len(positions) != len(self):
            raise InputError(f"expected a mask of {len(self)} values, got {len(positions)}")
        return self.subset(np.flatnonzero(positions) if positions.dtype == bool else positions)

    def __iter__(self) -> Iterator[tuple[Pixels, int]]:
        """Yield the image and the label at each position; images are decoded one by one."""
        return (self[position] for position in range(len(self)))

    def to_frame(self) -> pd.DataFrame:
        """Return a table with columns ``path`` and ``label``, a row per image.

        `load_dataset` makes the same dataset from it. The label is the name of the class; the path
        is missing in a dataset of arrays.

        Examples
        --------
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> data = ImageDataset.from_arrays(images, [0, 1], ["almonds", "dates"])
        >>> data.to_frame()["label"].to_list()
        ['almonds', 'dates']
        """
        paths = [str(path) for path in self.paths] if self.arrays is None else [None] * len(self)
        labels = [self.classes[label] for label in self.labels]
        return pd.DataFrame({"path": paths, "label": labels}, dtype=object)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        skipped = f"; {len(self.skipped)} skipped" if len(self.skipped) else ""
        return f"ImageDataset({len(self)} images of {len(self.classes)} classes: {counts}{skipped})"

    @property
    def counts(self) -> pd.Series:
        """Number of images of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return pd.Series(counts, index=list(self.classes), name="images")

    @property
    def sources(self) -> list[Source]:
        """Image sources for an embedder: the paths, or the arrays if there are no paths."""
        return list(self.paths) if self.arrays is None else list(self.arrays)

    @cached_property
    def images(self) -> Pixels:
        """All images as one array ``(n, h, w, c)`` of uint8, decoded on first use.

        Raises
        ------
        InputError
            The dataset was loaded without `size`.
        ImageError
            A file has become unreadable since the dataset was loaded.
        """
        if self.arrays is not None:
            return self.arrays
        if self.size is None:
            raise InputError(
                "images need one size; load the dataset with size=…, or use with_size(128)"
            )
        height, width = self.size
        pixels = np.empty((len(self), height, width, 1 if self.color == "gray" else 3), np.uint8)
        images = map_ahead(
            lambda source: read_image(source, size=self.size, color=self.color), self.paths
        )
        for index, image in enumerate(images):
            if isinstance(image, ImageError):
                raise image
            pixels[index] = image
        return pixels

    def class_index(self, name: str) -> int:
        """Return the label of a class; `UnknownClassError` if the dataset does not have it.

        Names are compared in Unicode's form NFC: "é" may be one character or two.
        """
        names = [unicodedata.normalize("NFC", known) for known in self.classes]
        key = unicodedata.normalize("NFC", name) if isinstance(name, str) else name
        if key not in names:
            raise UnknownClassError(name, self.classes, self._left_out(key))
        return names.index(key)

    def _left_out(self, name: object) -> str:
        """Return which file in a folder of this name was left out, and why; empty if none was."""

        def is_in_folder(path: object) -> bool:
            return name in unicodedata.normalize("NFC", Path(str(path)).as_posix()).split("/")

        rows = self.skipped[[is_in_folder(path) for path in self.skipped["path"]]]
        if rows.empty or any(map(is_in_folder, self.paths)):  # or it is the folder of them all
            return ""
        files = rows[rows["path"] != name]  # not the row that says that nothing is left
        rows = next(table for table in (lost_files(files), files, rows) if len(table))
        more = f", and {format_count(len(rows) - 1, 'other file')}" if len(rows) > 1 else ""
        return f"{rows['path'].iloc[0]}: {rows['reason'].iloc[0]}{more}"

    def with_size(self, size: int | tuple[int, int], color: Color | None = None) -> ImageDataset:
        """Return the same images, to be decoded to another size (and colour)."""
        if self.arrays is not None:
            raise InputError("the size of a dataset of arrays is fixed; resize the arrays")
        return replace(self, size=image_size(size), color=color or self.color)

    def subset(self, positions: Sequence[int] | npt.NDArray[np.intp]) -> ImageDataset:
        """Return the images at these positions, in that order, with the same classes."""
        indices = np.asarray(positions, dtype=np.intp).reshape(-1)
        return replace(
            self,
            paths=tuple(self.paths[index] for index in indices) if self.arrays is None else (),
            labels=self.labels[indices],
            arrays=None if self.arrays is None else self.arrays[indices],
            skipped=skipped_table([]),
        )

    def of_class(self, name: str) -> ImageDataset:
        """Return the images of one class; `UnknownClassError` if the dataset does not have it."""
        return self.subset(np.flatnonzero(self.labels == self.class_index(name)))

    def split(self, test_size: float, seed: int) -> tuple[ImageDataset, ImageDataset]:
        """Split into train and test, stratified by class.

        A class with two or more images has at least one in each part; the image of a class with
        one goes to train.

        Parameters
        ----------
        test_size : float
            Share of each class in test, above 0 and below 1.
        seed : int

        Returns
        -------
        train, test : ImageDataset
            In the order of this dataset.

        Examples
        --------
        >>> import numpy as np
        >>> images = np.zeros((10, 8, 8, 3), np.uint8)
        >>> data = ImageDataset.from_arrays(images, [0] * 5 + [1] * 5, ["almonds", "dates"])
        >>> train, test = data.split(test_size=0.2, seed=1)
        >>> len(train), len(test)
        (8, 2)
        """
        if not 0 < test_size < 1:
            raise InputError(f"test_size must be above 0 and below 1, got {test_size}")
        rng = np.random.default_rng(seed)
        test: list[int] = []
        for label in range(len(self.classes)):
            members = rng.permutation(np.flatnonzero(self.labels == label))
            count = min(max(round(test_size * len(members)), 1), len(members) - 1)
            test.extend(members[: max(count, 0)])
        in_test = np.isin(np.arange(len(self)), test)
        return self.subset(np.flatnonzero(~in_test)), self.subset(np.flatnonzero(in_test))
