"""Properties of datasets and sites of any tree of folders: every file is listed, in order."""

import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from similarity_lab import Site
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.datasets.layout import class_name
from similarity_lab.files.listing import system_file


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


CONTENTS = {"image": png(), "text": b"not an image", "half": png()[:40], "empty": b""}
NAMES = st.text(
    st.characters(exclude_characters="/\0\\:", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name.strip(". ") != "" and not system_file(name))
PATHS = st.lists(NAMES | st.sampled_from(["a", "b"]), min_size=1, max_size=4).map("/".join)
TREES = st.dictionaries(PATHS, st.sampled_from(sorted(CONTENTS)), max_size=12)


def write_tree(tree, root):
    """Write the files that the file system accepts; return the kind of content by path."""
    files = {}
    for name, kind in tree.items():
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CONTENTS[kind])
        except OSError:  # a file where a folder should be
            continue
        files[path.relative_to(root).as_posix()] = kind
    return files


def relative(paths, root):
    return [Path(path).relative_to(root).as_posix() for path in paths]


@pytest.mark.filterwarnings("ignore::similarity_lab.errors.InputWarning")
@given(TREES)
def test_every_file_is_loaded_or_skipped(tree):
    with tempfile.TemporaryDirectory() as parent:
        root = Path(parent) / "library"
        root.mkdir()
        # two classes, so that there is not only one way in
        files = write_tree({**tree, "first/1": "image", "second/1": "image"}, root)
        site = Site.from_folder(root)
        assert sorted(relative(site.paths, root)) == sorted(files)
        images = {name for name, kind in files.items() if kind == "image" and "/" in name}
        data = load_dataset(root, progress=False)
        repeated = load_dataset(root, progress=False)
        assert data.paths == repeated.paths and (data.labels == repeated.labels).all()
        is_class = data.skipped["reason"] == "class without a readable image"
        empty, skipped_files = data.skipped["path"][is_class], data.skipped["path"][~is_class]
        paths, skipped = relative(data.paths, root), relative(skipped_files, root)
        assert set(paths) == images
        assert sorted(paths + skipped) == sorted(files)
        assert all(data.skipped["reason"])
        assert paths == sorted(paths, key=lambda name: name.split("/"))
        assert list(data.classes) == sorted(data.classes)
        for name, label in zip(paths, data.labels, strict=True):
            assert data.classes[label] == class_name(name.split("/")[0])
        folders = {class_name(name.split("/")[0]) for name in files if "/" in name}
        assert set(empty) == folders - set(data.classes)


@given(TREES)
def test_every_member_of_a_zip_is_extracted_or_skipped(tree):
    with tempfile.TemporaryDirectory() as parent:
        archive = Path(parent) / "site.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for name, kind in tree.items():
                file.writestr(zipfile.ZipInfo(name), CONTENTS[kind])
        site = Site.from_zip(archive)
    names = {Path(name).as_posix() for name in tree}
    paths = set(relative(site.paths, site.root))
    assert len(paths) + len(site.skipped) == len(tree)
    assert paths <= names and all(site.skipped["reason"])
    for path in site.paths:
        assert path.read_bytes() == CONTENTS[tree[path.relative_to(site.root).as_posix()]]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40), st.floats(0.01, 0.99), st.integers(0, 99)
)
def test_split_is_stratified_and_complete(labels, share, seed):
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    data = ImageDataset.from_arrays(pixels, labels, ["a", "b", "c", "d"])
    train, test = data.split(share, seed)
    numbers = [part.images[:, 0, 0, 0].tolist() for part in (train, test)]
    assert sorted(numbers[0] + numbers[1]) == list(range(len(labels)))
    for part, positions in zip((train, test), numbers, strict=True):
        assert part.labels.tolist() == [labels[position] for position in positions]
    for name, count in data.counts.items():
        in_test = test.counts[name]
        assert count < 2 or 1 <= in_test < count
        assert abs(in_test - share * count) <= 1
    np.testing.assert_array_equal(data.split(share, seed)[1].images, test.images)
