"""Notebook views of results, registered by the package's front door.

Results stand below the report that shows them, so they ask this registry instead of importing it.
"""

from collections.abc import Callable
from typing import Any

_VIEWS: dict[str, Callable[[Any], str]] = {}


def register_view(class_name: str, view: Callable[[Any], str]) -> None:
    """Let notebooks show objects of this class as the HTML that `view` returns."""
    _VIEWS[class_name] = view


def notebook_html(result: object) -> str | None:
    """Return the HTML of the registered view, or None where there is none."""
    view = _VIEWS.get(type(result).__name__)
    return None if view is None else view(result)
