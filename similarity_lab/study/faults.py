"""The original study's faults, reproduced to see the effect of each.

The first fault needs no code of its own: it is
``train(…, head="sigmoid", loss=keras.losses.CategoricalCrossentropy())``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from similarity_lab.datasets import ImageDataset
from similarity_lab.images import Pixels
from similarity_lab.pairs import PairStream
from similarity_lab.pairs.indices import Indices, IsSame


class ImageZeroPairs(PairStream):
    """Second fault: every negative is image 0.

    The study selected other classes with ``np.where(labels != label)`` where `label` was the list
    of all labels. NumPy up to 1.24 evaluates that to the scalar True, and ``np.where(True)`` is
    position 0. So image 0 is also labelled "different" beside images of its own class.
    """

    def _partners(self, anchors: Indices, rng: np.random.Generator) -> tuple[Indices, IsSame]:
        pairs, is_same = super()._partners(anchors, rng)
        pairs[1::2, 1] = 0
        return pairs, is_same


class SelfPairs(PairStream):
    """Fifth fault: the positive is any image of the class, the anchor itself included."""

    def _partners(self, anchors: Indices, rng: np.random.Generator) -> tuple[Indices, IsSame]:
        pairs, is_same = super()._partners(anchors, rng)
        pairs[0::2, 1] = self._members.draw(self._members.codes[anchors], rng)
        return pairs, is_same


def blue_channel(dataset: ImageDataset, size: int | tuple[int, int]) -> ImageDataset:
    """Return a dataset with only the blue channel: the third fault.

    The study appended an axis to colour images, which OpenCV reads as blue, green, red, and took
    index 0 of the axis before it as the gray image.

    Examples
    --------
    >>> red = np.zeros((1, 2, 2, 3), np.uint8)
    >>> red[..., 0] = 255
    >>> blue_channel(ImageDataset.from_arrays(red, [0], ["red"]), 2).images.max()
    np.uint8(0)
    """
    sized = dataset if dataset.arrays is not None else dataset.with_size(size, "rgb")
    blue: Pixels = sized.images[..., 2:]
    return ImageDataset.from_arrays(np.ascontiguousarray(blue), dataset.labels, dataset.classes)


def target_positions(labels: npt.ArrayLike, target: str) -> Indices:
    """Return the positions at which the study found the target: the fourth fault.

    It compared class names with labels; integer labels never equal a name, so there were no pairs.

    Examples
    --------
    >>> target_positions(np.array([0, 1]), "almonds"), target_positions(["almonds"], "almonds")
    (array([], dtype=int64), array([0]))
    """
    return np.array([i for i, label in enumerate(np.asarray(labels)) if label == target], np.int64)
