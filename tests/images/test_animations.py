"""Of an animation, the first frame that shows something is read."""

import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.errors import ImageError

CLEAR = np.zeros((60, 80, 4), np.uint8)
WHITE, BLACK = np.full((60, 80, 3), 255, np.uint8), np.zeros((60, 80, 3), np.uint8)
KINDS = ["GIF", "WEBP", "PNG", "AVIF"]


def animation(encode, kind, frames, **options):
    first, *others = (Image.fromarray(frame) for frame in frames)
    quality = {"quality": 95} if kind in ("WEBP", "AVIF") else {}
    return encode(
        first, kind, save_all=True, append_images=others, duration=100, **quality, **options
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_blank", [1, 2])
@pytest.mark.parametrize("blank", ["clear", "white", "black", "nearly white"])
def test_first_frame_that_shows_something_is_read(
    photo, encode, read, assert_close, kind, n_blank, blank
):
    frame = {"clear": CLEAR, "white": WHITE, "black": BLACK, "nearly white": WHITE - (WHITE == 255)}
    opaque = np.full((60, 80, 1), 255, np.uint8)
    shown = np.concatenate([photo, opaque], axis=2) if blank == "clear" else photo
    # as an encoder joins equal frames, blank ones differ in their first pixel
    frames = [np.array(frame[blank]) for _ in range(n_blank)]
    for number, each in enumerate(frames):
        each[0, number, :1] ^= 1
    data = animation(encode, kind, [*frames, shown, BLACK if blank != "clear" else CLEAR])
    assert_close(read(data), photo, tolerance=12 if kind == "GIF" else 6)


@pytest.mark.parametrize("kind", KINDS)
def test_first_frame_is_read_if_it_shows_something(photo, encode, read, assert_close, kind):
    data = animation(encode, kind, [photo, photo[::-1].copy()])
    assert_close(read(data), photo, tolerance=12 if kind == "GIF" else 6)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_is_read_if_none_shows_anything(encode, read, kind):
    red, green = (np.full((60, 80, 3), color, np.uint8) for color in ((200, 30, 30), (30, 200, 30)))
    assert np.abs(read(animation(encode, kind, [red, green]))[0, 0] - [200.0, 30, 30]).max() < 12


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_animation_of_transparent_frames_is_refused(encode, refusal, kind):
    frames = [CLEAR, CLEAR.copy()]
    frames[1][0, 0] = [9, 9, 9, 0]
    data = animation(encode, kind, frames)
    assert refusal(data) == "nothing to see: every pixel is transparent"


def test_still_image_of_one_colour_is_read(encode, read):
    for kind in KINDS:
        assert read(encode(WHITE, kind)).min() > 250


def test_damaged_animation_of_a_png_is_read_as_its_still_image(photo, encode, read):
    data = bytearray(animation(encode, "PNG", [photo, WHITE, BLACK]))
    data[data.index(b"fdAT") + 8] ^= 255
    np.testing.assert_array_equal(read(bytes(data)), photo)


def test_cut_animation_is_read_up_to_the_cut(photo, encode, assert_close):
    for kind in ("GIF", "PNG"):
        data = animation(encode, kind, [WHITE, photo, photo[::-1].copy()])
        assert_close(read_image(data[: len(data) * 3 // 4]), photo, tolerance=12)


def test_thousands_of_blank_frames_are_not_all_decoded(encode, monkeypatch):
    """A GIF of blank frames compresses to almost nothing; looking for another one has a limit."""
    monkeypatch.setattr("similarity_lab.images.reading.MAX_PIXELS", 5 * WHITE[..., 0].size)
    frames = [WHITE.copy() for _ in range(40)]
    for number, frame in enumerate(frames):
        frame[0, number] = 254
    data = animation(encode, "GIF", frames)
    loaded = []
    original = Image.Image.load
    monkeypatch.setattr(Image.Image, "load", lambda self: loaded.append(1) or original(self))
    assert read_image(data).min() >= 254
    assert len(loaded) < 60


def test_frame_larger_than_the_limit_is_not_decoded(encode):
    """A frame of a GIF may be larger than its screen; Pillow enlarges the image then."""
    data = bytearray(encode(np.zeros((300, 300), np.uint8), "GIF"))
    data[6:10] = b"\2\0\2\0"  # the screen
    with pytest.raises(ImageError, match="declares 300 x 300 pixels, the limit is 10,000"):
        read_image(bytes(data), max_pixels=10_000)
