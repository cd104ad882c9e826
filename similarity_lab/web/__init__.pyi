from .collection import Collection, collect
from .html.images import FoundImage, find_images
from .html.links import find_links
from .html.products import Product
from .policy.limits import Limits

__all__ = [
    "Collection", "FoundImage", "Limits", "Product", "collect", "find_images", "find_links",
]  # fmt: skip
