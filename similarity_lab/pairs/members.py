"""Which images each class has, laid out so that a hundred thousand draws need no loop."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError

Indices = npt.NDArray[np.int64]
IsSame = npt.NDArray[np.float32]
LabelsLike = npt.ArrayLike

_NAMED = 20  # a warning that names more classes than this is no longer read


@dataclass(frozen=True, eq=False)
class Members:
    """The images of each class.

    Attributes
    ----------
    values : ndarray, shape (k,)
        The distinct labels, sorted.
    codes : ndarray of int64, shape (n,)
        Position of each image's label in `values`.
    order : ndarray of int64, shape (n,)
        The images, class after class.
    ranks : ndarray of int64, shape (n,)
        Place of each image within its class.
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
    def of(cls, labels: LabelsLike) -> "Members":
        """Sort labels into classes; `ValueError` unless there are two classes or more."""
        values, codes, sizes = np.unique(
            checked_labels(labels), return_inverse=True, return_counts=True
        )
        if len(values) < 2:
            found = f"only {values[0]!s}" if len(values) else "no label at all"
            raise InputError(
                f"pairs need images of two classes or more, got {found}; "
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

    def groups(self, classes: Indices, count: int, rng: np.random.Generator) -> Indices:
        """Return `count` images of each of these classes ``(len(classes), count)``.

        They are different ones, every set of them equally likely; of a class with fewer, all come
        as often as goes, and a random set of different ones once more. (Floyd's sampling, Bentley,
        CACM 1987, https://doi.org/10.1145/30401.315746, for all groups at once.)
        """
        sizes = self.sizes[classes]
        rest = count % sizes  # what whole rounds leave to be drawn
        ranks = np.empty((len(classes), count), np.int64)
        for step in range(count):
            last = sizes - rest + step
            drawn = rng.integers(last + 1)
            taken = (ranks[:, :step] == drawn[:, None]).any(axis=1)
            sampled = np.where(taken, last, drawn)
            ranks[:, step] = np.where(step < rest, sampled, step % sizes)
        return self.order[self.starts[classes][:, None] + ranks]

    def positives(self, anchors: Indices, rng: np.random.Generator) -> Indices:
        """Return another image of each anchor's class; the anchor itself if it is the only one."""
        classes = self.codes[anchors]
        sizes = self.sizes[classes]
        steps = 1 + rng.integers(np.maximum(sizes - 1, 1))  # going round, never back to the start
        return self.order[self.starts[classes] + (self.ranks[anchors] + steps) % sizes]

    def negatives(self, anchors: Indices, rng: np.random.Generator) -> Indices:
        """Return an image of another class: each class equally likely, then each of its images."""
        count = len(self.values)
        steps = 1 + rng.integers(count - 1, size=len(anchors))
        return self.draw((self.codes[anchors] + steps) % count, rng)

    def pairs(self, anchors: Indices, rng: np.random.Generator) -> tuple[Indices, IsSame]:
        """Return index pairs ``(2m, 2)`` in order positive, negative, … and ``is_same (2m, 1)``."""
        pairs = np.empty((2 * len(anchors), 2), np.int64)
        pairs[:, 0] = np.repeat(anchors, 2)
        pairs[0::2, 1] = self.positives(anchors, rng)
        pairs[1::2, 1] = self.negatives(anchors, rng)
        is_same = np.zeros((len(pairs), 1), np.float32)
        is_same[0::2] = 1
        return pairs, is_same

    def balanced(self, count: int, rng: np.random.Generator) -> Indices:
        """Return `count` images in random order: every class as often, every image of it too."""
        quotas = np.full(len(self.values), count // len(self.values))
        quotas[rng.permutation(len(quotas))[: count % len(quotas)]] += 1
        chosen = [
            in_turn(self.order[start : start + size], quota, rng)
            for start, size, quota in zip(self.starts, self.sizes, quotas, strict=True)
        ]
        return rng.permutation(np.concatenate(chosen))

    def warn_of_singles(self, anchors: Indices, names: Sequence[object] | npt.NDArray) -> None:
        """Warn if these anchors meet themselves; `names` are those of `values`.

        For functions that users call themselves: the warning points to the line that called them.
        """
        counts = np.bincount(self.codes[anchors], minlength=len(self.values))
        single = np.flatnonzero((self.sizes == 1) & (counts > 0))
        if not len(single):
            return
        listed = ", ".join(f"{names[i]} ({counts[i]})" for i in single[:_NAMED])
        more = f" and {len(single) - _NAMED} more" if len(single) > _NAMED else ""
        warnings.warn(
            f"an image is its own positive {counts[single].sum()} times, because these classes "
            f"have one image only: {listed}{more}; add images, or leave these classes out",
            UserWarning,
            stacklevel=3,
        )


def in_turn(items: Indices, count: int, rng: np.random.Generator) -> Indices:
    """Return `count` of the items, shuffled; none comes a second time before all came once."""
    rounds = -(-count // len(items))
    return rng.permuted(np.tile(items, (rounds, 1)), axis=1).ravel()[:count]


def checked_labels(labels: LabelsLike) -> npt.NDArray:
    """Return labels as an array of integers or strings, or raise `ValueError`."""
    values = np.asarray(labels)
    if values.dtype == object and all(isinstance(value, str) for value in values.flat):
        values = values.astype(str)  # as a pandas column gives them
    if values.ndim != 1:
        raise InputError(
            f"expected labels (n,), one per image, got {values.shape}; "
            "labels[:, 0] takes one column, labels.argmax(1) undoes one-hot"
        )
    if values.dtype.kind not in "iuU" and len(values):
        raise InputError(f"expected labels that are integers or strings, got {values.dtype}")
    return values
