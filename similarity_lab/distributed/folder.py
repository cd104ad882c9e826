"""The folder of a distributed run, on any file system that fsspec knows.

::

    <out>/
        run.json             manifest: versions, settings, skipped files, partitions, failures
        list.parquet         the websites: position, name, url, partition
        sites/000012.parquet       a row per site and target
        images/000012.parquet      a row per image and target
        pages/000012.parquet       a row per page that was requested
        vectors/000012.parquet     a row per distinct image: content, vector
        thumbnails/000012.parquet  a row per image that was decoded
        logs/000012.jsonl          a line per site: when, where, how it ended
        done/000012.json     marker: written last, with row counts and checksums
        sites.csv            all sites and targets, ranked

A partition counts as finished only if its marker names its sites and the checksums of its files.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, cast

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from similarity_lab._threads import in_order
from similarity_lab.distributed.partitions import Partition
from similarity_lab.errors import InputError, SimilarityLabError, one_line
from similarity_lab.files import atomic_write

TABLES = ("sites", "images", "pages", "vectors", "thumbnails")
MANIFEST, LIST, MARKERS, LOGS = "run.json", "list.parquet", "done", "logs"
FORMAT = 1
_BLOCK = 2**20  # bytes
# Columns of sites of which a partition may have no value
_TEXTS = ["decision", "criterion", "reason", "reason_code", "url", "crawl_status"]
_NUMBERS = [
    "probability", "offered", "image_evidence", "word_evidence", "share", "share_low",
    "share_high", "similarity_threshold", "relevance_threshold", "prior",
]  # fmt: skip
READERS = 8  # threads; remote file systems answer slowly


class RunFolder:
    """Reads and writes the files of a run; a copy in another process does the same.

    Parameters
    ----------
    url : str or path
        A folder, or a URL of fsspec such as ``s3://bucket/run``.
    """

    def __init__(self, url: str | PathLike[str]) -> None:
        self.url = str(url)
        try:
            self.files, root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:  # a protocol whose package is not installed
            raise InputError(f"{self.url}: cannot be opened: {error}") from error
        self.is_local = isinstance(self.files, LocalFileSystem)
        self.root = str(root).rstrip("/")
        if not self.root:
            raise InputError(f"{self.url}: names no folder; expected one such as s3://bucket/run")

    def __str__(self) -> str:
        return self.url

    def path(self, name: str) -> str:
        """Return the path of a file on the file system."""
        return f"{self.root}/{name}"

    def is_empty(self) -> bool:
        """Tell whether there is nothing in the folder; hidden files do not count."""
        with self._access("read"):
            try:
                paths = self.files.ls(self.root, detail=False, refresh=True)
            except FileNotFoundError:
                return True
            names = [path.rstrip("/").rpartition("/")[2] for path in paths]
            return all(name.startswith(".") for name in names)

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        with self._access("read"):
            return cast(bytes, self.files.cat_file(self.path(name)))

    def write(self, name: str, data: bytes) -> None:
        """Write a file; readers see all of it or none."""
        path = self.path(name)
        with self._access("written"):
            try:
                self._write(path, data)
            except FileNotFoundError as error:
                hint = "" if path.startswith("/") else "; create the bucket first"
                raise InputError(
                    f"{self.url}: cannot be written: {one_line(error)}{hint}"
                ) from error

    def _write(self, path: str, data: bytes) -> None:
        if self.is_local:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            # several processes may write a partition, if one was taken for lost
            with atomic_write(Path(path), writer=f"{platform.node()}-{os.getpid()}") as part:
                part.write_bytes(data)
            return
        if path.startswith("/"):
            self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
        # A bucket has no folders, and `makedirs` would create a bucket for a mistyped name.
        # Object stores show an object only once it is complete.
        self.files.pipe_file(path, data)

    @contextmanager
    def _access(self, verb: str) -> Iterator[None]:
        """Raise `InputError` with the reason if the file system fails."""
        try:
            yield
        except (FileNotFoundError, SimilarityLabError):
            raise
        except Exception as error:  # file systems raise errors of their own
            reason = getattr(error, "strerror", None) or one_line(error)
            raise InputError(f"{self.url}: cannot be {verb}: {reason}") from error

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON object; None if there is none, or it is damaged."""
        try:
            data = self.read(name)
        except FileNotFoundError:
            return None
        try:
            content = json.loads(data)
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON object."""
        self.write(name, json.dumps(content, indent=1).encode() + b"\n")

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table, or some of its columns."""
        with self._access("read"), self.files.open(self.path(name), "rb") as file:
            return pq.read_table(file, columns=columns)

    def write_table(self, name: str, table: pa.Table) -> bytes:
        """Write a table; return the content of the file."""
        buffer = io.BytesIO()
        # a dictionary of vectors or images would only add to them
        texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
        pq.write_table(table, buffer, compression="zstd", use_dictionary=texts)
        self.write(name, buffer.getvalue())
        return buffer.getvalue()

    def write_partition(
        self,
        partition: Partition,
        tables: Mapping[str, pa.Table],
        log: Iterable[Mapping[str, Any]],
        counts: Mapping[str, Any],
    ) -> None:
        """Write the tables of a partition, its log, and then its marker.

        Parameters
        ----------
        partition : Partition
        tables : mapping of str to Table
            By the names in `TABLES`.
        log : iterable of mapping
            A line per site.
        counts : mapping
            What `similarity_lab.distributed.read_status` adds up.
        """
        written = {}
        for kind, table in tables.items():
            name = table_name(kind, partition.name)
            data = self.write_table(name, table)
            written[name] = {
                "rows": table.num_rows,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        lines = "".join(json.dumps(line) + "\n" for line in log)
        self.write(f"{LOGS}/{partition.name}.jsonl", lines.encode())
        marker = {"format": FORMAT, "sites": partition.digest, "files": written, **counts}
        self.write_json(marker_name(partition.name), marker)

    def finished(self, partitions: Sequence[Partition]) -> dict[str, dict[str, Any]]:
        """Return the markers of the partitions that are complete and undamaged, by name.

        Every byte of their tables is read.
        """
        names = self.marker_names()
        known = [partition for partition in partitions if partition.name in names]
        markers = in_order(self._valid_marker, known, workers=READERS)
        pairs = zip(known, markers, strict=True)
        return {partition.name: marker for partition, marker in pairs if marker}

    def markers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the name and the marker of each partition that has one; no table is checked."""
        names = sorted(self.marker_names())
        for name, marker in zip(names, in_order(self.marker, names, workers=READERS), strict=True):
            if marker is not None:
                yield name, marker

    def marker(self, name: str) -> dict[str, Any] | None:
        """Return the marker of a partition; None if there is none, or it is damaged."""
        return self.read_json(marker_name(name))

    def marker_names(self) -> set[str]:
        """Return the names of the partitions that have a marker, which may be damaged."""
        with self._access("read"):
            try:
                paths = self.files.ls(self.path(MARKERS), detail=False, refresh=True)
            except FileNotFoundError:
                return set()
        return {Path(path).stem for path in paths if path.endswith(".json")}

    def _valid_marker(self, partition: Partition) -> dict[str, Any] | None:
        marker = self.marker(partition.name)
        if marker is None or marker.get("sites") != partition.digest:
            return None
        try:
            files = marker["files"].items()
            is_whole = all(self._digest(name) == file["sha256"] for name, file in files)
        except (FileNotFoundError, KeyError, TypeError, AttributeError):
            return None
        return marker if is_whole else None

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with (
            self._access("read"),
            self.files.open(self.path(name), "rb", block_size=_BLOCK) as file,
        ):
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()


def utc_now() -> str:
    """Return the time as manifest, markers and logs have it: ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def table_name(kind: str, partition: str) -> str:
    """Return the name of a table's file.

    Examples
    --------
    >>> table_name("images", "000012")
    'images/000012.parquet'
    """
    return f"{kind}/{partition}.parquet"


def marker_name(partition: str) -> str:
    """Return the name of a marker's file."""
    return f"{MARKERS}/{partition}.json"


def as_arrow(table: pd.DataFrame) -> pa.Table:
    """Return a table for Parquet, whose columns have the same types in every partition."""
    numbers = [name for name in _NUMBERS if name in table]
    typed = table.astype(dict.fromkeys(numbers, "float64"))
    for name in set(_TEXTS) & set(table):
        typed[name] = table[name].astype(object).where(table[name].notna(), None)
    arrow = pa.Table.from_pandas(typed, preserve_index=False)
    fields = [_typed(field) for field in arrow.schema]
    return arrow.cast(pa.schema(fields, arrow.schema.metadata))


def _typed(field: pa.Field) -> pa.Field:
    """Return the field of a column; one without any value is text."""
    is_text = pa.types.is_null(field.type) or pa.types.is_large_string(field.type)
    return field.with_type(pa.string()) if is_text else field
