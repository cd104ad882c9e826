"""PNGs with damage that concerns no pixels are read; those that lack rows are refused."""

import struct
import zlib

import numpy as np
import pytest

from similarity_lab import read_image
from similarity_lab.images import read_header

HEADER = 33  # signature and IHDR
END = 12  # IEND
LARGE = zlib.compress(bytes(2_000_000))  # 2 kB; Pillow's limit is 1 MB after decompression
MEDIUM = zlib.compress(bytes(900_000))
WRONG = b"abcd"  # checksum


def ancillary(chunk):
    """Return chunks that are damaged, or too large."""
    return {
        "tEXt, wrong checksum": chunk(b"tEXt", b"a\0b", WRONG),
        "zTXt, large": chunk(b"zTXt", b"a\0\0" + LARGE),
        "zTXt, damaged": chunk(b"zTXt", b"a\0\0garbage"),
        "zTXt, 100 of them": b"".join(
            chunk(b"zTXt", b"a%d\0\0" % number + MEDIUM) for number in range(100)
        ),
        "iTXt, large": chunk(b"iTXt", b"a\0\1\0\0\0" + LARGE),
        "iTXt, not UTF-8": chunk(b"iTXt", b"a\0\0\0\0\0\xff\xff"),
        "iCCP, large": chunk(b"iCCP", b"p\0\0" + LARGE),
        "iCCP, damaged": chunk(b"iCCP", b"p\0\5xx"),
        "iCCP, empty": chunk(b"iCCP", b""),
        "gAMA, short": chunk(b"gAMA", b"\1"),
        "cHRM, short": chunk(b"cHRM", b"\1"),
        "sRGB, empty": chunk(b"sRGB", b""),
        "pHYs, short": chunk(b"pHYs", b"\1"),
        "tIME, wrong checksum": chunk(b"tIME", bytes(7), WRONG),
        "tRNS, wrong checksum": chunk(b"tRNS", bytes(6), WRONG),
        "tRNS, short": chunk(b"tRNS", b"\0"),
        "eXIf, wrong checksum": chunk(b"eXIf", b"MM\0*", WRONG),
        "eXIf, garbage": chunk(b"eXIf", b"MM\0*garbage"),
        "eXIf, empty": chunk(b"eXIf", b""),
        "unknown": chunk(b"prVt", b"x", WRONG),
        "name that is none": chunk(b"t\0\0t", b"x"),
        "acTL, wrong checksum": chunk(b"acTL", bytes(8), WRONG),
        "acTL, no frames": chunk(b"acTL", bytes(8)),
        "fcTL, short": chunk(b"fcTL", bytes(5)),
        "fcTL, out of order": chunk(b"acTL", b"\0\0\0\1" * 2) + chunk(b"fcTL", b"\1" * 26),
        "fdAT, alone": chunk(b"fdAT", bytes(9)),
    }


@pytest.fixture
def png(photo, encode):
    return encode(photo, "PNG")


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize("kind", ancillary(lambda *_: b""))
def test_png_with_a_damaged_chunk_is_read(photo, png, read, chunk, recwarn, kind, is_last):
    position = len(png) - END if is_last else HEADER
    data = png[:position] + ancillary(chunk)[kind] + png[position:]
    np.testing.assert_array_equal(read(data), photo)
    assert not recwarn.list


@pytest.mark.parametrize("n_bytes", [1, 4, 11, 12, 13, 16, 20])
def test_png_without_its_end_is_read(photo, png, read, n_bytes):
    np.testing.assert_array_equal(read(png[:-n_bytes]), photo)


def test_png_with_a_cut_chunk_after_its_pixels_is_read(photo, png, read):
    data = png[:-END] + struct.pack(">I", 2**31 - 1) + b"tEXtcut"
    np.testing.assert_array_equal(read(data), photo)


def test_png_with_something_behind_it_is_read(photo, png, read):
    for behind in (bytes(9000), png, b"<html>"):
        np.testing.assert_array_equal(read(png + behind), photo)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_png_with_missing_rows_is_refused(png, refusal, share):
    for data in (png[: int(share * len(png))], png[: int(share * len(png))] + png[-END:]):
        assert refusal(data).startswith("damaged PNG: ")


def test_png_with_a_damaged_header_is_refused(png, refusal, chunk):
    assert "IHDR" in refusal(png[:29] + WRONG + png[HEADER:])
    assert refusal(png[:HEADER] + png[-END:]).startswith("damaged PNG: ")
    assert refusal(png[:8]).startswith("damaged PNG: ")


def test_png_header_needs_no_pixels(png):
    assert read_header(png[: HEADER + 20]) == ("PNG", 80, 60)


def raw_png(chunk, width, height, depth, color_type, rows, *extra):
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("depth", "row", "value", "expected"),
    [
        (1, b"\x50", 1, [0, 255, 0, 255]),
        (2, b"\x1b", 0, [255, 85, 170, 255]),
        (2, b"\x1b", 2, [0, 85, 255, 255]),
        (4, b"\x01\x23", 1, [0, 255, 34, 51]),
        (8, b"\x00\x01\x02\x03", 1, [0, 255, 2, 3]),
        (16, struct.pack(">4H", 0, 65535, 257, 514), 257, [0, 255, 255, 2]),
    ],
)
def test_png_with_a_transparent_grey(chunk, depth, row, value, expected):
    """The transparent colour is given in the depth of the file; on white it is 255."""
    data = raw_png(chunk, 4, 1, depth, 0, [row], chunk(b"tRNS", struct.pack(">H", value)))
    assert read_image(data)[0, :, 0].tolist() == expected


def test_png_with_a_transparent_colour_of_16_bits(chunk):
    colors = [(65535, 0, 0), (0, 65535, 0)]
    row = struct.pack(">6H", *colors[0], *colors[1])
    data = raw_png(chunk, 2, 1, 16, 2, [row], chunk(b"tRNS", struct.pack(">3H", *colors[1])))
    assert read_image(data)[0].tolist() == [[255, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("n_bits", [8, 10, 12, 14, 15, 16])
@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_of_16_bits_is_scaled_by_the_bits_in_use(chunk, read, n_bits, color_type, channels):
    rng = np.random.default_rng(n_bits)
    values = rng.integers(0, 2**n_bits, (7, 9, channels), np.uint16)
    values[0, 0] = 2**n_bits - 1
    if channels in (2, 4):
        values[..., -1] = 65535
    data = raw_png(chunk, 9, 7, 16, color_type, [row.astype(">u2").tobytes() for row in values])
    colors = values[..., : 3 if channels > 2 else 1]
    expected = np.broadcast_to(colors / (2**n_bits - 1) * 255, (7, 9, 3))
    assert np.abs(read(data) - expected).max() <= 1


def test_png_of_16_bits_keeps_its_transparency(chunk):
    values = np.array([[[4095, 0, 0, 65535], [4095, 0, 0, 0], [0, 0, 4095, 32768]]], np.uint16)
    data = raw_png(chunk, 3, 1, 16, 6, [values[0].astype(">u2").tobytes()])
    assert np.abs(read_image(data)[0] - [[255, 0, 0], [255, 255, 255], [127, 127, 255]]).max() <= 1
