"""Collect the images of websites, with the origin of each. Requires the extra ``web``.

`html` are pure functions of a page, `policy` decides what may be requested, `crawler` runs.
"""

from importlib.util import find_spec

import lazy_loader

from similarity_lab.errors import MissingExtraError

_import, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name in __all__ and find_spec("scrapy") is None:
        raise MissingExtraError("Collecting websites", "Scrapy", "web")
    return _import(name)
