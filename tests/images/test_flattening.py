"""Deep pixels are scaled by what they use; of transparent images something is left to see."""

import struct

import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.images.depth import scale_to_8_bits

ROWS, COLUMNS = np.mgrid[:60, :80]
DISC = (ROWS - 30) ** 2 + (COLUMNS - 40) ** 2 < 400


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 255], np.uint16), [0, 255]),
        (np.array([0, 99], np.uint16), [0, 99]),
        (np.array([0, 256], np.uint16), [0, 256 * 255 // 511]),
        (np.array([0, 1023], np.int32), [0, 255]),
        (np.array([0, 2048, 4095], np.uint16), [0, 127, 255]),
        (np.array([0, 16383], np.uint16), [0, 255]),
        (np.array([0, 257, 65535], np.uint16), [0, 1, 255]),
        (np.array([0, 2**31 - 1], np.int32), [0, 255]),
        (np.array([-1024, 1024, 3072], np.int32), [0, 128, 255]),
        (np.array([0.0, 0.5, 1.0], np.float32), [0, 128, 255]),
        (np.array([0.0, 0.03125], np.float32), [0, 255]),
        (np.array([0.0, 100.0], np.float32), [0, 100]),
        (np.array([0.0, 255.0], np.float32), [0, 255]),
        (np.array([0.0, 4095.0], np.float32), [0, 255]),
        (np.array([-1.0, 0.0, 1.0], np.float32), [0, 128, 255]),
        (np.array([np.nan, -np.inf, 0.0, 1.0, np.inf], np.float32), [0, 0, 0, 255, 0]),
        (np.array([0, 0], np.uint16), [0, 0]),
        (np.array([-5, -5], np.int32), [0, 0]),
        (np.array([0.0], np.float32), [0]),
    ],
)
def test_scale_to_8_bits(values, expected):
    assert scale_to_8_bits(values).tolist() == expected


def test_scale_to_8_bits_without_a_number():
    with pytest.raises(ValueError, match="no pixel is a number"):
        scale_to_8_bits(np.array([np.nan, np.inf]))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("kind", ["TIFF", "PNG", "PIL"])
def test_grey_image_of_12_bits_is_not_black(photo, encode, read, dtype, kind):
    gray = np.asarray(Image.fromarray(photo).convert("L"))
    deep = (gray / 255 * 4095).astype(dtype)
    if kind == "PNG" and dtype != np.uint16:
        pytest.skip("not a kind of PNG")
    source = Image.fromarray(deep) if kind == "PIL" else encode(deep, kind)
    assert np.abs(read(source)[..., 0] - gray.astype(int)).max() <= 1


def test_image_without_a_number_is_refused(encode, refusal):
    data = encode(np.full((3, 3), np.nan, np.float32), "TIFF")
    assert refusal(data) == "cannot convert F pixels: no pixel is a number"


def cut_out(color, mask=DISC):
    pixels = np.empty((60, 80, 4), np.uint8)
    pixels[..., :3] = color
    pixels[..., 3] = 255 * mask
    return pixels


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF", "GIF", "array"])
@pytest.mark.parametrize("color", [(255, 255, 255), (244, 248, 240)])
def test_white_shape_on_transparency_is_seen(encode, read, kind, color):
    pixels = cut_out(color)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    result = read(pixels if kind == "array" else encode(pixels, kind, **options))
    assert np.abs(result[DISC].mean(axis=0) - color).max() <= 4
    assert np.abs(result[~DISC].mean(axis=0) - 128).max() <= 4


def test_white_shape_of_a_grey_image_or_a_palette_is_seen(encode, read):
    image = Image.fromarray(cut_out(255))
    for source in (image.convert("LA"), image.quantize(4)):
        result = read(encode(source, "PNG"))
        assert result[30, 40].tolist() == [255] * 3 and result[0, 0].tolist() == [128] * 3


@pytest.mark.parametrize("color", [(0, 0, 0), (200, 30, 30), (255, 255, 0)])
def test_other_shapes_are_composited_on_white(encode, read, color):
    result = read(encode(cut_out(color), "PNG"))
    assert result[30, 40].tolist() == list(color) and result[0, 0].tolist() == [255] * 3


def test_photo_cut_out_is_composited_on_white(photo, encode, read):
    data = encode(np.dstack([photo, (255 * DISC).astype(np.uint8)]), "PNG")
    np.testing.assert_array_equal(read(data), np.where(DISC[..., None], photo, 255))


def test_screenshot_with_opaque_alpha_is_unchanged(photo, encode, read):
    data = encode(np.dstack([photo, np.full((60, 80), 255, np.uint8)]), "PNG")
    np.testing.assert_array_equal(read(data), photo)


def test_faint_and_tiny_shapes_are_seen(encode, read):
    faint = cut_out(255)
    faint[..., 3] = 20 * DISC
    assert read(encode(faint, "PNG"))[30, 40, 0] > 130
    large = np.zeros((1500, 1500, 4), np.uint8)
    large[1, 1] = 255  # between the pixels that are sampled
    result = read_image(large)
    assert result[1, 1, 0] == 255 and result[0, 0, 0] == 128


@pytest.mark.parametrize("alpha", [0, 1, 7])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF", "array"])
def test_transparent_image_is_refused(encode, refusal, kind, alpha):
    pixels = cut_out((200, 30, 30))
    pixels[..., 3] = alpha
    data = pixels if kind == "array" else encode(pixels, kind)
    assert refusal(data) == "nothing to see: every pixel is transparent"


@pytest.mark.parametrize("has_masks", [False, True])
def test_bmp_with_unused_alpha_is_opaque(photo, read, has_masks):
    """Programs write 32 bits per pixel and leave the last eight at 0; browsers show the colours."""
    pixels = np.dstack([photo[..., ::-1], np.zeros((60, 80), np.uint8)])[::-1].tobytes()
    header = struct.pack("<iiHHIIiiII", 80, 60, 1, 32, 3 * has_masks, len(pixels), 0, 0, 0, 0)
    if has_masks:
        header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    offset = 18 + len(header)
    data = b"BM" + struct.pack("<IHHII", offset + len(pixels), 0, 0, offset, 4 + len(header))
    np.testing.assert_array_equal(read(data + header + pixels), photo)
