"""Find the images of a page: every way in which shops show one, product images first."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from lxml.html import HtmlElement

from similarity_lab.web.html.markup import (
    IMAGE_SUFFIXES,
    Page,
    css_urls,
    parse_page,
    pixels,
    url_suffix,
)
from similarity_lab.web.html.srcset import largest
from similarity_lab.web.html.structured import product_images

# Where a page names an image says how likely it shows the product; beyond the limit of images,
# those of high priority are kept
PRIORITY = {
    "json-ld": 100,
    "microdata": 95,
    "sitemap": 80,
    "link": 70,
    "open graph": 60,
    "img": 50,
    "twitter": 45,
    "poster": 30,
    "background": 25,
    "data": 20,
}
_TRACKERS = re.compile(
    r"""facebook\.com/tr\b | google-analytics\.com | googletagmanager\.com | doubleclick\.net
      | googleadservices\.com | bat\.bing\.com | /matomo\.php | /piwik\.php | px\.ads\.
      | ct\.pinterest\.com | analytics\.[a-z]+\.com | scorecardresearch\.com
      | (?:pixel|stats)\.wp\.com
      | [/_-](?:1x1|spacer|blank|pixel|transparent|clear|tracking)\.(?:gif|png) """,
    re.VERBOSE | re.IGNORECASE,
)
# Attributes that scripts read: of a large version, of several sizes, of a lazily loaded image
_LARGE = ("data-zoom-image", "data-large_image", "data-large-image", "data-zoom", "data-full")
_LAZY_SETS = ("data-srcset", "data-lazy-srcset")
_LAZY = (
    "data-src", "data-lazy-src", "data-lazy", "data-original", "data-original-src", "data-image",
    "data-hi-res-src", "data-echo", "data-url", "data-flickity-lazyload",
)  # fmt: skip
_LAZY_BACKGROUNDS = ("data-bg", "data-background", "data-background-image", "data-bg-src")
_META_KINDS = {
    "og:image": "open graph",
    "og:image:url": "open graph",
    "og:image:secure_url": "open graph",
    "twitter:image": "twitter",
    "twitter:image:src": "twitter",
}
_FRAME = frozenset({"header", "footer", "nav"})  # the same on each page: logos, badges
_MAX_SOURCES = 50  # per <picture>
_MAX_ALT = 5_000  # characters read; 500 are kept
_TEMPLATE_WIDTH = 1200  # where a URL template leaves the width open


@dataclass(frozen=True)
class FoundImage:
    """An image that a page names, before it is fetched.

    Attributes
    ----------
    url : str
        Absolute, http or https, or a ``data:`` URL.
    kind : str
        Where it was named, a key of `PRIORITY`.
    alt : str
        The page's text for it.
    priority : int
        Larger is fetched earlier.
    reason : str
        Why it is not fetched; empty otherwise.
    """

    url: str
    kind: str
    alt: str = ""
    priority: int = 0
    reason: str = ""


def find_images(html: bytes | str, base_url: str, *, side: int = 64) -> list[FoundImage]:
    """Return the images of a page, likeliest product images first.

    Parameters
    ----------
    html : bytes or str
        However broken; bytes are decoded as the page declares.
    base_url : str
        The page's own URL.
    side : int
        Images declared with less than half of this many pixels on a side are icons.

    Returns
    -------
    list of FoundImage
        Each URL once, including those that are not to be fetched, with their `FoundImage.reason`.

    Examples
    --------
    >>> page = '<img src="a.jpg" srcset="b.jpg 800w"><img src="logo.svg">'
    >>> [(image.url, image.reason) for image in find_images(page, "https://shop.example/nuts/")]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('https://shop.example/nuts/b.jpg', ''),
     ('https://shop.example/nuts/logo.svg', 'SVG (a drawing, not a photo)')]
    """
    page = parse_page(html, base_url)
    products = [FoundImage(*image) for image in product_images(page)]
    is_product = bool(products) or _property(page, "og:type").startswith("product")
    images = chain(products, _meta(page), _embedded(page, side), _links(page), _styles(page))
    # On the page of one product, the images it shares (og:image) and shows are of that product
    return _merge(
        replace(image, priority=image.priority or PRIORITY[image.kind] + 20 * is_product)
        for image in images
    )


def skip_reason(
    url: str, width: int | None = None, height: int | None = None, side: int = 0
) -> str:
    """Return why an image need not be fetched, judging by its URL and declared size."""
    is_data = url.startswith("data:")
    suffix = url_suffix(url)
    if url[5:18].lower() == "image/svg+xml" if is_data else suffix in (".svg", ".svgz"):
        return "SVG (a drawing, not a photo)"
    if is_data:
        return "" if url[5:11].lower() == "image/" else "Data URL without an image"
    if suffix in (".ico", ".cur"):
        return "Icon"
    if _TRACKERS.search(url):
        return "Tracker or placeholder (by its URL)"
    sides = [length for length in (width, height) if length is not None]
    if sides and (min(sides) <= 2 or (len(sides) == 2 and min(sides) < side // 2)):
        kind = "Tracker" if min(sides) <= 2 else "Icon"
        return f"{kind} (declared {' x '.join(map(str, sides))} pixels)"
    return ""


def _merge(images: Iterator[FoundImage]) -> list[FoundImage]:
    """Return each URL once, with its best priority and the first text about it."""
    merged: dict[str, FoundImage] = {}
    for image in images:
        reason = image.reason or skip_reason(image.url)
        new = replace(image, reason=reason, alt=_clean(image.alt))
        old = merged.get(new.url, new)
        best = max(old, new, key=lambda candidate: (not candidate.reason, candidate.priority))
        merged[new.url] = replace(best, alt=old.alt or new.alt)
    return sorted(merged.values(), key=lambda image: -image.priority)


def _clean(text: str) -> str:
    """Return text that any file can hold: JSON escapes may contain lone surrogates."""
    return " ".join(text[:_MAX_ALT].split())[:500].encode("utf-8", "replace").decode()


def _property(page: Page, name: str) -> str:
    for node in page.root.iter("meta"):
        if (node.get("property") or node.get("name") or "").strip().lower() == name:
            return (node.get("content") or "").strip().lower()
    return ""


def _meta(page: Page) -> Iterator[FoundImage]:
    for node in page.root.iter("meta"):
        name = (node.get("property") or node.get("name") or "").strip().lower()
        kind = _META_KINDS.get(name)
        if kind and (url := page.absolute(node.get("content"))):
            yield FoundImage(url, kind)
    for node in page.root.iter("link"):
        is_image = (node.get("rel") or "").lower() == "image_src"
        if is_image and (url := page.absolute(node.get("href"))):
            yield FoundImage(url, "open graph")


def _embedded(page: Page, side: int) -> Iterator[FoundImage]:
    for node in page.root.iter("img", "amp-img"):
        yield from _img(page, node, side)
    for node in page.root.iter("picture"):
        if node.find(".//img") is None:  # otherwise its sources are sizes of the img
            yield from (FoundImage(url, "img") for url, _ in _largest_size(page, node, node))
    for node in page.root.iter("video"):
        if url := page.absolute(node.get("poster")):
            yield FoundImage(url, "poster")
    for node in page.root.iter("input"):
        if node.get("type") == "image" and (url := page.absolute(node.get("src"))):
            yield FoundImage(url, "background")


def _img(page: Page, node: HtmlElement, side: int) -> Iterator[FoundImage]:
    url, size = _best_url(page, node)
    if not url:
        return
    # The declared size is the displayed one; it says nothing if larger files are offered
    width, height = (
        (None, None) if size else (pixels(node.get("width")), pixels(node.get("height")))
    )
    reason = skip_reason(url, width, height, side)
    kind = "data" if url.startswith("data:") else "img"
    priority = PRIORITY[kind]
    if any(ancestor.tag in _FRAME for ancestor in node.iterancestors()):
        priority -= 30
    elif max(size, width or 0) >= 300:
        priority += 10
    yield FoundImage(url, kind, node.get("alt") or node.get("title") or "", priority, reason)


def _best_url(page: Page, node: HtmlElement) -> tuple[str, float]:
    """Return the URL of the largest version of an image, and its width if declared."""
    for name in _LARGE:
        if url := _image_url(page, node.get(name)):
            return url, 1.0
    if sizes := _largest_size(page, node, next(node.iterancestors("picture"), None)):
        return sizes[0]
    for name in _LAZY:
        if url := _image_url(page, _fill_template(node.get(name) or "", node)):
            return url, 0.0
    return page.absolute(node.get("src")), 0.0


def _largest_size(
    page: Page, node: HtmlElement, picture: HtmlElement | None
) -> list[tuple[str, float]]:
    """Return URL and width of the largest size offered, in a list that is empty without sizes.

    Of equal sizes, the one of the ``img`` itself comes first: every browser can show it.
    """
    # Parsers that do not know `source` nest what follows it, so look at all depths
    sources = () if picture is None else islice(picture.iter("source"), _MAX_SOURCES)
    srcsets = [
        element.get(name) for element in (node, *sources) for name in ("srcset", *_LAZY_SETS)
    ]
    sizes = [
        (page.absolute(_fill_template(url, node)), size)
        for url, size in map(largest, filter(None, srcsets))
        if not url.startswith("data:")
    ]
    valid = [(url, size) for url, size in sizes if url]
    return [max(valid, key=lambda candidate: candidate[1])] if valid else []


def _image_url(page: Page, url: str | None) -> str:
    """Return an absolute URL; ``""`` for placeholders and other values (``data-zoom="2"``)."""
    if not url or url.lstrip().startswith(("data:", "{", "[")) or "." not in url:
        return ""
    return page.absolute(url)


def _fill_template(url: str, node: HtmlElement) -> str:
    """Insert a width into a URL template: the largest one offered, up to `_TEMPLATE_WIDTH`."""
    if "{width}" not in url:
        return url
    try:
        widths = [int(width) for width in json.loads(node.get("data-widths") or "[]")]
    except (ValueError, TypeError, OverflowError, RecursionError):
        widths = []
    useful = [width for width in widths if 0 < width <= _TEMPLATE_WIDTH]
    return url.replace("{width}", str(max(useful, default=_TEMPLATE_WIDTH)))


def _links(page: Page) -> Iterator[FoundImage]:
    for node in page.root.iter("a"):
        url = page.absolute(node.get("href"))
        if url and url_suffix(url) in IMAGE_SUFFIXES:
            image = node.find(".//img")
            alt = node.get("title") or ("" if image is None else image.get("alt")) or ""
            yield FoundImage(url, "link", alt)


def _styles(page: Page) -> Iterator[FoundImage]:
    for node in page.root.iter("style"):
        yield from _backgrounds(page, node.text)
    for node in page.root.iterfind(".//*[@style]"):
        yield from _backgrounds(page, node.get("style"))
    for name in _LAZY_BACKGROUNDS:
        for node in page.root.iterfind(f".//*[@{name}]"):
            value = node.get(name) or ""
            for url in list(css_urls(value)) or [value]:
                if absolute := _image_url(page, url):
                    yield FoundImage(absolute, "background")


def _backgrounds(page: Page, style: str | None) -> Iterator[FoundImage]:
    for value in css_urls(style):
        url = page.absolute(value)
        is_image = url.startswith("data:image/") or url_suffix(url) in IMAGE_SUFFIXES
        if url and (is_image or url_suffix(url) in ("", ".svg")):  # fonts have a suffix
            yield FoundImage(url, "background")
