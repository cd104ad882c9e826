"""`VectorStore`: round trips, damage, killed writers and concurrent ones."""

import copy
import hashlib
import itertools
import multiprocessing
import os
import signal
import sqlite3
import sys
import tempfile
import time
import warnings

import numpy as np
import pytest

from similarity_lab.embedders import CachedEmbedder
from similarity_lab.errors import StoreAccessError, StoreError, StoreWarning
from similarity_lab.store import VectorStore, cache_folder, nearest


def content(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def vector(number, dimension=16):
    return np.random.default_rng(number).normal(size=dimension).astype(np.float32)


def vectors_of(numbers):
    return {content(number): vector(number) for number in numbers}


@pytest.fixture
def store(tmp_path):
    return VectorStore(tmp_path / "store")


def test_get_by_embedder_and_content(store):
    assert store.get("a", [content(0)]) == {} and store.embedders() == {}
    assert not store.folder.exists()  # reading creates nothing
    assert store.put("a", vectors_of(range(1200)), {content(7): "shop/7.jpg"}) == 1200
    assert store.put("a", vectors_of([3, 1200])) == 1  # 3 is already stored
    store.put("b", {content(3): vector(4, dimension=5)})
    reopened = VectorStore(store.folder)
    vectors = reopened.get("a", [content(number) for number in range(2000)])
    assert vectors.keys() == {content(number) for number in range(1201)}
    for number in (0, 3, 777, 1200):
        np.testing.assert_array_equal(vectors[content(number)], vector(number))
    np.testing.assert_array_equal(reopened.get("b", [content(3)])[content(3)], vector(4, 5))
    assert reopened.get("c", [content(3)]) == {}
    assert reopened.embedders() == {"a": 1201, "b": 1}
    blocks = list(reopened.blocks("a", 500))
    assert [len(paths) for _, paths, _ in blocks] == [500, 500, 201]
    np.testing.assert_array_equal(blocks[1][2][0], vector(500))
    assert blocks[0][1][7] == "shop/7.jpg" == reopened.paths([blocks[0][0][7]])[0]


def test_put_invalid_vectors(store):
    with pytest.raises(ValueError, match="finite"):
        store.put("a", {content(0): np.array([np.nan], np.float32)})
    with pytest.raises(ValueError, match=r"one finite float32 vector per image, got \(1, 2\)"):
        store.put("a", {content(0): np.ones((1, 2), np.float32)})
    store.put("a", vectors_of([0]))
    with pytest.raises(ValueError, match="has vectors of 16 numbers"):
        store.put("a", vectors_of([1]) | {content(2): vector(2, 3)})
    assert store.embedders() == {"a": 1}  # nothing was written


@pytest.mark.parametrize("change", ["vector", "content", "path", "embedder", "length"])
def test_get_changed_row_is_an_error(store, change):
    store.put("a", vectors_of(range(3)), {content(1): "p"})
    store.put("b", vectors_of([9]))
    store.close()
    with sqlite3.connect(store.file) as connection:
        statement = {
            "vector": "UPDATE vectors SET vector = (SELECT vector FROM vectors WHERE id = 3)",
            "content": "UPDATE vectors SET content = zeroblob(32)",
            "path": "UPDATE vectors SET path = 'elsewhere'",
            "embedder": "UPDATE vectors SET embedder = 2",
            "length": "UPDATE vectors SET vector = zeroblob(8)",
        }[change]
        connection.execute(statement + " WHERE id = 1")
    with pytest.raises(StoreError, match="wrong checksum of .*; delete it"):
        list(store.blocks("b" if change == "embedder" else "a", 10))
    if change in ("vector", "path", "length"):
        with pytest.raises(StoreError, match="checksum"):
            store.get("a", [content(0)])


def test_file_of_another_program_is_refused(store):
    store.folder.mkdir()
    store.file.write_bytes(b"not a database at all, but text\n" * 200)
    with pytest.raises(StoreError, match="damaged or not a store"):
        store.get("a", [content(0)])
    store.file.unlink()
    with sqlite3.connect(store.file) as database:
        database.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(StoreError, match="database of another program"):
        store.put("a", vectors_of([0]))
    with sqlite3.connect(store.file) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


@pytest.mark.parametrize(("version", "writer"), [(1, "version 1"), (99, "a newer version")])
def test_store_of_another_version_is_refused(store, version, writer):
    store.put("a", vectors_of([0]))
    store.close()
    with sqlite3.connect(store.file) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(StoreError, match=f"written by {writer} .*vectors are computed again"):
        store.embedders()


def test_answers_by_question_and_pair(store):
    pairs = [(content(a), content(b)) for a in range(3) for b in range(a)]
    assert store.get_answers("copy?", pairs) == {}
    answers = {pair: number % 2 == 0 for number, pair in enumerate(pairs[:2])}
    store.put_answers("copy?", answers)
    store.put_answers("copy?", {pairs[0]: False})  # not replaced
    store.put_answers("other?", {pairs[0]: False})
    reopened = VectorStore(store.folder)
    assert reopened.get_answers("copy?", pairs) == answers
    assert reopened.get_answers("other?", pairs) == {pairs[0]: False}
    assert reopened.get_answers("copy?", [pairs[0][::-1]]) == {}
    assert reopened.embedders() == {}


def test_damaged_answer_is_an_error(store):
    pair = content(0), content(1)
    store.put_answers("copy?", {pair: True})
    store.close()
    with sqlite3.connect(store.file) as connection:
        connection.execute("UPDATE answers SET answer = 0")
    with pytest.raises(StoreError, match="wrong checksum of an answer"):
        store.get_answers("copy?", [pair])


def test_store_in_memory():
    store = VectorStore()
    assert store.is_empty and store.embedders() == {}
    store.put("a", vectors_of([0]))
    assert store.embedders() == {"a": 1} and len(store.get("a", [content(0)])) == 1
    assert copy.deepcopy(store).embedders() == {}  # a copy starts empty


def test_get_damaged_file_is_an_error(store):
    store.put("a", vectors_of(range(500)))
    store.close()
    data = bytearray(store.file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 5000] = b"\xa5" * 5000
    store.file.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        list(store.blocks("a", 100))
    store.close()
    store.file.write_bytes(data[: len(data) // 3])
    with pytest.raises(StoreError, match="damaged"):
        list(store.blocks("a", 100))


def _write_forever(folder, start, pipe):
    """Write batches of twenty; report the number of each to a pipe once it is stored."""
    store = VectorStore(folder)
    for number in itertools.count(start, 20):
        store.put("a", vectors_of(range(number, number + 20)))
        os.write(pipe, number.to_bytes(4, "big"))


def killed_writer(folder, start, seconds):
    """Let a process write for some time, then SIGKILL it; return the batches that it reported."""
    read_end, write_end = os.pipe()
    writer = multiprocessing.get_context("fork").Process(
        target=_write_forever, args=(folder, start, write_end)
    )
    writer.start()
    time.sleep(seconds)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        data = pipe.read()
    assert writer.exitcode == -signal.SIGKILL and len(data) % 4 == 0
    return np.frombuffer(data, ">i4").tolist()


def check_killed_writers(folder, attempts):
    """Kill writers at moments that differ from run to run, also while a store is created."""
    moments = np.random.default_rng().uniform(0, 0.08, attempts)
    reported = []
    for attempt, seconds in enumerate(moments):
        store_folder = folder / str(attempt % 3)
        batches = killed_writer(store_folder, 100_000 * attempt, seconds)
        store = VectorStore(store_folder)
        for number in batches:
            expected = vectors_of(range(number, number + 20))
            vectors = store.get("a", list(expected))
            assert all((vectors[key] == values).all() for key, values in expected.items()), moments
        count = sum(len(numbers) for numbers, _, _ in store.blocks("a", 1000))
        assert count % 20 == 0, "a batch is stored as a whole or not at all"
        assert store.put(f"after {attempt}", vectors_of([1])) == 1
        reported += batches
        store.close()
    return reported


def test_put_of_killed_writers_is_atomic(tmp_path):
    check_killed_writers(tmp_path, 8)


@pytest.mark.slow
def test_put_of_two_hundred_killed_writers_is_atomic(tmp_path):
    assert len(check_killed_writers(tmp_path, 200)) > 100


def _write(folder, start):
    store = VectorStore(folder)
    for number in range(start, start + 200, 10):
        store.put("a", vectors_of(range(number, number + 10)))


def test_put_from_two_processes(store):
    context = multiprocessing.get_context("fork")
    store.put("a", vectors_of([0]))  # an open connection that the children must not use
    writers = [
        context.Process(target=_write, args=(store.folder, start)) for start in (0, 100, 100)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    vectors = store.get("a", [content(number) for number in range(300)])
    assert len(vectors) == 300 == store.embedders()["a"]
    np.testing.assert_array_equal(vectors[content(299)], vector(299))


def test_store_copy_opens_the_same_folder(store):
    store.put("a", vectors_of([0]))
    assert copy.deepcopy(store).get("a", [content(0)]).keys() == {content(0)}
    assert VectorStore.of(store) is store and VectorStore.of(str(store.folder)).file == store.file


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SIMILARITY_LAB_CACHE", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c"
    monkeypatch.delenv("SIMILARITY_LAB_CACHE")
    assert cache_folder().name == "similarity_lab"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # a user without a home folder
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() is None


def test_folder_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(StoreAccessError, match="--no-store"):
        VectorStore(tmp_path / "file" / "store").put("e", {"ab" * 32: np.zeros(2, np.float32)})


@pytest.fixture
def frozen(tmp_path):
    """Return a store with a vector that nobody has permission to write."""
    store = VectorStore(tmp_path / "store")
    store.put("a", vectors_of([0]))
    store.close()
    for path in (*store.folder.iterdir(), store.folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield store
    store.folder.chmod(0o755)


def in_child(function, queue):
    if os.getuid() == 0:  # root may write everywhere
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        queue.put(function())
    except BaseException as error:
        queue.put(repr(error))


def as_nobody(function):
    """Return the result of a function, called in a process without permission to write."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_child, args=(function, queue))
    child.start()
    result = queue.get(timeout=60)
    child.join()
    return result


@pytest.fixture
def open_path(tmp_path):
    """Let other users reach `tmp_path`."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | 0o711)


@pytest.mark.skipif(sys.platform != "linux", reason="forks and changes the user")
def test_read_only_store_can_be_read(frozen, open_path):
    def read_and_write():
        store = VectorStore(frozen.folder)
        found = nearest(store, "a", vector(0)[None]).shape, store.get("a", [content(0), content(1)])
        try:
            store.put("a", vectors_of([1]))
        except StoreAccessError as error:
            return store.embedders(), *found, str(error)

    embedders, shape, vectors, error = as_nobody(read_and_write)
    assert embedders == {"a": 1} and shape == (1, 4) and "read-only" in error
    np.testing.assert_array_equal(vectors[content(0)], vector(0))


@pytest.mark.skipif(sys.platform != "linux", reason="forks and changes the user")
def test_home_that_cannot_be_written(tmp_path, open_path, stub, make_image):
    (tmp_path / "home").mkdir(mode=0o555)
    image = np.asarray(make_image((1, 2, 3)))

    def embed():
        cached = CachedEmbedder(stub, tmp_path / "home" / ".cache" / "similarity_lab")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            shapes = [cached.embed([image], progress=False).vectors.shape for _ in range(3)]
        return shapes, [str(warning.message) for warning in caught]

    shapes, messages = as_nobody(embed)
    assert shapes == [(1, 3)] * 3 and len(messages) == 1
    assert "cannot be created as the folder of a store (Permission denied)" in messages[0]


@pytest.mark.parametrize("problem", ["folder", "disk"])
def test_cache_goes_on_without_a_store_that_cannot_be_written(
    tmp_path, monkeypatch, stub, make_image, problem
):
    folder = tmp_path / "store"
    if problem == "folder":
        folder.write_text("a file where the folder should be")
    else:
        real = sqlite3.connect

        def full(database, **options):
            connection = real(database, **options)
            if database != ":memory:":
                connection.execute("PRAGMA max_page_count = 7")
            return connection

        monkeypatch.setattr(sqlite3, "connect", full)
    images = [np.asarray(make_image((1, 2, 3), seed=seed)) for seed in range(300)]
    cached = CachedEmbedder(stub, folder)
    with pytest.warns(StoreWarning, match="not stored, only kept in memory") as caught:
        embedded = cached.embed(images, progress=False)
    assert len(caught) == 1 and len(embedded.vectors) == 300
    monkeypatch.undo()
    monkeypatch.setattr(stub, "embed", None)  # everything is in memory now
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        repeated = cached.embed(images, progress=False)
    np.testing.assert_array_equal(repeated.vectors, embedded.vectors)


def test_damage_is_not_a_matter_of_access(store):
    store.put("a", vectors_of([0]))
    store.close()
    with sqlite3.connect(store.file) as connection:
        connection.execute("DROP TABLE vectors")
    with pytest.raises(StoreError, match="damaged") as caught:
        store.get("a", [content(0)])
    assert not isinstance(caught.value, StoreAccessError)
