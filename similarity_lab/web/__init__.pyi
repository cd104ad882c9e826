from .collection import CollectedSite, CollectedSites, Collection, collect, collect_each
from .html.images import FoundImage, find_images
from .html.links import find_links
from .html.products import Product
from .policy.limits import Limits

__all__ = [
    "CollectedSite", "CollectedSites", "Collection", "FoundImage", "Limits", "Product", "collect",
    "collect_each", "find_images", "find_links",
]  # fmt: skip
