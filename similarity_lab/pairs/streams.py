"""Batches of pairs for training, drawn anew each epoch.

What is in memory: the positions of an epoch's photos, a few batches, and decoded photos (uint8)
where they fit a stated limit. 100,000 photos and more train without their pairs in memory.
"""

import numpy as np

from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import InputError
from similarity_lab.images import Color
from similarity_lab.images.augmentation import Augmentation, Values
from similarity_lab.pairs.base import _DRAW, _MINING, CACHE_LIMIT, Stream, checked_count
from similarity_lab.pairs.members import Indices, IsSame, in_turn
from similarity_lab.pairs.mining import (
    RANDOM,
    Embed,
    Embedded,
    embedded,
    semi_hard_negatives,
    shares,
)


class PairStream(Stream):
    """Pairs of photos for a Siamese network: ``model.fit(PairStream(…))``.

    Each batch is ``((left, right), is_same)``: float32 photos ``(b, h, w, c)`` in 0…1, twice, and
    float32 ``(b, 1)``, 1 for the same class; in order positive, negative, positive, negative … with
    one anchor (left) for two rows. Partners are drawn as by `similarity_lab.pairs.pair_indices`,
    anew each epoch.

    Parameters
    ----------
    dataset : ImageDataset
        Of two classes or more. Photos are decoded in threads as batches need them.
    size : int or (height, width), optional
    color : {"rgb", "gray"}, optional
        Default of both: the dataset's own.
    batch_size : int
        Pairs in a batch, an even number. Every batch is full.
    seed : int
        Equal seeds give equal epochs: a batch depends on seed, epoch and index alone.
    augment : bool or Augmentation
        Change the photos a little, both of a pair independently.
    balanced : bool
        Anchors come from every class equally often; otherwise from every photo equally often.
    target : str, optional
        Anchors are the photos of this class only, as in `make_pairs_target`.
    steps : int, optional
        Batches in an epoch; default: as many as it takes for one anchor per photo. (Use this and
        not ``fit(steps_per_epoch=…)``, with which Keras reads on beyond the end of an epoch.)
    fresh : bool
        False keeps the pairs of the first epoch, as validation data should.
    cache : bool
        Keep decoded photos, n · h · w · c bytes, if that is at most `cache_limit`.
    cache_limit : int
        Bytes; default 2 GiB.
    workers, max_queue_size : int
        Threads that make batches, and batches they make ahead, as of `keras.utils.PyDataset`.

    Attributes
    ----------
    epoch : int
        Counted from 0, as Keras counts; ``start_epoch(k)`` before ``fit(initial_epoch=k)`` resumes.
    steps, batch_size : int
    pairs : ndarray of int64, shape (steps · batch_size, 2)
        Positions of this epoch's photos in the dataset.
    is_same : ndarray of float32, shape (steps · batch_size, 1)
    mined_ : dict of str to float
        How this epoch's negatives were chosen, as shares of them: see `mine`.

    Raises
    ------
    ValueError
        For one class only, an odd batch size, a number of steps below 1, no size.

    Warns
    -----
    UserWarning
        For classes with one photo, which is then compared with itself; names and counts them.

    Examples
    --------
    >>> photos = np.zeros((6, 8, 8, 3), np.uint8)
    >>> data = ImageDataset.from_arrays(photos, [0, 0, 0, 0, 1, 1], ["almonds", "dates"])
    >>> (left, right), is_same = PairStream(data, batch_size=4, seed=0)[0]
    >>> left.shape, right.dtype.name, is_same.ravel().tolist()
    ((4, 8, 8, 3), 'float32', [1.0, 0.0, 1.0, 0.0])
    """

    pairs: Indices
    is_same: IsSame
    mined_: dict[str, float]

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
                raise InputError(f"the target {target!r} has no photos here to be anchors")
        self.steps = checked_count("steps", steps, -(-2 * len(self._anchors) // batch_size))
        self._draw()
        self._members.warn_of_singles(self.pairs[0::2, 0], self._members.values)

    def _draw(self) -> None:
        rng, count = self._rng(_DRAW), self.steps * self.batch_size // 2
        anchors = (
            self._members.balanced(count, rng)
            if self._balanced
            else in_turn(self._anchors, count, rng)
        )
        self.pairs, self.is_same = self._partners(anchors, rng)
        self.mined_ = shares(np.full(count, RANDOM))

    def _partners(self, anchors: Indices, rng: np.random.Generator) -> tuple[Indices, IsSame]:
        """Draw a positive and a negative for every anchor."""
        return self._members.pairs(anchors, rng)

    def __getitem__(self, index: int) -> tuple[tuple[Values, Values], IsSame]:
        """Return batch `index` of this epoch."""
        rows = self._batch_slice(index, self.batch_size)
        values = self._images(self.pairs[rows].T.ravel(), index)
        return (values[: self.batch_size], values[self.batch_size :]), self.is_same[rows]

    def mine(self, embed: Embed, *, margin: float = 0.2, pool: int = 2048) -> dict[str, float]:
        """Replace this epoch's negatives by semi-hard ones, as the current network sees them.

        A negative is semi-hard if it is farther from the anchor than the positive, by less than
        `margin` (Schroff et al., FaceNet, CVPR 2015, arXiv:1503.03832). Where there is none, it is
        the nearest one that is farther than the positive; where there is none either, the random
        one stays. All photos of the epoch are embedded once, without augmentation; negatives are
        sought in a pool. Memory: a vector per photo, and 1,024 · pool distances.

        Parameters
        ----------
        embed : callable
            From pixels ``(b, h, w, c)`` uint8 to vectors ``(b, d)``, floating point; for a Keras
            tower that takes 0…1: ``lambda pixels: tower.predict_on_batch(pixels / 255)``.
        margin : float
            Euclidean distance, above 0, in the units of the vectors: 0.2 suits vectors of length 1.
        pool : int
            Candidates for negatives: all photos if there are so few, else a seeded draw that has
            every class equally often.

        Returns
        -------
        dict of str to float
            The share of negatives that are ``"semi-hard"``, ``"hardest farther"`` and
            ``"random"``; also kept as `mined_` until the next epoch.

        Raises
        ------
        ValueError
            If `embed` gives no finite vector per photo.
        """
        if not margin > 0:
            raise InputError(f"margin is a distance above 0, got {margin}")
        count = checked_count("pool", pool, pool)
        self._draw()  # mining twice is mining once
        rng, members = self._rng(_MINING), self._members
        candidates = np.arange(len(members.codes))
        if count < len(candidates):
            candidates = np.unique(members.balanced(count, rng))
        anchors, positives = self.pairs[0::2].T
        needed, rows = np.unique(
            np.concatenate([anchors, positives, candidates]), return_inverse=True
        )
        vectors = embedded(embed, self._photos, needed, self.batch_size)
        of_anchors, of_positives, of_candidates = np.split(rows, [len(anchors), 2 * len(anchors)])
        chosen, kinds = semi_hard_negatives(
            Embedded(vectors[of_anchors], members.codes[anchors]),
            vectors[of_positives],
            Embedded(vectors[of_candidates], members.codes[candidates]),
            margin=margin,
            rng=rng,
        )
        found = chosen >= 0
        self.pairs[1::2, 1][found] = candidates[chosen[found]]
        self.mined_ = shares(kinds)
        return self.mined_
