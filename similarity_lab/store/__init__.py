"""Vectors kept on disk between runs, by content and embedder; nearest-neighbour search in them."""

from similarity_lab.embedders.cached import StoredEmbedder
from similarity_lab.store.search import nearest
from similarity_lab.store.vectors import StoreSource, VectorStore, cache_folder

__all__ = ["StoreSource", "StoredEmbedder", "VectorStore", "cache_folder", "nearest"]
