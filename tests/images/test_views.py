"""`read_views`: the whole image and centre crops, with enough pixels, from one decode."""

import io

import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.errors import ImageError
from similarity_lab.images import opened, scaled
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.scaled import read_scaled, resize
from similarity_lab.images.views import View, crop_centre, decode_size, read_views
from similarity_lab.samples import load_image

SIZE = (64, 64)


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def photo():
    """Return a sharp image of 1200 x 900 pixels."""
    return Image.fromarray(load_image("almonds", 3, size=(900, 1200)))


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int)).mean()


@pytest.mark.parametrize("color", ["rgb", "gray"])
@pytest.mark.parametrize("is_scaled", [True, False])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_views_equal_crops_of_a_full_decode(photo, color, is_scaled, kind):
    data = encoded(photo, kind)
    full = read_image(data, color=color)
    views = [View(SIZE, share, is_scaled) for share in (1.0, 0.75, 0.5)]
    whole, large, small = read_views(data, views, color=color)
    for pixels, part in [
        (whole, full),
        (large, full[112:788, 262:938]),
        (small, full[225:675, 375:825]),
    ]:
        expected = read_image(part, size=SIZE, color=color)
        assert pixels.shape == expected.shape and pixels.dtype == np.uint8
        assert difference(pixels, expected) < (6 if is_scaled else 1)
    if not is_scaled:
        np.testing.assert_array_equal(whole, read_image(data, size=SIZE, color=color))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_views_are_upright(orientation):
    image = np.zeros((800, 600, 3), np.uint8)
    image[260:400, 160:300] = (255, 0, 0)  # left above the centre
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(image), exif=exif)
    _, crop = read_views(data, [View(SIZE, scaled=True), View(SIZE, 0.5, scaled=True)])
    expected = resize(crop_centre(read_image(data), 0.5), SIZE)
    assert difference(crop, expected) < 3 < difference(crop, expected[::-1, ::-1])


class Recorder:
    """An observer that records what is decoded."""

    def __init__(self):
        self.decodes = []

    def on_read(self, image):
        pass

    def on_decode(self, pixels, size, resized):
        self.decodes.append((pixels.shape[:2], size, resized))

    def on_done(self, image):
        pass


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (1500, 4500), (700, 500), (60, 40)])
@pytest.mark.parametrize(("size", "share"), [(64, 0.5), (64, 0.1), (380, 0.75)])
def test_jpeg_is_decoded_once_with_enough_pixels(width, height, size, share, monkeypatch):
    calls = {"read": 0, "decode": 0}

    def counted(name, function):
        def count(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        return count

    monkeypatch.setattr(opened, "read_bytes", counted("read", opened.read_bytes))
    decode_jpeg = scaled.simplejpeg.decode_jpeg
    monkeypatch.setattr(scaled.simplejpeg, "decode_jpeg", counted("decode", decode_jpeg))
    observer = Recorder()
    image = OpenedImage(encoded(Image.new("RGB", (width, height), "teal")), observer)
    views = [View((size, size), scaled=True), View((size, size), share, scaled=True)]
    whole, crop = read_views(image, views)
    assert whole.shape == crop.shape == (size, size, 3) and calls == {"read": 1, "decode": 1}
    ((decoded, full_size, resized),) = observer.decodes
    assert full_size == (height, width) and resized is whole
    assert min(decoded) >= min(size / share, width, height)
    assert width * height <= 10**6 or share < 0.2 or max(decoded) < max(width, height)


def test_whole_view_alone_equals_read_scaled(photo):
    data = encoded(photo)
    (pixels,) = read_views(data, [View((50, 70), scaled=True)])
    np.testing.assert_array_equal(pixels, read_scaled(data, size=(50, 70)))


def test_views_of_different_resizing_share_a_full_decode(photo):
    data = encoded(photo)
    exact, fast = read_views(data, [View(SIZE), View(SIZE, 0.5, scaled=True)])
    np.testing.assert_array_equal(exact, read_image(data, size=SIZE))
    np.testing.assert_array_equal(fast, resize(crop_centre(read_image(data), 0.5), SIZE))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (10, 2000), (2000, 10), (3, 5)])
@pytest.mark.parametrize("is_scaled", [True, False])
@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_views_of_tiny_and_long_images(shape, is_scaled, color):
    image = Image.new("RGB", shape[::-1], (200, 100, 50))
    for data in (encoded(image), encoded(image, "PNG"), image, np.asarray(image)):
        views = [View((9, 7), share, is_scaled) for share in (1.0, 0.5, 0.01)]
        for pixels in read_views(data, views, color=color):
            assert pixels.shape == (9, 7, 3 if color == "rgb" else 1)
            assert np.ptp(pixels, axis=(0, 1)).max() <= 2


def test_views_of_a_transparent_image_are_on_white():
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (18, 18, 22, 22))
    whole, crop = read_views(encoded(image, "PNG"), [View((10, 10)), View((2, 2), 0.1)])
    assert (whole[0] == 255).all() and (crop == (0, 0, 255)).all()


@pytest.mark.parametrize("is_scaled", [True, False])
def test_errors_of_views_equal_those_of_read_image(photo, is_scaled):
    for data in (encoded(photo)[:5000], b"text", b""):
        with pytest.raises(ImageError) as expected:
            read_image(data)
        with pytest.raises(ImageError) as caught:
            read_views(data, [View(SIZE, share, is_scaled) for share in (1.0, 0.5)])
        assert str(caught.value) == str(expected.value)


def test_decode_size_of_views_that_are_not_square():
    assert decode_size([View((100, 300))]) == (100, 300)
    assert decode_size([View((100, 300)), View((100, 90), 0.4)]) == (250, 300)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("shape", [(1, 1), (7, 4), (10, 2000), (400, 301)])
def test_crop_centre_is_a_centred_square(shape, share):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    crop = crop_centre(np.stack([rows, columns], axis=-1), share)
    side = crop.shape[0]
    assert crop.shape == (side, side, 2) and abs(side - max(1, share * min(shape))) <= 0.5
    for axis, length in enumerate(shape):
        assert abs(crop[..., axis].mean() - (length - 1) / 2) <= 0.5
