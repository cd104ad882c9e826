"""Sanitise untrusted text for display: file names, site names, alt texts, URLs."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from urllib.parse import urlsplit

from similarity_lab.images.sources import describe

# Needed, and unable to reorder text: zero-width (non-)joiners by Persian, Hindi and emoji, soft
# hyphens by long German words, marks of a direction by Hebrew and Arabic.
_JOINERS, _MARKS = "\u200c\u200d", "\u00ad\u200e\u200f\u061c"
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_MAX_URL_LENGTH = 2000


def escape_invisible(text: str) -> str:
    r"""Return the text with invisible and direction-changing characters written as ``[U+XXXX]``.

    File names may contain line breaks, control characters, right-to-left overrides ("gpj.exe"
    displayed as "exe.jpg") and undecodable bytes. A page must show these, not obey them.

    Examples
    --------
    >>> escape_invisible("invoice\u202egpj.exe")
    'invoice[U+202E]gpj.exe'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"[U+{ord(letter):04X}]"
        if unicodedata.category(letter) in _INVISIBLE_CATEGORIES and letter not in _JOINERS + _MARKS
        else letter
        for letter in text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    )


def shorten(text: object, max_length: int = 160) -> str:
    """Return the text cut to at most `max_length` characters, with an ellipsis in the middle.

    Examples
    --------
    >>> shorten("a-very-long-name.jpg", 11)
    'a-ver…e.jpg'
    """
    string = str(text)
    if len(string) <= max_length:
        return string
    head = max_length // 2
    return f"{string[:head]}…{string[len(string) - (max_length - head - 1) :]}"


def safe_url(url: object) -> str | None:
    """Return the URL if it may become a link, else None: http(s) only, without credentials.

    Examples
    --------
    >>> safe_url("https://shop.example/nuts?page=2")
    'https://shop.example/nuts?page=2'
    >>> safe_url("javascript:alert(1)")
    """
    if not isinstance(url, str) or len(url) > _MAX_URL_LENGTH:
        return None
    if escape_invisible(url) != url or re.search(rf"[\s\\{_MARKS}]", url):
        return None  # browsers drop or rewrite these, and would open another URL than is shown
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    is_safe = parts.scheme in ("http", "https") and host and "@" not in parts.netloc
    return url if is_safe else None


def host(url: str) -> str:
    """Return the host of a URL, without ``www.``, as a short text for a link.

    Examples
    --------
    >>> host("https://www.shop.example:8080/nuts?page=2")
    'shop.example:8080'
    """
    return urlsplit(url).netloc.removeprefix("www.")


def display_names(sources: Iterable[object]) -> list[str]:
    """Return names of images for display: paths relative to their common folder.

    The common folder is dropped because it belongs to the machine that wrote the page.

    Examples
    --------
    >>> display_names(["sites/shop/nuts/1.jpg", "sites/shop/2.jpg", b"..."])
    ['nuts/1.jpg', '2.jpg', '<bytes>']
    """
    sources = list(sources)
    names = [
        PurePath(source).as_posix() if isinstance(source, (str, os.PathLike)) else None
        for source in sources
    ]
    folders = {os.path.dirname(name) for name in names if name}
    try:
        common = os.path.commonpath(folders) if folders else ""
    except ValueError:  # a mixture of absolute and relative paths
        common = ""
    return [
        describe(source) if name is None else name[len(common) :].lstrip("/")
        for source, name in zip(sources, names, strict=True)
    ]


def page_filename(site: str, distinction: object = 0) -> str:
    """Return a readable, ASCII-only, unique file name for the page of a site.

    Parameters
    ----------
    site : str
    distinction : object
        Distinguishes several sites of one name by its text.

    Examples
    --------
    >>> page_filename("../../Café <Noix>")
    'cafe-noix-9c37bf25df.html'
    """
    key = f"{site}\0{distinction}".encode("utf-8", "surrogatepass")
    slug = _slug(site)
    return f"{slug}{'-' if slug else ''}{hashlib.sha256(key).hexdigest()[:10]}.html"


def _slug(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text[:200]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters)[:40].strip("-")
