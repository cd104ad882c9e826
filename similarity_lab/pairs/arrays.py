"""Pairs as one array of pixels, as the original study makes them; for sets that fit in memory."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError, UnknownClassError
from similarity_lab.pairs.members import IsSame, LabelsLike, Members, checked_labels


def make_pairs(
    images: npt.ArrayLike, labels: LabelsLike, *, seed: int
) -> tuple[npt.NDArray, IsSame]:
    """Pair every image with one of its own class and with one of another class.

    Shapes, order and the sense of the label are the original study's; its faults are not: a
    negative is drawn from all other classes (the study took image 0 for every one), and a positive
    is never the image itself. How partners are drawn: see `similarity_lab.pairs.pair_indices`,
    whose pairs these are: ``images[pair_indices(labels, seed=seed)[0]]``. All pairs are copied;
    for more than memory holds there is `similarity_lab.pairs.PairStream`.

    Parameters
    ----------
    images : array, shape (n, h, w, c)
        Any dtype and range; both are kept.
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
    ValueError
        For one class only, lengths that differ, images that are no array of images.

    Warns
    -----
    UserWarning
        For classes with one image, which is then compared with itself; names and counts them.

    Examples
    --------
    >>> import numpy as np
    >>> photos = np.zeros((4, 8, 8, 1), np.uint8)
    >>> pairs, is_same = make_pairs(photos, ["almonds", "almonds", "dates", "dates"], seed=0)
    >>> pairs.shape, pairs.dtype.name, is_same.shape
    ((8, 2, 8, 8, 1), 'uint8', (8, 1))
    """
    pixels, values = _checked(images, labels)
    members = Members.of(values)
    anchors = np.arange(len(values))
    members.warn_of_singles(anchors, members.values)
    indices, is_same = members.pairs(anchors, np.random.default_rng(seed))
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
        The class to anchor on: one of the labels, or a name in `classes`.
    classes : sequence of str, optional
        Names of the classes, when labels are positions in it (as in `ImageDataset.classes`).

    Returns
    -------
    pairs : ndarray, shape (2m, 2, h, w, c)
        m is the number of the target's images; order as in `make_pairs`.
    is_same : ndarray of float32, shape (2m, 1)
        1 for the same class, 0 for different classes.

    Raises
    ------
    ValueError
        As `make_pairs`; also for a target without images (`UnknownClassError` lists the classes
        that have some), and for a name with integer labels and no `classes`, which in the original
        study gave no pairs at all.

    Warns
    -----
    UserWarning
        If the target has one image, which is then compared with itself.

    Examples
    --------
    >>> import numpy as np
    >>> photos = np.zeros((3, 8, 8, 1), np.uint8)
    >>> pairs, _ = make_pairs_target(photos, [0, 0, 1], "nuts", seed=0, classes=["nuts", "dates"])
    >>> len(pairs)
    4
    """
    pixels, values = _checked(images, labels)
    members = Members.of(values)
    names = _class_names(members.values, classes)
    position = _position(target, members.values, names, named=classes is not None)
    anchors = np.flatnonzero(members.codes == position)
    members.warn_of_singles(anchors, names)
    indices, is_same = members.pairs(anchors, np.random.default_rng(seed))
    return pixels[indices], is_same


def _checked(images: npt.ArrayLike, labels: LabelsLike) -> tuple[npt.NDArray, npt.NDArray]:
    """Return images and labels as arrays of one length."""
    try:
        pixels = np.asarray(images)
    except ValueError:  # NumPy's own words for a list of photos of several sizes are hard to read
        raise InputError(
            "expected images (n, h, w, c), got images of several shapes; resize them to one, "
            "for instance load_dataset(…, size=128).images"
        ) from None
    if pixels.ndim != 4 or pixels.dtype.kind not in "uifb":
        hint = "; add the channel axis: images[..., None]" if pixels.ndim == 3 else ""
        raise InputError(
            f"expected images (n, h, w, c) of numbers, got {pixels.shape} {pixels.dtype}{hint}"
        )
    values = checked_labels(labels)
    if len(values) != len(pixels):
        raise InputError(
            f"expected one label per image, got {len(pixels)} images and {len(values)} labels"
        )
    return pixels, values


def _class_names(present: npt.NDArray, classes: Sequence[str] | None) -> list[str]:
    """Return the name of each label that is present."""
    if classes is None:
        return [str(value) for value in present]
    if present.dtype.kind == "U":
        raise InputError("classes= names labels that are positions; these are names: leave it out")
    if present[0] < 0 or present[-1] >= len(classes):  # they are sorted
        raise InputError(
            f"labels must be positions in the {len(classes)} classes, 0…{len(classes) - 1}, "
            f"got {present[0]}…{present[-1]}"
        )
    return [classes[value] for value in present]


def _position(target: str | int, present: npt.NDArray, names: list[str], named: bool) -> int:
    """Return where the target is in `present`; `named`: integer labels came with their names."""
    by_name = isinstance(target, str)
    if by_name and present.dtype.kind != "U" and not named:
        raise InputError(
            f"the target {target!r} is a name, but labels are integers; pass classes=…, the names "
            "that they are positions in (dataset.classes), or an integer as target"
        )
    known: list = names if by_name else present.tolist()
    if target not in known:
        raise UnknownClassError(target, names)
    return known.index(target)
