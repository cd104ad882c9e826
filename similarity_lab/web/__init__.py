"""Collect the images of websites, and say where each came from.

The names are imported when asked for; they need the extra ``web``.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names
from similarity_lab.errors import MissingExtraError

if TYPE_CHECKING:
    from similarity_lab.web.collecting import collect
    from similarity_lab.web.collection import Collection
    from similarity_lab.web.html.found import Found
    from similarity_lab.web.html.images import find_images
    from similarity_lab.web.html.links import find_links
    from similarity_lab.web.policy.limits import Limits

_HOMES = {
    "Collection": "collection",
    "Found": "html.found",
    "Limits": "policy.limits",
    "collect": "collecting",
    "find_images": "html.images",
    "find_links": "html.links",
}

__all__ = ["Collection", "Found", "Limits", "collect", "find_images", "find_links"]

_attribute, __dir__ = lazy_names(__name__, _HOMES)


def __getattr__(name: str) -> object:
    if name in _HOMES and find_spec("scrapy") is None:
        raise MissingExtraError(
            'collecting websites needs Scrapy: pip install "similarity_lab[web]"'
        )
    return _attribute(name)
