"""Words of strangers, made harmless to show: names of files and sites, alt texts, addresses."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from similarity_lab.images.sources import describe

# Letters are joined by these two in Persian, Hindi and emoji; they move nothing around.
_JOINERS = "\u200c\u200d"
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_LONGEST_ADDRESS = 2000
# How tables are written: names of files may hold bytes that are no text
CSV: dict[str, Any] = {"index": False, "errors": "backslashreplace"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str) -> str:
    r"""Return the text with every character that is not seen, or that turns text round, spelt out.

    File names may hold line breaks, control characters, marks that reverse what follows ("gpj.exe"
    shown as "exe.jpg") and bytes that are no text; a page must show them and not obey them.

    Examples
    --------
    >>> visible("invoice\u202egpj.exe")
    'invoice[U+202E]gpj.exe'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"[U+{ord(letter):04X}]"
        if unicodedata.category(letter) in _UNSEEN and letter not in _JOINERS
        else letter
        for letter in text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    )


def clip(text: object, longest: int = 160) -> str:
    """Return a text cut to so many characters, the middle left out: both ends tell something.

    Examples
    --------
    >>> clip("a-very-long-name.jpg", 11)
    'a-ver…e.jpg'
    """
    words = str(text)
    if len(words) <= longest:
        return words
    head = longest // 2
    return f"{words[:head]}…{words[len(words) - (longest - head - 1) :]}"


def web_link(address: object) -> str | None:
    """Return an address that may become a link, or None: http and https only, without passwords.

    Examples
    --------
    >>> web_link("https://shop.example/nuts?page=2")
    'https://shop.example/nuts?page=2'
    >>> web_link("javascript:alert(1)")
    """
    if not isinstance(address, str) or len(address) > _LONGEST_ADDRESS:
        return None
    if visible(address) != address or re.search(r"[\s\\]", address):
        return None  # browsers drop or turn these, and would go elsewhere than is shown
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return None
    plain = parts.scheme in ("http", "https") and host and "@" not in parts.netloc
    return address if plain else None


def shown_paths(sources: Iterable[object]) -> list[str]:
    """Return what images are called on a page: paths below the folder that they share.

    The folder itself is of the machine that wrote the page and says nothing to who reads it.

    Examples
    --------
    >>> shown_paths(["sites/shop/nuts/1.jpg", "sites/shop/2.jpg", b"..."])
    ['nuts/1.jpg', '2.jpg', '<bytes>']
    """
    names = [
        PurePath(source).as_posix() if isinstance(source, (str, os.PathLike)) else None
        for source in sources
    ]
    folders = {os.path.dirname(name) for name in names if name}
    try:
        shared = os.path.commonpath(folders) if folders else ""
    except ValueError:  # absolute and relative ones mixed
        shared = ""
    return [
        describe(source) if name is None else name[len(shared) :].lstrip("/")
        for source, name in zip(sources, names, strict=True)
    ]


def page_name(site: str, target: str, occurrence: int = 0) -> str:
    """Return the name of a page: readable, of plain letters only, and one for each site and target.

    Parameters
    ----------
    site, target : str
    occurrence : int
        Which one it is of several that have this site and target.

    Examples
    --------
    >>> page_name("../../Café <Noix>", "almonds")
    'cafe-noix-almonds-f1cd7f1753.html'
    """
    key = f"{site}\0{target}\0{occurrence}".encode("utf-8", "surrogatepass")
    words = [_plain(site), _plain(target), hashlib.sha256(key).hexdigest()[:10]]
    return "-".join(filter(None, words)) + ".html"


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text[:200]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters)[:40].strip("-")


def spreadsheet_safe(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts no spreadsheet takes for a formula; numbers stay as they are.

    Write this to a CSV that holds names or alt texts of strangers: a cell that starts with ``=``,
    ``+``, ``-``, ``@``, a tab or a carriage return gets an apostrophe in front
    (https://owasp.org/www-community/attacks/CSV_Injection).

    Examples
    --------
    >>> spreadsheet_safe(pd.DataFrame({"alt": ["=1+1", "nuts"], "share": [-0.5, 1]}))
         alt  share
    0  '=1+1   -0.5
    1   nuts    1.0
    """

    def safe(value: object) -> object:
        text = isinstance(value, (str, os.PathLike)) and str(value).startswith(_FORMULA)
        return f"'{value}" if text else value

    columns = [
        name for name, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)
    ]
    texts = {
        str(name): pd.Series(map(safe, table[name]), table.index, dtype=object) for name in columns
    }
    return table.assign(**texts)
