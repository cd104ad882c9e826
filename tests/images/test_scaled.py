"""Scaled decoding: close to plain decoding for photos, alike in everything else."""

import io

import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.errors import ImageError
from similarity_lab.images.scaled import read_scaled
from similarity_lab.samples import load_image


@pytest.fixture(scope="module")
def photo():
    return Image.fromarray(load_image("almonds", 3, size=(480, 640)))


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def distance(a, b):
    """Mean absolute difference, in pixel values."""
    return np.abs(a.astype(int) - b.astype(int)).mean()


@pytest.mark.parametrize("color", ["rgb", "gray"])
@pytest.mark.parametrize("side", [200, 348, 700, 2000])
def test_close_to_plain_decoding(photo, color, side):
    data = jpeg(photo.resize((side, side * 3 // 4)))
    plain = read_image(data, size=(96, 120), color=color)
    scaled = read_scaled(data, size=(96, 120), color=color)
    assert scaled.dtype == np.uint8 and scaled.shape == plain.shape
    assert distance(scaled, plain) < 7 < distance(scaled, plain[:, ::-1]) / 2  # almonds are rough


@pytest.mark.parametrize("turned", range(1, 9))
def test_orientation_is_applied(photo, turned):
    exif = Image.Exif()
    exif[0x0112] = turned
    data = jpeg(photo, exif=exif)
    plain = read_image(data, size=(90, 120))
    assert distance(read_scaled(data, size=(90, 120)), plain) < 7


def test_a_file_and_its_pixels_are_alike(photo, tmp_path):
    """Whatever a picture comes as, it is scaled the same way."""
    data = jpeg(photo.resize((348, 348)))
    (tmp_path / "a.jpg").write_bytes(data)
    pixels = read_image(data)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    sources = [tmp_path / "a.jpg", io.BytesIO(data), pixels, png.getvalue()]
    for source in [*sources, Image.open(io.BytesIO(data))]:
        found = read_scaled(source, size=(224, 224))
        assert distance(found, read_scaled(data, size=(224, 224))) < 0.01


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_other_colours(photo, mode):
    data = jpeg(photo.convert(mode))
    plain = read_image(data, size=(64, 64))
    assert distance(read_scaled(data, size=(64, 64)), plain) < 7


@pytest.mark.parametrize("kind", ["truncated", "text", "nothing", "large"])
def test_refused_alike(photo, kind, tmp_path):
    data, file = jpeg(photo), tmp_path / "a.jpg"
    large = data.replace(b"\x01\xe0\x02\x80", b"\xff\xf0\xff\xf0", 1)  # what the header claims
    kinds = {"truncated": data[: len(data) // 2], "text": b"words", "nothing": b"", "large": large}
    file.write_bytes(kinds[kind])
    with pytest.raises(ImageError) as plain:
        read_image(file, size=64)
    with pytest.raises(ImageError) as scaled:
        read_scaled(file, size=(64, 64))
    assert str(scaled.value) == str(plain.value) and str(file) in str(plain.value)


def test_one_pixel():
    assert read_scaled(jpeg(Image.new("RGB", (1, 1), "red")), size=(5, 4)).shape == (5, 4, 3)
    assert read_scaled(np.zeros((1, 900, 3), np.uint8), size=(5, 4), color="gray").shape == (
        5,
        4,
        1,
    )
