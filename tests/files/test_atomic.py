import os

import pytest

from similarity_lab.files import atomic_write, part_path


def test_atomic_write_replaces_the_file_on_success(tmp_path):
    file = tmp_path / "numbers.npz"
    file.write_text("old")
    with atomic_write(file) as part:
        part.write_text("new")
        assert part.suffix == ".npz" and file.read_text() == "old"
    assert file.read_text() == "new" and os.listdir(tmp_path) == ["numbers.npz"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_write_keeps_the_old_file_on_error(tmp_path, error):
    file = tmp_path / "numbers.npz"
    file.write_text("old")
    with pytest.raises(error), atomic_write(file) as part:
        part.write_text("half")
        raise error
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["numbers.npz"]


def test_atomic_write_overwrites_the_part_of_a_killed_process(tmp_path):
    file = tmp_path / "numbers.npz"
    part_path(file).write_text("half")
    with atomic_write(file) as part:
        part.write_text("new")
    assert file.read_text() == "new" and os.listdir(tmp_path) == ["numbers.npz"]


def test_atomic_write_by_two_writers_at_once(tmp_path):
    file = tmp_path / "image.jpg"
    with atomic_write(file, writer=1) as part, atomic_write(file, writer=2) as other_part:
        part.write_text("an image")
        other_part.write_text("an image")
    assert file.read_text() == "an image" and os.listdir(tmp_path) == ["image.jpg"]


def test_atomic_write_to_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as part:
        part.write_text("text")
    assert os.read(reader, 9) == b"text" and pipe.is_fifo()
    os.close(reader)
