"""Batches of a few photos each of several classes, drawn anew each epoch."""

import numpy as np

from similarity_lab.datasets import ImageDataset
from similarity_lab.datasets.dataset import Labels
from similarity_lab.errors import InputError
from similarity_lab.images import Color
from similarity_lab.images.augmentation import Augmentation, Values
from similarity_lab.pairs.base import _DRAW, CACHE_LIMIT, Stream, checked_count
from similarity_lab.pairs.members import Indices


class ClassBalancedStream(Stream):
    """Batches of a few photos each of several classes, for triplet and multi-similarity losses.

    Each batch is ``(images, labels)``: float32 ``(k · m, h, w, c)`` in 0…1 and int64 ``(k · m,)``,
    positions in `dataset.classes`; k different classes, each equally likely, and m photos of each,
    class after class. The m photos differ where the class has that many; a smaller class repeats.

    Parameters
    ----------
    dataset, size, color, seed, augment, fresh, cache, cache_limit, workers, max_queue_size
        As in `PairStream`.
    classes_per_batch : int, optional
        k, two or more; default: all classes, at most 16.
    images_per_class : int
        m, two or more.
    steps : int, optional
        Batches in an epoch; default: as many as it takes to draw as many photos as there are.

    Attributes
    ----------
    epoch : int
    steps, batch_size : int
    positions : ndarray of int64, shape (steps · batch_size,)
        This epoch's photos in the dataset.

    Raises
    ------
    ValueError
        For one class only, more classes per batch than there are, no size.

    Warns
    -----
    UserWarning
        Names classes with one photo, which is then its own only positive.

    Examples
    --------
    >>> photos = np.zeros((6, 8, 8, 3), np.uint8)
    >>> data = ImageDataset.from_arrays(photos, [0, 0, 0, 0, 1, 1], ["almonds", "dates"])
    >>> images, labels = ClassBalancedStream(data, images_per_class=2, seed=0)[0]
    >>> images.shape, sorted(labels.tolist())
    ((4, 8, 8, 3), [0, 0, 1, 1])
    """

    positions: Indices

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        size: int | tuple[int, int] | None = None,
        color: Color | None = None,
        classes_per_batch: int | None = None,
        images_per_class: int = 4,
        seed: int,
        augment: bool | Augmentation = False,
        steps: int | None = None,
        fresh: bool = True,
        cache: bool = True,
        cache_limit: int = CACHE_LIMIT,
        workers: int = 1,
        max_queue_size: int = 10,
    ) -> None:
        super().__init__(
            dataset,
            size=size,
            color=color,
            seed=seed,
            augment=augment,
            fresh=fresh,
            cache=cache,
            cache_limit=cache_limit,
            workers=workers,
            max_queue_size=max_queue_size,
        )
        classes = len(self._members.values)
        self._classes = min(classes, 16) if classes_per_batch is None else classes_per_batch
        if not 2 <= self._classes <= classes:
            raise InputError(
                f"classes_per_batch must be from 2 to {classes}, the classes that have photos, "
                f"got {self._classes}"
            )
        if images_per_class < 2:
            raise InputError(
                "images_per_class must be at least 2, so that every photo has a positive, "
                f"got {images_per_class}"
            )
        self._per_class = images_per_class
        self._labels = dataset.labels
        self.batch_size = self._classes * images_per_class
        self.steps = checked_count("steps", steps, -(-len(dataset) // self.batch_size))
        self._draw()
        self._members.warn_of_singles(self.positions, self._members.values)

    def _draw(self) -> None:
        rng, members = self._rng(_DRAW), self._members
        present = len(members.values)
        classes = [rng.choice(present, self._classes, replace=False) for _ in range(self.steps)]
        groups = members.groups(np.concatenate(classes), self._per_class, rng)
        self.positions = groups.ravel()

    def __getitem__(self, index: int) -> tuple[Values, Labels]:
        """Return batch `index` of this epoch."""
        positions = self.positions[self._batch_slice(index, self.batch_size)]
        return self._images(positions, index), self._labels[positions]
