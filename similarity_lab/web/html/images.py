"""Find the images of a page: every way in which shops show one, product images first."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any
from urllib.parse import urlsplit

from lxml.html import HtmlElement

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
from similarity_lab.web.reasons import Code, Reason

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
# Attributes that scripts read, by what their names say
_LARGE_NAME = re.compile(
    r"zoom|large|full|big|hi-?_?res|orig|super|max|retina|2x|highres", re.IGNORECASE
)
_SMALL_NAME = re.compile(
    r"thumb|small|tiny|preview|placeholder|lqip|low|mini|loading|mobile|phone|tablet"
    r"|fallback|error|default|missing",
    re.IGNORECASE,
)
_OTHER_VIEW_NAME = re.compile(
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
_READABLE_TYPES = frozenset(
    {
        "jpeg", "jpg", "pjpeg", "png", "apng", "x-png", "webp", "avif", "gif", "bmp",
        "x-ms-bmp", "tiff",
    }
)  # fmt: skip
_UNREADABLE_SUFFIXES = frozenset(
    {".jxl", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".jxr", ".wdp", ".svg", ".svgz"}
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
_PLAIN_NAMES = ("src", "href", "xlink:href")
_FRAME = frozenset({"header", "footer", "nav"})  # the same on each page: logos, badges
_RATIOS = frozenset(
    {(4, 3), (3, 2), (16, 9), (16, 10), (5, 4), (2, 1), (21, 9), (5, 3), (7, 5), (3, 1)}
)
_NO_PRODUCT = Product()
_MAX_SOURCES = 50  # per <picture>
_MAX_FALLBACKS = 3
_MAX_VALUE = 20_000  # characters of an attribute
_TEMPLATE_WIDTH = 1200  # where a URL template leaves the width open


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
        URLs of the same image to ask for if this one cannot be had, best first.
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
        return replace(image, url=first, fallbacks=(*others[:_MAX_FALLBACKS],), product=product)

    images = _script(text, lambda value: value or "", is_json=text.lstrip()[:1] in ("{", "["))
    return merged_images(
        replace(image, source="script", priority=PRIORITY[image.kind])
        for image in map(resolved, images)
        if image.url
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
        (not url.startswith("data:") and _UNFILLED.search(url), Reason(Code.TEMPLATE)),
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
    url = original_url(_filled(image.url))
    others = dict.fromkeys((image.url, *image.fallbacks)) if url != image.url else image.fallbacks
    usable = [other for other in others if other != url and not skip_reason(other)]
    return replace(
        image,
        url=url,
        alt=clean_text(image.alt),
        reason=image.reason or skip_reason(url),
        fallbacks=tuple(usable[:_MAX_FALLBACKS]),
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
            if url := _image_url(page, node.get(name)):
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
        for url, *others in filter(None, [_versions(page, node, context.sources[node])]):
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
    versions = _versions(page, node, sources)
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


def _versions(page: Page, node: HtmlElement, sources: list[HtmlElement]) -> list[str]:
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
            for url, size in _values(page, node, name, value, is_img=True):
                is_data = url.startswith("data:")  # a placeholder, if there is anything else
                found.append((-1 if is_data else 3 if size and rank < 4 else rank, size, url))
    found.sort(key=lambda version: (-version[0], -version[1]))
    urls = [url for _, _, url in found if url_suffix(url) not in _UNREADABLE_SUFFIXES]
    urls = urls or [url for _, _, url in found]
    usable = [url for url in urls if not skip_reason(url)]
    return list(dict.fromkeys(usable or urls))[: 1 + _MAX_FALLBACKS]


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
    if _TEXT_NAME.search(name) or _OTHER_VIEW_NAME.search(name):
        return None
    if _SMALL_NAME.search(name):
        return 0
    return 4 if _LARGE_NAME.search(name) and "srcset" not in name else 2


def _is_readable_type(source: HtmlElement) -> bool:
    kind = (source.get("type") or "image/jpeg").split(";")[0].strip().lower()
    return kind.partition("/")[2] in _READABLE_TYPES or not kind.startswith("image/")


def _attributes(page: Page, node: HtmlElement) -> Iterator[FoundImage]:
    """Yield images that other attributes name: galleries, lazy backgrounds, a second view, JSON."""
    urls: list[tuple[bool, str, str]] = []
    for name, value in node.attrib.items():
        if name in _OTHER_ATTRIBUTES:
            continue
        if node.tag in _IMAGE_TAGS and not _OTHER_VIEW_NAME.search(name):
            continue  # a version of the image itself
        if len(value) > 4 and value.lstrip()[:1] in ("{", "[") and ("." in value or "/" in value):
            if _mentions_images(value):
                data, _ = json_of(value)
                yield from _of_json(data, page.absolute)
            continue
        for url, _ in _values(page, node, name, value, is_img=False):
            urls.append((bool(_SMALL_NAME.search(name)), name, url))
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


def _values(
    page: Page, node: HtmlElement, name: str, value: str, *, is_img: bool
) -> Iterator[tuple[str, float]]:
    """Yield ``(url, size)`` of the images that an attribute names; the size is 0 without one."""
    value = value.strip()
    if value[:1] in ("'", "`") and value[-1:] == value[:1]:
        value = value[1:-1]  # a string for a script: `:src="'a.jpg'"`
    if is_img and name in _PLAIN_NAMES:
        if url := page.absolute(_filled(value, node)):
            yield url, 0.0
        return
    for url, size in _named(node, name, value, is_img=is_img):
        if absolute := _image_url(page, url):
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
        yield from ((_filled(url, node), 0.0) for url in css_urls(value))
    elif is_set:
        yield largest(_filled(value, node))
    elif not _TEXT_NAME.search(name) and not name.startswith("on"):
        pieces = re.split(r"[,|;\s]+", value.strip(",|; "))
        is_list = len(pieces) > 1 and all(url_suffix(piece) in IMAGE_SUFFIXES for piece in pieces)
        for piece in pieces if is_list else [value]:
            url = _filled(piece, node)
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


def _image_url(page: Page, url: str | None) -> str:
    """Return an absolute URL; ``""`` for placeholders and other values (``data-zoom="2"``)."""
    text = (url or "").strip()
    if (
        not text
        or text.startswith(("data:", "{", "[", "holder.js"))
        or not re.search(r"[./]", text)
    ):
        return ""
    return page.absolute(text)


def _filled(url: str, node: HtmlElement | None = None) -> str:
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
