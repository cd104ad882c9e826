"""Properties of the image readers, for any bytes, sizes, modes and orientations."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ExifTags, Image

from similarity_lab.errors import ImageError
from similarity_lab.images import check_image, read_header, read_image
from similarity_lab.images.scaled import read_scaled

LOSSLESS = st.sampled_from(["PNG", "BMP", "TIFF", "WEBP"])
SIGNATURES = [
    b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x40\0\0\0WEBPVP8 ", b"BM",
    b"II*\0", b"MM\0*", b"\0\0\0\x20ftypavif", b"<svg", b"",
]  # fmt: skip
UPRIGHT = [  # make images of EXIF orientation 1…8 upright, as operations on an array
    lambda a: a,
    lambda a: a[:, ::-1],
    lambda a: a[::-1, ::-1],
    lambda a: a[::-1],
    lambda a: a.transpose(1, 0, 2),
    lambda a: np.rot90(a, -1),
    lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    np.rot90,
]


def pixels(channels, dtype=np.uint8):
    sides = st.integers(1, 24)
    shapes = st.tuples(sides, sides, st.just(channels)) if channels else st.tuples(sides, sides)
    return arrays(dtype, shapes)


def encoded(array, kind, **options):
    buffer = io.BytesIO()
    lossless = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    Image.fromarray(array).save(buffer, kind, **lossless, **options)
    return buffer.getvalue()


@given(st.sampled_from(SIGNATURES), st.binary(max_size=200))
def test_read_image_of_any_bytes_returns_pixels_or_raises_image_error(signature, content):
    data = signature + content
    for reader in (read_image, check_image, read_header, lambda d: read_scaled(d, size=(4, 4))):
        try:
            result = reader(data)
        except ImageError as error:
            assert error.path == "<bytes>" and error.reason and "\n" not in str(error)
        else:
            assert reader is not read_image or (result.dtype == np.uint8 and result.ndim == 3)


@given(pixels(3), LOSSLESS, st.integers(1, 8))
def test_read_image_of_lossless_formats(array, kind, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    effective = orientation if kind in ("PNG", "WEBP", "TIFF") else 1
    data = encoded(array, kind, **({} if kind == "BMP" else {"exif": exif}))
    upright = np.ascontiguousarray(UPRIGHT[effective - 1](array))
    np.testing.assert_array_equal(read_image(data), upright)
    gray = np.asarray(Image.fromarray(upright).convert("L"))
    np.testing.assert_array_equal(read_image(data, color="gray")[..., 0], gray)
    check_image(data)
    assert sorted(read_header(data)[1:]) == sorted(array.shape[:2])
    for source in (io.BytesIO(data), memoryview(data), upright, Image.fromarray(upright)):
        np.testing.assert_array_equal(read_image(source), upright)


@given(pixels(4))
def test_read_image_composites_transparency_on_white_or_grey(array):
    share = array[..., 3:] / 255
    on_white, on_grey = (array[..., :3] * share + back * (1 - share) for back in (255, 128))
    for source in (encoded(array, "PNG"), array):
        if array[..., 3].max() < 8:  # nothing to see
            with pytest.raises(ImageError, match="every pixel is transparent"):
                read_image(source)
            continue
        result = read_image(source)
        assert min(np.abs(result - expected).max() for expected in (on_white, on_grey)) <= 1


@given(pixels(None, np.uint16), st.integers(0, 15))
def test_read_image_scales_by_the_bits_in_use(array, unused_bits):
    array = array >> unused_bits
    n_bits = max(8, len(f"{array.max():b}"))
    expected = np.repeat(np.floor(array / (2**n_bits - 1) * 255 + 1e-9)[..., None], 3, axis=2)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(read_image(encoded(array, kind)), expected)


@given(pixels(3), st.integers(1, 40), st.integers(1, 40), st.sampled_from(["rgb", "gray"]))
def test_read_image_and_read_scaled_of_any_size(array, height, width, color):
    shape = (height, width, 3 if color == "rgb" else 1)
    for kind in ("JPEG", "PNG"):
        data = encoded(array, kind)
        resized = read_image(data, size=(height, width), color=color)
        scaled = read_scaled(data, size=(height, width), color=color)
        assert resized.shape == scaled.shape == shape and resized.dtype == scaled.dtype == np.uint8


@given(pixels(3), st.integers(1, 600))
def test_read_image_max_pixels(array, limit):
    data, (height, width) = encoded(array, "PNG"), array.shape[:2]
    for reader in (read_image, check_image, read_header):
        if height * width <= limit:
            reader(data, max_pixels=limit)
        else:
            with pytest.raises(ImageError, match=f"declares {width} x {height} pixels"):
                reader(data, max_pixels=limit)


@given(pixels(3), st.data())
def test_read_image_of_a_truncated_jpeg(array, data):
    jpeg = encoded(array, "JPEG")
    length = data.draw(st.integers(0, len(jpeg) - 3))
    for reader in (read_image, check_image, lambda part: read_scaled(part, size=(4, 4))):
        with pytest.raises(ImageError):
            reader(jpeg[:length])


MODES = [
    "1", "L", "P", "LA", "La", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV",
    "I", "I;16",
]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_read_image_of_every_pillow_mode(mode):
    opaque = {"LA": (9, 255), "La": (9, 255), "PA": (0, 255), "RGBA": "red", "RGBa": "red"}
    image = Image.new(mode, (6, 5), opaque.get(mode, 0))
    assert read_image(image).shape == (5, 6, 3)
    assert read_image(image, color="gray").shape == (5, 6, 1)


def test_read_image_of_a_lab_tiff():
    buffer = io.BytesIO()
    Image.new("LAB", (6, 5), (128, 128, 128)).save(buffer, "TIFF")
    lab = buffer.getvalue()
    assert read_image(lab).shape == (5, 6, 3) and read_image(lab, color="gray").shape == (5, 6, 1)
