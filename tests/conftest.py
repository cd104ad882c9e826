"""Small generated images, stub embedders, and the real photos if they are present."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from similarity_lab import read_image
from similarity_lab.embedders import Embedded
from similarity_lab.errors import ImageError
from similarity_lab.files import skipped_table
from similarity_lab.samples import load_image

# Properties are checked on the same few examples in every run; HYPOTHESIS_PROFILE=long tries many
# new ones. Fixtures are shared by the examples, which only read them.
_SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
settings.register_profile("ci", derandomize=True, max_examples=25, **_SHARED)
settings.register_profile("long", max_examples=1000, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

COLORS = {"almonds": (150, 90, 50), "dates": (70, 30, 20), "oats": (220, 200, 160)}


def noisy_image(color, seed=0, size=(40, 30)):
    """Return a noisy image of one colour; `size` is (width, height)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 12, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.array(color) + noise, 0, 255).astype(np.uint8))


def write_library(root, names):
    """Write four generated images of each product; return the folder."""
    for name in names:
        (root / name).mkdir()
        for number in range(4):
            pixels = load_image(name, number, size=(64, 64))
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


class PerImage:
    """An embedder that calls ``vector(image)`` for each image; it may raise `ImageError`."""

    name, dimension, input_size = "per image", 3, (8, 8)

    def embed(self, images, *, batch_size=None, progress=True):
        vectors, kept, skipped = [], [], []
        for position, image in enumerate(images):
            try:
                vectors.append(self.vector(image))
                kept.append(position)
            except ImageError as error:
                skipped.append((error.path, error.reason))
        vectors = np.reshape(vectors, (-1, self.dimension))
        return Embedded(vectors, kept, skipped_table(skipped))


class MeanColor(PerImage):
    """The mean colour of an image."""

    name = "mean colour"

    def vector(self, image):
        return read_image(image).mean((0, 1))


@pytest.fixture
def stub():
    return MeanColor()


@pytest.fixture
def mean_color():
    """Return the class of `stub`, as a base class."""
    return MeanColor


@pytest.fixture(scope="session")
def per_image():
    """Return a base class for embedders that define ``vector(image)``."""
    return PerImage


@pytest.fixture
def make_image():
    """Return a function that makes a noisy image of one colour."""
    return noisy_image


@pytest.fixture
def library(tmp_path):
    """Return a library of three classes with six images each."""
    root = tmp_path / "library"
    for index, (name, color) in enumerate(COLORS.items()):
        (root / name).mkdir(parents=True)
        for number in range(6):
            noisy_image(color, 10 * index + number).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def sites(tmp_path):
    """Return a folder of two sites, one with 40 % almonds and one without."""
    root = tmp_path / "sites"
    for shop, subjects in {
        "nut-shop": ["almonds"] * 4 + ["dates"] * 6,
        "date-shop": ["dates"] * 10,
    }.items():
        (root / shop).mkdir(parents=True)
        for number, subject in enumerate(subjects):
            noisy_image(COLORS[subject], 100 + number).save(root / shop / f"{number:02}.jpg")
    return root


@pytest.fixture(scope="session")
def real_photos():
    """Return the folder with the Grocery Store photos; skip if there is none."""
    default = Path(__file__).parents[2] / "shared" / "datasets"
    folder = Path(os.environ.get("SIMILARITY_LAB_DATA", default))
    if not (folder / "grocery-store").is_dir():
        pytest.skip(f"no grocery-store/ in {folder}; set SIMILARITY_LAB_DATA")
    return folder
