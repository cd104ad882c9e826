from .adapting.recipe import adapt_embedder
from .base import Embedded, Embedder, embed_all, vector_space
from .cached import CachedEmbedder
from .loading import join_embedders, load_embedder

__all__ = [
    "CachedEmbedder",
    "Embedded",
    "Embedder",
    "adapt_embedder",
    "embed_all",
    "join_embedders",
    "load_embedder",
    "vector_space",
]
