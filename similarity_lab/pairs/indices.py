"""Pairs as positions of images, which need little memory whatever size the images have."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError

Indices = npt.NDArray[np.int64]
IsSame = npt.NDArray[np.float32]
LabelsLike = npt.ArrayLike

_MAX_NAMES = 20  # in a warning


def pair_indices(
    labels: LabelsLike, *, seed: int, anchors: npt.ArrayLike | None = None
) -> tuple[Indices, IsSame]:
    """Draw a positive and a negative partner for every anchor.

    The positive is another image of the anchor's class, each equally likely. For the negative a
    class is drawn first, each of the others equally likely, and then an image of it: drawn from all
    images, a large class (background, say) would crowd out the small ones.

    Parameters
    ----------
    labels : integers or strings, shape (n,)
    seed : int
        Equal seeds give equal pairs.
    anchors : integers, shape (m,), optional
        Positions of the images to pair; default: every image once, in order.

    Returns
    -------
    indices : ndarray of int64, shape (2m, 2)
        Positions in `labels`, anchor first, in order positive, negative, positive, negative …
        Rows 2i and 2i + 1 belong to anchor i.
    is_same : ndarray of float32, shape (2m, 1)
        1 for the same class, 0 for different classes.

    Raises
    ------
    InputError
        For labels of one class only, labels that are neither integers nor strings, or anchors that
        are not positions in `labels`.

    Warns
    -----
    UserWarning
        If an anchor is the only image of its class: its positive is itself.

    Examples
    --------
    >>> indices, is_same = pair_indices(["almonds", "almonds", "dates", "dates"], seed=0)
    >>> indices[0::2].tolist()  # two images per class: the positive is the other one
    [[0, 1], [1, 0], [2, 3], [3, 2]]
    >>> is_same.ravel().tolist()
    [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    """
    members = Members.of(labels)
    positions = _check_anchors(anchors, len(members.codes))
    members.warn_of_single_images(positions, members.values)
    return members.draw_pairs(positions, np.random.default_rng(seed))


@dataclass(frozen=True, eq=False)
class Members:
    """The images of each class, laid out so that a hundred thousand draws need no loop.

    Attributes
    ----------
    values : ndarray, shape (k,)
        The distinct labels, sorted.
    codes : ndarray of int64, shape (n,)
        Position of each image's label in `values`.
    order : ndarray of int64, shape (n,)
        The images, class after class.
    ranks : ndarray of int64, shape (n,)
        Position of each image within its class.
    starts, sizes : ndarray of int64, shape (k,)
        Where each class begins in `order`, and how many images it has.
    """

    values: npt.NDArray
    codes: Indices
    order: Indices
    ranks: Indices
    starts: Indices
    sizes: Indices

    @classmethod
    def of(cls, labels: LabelsLike) -> Members:
        """Return the members of each class; `InputError` for fewer than two classes."""
        values, codes, sizes = np.unique(
            check_labels(labels), return_inverse=True, return_counts=True
        )
        if len(values) < 2:
            present = f"only {values[0]!s}" if len(values) else "no label at all"
            raise InputError(
                f"pairs need images of two classes or more, got {present}; "
                "add images of another class, for instance of background"
            )
        order = np.argsort(codes, kind="stable")
        starts = np.cumsum(sizes) - sizes
        ranks = np.empty_like(order)
        ranks[order] = np.arange(len(codes)) - np.repeat(starts, sizes)
        return cls(values, codes, order, ranks, starts, sizes)

    def draw(self, classes: Indices, rng: np.random.Generator) -> Indices:
        """Return a random image of each of these classes."""
        return self.order[self.starts[classes] + rng.integers(self.sizes[classes])]

    def draw_groups(self, classes: Indices, count: int, rng: np.random.Generator) -> Indices:
        """Return `count` images of each of these classes ``(len(classes), count)``.

        The images of a group differ, and every set of them is equally likely. A class with fewer
        images contributes all of them as often as they fit, and a random set for the remainder.
        (Floyd's sampling, Bentley, CACM 1987, https://doi.org/10.1145/30401.315746, for all groups
        at once.)
        """
        sizes = self.sizes[classes]
        remainder = count % sizes
        ranks = np.empty((len(classes), count), np.int64)
        for step in range(count):
            last = sizes - remainder + step
            candidates = rng.integers(last + 1)
            is_taken = (ranks[:, :step] == candidates[:, None]).any(axis=1)
            sampled = np.where(is_taken, last, candidates)
            ranks[:, step] = np.where(step < remainder, sampled, step % sizes)
        return self.order[self.starts[classes][:, None] + ranks]

    def draw_positives(self, anchors: Indices, rng: np.random.Generator) -> Indices:
        """Return another image of each anchor's class; the anchor itself if it is the only one."""
        classes = self.codes[anchors]
        sizes = self.sizes[classes]
        steps = 1 + rng.integers(np.maximum(sizes - 1, 1))  # cyclic, never back to the anchor
        return self.order[self.starts[classes] + (self.ranks[anchors] + steps) % sizes]

    def draw_negatives(self, anchors: Indices, rng: np.random.Generator) -> Indices:
        """Return an image of another class: each class equally likely, then each of its images."""
        count = len(self.values)
        steps = 1 + rng.integers(count - 1, size=len(anchors))
        return self.draw((self.codes[anchors] + steps) % count, rng)

    def draw_pairs(self, anchors: Indices, rng: np.random.Generator) -> tuple[Indices, IsSame]:
        """Return index pairs ``(2m, 2)`` in order positive, negative, … and ``is_same (2m, 1)``."""
        pairs = np.empty((2 * len(anchors), 2), np.int64)
        pairs[:, 0] = np.repeat(anchors, 2)
        pairs[0::2, 1] = self.draw_positives(anchors, rng)
        pairs[1::2, 1] = self.draw_negatives(anchors, rng)
        is_same = np.zeros((len(pairs), 1), np.float32)
        is_same[0::2] = 1
        return pairs, is_same

    def draw_balanced(self, count: int, rng: np.random.Generator) -> Indices:
        """Return `count` images in random order, equally many of each class and of each image."""
        quotas = np.full(len(self.values), count // len(self.values))
        quotas[rng.permutation(len(quotas))[: count % len(quotas)]] += 1
        parts = [
            draw_evenly(self.order[start : start + size], quota, rng)
            for start, size, quota in zip(self.starts, self.sizes, quotas, strict=True)
        ]
        return rng.permutation(np.concatenate(parts))

    def warn_of_single_images(
        self, anchors: Indices, names: Sequence[object] | npt.NDArray
    ) -> None:
        """Warn if these anchors are paired with themselves; `names` are those of `values`.

        For functions that users call: the warning points to the line that called them.
        """
        counts = np.bincount(self.codes[anchors], minlength=len(self.values))
        single = np.flatnonzero((self.sizes == 1) & (counts > 0))
        if not len(single):
            return
        listed = ", ".join(f"{names[i]} ({counts[i]})" for i in single[:_MAX_NAMES])
        more = f" and {len(single) - _MAX_NAMES} more" if len(single) > _MAX_NAMES else ""
        warnings.warn(
            f"an image is its own positive {counts[single].sum()} times, because these classes "
            f"have one image only: {listed}{more}; add images, or leave these classes out",
            UserWarning,
            stacklevel=3,
        )


def draw_evenly(items: Indices, count: int, rng: np.random.Generator) -> Indices:
    """Return `count` items in random order; no item repeats before all have been drawn."""
    rounds = -(-count // len(items))
    return rng.permuted(np.tile(items, (rounds, 1)), axis=1).ravel()[:count]


def check_labels(labels: LabelsLike) -> npt.NDArray:
    """Return labels as an array of integers or strings, or raise `InputError`."""
    values = np.asarray(labels)
    if values.dtype == object and all(isinstance(value, str) for value in values.flat):
        values = values.astype(str)  # a column of pandas
    if values.ndim != 1:
        raise InputError(
            f"expected labels (n,), one per image, got {values.shape}; "
            "labels[:, 0] takes one column, labels.argmax(1) undoes one-hot"
        )
    if values.dtype.kind not in "iuU" and len(values):
        raise InputError(f"expected labels that are integers or strings, got {values.dtype}")
    return values


def _check_anchors(anchors: npt.ArrayLike | None, count: int) -> Indices:
    if anchors is None:
        return np.arange(count)
    positions = np.asarray(anchors)
    is_integer = np.issubdtype(positions.dtype, np.integer) or not len(positions)
    if positions.ndim != 1 or not is_integer:
        raise InputError(
            f"expected anchors (m,), positions of images, got {positions.shape} "
            f"{positions.dtype}; np.flatnonzero(mask) turns a mask into positions"
        )
    if len(positions) and not 0 <= positions.min() <= positions.max() < count:
        raise InputError(
            f"anchors must be positions in the {count} labels, 0…{count - 1}, "
            f"got {positions.min()}…{positions.max()}"
        )
    return positions.astype(np.int64)
