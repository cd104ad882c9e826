"""Nearest stored vectors: exactly, or by an approximate index if there are very many."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._progress import tqdm
from similarity_lab.errors import InputError, StoreWarning, one_line
from similarity_lab.files import atomic_write
from similarity_lab.store.vectors import Vectors, VectorStore, unit

if TYPE_CHECKING:
    from usearch.index import Index

EXACT_UP_TO = 100_000
COLUMNS = ["query", "rank", "path", "distance"]
_BLOCK = 4096
_SAVE_EVERY = 50_000  # vectors added between two saves: the most that an interruption loses
_N_CANDIDATES = 64  # per query, plus 4 k
_EXPANSION = 256  # usearch's search breadth; high, since recall matters more than speed

Rows = npt.NDArray[np.int64]
"""Row numbers in a store."""


def nearest(
    store: VectorStore,
    embedder: str,
    vectors: npt.ArrayLike,
    *,
    k: int = 5,
    exact: bool | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Return the nearest stored images of each vector.

    Parameters
    ----------
    store : VectorStore
    embedder : str
        Name of the embedder that computed `vectors`; only its vectors are searched.
    vectors : array of float32, shape (n, dimension)
        Not necessarily normalised; only the direction counts.
    k : int
        Neighbours per vector.
    exact : bool, optional
        Compare with every vector; default: up to 100,000 of them. Beyond, an approximate index
        (usearch, ``pip install "similarity_lab[search]"``) is built beside the store and kept up
        to date. Its candidates are compared exactly, so distances are exact; more than 99 % of the
        true neighbours are found (docs/benchmarks.md). Indexing a million vectors takes tens of
        minutes and resumes after an interruption.
    progress : bool
        Show a progress bar while indexing.

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
        stored_names = ", ".join(map(repr, store.embedders())) or "nothing"
        raise InputError(
            f"No vectors of {embedder!r} in {store}; it holds {stored_names}. Decide on sites or "
            "embed images with this store first"
        )
    queries = unit(np.asarray(vectors, np.float32))
    if exact is None:
        exact = store.folder is None or count <= EXACT_UP_TO or not _index_is_possible(count)
    rows, distances = (
        search_exactly(store, embedder, queries, k)
        if exact
        else search_index(store, embedder, queries, k, progress=progress)
    )
    return pd.DataFrame(
        [
            (query, rank, path, float(distance))
            for query, (neighbours, neighbour_distances) in enumerate(
                zip(rows, distances, strict=True)
            )
            for rank, (path, distance) in enumerate(
                zip(store.paths(neighbours.tolist()), neighbour_distances, strict=True), start=1
            )
        ],
        columns=COLUMNS,
    )


def search_exactly(
    store: VectorStore, embedder: str, queries: Vectors, k: int
) -> tuple[list[Rows], list[Vectors]]:
    """Return row numbers and distances of the k nearest, comparing with every vector."""
    rows = np.empty((len(queries), 0), np.int64)
    distances = np.empty((len(queries), 0), np.float32)
    for numbers, _, vectors in store.blocks(embedder, _BLOCK):
        rows = np.hstack([rows, np.broadcast_to(numbers, (len(queries), len(numbers)))])
        distances = np.hstack([distances, 1 - queries @ unit(vectors).T])
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        rows = np.take_along_axis(rows, order, axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
    return list(rows), list(distances)


def search_index(
    store: VectorStore, embedder: str, queries: Vectors, k: int, *, progress: bool = False
) -> tuple[list[Rows], list[Vectors]]:
    """Return the same as `search_exactly`, from the index, which is updated first."""
    index = _updated_index(store, embedder, queries.shape[1], progress=progress)
    rows, distances = [], []
    for query in queries:
        # the index is in float16, so more candidates than k are compared exactly
        matches = index.search(query, _N_CANDIDATES + 4 * k)
        candidates = np.asarray(matches.keys, np.int64)
        exact = 1 - unit(store.rows(embedder, candidates.tolist())) @ query
        order = np.argsort(exact, kind="stable")[:k]
        rows.append(candidates[order])
        distances.append(exact[order])
    return rows, distances


def _updated_index(store: VectorStore, embedder: str, dimension: int, *, progress: bool) -> Index:
    """Return an index of all vectors; a missing or damaged one is built again."""
    from usearch.index import Index

    if store.folder is None:
        raise InputError("an index needs a store on disk; pass exact=True")
    owner = f"{store.identity()} {embedder}".encode()
    file = store.folder / f"nearest-{hashlib.sha256(owner).hexdigest()[:16]}.usearch"
    index = _load(file, dimension)
    if index is None:
        index = Index(ndim=dimension, metric="cos", dtype="f16", expansion_add=_EXPANSION)
    index.expansion_search = _EXPANSION
    n_saved = len(index)
    last_row = int(np.max(index.keys)) if n_saved else 0
    bar = tqdm(
        desc="indexing", unit="image", total=store.embedders()[embedder], initial=n_saved,
        disable=not progress, leave=None,
    )  # fmt: skip
    with bar:
        for numbers, _, vectors in store.blocks(embedder, _BLOCK, after=last_row):
            # in several threads: fast, but the links to a vector are lost now and then
            index.add(numbers.astype(np.uint64), vectors)
            bar.update(len(numbers))
            if len(index) - n_saved >= _SAVE_EVERY:
                n_saved = _save(index, file)
    if len(index) > n_saved:
        _save(index, file)
    return index


def _save(index: Index, file: Path) -> int:
    """Save the index, if its folder can be written; return its number of vectors."""
    try:
        with atomic_write(file, writer=os.getpid()) as part:  # other processes may save theirs
            index.save(str(part))
    except (OSError, RuntimeError) as error:  # usearch raises RuntimeError
        warnings.warn(
            f"{file}: the index cannot be saved and will be built again ({one_line(error)})",
            StoreWarning,
            stacklevel=4,
        )
    return len(index)


def _load(file: Path, dimension: int) -> Index | None:
    from usearch.index import Index

    if not file.exists():
        return None
    try:
        index = Index.restore(str(file))
    except (RuntimeError, ValueError, KeyError):  # not an index: rebuild
        return None
    return index if index is not None and index.ndim == dimension else None


def _index_is_possible(count: int) -> bool:
    if importlib.util.find_spec("usearch") is not None:
        return True
    warnings.warn(
        f"comparing with all {count:,} vectors; an index would be faster: "
        'pip install "similarity_lab[search]"',
        stacklevel=3,
    )
    return False
