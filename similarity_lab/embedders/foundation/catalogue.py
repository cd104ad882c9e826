"""The foundation models that have a short name: where they are, at which revision, their licence.

A revision is the commit that a short name stands for, so that the same name gives the same vectors
on every machine. Where no commit was known when this was written, it is None: the newest is
downloaded once, kept, and named in the embedder's name.
"""

import re
from typing import NamedTuple

__all__ = ["MODELS", "PERMISSIVE", "Model", "licence_notice"]


class Model(NamedTuple):
    """A model on the Hugging Face hub.

    Attributes
    ----------
    id : str
        Owner and name of the repository.
    revision : str or None
        Commit of the repository.
    licence : str
        SPDX identifier, or the hub's name of the licence.
    has_text : bool
        It embeds texts as well.
    """

    id: str
    revision: str | None
    licence: str
    has_text: bool = True


MODELS = {
    "clip-vit-b32": Model(
        "openai/clip-vit-base-patch32", "c237dc49a33fc61debc9276459120b7eac67e7ef", "MIT"
    ),
    "clip-vit-l14": Model(
        "openai/clip-vit-large-patch14", "32bd64288804d66eefd0ccbe215aa642df71cc41", "MIT"
    ),
    "openclip-vit-b32": Model(
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "1a25a446712ba5ee05982a381eed697ef9b435cf", "MIT"
    ),
    "siglip2-base": Model(
        "google/siglip2-base-patch16-224", "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2", "Apache-2.0"
    ),
    "siglip2-so400m": Model(
        "google/siglip2-so400m-patch14-384",
        "e8e487298228002f3d8a82e0cd5c8ea9c567f57f",
        "Apache-2.0",
    ),
    "pe-core-t16": Model(
        "timm/PE-Core-T-16-384", "7fe539ed578ac49a1c2b4f946e4b0747704c825a", "Apache-2.0"
    ),
    "pe-core-s16": Model(
        "timm/PE-Core-S-16-384", "3249a38eb1c432ec19231c6fe1774acb6a4e4efe", "Apache-2.0"
    ),
    "pe-core-b16": Model(
        "timm/PE-Core-B-16", "0038414f37721c5eafc1a5e0da802d291c909de3", "Apache-2.0"
    ),
    "pe-core-l14": Model(
        "timm/PE-Core-L-14-336", "8eff41b3f687e50a323662c2dda5eb3588c6dd35", "Apache-2.0"
    ),
    "dinov2-small": Model(
        "facebook/dinov2-small",
        "ed25f3a31f01632728cabb09d1542f84ab7b0056",
        "Apache-2.0",
        has_text=False,
    ),
    "dinov2-base": Model(
        "facebook/dinov2-base",
        "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
        "Apache-2.0",
        has_text=False,
    ),
    "dinov3-small": Model(
        "facebook/dinov3-vits16-pretrain-lvd1689m",
        "114c1379950215c8b35dfcd4e90a5c251dde0d32",
        "dinov3-license",
        has_text=False,
    ),
    "dinov3-base": Model(
        "facebook/dinov3-vitb16-pretrain-lvd1689m",
        "3a0fa61ff39414e2d3be4a1d50c7dfbf459aa8b8",
        "dinov3-license",
        has_text=False,
    ),
    "marqo-ecommerce-b": Model(
        "Marqo/marqo-ecommerce-embeddings-B",
        "6854090aa39b2a9d70f390d83ae9e70cf9d9004e",
        "Apache-2.0",
    ),
    "marqo-ecommerce-l": Model("Marqo/marqo-ecommerce-embeddings-L", None, "Apache-2.0"),
    "mobileclip2-s2": Model("timm/MobileCLIP2-S2-OpenCLIP", None, "apple-amlr"),
}
"""Models by short name; docs/guide/embedders.md says which to choose."""

PERMISSIVE = frozenset(
    {"mit", "apache-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "cc0-1.0", "unlicense"}
)
"""Licences that allow any use, as the hub spells them."""

_NOTICES = {
    "apple-amlr": "research only: no commercial use (Apple's licence of research models)",
    "apple-ascl": "Apple's sample code licence",
    "dinov3-license": "Meta's DINOv3 licence has terms of its own on use and redistribution",
    "fair-noncommercial-research-license": "research only: no commercial use (FAIR)",
}
_NO_COMMERCE = re.compile(r"(?:^|-)nc(?:-|$)|non-?commercial|research")


def licence_notice(licence: str | None) -> str | None:
    """Return what a user has to know of a licence; None for a permissive one.

    Parameters
    ----------
    licence : str or None
        As a model card states it; None if it states none.

    Examples
    --------
    >>> licence_notice("apache-2.0")
    >>> licence_notice("cc-by-nc-4.0")
    'its licence, cc-by-nc-4.0, does not allow commercial use'
    >>> licence_notice(None)
    'its model card states no licence; ask its authors before you use it'
    """
    if not licence:
        return "its model card states no licence; ask its authors before you use it"
    name = licence.casefold()
    if name in PERMISSIVE:
        return None
    if name in _NOTICES:
        return _NOTICES[name]
    if _NO_COMMERCE.search(name):
        return f"its licence, {licence}, does not allow commercial use"
    return f"its licence is {licence}: read its terms before you use it"
