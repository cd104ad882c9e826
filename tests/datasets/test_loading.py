import os
import zipfile

import numpy as np
import pandas as pd
import pytest

from similarity_lab import ImageDataset, load_dataset
from similarity_lab.errors import (
    ArchiveError,
    InputError,
    InputTypeError,
    PathNotFoundError,
    UnknownClassError,
)


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
    assert repr(data) == "ImageDataset(18 images of 3 classes: almonds 6, dates 6, oats 6)"


def test_nested_folder_belongs_to_the_class_above(library):
    nested = library / "oats" / "rolled" / "fine"
    nested.mkdir(parents=True)
    (library / "oats" / "0.png").rename(nested / "0.png")
    assert load_dataset(library, progress=False).counts["oats"] == 6


def test_folder_without_folders_is_one_class(library):
    data = load_dataset(library / "oats", progress=False)
    assert data.classes == ("oats",) and len(data) == 6


@pytest.mark.parametrize("prefix", ["", "my photos/"])
def test_zip_equals_folder(library, tmp_path, prefix):
    data = load_dataset(zipped(library, tmp_path / "lib.ZIP", prefix), progress=False)
    folder = load_dataset(library, progress=False)
    assert data.classes == folder.classes
    np.testing.assert_array_equal(data.labels, folder.labels)
    assert [p.read_bytes() for p in data.paths] == [p.read_bytes() for p in folder.paths]


@pytest.mark.parametrize(
    ("member", "content"), [("almonds/../../1.jpg", b"x"), ("almonds/1.jpg", bytes(20_000_000))]
)
def test_dangerous_zip_is_refused(tmp_path, member, content):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, content)
    with pytest.raises(ArchiveError, match=r"bad\.zip"):
        load_dataset(tmp_path / "bad.zip")


def test_mapping(library):
    paths = {"b": [str(library / "oats" / "0.png")], "a": [library / "dates" / "0.png"]}
    data = load_dataset(paths, progress=False)
    assert data.classes == ("a", "b") and data.labels.tolist() == [0, 1]


def test_loaded_dataset_is_adapted(library):
    data = load_dataset(library, progress=False)
    assert load_dataset(data) is data
    small = load_dataset(data, size=8)
    assert small.images.shape == (18, 8, 8, 3) and load_dataset(small, size=8) is small
    assert load_dataset(small, color="gray").images.shape == (18, 8, 8, 1)
    assert load_dataset(data, classes=["oats"]).paths == data.of_class("oats").paths


def test_size_of_arrays_is_fixed():
    data = ImageDataset.from_arrays(np.zeros((1, 4, 4, 3), np.uint8), [0], ["a"])
    assert load_dataset(data, size=4, color="rgb") is data
    for parameters in ({"size": 8}, {"color": "gray"}):
        with pytest.raises(InputError, match="fixed"):
            load_dataset(data, **parameters)
    with pytest.raises(InputError, match="fixed"):
        data.with_size(8)


def test_images_show_no_progress_bar(library, capsys):
    _ = load_dataset(library, size=8, progress=False).images
    assert capsys.readouterr().err == ""


def test_images_are_decoded_to_size(library):
    data = load_dataset(library, size=(6, 5), color="gray", progress=False)
    assert data.images.shape == (18, 6, 5, 1) and data.images.dtype == np.uint8
    assert data.images is data.images
    with pytest.raises(ValueError, match="load the dataset with size"):
        _ = load_dataset(library, progress=False).images
    assert data.with_size(9, "rgb").images.shape == (18, 9, 9, 3)


def test_classes_are_selected_in_order(library):
    data = load_dataset(library, classes=["oats", "almonds"], progress=False)
    assert data.classes == ("oats", "almonds")
    assert {path.parent.name for path in data.of_class("oats").paths} == {"oats"}
    with pytest.raises(UnknownClassError, match="Unknown class 'figs'.*almonds, dates, oats"):
        load_dataset(library, classes=["figs"], progress=False)
    with pytest.raises(UnknownClassError, match="Did you mean 'almonds'"):
        load_dataset(library, progress=False).of_class("Almond")
    with pytest.raises(ValueError, match="duplicate class"):
        load_dataset(library, classes=["oats", "oats"], progress=False)


def test_class_of_which_no_file_can_be_used_is_told_from_an_unknown_one(library):
    for name in ("figs", "rice"):
        (library / name).mkdir()
    (library / "figs" / ".DS_Store").touch()
    for number in range(3):
        (library / "figs" / f"{number}.mov").touch()
    data = load_dataset(library, progress=False)
    reason = r"figs.0\.mov: empty file, and 2 other files\. The dataset has: almonds"
    with pytest.raises(
        UnknownClassError, match=f"No file of the class 'figs' can be used: .*{reason}"
    ):
        data.of_class("figs")
    with pytest.raises(UnknownClassError, match="'rice' can be used: .*rice: empty folder"):
        data.of_class("rice")
    (library / "notes.txt").touch()  # the folder of all classes has the name of none
    with pytest.raises(UnknownClassError, match=f"Unknown class '{library.name}'"):
        load_dataset(library, progress=False).of_class(library.name)


def test_skipped_files_have_reasons(library, make_image):
    (library / "almonds" / "notes.jpg").write_text("not an image")
    jpeg = library / "almonds" / "half.jpg"
    make_image((1, 2, 3), size=(90, 90)).save(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:-40])
    make_image((1, 2, 3)).save(library / "stray.png")
    (library / "all bad").mkdir()
    (library / "all bad" / "1.jpg").touch()
    data = load_dataset(library, progress=False)
    assert data.classes == ("almonds", "dates", "oats") and len(data) == 18
    reasons = {os.path.basename(row.path): row.reason for row in data.skipped.itertuples()}
    assert reasons.keys() == {"notes.jpg", "half.jpg", "stray.png", "1.jpg", "all bad"}
    assert reasons["all bad"] == "class without a readable image"
    assert "truncated" in reasons["half.jpg"]
    assert reasons["stray.png"] == "not in a class folder"
    assert "5 skipped" in repr(data)


def test_missing_sources(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_dataset(tmp_path / "absent")
    (tmp_path / "library").mkdir()
    with pytest.raises(FileNotFoundError, match="Did you mean 'library'"):
        load_dataset(tmp_path / "libary")
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(NotADirectoryError, match="is a file; expected a folder"):
        load_dataset(tmp_path / "photo.jpg")
    with pytest.raises(InputTypeError, match=r"expected a folder, .* got int"):
        load_dataset(3)


def test_sources_without_readable_images(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no readable image among 0 files"):
        load_dataset(tmp_path / "empty")
    (tmp_path / "bad" / "almonds").mkdir(parents=True)
    (tmp_path / "bad" / "almonds" / "1.jpg").write_text("words")
    with pytest.raises(InputError, match=r"no readable image among 1 file \(.*looks like text"):
        load_dataset(tmp_path / "bad")
    for name in (".DS_Store", "Thumbs.db", "almonds/.DS_Store", "almonds/0.jpg", "almonds/2.mov"):
        (tmp_path / "bad" / name).touch()  # system files are not why
    reasons = r"among 3 files \([^;]*0\.jpg: empty file; [^;]*1\.jpg: .*looks like text\) …\)"
    with pytest.raises(InputError, match=reasons):
        load_dataset(tmp_path / "bad")
    with pytest.raises(InputError, match="the mapping: no readable image"):
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
def test_split_of_small_classes(count, in_test):
    pixels = np.zeros((count, 2, 2, 3), np.uint8)
    _, test = ImageDataset.from_arrays(pixels, [0] * count, ["a"]).split(0.1, seed=0)
    assert len(test) == in_test


PIXELS = np.zeros((2, 4, 4, 1), np.uint8)


def test_from_arrays():
    data = ImageDataset.from_arrays(PIXELS, [1, 0], ["a", "b"])
    assert data.color == "gray" and data.images is data.arrays
    assert data.subset([1]).labels.tolist() == [0] and len(data.sources) == 2


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (PIXELS[0], [0]),
        (PIXELS.astype(float), [0, 1]),
        (PIXELS, [0]),
        (PIXELS, [0, 2]),
        (PIXELS, [0.0, 1.0]),
    ],
)
def test_from_arrays_of_wrong_shape_or_type(images, labels):
    with pytest.raises(InputError, match="expected|labels"):
        ImageDataset.from_arrays(images, labels, ["a", "b"])


def test_dataset_is_frozen(library):
    data = load_dataset(library, progress=False)
    with pytest.raises(AttributeError):
        data.labels = np.zeros(3)
    with pytest.raises(ValueError, match="read-only"):
        data.labels[0] = 1
    assert isinstance(data.counts, pd.Series)


def test_mapping_to_a_folder(library):
    data = load_dataset({"almonds": library / "almonds"}, progress=False)
    assert data.paths == load_dataset(library, progress=False).of_class("almonds").paths
    assert data.skipped.empty


def test_mapping_to_a_missing_folder(library):
    with pytest.raises(PathNotFoundError, match="no such folder"):
        load_dataset({"almonds": str(library / "no such")})


def test_unknown_color_is_refused(library):
    with pytest.raises(InputError, match="color must be"):
        load_dataset(library, color="grey")


def test_one_name_instead_of_a_list_of_classes(library):
    with pytest.raises(InputError, match=r"pass \['almonds'\]"):
        load_dataset(library, classes="almonds")


def test_checkpoints_of_jupyter_are_skipped(library, make_image):
    (library / ".ipynb_checkpoints").mkdir()
    make_image((200, 30, 30)).save(library / ".ipynb_checkpoints" / "copy.png")
    data = load_dataset(library, progress=False)
    assert ".ipynb_checkpoints" not in data.classes
    assert "copies that Jupyter makes" in set(data.skipped["reason"])
