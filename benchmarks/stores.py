"""Compare stores of vectors: the package's (SQLite), LanceDB, Parquet, usearch, FAISS.

    python -m benchmarks.speed_peers        # builds the environment and runs this in it

Synthetic vectors in clusters, like those of images. Vectors are put in batches of 128, as the
package does; get reads 40 by key from a newly opened store; nearest finds the five nearest of one
vector in an open store, exactly unless its name says otherwise.
"""

# ruff: noqa: D102 - the docstring above describes the methods of every store
import argparse
import hashlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

DIMENSION, BATCH, N_KEYS, NEAREST = 1280, 128, 40, 5
QUERIES, MANY = 20, 10_000  # fewer among many, where exact ones take seconds


def clustered(count: int, seed: int) -> np.ndarray:
    """Return unit vectors around a thousand centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(1000, DIMENSION)).astype(np.float32)
    vectors = np.empty((count, DIMENSION), np.float32)
    for at in range(0, count, 10_000):
        part = vectors[at : at + 10_000]
        part[:] = centres[rng.integers(0, len(centres), len(part))]
        part += rng.normal(size=part.shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def key(number: int) -> str:
    """Return the content digest of a made-up photo."""
    return hashlib.sha256(str(number).encode()).hexdigest()


class Sqlite:
    """The package's own store; nearest reads and checks every row."""

    def __init__(self, folder: Path) -> None:
        from similarity_lab.store import VectorStore

        self.store = VectorStore(folder)

    def put(self, keys: list[str], vectors: np.ndarray) -> None:
        self.store.put("e", dict(zip(keys, vectors, strict=True)))

    def get(self, keys: list[str]) -> int:
        return len(self.store.get("e", keys))

    def nearest(self, query: np.ndarray) -> list[int]:
        from similarity_lab.store.search import search_exactly

        rows, _ = search_exactly(self.store, "e", query[None], NEAREST)
        return (rows[0] - 1).tolist()


class SqliteIndexed(Sqlite):
    """The same with the package's index (usearch)."""

    def nearest(self, query: np.ndarray) -> list[int]:
        from similarity_lab.store.search import search_index

        rows, _ = search_index(self.store, "e", query[None], NEAREST)
        return (rows[0] - 1).tolist()


class Lance:
    """LanceDB: one table, exact search."""

    def __init__(self, folder: Path) -> None:
        import lancedb

        self.base = lancedb.connect(folder)
        self.table = (
            self.base.open_table("t") if folder.exists() and any(folder.iterdir()) else None
        )
        self.count = self.table.count_rows() if self.table else 0

    def put(self, keys: list[str], vectors: np.ndarray) -> None:
        import pyarrow as pa

        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION)
        numbers = pa.array(range(self.count, self.count + len(keys)))
        rows = pa.table({"key": keys, "number": numbers, "vector": flat})
        if self.table is None:
            self.table = self.base.create_table("t", rows)
        else:
            self.table.add(rows)
        self.count += len(keys)

    def get(self, keys: list[str]) -> int:
        quoted_keys = ", ".join(f"'{one}'" for one in keys)
        return (
            self.table.search()
            .where(f"key IN ({quoted_keys})")
            .limit(len(keys))
            .to_arrow()
            .num_rows
        )

    def nearest(self, query: np.ndarray) -> list[int]:
        search = self.table.search(query).distance_type("cosine").limit(NEAREST)
        return search.to_arrow()["number"].to_pylist()


class Parquet:
    """A Parquet file per batch, read whole; nearest by NumPy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.matrix: np.ndarray | None = None

    def put(self, keys: list[str], vectors: np.ndarray) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION)
        number = len(list(self.folder.iterdir()))
        pq.write_table(
            pa.table({"key": keys, "vector": flat}), self.folder / f"{number:06}.parquet"
        )

    def get(self, keys: list[str]) -> int:
        import pyarrow.parquet as pq

        return pq.read_table(self.folder, filters=[("key", "in", keys)]).num_rows

    def nearest(self, query: np.ndarray) -> list[int]:
        import pyarrow.parquet as pq

        if self.matrix is None:
            column = pq.read_table(self.folder, columns=["vector"])["vector"].combine_chunks()
            self.matrix = column.flatten().to_numpy().reshape(-1, DIMENSION)
        distances = 1 - self.matrix @ query
        best = np.argpartition(distances, NEAREST)[:NEAREST]
        return best[np.argsort(distances[best])].tolist()


class Faiss:
    """FAISS, flat index in memory; keeps no keys."""

    def __init__(self, folder: Path) -> None:
        import faiss

        self.file = folder.with_suffix(".faiss")
        self.index = faiss.read_index(str(self.file)) if self.file.exists() else None
        self.index = self.index or faiss.IndexFlatIP(DIMENSION)

    def put(self, keys: list[str], vectors: np.ndarray) -> None:
        self.index.add(vectors)

    def close(self) -> None:
        import faiss

        faiss.write_index(self.index, str(self.file))

    def nearest(self, query: np.ndarray) -> list[int]:
        return self.index.search(query[None], NEAREST)[1][0].tolist()


class Lookup:
    """TensorFlow Similarity's search: an approximate index of nmslib, in memory."""

    def __init__(self, folder: Path) -> None:
        from similarity_lab.metric_learning.libraries import quietly, tfs

        self.quietly = quietly
        self.index = tfs.search.NMSLibSearch("cosine", DIMENSION)
        self.count = 0

    def put(self, keys: list[str], vectors: np.ndarray) -> None:
        numbers = [*range(self.count, self.count + len(keys))]
        self.index.batch_add(vectors, numbers, verbose=0, build=False)
        self.count += len(keys)

    def close(self) -> None:
        with self.quietly():
            self.index._build(verbose=0)

    def nearest(self, query: np.ndarray) -> list[int]:
        return list(self.index.lookup(query[None], NEAREST)[0])


STORES = {
    "SQLite (the package's), exact": Sqlite,
    "SQLite (the package's) + usearch": SqliteIndexed,
    "LanceDB, exact": Lance,
    "Parquet + NumPy, exact": Parquet,
    "FAISS flat, in memory": Faiss,
}


def seconds_and_result(function: Callable[[], object]) -> tuple[float, object]:
    """Return seconds and the result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def measure(kind: type, vectors: np.ndarray, folder: Path) -> dict[str, float]:
    """Return the figures of one store with these vectors."""
    keys = [key(number) for number in range(len(vectors))]
    store = kind(folder)
    start = time.perf_counter()
    for start_row in range(0, len(vectors), BATCH):
        rows = slice(start_row, start_row + BATCH)
        store.put(keys[rows], vectors[rows])
    if hasattr(store, "close"):
        store.close()
    row = {"put, vectors/s": len(vectors) / (time.perf_counter() - start)}
    rng = np.random.default_rng(1)
    if hasattr(store, "get"):
        queried_keys = [[keys[n] for n in rng.integers(0, len(keys), N_KEYS)] for _ in range(5)]
        row["get 40, opened anew, ms"] = 1000 * statistics.median(
            seconds_and_result(lambda some=some: kind(folder).get(some))[0] for some in queried_keys
        )
    queries = clustered(QUERIES if len(vectors) <= MANY else 5, seed=2)
    store.nearest(queries[0])
    results = [seconds_and_result(lambda query=query: store.nearest(query)) for query in queries]
    row["5 nearest, ms"] = 1000 * statistics.median(seconds for seconds, _ in results)
    truth = [np.argsort(-(vectors @ query), kind="stable")[:NEAREST] for query in queries]
    hits = [set(rows) & set(true) for (_, rows), true in zip(results, truth, strict=True)]
    row["recall"] = sum(map(len, hits)) / (NEAREST * len(queries))
    roots = [folder, *folder.parent.glob(f"{folder.name}.*")]
    files = [file for root in roots for file in ([root] if root.is_file() else root.rglob("*"))]
    row["bytes per vector"] = sum(f.stat().st_size for f in files if f.is_file()) / len(vectors)
    return row


def main() -> None:
    """Measure every store at every size; print the rows as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="*", default=[1_000, 100_000])
    parser.add_argument(
        "--tensorflow-similarity",
        action="store_true",
        help="measure only TensorFlow Similarity's lookup",
    )
    options, rows = parser.parse_args(), {}
    stores = (
        {"TF Similarity lookup, in memory": Lookup} if options.tensorflow_similarity else STORES
    )
    for count in options.counts:
        vectors = clustered(count, seed=1)
        for name, kind in stores.items():
            folder = Path(tempfile.mkdtemp(prefix="stores-")) / "s"
            rows[f"{name}, {count:,}"] = measure(kind, vectors, folder)
            shutil.rmtree(folder.parent)
            print(f"{name}, {count:,}: {rows[f'{name}, {count:,}']}", file=sys.stderr, flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
