import os
import zipfile

import numpy as np
import pandas as pd
import pytest

from similarity_lab import ImageDataset, load_dataset
from similarity_lab.errors import ArchiveError, UnknownClassError


def zipped(folder, archive, prefix=""):
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, prefix + path.relative_to(folder).as_posix())
    return archive


def test_folder_per_class(library):
    data = load_dataset(library, progress=False)
    assert data.classes == ("almonds", "dates", "oats")
    assert data.labels.dtype == np.int64 and data.labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert [path.name for path in data.paths[:6]] == [f"{i}.png" for i in range(6)]
    assert data.skipped.empty and list(data.skipped.columns) == ["path", "reason"]
    assert repr(data) == "ImageDataset(18 photos of 3 classes: almonds 6, dates 6, oats 6)"


def test_nested_folders_count_to_the_first(library):
    nested = library / "oats" / "rolled" / "fine"
    nested.mkdir(parents=True)
    (library / "oats" / "0.png").rename(nested / "0.png")
    assert load_dataset(library, progress=False).counts["oats"] == 6


def test_photos_without_folders_are_one_class(library):
    data = load_dataset(library / "oats", progress=False)
    assert data.classes == ("oats",) and len(data) == 6


@pytest.mark.parametrize("prefix", ["", "my photos/"])
def test_zip_equals_folder(library, tmp_path, prefix):
    data = load_dataset(zipped(library, tmp_path / "lib.ZIP", prefix), progress=False)
    folder = load_dataset(library, progress=False)
    assert data.classes == folder.classes
    np.testing.assert_array_equal(data.labels, folder.labels)
    assert [p.read_bytes() for p in data.paths] == [p.read_bytes() for p in folder.paths]


def test_hostile_zips_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "climb.zip", "w") as file:
        file.writestr("almonds/../../1.jpg", "x")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("almonds/1.jpg", bytes(20_000_000))
    for name in ("climb.zip", "bomb.zip"):
        with pytest.raises(ArchiveError, match=name):
            load_dataset(tmp_path / name)


def test_mapping_and_loaded(library, make_photo):
    paths = {"b": [str(library / "oats" / "0.png")], "a": [library / "dates" / "0.png"]}
    data = load_dataset(paths, progress=False)
    assert data.classes == ("a", "b") and data.labels.tolist() == [0, 1]
    assert load_dataset(data) is data
    assert load_dataset(data, size=8).images.shape == (2, 8, 8, 3)
    assert load_dataset(data, classes=["b"]).paths == (library / "oats" / "0.png",)


def test_images_are_decoded_to_size(library):
    data = load_dataset(library, size=(6, 5), color="gray", progress=False)
    assert data.images.shape == (18, 6, 5, 1) and data.images.dtype == np.uint8
    assert data.images is data.images
    with pytest.raises(ValueError, match="load the dataset with size"):
        _ = load_dataset(library, progress=False).images
    assert data.with_size(9, "rgb").images.shape == (18, 9, 9, 3)


def test_chosen_classes_keep_their_order(library):
    data = load_dataset(library, classes=["oats", "almonds"], progress=False)
    assert data.classes == ("oats", "almonds")
    assert {path.parent.name for path in data.of_class("oats").paths} == {"oats"}
    with pytest.raises(UnknownClassError, match="Unknown class 'figs'.*almonds, dates, oats"):
        load_dataset(library, classes=["figs"], progress=False)
    with pytest.raises(ValueError, match="named twice"):
        load_dataset(library, classes=["oats", "oats"], progress=False)


def test_everything_left_out_is_listed(library, make_photo):
    (library / "almonds" / "notes.jpg").write_text("no picture")
    jpeg = library / "almonds" / "half.jpg"
    make_photo((1, 2, 3), size=(90, 90)).save(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:-40])
    make_photo((1, 2, 3)).save(library / "stray.png")
    (library / "all bad").mkdir()
    (library / "all bad" / "1.jpg").touch()
    data = load_dataset(library, progress=False)
    assert data.classes == ("almonds", "dates", "oats") and len(data) == 18
    reasons = {os.path.basename(row.path): row.reason for row in data.skipped.itertuples()}
    assert reasons.keys() == {"notes.jpg", "half.jpg", "stray.png", "1.jpg"}
    assert "truncated" in reasons["half.jpg"]
    assert reasons["stray.png"] == "lies beside the class folders"
    assert "4 skipped" in repr(data)


def test_sources_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_dataset(tmp_path / "absent")
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(NotADirectoryError, match="is a file; expected a folder"):
        load_dataset(tmp_path / "photo.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no readable photo among 0 files"):
        load_dataset(tmp_path / "empty")
    (tmp_path / "bad" / "almonds").mkdir(parents=True)
    (tmp_path / "bad" / "almonds" / "1.jpg").write_text("words")
    with pytest.raises(ValueError, match=r"no readable photo among 1 files \(.*looks like text"):
        load_dataset(tmp_path / "bad")
    with pytest.raises(ValueError, match="the mapping: no readable photo"):
        load_dataset({"almonds": []})


def test_split_is_stratified_seeded_and_disjoint(library):
    data = load_dataset(library, progress=False)
    train, test = data.split(0.34, seed=1)
    assert train.counts.tolist() == [4, 4, 4] and test.counts.tolist() == [2, 2, 2]
    assert set(train.paths) | set(test.paths) == set(data.paths)
    assert not set(train.paths) & set(test.paths)
    assert data.split(0.34, seed=1)[1].paths == test.paths
    assert data.split(0.34, seed=2)[1].paths != test.paths
    with pytest.raises(ValueError, match="above 0 and below 1"):
        data.split(1.0, seed=0)


@pytest.mark.parametrize(("count", "in_test"), [(1, 0), (2, 1), (3, 1), (10, 1)])
def test_small_classes_stay_on_both_sides(count, in_test):
    pixels = np.zeros((count, 2, 2, 3), np.uint8)
    _, test = ImageDataset.from_arrays(pixels, [0] * count, ["a"]).split(0.1, seed=0)
    assert len(test) == in_test


def test_from_arrays_checks_what_it_gets():
    pixels = np.zeros((2, 4, 4, 1), np.uint8)
    data = ImageDataset.from_arrays(pixels, [1, 0], ["a", "b"])
    assert data.color == "gray" and data.images is data.arrays
    assert data.subset([1]).labels.tolist() == [0] and len(data.sources) == 2
    for images, labels in [
        (pixels[0], [0]),
        (pixels.astype(float), [0, 1]),
        (pixels, [0]),
        (pixels, [0, 2]),
        (pixels, [0.0, 1.0]),
    ]:
        with pytest.raises(ValueError, match="expected|labels"):
            ImageDataset.from_arrays(images, labels, ["a", "b"])


def test_datasets_are_frozen(library):
    data = load_dataset(library, progress=False)
    with pytest.raises(AttributeError):
        data.labels = np.zeros(3)
    with pytest.raises(ValueError, match="read-only"):
        data.labels[0] = 1
    assert isinstance(data.counts, pd.Series)
