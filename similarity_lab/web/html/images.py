"""Find the images of a page: everything a shop uses to show one, product images first."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

from lxml.html import HtmlElement

from similarity_lab.web.html.found import PICTURE_ENDINGS, PRIORITY, Found, ending, unwanted
from similarity_lab.web.html.markup import Page, css_addresses, parse_page, pixels
from similarity_lab.web.html.srcset import largest
from similarity_lab.web.html.structured import product_images

# Where scripts find the address of an image that is loaded late, larger ones first
_LARGE = ("data-zoom-image", "data-large_image", "data-large-image", "data-zoom", "data-full")
_LATE_SETS = ("data-srcset", "data-lazy-srcset")
_LATE = (
    "data-src", "data-lazy-src", "data-lazy", "data-original", "data-original-src", "data-image",
    "data-hi-res-src", "data-echo", "data-url", "data-flickity-lazyload",
)  # fmt: skip
_LATE_BACKGROUNDS = ("data-bg", "data-background", "data-background-image", "data-bg-src")
_FRAME = frozenset({"header", "footer", "nav"})  # of a page, the same on each: logos, badges
_MAX_SOURCES = 50  # of one picture
_MAX_WORDS = 5_000  # characters looked at of what is said of a picture
_WANTED_WIDTH = 1200  # asked for where a template leaves the width open


def find_images(html: bytes | str, base_url: str, *, side: int = 64) -> list[Found]:
    """Return the images of a page, likeliest product images first.

    Parameters
    ----------
    html : bytes or str
        Of any quality; bytes are decoded as the page declares.
    base_url : str
        The page's own address.
    side : int
        Images declared with less than half of this many pixels on a side are icons.

    Returns
    -------
    list of Found
        Each address once, also those that are not to be fetched, with their `Found.reason`.

    Examples
    --------
    >>> page = '<img src="a.jpg" srcset="b.jpg 800w"><img src="logo.svg">'
    >>> [(f.address, f.reason) for f in find_images(page, "https://shop.example/nuts/")]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('https://shop.example/nuts/b.jpg', ''),
     ('https://shop.example/nuts/logo.svg', 'SVG is a drawing, not a photo')]
    """
    page = parse_page(html, base_url)
    products = product_images(page)
    is_product = bool(products) or _property(page, "og:type").startswith("product")
    found = chain(products, _meta(page), _embedded(page, side), _links(page), _styles(page))
    # What a page about one product shares of itself is a picture of that product
    return _merged(
        replace(item, priority=item.priority or PRIORITY[item.kind] + 20 * is_product)
        for item in found
    )


def _merged(found: Iterator[Found]) -> list[Found]:
    """Return each address once, with its best priority and the first words about it."""
    merged: dict[str, Found] = {}
    for raw in found:
        reason = raw.reason or unwanted(raw.address, None, None, 0)
        item = replace(raw, reason=reason, alt=_words(raw.alt))
        before = merged.get(item.address, item)
        best = max(before, item, key=lambda one: (not one.reason, one.priority))
        merged[item.address] = replace(best, alt=before.alt or item.alt)
    return sorted(merged.values(), key=lambda item: -item.priority)


def _words(text: str) -> str:
    """Return text that can be written anywhere: JSON escapes may hold halves of characters."""
    return " ".join(text[:_MAX_WORDS].split())[:500].encode("utf-8", "replace").decode()


def _property(page: Page, name: str) -> str:
    for node in page.root.iter("meta"):
        if (node.get("property") or node.get("name") or "").strip().lower() == name:
            return (node.get("content") or "").strip().lower()
    return ""


def _meta(page: Page) -> Iterator[Found]:
    kinds = {
        "og:image": "open graph",
        "og:image:url": "open graph",
        "og:image:secure_url": "open graph",
        "twitter:image": "twitter",
        "twitter:image:src": "twitter",
    }
    for node in page.root.iter("meta"):
        kind = kinds.get((node.get("property") or node.get("name") or "").strip().lower())
        if kind and (address := page.absolute(node.get("content"))):
            yield Found(address, kind)
    for node in page.root.iter("link"):
        is_image = (node.get("rel") or "").lower() == "image_src"
        if is_image and (address := page.absolute(node.get("href"))):
            yield Found(address, "open graph")


def _embedded(page: Page, side: int) -> Iterator[Found]:
    for node in page.root.iter("img", "amp-img"):
        yield from _img(page, node, side)
    for node in page.root.iter("picture"):
        if node.find(".//img") is None:  # otherwise its sources are the img's sizes
            yield from (Found(address, "img") for address, _ in _sized(page, node, node))
    for node in page.root.iter("video"):
        if address := page.absolute(node.get("poster")):
            yield Found(address, "poster")
    for node in page.root.iter("input"):
        if node.get("type") == "image" and (address := page.absolute(node.get("src"))):
            yield Found(address, "background")


def _img(page: Page, node: HtmlElement, side: int) -> Iterator[Found]:
    chosen, size = _address(page, node)
    if not chosen:
        return
    # The declared size is the shown one: with larger ones to choose from it says nothing
    width, height = (
        (None, None) if size else (pixels(node.get("width")), pixels(node.get("height")))
    )
    reason = unwanted(chosen, width, height, side)
    kind = "data" if chosen.startswith("data:") else "img"
    priority = PRIORITY[kind]
    if any(above.tag in _FRAME for above in node.iterancestors()):
        priority -= 30
    elif max(size, width or 0) >= 300:
        priority += 10
    yield Found(chosen, kind, node.get("alt") or node.get("title") or "", priority, reason)


def _address(page: Page, node: HtmlElement) -> tuple[str, float]:
    """Return the address of an image in the largest size there is, and its width if declared."""
    for name in _LARGE:
        if address := _picture(page, node.get(name)):
            return address, 1.0
    if sized := _sized(page, node, next(node.iterancestors("picture"), None)):
        return sized[0]
    for name in _LATE:
        if address := _picture(page, _filled(node.get(name) or "", node)):
            return address, 0.0
    return page.absolute(node.get("src")), 0.0


def _sized(page: Page, node: HtmlElement, picture: HtmlElement | None) -> list[tuple[str, float]]:
    """Return the address of the largest size with its width, if there are sizes to choose from.

    Of equal sizes what the img itself names comes first: every browser can show that.
    """
    # Parsers that do not know `source` nest what follows it, so look at all depths
    sources = () if picture is None else islice(picture.iter("source"), _MAX_SOURCES)
    nodes = [node, *sources]
    sets = [one.get(name) for one in nodes for name in ("srcset", *_LATE_SETS)]
    offered = [
        (page.absolute(_filled(address, node)), size)
        for address, size in map(largest, filter(None, sets))
        if not address.startswith("data:")
    ]
    named = [(address, size) for address, size in offered if address]
    return [max(named, key=lambda candidate: candidate[1])] if named else []


def _picture(page: Page, address: str | None) -> str:
    """Return an absolute address unless it is a placeholder or no address (``data-zoom="2"``)."""
    if not address or address.lstrip().startswith(("data:", "{", "[")) or "." not in address:
        return ""
    return page.absolute(address)


def _filled(address: str, node: HtmlElement) -> str:
    """Put a width into an address that leaves it open, the largest on offer that is useful."""
    if "{width}" not in address:
        return address
    try:
        offered = [int(width) for width in json.loads(node.get("data-widths") or "[]")]
    except (ValueError, TypeError, OverflowError, RecursionError):
        offered = []
    useful = [width for width in offered if 0 < width <= _WANTED_WIDTH]
    return address.replace("{width}", str(max(useful, default=_WANTED_WIDTH)))


def _links(page: Page) -> Iterator[Found]:
    for node in page.root.iter("a"):
        address = page.absolute(node.get("href"))
        if address and ending(address) in PICTURE_ENDINGS:
            image = node.find(".//img")
            alt = node.get("title") or ("" if image is None else image.get("alt")) or ""
            yield Found(address, "link", alt)


def _styles(page: Page) -> Iterator[Found]:
    for node in page.root.iter("style"):
        yield from _backgrounds(page, node.text)
    for node in page.root.iterfind(".//*[@style]"):
        yield from _backgrounds(page, node.get("style"))
    for name in _LATE_BACKGROUNDS:
        for node in page.root.iterfind(f".//*[@{name}]"):
            value = node.get(name) or ""
            named = list(css_addresses(value)) or [value]
            for address in filter(None, (_picture(page, one) for one in named)):
                yield Found(address, "background")


def _backgrounds(page: Page, style: str | None) -> Iterator[Found]:
    for named in css_addresses(style):
        address = page.absolute(named)
        is_picture = address.startswith("data:image/") or ending(address) in PICTURE_ENDINGS
        if address and (is_picture or ending(address) in ("", ".svg")):  # fonts have endings
            yield Found(address, "background")
