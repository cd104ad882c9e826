import numpy as np
import pytest

from similarity_lab.datasets import ImageDataset

CLASSES = ["almonds", "dates", "oats"]


def unique_photos(labels, *, channels=3, classes=CLASSES):
    """Return 8×8 photos by class; noise, so that pixels tell which photo it is."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, channels), np.uint8)
    return ImageDataset.from_arrays(pixels, labels, classes)


@pytest.fixture
def make_data():
    return unique_photos


@pytest.fixture
def data():
    """Twelve photos of three classes of unequal size."""
    return unique_photos([0] * 6 + [1] * 4 + [2] * 2)
