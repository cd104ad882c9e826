import numpy as np
import pytest

from similarity_lab.datasets import ImageDataset

CLASSES = ["almonds", "dates", "oats"]


def unique_images(labels, *, channels=3, classes=CLASSES):
    """Return 8×8 images by class; noise, so that pixels tell which image it is."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, channels), np.uint8)
    return ImageDataset.from_arrays(pixels, labels, classes)


@pytest.fixture
def make_data():
    return unique_images


@pytest.fixture
def data():
    """Twelve images of three classes of unequal size."""
    return unique_images([0] * 6 + [1] * 4 + [2] * 2)
