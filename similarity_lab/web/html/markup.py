"""Read hostile HTML into a tree, and take addresses from it."""

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

_MAX_DATA = 2**20  # characters of a data: address
_MAX_BASE = 2_000  # characters; every address of the page may begin with it
# Nothing is given back (`*+`): a style full of white space would take for ever
_CSS_ADDRESS = re.compile(
    r"""url\(\s*+(?:"([^"]*+)"|'([^']*+)'|([^()"'\s]*+))\s*+\)""", re.IGNORECASE
)
# Codecs that Python has and the web has not; some fail, some take for ever
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


@dataclass(frozen=True)
class Page:
    """A parsed page and the address its relative addresses start from."""

    root: HtmlElement
    base: str

    def absolute(self, address: str | None) -> str:
        """Return an address of the page as an absolute one, or an empty text if it is none."""
        return absolute(self.base, address)


def parse_page(html: bytes | str, base_url: str) -> Page:
    """Parse a page, whatever it holds; the encoding is what it declares, or else guessed."""
    text = (html if isinstance(html, str) else _decoded(html)).replace("\0", "")
    # The default limits of libxml2 stay on: no tree deeper than 256, no endless text.
    parser = lxml_html.HTMLParser(encoding="utf-8", recover=True, no_network=True)
    try:
        root = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser)
    except (ParserError, ValueError):  # nothing in it at all
        root = lxml_html.document_fromstring(b"<html></html>", parser)
    base = next((node.get("href") for node in root.iter("base") if node.get("href")), "")
    joined = absolute(base_url, base) if 0 < len(base) <= _MAX_BASE else base_url
    return Page(root, joined or base_url)


def absolute(base: str, address: str | None) -> str:
    """Return an absolute http, https or data address without fragment, or an empty text."""
    text = "".join((address or "").split()) if _is_data(address) else (address or "").strip()
    if not text or text.startswith("#"):
        return ""
    if _is_data(text):
        return f"data:{text[5:]}" if len(text) <= _MAX_DATA else ""  # schemes ignore case
    try:
        joined = urljoin(base, re.sub(r"[\t\r\n]", "", text))
        parts = urlsplit(joined)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return ""
        return safe_url_string(parts._replace(fragment="").geturl())
    except (ValueError, UnicodeError):
        return ""


def css_addresses(style: str | None) -> Iterator[str]:
    """Yield what ``url(…)`` names in a piece of CSS."""
    for match in _CSS_ADDRESS.finditer(style or ""):
        yield next((group for group in match.groups() if group), "")


def pixels(value: str | None) -> int | None:
    """Return a declared length in pixels, or None for percentages and nonsense.

    Examples
    --------
    >>> pixels("120"), pixels("16px"), pixels("100%"), pixels("9" * 5000)
    (120, 16, None, None)
    """
    match = re.fullmatch(r"\s*(\d{1,6})(?:\.\d*)?\s*(?:px)?\s*", value or "")
    return int(match[1]) if match else None


def _decoded(html: bytes) -> str:
    charset = (html_body_declared_encoding(html) or "").replace("_", "-")
    if charset not in _NO_CHARSETS:
        with suppress(LookupError):  # `hex` and its like are codecs, but of no text
            return html_to_unicode(None, html)[1]
    return html.decode("utf-8", "replace")


def _is_data(address: str | None) -> bool:
    return (address or "").lstrip()[:5].lower() == "data:"
