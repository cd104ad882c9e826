import os
from pathlib import Path

import pytest

from similarity_lab.errors import InputError, NotAFolderError, PathNotFoundError
from similarity_lab.files.output import (
    check_not_in_library,
    check_output_folder,
    output_file,
    output_folder,
)


def test_folder_is_created_below_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_output_folder("~/a/b", "a folder") == tmp_path / "a" / "b"
    assert not (tmp_path / "a").exists()
    assert output_folder("~/a/b", "a folder") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("inside", ["", "new/results"])
@pytest.mark.parametrize("function", [check_output_folder, output_folder])
def test_file_in_place_of_a_folder_is_named(function, inside, tmp_path):
    (tmp_path / "list.csv").touch()
    with pytest.raises(NotAFolderError, match=r"list\.csv: is a file; expected a folder for x"):
        function(tmp_path / "list.csv" / inside, "a folder for x")


def test_folder_that_cannot_be_created(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # tests may run as root, who may write anywhere
    with pytest.raises(InputError, match=r"cannot be created \(Permission denied\); choose"):
        output_folder(tmp_path / "x", "the results")


def test_file_in_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(PathNotFoundError, match="no such folder: .*nowhere"):
        output_file(tmp_path / "nowhere" / "x.csv", "x.csv")
    with pytest.raises(InputError, match=r"is a folder; expected a file, such as .*x\.csv"):
        output_file(tmp_path, "x.csv")
    assert output_file("x.csv", "x.csv") == Path("x.csv") and not os.path.exists("x.csv")


def test_results_may_be_beside_a_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for folder in ("photos2", "photos/../results", tmp_path):
        check_not_in_library(folder, "photos")
    check_not_in_library("photos", {"almonds": ["photos/1.jpg"]})
    (tmp_path / "link").symlink_to("photos")
    for folder in ("photos", "photos/new/results", "link/results", tmp_path / "photos"):
        with pytest.raises(InputError, match="is in the library photos, whose folders are its"):
            check_not_in_library(folder, "photos")
