"""Decompression bombs: small files that would take hours, or all memory, to decode."""

import io
import struct

import pytest
from PIL import Image

from similarity_lab.errors import ImageError
from similarity_lab.images import check_image, read_header, read_image
from similarity_lab.images.scaled import read_scaled


def tiled_tiff(side, tile):
    """Return a small TIFF that declares a tile of another size; compressed, so libtiff reads it."""
    entries = [
        (256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, 5), (262, 3, 1), (277, 3, 1),
        (322, 4, tile), (323, 4, tile), (324, 4, 8 + 2 + 12 * 10 + 4), (325, 4, 400),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + directory + bytes(4) + b"\x80\x0b\x60\x50" * 100


@pytest.mark.parametrize("reader", [read_image, check_image, read_header])
def test_read_tiff_with_a_huge_tile(reader):
    # six hundred bytes would take 1.7 GB
    with pytest.raises(ImageError, match="declares a tile of 40000 x 40000 pixels, the limit"):
        reader(tiled_tiff(16, 40_000))
    assert read_header(tiled_tiff(16, 64)).format == "TIFF"


def read_small(data):
    return read_scaled(data, size=(8, 8))


@pytest.mark.parametrize("reader", [read_image, check_image, read_small])
def test_read_jpeg_with_too_many_scans(reader):
    buffer = io.BytesIO()
    Image.new("RGB", (200, 200), (200, 30, 30)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scan = data[data.rindex(b"\xff\xda") : -2]
    reader(data[:-2] + 80 * scan + data[-2:])
    with pytest.raises(ImageError, match=r"1,0\d\d JPEG scans .*the limit is 100"):
        reader(data[:-2] + 1000 * scan + data[-2:])
