"""URL templates: addresses of images with places that a script fills in."""

from __future__ import annotations

import json
import re

from lxml.html import HtmlElement

from similarity_lab.web.html.markup import pixels

_TEMPLATE_VALUES = {
    "quality": "85", "q": "85", "dpr": "1", "format": "jpg", "fmt": "jpg", "ext": "jpg",
    "fit": "contain", "crop": "center", "scale": "1", "density": "1",
}  # fmt: skip
_TEMPLATE = re.compile(
    r"\{\{?\s{0,9}(:?[\w.]{1,40})\s{0,9}\}?\}|%7B(:?\w{1,40})%7D"
    r"|(?:\[|%5B|\$|__|%(?:25)?|:)(width|height|size|quality)(?:\]|%5D|\$|__|%(?:25)?|:)",
    re.IGNORECASE,
)
_UNFILLED = re.compile(
    r"\{\{|\$\{|\$%7B|%7B%7B|<%|%3C%|\[\[|\{[\w.]{1,40}\}|%7B[\w.]{1,40}%7D"
    r"|/(?:undefined|null|NaN|%5Bobject%20Object%5D)(?:[?#]|$)"
)
_TEMPLATE_WIDTH = 1200  # where a URL template leaves the width open


def is_unfilled(url: str) -> bool:
    """Tell whether a URL still has places to fill in, or what a script wrote for no value."""
    return _UNFILLED.search(url) is not None


def filled(url: str, node: HtmlElement | None = None) -> str:
    """Fill a URL template: the largest width offered, up to `_TEMPLATE_WIDTH`, and what follows.

    Names that are not known stay, so that `skip_reason` can tell.
    """
    if not _TEMPLATE.search(url):
        return url
    try:
        text = "[]" if node is None else node.get("data-widths") or "[]"
        widths = [int(width) for width in json.loads(text)]
    except (ValueError, TypeError, OverflowError, RecursionError):
        widths = []
    useful = [width for width in widths if 0 < width <= _TEMPLATE_WIDTH]
    width = max(useful, default=_TEMPLATE_WIDTH)
    height = round(width / (1.0 if node is None else _ratio(node)))

    def value(match: re.Match[str]) -> str:
        name = next(filter(None, match.groups())).lower().rpartition(".")[2]
        key = re.sub(r"[^a-z]", "", name)
        if name == ":size":
            return f"{width}x{height}"  # of BigCommerce
        if key in ("w", "width", "imgwidth", "imagewidth", "maxwidth", "wid", "size", "x"):
            return str(width)
        if key in ("h", "height", "imgheight", "imageheight", "maxheight", "hei", "y"):
            return str(height)
        return _TEMPLATE_VALUES.get(key, match[0])

    return _TEMPLATE.sub(value, url)


def _ratio(node: HtmlElement) -> float:
    """Return width by height of an element, 1 if it does not tell."""
    for name in ("data-aspectratio", "data-aspect-ratio", "data-ratio"):
        match = re.fullmatch(
            r"(\d{1,5}(?:\.\d{1,9})?)(?:\s?[/:]\s?(\d{1,5}(?:\.\d{1,9})?))?", node.get(name) or ""
        )
        if match and float(match[1]) > 0 and float(match[2] or 1) > 0:
            return min(10.0, max(0.1, float(match[1]) / float(match[2] or 1)))
    width, height = pixels(node.get("width")), pixels(node.get("height"))
    return min(10.0, max(0.1, width / height)) if width and height else 1.0
