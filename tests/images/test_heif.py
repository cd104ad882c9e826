"""HEIC photos, with the extra `heif` and without.

The files in data/ were encoded once from the drawn photo of the fixture `photo`, at 48 × 64 pixels,
with the encoder of pillow-heif, which the package does not depend on.
"""

import builtins
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from similarity_lab.errors import ImageError
from similarity_lab.images import read_header, read_image
from similarity_lab.samples import load_image

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def small_photo():
    return load_image("almonds", 1, size=(48, 64))


@pytest.fixture
def installed():
    return pytest.importorskip(
        "pi_heif", reason='needs the extra: pip install "similarity_lab[heif]"'
    )


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["photo", "turned", "burst", "ten-bits"])
def test_heic_photo_is_read(small_photo, read, assert_close, name):
    """Turned by the container, which also has an EXIF orientation; several; of ten bits."""
    data = (DATA / f"{name}.heic").read_bytes()
    assert_close(read(data), small_photo)
    assert read_header(data) == ("HEIF", 64, 48)
    assert_close(read(data + bytes(90_000)), small_photo)  # a motion photo


@pytest.mark.usefixtures("installed")
def test_heic_photo_with_transparency_is_composited(small_photo, read, assert_close):
    expected = np.full_like(small_photo, 255)
    expected[12:36, 16:48] = small_photo[12:36, 16:48]
    assert_close(read(DATA / "transparent.heic"), expected)


@pytest.mark.usefixtures("installed")
def test_damaged_heic_photo_is_refused(refusal):
    data = (DATA / "photo.heic").read_bytes()
    for length in (20, 100, 400, len(data) - 1):
        assert refusal(data[:length]).startswith("damaged HEIF: ")


@pytest.mark.usefixtures("installed")
def test_heic_photo_of_too_many_pixels_is_refused():
    data = (DATA / "photo.heic").read_bytes()
    with pytest.raises(ImageError, match="declares 64 x 48 pixels, the limit is 3,000"):
        read_image(data, max_pixels=3000)


@pytest.mark.usefixtures("installed")
def test_heic_photo_cropped_from_too_many_pixels_is_refused(refusal):
    """All pixels are decoded, then cropped."""
    data = (DATA / "photo.heic").read_bytes()
    position = data.index(b"ispe") + 8
    large = data[:position] + b"\0\0\x27\x10\0\0\x27\x10" + data[position + 8 :]
    expected = "declares a canvas of 10000 x 10000 pixels, the limit is 64,000,000"
    assert refusal(large) == expected
    with pytest.raises(ImageError, match=expected):
        read_header(large)


def test_reading_heic_registers_nothing_in_pillow():
    Image.init()
    assert "HEIF" not in Image.OPEN


def test_heic_photo_without_the_extra_says_how_to_read_it(monkeypatch, refusal):
    original = builtins.__import__

    def without_pi_heif(name, *args, **kwargs):
        if name.startswith("pi_heif"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="pi_heif")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pi_heif)
    reason = refusal((DATA / "photo.heic").read_bytes())
    assert reason == (
        "unsupported image format (HEIC photo; reading it needs pi-heif: "
        'pip install "similarity_lab[heif]")'
    )
