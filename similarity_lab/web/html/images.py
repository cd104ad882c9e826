"""Find the images of a page: every way in which shops show one, product images first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any

from lxml.html import HtmlElement

from similarity_lab.web.html.attributes import (
    MAX_FALLBACKS,
    OTHER_VIEW_NAME,
    SMALL_NAME,
    attribute_images,
    image_url,
    image_versions,
)
from similarity_lab.web.html.cards import Cards
from similarity_lab.web.html.literals import image_strings, json_of, objects
from similarity_lab.web.html.markup import (
    IMAGE_SUFFIXES,
    Page,
    absolute_url,
    clean_text,
    css_urls,
    parse_page,
    pixels,
    url_suffix,
)
from similarity_lab.web.html.products import (
    Product,
    json_ld_products,
    microdata_products,
    products_of_json,
    shared_product,
)
from similarity_lab.web.html.proxies import original_url
from similarity_lab.web.html.srcset import largest
from similarity_lab.web.html.templates import filled
from similarity_lab.web.html.unwanted import skip_reason

# Where a page names an image says how likely it shows the product; beyond the limit of images,
# those of high priority are kept
PRIORITY = {
    "catalogue": 110,
    "json-ld": 100,
    "microdata": 95,
    "sitemap": 80,
    "json": 75,
    "link": 70,
    "open graph": 60,
    "img": 50,
    "attribute": 48,
    "twitter": 45,
    "script": 35,
    "poster": 30,
    "background": 25,
    "data": 20,
}
SOURCES = ("catalogue", "sitemap", "page", "style sheet", "script")
"""What kinds of documents name images."""

_NO_IMAGES = frozenset(
    {
        "script",
        "style",
        "source",
        "iframe",
        "meta",
        "link",
        "video",
        "audio",
        "base",
        "html",
    }
)
_META_KINDS = {
    "og:image": "open graph",
    "og:image:url": "open graph",
    "og:image:secure_url": "open graph",
    "twitter:image": "twitter",
    "twitter:image:src": "twitter",
    "product:image": "open graph",
    "thumbnail": "twitter",
    "msapplication-tileimage": "",
}
_IMAGE_TAGS = ("img", "amp-img", "amp-anim", "image")
_OTHER_ATTRIBUTES = frozenset({"class", "id", "style", "href", "alt", "title", "type", "rel"})
_FRAME = frozenset({"header", "footer", "nav"})  # the same on each page: logos, badges
_NO_PRODUCT = Product()
_MAX_SOURCES = 50  # per <picture>


@dataclass(frozen=True)
class FoundImage:
    """An image that a page names, before it is fetched.

    Attributes
    ----------
    url : str
        Absolute, http or https, or a ``data:`` URL.
    kind : str
        How it was named, a key of `PRIORITY`.
    alt : str
        The page's text for it.
    priority : int
        Larger is fetched earlier.
    reason : str
        Why it is not fetched; empty otherwise.
    fallbacks : tuple of str
        URLs of the same image to request if this one cannot be downloaded, best first.
    source : str
        The kind of document that names it, one of `SOURCES`.
    title : str
        Title of the page.
    product : Product
        What the document says of the product that the image shows.
    position : int or None
        Place among the images of its product if that is declared, otherwise of the document;
        from 1.
    """

    url: str
    kind: str
    alt: str = ""
    priority: int = 0
    reason: str = ""
    fallbacks: tuple[str, ...] = ()
    source: str = "page"
    title: str = ""
    product: Product = _NO_PRODUCT
    position: int | None = None

    def merged(self, other: FoundImage) -> FoundImage:
        """Return the better one of two mentions of one URL, with the texts of both."""
        best, rest = (other, self) if _rank(other) > _rank(self) else (self, other)
        product = best.product if best.product.name or not rest.product.name else rest.product
        if product.name and best.product.name == rest.product.name:
            product = best.product.completed(rest.product)
        return replace(
            best,
            alt=best.alt or rest.alt,
            title=best.title or rest.title,
            fallbacks=best.fallbacks or rest.fallbacks,
            product=product,
        )

    def to_row(self) -> dict[str, Any]:
        """Return the columns of the table of images that are known before it is fetched."""
        product = self.product
        return {
            "url": self.url,
            "title": self.title,
            "alt": self.alt,
            "product": product.name,
            "product_url": product.url,
            "brand": product.brand,
            "price": product.price,
            "currency": product.currency,
            "position": self.position,
            "source": self.source,
            "kind": self.kind,
            "priority": self.priority,
        }


def _rank(image: FoundImage) -> tuple[bool, int]:
    return not image.reason, image.priority


def find_images(
    html: bytes | str, base_url: str, *, side: int = 64, content_type: str = ""
) -> list[FoundImage]:
    """Return the images of a page, likeliest product images first.

    Parameters
    ----------
    html : bytes or str
        However broken; bytes are decoded as header or page declare, else by a guess.
    base_url : str
        The page's own URL.
    side : int
        Images declared with less than half of this many pixels on a side are icons; see
        `is_icon`.
    content_type : str
        The HTTP header ``Content-Type``.

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
    return page_images(parse_page(html, base_url, content_type), side=side)


def page_images(page: Page, *, side: int = 64) -> list[FoundImage]:
    """Return the images of a parsed page; see `find_images`."""
    declared = [(product, "json-ld") for product in json_ld_products(page)]
    declared += [(product, "microdata") for product in microdata_products(page)]
    shared = shared_product(page)
    is_single = len({product.name for product, _ in declared}) == 1
    main = shared or (declared[0][0] if is_single else _NO_PRODUCT)
    images: list[FoundImage] = []
    for product, kind in declared:
        own = product if product.url or not is_single else replace(product, url=page.url)
        images += _of_product(own, kind)
    images += (replace(image, product=main) for image in _meta(page))
    # On the page of one product, the images it shares (og:image) and shows are of that product
    extra = 20 * bool(shared or any(product.images for product, _ in declared))
    images += _elements(page, side)
    images += _scripts(page)
    title = page.title
    return merged_images(
        replace(image, title=title, priority=image.priority or PRIORITY[image.kind] + extra)
        for image in images
    )


def style_sheet_images(css: bytes | str, url: str) -> list[FoundImage]:
    """Return the images that a style sheet names.

    Examples
    --------
    >>> sheet = ".a { background: url(../a.jpg) } @font-face { src: url(f.woff2) }"
    >>> [image.url for image in style_sheet_images(sheet, "https://shop.example/css/s.css")]
    ['https://shop.example/a.jpg']
    """
    text = css if isinstance(css, str) else css.decode("utf-8-sig", "replace")
    page = parse_page("", url)
    return merged_images(replace(image, source="style sheet") for image in _backgrounds(page, text))


def script_images(
    script: bytes | str, url: str, page_url: str, folders: Iterable[str] = ()
) -> list[FoundImage]:
    """Return the images that a script, or a file of JSON for one, names in its strings.

    Scripts name images relative to the page, to themselves or to the site, or by the name in a
    folder alone; the first is `FoundImage.url`, the others are its fallbacks.

    Parameters
    ----------
    script : bytes or str
        JavaScript or JSON.
    url, page_url : str
        The script's own URL and that of the page it belongs to.
    folders : iterable of str
        Folders that the scripts of the page put before names.

    Examples
    --------
    >>> script = "const nuts = [{name: 'Almonds', price: 3, image: 'img/a.jpg'}]"
    >>> image, = script_images(script, "https://a.b/js/app.js", "https://a.b/shop/")
    >>> image.url, image.product.name, image.fallbacks
    ('https://a.b/shop/img/a.jpg', 'Almonds', ('https://a.b/js/img/a.jpg', 'https://a.b/img/a.jpg'))
    """
    text = script if isinstance(script, str) else script.decode("utf-8-sig", "replace")
    in_folders = [absolute_url(page_url, folder) for folder in folders]

    def resolved(image: FoundImage) -> FoundImage:
        is_name = "/" not in image.url
        bases = [*in_folders, page_url, url] if is_name else [page_url, url]
        urls = dict.fromkeys(
            absolute_url(base, image.url) for base in (*bases, absolute_url(page_url, "/"))
        )
        first, *others = [each for each in urls if each] or [""]
        product = replace(image.product, url=absolute_url(page_url, image.product.url))
        return replace(image, url=first, fallbacks=(*others[:MAX_FALLBACKS],), product=product)

    images = _script(text, lambda value: value or "", is_json=text.lstrip()[:1] in ("{", "["))
    return merged_images(
        replace(image, source="script", priority=PRIORITY[image.kind])
        for image in map(resolved, images)
        if image.url
    )


def merged_images(images: Iterable[FoundImage]) -> list[FoundImage]:
    """Return each image once, behind its proxies, best first; see `FoundImage.merged`."""
    merged: dict[str, FoundImage] = {}
    for image in images:
        new = _original(image)
        old = merged.get(new.url)
        merged[new.url] = new if old is None else old.merged(new)
    return sorted(merged.values(), key=lambda image: -image.priority)


def _original(image: FoundImage) -> FoundImage:
    """Return an image with the original behind a proxy's URL, and what it can fall back to."""
    url = original_url(filled(image.url))
    others = dict.fromkeys((image.url, *image.fallbacks)) if url != image.url else image.fallbacks
    usable = [other for other in others if other != url and not skip_reason(other)]
    return replace(
        image,
        url=url,
        alt=clean_text(image.alt),
        reason=image.reason or skip_reason(url),
        fallbacks=tuple(usable[:MAX_FALLBACKS]),
        product=replace(image.product, images=()),
    )


# Declared ------------------------------------------------------------------------------------


def _of_product(product: Product, kind: str, source: str = "page") -> Iterator[FoundImage]:
    for position, (url, alt) in enumerate(product.images, 1):
        text = alt or product.name
        yield FoundImage(url, kind, text, source=source, product=product, position=position)


def _meta(page: Page) -> Iterator[FoundImage]:
    for node in page.root.iter("meta"):
        name = (node.get("property") or node.get("name") or "").strip().lower()
        kind = _META_KINDS.get(name)
        if kind and (url := page.absolute(node.get("content"))):
            yield FoundImage(url, kind)
    for node in page.root.iter("link"):
        rel = (node.get("rel") or "").lower().split()
        is_preload = "preload" in rel and (node.get("as") or "").lower() == "image"
        if "image_src" in rel or is_preload:
            url, _ = largest(node.get("imagesrcset") or "")
            if absolute := page.absolute(url or node.get("href")):
                yield FoundImage(absolute, "open graph" if "image_src" in rel else "attribute")


# Elements ------------------------------------------------------------------------------------


class _Context:
    """What the images of a page share."""

    def __init__(self, page: Page, side: int) -> None:
        self.side, self.cards = side, Cards(page)
        # Parsers that do not know `source` nest what follows it, so look at all depths
        self.sources = {
            picture: [*islice(picture.iter("source"), _MAX_SOURCES)]
            for picture in page.root.iter("picture")
        }


def _elements(page: Page, side: int) -> Iterator[FoundImage]:
    """Yield the images that elements name, in the order of the page."""
    positions, context = count(1), _Context(page, side)
    for node in page.root.iter():
        if isinstance(node.tag, str):
            for image in _element(page, node, context):
                yield replace(image, position=next(positions))


def _element(page: Page, node: HtmlElement, context: _Context) -> Iterator[FoundImage]:
    tag = node.tag
    if tag in _IMAGE_TAGS:
        yield from _img(page, node, context)
    elif tag == "picture":
        yield from _picture(page, node, context)
    elif tag == "style":
        yield from _backgrounds(page, node.text)
    elif tag == "a":
        yield from _link(page, node, context)
    elif tag in ("video", "amp-video"):
        for name in ("poster", "data-poster"):
            if url := image_url(page, node.get(name)):
                yield FoundImage(url, "poster")
    others = list(_backgrounds(page, node.get("style"))) if node.get("style") else []
    if tag not in _NO_IMAGES:
        others += _attributes(page, node)
    if others and tag not in _IMAGE_TAGS:
        product = context.cards.product(node) or _NO_PRODUCT
        others = [each if each.product.name else replace(each, product=product) for each in others]
    yield from others


def _picture(page: Page, node: HtmlElement, context: _Context) -> Iterator[FoundImage]:
    if next(node.iter("img"), None) is None:  # otherwise its sources are sizes of the img
        for url, *others in filter(None, [image_versions(page, node, context.sources[node])]):
            yield FoundImage(url, "img", fallbacks=tuple(others))


def _link(page: Page, node: HtmlElement, context: _Context) -> Iterator[FoundImage]:
    """Yield the image that a gallery opens."""
    url = page.absolute(node.get("href"))
    if url_suffix(url) in IMAGE_SUFFIXES:
        image = next(node.iter("img"), None)
        alt = node.get("title") or ("" if image is None else image.get("alt")) or ""
        product = None if image is None else context.cards.product(image)
        yield FoundImage(url, "link", alt, product=product or _NO_PRODUCT)


def _img(page: Page, node: HtmlElement, context: _Context) -> Iterator[FoundImage]:
    picture = next(node.iterancestors("picture"), None)
    sources = [] if picture is None else context.sources[picture]
    versions = image_versions(page, node, sources)
    if not versions:
        return
    url, *others = versions
    # The declared size is the displayed one; it says nothing if larger files are offered
    is_shown = not others or url == page.absolute(node.get("src"))
    sizes = _declared_size(node) if is_shown else (None, None)
    reason = skip_reason(url, *sizes, context.side)
    kind = "data" if url.startswith("data:") else "img"
    priority = PRIORITY[kind]
    if any(ancestor.tag in _FRAME for ancestor in node.iterancestors()):
        priority -= 30
    elif _is_wide(node):
        priority += 10
    texts = map(node.get, ("alt", "title", "data-alt", "aria-label"))
    alt = next(filter(None, texts), None) or _caption(node, context)
    product = context.cards.product(node) or _NO_PRODUCT
    yield FoundImage(url, kind, alt, priority, reason, tuple(others), product=product)


def _caption(node: HtmlElement, context: _Context) -> str:
    """Return the caption of a figure with this image alone."""
    figure = next((each for each in islice(node.iterancestors(), 4) if each.tag == "figure"), None)
    if figure is None or context.cards.n_images[figure] != 1:
        return ""
    caption = next(figure.iter("figcaption"), None)
    return "" if caption is None else clean_text(" ".join(islice(caption.itertext(), 20)))


def _is_wide(node: HtmlElement) -> bool:
    return max(pixels(node.get("width")) or 0, _set_width(node)) >= 300


def _set_width(node: HtmlElement) -> float:
    return largest(node.get("srcset") or node.get("data-srcset") or "")[1]


def _declared_size(node: HtmlElement) -> tuple[int | None, int | None]:
    """Return width and height of an element in pixels, where they are not just a ratio."""
    if (node.get("layout") or "").lower() in ("responsive", "intrinsic", "fill", "flex-item"):
        return None, None
    style = (node.get("style") or "").lower().replace(" ", "")
    if re.search(r"(?:^|;)(?:min-|max-)?(?:width|height):[^;]*(?:%|v[wh]|auto|calc)", style):
        return None, None
    sizes = pixels(node.get("width")), pixels(node.get("height"))
    # Frameworks that write a set of files write `width="0"` where a style sheet decides
    return (None, None) if _set_width(node) and min(filter(None, sizes), default=0) <= 2 else sizes


def _attributes(page: Page, node: HtmlElement) -> Iterator[FoundImage]:
    """Yield images that other attributes name: galleries, lazy backgrounds, a second view, JSON."""
    urls: list[tuple[bool, str, str]] = []
    for name, value in node.attrib.items():
        if name in _OTHER_ATTRIBUTES:
            continue
        if node.tag in _IMAGE_TAGS and not OTHER_VIEW_NAME.search(name):
            continue  # a version of the image itself
        if len(value) > 4 and value.lstrip()[:1] in ("{", "[") and ("." in value or "/" in value):
            if _mentions_images(value):
                data, _ = json_of(value)
                yield from _of_json(data, page.absolute)
            continue
        for url, _ in attribute_images(page, node, name, value, is_img=False):
            urls.append((bool(SMALL_NAME.search(name)), name, url))
    has_large = any(not is_small for is_small, _, _ in urls)
    text = (
        node.get("alt")
        or node.get("title")
        or node.get("data-caption")
        or node.get("aria-label")
        or ""
    )
    for is_small, name, url in dict.fromkeys(urls):
        if is_small and has_large:
            continue
        is_background = "bg" in name or "background" in name
        is_gallery = node.tag in ("a", "button", "li") or "data-fancybox" in node.attrib
        kind = "background" if is_background else "link" if is_gallery else "attribute"
        yield FoundImage(url, kind, text)


def _backgrounds(page: Page, style: str | None) -> Iterator[FoundImage]:
    for value in css_urls(style):
        url = page.absolute(value)
        is_data = url.startswith("data:")
        # Fonts have a suffix, or a type
        is_image = url.startswith("data:image/") or url_suffix(url) in IMAGE_SUFFIXES
        if url and (is_image or (not is_data and url_suffix(url) in ("", ".svg"))):
            yield FoundImage(url, "background")


# Scripts -------------------------------------------------------------------------------------


def _scripts(page: Page) -> Iterator[FoundImage]:
    """Yield the images in the scripts of a page: its data as JSON, and strings."""
    for node in page.root.iter("script"):
        kind = (node.get("type") or "").split(";")[0].strip().lower()
        text = node.text or ""
        is_json = kind.endswith(("json", "x-magento-init"))
        is_read = kind == "application/ld+json" and json_of(text)[0] is not None
        if _mentions_images(text) and not is_read:  # as a product; else its strings may still do
            yield from _script(text, page.absolute, is_json=is_json)


def _script(
    text: str, absolute: Callable[[str | None], str], *, is_json: bool
) -> Iterator[FoundImage]:
    data = json_of(text)[0] if is_json else list(objects(text))
    of_data = list(_of_json(data, absolute))
    yield from of_data
    if not (is_json and of_data):  # otherwise all strings have been seen
        for value in image_strings(text):
            if url := absolute(value):
                yield FoundImage(url, "script", source="script")


def _of_json(data: Any, absolute: Callable[[str | None], str]) -> Iterator[FoundImage]:  # noqa: ANN401
    for product in products_of_json(data, absolute):
        yield from _of_product(product, "json" if product.name else "script", "script")


def _mentions_images(text: str) -> bool:
    return (
        re.search(r"image|img|atob\(|\.(?:jpe?g|png|webp|avif|gif)\b", text, re.IGNORECASE)
        is not None
    )
