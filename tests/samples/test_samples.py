"""The shipped sample: its content, and how it is unpacked."""

import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab.errors import InputError
from similarity_lab.samples import (
    IMAGES_PER_KIND,
    OTHERS,
    PRODUCTS,
    TARGET,
    background_images,
    image_bytes,
    images_table,
    load_image,
    load_images,
    make_samples,
)
from similarity_lab.samples.shipped import ARCHIVE


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def is_readable(path):
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


def test_shipped_files_are_small():
    assert sum(path.stat().st_size for path in ARCHIVE.parent.iterdir()) <= 3_000_000


def test_table_lists_the_archive():
    table = images_table()
    assert table["path"].is_unique
    assert set(table["subject"]) == {*PRODUCTS, *OTHERS}
    readable = [is_readable(io.BytesIO(data)) for data in image_bytes(table["path"])]
    assert table["readable"].tolist() == readable
    assert readable.count(False) == 1


@pytest.mark.parametrize("subject", [*PRODUCTS, *OTHERS])
def test_load_images_of_every_subject(subject):
    images = load_images(subject, IMAGES_PER_KIND, size=(48, 64))
    assert len(images) == IMAGES_PER_KIND
    assert all(image.shape == (48, 64, 3) and image.dtype == np.uint8 for image in images)
    assert all(image.std() > 8 for image in images)  # none is flat
    np.testing.assert_array_equal(load_image(subject, 3, size=(48, 64)), images[3])


def test_load_images_of_an_unknown_subject():
    with pytest.raises(InputError, match=r"'walnuts'.*almonds.*sunflower oil.*scene"):
        load_images("walnuts", 1)


@pytest.mark.parametrize(("count", "start"), [(1000, 0), (1, 1000), (1, -1)])
def test_load_images_out_of_range(count, start):
    with pytest.raises(InputError, match=f"images of 'dates'; got count={count}, start={start}"):
        load_images("dates", count, start=start)


def test_background_images_are_of_every_kind():
    assert len(background_images()) == IMAGES_PER_KIND * len([*PRODUCTS, *OTHERS])


def test_samples_import_no_network_library():
    code = (
        "import sys, similarity_lab.samples;"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'matplotlib', 'cv2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_layout_of_the_folder(samples):
    classes = {path.name: len(list(path.iterdir())) for path in samples.library.iterdir()}
    assert classes.keys() == {*PRODUCTS, "random"}
    assert min(classes.values()) >= 16
    assert [site.name for site in samples.sites] == sorted(path.name for path in samples.sites)
    assert {path.suffix for site in samples.sites for path in site.iterdir()} == {
        ".jpg", ".png", ".webp", ".gif"
    }  # fmt: skip
    assert samples.target == TARGET == "almonds"
    pd.testing.assert_frame_equal(samples.truth, pd.read_csv(samples.folder / "sites.csv"))
    files = contents(samples.folder).keys() - {"sites.csv", "images.csv", "samples.json"}
    assert files == set(samples.images["path"])


def test_truth_counts_readable_images(samples):
    assert list(samples.truth.columns) == [
        "site", "target", "n_images", "n_target", "share", "offered", "relevant"
    ]  # fmt: skip
    for row, site in zip(samples.truth.itertuples(), samples.sites, strict=True):
        assert row.site == site.name
        assert row.n_images == sum(map(is_readable, site.iterdir()))
        assert row.share == row.n_target / row.n_images
        assert row.offered == (row.n_target > 0)
        assert row.relevant == (row.share >= 0.25)


def test_truth_answers_both_questions(samples):
    truth = samples.truth.set_index("site")
    assert truth.loc[truth["relevant"], "share"].between(0.3, 0.8).all()
    rare = truth[truth["offered"] & ~truth["relevant"]]
    assert len(rare) >= 2 and (rare["share"] < 0.1).all()
    subjects = samples.images.assign(site=samples.images["path"].str.split("/").str[1])
    by_site = subjects.groupby("site")["subject"].agg(set)
    assert by_site["hazel-and-shell"] <= {"hazelnuts", "peanuts", *OTHERS}
    assert by_site["blue-harbour-outfitters"] <= set(OTHERS)


def test_no_image_of_a_site_is_in_the_library(samples):
    library = {path.read_bytes() for path in samples.library.rglob("*.jpg")}
    assert not any(
        path.read_bytes() in library for site in samples.sites for path in site.iterdir()
    )


def test_make_samples_restores_missing_files(tmp_path):
    samples = make_samples(tmp_path / "new", progress=False)
    expected = contents(samples.folder)
    next(samples.sites[0].iterdir()).unlink()
    restored = make_samples(samples.folder, progress=False)
    pd.testing.assert_frame_equal(restored.truth, samples.truth)
    assert contents(samples.folder) == expected


def test_empty_folder_is_filled(samples, tmp_path):
    make_samples(tmp_path, progress=False)
    assert contents(tmp_path) == contents(samples.folder)
    assert {path.name for path in tmp_path.iterdir()} == {
        "library", "sites", "sites.csv", "images.csv", "samples.json"
    }  # fmt: skip


@pytest.mark.parametrize("exists", [False, True])
def test_make_samples_that_fails_leaves_no_files(exists, tmp_path, monkeypatch):
    folder = tmp_path / "new"
    if exists:
        folder.mkdir()

    def fail(*_args, **_kwargs):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("similarity_lab.samples.folder.site_truth", fail)
        with pytest.raises(OSError, match="No space left"):
            make_samples(folder, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["new"] * exists
    assert not exists or not list(folder.iterdir())
    assert make_samples(folder, progress=False).library.is_dir()


def test_make_samples_refuses_a_folder_of_other_files(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match="not empty.*name a new or empty folder"):
        make_samples(tmp_path, progress=False)
    with pytest.raises(InputError, match="is a file"):
        make_samples(tmp_path / "mine.txt", progress=False)
    assert contents(tmp_path) == {"mine.txt": b"keep me"}


VERSION_1 = {"photos_per_product": 16, "seed": 0, "version": "1.0"}


@pytest.mark.parametrize("marker", ["{", "[]", json.dumps(VERSION_1)])
def test_make_samples_refuses_a_sample_of_another_version(tmp_path, marker):
    (tmp_path / "samples.json").write_text(marker)
    with pytest.raises(InputError, match="another version.*call make_samples again"):
        make_samples(tmp_path, progress=False)
    assert contents(tmp_path) == {"samples.json": marker.encode()}
