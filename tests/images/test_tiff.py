"""TIFFs with thumbnails, masks and several pages; with damaged tags; of many kinds of pixels."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.errors import ImageError
from similarity_lab.images import read_header


def pages(images, **options):
    """Return a TIFF of several pages."""
    images = [Image.fromarray(np.asarray(image)) for image in images]
    buffer = io.BytesIO()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:], **options)
    return buffer.getvalue()


def raw_tiff(pixels, order="<", tags=()):
    """Return a TIFF of one uncompressed strip; `tags` are (tag, type, value) of one value."""
    height, width, channels = pixels.shape
    body = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    bits = struct.pack(f"{order}{channels}H", *[8 * pixels.dtype.itemsize] * channels)
    start = 8 + len(body)
    rows = [
        (256, 4, width), (257, 4, height), (259, 3, 1), (262, 3, 1 if channels == 1 else 2),
        (273, 4, 8), (277, 3, channels), (278, 4, height), (279, 4, len(body)), *tags,
    ]  # fmt: skip
    end = start + 2 + 12 * (len(rows) + 1) + 4
    offset = bits.ljust(4, b"\0") if len(bits) <= 4 else struct.pack(order + "I", end)
    entries = [struct.pack(order + "HHI", 258, 3, channels) + offset]
    for tag, kind, value in rows:
        number = struct.pack(order + ("H2x" if kind == 3 else "I"), value)
        entries.append(struct.pack(order + "HHI", tag, kind, 1) + number)
    entries.sort(key=lambda entry: struct.unpack_from(order + "H", entry))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    count = struct.pack(order + "H", len(entries))
    return b"".join([head, body, count, *entries, bytes(4), bits])


@pytest.fixture
def thumbnail(photo):
    return np.asarray(Image.fromarray(photo).resize((16, 16)))


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"big_tiff": True}])
def test_tiff_is_read_at_its_largest_page(photo, thumbnail, read, options):
    small = photo[:40]
    for images in ([thumbnail, photo], [photo, thumbnail], [thumbnail, small, photo, thumbnail]):
        data = pages(images, **options)
        np.testing.assert_array_equal(read(data), photo)
        assert read_header(data) == ("TIFF", 80, 60)


def test_tiff_of_equal_pages_is_read_at_the_first(photo, read):
    np.testing.assert_array_equal(read(pages([photo, photo[::-1]])), photo)


def test_tiff_page_is_turned_by_its_own_orientation(photo, thumbnail, read):
    data = pages([thumbnail, photo], tiffinfo={274: 6})
    np.testing.assert_array_equal(read(data), np.rot90(photo, -1))


def test_tiff_mask_is_passed_over(photo, read):
    data = bytearray(pages([photo, np.zeros((200, 200), np.uint8)], tiffinfo={254: 0}))
    positions = [i for i in range(len(data)) if data[i : i + 4] == b"\xfe\0\4\0"]
    assert len(positions) == 2
    data[positions[1] + 8] = 4  # the second page masks another one
    np.testing.assert_array_equal(read(bytes(data)), photo)


def test_tiff_with_a_damaged_page_is_read_at_the_others(photo, thumbnail, read):
    data = bytearray(pages([thumbnail, photo, thumbnail]))
    positions = [i for i in range(len(data)) if data[i : i + 4] == b"\0\1\4\0"]  # width
    data[positions[2] : positions[2] + 12] = struct.pack("<HHII", 256, 2, 1, 0)
    np.testing.assert_array_equal(read(bytes(data)), photo)


def test_tiff_limits_concern_the_largest_page(photo, thumbnail):
    data = pages([thumbnail, photo])
    with pytest.raises(ImageError, match="declares 80 x 60 pixels, the limit is 4,000"):
        read_image(data, max_pixels=4000)


def test_tiff_of_many_pages_ends(photo):
    data = pages([np.zeros((2, 2), np.uint8)] * 300 + [photo])
    assert read_image(data).shape == (2, 2, 3)  # only the first 200 are looked at
    loop = bytearray(pages([photo]))
    (start,) = struct.unpack_from("<I", loop, 4)
    (n_entries,) = struct.unpack_from("<H", loop, start)
    struct.pack_into("<I", loop, start + 2 + 12 * n_entries, start)  # its next page is itself
    np.testing.assert_array_equal(read_image(bytes(loop)), photo)


@pytest.mark.parametrize("tag", [270, 305, 34675, 33723, 34377])
def test_tiff_with_a_damaged_tag_is_read(photo, encode, read, recwarn, tag):
    data = encode(photo, "TIFF", tiffinfo={tag: b"x" * 5000 if tag > 700 else "x" * 5000})
    entry = next(i for i in range(len(data)) if data[i : i + 2] == struct.pack("<H", tag))
    beyond = data[: entry + 8] + struct.pack("<I", 2**31) + data[entry + 12 :]
    directory = data[:entry] + struct.pack("<HHII", tag, 4, 1, 2**31) + data[entry + 12 :]
    for damaged in (data, beyond, directory):
        np.testing.assert_array_equal(read(damaged), photo)
    assert not recwarn.list


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_cut_tiff_is_refused(photo, encode, refusal, recwarn, compression):
    data = encode(photo, "TIFF", compression=compression)
    for length in (9, len(data) // 2, len(data) - 8):
        assert refusal(data[:length]).startswith("damaged TIFF: ")
    assert not recwarn.list


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("n_bits", [10, 12, 16])
def test_tiff_of_16_bits_is_scaled_by_the_bits_in_use(read, order, channels, n_bits):
    values = np.random.default_rng(n_bits).integers(0, 2**n_bits, (7, 9, channels), np.uint16)
    values[0, 0] = 2**n_bits - 1
    tags = []
    if channels == 4:
        values[..., 3], tags = 65535, [(338, 3, 2)]
    data = raw_tiff(values, order, tags)
    expected = np.broadcast_to(values[..., :3] / (2**n_bits - 1) * 255, (7, 9, 3))
    assert np.abs(read(data) - expected).max() <= 1


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_compressed_tiff_of_12_bits_in_16(photo, read, compression):
    cv2 = pytest.importorskip("cv2")
    code = {"tiff_lzw": 5, "tiff_adobe_deflate": 8}[compression]
    values = photo[..., ::-1].astype(np.uint16) * 16
    _, encoded = cv2.imencode(".tiff", values, [cv2.IMWRITE_TIFF_COMPRESSION, code])
    assert np.abs(read(encoded.tobytes()) - photo.astype(int)).max() <= 1


@pytest.mark.parametrize("tags", [[(50706, 4, 0x0401)], [(254, 4, 1), (330, 4, 8)]])
def test_raw_photo_of_a_camera_is_named(thumbnail, refusal, tags):
    data = raw_tiff(thumbnail, tags=tags)
    assert refusal(data) == "unsupported image format (content is a camera's raw photo)"


def test_raw_photo_of_canon_is_named(refusal):
    assert "raw photo" in refusal(b"II*\0\x10\0\0\0CR\2\0" + bytes(200))


def test_tiff_of_unknown_pixels_is_unsupported(photo, refusal):
    data = raw_tiff((photo / 255).astype(np.float64), tags=[(339, 3, 3)])
    assert refusal(data).startswith("unsupported image format (an unusual TIFF: ")
