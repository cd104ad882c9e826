"""The images that the attributes of an element name, and which version of one is best."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from similarity_lab.web.html.literals import json_of
from similarity_lab.web.html.markup import IMAGE_SUFFIXES, Page, css_urls, url_suffix
from similarity_lab.web.html.srcset import largest
from similarity_lab.web.html.templates import filled
from similarity_lab.web.html.unwanted import skip_reason

MAX_FALLBACKS = 3
# Attributes that scripts read, by what their names say
_LARGE_NAME = re.compile(
    r"zoom|large|full|big|hi-?_?res|orig|super|max|retina|2x|highres", re.IGNORECASE
)
SMALL_NAME = re.compile(
    r"thumb|small|tiny|preview|placeholder|lqip|low|mini|loading|mobile|phone|tablet"
    r"|fallback|error|default|missing",
    re.IGNORECASE,
)
OTHER_VIEW_NAME = re.compile(
    r"hover|second|swap|back(?!ground)|flip|rollover|mouseover|alternat", re.IGNORECASE
)
_SOURCE_NAME = re.compile(
    r"src|image|img|original|lazy|url|bg|background|photo|picture|poster|echo|zoom|large|full",
    re.IGNORECASE,
)
_IMAGE_NAME = re.compile(r"bg|background|image|img|photo|picture|poster|thumb|zoom", re.IGNORECASE)
_TEXT_NAME = re.compile(
    r"(?:name|title|alt|caption|label|description|text|id|class|style|href|type|content|sizes|placeholder)$",
    re.IGNORECASE,
)
_SIZES = re.compile(r"\s\d{1,6}(?:\.\d{1,6})?[wx]\s{0,9}(?:,|\d|\[|\||$)")
_SET_ENTRY = re.compile(r"""[\["']\s{0,9}([^\[\]"',\s]{4,2000})""")
_READABLE_TYPES = frozenset(
    {
        "jpeg", "jpg", "pjpeg", "png", "apng", "x-png", "webp", "avif", "gif", "bmp",
        "x-ms-bmp", "tiff",
    }
)  # fmt: skip
_UNREADABLE_SUFFIXES = frozenset(
    {".jxl", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".jxr", ".wdp", ".svg", ".svgz"}
)
_PLAIN_NAMES = ("src", "href", "xlink:href")
_MAX_VALUE = 20_000  # characters of an attribute


def image_versions(page: Page, node: HtmlElement, sources: list[HtmlElement]) -> list[str]:
    """Return the URLs of one image, the one to ask for first.

    Versions that are large by the name of their attribute come first, then the largest of those
    with a size, then what scripts load, then ``src``. Of equal sizes, the one of the ``img``
    itself comes first: every browser can show it.
    """
    elements = [node, *(source for source in sources if _is_readable_type(source))]
    if node.tag == "picture":
        del elements[0]
    found: list[tuple[int, float, str]] = []
    for element in elements:
        for name, value in element.attrib.items():
            rank = _version_rank(name)
            if rank is None:
                continue
            for url, size in attribute_images(page, node, name, value, is_img=True):
                is_data = url.startswith("data:")  # a placeholder, if there is anything else
                found.append((-1 if is_data else 3 if size and rank < 4 else rank, size, url))
    found.sort(key=lambda version: (-version[0], -version[1]))
    urls = [url for _, _, url in found if url_suffix(url) not in _UNREADABLE_SUFFIXES]
    urls = urls or [url for _, _, url in found]
    usable = [url for url in urls if not skip_reason(url)]
    return list(dict.fromkeys(usable or urls))[: 1 + MAX_FALLBACKS]


def _version_rank(name: str) -> int | None:
    """Return how good a version an attribute of an image names, None if it names none."""
    if name in _PLAIN_NAMES:
        return 1
    if name == "srcset":
        return 3
    if (
        not name.startswith(("data-", ":", "v-", "ng-", "lazy", "file", "original"))
        and "src" not in name
    ):
        return None
    if _TEXT_NAME.search(name) or OTHER_VIEW_NAME.search(name):
        return None
    if SMALL_NAME.search(name):
        return 0
    return 4 if _LARGE_NAME.search(name) and "srcset" not in name else 2


def _is_readable_type(source: HtmlElement) -> bool:
    kind = (source.get("type") or "image/jpeg").split(";")[0].strip().lower()
    return kind.partition("/")[2] in _READABLE_TYPES or not kind.startswith("image/")


def attribute_images(
    page: Page, node: HtmlElement, name: str, value: str, *, is_img: bool
) -> Iterator[tuple[str, float]]:
    """Yield ``(url, size)`` of the images that an attribute names; the size is 0 without one."""
    value = value.strip()
    if value[:1] in ("'", "`") and value[-1:] == value[:1]:
        value = value[1:-1]  # a string for a script: `:src="'a.jpg'"`
    if is_img and name in _PLAIN_NAMES:
        if url := page.absolute(filled(value, node)):
            yield url, 0.0
        return
    for url, size in _named(node, name, value, is_img=is_img):
        if absolute := image_url(page, url):
            yield absolute, size


def _named(
    node: HtmlElement, name: str, value: str, *, is_img: bool
) -> Iterator[tuple[str, float]]:
    """Yield ``(url, size)`` as an attribute for scripts states them."""
    is_set = (
        "srcset" in name
        or name.endswith(("bgset", "-sizes-set"))
        or _SIZES.search(value[:_MAX_VALUE])
    )
    if len(value) < 5 or value[0] == "#" or (len(value) > _MAX_VALUE and not is_set):
        return
    if value[0] in ("{", "["):
        yield from _set_in_json(value) if is_img else ()
    elif "url(" in value.lower():
        yield from ((filled(url, node), 0.0) for url in css_urls(value))
    elif is_set:
        yield largest(filled(value, node))
    elif not _TEXT_NAME.search(name) and not name.startswith("on"):
        pieces = re.split(r"[,|;\s]+", value.strip(",|; "))
        is_list = len(pieces) > 1 and all(url_suffix(piece) in IMAGE_SUFFIXES for piece in pieces)
        for piece in pieces if is_list else [value]:
            url = filled(piece, node)
            if _names_image(url, name, is_img=is_img):
                yield url, 0.0


def _set_in_json(value: str) -> Iterator[tuple[str, float]]:
    """Yield ``(url, size)`` of a set of files: by width, or with sizes, or from small to large.

    Examples
    --------
    >>> list(_set_in_json('{"300": "s.jpg", "900": "l.jpg"}'))
    [('s.jpg', 300.0), ('l.jpg', 900.0)]
    >>> list(_set_in_json('{"s.jpg": [300, 200], "l.jpg": [900, 600]}'))
    [('s.jpg', 300.0), ('l.jpg', 900.0)]
    >>> list(_set_in_json("[s.jpg, small], [l.jpg, large]"))
    [('s.jpg', 1.0), ('l.jpg', 2.0)]
    """
    data, _ = json_of(value)
    for key, entry in data.items() if isinstance(data, dict) else ():
        if url_suffix(key) in IMAGE_SUFFIXES:
            number = next(iter(entry), None) if isinstance(entry, list) else entry
            yield key, float(number) if isinstance(number, int) and 0 < number < 1e6 else 0.0
        elif isinstance(entry, str) and url_suffix(entry) in IMAGE_SUFFIXES:
            width = re.search(r"\d{2,5}", key)
            yield entry, float(width[0]) if width else 0.0
    if not isinstance(data, dict):
        urls = (match[1] for match in _SET_ENTRY.finditer(value))
        images = (url for url in urls if url_suffix(url) in IMAGE_SUFFIXES)
        yield from ((url, float(number)) for number, url in enumerate(images, 1))


def _names_image(value: str, name: str, *, is_img: bool) -> bool:
    """Tell whether the value of an attribute is the URL of an image."""
    if re.search(r"[<>\"\n]|\s\s", value):
        return False
    if url_suffix(value) in IMAGE_SUFFIXES:
        return "/" in value or " " not in value
    if url_suffix(value) or " " in value:
        return False
    # Without a suffix, the attribute has to say so
    pattern = _SOURCE_NAME if is_img else _IMAGE_NAME
    return "/" in value and bool(pattern.search(name))


def image_url(page: Page, url: str | None) -> str:
    """Return an absolute URL; ``""`` for placeholders and other values (``data-zoom="2"``)."""
    text = (url or "").strip()
    if (
        not text
        or text.startswith(("data:", "{", "[", "holder.js"))
        or not re.search(r"[./]", text)
    ):
        return ""
    return page.absolute(text)
