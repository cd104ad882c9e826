"""JPEGs that lack something or have more than an image: are rows of pixels missing?"""

import struct

import numpy as np
import pytest
from PIL import Image

from similarity_lab.images import read_header
from similarity_lab.images.jpeg import limit_scans

END = b"\xff\xd9"
RANDOM = np.random.default_rng(0).bytes(3_000_000)  # more than 40 times the bytes of a scan marker
FORMS = {
    "baseline": ("RGB", {}),
    "progressive": ("RGB", {"progressive": True}),
    "grey": ("L", {}),
    "grey progressive": ("L", {"progressive": True}),
    "CMYK": ("CMYK", {}),
    "4:4:4": ("RGB", {"subsampling": 0}),
    "restarts": ("RGB", {"restart_marker_blocks": 3}),
    "MPO": ("RGB", {}),
}


def segment(data, marker, body):
    """Insert a segment as the first one."""
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + data[2:]


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


@pytest.fixture
def jpeg(form, photo, encode):
    mode, options = FORMS[form]
    if form == "MPO":
        return encode(photo, "MPO", save_all=True, append_images=[Image.fromarray(photo[::-1])])
    return encode(Image.fromarray(photo).convert(mode), "JPEG", **options)


@pytest.fixture
def expected(form, photo):
    is_gray = form.startswith("grey")
    gray = np.asarray(Image.fromarray(photo).convert("L"))
    return np.repeat(gray[..., None], 3, axis=2) if is_gray else photo


def end_of_image(jpeg, form):
    return jpeg.index(END + b"\xff\xd8") + 2 if form == "MPO" else len(jpeg)


@pytest.mark.parametrize("n_bytes", [1, 2])
def test_jpeg_without_its_end_marker_is_read(jpeg, form, expected, read, assert_close, n_bytes):
    data = jpeg[: end_of_image(jpeg, form) - n_bytes]
    assert_close(read(data), expected)
    np.testing.assert_array_equal(read(data), read(jpeg))


BEHIND = {
    "random": RANDOM,
    "video": b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + RANDOM[:90_000],
    "zeros": bytes(5000),
    "ends": 1000 * END,
    "scans": 1000 * b"\xff\xda",
    "page": b"<html>",
    "byte": b"\xff",
}


@pytest.mark.parametrize("behind", BEHIND)
def test_jpeg_with_something_behind_it_is_read(jpeg, expected, read, assert_close, behind):
    assert_close(read(jpeg + BEHIND[behind]), expected)


@pytest.mark.parametrize("has_end", [False, True])
@pytest.mark.parametrize("share", [0.995, 0.7, 0.5])
def test_jpeg_with_missing_rows_is_refused(jpeg, form, refusal, share, has_end):
    if "progressive" in form:
        pytest.skip("its first scan has all rows")
    image = jpeg[: end_of_image(jpeg, form)]
    cut = image[: int(share * len(image))] + has_end * END
    assert refusal(cut) == "damaged JPEG: truncated; the last rows of pixels are missing"


@pytest.mark.parametrize("has_end", [False, True])
@pytest.mark.parametrize("share", [0.99, 0.8, 0.6])
def test_progressive_jpeg_that_lacks_detail_is_read(
    photo, encode, read, assert_close, share, has_end
):
    jpeg = encode(photo, "JPEG", progressive=True, quality=95)
    cut = jpeg[: int(share * len(jpeg))] + has_end * END
    assert_close(read(cut), photo, tolerance=9)


def test_progressive_jpeg_cut_in_its_first_scan_is_refused(photo, encode, refusal):
    jpeg = encode(photo, "JPEG", progressive=True)
    first, second = (jpeg.index(b"\xff\xda", start) for start in (0, jpeg.index(b"\xff\xda") + 2))
    for cut in (jpeg[: (first + second) // 2], jpeg[: first + 4]):
        for data in (cut, cut + END):
            assert refusal(data).startswith("damaged JPEG: ")


def test_sequential_jpeg_without_the_scan_of_a_channel_is_refused(photo, encode, refusal):
    """Each channel in a scan by itself: without the last, all rows are there, but not in colour."""
    jpeg = encode(photo, "JPEG", subsampling=0)
    start = jpeg.index(b"\xff\xda")
    n_components = jpeg[start + 4]
    assert n_components == 3
    one = jpeg[: start + 2] + b"\0\x08\1\1\0\0\x3f\0" + jpeg[start + 14 :]
    assert "truncated" in refusal(one[:-2])


METADATA = {
    "JFIF": (0xE0, b"JFIF\0\1"),
    "EXIF": (0xE1, b"Exif\0\0II*\0garbage"),
    "empty EXIF": (0xE1, b"Exif\0\0"),
    "XMP": (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 60_000),
    "profile": (0xE2, b"ICC_PROFILE\0\1\3not a profile"),
    "index of images": (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
    "Photoshop": (0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\xff\xff\xff\xff"),
    "Adobe": (0xEE, b"Adobe\0"),
    "comment": (0xFE, b"\xff\xd9\xff\xda" * 1000),
}


@pytest.mark.parametrize("kind", METADATA)
def test_jpeg_with_damaged_metadata_is_read(photo, encode, read, assert_close, recwarn, kind):
    assert_close(read(segment(encode(photo, "JPEG"), *METADATA[kind])), photo)
    assert not recwarn.list


def test_jpeg_with_garbage_between_its_segments_is_read(photo, encode, read, assert_close):
    jpeg = segment(encode(photo, "JPEG"), 0xE5, b"abc")
    assert_close(read(jpeg[:9] + b"more than its length" + jpeg[9:]), photo)


@pytest.mark.parametrize("end", [b"", END, END + RANDOM], ids=["cut", "complete", "appended"])
@pytest.mark.parametrize("disguise", [None, b"\xff\xd9", b"\xff\xd9\xff\xd8"])
def test_jpeg_with_many_scans_inside_its_image_is_refused(encode, refusal, end, disguise):
    jpeg = encode(Image.new("RGB", (200, 200), (9, 9, 9)), "JPEG", progressive=True)
    scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    jpeg = jpeg if disguise is None else segment(jpeg, 0xE5, disguise)
    expected = "5,010 JPEG scans (decompression bomb?), the limit is 100"
    assert refusal(jpeg[:-2] + 5000 * scan + end) == expected


def test_limit_scans_removes_what_follows_the_image(photo, encode):
    jpeg = encode(photo, "JPEG")
    assert limit_scans(jpeg + BEHIND["scans"], "") == jpeg
    assert limit_scans(jpeg + b"\xff\xda", "") == jpeg + b"\xff\xda"  # too few to be a danger


@pytest.mark.parametrize(
    ("marker", "precision", "reason"),
    [(0xC1, 12, "12 bits per channel"), (0xC3, 8, "lossless"), (0xC7, 8, "hierarchical")],
)
def test_jpeg_of_an_unsupported_coding_is_named(photo, encode, refusal, marker, precision, reason):
    jpeg = encode(photo, "JPEG")
    start = jpeg.index(b"\xff\xc0")
    data = jpeg[: start + 1] + bytes([marker]) + jpeg[start + 2 : start + 4]
    data += bytes([precision]) + jpeg[start + 5 :]
    assert reason in refusal(data) and "unsupported" in refusal(data)


def test_jpeg_of_fill_bytes_is_parsed_in_linear_time(photo, encode, read, refusal, assert_close):
    """Quadratic, this would take minutes; any number of bytes 255 may precede a marker."""
    assert refusal(b"\xff\xd8" + bytes([255]) * 300_000 + b"\0").startswith("damaged JPEG: ")
    jpeg = encode(photo, "JPEG")
    assert_close(read(jpeg[:-2] + bytes([255]) * 300_000 + END), photo)
    assert_close(read(jpeg[:-2] + bytes([255]) * 300_000), photo)


def test_jpeg_header_of_a_cut_file_is_read(photo, encode):
    jpeg = encode(photo, "JPEG")
    assert read_header(jpeg[: len(jpeg) // 2]) == ("JPEG", 80, 60)
