"""The kept photos that are nearest to images: exactly, or for very many by an index."""

import hashlib
import importlib.util
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm.auto import tqdm

from similarity_lab.errors import InputError
from similarity_lab.files import atomic_write
from similarity_lab.store.vectors import Vectors, VectorStore

if TYPE_CHECKING:
    from usearch.index import Index

EXACT_UP_TO = 100_000
COLUMNS = ["query", "rank", "path", "distance"]
_BLOCK = 4096
_KEPT_EVERY = 50_000  # vectors added to the index: what an interrupt costs at most
_SPARE = 64
_WIDTH = 256  # of the search in the index: recall before speed

Rows = npt.NDArray[np.int64]


def nearest(
    store: VectorStore,
    embedder: str,
    vectors: npt.ArrayLike,
    *,
    k: int = 5,
    exact: bool | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Return the stored images that are nearest to vectors.

    Parameters
    ----------
    store : VectorStore
    embedder : str
        Name of the embedder of the vectors; only its vectors are searched.
    vectors : array of float32, shape (n, dimension)
        Any length; only the direction counts.
    k : int
        Neighbours per vector.
    exact : bool, optional
        Compare with every vector; default: up to 100,000 of them. Beyond, an index (usearch,
        ``pip install "similarity_lab[search]"``) is made beside the store and kept up to date; what
        it finds is compared exactly, so distances are right, and above 99 % of the true neighbours
        are found (docs/benchmarks.md). To make it of a million vectors takes tens of minutes, and
        goes on where it was interrupted.
    progress : bool
        Show a bar while the index is made.

    Returns
    -------
    DataFrame with columns query, rank, path, distance
        ``query`` is a position in `vectors`, ``rank`` counts from 1, ``distance`` is the cosine
        distance, 0…2, 0 = same direction.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    count = store.embedders().get(embedder, 0)
    if not count:
        others = ", ".join(map(repr, store.embedders())) or "nothing"
        raise InputError(
            f"No vectors of {embedder!r} in {store}; it holds {others}. Decide on sites or embed "
            "images with this store first"
        )
    queries = _unit(np.asarray(vectors, np.float32))
    if exact is None:
        exact = store.folder is None or count <= EXACT_UP_TO or not _index_is_possible(count)
    rows, distances = (
        exactly(store, embedder, queries, k)
        if exact
        else by_index(store, embedder, queries, k, progress=progress)
    )
    return pd.DataFrame(
        [
            (query, rank, path, float(distance))
            for query, (found, away) in enumerate(zip(rows, distances, strict=True))
            for rank, (path, distance) in enumerate(
                zip(store.paths(found.tolist()), away, strict=True), start=1
            )
        ],
        columns=COLUMNS,
    )


def exactly(
    store: VectorStore, embedder: str, queries: Vectors, k: int
) -> tuple[list[Rows], list[Vectors]]:
    """Return row numbers and distances of the k nearest, comparing with every vector."""
    rows = np.empty((len(queries), 0), np.int64)
    distances = np.empty((len(queries), 0), np.float32)
    for numbers, _, vectors in store.blocks(embedder, _BLOCK):
        rows = np.hstack([rows, np.broadcast_to(numbers, (len(queries), len(numbers)))])
        distances = np.hstack([distances, 1 - queries @ _unit(vectors).T])
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        rows = np.take_along_axis(rows, order, axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
    return list(rows), list(distances)


def by_index(
    store: VectorStore, embedder: str, queries: Vectors, k: int, *, progress: bool = False
) -> tuple[list[Rows], list[Vectors]]:
    """Return the same by an index, which is made or brought up to date first."""
    index = _up_to_date(store, embedder, queries.shape[1], progress=progress)
    rows, distances = [], []
    for query in queries:
        matches = index.search(query, _SPARE + 4 * k)  # it rounds to 16 bits; what follows does not
        candidates = np.asarray(matches.keys, np.int64)
        away = 1 - _unit(store.rows(embedder, candidates.tolist())) @ query
        order = np.argsort(away, kind="stable")[:k]
        rows.append(candidates[order])
        distances.append(away[order])
    return rows, distances


def _up_to_date(store: VectorStore, embedder: str, dimension: int, *, progress: bool) -> "Index":
    """Return the index with all vectors; it is only a shortcut and made again if it is lost."""
    from usearch.index import Index

    owner = f"{store.identity()} {embedder}".encode()
    if store.folder is None:
        raise InputError("an index needs a store on disk; pass exact=True")
    file = store.folder / f"nearest-{hashlib.sha256(owner).hexdigest()[:16]}.usearch"
    index = _restored(file, dimension)
    if index is None:
        index = Index(ndim=dimension, metric="cos", dtype="f16", expansion_add=_WIDTH)
    index.expansion_search = _WIDTH
    kept = len(index)
    last = int(np.max(index.keys)) if kept else 0
    bar = tqdm(
        desc="indexing", unit="photo", total=store.embedders()[embedder], initial=kept,
        disable=not progress, leave=None,
    )  # fmt: skip
    with bar:
        for numbers, _, vectors in store.blocks(embedder, _BLOCK, after=last):
            index.add(numbers.astype(np.uint64), vectors)
            bar.update(len(numbers))
            if len(index) - kept >= _KEPT_EVERY:
                kept = _keep(index, file)
    if len(index) > kept:
        _keep(index, file)
    return index


def _keep(index: "Index", file: Path) -> int:
    """Write the index; return how many vectors it holds."""
    with atomic_write(file, writer=os.getpid()) as part:  # another process may write its own
        index.save(str(part))
    return len(index)


def _restored(file: Path, dimension: int) -> "Index | None":
    from usearch.index import Index

    if not file.exists():
        return None
    try:
        index = Index.restore(str(file))
    except (RuntimeError, ValueError, KeyError):  # not an index: made again
        return None
    return index if index is not None and index.ndim == dimension else None


def _index_is_possible(count: int) -> bool:
    if importlib.util.find_spec("usearch") is not None:
        return True
    warnings.warn(
        f"comparing with all of {count:,} vectors; an index would be faster: "
        'pip install "similarity_lab[search]"',
        stacklevel=3,
    )
    return False


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
