"""Training batches, redrawn each epoch: pairs of images, or a few images of each class.

Memory holds the positions of an epoch's images, a few batches, and decoded images (uint8) up to a
limit, so training works with 100,000 images and more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.datasets.dataset import Labels
from similarity_lab.errors import ImageError, InputError, InputTypeError
from similarity_lab.images import Color, Pixels, image_size, read_image
from similarity_lab.images.augmentation import Augmentation, FloatPixels
from similarity_lab.images.decoding import map_ahead
from similarity_lab.pairs.indices import Indices, IsSame, Members, draw_evenly
from similarity_lab.pairs.mining import (
    RANDOM,
    AnyFloats,
    LabelledVectors,
    kind_shares,
    semi_hard_negatives,
)

CACHE_LIMIT = 2 * 2**30

_DRAW, _BATCH, _MINING = range(3)  # purposes of random generators; part of their seeds

EmbedFunction = Callable[[Pixels], npt.ArrayLike]


class DecodedImages:
    """The images of a dataset at one size, decoded on demand and cached if they fit.

    Parameters
    ----------
    dataset : ImageDataset
    size : int or (height, width), optional
    color : {"rgb", "gray"}, optional
        Default of both: the dataset's own.
    cache : bool
        Cache decoded images: n · h · w · c bytes.
    cache_limit : int
        Above this many bytes nothing is cached, and every batch is decoded again.

    Attributes
    ----------
    shape : (height, width, channels)
    is_cached : bool
    """

    def __init__(
        self,
        dataset: ImageDataset,
        size: int | tuple[int, int] | None,
        color: Color | None,
        *,
        cache: bool,
        cache_limit: int,
    ) -> None:
        if not isinstance(dataset, ImageDataset):
            raise InputTypeError(
                f"expected an ImageDataset, got {type(dataset).__name__}; "
                "make one with load_dataset(…) or ImageDataset.from_arrays(…)"
            )
        if color not in (None, "rgb", "gray"):
            raise InputError(f'color must be "rgb" or "gray", got {color!r}')
        requested_size = dataset.size if size is None else size
        if requested_size is None:
            raise InputError("a stream needs one size for all images; pass size=128, for instance")
        self._dataset = dataset
        self._size = image_size(requested_size)
        self._color: Color = color or dataset.color
        self.shape = (*self._size, 1 if self._color == "gray" else 3)
        self._cache: Pixels | None = None
        if dataset.arrays is not None and dataset.arrays.shape[1:] == self.shape:
            self._cache, self._is_decoded = dataset.arrays, np.ones(len(dataset), bool)
        elif cache and len(dataset) * int(np.prod(self.shape)) <= cache_limit:
            # The system allocates this memory page by page, as images are written to it.
            self._cache = np.empty((len(dataset), *self.shape), np.uint8)
            self._is_decoded = np.zeros(len(dataset), bool)
        self.is_cached = self._cache is not None

    def pixels(self, positions: Indices) -> Pixels:
        """Return images ``(b, h, w, c)``; `ImageError` for one that can no longer be read."""
        unique, inverse = np.unique(positions, return_inverse=True)
        if self._cache is None:
            return self._decode(unique)[inverse]
        undecoded = unique[~self._is_decoded[unique]]
        if len(undecoded):  # two threads may both decode an image; they write the same pixels
            self._cache[undecoded] = self._decode(undecoded)
            self._is_decoded[undecoded] = True
        return self._cache[positions]

    def embed(self, function: EmbedFunction, positions: Indices, batch_size: int) -> AnyFloats:
        """Return the vectors ``(n, d)`` of images, which are decoded a batch at a time."""
        parts = []
        for start in range(0, len(positions), batch_size):
            pixels = self.pixels(positions[start : start + batch_size])
            vectors = np.asarray(function(pixels))
            if vectors.ndim != 2 or len(vectors) != len(pixels) or vectors.dtype.kind != "f":
                raise InputError(
                    f"embed must turn {pixels.shape} uint8 pixels into ({len(pixels)}, d) "
                    f"floating-point vectors, got {vectors.shape} {vectors.dtype}"
                )
            if not np.isfinite(vectors).all():
                raise InputError(
                    "embed returned vectors that are not finite, so no negative can be chosen by "
                    "distance; has training diverged? a lower learning rate may help"
                )
            parts.append(vectors)
        return np.concatenate(parts)

    def _decode(self, positions: Indices) -> Pixels:
        data = self._dataset
        sources = [data.paths[i] if data.arrays is None else data.arrays[i] for i in positions]
        pixels = np.empty((len(sources), *self.shape), np.uint8)
        images = map_ahead(
            lambda source: read_image(source, size=self._size, color=self._color), sources
        )
        for row, image in enumerate(images):
            if isinstance(image, ImageError):  # it could be read when the dataset was loaded
                raise image
            pixels[row] = image
        return pixels


class Stream(keras.utils.PyDataset):
    """A Keras dataset whose batches depend only on the seed, the epoch and their index.

    So an epoch does not depend on earlier draws, nor on the order or threads in which its batches
    are made. A subclass draws the positions of an epoch's images in `_draw` and has `steps`.

    Epochs are counted from 0, as Keras counts them: a first ``fit`` trains on epoch 0, a later one
    resumes where it stopped. A new stream resumes at epoch k after ``start_epoch(k)``.
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
        redraw: bool,
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
        self._decoded = DecodedImages(dataset, size, color, cache=cache, cache_limit=cache_limit)
        self._members = Members.of(np.asarray(dataset.classes)[dataset.labels])
        self._seed = operator.index(seed)
        self._augment = Augmentation() if augment is True else augment
        self._redraw = redraw
        self._is_in_use = False
        self.epoch = 0

    def _draw(self) -> None:
        """Draw the images of this epoch."""
        raise NotImplementedError("a subclass draws its epochs")

    def _rng(self, purpose: int, index: int = 0) -> np.random.Generator:
        return np.random.default_rng([self._seed, self.epoch, purpose, index])

    def _batch_slice(self, index: int, length: int) -> slice:
        if not 0 <= index < self.steps:
            raise IndexError(f"batch {index} of a stream that has batches 0…{self.steps - 1}")
        return slice(index * length, (index + 1) * length)

    def _images(self, positions: Indices, index: int) -> FloatPixels:
        """Return the images of batch `index`: float32 ``(b, h, w, c)``, 0…1."""
        pixels = self._decoded.pixels(positions)
        if isinstance(self._augment, Augmentation):
            return self._augment(pixels, self._rng(_BATCH, index))
        return pixels.astype(np.float32) / np.float32(255)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.steps

    @property
    def is_cached(self) -> bool:
        """Whether decoded images are cached in memory."""
        return self._decoded.is_cached

    def start_epoch(self, epoch: int) -> None:
        """Draw the batches of an epoch, counted from 0; earlier ones too."""
        number = operator.index(epoch)
        if number < 0:
            raise InputError(f"epochs are counted from 0, got {number}")
        self.epoch, self._is_in_use = number, False
        self._draw()

    def on_epoch_begin(self) -> None:
        """Note that this epoch is in use; Keras calls this."""
        self._is_in_use = True

    def on_epoch_end(self) -> None:
        """Move to the next epoch, unless ``redraw=False``.

        Keras calls this after every epoch, and also before the first one: that call is ignored, so
        that training begins with epoch 0. A loop of your own calls `start_epoch`.
        """
        if self._redraw and self._is_in_use:
            self.start_epoch(self.epoch + 1)


class PairStream(Stream):
    """Pairs of images for a Siamese network: ``model.fit(PairStream(…))``.

    Each batch is ``((left, right), is_same)``: float32 images ``(b, h, w, c)`` in 0…1, twice, and
    float32 ``(b, 1)``, 1 for the same class; in order positive, negative, positive, negative … with
    one anchor (left) for two rows. Partners are drawn as by `similarity_lab.pairs.pair_indices`,
    and redrawn each epoch.

    Parameters
    ----------
    dataset : ImageDataset
        Of two classes or more. Images are decoded in threads as batches need them.
    size : int or (height, width), optional
    color : {"rgb", "gray"}, optional
        Default of both: the dataset's own.
    batch_size : int
        Pairs in a batch, an even number. Every batch is full.
    seed : int
        Equal seeds give equal epochs: a batch depends only on seed, epoch and index.
    augment : bool or Augmentation
        Augment the images, both of a pair independently.
    balanced : bool
        Every class contributes equally many anchors; otherwise every image does.
    target : str, optional
        Anchors are the images of this class only, as in `make_pairs_target`.
    steps : int, optional
        Batches in an epoch; default: as many as one anchor per image needs. (Use this and not
        ``fit(steps_per_epoch=…)``, with which Keras reads on beyond the end of an epoch.)
    redraw : bool
        Draw new pairs in each epoch; False repeats those of the first, for validation data.
    cache : bool
        Cache decoded images, n · h · w · c bytes, if that is at most `cache_limit`.
    cache_limit : int
        Bytes; default 2 GiB.
    workers, max_queue_size : int
        Threads that make batches, and batches they make ahead, as in `keras.utils.PyDataset`.

    Attributes
    ----------
    epoch : int
        Counted from 0, as Keras counts; ``start_epoch(k)`` before ``fit(initial_epoch=k)`` resumes.
    steps, batch_size : int
    pairs : ndarray of int64, shape (steps · batch_size, 2)
        Positions of this epoch's images in the dataset.
    is_same : ndarray of float32, shape (steps · batch_size, 1)
    negative_shares : dict of str to float
        How this epoch's negatives were chosen, as shares of them: see `mine`.

    Raises
    ------
    InputError
        For one class only, an odd batch size, a number of steps below 1, no size.

    Warns
    -----
    UserWarning
        For classes with one image, which is then paired with itself; names and counts them.

    Examples
    --------
    >>> images = np.zeros((6, 8, 8, 3), np.uint8)
    >>> data = ImageDataset.from_arrays(images, [0, 0, 0, 0, 1, 1], ["almonds", "dates"])
    >>> (left, right), is_same = PairStream(data, batch_size=4, seed=0)[0]
    >>> left.shape, right.dtype.name, is_same.ravel().tolist()
    ((4, 8, 8, 3), 'float32', [1.0, 0.0, 1.0, 0.0])
    """

    pairs: Indices
    is_same: IsSame
    negative_shares: dict[str, float]

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        size: int | tuple[int, int] | None = None,
        color: Color | None = None,
        batch_size: int = 64,
        seed: int,
        augment: bool | Augmentation = False,
        balanced: bool = True,
        target: str | None = None,
        steps: int | None = None,
        redraw: bool = True,
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
            redraw=redraw,
            cache=cache,
            cache_limit=cache_limit,
            workers=workers,
            max_queue_size=max_queue_size,
        )
        if batch_size < 2 or batch_size % 2:
            raise InputError(
                f"batch_size must be even, half positives and half negatives, got {batch_size}"
            )
        self.batch_size = batch_size
        self._balanced = balanced and target is None
        self._anchors = np.arange(len(dataset))
        if target is not None:
            self._anchors = np.flatnonzero(dataset.labels == dataset.class_index(target))
            if not len(self._anchors):
                raise InputError(f"the target {target!r} has no images here to be anchors")
        self.steps = _check_count("steps", steps, -(-2 * len(self._anchors) // batch_size))
        self._draw()
        self._members.warn_of_single_images(self.pairs[0::2, 0], self._members.values)

    def _draw(self) -> None:
        rng, count = self._rng(_DRAW), self.steps * self.batch_size // 2
        anchors = (
            self._members.draw_balanced(count, rng)
            if self._balanced
            else draw_evenly(self._anchors, count, rng)
        )
        self.pairs, self.is_same = self._partners(anchors, rng)
        self.negative_shares = kind_shares(np.full(count, RANDOM))

    def _partners(self, anchors: Indices, rng: np.random.Generator) -> tuple[Indices, IsSame]:
        """Draw a positive and a negative for every anchor."""
        return self._members.draw_pairs(anchors, rng)

    def __getitem__(self, index: int) -> tuple[tuple[FloatPixels, FloatPixels], IsSame]:
        """Return batch `index` of this epoch."""
        rows = self._batch_slice(index, self.batch_size)
        values = self._images(self.pairs[rows].T.ravel(), index)
        return (values[: self.batch_size], values[self.batch_size :]), self.is_same[rows]

    def mine(
        self, embed: EmbedFunction, *, margin: float = 0.2, pool: int = 2048
    ) -> dict[str, float]:
        """Replace this epoch's negatives by semi-hard ones, as the current network sees them.

        A negative is semi-hard if it is farther from the anchor than the positive, by less than
        `margin` (Schroff et al., FaceNet, CVPR 2015, arXiv:1503.03832). Where there is none, it is
        the nearest one that is farther than the positive; where there is none either, the random
        one stays. All images of the epoch are embedded once, without augmentation; negatives are
        chosen from a pool. Memory: a vector per image, and 1,024 · pool distances.

        Parameters
        ----------
        embed : callable
            From pixels ``(b, h, w, c)`` uint8 to vectors ``(b, d)``, floating point; for a Keras
            tower that takes 0…1: ``lambda pixels: tower.predict_on_batch(pixels / 255)``.
        margin : float
            Euclidean distance, above 0, in the units of the vectors: 0.2 suits vectors of length 1.
        pool : int
            Candidates for negatives: all images if there are so few, else a seeded draw with
            equally many of every class.

        Returns
        -------
        dict of str to float
            The share of negatives that are ``"semi-hard"``, ``"hardest farther"`` and
            ``"random"``; also `negative_shares` until the next epoch.

        Raises
        ------
        InputError
            If `embed` does not return one finite vector per image.
        """
        if not margin > 0:
            raise InputError(f"margin is a distance above 0, got {margin}")
        count = _check_count("pool", pool, pool)
        self._draw()  # mining starts from the random pairs, also the second time
        rng, members = self._rng(_MINING), self._members
        candidates = np.arange(len(members.codes))
        if count < len(candidates):
            candidates = np.unique(members.draw_balanced(count, rng))
        anchors, positives = self.pairs[0::2].T
        needed, rows = np.unique(
            np.concatenate([anchors, positives, candidates]), return_inverse=True
        )
        vectors = self._decoded.embed(embed, needed, self.batch_size)
        of_anchors, of_positives, of_candidates = np.split(rows, [len(anchors), 2 * len(anchors)])
        negatives, kinds = semi_hard_negatives(
            LabelledVectors(vectors[of_anchors], members.codes[anchors]),
            vectors[of_positives],
            LabelledVectors(vectors[of_candidates], members.codes[candidates]),
            margin=margin,
            rng=rng,
        )
        is_mined = negatives >= 0
        self.pairs[1::2, 1][is_mined] = candidates[negatives[is_mined]]
        self.negative_shares = kind_shares(kinds)
        return self.negative_shares


class ClassBalancedStream(Stream):
    """Batches of a few images each of several classes, for triplet and multi-similarity losses.

    Each batch is ``(images, labels)``: float32 ``(k · m, h, w, c)`` in 0…1 and int64 ``(k · m,)``,
    positions in `dataset.classes`; k different classes, each equally likely, and m images of each,
    class after class. The m images differ if the class has that many; a smaller class repeats.

    Parameters
    ----------
    dataset, size, color, seed, augment, redraw, cache, cache_limit, workers, max_queue_size
        As in `PairStream`.
    classes_per_batch : int, optional
        k, two or more; default: all classes, at most 16.
    images_per_class : int
        m, two or more.
    steps : int, optional
        Batches in an epoch; default: as many as it takes to draw as many images as there are.

    Attributes
    ----------
    epoch : int
    steps, batch_size : int
    positions : ndarray of int64, shape (steps · batch_size,)
        This epoch's images in the dataset.

    Raises
    ------
    InputError
        For one class only, more classes per batch than there are, no size.

    Warns
    -----
    UserWarning
        Names classes with one image, which is then its own only positive.

    Examples
    --------
    >>> images = np.zeros((6, 8, 8, 3), np.uint8)
    >>> data = ImageDataset.from_arrays(images, [0, 0, 0, 0, 1, 1], ["almonds", "dates"])
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
        redraw: bool = True,
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
            redraw=redraw,
            cache=cache,
            cache_limit=cache_limit,
            workers=workers,
            max_queue_size=max_queue_size,
        )
        classes = len(self._members.values)
        self._n_classes = min(classes, 16) if classes_per_batch is None else classes_per_batch
        if not 2 <= self._n_classes <= classes:
            raise InputError(
                f"classes_per_batch must be from 2 to {classes}, the classes that have images, "
                f"got {self._n_classes}"
            )
        if images_per_class < 2:
            raise InputError(
                "images_per_class must be at least 2, so that every image has a positive, "
                f"got {images_per_class}"
            )
        self._images_per_class = images_per_class
        self._labels = dataset.labels
        self.batch_size = self._n_classes * images_per_class
        self.steps = _check_count("steps", steps, -(-len(dataset) // self.batch_size))
        self._draw()
        self._members.warn_of_single_images(self.positions, self._members.values)

    def _draw(self) -> None:
        rng, members = self._rng(_DRAW), self._members
        n_values = len(members.values)
        classes = [rng.choice(n_values, self._n_classes, replace=False) for _ in range(self.steps)]
        groups = members.draw_groups(np.concatenate(classes), self._images_per_class, rng)
        self.positions = groups.ravel()

    def __getitem__(self, index: int) -> tuple[FloatPixels, Labels]:
        """Return batch `index` of this epoch."""
        positions = self.positions[self._batch_slice(index, self.batch_size)]
        return self._images(positions, index), self._labels[positions]


class MineNegatives(keras.callbacks.Callback):
    """Keras callback that gives a stream semi-hard negatives at the beginning of epochs.

    See `PairStream.mine`. Epochs without mining have random negatives.

    Parameters
    ----------
    stream : PairStream
        The one that is trained on.
    embed : keras.Model or callable
        The tower that is being trained, which takes the stream's images, float32 in 0…1; or a
        function as `PairStream.mine` takes it.
    start : int
        The first epoch with mining, counted from 0. The nearest negatives of an untrained network
        are arbitrary.
    every : int
        Mine every this many epochs from there; 1 is each.
    margin, pool
        As in `PairStream.mine`.

    Attributes
    ----------
    shares_ : list of dict
        For each epoch that began, how its negatives were chosen, as shares of them, 0…1. The same
        shares are in the history that ``fit`` returns, as ``"negatives semi-hard"``,
        ``"negatives hardest farther"`` and ``"negatives random"``.

    Raises
    ------
    InputError
        While training, if the network returns vectors that are not finite.

    Examples
    --------
    >>> tower = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    >>> images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    >>> data = ImageDataset.from_arrays(images, [0] * 4 + [1] * 4, ["almonds", "dates"])
    >>> stream = PairStream(data, batch_size=8, seed=0)
    >>> mining = MineNegatives(stream, tower, start=1)  # model.fit(stream, callbacks=[mining])
    >>> mining.on_epoch_begin(0)
    >>> mining.shares_
    [{'semi-hard': 0.0, 'hardest farther': 0.0, 'random': 1.0}]
    """

    def __init__(
        self,
        stream: PairStream,
        embed: keras.Model | EmbedFunction,
        *,
        start: int = 1,
        every: int = 1,
        margin: float = 0.2,
        pool: int = 2048,
    ) -> None:
        super().__init__()
        if not isinstance(stream, PairStream):
            raise InputTypeError(
                f"expected the PairStream of the training, got {type(stream).__name__}"
            )
        if not callable(embed):
            raise InputTypeError(
                "expected a Keras model or a function from pixels to vectors, "
                f"got {type(embed).__name__}"
            )
        self.stream = stream
        self.embed = _of_pixels(embed) if isinstance(embed, keras.Model) else embed
        self.start = start
        self.every = _check_count("every", every, 1)
        self.margin = margin
        self.pool = pool
        self.shares_: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Mine, if it is this epoch's turn, and record the shares."""
        if epoch >= self.start and (epoch - self.start) % self.every == 0:
            self.stream.mine(self.embed, margin=self.margin, pool=self.pool)
        self.shares_.append(self.stream.negative_shares)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the shares into the logs, for the history and for loggers after this one."""
        if logs is not None:
            logs.update({f"negatives {kind}": share for kind, share in self.shares_[-1].items()})


def _of_pixels(tower: keras.Model) -> EmbedFunction:
    """Return a tower that takes 0…1 as a function of uint8 pixels."""
    return lambda pixels: tower.predict_on_batch(pixels.astype(np.float32) / np.float32(255))


def _check_count(name: str, value: int | None, default: int) -> int:
    """Return a number of things, at least one; `default` for None."""
    count = default if value is None else operator.index(value)
    if count < 1:
        raise InputError(f"{name} must be at least 1, got {count}")
    return count
