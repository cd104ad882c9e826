"""Foundation models of the Hugging Face hub: CLIP, SigLIP 2, Perception Encoder, DINO.

Built by transformers or, where it has no class, by open_clip; run by PyTorch or OpenVINO. They need
the extra ``foundation``.
"""

from similarity_lab.embedders.foundation.catalogue import MODELS
from similarity_lab.embedders.foundation.embedder import FoundationEmbedder, ImageTextEmbedder
from similarity_lab.embedders.foundation.loading import RUNTIMES, is_foundation, load_foundation

__all__ = [
    "MODELS",
    "RUNTIMES",
    "FoundationEmbedder",
    "ImageTextEmbedder",
    "is_foundation",
    "load_foundation",
]
