import threading
import time
from functools import partial

import numpy as np
import pytest

from similarity_lab import read_image
from similarity_lab.errors import ImageError
from similarity_lab.images.decoding import decoded_batches, map_ahead, readable


def test_map_ahead_keeps_order_and_yields_image_errors():
    def slow_when_even(source):
        time.sleep(0.01 if source % 2 == 0 else 0)
        if source == 3:
            raise ImageError("3", "damaged")
        return source * 10

    results = list(map_ahead(slow_when_even, range(8), ahead=4))
    assert [result if isinstance(result, int) else str(result) for result in results] == [
        0, 10, 20, "3: damaged", 40, 50, 60, 70,
    ]  # fmt: skip


def test_map_ahead_bounds_pending_results():
    started = []
    stream = map_ahead(started.append, range(100), ahead=5)
    for n_consumed in range(1, 20):
        next(stream)
        time.sleep(0.002)
        assert len(started) <= n_consumed + 5


def test_map_ahead_raises_other_errors_and_stops_its_threads():
    def broken(source):
        raise KeyError(source)

    with pytest.raises(KeyError):
        list(map_ahead(broken, range(5)))
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("ahead") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_decoded_batches_without_unreadable_images(make_image):
    sources = [b"bad", *[np.asarray(make_image((9, 9, 9), i)) for i in range(4)], b"bad", b"bad"]
    batches = list(decoded_batches(partial(read_image, size=(6, 5)), sources, 3))
    assert [indices for _, indices, _ in batches] == [[1, 2], [3, 4], []]
    assert [[index for index, _ in errors] for _, _, errors in batches] == [[0], [5], [6]]
    shapes = [[pixels.shape for pixels in images] for images, _, _ in batches]
    assert shapes == [[(6, 5, 3)] * 2, [(6, 5, 3)] * 2, []]


def test_readable_reports_errors_by_position(make_image):
    positions, errors = readable([np.asarray(make_image((1, 2, 3))), b"no"], progress=False)
    assert positions == [0]
    assert errors[1].reason == "unsupported image format (content looks like text)"
