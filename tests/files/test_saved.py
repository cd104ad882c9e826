import json

import numpy as np
import pytest

from similarity_lab.errors import InputError, PathNotFoundError, SavedFolderError
from similarity_lab.files.saved import load_folder, save_folder

CONTENT = {"target": "almonds", "threshold": 0.5}
ARRAYS = {"vectors": np.arange(6, dtype=np.float32).reshape(2, 3)}


@pytest.fixture
def folder(tmp_path):
    files = {"arrays.npz": ARRAYS, "notes.txt": lambda part: part.write_text("notes")}
    save_folder(tmp_path / "saved", "scorer", CONTENT, files)
    return tmp_path / "saved"


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_saved_folder_round_trip(folder):
    saved = load_folder(folder, "scorer")
    assert saved.content == CONTENT and saved.files == ("arrays.npz", "notes.txt")
    assert saved.versions["numpy"] == np.__version__
    np.testing.assert_array_equal(saved.arrays("arrays.npz")["vectors"], ARRAYS["vectors"])
    assert saved.path("notes.txt").read_text() == "notes"
    with pytest.raises(SavedFolderError, match=r"the manifest does not list other\.txt"):
        saved.path("other.txt")


def test_load_folder_of_a_missing_folder(tmp_path):
    with pytest.raises(PathNotFoundError, match=r"No saved scorer in .*absent"):
        load_folder(tmp_path / "absent", "scorer")


def test_load_folder_of_another_kind(folder):
    with pytest.raises(SavedFolderError, match="contains a saved scorer, expected a training run"):
        load_folder(folder, "training run")


def test_load_folder_detects_a_changed_file(folder):
    (folder / "notes.txt").write_text("changed")
    with pytest.raises(SavedFolderError, match=r"notes\.txt was changed"):
        load_folder(folder, "scorer")


def test_load_folder_detects_a_missing_file(folder):
    (folder / "notes.txt").unlink()
    with pytest.raises(SavedFolderError, match=r"notes\.txt is missing"):
        load_folder(folder, "scorer")


def test_load_folder_refuses_files_outside_the_folder(folder):
    (folder.parent / "secret").write_text("secret")
    edit_manifest(folder, files={"../secret": "0" * 64})
    with pytest.raises(SavedFolderError, match="secret is missing"):
        load_folder(folder, "scorer")


@pytest.mark.parametrize("text", ["not json", "[]", "{}", '{"format": 2, "kind": "scorer"}'])
def test_load_folder_refuses_a_damaged_manifest(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(SavedFolderError, match="not a manifest of a saved scorer"):
        load_folder(folder, "scorer")


@pytest.mark.parametrize("name", ["scorer.json", "configuration.json"])
def test_load_folder_refuses_a_folder_of_version_1(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(SavedFolderError, match="another version .* fit again and save"):
        load_folder(tmp_path, "scorer")


def test_load_folder_refuses_a_manifest_of_version_1(folder):
    edit_manifest(folder, format=1)
    with pytest.raises(SavedFolderError, match="another version"):
        load_folder(folder, "scorer")


def test_saved_arrays_refuse_objects(tmp_path):
    objects = {"names": np.array([{}], dtype=object)}
    save_folder(tmp_path, "scorer", {}, {"arrays.npz": objects})
    with pytest.raises(SavedFolderError, match=r"arrays\.npz: cannot be read \(Object arrays"):
        load_folder(tmp_path, "scorer").arrays("arrays.npz")


def test_saved_arrays_that_are_damaged(tmp_path):
    files = {"arrays.npz": lambda part: part.write_bytes(b"PK half of it")}
    save_folder(tmp_path, "scorer", {}, files)
    with pytest.raises(SavedFolderError, match=r"arrays\.npz: cannot be read"):
        load_folder(tmp_path, "scorer").arrays("arrays.npz")


def test_save_folder_that_fails_keeps_the_old_files(folder):
    def fail(part):
        part.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_folder(folder, "scorer", CONTENT, {"notes.txt": fail})
    assert load_folder(folder, "scorer").path("notes.txt").read_text() == "notes"


@pytest.mark.parametrize("manifest", ['{"name": "a web app"}', "[1]", "no JSON"])
def test_manifest_of_another_program_is_not_replaced(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match=r"manifest\.json that similarity_lab did not write"):
        save_folder(tmp_path, "scorer", CONTENT, {"arrays.npz": ARRAYS})
    assert (tmp_path / "manifest.json").read_text() == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_saved_folder_is_replaced(folder):
    save_folder(folder, "scorer", {"target": "dates"}, {"arrays.npz": ARRAYS})
    assert load_folder(folder, "scorer").content == {"target": "dates"}


def test_missing_folder_is_named_as_missing(tmp_path):
    with pytest.raises(PathNotFoundError, match="no such folder"):
        load_folder(tmp_path / "x", "scorer")
    with pytest.raises(PathNotFoundError, match=r"no manifest\.json"):
        load_folder(tmp_path, "scorer")
