"""Image → vector: packaged networks and your own, behind one small protocol."""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names
from similarity_lab.embedders.base import Embedded, Embedder, embed_all, vector_space
from similarity_lab.embedders.cached import CachedEmbedder
from similarity_lab.embedders.loading import load_embedder

if TYPE_CHECKING:
    from similarity_lab.embedders.adapting import adapt_embedder

__all__ = [
    "CachedEmbedder",
    "Embedded",
    "Embedder",
    "adapt_embedder",
    "embed_all",
    "load_embedder",
    "vector_space",
]

__getattr__, __dir__ = lazy_names(__name__, {"adapt_embedder": "adapting"})
