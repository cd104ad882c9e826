"""Rank many websites on a Ray cluster. Requires the extra ``distributed``.

`partitions` splits the list of websites, `collecting` and `deciding` are the work on a partition,
`folder` has what was written, and `cluster` is the only module that knows Ray.
"""

from importlib.util import find_spec

import lazy_loader

from similarity_lab.errors import MissingExtraError

_import, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name in __all__ and find_spec("ray") is None:
        raise MissingExtraError("Ranking on a cluster", "Ray", "distributed")
    return _import(name)
