"""A drawn photo, its encodings, and readers that must agree with each other."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.errors import ImageError
from similarity_lab.images import check_image
from similarity_lab.images.scaled import read_scaled
from similarity_lab.samples import load_image

SHAPE = (60, 80, 3)


def encode_image(image, kind, **options):
    """Return an array or a PIL image in a file format."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image.copy()
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(kind, body, checksum=None):
    checksum = struct.pack(">I", zlib.crc32(kind + body)) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + checksum


@pytest.fixture(scope="session")
def photo():
    """Return a drawn photo of 60 × 80 pixels, which nobody changes."""
    pixels = load_image("almonds", 1, size=SHAPE[:2]).copy()
    pixels.flags.writeable = False
    return pixels


@pytest.fixture(scope="session")
def encode():
    return encode_image


@pytest.fixture(scope="session")
def chunk():
    return png_chunk


@pytest.fixture(scope="session")
def read():
    """Return a reader that also checks that the other readers accept the image."""

    def read_with_all(data):
        pixels = read_image(data)
        check_image(data)
        assert read_scaled(data, size=(24, 32)).shape == (24, 32, 3)
        gray = read_image(data, color="gray")[..., 0]
        assert np.abs(gray - np.asarray(Image.fromarray(pixels).convert("L"), int)).max() <= 1
        return pixels

    return read_with_all


@pytest.fixture(scope="session")
def refusal():
    """Return a function that returns the reason for which all readers refuse an image."""

    def reason(data):
        reasons = set()
        for reader in (read_image, check_image, lambda d: read_scaled(d, size=(24, 32))):
            with pytest.raises(ImageError) as caught:
                reader(data)
            assert "\n" not in caught.value.reason
            reasons.add(caught.value.reason)
        assert len(reasons) == 1
        return reasons.pop()

    return reason


@pytest.fixture(scope="session")
def assert_close():
    """Return a check that pixels are those of an image, up to the loss of a format."""

    def check(pixels, expected, tolerance=6.0):  # a mirrored photo differs by 29
        assert pixels.shape == expected.shape
        difference = float(np.abs(pixels.astype(int) - expected).mean())
        assert difference <= tolerance

    return check
