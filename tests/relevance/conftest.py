from zlib import crc32

import numpy as np
import pytest

from similarity_lab.images import check_image
from similarity_lab.images.sources import read_bytes

from ..conftest import PerImage


def direction(product, dimension=24):
    """Return a direction for each product, the same in every test."""
    return np.random.default_rng(crc32(product.encode())).normal(0, 1, dimension)


class Written(PerImage):
    """An embedder that reads the vector from the end of the file."""

    name, dimension, input_size = "written vectors", 24, (8, 8)

    def vector(self, image):
        check_image(image)
        return np.frombuffer(read_bytes(image)[-8 * self.dimension :], np.float64)


@pytest.fixture
def written(make_image, tmp_path):
    """A function that writes images whose vector is their product's direction plus noise."""

    def write(folder, product, count, seed=0, noise=0.5):
        rng = np.random.default_rng([seed, crc32(product.encode())])
        parent = tmp_path / folder
        parent.mkdir(parents=True, exist_ok=True)
        paths = []
        for number in range(count):
            path = parent / f"{product}-{seed}-{number:03}.png"
            image = make_image((90, 90, 90), seed=int(rng.integers(1e9)), size=(80, 70))
            image.save(path)
            vector = direction(product) + rng.normal(0, noise, 24)
            path.write_bytes(path.read_bytes() + vector.astype(np.float64).tobytes())
            paths.append(path)
        return paths

    return write


@pytest.fixture
def embedder():
    return Written()


OTHERS = (
    "barley", "beans", "corn", "dates", "figs", "hazelnuts", "lentils", "oats", "peas", "plums",
    "raisins", "seeds",
)  # fmt: skip


@pytest.fixture
def shelf(written):
    """A library: 12 images of almonds, 5 of each of twelve other products."""
    return {"almonds": written("library", "almonds", 12)} | {
        name: written("library", name, 5) for name in OTHERS
    }
