"""What the training streams share: photos, seeds, epochs."""

import operator

import numpy as np

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.images import Color
from similarity_lab.images.augmentation import Augmentation, Values
from similarity_lab.pairs.members import Indices, Members
from similarity_lab.pairs.photos import Photos

CACHE_LIMIT = 2 * 2**30

_DRAW, _BATCH, _MINING = range(3)  # what a random generator is for; part of its seed


class Stream(keras.utils.PyDataset):
    """A Keras dataset whose batches depend on the seed, the epoch and their index alone.

    So an epoch is the same whatever was drawn before, and in whichever order or thread its batches
    are made. A subclass draws the positions of an epoch's photos in `_draw` and has `steps`.

    Epochs are counted from 0, as Keras counts them: a first ``fit`` trains on epoch 0, a later one
    goes on where it stopped. A new stream resumes at epoch k after ``start_epoch(k)``.
    """

    epoch: int
    steps: int

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        size: int | tuple[int, int] | None,
        color: Color | None,
        seed: int,
        augment: bool | Augmentation,
        fresh: bool,
        cache: bool,
        cache_limit: int,
        workers: int,
        max_queue_size: int,
    ) -> None:
        super().__init__(workers=workers, max_queue_size=max_queue_size)
        if not isinstance(augment, bool | Augmentation):
            raise InputTypeError(
                f"augment must be True, False or an Augmentation, got {type(augment).__name__}"
            )
        self._photos = Photos(dataset, size, color, cache=cache, cache_limit=cache_limit)
        self._members = Members.of(np.asarray(dataset.classes)[dataset.labels])
        self._seed = operator.index(seed)
        self._augment = Augmentation() if augment is True else augment
        self._fresh = fresh
        self._begun = False
        self.epoch = 0

    def _draw(self) -> None:
        """Draw which photos this epoch has."""
        raise NotImplementedError("a subclass draws its epochs")

    def _rng(self, purpose: int, index: int = 0) -> np.random.Generator:
        return np.random.default_rng([self._seed, self.epoch, purpose, index])

    def _batch_slice(self, index: int, length: int) -> slice:
        if not 0 <= index < self.steps:
            raise IndexError(f"batch {index} of a stream that has batches 0…{self.steps - 1}")
        return slice(index * length, (index + 1) * length)

    def _images(self, positions: Indices, index: int) -> Values:
        """Return photos for batch `index`: float32 ``(b, h, w, c)``, 0…1."""
        pixels = self._photos.pixels(positions)
        if isinstance(self._augment, Augmentation):
            return self._augment(pixels, self._rng(_BATCH, index))
        return pixels.astype(np.float32) / np.float32(255)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.steps

    @property
    def cached(self) -> bool:
        """Whether decoded photos are kept in memory; pairs never are."""
        return self._photos.cached

    def start_epoch(self, epoch: int) -> None:
        """Draw the batches of an epoch, counted from 0; goes back and forth."""
        number = operator.index(epoch)
        if number < 0:
            raise InputError(f"epochs are counted from 0, got {number}")
        self.epoch, self._begun = number, False
        self._draw()

    def on_epoch_begin(self) -> None:
        """Note that this epoch is in use; Keras calls this."""
        self._begun = True

    def on_epoch_end(self) -> None:
        """Go on to the next epoch, unless the stream was made with ``fresh=False``.

        Keras calls this after every epoch, and also before the first one: that call is passed over,
        so that training begins with epoch 0. Your own loop calls `start_epoch`.
        """
        if self._fresh and self._begun:
            self.start_epoch(self.epoch + 1)


def checked_count(name: str, value: int | None, default: int) -> int:
    """Return a number of things, at least one; `default` for None."""
    count = default if value is None else operator.index(value)
    if count < 1:
        raise InputError(f"{name} must be at least 1, got {count}")
    return count
