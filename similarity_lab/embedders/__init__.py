"""Image → vector: frozen networks, by name or brought along, behind one small protocol."""

from similarity_lab.embedders.base import Embedded, Embedder, embed_readable
from similarity_lab.embedders.loading import EmbedderError, load_embedder

__all__ = ["Embedded", "Embedder", "EmbedderError", "embed_readable", "load_embedder"]
