import io

import numpy as np
import pytest
from PIL import Image

from similarity_lab.images.thumbnails import make_thumbnail
from similarity_lab.samples import load_image


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((300, 400), (135, 180)), ((400, 300), (180, 135)), ((20, 30), (20, 30)), ((1, 9), (1, 9))],
)
def test_thumbnail_keeps_the_aspect_ratio_and_never_enlarges(shape, expected):
    thumbnail = make_thumbnail(np.zeros((*shape, 3), np.uint8))
    assert (thumbnail.height, thumbnail.width) == expected
    with Image.open(io.BytesIO(thumbnail.data)) as image:
        assert image.format == "JPEG" and image.size == expected[::-1]


def test_thumbnail_shows_the_image():
    pixels = load_image("almonds", 1, size=(60, 80))
    with Image.open(io.BytesIO(make_thumbnail(pixels).data)) as image:
        difference = np.abs(np.asarray(image).astype(int) - pixels)
    assert difference.mean() < 8
