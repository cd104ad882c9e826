"""Vectors on disk by embedder and content, and nearest-neighbour search among them."""

from similarity_lab.store.search import nearest
from similarity_lab.store.vectors import (
    Pair,
    StoreSource,
    Vectors,
    VectorStore,
    cache_folder,
    unit,
)

__all__ = ["Pair", "StoreSource", "VectorStore", "Vectors", "cache_folder", "nearest", "unit"]
