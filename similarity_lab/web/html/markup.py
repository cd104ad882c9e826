"""Parse untrusted HTML, and read URLs and lengths from it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from lxml import html as lxml_html
from lxml.etree import ParserError
from lxml.html import HtmlElement
from w3lib.encoding import html_body_declared_encoding, html_to_unicode
from w3lib.url import safe_url_string

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"}
)
_MAX_DATA_URL = 2**20  # characters
_MAX_BASE_URL = 2_000  # characters; every URL of the page may begin with it
# Possessive (`*+`): backtracking over a style full of white space would take forever
_CSS_URL = re.compile(r"""url\(\s*+(?:"([^"]*+)"|'([^']*+)'|([^()"'\s]*+))\s*+\)""", re.IGNORECASE)
# Codecs of Python that are not charsets of the web; some fail, some take forever
_NOT_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


@dataclass(frozen=True)
class Page:
    """A parsed page and the base of its relative URLs."""

    root: HtmlElement
    base: str

    def absolute(self, url: str | None) -> str:
        """Return a URL of the page as an absolute one; see `absolute_url`."""
        return absolute_url(self.base, url)


def parse_page(html: bytes | str, base_url: str) -> Page:
    """Parse a page, however broken; bytes are decoded as it declares, else by a guess."""
    text = (html if isinstance(html, str) else _decoded(html)).replace("\0", "")
    # libxml2's default limits stay on: depth 256, text size
    parser = lxml_html.HTMLParser(encoding="utf-8", recover=True, no_network=True)
    try:
        root = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser)
    except (ParserError, ValueError):  # empty
        root = lxml_html.document_fromstring(b"<html></html>", parser)
    base = next((node.get("href") for node in root.iter("base") if node.get("href")), "")
    joined = absolute_url(base_url, base) if 0 < len(base) <= _MAX_BASE_URL else base_url
    return Page(root, joined or base_url)


def absolute_url(base: str, url: str | None) -> str:
    """Return an absolute http, https or data URL without fragment; ``""`` for anything else."""
    text = "".join((url or "").split()) if _is_data(url) else (url or "").strip()
    if not text or text.startswith("#"):
        return ""
    if _is_data(text):
        return f"data:{text[5:]}" if len(text) <= _MAX_DATA_URL else ""  # schemes ignore case
    try:
        joined = urljoin(base, re.sub(r"[\t\r\n]", "", text))
        parts = urlsplit(joined)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return ""
        return safe_url_string(parts._replace(fragment="").geturl())
    except (ValueError, UnicodeError):
        return ""


def url_suffix(url: str) -> str:
    """Return the file extension of a URL's path, lower case with its dot, or ``""``."""
    name = urlsplit(url).path.rpartition("/")[2]
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


def css_urls(style: str | None) -> Iterator[str]:
    """Yield the argument of each ``url(…)`` in a piece of CSS."""
    for match in _CSS_URL.finditer(style or ""):
        yield next((group for group in match.groups() if group), "")


def pixels(value: str | None) -> int | None:
    """Return a declared length in pixels, or None for percentages and anything else.

    Examples
    --------
    >>> pixels("120"), pixels("16px"), pixels("100%"), pixels("9" * 5000)
    (120, 16, None, None)
    """
    match = re.fullmatch(r"\s*(\d{1,6})(?:\.\d*)?\s*(?:px)?\s*", value or "")
    return int(match[1]) if match else None


def _decoded(html: bytes) -> str:
    charset = (html_body_declared_encoding(html) or "").replace("_", "-")
    if charset not in _NOT_CHARSETS:
        with suppress(LookupError):  # `hex` and the like are codecs, but not of text
            return html_to_unicode(None, html)[1]
    return html.decode("utf-8", "replace")


def _is_data(url: str | None) -> bool:
    return (url or "").lstrip()[:5].lower() == "data:"
