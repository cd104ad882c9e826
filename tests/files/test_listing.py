import os

import pytest

from similarity_lab.files import existing_folder, list_files, skipped_table
from similarity_lab.files.listing import count_lost


def names(folder, files):
    return [path.relative_to(folder).as_posix() for path in files]


def test_list_files_is_sorted_and_recursive(tmp_path):
    for name in ("b/2.jpg", "b/10.jpg", "a/z/1.jpg", "Ä.jpg", "a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files, skipped = list_files(tmp_path)
    assert names(tmp_path, files) == ["a/z/1.jpg", "a.jpg", "b/10.jpg", "b/2.jpg", "Ä.jpg"]
    assert skipped == []


def test_list_files_skips_a_loop_of_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.jpg").touch()
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "a link").symlink_to(tmp_path / "real")
    files, skipped = list_files(tmp_path)
    assert names(tmp_path, files) == ["real/1.jpg"]
    assert [reason for _, reason in skipped] == ["link to a folder that is already listed"] * 2


def test_list_files_follows_a_link_to_outside_once(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").touch()
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "dangling.jpg").symlink_to(tmp_path / "nothing")
    files, skipped = list_files(tmp_path / "root")
    assert names(tmp_path / "root", files) == ["dangling.jpg", "link/1.jpg"]
    assert len(skipped) == 1


def test_list_files_skips_an_unreadable_folder(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.jpg").touch()
    (tmp_path / "closed").chmod(0)
    real = os.scandir

    def scandir(path):  # root may enter everything, so refuse here
        if os.path.basename(path) == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    files, skipped = list_files(tmp_path)
    (tmp_path / "closed").chmod(0o755)
    assert names(tmp_path, files) == ["open.jpg"]
    assert skipped == [(str(tmp_path / "closed"), "cannot be read: permission denied")]


def test_existing_folder_errors(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="no such folder; expected photos"):
        existing_folder(tmp_path / "absent", "photos")
    with pytest.raises(FileNotFoundError, match="Did you mean 'file'"):
        existing_folder(tmp_path / "files", "photos")
    with pytest.raises(NotADirectoryError, match="is a file; expected photos"):
        existing_folder(tmp_path / "file", "photos")


def test_count_lost_counts_no_system_files(tmp_path):
    for name in (".DS_Store", "Thumbs.db", ".private.jpg", "@eaDir/1.jpg", "a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "old.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    _, skipped = list_files(tmp_path)
    assert len(skipped) == 6 and count_lost(skipped_table(skipped)) == 1  # the archive
    assert count_lost(skipped_table([("a.jpg", "damaged"), ("b.jpg", "no such file")])) == 2
    assert count_lost(skipped_table([])) == 0
