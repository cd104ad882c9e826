"""Parse sitemaps: lists of pages, of other sitemaps, and of the images on each page."""

import zlib
from dataclasses import dataclass, field
from io import BytesIO

from lxml import etree

from similarity_lab.errors import InputError

_MAX_ENTRIES = 5_000


@dataclass
class Sitemap:
    """The content of a sitemap; URLs exactly as written there."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)
    images: list[tuple[str, str, str]] = field(default_factory=list)  # url, page, caption


def read_sitemap(body: bytes, *, max_bytes: int) -> Sitemap:
    """Parse a sitemap or a sitemap index, gzipped or not.

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
    result = Sitemap()
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
        for _, node in events:
            name = _name(node)
            if name == "url":
                _read_page(node, result)
            elif name == "sitemap" and (location := _text(node, "loc")):
                result.sitemaps.append(location)
            if name in ("url", "sitemap"):
                node.clear()
            if len(result.pages) + len(result.sitemaps) >= _MAX_ENTRIES:
                break
    except etree.XMLSyntaxError as error:
        raise InputError(f"Not a sitemap: {error}") from None
    if not (result.pages or result.sitemaps):
        raise InputError("Not a sitemap (it lists no URLs)")
    return result


def _read_page(node: etree._Element, result: Sitemap) -> None:
    page = _text(node, "loc")
    if page:
        result.pages.append(page)
    for child in node:
        if _name(child) == "image" and (url := _text(child, "loc")):
            caption = _text(child, "caption") or _text(child, "title")
            result.images.append((url, page, caption))


def _text(node: etree._Element, name: str) -> str:
    return next(((child.text or "").strip() for child in node if _name(child) == name), "")


def _name(node: etree._Element) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def _decompress(body: bytes, max_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(wbits=31)
    try:
        data = decompressor.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InputError(f"Damaged gzip data: {error}") from None
    if len(data) > max_bytes:
        raise InputError(f"Larger than {max_bytes:,} bytes when decompressed")
    return data
