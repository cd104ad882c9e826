import io
import os
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.errors import ImageError
from similarity_lab.images import check_image, content_digest

RED, GREEN = (200, 30, 30), (30, 200, 30)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width, height):
    """Return a tiny PNG that declares a huge size."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.fixture
def red():
    return Image.new("RGB", (20, 10), RED)


def is_close(pixels, color, tolerance=12):
    return np.abs(pixels.astype(int) - np.array(color)).max() <= tolerance


def test_read_image_shapes_and_dtype(red):
    assert read_image(red).shape == (10, 20, 3)
    assert read_image(red, color="gray").shape == (10, 20, 1)
    assert read_image(red, size=8).shape == (8, 8, 3)
    assert read_image(red, size=(5, 7)).shape == (5, 7, 3)
    assert read_image(red).dtype == np.uint8


def test_read_image_gray_is_luma_before_resizing(red, make_image):
    assert read_image(red, color="gray")[0, 0, 0] == round(0.299 * 200 + 0.587 * 30 + 0.114 * 30)
    image = make_image(GREEN)
    expected = np.asarray(image.convert("L").resize((7, 5), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(read_image(image, size=(5, 7), color="gray")[..., 0], expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
def test_read_image_sniffs_the_format(red, tmp_path, kind):
    path = tmp_path / "image.jpeg"
    path.write_bytes(encoded(red, kind))
    assert is_close(read_image(path), RED)
    check_image(path)


@pytest.mark.parametrize(
    "name", ["with space.JPG", "früchte-杏仁.Png", "UPPER.JPEG", "no extension"]
)
def test_read_image_of_any_file_name(red, tmp_path, name):
    (tmp_path / name).write_bytes(encoded(red, "JPEG"))
    assert is_close(read_image(tmp_path / name), RED)


def test_read_image_with_sources_of_every_type(red, tmp_path):
    data = encoded(red, "PNG")
    (tmp_path / "a.png").write_bytes(data)
    expected = read_image(data)
    for source in (
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        io.BytesIO(data),
        bytearray(data),
        red,
    ):
        np.testing.assert_array_equal(read_image(source), expected)
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    for _ in range(2):  # its position is restored
        np.testing.assert_array_equal(read_image(file), expected)
    np.testing.assert_array_equal(read_image(np.asarray(red)), expected)
    np.testing.assert_array_equal(read_image(np.asarray(red) / 255), expected)


def test_read_image_of_an_animation(red):
    green = Image.new("RGB", (20, 10), GREEN)
    data = encoded(red, "GIF", save_all=True, append_images=[green])
    assert is_close(read_image(data), RED)


def test_read_image_composites_transparency_on_white(red):
    half = Image.new("RGBA", (4, 4), (*RED, 128))
    assert is_close(read_image(encoded(half, "PNG")), np.add(RED, 255) / 2, 2)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([*RED, *GREEN])
    palette.putpixel((0, 0), 1)
    pixels = read_image(encoded(palette, "PNG", transparency=1))
    assert is_close(pixels[0, 0], (255, 255, 255), 0)
    assert is_close(pixels[1, 1], RED, 0)
    gray = Image.new("LA", (4, 4), (10, 0))
    gray.putpixel((0, 0), (10, 255))
    pixels = read_image(encoded(gray, "PNG"), color="gray")
    assert is_close(pixels[0, 0], 10, 0) and is_close(pixels[1:], 255, 0)


def test_read_image_of_cmyk_and_16_bits(red):
    assert is_close(read_image(encoded(red.convert("CMYK"), "JPEG")), RED)
    ramp = np.array([[0, 257 * 100, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        deep = encoded(Image.fromarray(ramp), kind)
        np.testing.assert_array_equal(read_image(deep)[0, :, 0], [0, 100, 255])
        np.testing.assert_array_equal(read_image(deep, color="gray")[0, :, 0], [0, 100, 255])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_read_image_applies_exif_orientation(orientation):
    upright = Image.fromarray(np.arange(5 * 3 * 3, dtype=np.uint8).reshape(5, 3, 3))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what the camera applied
    stored = upright if orientation == 1 else upright.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(
        read_image(encoded(stored, "PNG", exif=exif)), np.asarray(upright)
    )


def test_read_image_ignores_broken_exif(red):
    assert is_close(read_image(encoded(red, "JPEG", exif=b"Exif\0\0II*\0garbage")), RED)


def test_read_image_of_one_pixel():
    assert read_image(encoded(Image.new("RGB", (1, 1), RED), "PNG"), size=4).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"just some words\n", "looks like text"),
        (png_header(60_000, 60_000), "pixels"),
    ],
)
def test_read_image_of_unsupported_content(tmp_path, data, reason):
    path = tmp_path / "image.jpg"
    path.write_bytes(data)
    for reader in (read_image, check_image):
        with pytest.raises(ImageError, match=reason) as caught:
            reader(path)
        assert caught.value.path == str(path)


def test_read_image_of_damaged_files(make_image, tmp_path):
    data = encoded(make_image(RED, size=(200, 200)), "JPEG")
    for bad in (data[: len(data) // 2], data[:60]):
        for reader in (read_image, check_image):
            with pytest.raises(ImageError, match="damaged|unsupported"):
                reader(bad)


def test_read_image_checks_limits_before_decoding(red):
    with pytest.raises(ImageError, match="declares 20 x 10 pixels, the limit is 199"):
        read_image(encoded(red, "PNG"), max_pixels=199)
    with pytest.raises(ImageError, match="larger than the limit of 50 bytes"):
        read_image(encoded(red, "PNG"), max_bytes=50)
    # passes Pillow's own limit, but not ours; nothing is decoded
    with pytest.raises(ImageError, match="declares 10000 x 10000 pixels"):
        read_image(png_header(10_000, 10_000))


def test_read_image_of_unreadable_files(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path / "loop.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        read_image("nul\0.jpg")
    with pytest.raises(ImageError, match="expected a path"):
        read_image(7)


def test_read_image_of_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    result = []

    def attempt():
        try:
            read_image(tmp_path / "pipe.jpg")
        except ImageError as error:
            result.append(error.reason)

    reader = threading.Thread(target=attempt, daemon=True)
    reader.start()
    reader.join(10)
    assert result == ["not a regular file"]


def test_read_image_without_permission(red, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(red, "PNG"))
    path.chmod(0)
    if os.geteuid() == 0:  # root reads everything: let the system call refuse instead

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(ImageError, match="permission denied"):
        read_image(path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2, 5), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 3, 3), np.uint8),
        np.zeros((2, 2, 3), np.int32),
        np.full((2, 2, 3), 255.0),
        np.full((2, 2, 3), np.nan),
    ],
)
def test_read_image_of_invalid_arrays(array):
    with pytest.raises(ImageError, match="<array>"):
        read_image(array)


def test_read_image_invalid_color(red):
    with pytest.raises(ValueError, match='"rgb" or "gray"'):
        read_image(red, color="bgr")


@pytest.mark.parametrize("size", [0, (3, 0), (1, 2, 3), "large"])
def test_read_image_invalid_size(red, size):
    with pytest.raises(ValueError, match="size"):
        read_image(red, size=size)


def test_content_digest_ignores_the_name(red, tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encoded(red, "PNG"))
    digest = content_digest(tmp_path / "a.png")
    assert digest == content_digest(tmp_path / "b.png") == content_digest(encoded(red, "PNG"))
    assert content_digest(np.zeros((2, 3, 3), np.uint8)) != content_digest(
        np.zeros((3, 2, 3), np.uint8)
    )
    assert content_digest(red) == content_digest(np.asarray(red))


def test_read_image_of_unusable_pil_images(make_image):
    # opened but not decoded, as `Image.open` returns it; and with invalid transparency
    data = encoded(make_image(RED, size=(200, 200)), "JPEG")
    odd = make_image(RED)
    odd.info["transparency"] = "white"
    for reader in (read_image, check_image):
        with pytest.raises(ImageError, match="<PIL image>: damaged JPEG"):
            reader(Image.open(io.BytesIO(data[: len(data) // 2])))
        with pytest.raises(ImageError, match="declares 200 x 200 pixels, the limit is 9"):
            reader(Image.open(io.BytesIO(data)), max_pixels=9)
    with pytest.raises(ImageError, match="cannot convert RGB pixels"):
        read_image(odd)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
@pytest.mark.parametrize("behind", ["zip", "image", "video", "zeros", "page"])
def test_read_image_of_a_file_with_something_behind_the_image(red, kind, behind):
    content = {
        "zip": b"PK\x03\x04" + bytes(range(256)) * 8,
        "image": encoded(Image.new("RGB", (90, 70), GREEN), "JPEG"),
        "video": b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(256)) * 8,
        "zeros": bytes(5000),
        "page": b"\n<!DOCTYPE html><html></html>",
    }[behind]
    for data in (encoded(red, kind), encoded(red, kind) + content):
        pixels = read_image(data)
        assert pixels.shape == (10, 20, 3) and is_close(pixels, RED, 8)
        check_image(data)
