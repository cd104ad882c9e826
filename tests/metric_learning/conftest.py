"""Small images of four colours in three splits, and a learner fitted on them quickly."""

import numpy as np
import pytest

from similarity_lab import read_image
from similarity_lab.datasets import ImageDataset

from ..conftest import PerImage

CLASSES = ("almonds", "dates", "oats", "cocoa")
COLORS = np.array([(150, 90, 50), (70, 30, 20), (220, 200, 160), (90, 60, 60)])


def coloured(first, n, classes=CLASSES):
    """Return `n` noisy squares of each class; images with equal numbers are equal."""
    images = []
    for name in classes:
        for number in range(first, first + n):
            rng = np.random.default_rng([number, CLASSES.index(name)])
            tint = COLORS[CLASSES.index(name)] + rng.normal(0, 18, 3)
            noise = rng.normal(0, 12, (12, 12, 3))
            images.append(np.clip(tint + noise, 0, 255).astype(np.uint8))
    return ImageDataset.from_arrays(
        np.stack(images), np.repeat(np.arange(len(classes)), n), classes
    )


@pytest.fixture(scope="session")
def training():
    return coloured(0, 10)


@pytest.fixture(scope="session")
def validation():
    return coloured(100, 4)


@pytest.fixture(scope="session")
def queries():
    """Images for calibration and search."""
    return coloured(200, 12)


class ColorStatistics(PerImage):
    """An embedder: mean and standard deviation of each colour channel."""

    name, dimension, input_size = "colours", 6, (12, 12)

    def vector(self, image):
        values = read_image(image) / np.float32(255)
        return np.concatenate([values.mean((0, 1)), values.std((0, 1))])


@pytest.fixture(scope="session")
def colors():
    return ColorStatistics()


@pytest.fixture(scope="session")
def make_learner(colors):
    """Make an unfitted learner that is fast to fit; parameters of its tower by name."""
    from similarity_lab.metric_learning import FeatureTower, MetricLearner

    def make(tower=None, *, embedder=colors, **params):
        tower = FeatureTower(embedder, dimension=4) if tower is None else tower
        return MetricLearner(tower, **({"epochs": 1, "steps": 1, "progress": False} | params))

    return make


@pytest.fixture(scope="session")
def fitted(training, validation, make_learner):
    """A fitted learner with an index; tests that change it copy it first."""
    learner = make_learner(epochs=3, steps=4)
    return learner.fit(training, validation=validation).index(training)
