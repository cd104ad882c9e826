"""Image → vector: frozen networks, by name or brought along, behind one small protocol."""

from similarity_lab.embedders.base import (
    Embedded,
    Embedder,
    EmbedderError,
    embed_readable,
    vector_space,
)
from similarity_lab.embedders.loading import load_embedder

__all__ = [
    "Embedded",
    "Embedder",
    "EmbedderError",
    "embed_readable",
    "load_embedder",
    "vector_space",
]
