"""WebPs with damage that concerns no pixels are read; cut ones are refused."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(params=["lossy", "lossless", "with metadata", "transparent"])
def webp(request, photo, encode):
    if request.param == "transparent":
        opaque = np.full((*photo.shape[:2], 1), 255, np.uint8)
        opaque[:5] = 0
        return encode(np.concatenate([photo, opaque], axis=2), "WEBP")
    exif = Image.Exif()
    exif[0x010E] = "description"
    metadata = {"exif": exif, "xmp": b"<x/>", "icc_profile": b"profile"}
    options = metadata if request.param == "with metadata" else {}
    return encode(photo, "WEBP", lossless=request.param == "lossless", **options)


def test_webp_with_something_behind_it_is_read(webp, read):
    expected = read(webp)
    for behind in (bytes(5000), b"x", webp):
        np.testing.assert_array_equal(read(webp + behind), expected)


def test_webp_with_a_wrong_size_in_its_header_is_read(webp, read):
    for size in (0, 30, len(webp), 2**32 - 1):
        data = webp[:4] + size.to_bytes(4, "little") + webp[8:]
        np.testing.assert_array_equal(read(data), read(webp))


def test_webp_with_damaged_metadata_is_read(photo, encode, read, assert_close):
    exif = Image.Exif()
    exif[0x0112] = 6
    webp = encode(photo, "WEBP", exif=exif, xmp=b"<x/>" * 99)
    for cut in (3, 60, len(b"<x/>" * 99) + 4):
        assert_close(read(webp[:-cut]), np.rot90(photo, -1))
    start = webp.index(b"EXIF")
    assert_close(read(webp[: start + 12]), photo)  # only the orientation is lost
    assert_close(read(webp[: start + 8] + b"garbage!" + webp[start + 16 :]), photo)


def test_cut_webp_is_refused(photo, encode, refusal):
    for options in ({}, {"lossless": True}):
        webp = encode(photo, "WEBP", **options)
        for length in (12, 20, 30, len(webp) // 2, len(webp) - 100):
            assert refusal(webp[:length]) == "damaged WEBP: truncated or damaged data"
