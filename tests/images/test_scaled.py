"""`read_scaled`: pixels close to those of `read_image`, and the same errors."""

import io

import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.errors import ImageError
from similarity_lab.images.scaled import read_scaled, resize
from similarity_lab.samples import load_image


@pytest.fixture(scope="module")
def image():
    return Image.fromarray(load_image("almonds", 3, size=(480, 640)))


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def mean_difference(a, b):
    return np.abs(a.astype(int) - b.astype(int)).mean()


@pytest.mark.parametrize("color", ["rgb", "gray"])
@pytest.mark.parametrize("side", [200, 348, 700, 2000])
def test_read_scaled_is_close_to_read_image(image, color, side):
    data = jpeg(image.resize((side, side * 3 // 4)))
    plain = read_image(data, size=(96, 120), color=color)
    scaled = read_scaled(data, size=(96, 120), color=color)
    assert scaled.dtype == np.uint8 and scaled.shape == plain.shape
    assert mean_difference(scaled, plain) < 7 < mean_difference(scaled, plain[:, ::-1]) / 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_read_scaled_applies_exif_orientation(image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg(image, exif=exif)
    plain = read_image(data, size=(90, 120))
    assert mean_difference(read_scaled(data, size=(90, 120)), plain) < 7


def test_read_scaled_with_sources_of_every_type(image, tmp_path):
    data = jpeg(image.resize((348, 348)))
    (tmp_path / "a.jpg").write_bytes(data)
    pixels = read_image(data)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    sources = [tmp_path / "a.jpg", io.BytesIO(data), pixels, png.getvalue()]
    for source in [*sources, Image.open(io.BytesIO(data))]:
        pixels = read_scaled(source, size=(224, 224))
        assert mean_difference(pixels, read_scaled(data, size=(224, 224))) < 0.01


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_read_scaled_of_other_colour_modes(image, mode):
    data = jpeg(image.convert(mode))
    plain = read_image(data, size=(64, 64))
    assert mean_difference(read_scaled(data, size=(64, 64)), plain) < 7


@pytest.mark.parametrize("kind", ["truncated", "text", "empty", "large"])
def test_read_scaled_errors_equal_those_of_read_image(image, kind, tmp_path):
    data, file = jpeg(image), tmp_path / "a.jpg"
    large = data.replace(b"\x01\xe0\x02\x80", b"\xff\xf0\xff\xf0", 1)  # the declared size
    kinds = {"truncated": data[: len(data) // 2], "text": b"words", "empty": b"", "large": large}
    file.write_bytes(kinds[kind])
    with pytest.raises(ImageError) as plain:
        read_image(file, size=64)
    with pytest.raises(ImageError) as scaled:
        read_scaled(file, size=(64, 64))
    assert str(scaled.value) == str(plain.value) and str(file) in str(plain.value)


def test_read_scaled_of_tiny_images():
    assert read_scaled(jpeg(Image.new("RGB", (1, 1), "red")), size=(5, 4)).shape == (5, 4, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    for size in [(1, 1), (1, 30)]:
        rotated = jpeg(Image.new("RGB", size, "red"), exif=exif)
        for color, channels in [("rgb", 3), ("gray", 1)]:
            assert read_scaled(rotated, size=(5, 4), color=color).shape == (5, 4, channels)
    thin = np.zeros((1, 900, 3), np.uint8)
    assert read_scaled(thin, size=(5, 4), color="gray").shape == (5, 4, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "shape", [(112, 96), (96, 112), (97, 161), (192, 224), (384, 448), (301, 403), (640, 901)]
)
def test_resize_equals_opencv(shape, channels):
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, channels), np.uint8)
    size = (96, 112)
    expected = pixels
    if (factor := int(min(shape[0] / size[0], shape[1] / size[1]) / 1.5)) > 1:
        reduced = (shape[1] // factor, shape[0] // factor)
        expected = cv2.resize(pixels, reduced, interpolation=cv2.INTER_AREA)
    expected = cv2.resize(expected, size[::-1], interpolation=cv2.INTER_LINEAR)
    result = resize(pixels, size).astype(int)
    difference = np.abs(result - expected.reshape(result.shape))
    assert difference.max() <= 2 and difference.mean() < 0.05


def test_resize_averages_areas_of_any_size():
    ramp = np.repeat(np.linspace(0, 255, 1000).astype(np.uint8)[:, None], 1003, axis=1)
    small = resize(ramp, (7, 9))[..., 0]
    np.testing.assert_allclose(small[:, 4], (np.arange(7) + 0.5) * 255 / 7, atol=2)
    assert (small == small[:, :1]).all()
