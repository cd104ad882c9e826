"""Parse sitemaps: lists of pages, of other sitemaps, and of the images on each page."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from lxml import etree

from similarity_lab.errors import InputError
from similarity_lab.web.html.images import PRIORITY, FoundImage, merged_images
from similarity_lab.web.html.markup import IMAGE_SUFFIXES, absolute_url, clean_text, url_suffix
from similarity_lab.web.html.products import Product, read_price

_AMPERSAND = re.compile(rb"&(?!(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos);)")
_MAX_ENTRIES = 50_000  # what the protocol allows
_ENTRIES = ("url", "sitemap", "item", "entry")
_IMAGES = ("image", "image_link", "additional_image_link", "content", "thumbnail", "enclosure")


@dataclass
class Sitemap:
    """The content of a sitemap; URLs exactly as written there.

    Attributes
    ----------
    pages, sitemaps : list of str
        Sitemaps with a date come first, the newest ones before others.
    images : list of SitemapImage
    """

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)
    images: list["SitemapImage"] = field(default_factory=list)

    def found_images(self, url: str) -> Iterator[tuple[str, list[FoundImage]]]:
        """Yield absolute URL and images of each page that has images.

        Parameters
        ----------
        url : str
            The sitemap's own URL.
        """
        by_page: dict[str, list[FoundImage]] = {}
        for image in self.images:
            page = absolute_url(url, image.page)
            images = by_page.setdefault(page, [])
            product = Product(image.title, page, image.brand, image.price, image.currency)
            found = FoundImage(
                absolute_url(url, image.url),
                "sitemap",
                image.caption or image.title,
                PRIORITY["sitemap"],
                source="sitemap",
                product=product if image.title else Product(),
                position=len(images) + 1,
            )
            images += [found] if found.url else []
        for page, images in by_page.items():
            yield page, merged_images(images)


@dataclass(frozen=True)
class SitemapImage:
    """An image in a sitemap or feed: its URL, that of its page, and what is said of it."""

    url: str
    page: str
    title: str = ""
    caption: str = ""
    brand: str = ""
    price: float | None = None
    currency: str = ""


def read_sitemap(body: bytes, *, max_bytes: int) -> Sitemap:
    """Parse a sitemap or a sitemap index, gzipped or not; also a list of URLs, RSS and Atom.

    Parameters
    ----------
    body : bytes
    max_bytes : int
        Size limit after decompression.

    Raises
    ------
    InputError
        Damaged, larger than `max_bytes`, or not a sitemap.

    Examples
    --------
    >>> xml = b"<urlset><url><loc> https://shop.example/a </loc></url></urlset>"
    >>> read_sitemap(xml, max_bytes=1000).pages
    ['https://shop.example/a']
    """
    if body[:2] == b"\x1f\x8b":
        body = _decompress(body, max_bytes)
    result = Sitemap() if b"<" in body[:1_000] else _read_text(body)
    body = _AMPERSAND.sub(b"&amp;", body)  # in URLs, by people who write XML themselves
    dates: dict[str, str] = {}
    # No entities and no DTD: no external files, no "billion laughs"
    events = etree.iterparse(
        BytesIO(body),
        events=("end",),
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    try:
        for _, node in () if result.pages else events:
            name = _name(node)
            if name not in _ENTRIES:
                continue
            if name == "sitemap" and (location := _text(node, "loc")):
                dates.setdefault(location, _text(node, "lastmod"))
            elif name != "sitemap":
                _read_page(node, result)
            node.clear()
            if len(result.pages) + len(dates) >= _MAX_ENTRIES:
                break
    except etree.XMLSyntaxError as error:
        raise InputError(f"Not a sitemap: {error}") from None
    result.sitemaps = sorted(dates, key=dates.__getitem__, reverse=True)  # ISO 8601
    if not (result.pages or result.sitemaps):
        raise InputError("Not a sitemap (it lists no URLs)")
    return result


def _read_text(body: bytes) -> Sitemap:
    """Return the sitemap that is a list of URLs, one a line; empty if it is something else."""
    lines = body.decode("utf-8-sig", "replace").split()
    is_list = bool(lines) and all(line.startswith(("http://", "https://")) for line in lines)
    return Sitemap(pages=lines[:_MAX_ENTRIES]) if is_list else Sitemap()


def _read_page(node: etree._Element, result: Sitemap) -> None:
    """Add the page of an entry, and its images; entries of feeds may describe a product."""
    links = (child.get("href") for child in node if _name(child) == "link")  # of Atom
    page = _text(node, "loc") or _text(node, "link") or next(filter(None, links), "")
    if page:
        result.pages.append(page)
    price, currency = read_price(_text(node, "sale_price") or _text(node, "price"))
    name = "" if _name(node) == "url" else clean_text(_text(node, "title"))
    for child in node:
        if _name(child) not in _IMAGES:
            continue
        own = (child.text or "").strip()
        url = _text(child, "loc") or child.get("url") or ("" if len(child) else own)
        if url and (_name(child) != "enclosure" or url_suffix(url) in IMAGE_SUFFIXES):
            result.images.append(
                SitemapImage(
                    url,
                    page,
                    title=name or clean_text(_text(child, "title")),
                    caption=clean_text(_text(child, "caption")),
                    brand=clean_text(_text(node, "brand")),
                    price=price,
                    currency=currency,
                )
            )


def _text(node: etree._Element, name: str) -> str:
    return next(((child.text or "").strip() for child in node if _name(child) == name), "")


def _name(node: etree._Element) -> str:
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _decompress(body: bytes, max_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(wbits=31)
    try:
        data = decompressor.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InputError(f"Damaged gzip data: {error}") from None
    if len(data) > max_bytes:
        raise InputError(f"Larger than {max_bytes:,} bytes when decompressed")
    return data
