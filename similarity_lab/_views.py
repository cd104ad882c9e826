"""HTML views of results in notebooks, registered by the modules that render them.

A result's ``_repr_html_`` returns `html_view`. The modules in `PROVIDERS` register their views with
`register_view`; they are imported when the first result is displayed, so that results do not
depend on what renders them.
"""

import importlib
from collections.abc import Callable
from functools import singledispatch
from typing import TypeVar

Renderer = TypeVar("Renderer", bound=Callable[..., str])

PROVIDERS = ("similarity_lab.report.gallery",)


@singledispatch
def _view(result: object) -> str | None:
    """Return None: the type has no view, and notebooks fall back to ``repr``."""
    return None


def register_view(renderer: Renderer) -> Renderer:
    """Register a function as the view of the type of its first parameter (decorator)."""
    _view.register(renderer)
    return renderer


def html_view(result: object) -> str | None:
    """Return the HTML view of a result, or None if no view is registered for its type."""
    for name in PROVIDERS:
        importlib.import_module(name)
    return _view(result)
