import os

import pytest

from similarity_lab.files import existing_folder, list_files, part_of, whole


def names(folder, files):
    return [path.relative_to(folder).as_posix() for path in files]


def test_listing_is_sorted_and_nested(tmp_path):
    for name in ("b/2.jpg", "b/10.jpg", "a/z/1.jpg", "Ä.jpg", "a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files, skipped = list_files(tmp_path)
    assert names(tmp_path, files) == ["a/z/1.jpg", "a.jpg", "b/10.jpg", "b/2.jpg", "Ä.jpg"]
    assert skipped == []


def test_link_loops_end_and_are_listed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "1.jpg").touch()
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "a link").symlink_to(tmp_path / "real")
    files, skipped = list_files(tmp_path)
    assert names(tmp_path, files) == ["real/1.jpg"]
    assert [reason for _, reason in skipped] == ["a link to a folder that is listed already"] * 2


def test_links_elsewhere_are_followed_once(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").touch()
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "dangling.jpg").symlink_to(tmp_path / "nothing")
    files, skipped = list_files(tmp_path / "root")
    assert names(tmp_path / "root", files) == ["dangling.jpg", "link/1.jpg"]
    assert len(skipped) == 1


def test_folder_without_permission_is_listed(tmp_path, monkeypatch):
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


def test_existing_folder_says_what_is_there(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="no such folder; expected photos"):
        existing_folder(tmp_path / "absent", "photos")
    with pytest.raises(NotADirectoryError, match="is a file; expected photos"):
        existing_folder(tmp_path / "file", "photos")


def test_a_file_is_there_whole_or_as_it_was(tmp_path):
    file = tmp_path / "numbers.npz"
    file.write_text("before")
    with pytest.raises(KeyboardInterrupt), whole(file) as part:
        part.write_text("half of it")
        assert part.suffix == ".npz" and file.read_text() == "before"
        raise KeyboardInterrupt
    assert file.read_text() == "before" and os.listdir(tmp_path) == ["numbers.npz"]
    part_of(file).write_text("left by one who was killed")
    with whole(file) as part:
        part.write_text("all of it")
    assert file.read_text() == "all of it" and os.listdir(tmp_path) == ["numbers.npz"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    file = tmp_path / "picture.jpg"
    with whole(file, writer=1) as one, whole(file, writer=2) as two:
        one.write_text("a picture")
        two.write_text("a picture")
    assert file.read_text() == "a picture" and os.listdir(tmp_path) == ["picture.jpg"]
