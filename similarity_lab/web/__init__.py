"""Collect the images of websites, with the origin of each. Requires the extra ``web``.

`html` are pure functions of a page, `policy` decides what may be requested, `crawler` runs.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names
from similarity_lab.errors import MissingExtraError

if TYPE_CHECKING:
    from similarity_lab.web.collection import Collection, collect
    from similarity_lab.web.html.images import FoundImage, find_images
    from similarity_lab.web.html.links import find_links
    from similarity_lab.web.policy.limits import Limits

_HOMES = {
    "Collection": "collection",
    "FoundImage": "html.images",
    "Limits": "policy.limits",
    "collect": "collection",
    "find_images": "html.images",
    "find_links": "html.links",
}

__all__ = ["Collection", "FoundImage", "Limits", "collect", "find_images", "find_links"]

_attribute, __dir__ = lazy_names(__name__, _HOMES)


def __getattr__(name: str) -> object:
    if name in _HOMES and find_spec("scrapy") is None:
        raise MissingExtraError(
            'collecting websites needs Scrapy: pip install "similarity_lab[web]"'
        )
    return _attribute(name)
