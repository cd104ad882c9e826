"""Why an image need not be fetched, by its URL and its declared size."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from similarity_lab.web.html.markup import url_suffix
from similarity_lab.web.html.templates import is_unfilled
from similarity_lab.web.reasons import Code, Reason

_TRACKER_HOSTS = re.compile(
    r"""(?:^|\.)(?:google-analytics\.com | googletagmanager\.com | doubleclick\.net
      | googleadservices\.com | bat\.bing\.com | px\.ads\.[a-z.]+ | ct\.pinterest\.com
      | analytics\.[a-z]+\.com | scorecardresearch\.com | (?:pixel|stats)\.wp\.com
      | mc\.yandex\.ru | www\.facebook\.com | quantserve\.com
      | placehold\.(?:it|co) | placeholder\.com | dummyimage\.com | placekitten\.com
      | fakeimg\.pl)$""",
    re.VERBOSE | re.IGNORECASE,
)
_TRACKER_PATHS = re.compile(r"/(?:matomo|piwik)\.php$", re.IGNORECASE)
# Whole names: `bottle-clear.png` is a product
_PLACEHOLDERS = re.compile(
    r"(?:1x1|spacer|blank|pixel|transparent|clear|tracking|loading|loader|ajax-loader"
    r"|spinner|preloader|lazy(?:[-_]?load)?|placeholder|no-?image|image-placeholder|grey|gray)"
    r"(?:[-_.]?(?:1x1|1px|gif|image))?",
    re.IGNORECASE,
)
_PLACEHOLDER_SUFFIXES = frozenset({"gif", "png", "webp"})
_RATIOS = frozenset(
    {(4, 3), (3, 2), (16, 9), (16, 10), (5, 4), (2, 1), (21, 9), (5, 3), (7, 5), (3, 1)}
)


def skip_reason(
    url: str, width: int | None = None, height: int | None = None, side: int = 0
) -> str:
    """Return why an image need not be fetched, judging by its URL and declared size."""
    return _url_reason(url) or _size_reason(width, height, side)


def _url_reason(url: str) -> str:
    suffix = url_suffix(url)
    if url.startswith("data:"):
        kind = url[5:18].lower()
        suffix = ".svg" if kind == "image/svg+xml" else "" if kind.startswith("image/") else "data"
    rules = (
        (suffix in (".svg", ".svgz"), Reason(Code.DRAWING)),
        (suffix == "data", Reason(Code.UNREADABLE, "Data URL without an image")),
        (suffix in (".ico", ".cur"), Reason(Code.ICON)),
        (_is_placeholder(url), Reason(Code.TRACKER, " or placeholder (by its URL)")),
        (not url.startswith("data:") and is_unfilled(url), Reason(Code.TEMPLATE)),
    )
    return next((reason for is_so, reason in rules if is_so), "")


def _size_reason(width: int | None, height: int | None, side: int) -> str:
    sides = [length for length in (width, height) if length is not None]
    if not sides or (len(sides) == 2 and tuple(sorted(sides, reverse=True)) in _RATIOS):
        return ""
    if min(sides) <= 2 or (len(sides) == 2 and is_icon(sides[0], sides[1], side // 2)):
        code = Code.TRACKER if min(sides) <= 2 else Code.ICON
        return Reason(code, f" (declared {' x '.join(map(str, sides))} pixels)")
    return ""


def is_icon(width: int, height: int, side: int) -> bool:
    """Tell whether an image is too small to show a product: by its area, and both sides.

    Examples
    --------
    >>> is_icon(51, 159, 64), is_icon(63, 64, 64), is_icon(600, 8, 64)  # a bottle, a logo, a bar
    (False, True, True)
    """
    return width * height < side * side or min(width, height) < side // 4


def _is_placeholder(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    stem, _, suffix = parts.path.rpartition("/")[2].rpartition(".")
    return bool(
        _TRACKER_HOSTS.search(parts.hostname or "")
        or _TRACKER_PATHS.search(parts.path)
        or "/holder.js/" in parts.path
        or (suffix.lower() in _PLACEHOLDER_SUFFIXES and _PLACEHOLDERS.fullmatch(stem))
    )
