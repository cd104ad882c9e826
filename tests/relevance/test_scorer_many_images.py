"""A site of thousands of files, some of them unreadable: every file has a row and a reason."""

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer
from similarity_lab.embedders.base import NetworkEmbedder
from similarity_lab.samples import load_image
from similarity_lab.store import VectorStore

KINDS = ["almonds", "dates", "hazelnuts", "oats", "scene", "person"]
BAD = {
    "empty": lambda data: b"",
    "html": lambda data: b"<html><body>404</body></html>",
    "half": lambda data: data[: len(data) // 2],
    "noise": lambda data: b"\x13" * len(data),
    "header only": lambda data: b"BM" + b"\xff" * 60,
}


def add_comment(data, number):
    """Return a JPEG with a comment: the same image with another digest."""
    return data[:2] + b"\xff\xfe\x00\x06" + number.to_bytes(4, "big") + data[2:]


def jpegs(per_kind):
    """Yield a few dozen images; `add_comment` makes any number of files of them."""
    for kind in KINDS:
        for seed in range(per_kind):
            buffer = io.BytesIO()
            Image.fromarray(load_image(kind, seed, size=(64, 64))).save(buffer, "JPEG")
            yield buffer.getvalue()


def write_site(folder, count):
    """Write `count` files, every twentieth unreadable; return the kind of damage by path."""
    photos, bad = list(jpegs(6)), {}
    folder.mkdir()
    for number in range(count):
        path, data = folder / f"{number:05}.jpg", add_comment(photos[number % len(photos)], number)
        if number % 20 == 7:
            bad[path] = list(BAD)[number // 20 % len(BAD)]
            data = BAD[bad[path]](data)
        path.write_bytes(data)
    return bad


class Colors(NetworkEmbedder):
    """Mean colours of four by four fields."""

    def __init__(self):
        super().__init__("fields of colour", 48, (4, 4), "rgb")

    def forward(self, pixels):
        return pixels.reshape(len(pixels), -1).astype(np.float32)


def check(tmp_path, count):
    library = tmp_path / "library"
    for index, data in enumerate(jpegs(5)):
        path = library / KINDS[index // 5] / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(add_comment(data, 10**6 + index))
    bad = write_site(tmp_path / "site", count)
    store = VectorStore(tmp_path / "store")
    scorer = RelevanceScorer("almonds", embedder=Colors(), store=store, progress=False)
    result = scorer.fit(library).decide(tmp_path / "site")
    images = result.images
    assert images["path"].tolist() == [*map(str, sorted((tmp_path / "site").iterdir()))]
    assert len(images) == count
    statuses = images["status"].value_counts().to_dict()
    assert statuses["skipped"] == len(bad) == len(result.skipped) == count // 20
    assert sum(statuses.values()) == count and set(statuses) == {"scored", "repeated", "skipped"}
    assert set(images["path"][images["status"] == "skipped"]) == {*map(str, bad)}
    assert result.skipped["path"].tolist() == [str(path) for path in bad]
    assert all(images["reason"][images["status"] != "scored"]) and all(result.skipped["reason"])
    reasons = result.skipped.groupby(list(bad.values()))["reason"].nunique()
    assert set(reasons.index) == set(BAD)
    assert statuses["scored"] == 36 and result.n_scored == 36  # all others are copies
    good = images["status"] != "skipped"
    assert images["score"].notna().tolist() == good.tolist()
    assert store.embedders() == {"fields of colour": count - len(bad) + 30}
    return result


def test_decide_on_hundreds_of_files(tmp_path):
    check(tmp_path, 200)


@pytest.mark.slow
def test_decide_on_ten_thousand_files_in_little_memory(tmp_path):
    tracemalloc.start()
    check(tmp_path, 10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 2**20
