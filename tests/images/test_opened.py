import hashlib
import io
from functools import partial

import numpy as np
import pytest
from PIL import Image

from similarity_lab.errors import ImageError
from similarity_lab.images import content_digest, opened, read_image
from similarity_lab.images.decoding import decode
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.scaled import read_scaled
from similarity_lab.samples import load_image

BUFFER = io.BytesIO()
Image.fromarray(load_image("almonds", 1, size=(90, 120))).save(BUFFER, "JPEG")
DATA = BUFFER.getvalue()


class Observer:
    def __init__(self):
        self.calls = []

    def on_read(self, image):
        self.calls.append(("read", image.digest))

    def on_decode(self, pixels, size, resized):
        self.calls.append(("decode", size, resized.shape))

    def on_done(self, image):
        self.calls.append(("done", image.name))


def test_opened_image_is_read_once(monkeypatch, tmp_path):
    (tmp_path / "a.jpg").write_bytes(DATA)
    sources = []
    read_bytes = opened.read_bytes
    monkeypatch.setattr(opened, "read_bytes", lambda s: sources.append(s) or read_bytes(s))
    image = OpenedImage(tmp_path / "a.jpg")
    for _ in range(2):
        np.testing.assert_array_equal(read_image(image), read_image(DATA))
        assert image.data == DATA and content_digest(image) == hashlib.sha256(DATA).hexdigest()
    assert image.digest == content_digest(DATA) and image.name == str(tmp_path / "a.jpg")
    assert sources == [tmp_path / "a.jpg"]


def test_observer_is_called_on_read_decode_and_done():
    observer = Observer()
    read = partial(read_scaled, size=(24, 32))
    pixels, positions, errors = decode(read, [OpenedImage(DATA, observer)], [0])
    assert positions == [0] and errors == []
    height, width = read_image(DATA).shape[:2]
    assert observer.calls == [
        ("read", content_digest(DATA)),
        ("decode", (height, width), (24, 32, 3)),
        ("done", "<bytes>"),
    ]
    np.testing.assert_array_equal(pixels[0], read_scaled(DATA, size=(24, 32)))


def test_errors_name_the_source(tmp_path):
    (tmp_path / "a.jpg").write_text("text")
    for name in ("a.jpg", "absent.jpg"):
        with pytest.raises(ImageError) as caught:
            read_scaled(OpenedImage(tmp_path / name), size=(8, 8))
        assert caught.value.path == str(tmp_path / name)
