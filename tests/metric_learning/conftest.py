"""Photos of four colours, split three ways, and a learner trained on them in no time."""

import numpy as np
import pytest

from similarity_lab import read_image
from similarity_lab.datasets import ImageDataset

from ..conftest import PerImage

CLASSES = ("almonds", "dates", "oats", "cocoa")
COLORS = np.array([(150, 90, 50), (70, 30, 20), (220, 200, 160), (90, 60, 60)])


def coloured(first, n, classes=CLASSES):
    """Noisy squares, `n` of each class."""
    photos = []
    for name in classes:
        for number in range(first, first + n):
            rng = np.random.default_rng([number, CLASSES.index(name)])
            tint = COLORS[CLASSES.index(name)] + rng.normal(0, 18, 3)
            noise = rng.normal(0, 12, (12, 12, 3))
            photos.append(np.clip(tint + noise, 0, 255).astype(np.uint8))
    return ImageDataset.from_arrays(
        np.stack(photos), np.repeat(np.arange(len(classes)), n), classes
    )


@pytest.fixture(scope="session")
def data():
    """Photos to train on, to stop by, to calibrate on."""
    return coloured(0, 10), coloured(100, 4), coloured(200, 12)


class Colors(PerImage):
    """Mean and spread of each colour, as an embedder."""

    name, dimension, input_size = "colours", 6, (12, 12)

    def vector(self, image):
        values = read_image(image) / np.float32(255)
        return np.concatenate([values.mean((0, 1)), values.std((0, 1))])


@pytest.fixture(scope="session")
def colors():
    return Colors()


@pytest.fixture(scope="session")
def fitted(data, colors):
    """A learner that is not to be changed; copy it with `copy.copy` first."""
    from similarity_lab.metric_learning import MetricLearner

    learner = MetricLearner(progress=False)
    learner.fit(data[0], validation=data[1], embedder=colors, dimension=4, epochs=3, steps=4)
    return learner.index(data[0])
