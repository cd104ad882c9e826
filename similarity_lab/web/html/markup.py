"""Parse untrusted HTML, and read URLs and lengths from it."""

import codecs
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from urllib.parse import urljoin, urlsplit

from charset_normalizer import from_bytes
from lxml import html as lxml_html
from lxml.etree import ErrorTypes, ParserError
from lxml.html import HtmlElement
from w3lib.encoding import (
    html_body_declared_encoding,
    http_content_type_encoding,
    read_bom,
)
from w3lib.url import safe_url_string

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"}
)
_MAX_DATA_URL = 2**20  # characters
_MAX_FRAMES = 20  # with a document of their own
_MAX_BASE_URL = 2_000  # characters; every URL of the page may begin with it
# Possessive (`*+`): backtracking over a style full of white space would take forever
_CSS_URL = re.compile(
    r"""url\(\s*+(?:"([^"]*+)"|'([^']*+)'|((?:[^()"'\s\\]|\\.)*+))\s*+\)""", re.IGNORECASE
)
_IMAGE_SET = re.compile(r"image-set\(((?:[^()]|\([^()]{0,2000}\)){1,5000}+)\)", re.IGNORECASE)
_CSS_TYPE = re.compile(r"type\([^()]{0,200}\)", re.IGNORECASE)
_CSS_STRING = re.compile(r"""(?:"([^"]{1,2000}+)"|'([^']{1,2000}+)')""")
_CSS_IMPORT = re.compile(
    r"""@import\s++(?:url\(\s*+)?(?:"([^"]{1,2000}+)"|'([^']{1,2000}+)'|(?<=\()([^()"'\s;]{1,2000}+))""",
    re.IGNORECASE,
)
_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# Names of charsets that browsers know and Python does not: `x-euc-jp`, `iso-8859-8-i`
_OLD_NAMES = (
    (re.compile(rb"""(charset\s{0,9}=\s{0,9}["']?)(?:x-)+""", re.IGNORECASE), rb"\1"),
    (re.compile(rb"(iso-8859-[68])-[ei]\b", re.IGNORECASE), rb"\1"),
)
_DECLARATION_BYTES = 4096  # of a page, where its charset is declared
# Codecs of Python that are not charsets of the web; some fail, some take forever
_NOT_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})


_SWALLOWED = re.compile(r"<(?:nav|body|div|section|header|main|img|a|p|h1)[\s>]", re.IGNORECASE)
# Without a declared charset, browsers go by the language and the top-level domain of a page
_CHARSETS = {
    "ru": "cp1251", "uk": "cp1251", "ua": "cp1251", "bg": "cp1251", "sr": "cp1251", "by": "cp1251",
    "kz": "cp1251", "be": "cp1251", "kk": "cp1251", "mk": "cp1251", "pl": "iso8859-2",
    "cs": "cp1250", "cz": "cp1250", "sk": "cp1250", "hu": "iso8859-2", "sl": "cp1250",
    "si": "cp1250", "hr": "cp1250", "ro": "cp1250", "tr": "cp1254", "az": "cp1254",
    "el": "cp1253", "gr": "cp1253", "he": "cp1255", "il": "cp1255", "ar": "cp1256", "fa": "cp1256",
    "ir": "cp1256", "eg": "cp1256", "sa": "cp1256", "th": "cp874", "vi": "cp1258", "vn": "cp1258",
    "ja": "cp932", "jp": "cp932", "ko": "cp949", "kr": "cp949", "zh": "gb18030", "cn": "gb18030",
    "tw": "big5", "hk": "big5", "zh-tw": "big5", "zh-hk": "big5", "zh-hant": "big5",
}  # fmt: skip
_LANGUAGE = re.compile(
    rb"""<html\b[^>]{0,500}?\blang\s*=\s*["']?([a-zA-Z-]{2,10})""", re.IGNORECASE
)
_SNIFFED_BYTES = 100_000
_FEWEST_LETTERS = 100  # other than ASCII, for a guess of the charset
# Elements that only nest: beyond the depth that libxml2 parses, they are closed where they open
_NESTING = (
    "div|span|section|article|main|center|font|b|i|u|em|strong|small|big|blockquote|ul|ol|dl|li|dd"
    "|table|tbody|tr|td|a|p|form|fieldset|figure|details|label|nav|header|footer|aside"
)
_OPENING_TAG = re.compile(rf"<({_NESTING})(\s[^<>]*+)?>", re.IGNORECASE)
_CLOSING_TAG = re.compile(rf"</(?:{_NESTING})\s*+>", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """A parsed page.

    Attributes
    ----------
    root : HtmlElement
    base : str
        What relative URLs are joined to.
    url : str
        The page's own URL.
    charset : str
        Of the query of relative URLs, as browsers encode it.
    """

    root: HtmlElement
    base: str
    url: str
    charset: str = "utf-8"

    def absolute(self, url: str | None) -> str:
        """Return a URL of the page as an absolute one; see `absolute_url`."""
        return absolute_url(self.base, url, self.charset)

    @cached_property
    def metas(self) -> dict[str, str]:
        """Content of the meta elements by property or name, lower case; the first of equals."""
        metas: dict[str, str] = {}
        for node in self.root.iter("meta"):
            name = (node.get("property") or node.get("name") or "").strip().lower()
            content = (node.get("content") or "").strip()
            if name and content:
                metas.setdefault(name, content)
        return metas

    @property
    def title(self) -> str:
        """The title of the page, one line; empty without one."""
        title = self.root.find(".//title")
        return "" if title is None else clean_text(title.text or "")


def parse_page(source: bytes | str, base_url: str, content_type: str = "") -> Page:
    """Parse a page, however broken.

    Parameters
    ----------
    source : bytes or str
        HTML. Bytes are decoded by their byte order mark, else as the header or the page declares,
        else by a guess.
    base_url : str
        The page's own URL.
    content_type : str
        The HTTP header ``Content-Type``.

    Examples
    --------
    >>> page = parse_page("<p>Nüsse".encode("cp1252"), "https://shop.example/", "text/html")
    >>> page.root.text_content()
    'Nüsse'
    """
    text, charset = (
        (source, "utf-8") if isinstance(source, str) else _decoded(source, base_url, content_type)
    )
    text = text.replace("\0", "")
    root, is_too_deep = _parse(text)
    if is_too_deep:
        root, _ = _parse(_OPENING_TAG.sub(r"<\1\2></\1>", _CLOSING_TAG.sub("", text)))
    _open_scripts(root)
    _open_frames(root)
    base = next((node.get("href") for node in root.iter("base") if node.get("href")), "")
    joined = absolute_url(base_url, base) if 0 < len(base) <= _MAX_BASE_URL else base_url
    return Page(root, joined or base_url, base_url, charset)


def _parse(text: str) -> tuple[HtmlElement, bool]:
    """Return the root of a page, and whether it is nested more deeply than libxml2 parses."""
    parser = lxml_html.HTMLParser(encoding="utf-8", recover=True, no_network=True, huge_tree=True)
    try:
        root = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser)
    except (ParserError, ValueError):  # empty
        root = lxml_html.document_fromstring(b"<html></html>", parser)
    return root, any(error.type == ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log)


def _open_scripts(root: HtmlElement) -> None:
    """Add what an unclosed script of data has swallowed: the page that follows it."""
    for script in list(root.iter("script")):
        text = script.text or ""
        start = text.find("<")
        is_data = (script.get("type") or "").lower().endswith("json")
        is_outside = start > 0 and text[:start].strip() and text.count('"', 0, start) % 2 == 0
        if is_data and is_outside and _SWALLOWED.search(text, start):
            script.text = text[:start]
            swallowed, _ = _parse(text[start:])
            for child in reversed(swallowed.findall("./head/*") + swallowed.findall("./body/*")):
                script.addnext(child)


def _open_frames(root: HtmlElement) -> None:
    """Add the documents that frames carry themselves (``srcdoc``)."""
    for frame in list(islice(root.iter("iframe"), _MAX_FRAMES)):
        if document := frame.attrib.pop("srcdoc", ""):
            body = _parse(document)[0].find("body")
            frame.extend([] if body is None else list(body))


def clean_text(text: str, length: int = 500) -> str:
    """Return text on one line that any file can hold: JSON escapes may be lone surrogates."""
    return " ".join(text[: 10 * length].split())[:length].encode("utf-8", "replace").decode()


def absolute_url(base: str, url: str | None, charset: str = "utf-8") -> str:
    """Return an absolute http, https or data URL without fragment; ``""`` for anything else.

    As in browsers, the path is encoded as UTF-8 and the query in the charset of the page, and a
    backslash is a slash.
    """
    text = "".join((url or "").split()) if _is_data(url) else (url or "").strip()
    if not text or text.startswith("#"):
        return ""
    if _is_data(text):
        return f"data:{text[5:]}" if len(text) <= _MAX_DATA_URL else ""  # schemes ignore case
    try:
        text = re.sub(r"[\t\r\n]", "", text)
        path, mark, query = text.partition("?")
        joined = urljoin(base, path.replace("\\", "/") + mark + query)
        parts = urlsplit(joined)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return ""
        return safe_url_string(parts._replace(fragment="").geturl(), charset)
    except (ValueError, UnicodeError):
        return ""


def unescape_references(url: str) -> str:
    """Undo the character references of a URL; browsers leave alone those without a semicolon.

    Examples
    --------
    >>> unescape_references("/a.jpg?w=8&amp;v=1&currency=EUR&region=2")
    '/a.jpg?w=8&v=1&currency=EUR&region=2'
    """
    return _REFERENCE.sub(lambda match: html.unescape(match[0]), url) if "&" in url else url


def css_class(node: HtmlElement) -> str:
    """Return the classes of an element, as one text."""
    return node.get("class") or ""


def url_suffix(url: str) -> str:
    """Return the file extension of a URL's path, lower case with its dot, or ``""``."""
    try:
        name = urlsplit(url).path.rpartition("/")[2]
    except ValueError:  # not a URL
        return ""
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


def css_urls(style: str | None) -> Iterator[str]:
    r"""Yield each image that a piece of CSS names: ``url(…)``, and strings in ``image-set(…)``.

    Examples
    --------
    >>> list(css_urls(r"/* url(no.jpg) */ background: url('a.jpg'), url(b\ c.jpg)"))
    ['a.jpg', 'b c.jpg']
    >>> list(css_urls("background: image-set('a.avif' type('image/avif'), 'a.jpg' 2x)"))
    ['a.avif', 'a.jpg']
    """
    text = _CSS_IMPORT.sub("", _without_comments(style or ""))
    for match in _CSS_URL.finditer(text):
        yield _without_escapes(next((group for group in match.groups() if group), ""))
    for match in _IMAGE_SET.finditer(text):
        for string in _CSS_STRING.finditer(_CSS_TYPE.sub("", match[1])):
            if url_suffix(url := string[1] or string[2] or "") in IMAGE_SUFFIXES:
                yield _without_escapes(url)


def css_imports(style: str | None) -> Iterator[str]:
    """Yield each style sheet that a piece of CSS imports.

    Examples
    --------
    >>> list(css_imports("@import 'a.css'; @import url(b.css) print; p { color: red }"))
    ['a.css', 'b.css']
    """
    for match in _CSS_IMPORT.finditer(_without_comments(style or "")):
        yield _without_escapes(next(filter(None, match.groups()), ""))


def pixels(value: str | None) -> int | None:
    """Return a declared length in pixels, or None for percentages and anything else.

    Examples
    --------
    >>> pixels("120"), pixels("16px"), pixels("100%"), pixels("9" * 5000)
    (120, 16, None, None)
    """
    match = re.fullmatch(r"\s*(\d{1,6})(?:\.\d*)?\s*(?:px)?\s*", value or "")
    return int(match[1]) if match else None


def _without_comments(style: str) -> str:
    if "/*" not in style:
        return style
    # Not a regular expression: it would search for an end from each beginning
    first, *others = style.split("/*")
    return first + "".join(other.partition("*/")[2] for other in others)


def _without_escapes(text: str) -> str:
    if "\\" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        code = int(match[1], 16) if match[1] else 0
        return chr(code) if 0 < code < 0x110000 else match[2] or ""

    return _CSS_ESCAPE.sub(character, text)


def _decoded(body: bytes, url: str, content_type: str) -> tuple[str, str]:
    """Return text and charset of a page."""
    of_mark, mark = read_bom(body)
    head, header = body[:_DECLARATION_BYTES], content_type.encode("latin-1", "replace")
    for old_name, name in _OLD_NAMES:
        head, header = old_name.sub(name, head), old_name.sub(name, header)
    of_header = http_content_type_encoding(header.decode("latin-1"))
    of_page = html_body_declared_encoding(head)
    if of_page and of_page.startswith(("utf-16", "utf-32")):
        of_page = "utf-8"  # it could be read as ASCII, so it is neither
    charsets = (of_mark or "", of_header or "", of_page or "")
    charset = next(filter(_is_charset, charsets), "") or _sniffed_charset(body, url)
    return body.removeprefix(mark or b"").decode(charset, "replace"), charset


def _is_charset(name: str) -> bool:
    try:
        b"x\0\0\0".decode(name)  # `hex` and the like are codecs, but not of text
    except (LookupError, UnicodeError):
        return False
    return bool(name) and codecs.lookup(name).name.replace("_", "-") not in _NOT_CHARSETS


def _sniffed_charset(body: bytes, url: str) -> str:
    """Return the charset of a page that declares none."""
    try:
        body.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    language = _LANGUAGE.search(body)
    domain = (urlsplit(url).hostname or "").rpartition(".")[2]
    names = [language[1].decode().lower() if language else "", domain]
    names.insert(1, names[0].partition("-")[0])
    for charset in filter(None, map(_CHARSETS.get, names)):
        try:
            body.decode(charset)
        except UnicodeDecodeError:
            continue
        return charset
    letters = body[:_SNIFFED_BYTES]
    if sum(byte > 127 for byte in letters) >= _FEWEST_LETTERS:
        guess = from_bytes(letters, cp_isolation=sorted(set(_CHARSETS.values()))).best()
        if guess is not None and not guess.encoding.startswith("utf"):
            return guess.encoding
    return "cp1252"


def _is_data(url: str | None) -> bool:
    return (url or "").lstrip()[:5].lower() == "data:"
