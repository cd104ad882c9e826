"""Pairs as one array of pixels, as in the original study; for datasets that fit in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError, UnknownClassError
from similarity_lab.pairs.indices import IsSame, LabelsLike, Members, check_labels


def make_pairs(
    images: npt.ArrayLike, labels: LabelsLike, *, seed: int
) -> tuple[npt.NDArray, IsSame]:
    """Pair every image with one of its own class and with one of another class.

    Shapes, order and the meaning of the label are those of the original study, without its faults:
    a negative is drawn from all other classes (the study took image 0 for every one), and a
    positive is never the image itself. Partners are drawn as by `pair_indices`; the result is
    ``images[pair_indices(labels, seed=seed)[0]]``. All pairs are copied; if that does not fit in
    memory, use `PairStream`.

    Parameters
    ----------
    images : array, shape (n, h, w, c)
        Any dtype and range; both are preserved.
    labels : integers or strings, shape (n,)
    seed : int
        Equal seeds give equal pairs.

    Returns
    -------
    pairs : ndarray, shape (2n, 2, h, w, c)
        In order positive, negative, positive, negative …; ``pairs[2 * i, 0]`` and
        ``pairs[2 * i + 1, 0]`` are image i.
    is_same : ndarray of float32, shape (2n, 1)
        1 for the same class, 0 for different classes.

    Raises
    ------
    InputError
        For one class only, different numbers of images and labels, or an array of another shape.

    Warns
    -----
    UserWarning
        For classes with one image, which is then paired with itself; names and counts them.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((4, 8, 8, 1), np.uint8)
    >>> pairs, is_same = make_pairs(images, ["almonds", "almonds", "dates", "dates"], seed=0)
    >>> pairs.shape, pairs.dtype.name, is_same.shape
    ((8, 2, 8, 8, 1), 'uint8', (8, 1))
    """
    pixels, values = _check_arrays(images, labels)
    members = Members.of(values)
    anchors = np.arange(len(values))
    members.warn_of_single_images(anchors, members.values)
    indices, is_same = members.draw_pairs(anchors, np.random.default_rng(seed))
    return pixels[indices], is_same


def make_pairs_target(
    images: npt.ArrayLike,
    labels: LabelsLike,
    target: str | int,
    *,
    seed: int,
    classes: Sequence[str] | None = None,
) -> tuple[npt.NDArray, IsSame]:
    """Pair every image of the target with one of the target and with one of another class.

    Parameters
    ----------
    images, labels, seed
        As in `make_pairs`.
    target : str or int
        The class of the anchors: one of the labels, or a name in `classes`.
    classes : sequence of str, optional
        Names of the classes, when labels are positions in it (as in `ImageDataset.classes`).

    Returns
    -------
    pairs : ndarray, shape (2m, 2, h, w, c)
        m is the number of images of the target; order as in `make_pairs`.
    is_same : ndarray of float32, shape (2m, 1)
        1 for the same class, 0 for different classes.

    Raises
    ------
    InputError
        As `make_pairs`; also for a target without images (`UnknownClassError` lists the classes
        that have some), and for a name with integer labels and no `classes`, which in the original
        study gave no pairs at all.

    Warns
    -----
    UserWarning
        If the target has one image, which is then paired with itself.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((3, 8, 8, 1), np.uint8)
    >>> pairs, _ = make_pairs_target(images, [0, 0, 1], "nuts", seed=0, classes=["nuts", "dates"])
    >>> len(pairs)
    4
    """
    pixels, values = _check_arrays(images, labels)
    members = Members.of(values)
    names = _class_names(members.values, classes)
    code = _target_code(target, members.values, names, has_classes=classes is not None)
    anchors = np.flatnonzero(members.codes == code)
    members.warn_of_single_images(anchors, names)
    indices, is_same = members.draw_pairs(anchors, np.random.default_rng(seed))
    return pixels[indices], is_same


def _check_arrays(images: npt.ArrayLike, labels: LabelsLike) -> tuple[npt.NDArray, npt.NDArray]:
    """Return images and labels as arrays of one length."""
    try:
        pixels = np.asarray(images)
    except ValueError:  # NumPy's message on images of several sizes is hard to read
        raise InputError(
            "expected images (n, h, w, c), got images of several shapes; resize them to one, "
            "for instance load_dataset(…, size=128).images"
        ) from None
    if pixels.ndim != 4 or pixels.dtype.kind not in "uifb":
        hint = "; add the channel axis: images[..., None]" if pixels.ndim == 3 else ""
        raise InputError(
            f"expected images (n, h, w, c) of numbers, got {pixels.shape} {pixels.dtype}{hint}"
        )
    values = check_labels(labels)
    if len(values) != len(pixels):
        raise InputError(
            f"expected one label per image, got {len(pixels)} images and {len(values)} labels"
        )
    return pixels, values


def _class_names(values: npt.NDArray, classes: Sequence[str] | None) -> list[str]:
    """Return the name of each of the distinct, sorted labels."""
    if classes is None:
        return [str(value) for value in values]
    if values.dtype.kind == "U":
        raise InputError(
            "classes= is for labels that are positions; these labels are names: leave it out"
        )
    if values[0] < 0 or values[-1] >= len(classes):
        raise InputError(
            f"labels must be positions in the {len(classes)} classes, 0…{len(classes) - 1}, "
            f"got {values[0]}…{values[-1]}"
        )
    return [classes[value] for value in values]


def _target_code(
    target: str | int, values: npt.NDArray, names: list[str], *, has_classes: bool
) -> int:
    """Return the position of the target among the distinct labels."""
    is_name = isinstance(target, str)
    if is_name and values.dtype.kind != "U" and not has_classes:
        raise InputError(
            f"the target {target!r} is a name, but labels are integers; pass classes=…, the names "
            "that they are positions in (dataset.classes), or an integer as target"
        )
    known: list = names if is_name else values.tolist()
    if target not in known:
        raise UnknownClassError(target, names)
    return known.index(target)
