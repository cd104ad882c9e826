"""`VectorStore`: vectors in one SQLite file, by embedder and content; answers, by pair of contents.

SQLite's write-ahead log makes it safe to kill a writer at any moment and to write from several
processes at once. Every row has a checksum of all its fields, verified on each read. A store on a
read-only disk, or without permission to write, can be read.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_dir

from similarity_lab.errors import InputError, InputTypeError, StoreAccessError, StoreError

Vectors = npt.NDArray[np.float32]
"""Embeddings, shape (n, dimension)."""

Pair = tuple[str, str]
"""SHA-256 of the bytes of two images, hexadecimal."""

_FILE = "vectors.sqlite3"
_APPLICATION, _FORMAT = 0x53494D4C, 2  # "SIML"; 1: version 1 of this package
_PAGE = 2**14  # bytes; three vectors of 1,280 numbers fill one
_CONTENTS_PER_QUERY = 500  # SQLite limits the number of parameters
_PATH_CODEC = "utf-8", "surrogateescape"  # paths may contain bytes that are not text
_TIMEOUT = 60  # seconds to wait for another process to finish writing
_NOT_ACCESS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_INTERNAL, sqlite3.SQLITE_MISUSE}
_SCHEMA = """
CREATE TABLE store (identity TEXT NOT NULL);
INSERT INTO store VALUES (hex(randomblob(16)));
CREATE TABLE embedders (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY, embedder INTEGER NOT NULL REFERENCES embedders(id),
    content BLOB NOT NULL, vector BLOB NOT NULL, path TEXT NOT NULL, checksum BLOB NOT NULL,
    UNIQUE (embedder, content));
"""
_ANSWERS = """
CREATE TABLE IF NOT EXISTS answers (
    question TEXT NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL, answer INTEGER NOT NULL,
    checksum BLOB NOT NULL, PRIMARY KEY (question, first, second)) WITHOUT ROWID
"""


class VectorStore:
    """Vectors by embedder and content, and answers to questions about pairs of images.

    A vector is stored under the name of its embedder and the SHA-256 of its image. The file holds
    vectors and the path at which each image was first seen, but no images. It must be on a local
    disk, which SQLite's log requires.

    Parameters
    ----------
    folder : path, optional
        Created at the first write. Default: in memory, for as long as this object exists; a copy
        starts empty.

    Examples
    --------
    >>> import tempfile
    >>> store = VectorStore(tempfile.mkdtemp())
    >>> content = "ab" * 32
    >>> store.put("some embedder", {content: np.array([1, 2], np.float32)})
    1
    >>> store.get("some embedder", [content, "cd" * 32])
    {'abab...abab': array([1., 2.], dtype=float32)}
    """

    def __init__(self, folder: str | PathLike[str] | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.file = None if self.folder is None else self.folder / _FILE
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_read_only = False
        self._process = os.getpid()

    @classmethod
    def of(cls, source: StoreSource) -> VectorStore:
        """Return a store unchanged, or the store in a folder."""
        if isinstance(source, VectorStore):
            return source
        if not isinstance(source, (str, PathLike)):
            raise InputTypeError(f"expected a VectorStore or a folder, got {source!r}")
        return cls(source)

    def __reduce__(self) -> tuple[type, tuple[Path | None]]:
        return VectorStore, (self.folder,)  # a copy opens its own connection

    def __repr__(self) -> str:
        return f"VectorStore({'' if self.folder is None else repr(str(self.folder))})"

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been written yet."""
        # os.path: a folder without permission is as good as none
        return self._connection is None if self.file is None else not os.path.exists(self.file)

    def __str__(self) -> str:
        return "the store in memory" if self.file is None else str(self.file)

    def close(self) -> None:
        """Close the file; the next access opens it again. A store in memory is lost."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def get(self, embedder: str, contents: Sequence[str]) -> dict[str, Vectors]:
        """Return the stored vectors of these contents, by content.

        Parameters
        ----------
        embedder : str
            Name of the embedder.
        contents : sequence of str
            SHA-256 of each image's bytes, hexadecimal.

        Raises
        ------
        StoreError
            A checksum is wrong, the file is damaged, or another version wrote it.
        StoreAccessError
            The file cannot be read.
        """
        vectors: dict[str, Vectors] = {}
        if self.is_empty:
            return vectors
        with self._open() as connection:
            number, dimension = self._embedder(connection, embedder)
            for start in range(0, len(contents), _CONTENTS_PER_QUERY):
                block = contents[start : start + _CONTENTS_PER_QUERY]
                digests = [bytes.fromhex(content) for content in block]
                placeholders = ",".join("?" * len(digests))
                rows = connection.execute(
                    "SELECT content, vector, path, checksum FROM vectors"  # noqa: S608
                    f" WHERE embedder = ? AND content IN ({placeholders})",
                    [number, *digests],
                )
                for row in rows:
                    vectors[row[0].hex()] = self._checked(embedder, dimension, *row)
        return vectors

    def put(
        self,
        embedder: str,
        vectors: Mapping[str, Vectors],
        paths: Mapping[str, str] | None = None,
    ) -> int:
        """Store vectors in one transaction and return how many were new.

        A vector that is already stored is not replaced.

        Parameters
        ----------
        embedder : str
        vectors : mapping of content to ndarray of float32, shape (dimension,)
        paths : mapping of content to str, optional
            Where the images were seen; `nearest` returns it.

        Raises
        ------
        InputError
            A vector is not finite, not one-dimensional, or of another dimension than the
            embedder's stored ones.
        StoreAccessError
            The store cannot be written.
        """
        rows = []
        for content, vector in vectors.items():
            values = np.ascontiguousarray(vector, "<f4")
            if values.ndim != 1 or not np.isfinite(values).all():
                raise InputError(
                    f"expected one finite float32 vector per image, got {values.shape}"
                )
            path, raw = (paths or {}).get(content, ""), values.tobytes()
            digest = bytes.fromhex(content)
            checksum = _checksum(embedder, digest, raw, path)
            rows.append((digest, raw, path.encode(*_PATH_CODEC), checksum))
        if not rows:
            return 0
        dimension = len(rows[0][1]) // 4
        with self._open() as connection, connection:
            if self._is_read_only:
                raise StoreAccessError(f"{self} cannot be written: it is read-only here")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT OR IGNORE INTO embedders (name, dimension) VALUES (?, ?)",
                (embedder, dimension),
            )
            number, length = self._embedder(connection, embedder)
            if any(len(raw) != 4 * length for _, raw, _, _ in rows):
                raise InputError(f"{embedder!r} has vectors of {length} numbers in {self}")
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO vectors (embedder, content, vector, path, checksum)"
                " VALUES (?, ?, ?, CAST(? AS TEXT), ?)",
                [(number, *row) for row in rows],
            )
            return connection.total_changes - before

    def get_answers(self, question: str, pairs: Sequence[Pair]) -> dict[Pair, bool]:
        """Return the stored answers to a question about pairs of images.

        Parameters
        ----------
        question : str
            Names what was asked, and how it was answered.
        pairs : sequence of (content, content)

        Raises
        ------
        StoreError, StoreAccessError
            As of `get`.
        """
        answers: dict[Pair, bool] = {}
        if self.is_empty:
            return answers
        query = (
            "SELECT answer, checksum FROM answers WHERE question = ? AND first = ? AND second = ?"
        )
        with self._open() as connection:
            if not _has_answers(connection):
                return answers
            for pair in pairs:
                first, second = map(bytes.fromhex, pair)
                row = connection.execute(query, (question, first, second)).fetchone()
                if row is None:
                    continue
                answer, checksum = row
                if _checksum(question, first + second, b"%d" % answer, "") != checksum:
                    raise StoreError(
                        f"{self} is damaged: wrong checksum of an answer; delete it: vectors are "
                        "computed again"
                    )
                answers[pair] = bool(answer)
        return answers

    def put_answers(self, question: str, answers: Mapping[Pair, bool]) -> None:
        """Store answers in one transaction; an answer that is already stored is not replaced.

        Raises
        ------
        StoreAccessError
            The store cannot be written.
        """
        rows = []
        for pair, answer in answers.items():
            first, second = map(bytes.fromhex, pair)
            checksum = _checksum(question, first + second, b"%d" % answer, "")
            rows.append((question, first, second, int(answer), checksum))
        if not rows:
            return
        with self._open() as connection, connection:
            if self._is_read_only:
                raise StoreAccessError(f"{self} cannot be written: it is read-only here")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_ANSWERS)
            connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", rows)

    def identity(self) -> str:
        """Return the random identifier of this store, by which its indexes are recognised."""
        with self._open() as connection:
            return str(connection.execute("SELECT identity FROM store").fetchone()[0])

    def embedders(self) -> dict[str, int]:
        """Return the number of vectors of each embedder."""
        if self.is_empty:
            return {}
        with self._open() as connection:
            return dict(
                connection.execute(
                    "SELECT name, count(*) FROM vectors JOIN embedders"
                    " ON embedders.id = vectors.embedder GROUP BY name ORDER BY name"
                )
            )

    def blocks(
        self, embedder: str, size: int, *, after: int = 0
    ) -> Iterator[tuple[npt.NDArray[np.int64], list[str], Vectors]]:
        """Yield ``(row numbers, paths, vectors (b, dimension))`` of all vectors, in row order."""
        while not self.is_empty:
            with self._open() as connection:
                number, dimension = self._embedder(connection, embedder)
                rows = connection.execute(
                    # in file order: SQLite would otherwise use the index on contents and sort
                    "SELECT id, content, vector, path, checksum FROM vectors NOT INDEXED"
                    " WHERE embedder = ? AND id > ? ORDER BY id LIMIT ?",
                    (number, after, size),
                ).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            vectors = np.stack([self._checked(embedder, dimension, *row[1:]) for row in rows])
            yield np.array([row[0] for row in rows]), [row[3] for row in rows], vectors

    def rows(self, embedder: str, numbers: Sequence[int]) -> Vectors:
        """Return the vectors ``(n, dimension)`` of an embedder in these rows, in this order."""
        query = "SELECT content, vector, path, checksum FROM vectors WHERE id = ? AND embedder = ?"
        with self._open() as connection:
            number, dimension = self._embedder(connection, embedder)
            rows = [connection.execute(query, (int(row), number)).fetchone() for row in numbers]
        return np.stack([self._checked(embedder, dimension, *row) for row in rows])

    def paths(self, rows: Sequence[int]) -> list[str]:
        """Return the paths in these rows, in this order."""
        with self._open() as connection:
            query = "SELECT path FROM vectors WHERE id = ?"
            return [connection.execute(query, (int(row),)).fetchone()[0] for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None or self._process != os.getpid():
                    self._connection, self._process = self._connected(), os.getpid()
                yield self._connection
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and _is_access(error):
                    raise StoreAccessError(f"{self} cannot be accessed: {error}") from error
                raise StoreError(
                    f"{self} is damaged or not a store ({error}); delete it: vectors are "
                    "computed again"
                ) from error

    def _connected(self) -> sqlite3.Connection:
        self._is_read_only = False
        if self.file is None or self.folder is None:
            return self._connect(":memory:")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreAccessError(
                f"{self.folder}: cannot be created as the folder of a store ({error.strerror}); "
                "choose another one, or none (--no-store)"
            ) from error
        try:
            return self._connect(str(self.file))
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if is_busy or not _is_access(error) or not os.path.exists(self.file):
                raise
        self._is_read_only = True
        uri = f"{self.file.resolve().as_uri()}?mode=ro"
        try:
            return self._connect(uri)
        except sqlite3.OperationalError:  # the log cannot be opened: read what is in the file
            return self._connect(f"{uri}&immutable=1")

    def _connect(self, database: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            database,
            timeout=_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
            uri=self._is_read_only,
        )
        connection.text_factory = lambda data: data.decode(*_PATH_CODEC)
        try:
            if self._is_read_only:
                self._check_format(connection)
                return connection
            connection.execute(f"PRAGMA page_size = {_PAGE}")  # of a new file
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                self._check_format(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_format(self, connection: sqlite3.Connection) -> None:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not tables and not application and not self._is_read_only:
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
        elif application != _APPLICATION:
            raise StoreError(f"{self} is a database of another program; choose another folder")
        elif version != _FORMAT:
            raise StoreError(
                f"{self} was written by "
                f"{'version 1' if version < _FORMAT else 'a newer version'} of similarity_lab "
                f"(store format {version}, expected {_FORMAT}); delete it or choose another "
                "folder: vectors are computed again"
            )

    @staticmethod
    def _embedder(connection: sqlite3.Connection, name: str) -> tuple[int, int]:
        """Return the row id and the dimension of an embedder; zeros if it is unknown."""
        row = connection.execute("SELECT id, dimension FROM embedders WHERE name = ?", (name,))
        return row.fetchone() or (0, 0)

    def _checked(
        self, embedder: str, dimension: int, content: bytes, raw: bytes, path: str, checksum: bytes
    ) -> Vectors:
        if len(raw) != 4 * dimension or _checksum(embedder, content, raw, path) != checksum:
            raise StoreError(
                f"{self} is damaged: wrong checksum of {path or content.hex()}; delete it: "
                "vectors are computed again"
            )
        return np.frombuffer(raw, "<f4").astype(np.float32, copy=False)


def unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Return vectors ``(n, d)`` scaled to unit length, float32; zero vectors stay zero.

    Examples
    --------
    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0).astype(
        np.float32
    )


StoreSource = VectorStore | str | PathLike[str]
"""A store, or the folder of one."""


def cache_folder() -> Path | None:
    """Return the default store of commands: SIMILARITY_LAB_CACHE or the user's cache folder.

    Returns
    -------
    Path or None
        None for a user without a home folder, as in some containers.
    """
    try:
        folder = os.environ.get("SIMILARITY_LAB_CACHE") or user_cache_dir("similarity_lab")
    except RuntimeError:
        return None
    return None if folder.startswith("~") else Path(folder)


def _has_answers(connection: sqlite3.Connection) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = 'answers'"
    return bool(connection.execute(query).fetchone()[0])


def _is_access(error: sqlite3.OperationalError) -> bool:
    """Tell whether an error is about access to the file rather than about its content."""
    return error.sqlite_errorcode & 0xFF not in _NOT_ACCESS


def _checksum(embedder: str, content: bytes, raw: bytes, path: str) -> bytes:
    digest = hashlib.blake2b(content, digest_size=8)
    for part in (embedder.encode(), path.encode(*_PATH_CODEC), raw):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()
