"""Read lists of websites as people have them: urls, tables, text pasted from a browser.

Nothing here makes a request. What is not a url stays in the list and
is refused with a reason.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from os import PathLike
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pandas as pd

from similarity_lab.errors import InputError, PathNotFoundError, did_you_mean
from similarity_lab.files.tables import TABLE_SUFFIXES, Rows, parse_rows, read_tables
from similarity_lab.web.policy.urls import has_known_suffix

__all__ = ["NamedUrl", "UrlSource", "read_sites"]

UrlSource = str | PathLike[str] | Iterable[str | PathLike[str]] | Mapping[str, str] | pd.DataFrame
"""URLs, a mapping of name to URL, a table with a column ``url``, or a file of one."""

_EXPECTED = "a table with a column url, or one url per line"
_URL_HEADERS = frozenset({
    "url", "urls", "website", "websites", "web", "webpage", "homepage", "link", "links", "domain",
    "domains", "www", "internet", "webseite", "webseiten", "internetseite", "internetadresse",
    "webadresse", "internetauftritt", "webauftritt", "webshop", "onlineshop", "siteweb",
    "sitioweb", "paginaweb", "sitoweb",
    "hjemmeside", "hemsida", "nettside", "kotisivu", "сайт", "вебсайт", "ссылка", "网址", "网站",
    "ウェブサイト", "ホームページ", "홈페이지", "웹사이트", "網站", "網址", "вебсторінка",
    "интернетсайт",
    "ιστοσελίδα", "ιστότοπος", "الموقع", "موقع", "אתר", "strona", "stronawww",
    "webové", "webstránka", "weboldal", "veebileht", "svetainė", "mājaslapa", "spletnastran",
    "websitesi", "situsweb",
})  # fmt: skip
_NAME_HEADERS = (
    "name", "names", "sitename", "shopname", "company", "companyname", "supplier", "suppliername",
    "shop", "store", "vendor", "seller", "retailer", "brand", "title", "firma", "lieferant",
    "händler", "anbieter", "nom", "société", "fournisseur", "nombre", "empresa", "proveedor",
    "nome", "fornitore", "компания", "公司", "会社名", "site",
)  # fmt: skip
_NOT_SITES = frozenset(
    {"image", "images", "img", "logo", "photo", "picture", "icon", "facebook", "instagram", "email"}
)
_N_HEADER_ROWS = 30  # a spreadsheet often has a title above its header

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")
_WITH_SCHEME = re.compile(r"(?<![\w+.-])[a-z][a-z0-9+.-]{0,20}://[^\s<>\"“”„|]+", re.IGNORECASE)
_WITHOUT_SCHEME = re.compile(
    r"(?<![\w@.-])(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_][\w-]+(?![\w@])"
    r"(?::\d{1,5})?(?:[/?#][^\s<>\"“”„|]*)?"
)
_MARKDOWN_LINK = re.compile(r"\[([^\[\]]{0,200})\]\(\s?([^)\s\[]{1,2000})(?:\s[^)\[]{0,200})?\)")
_HTML_LINK = re.compile(
    r"<a\s[^<>]{0,300}?href\s*=\s*[\"']?([^\"'<>\s]{1,2000})[^<>]{0,300}>([^<>]{0,300})",
    re.IGNORECASE,
)
_RULE = re.compile(r"[-=:+_ ]{2,}")  # under the header of a table in text
_QUOTES = "\"'“”„`[]"
_BULLET = re.compile(r"^(?:[-*•·–—>]+|\(?\d{1,4}[.):])\s+")
_COMMENT = re.compile(r"#(?!\d*$)")
_REDIRECTORS = {  # hosts whose links lead to the url in a parameter
    "www.google.com/url": ("q", "url"),
    "l.facebook.com/l.php": ("u",),
    "safelinks.protection.outlook.com/": ("url",),
}


class NamedUrl(NamedTuple):
    """A website of a list: a name, which is the url by default, and the url as it was given."""

    name: str
    url: str


def read_sites(source: UrlSource) -> list[NamedUrl]:
    r"""Return the websites of a list, in order; blank lines and comments are not among them.

    Parameters
    ----------
    source : str, path, iterable of them, mapping of name to URL, or DataFrame
        A string is a URL, lines of URLs, or the path of a file (see
        `similarity_lab.files.tables.read_tables`). A table has a column ``url`` (``Website``,
        ``Homepage`` and the like, in any case) and optionally one with names. Without a header,
        the column of URLs is recognised by its content.

    Raises
    ------
    PathNotFoundError
        A string that looks like a file, and there is none.
    InputError
        A table without a column of URLs, or with several; the message names those that look like
        URLs.

    Examples
    --------
    >>> read_sites("Website;Supplier\nnuts.example;Nuts & Co\n")
    [NamedUrl(name='Nuts & Co', url='nuts.example')]
    >>> read_sites("- https://nuts.example/?page=2#top\n- Dates: <https://dates.example>")[1]
    NamedUrl(name='Dates', url='https://dates.example')
    """
    if isinstance(source, pd.DataFrame):  # one site per row, also where a row is empty
        return _read_table(_frame_rows(source), "the table", keep_rows=True)
    if isinstance(source, Mapping):
        pairs = [(_text(name), _text(url)) for name, url in source.items()]
        return [NamedUrl(name or url, url) for name, url in pairs]
    if isinstance(source, (str, PathLike)):
        if isinstance(source, str) and not _is_file(source):
            _refuse_missing_file(source)
        return _read_item(source)
    items = list(source)
    if items and all(isinstance(item, Mapping) for item in items):
        return _read_table(_frame_rows(pd.DataFrame(items)), "the table")
    return [site for item in items for site in _read_item(item)]


def _read_item(item: object) -> list[NamedUrl]:
    if isinstance(item, PathLike) or (isinstance(item, str) and _is_file(item)):
        return _read_file(Path(item).expanduser())
    if isinstance(item, (tuple, list)):  # a name and a url
        return _read_table([[_text(cell) for cell in item]], "the list")
    text = _text(item)
    if "\n" in text:
        return _read_table(parse_rows(text), "the text")
    return list(_sites_of_cell(text)) or [NamedUrl(text, text)]


def _read_file(path: Path) -> list[NamedUrl]:
    tables = read_tables(path)
    sites, problems = [], []
    for name, rows in tables.items():
        try:
            sites += _read_table(rows, f"{path} [{name}]" if name else str(path))
        except InputError as error:  # another sheet, about something else
            problems.append(error)
    if not sites:
        raise problems[0] if problems else InputError(f"{path}: no rows; expected {_EXPECTED}")
    return sites


def _is_file(text: str) -> bool:
    """Tell whether a string is the path of a file; a folder is an error."""
    if "://" in text or "\n" in text or not text.strip():
        return False
    path = Path(text).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.is_file() or path.is_fifo()
    except (OSError, ValueError):  # too long, or NUL
        return False
    if is_folder:
        raise InputError(f"{path}: is a folder; expected URLs, or a file: {_EXPECTED}")
    return is_file


def _refuse_missing_file(text: str) -> None:
    """Raise an error if a string can only be meant as a file."""
    if "://" in text or "\n" in text or not text.strip():
        return
    path = Path(text.strip())
    looks_like_path = (
        path.suffix.lower() in TABLE_SUFFIXES
        or text.startswith(("/", "./", "../", ".\\", "..\\", "~"))
        or re.match(r"[A-Za-z]:[\\/]", text)
        or ("\\" in text and " " not in text)
    )
    if looks_like_path or not _may_be_host(re.split(r"[/?#]", text.strip())[0]):
        hint = did_you_mean(path.name, _neighbours(path))
        raise PathNotFoundError(f"{text}: no such file; expected {_EXPECTED}.{hint}")


def _may_be_host(text: str) -> bool:
    """Tell whether this may be a host: an IP address, a machine here, or a registered name."""
    host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "")
    host = host.rpartition("@")[2]
    is_address = host.startswith("[") or re.fullmatch(r"[\d.]+|0x[0-9a-f.x]+", host, re.IGNORECASE)
    return bool(port or is_address or host == "localhost" or has_known_suffix(host) or " " in host)


def _neighbours(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []


def _text(value: object) -> str:
    """Return a cell as text; an empty string for a missing value."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return ""
    return _INVISIBLE.sub("", str(value)).replace("\xa0", " ").strip()


def _frame_rows(frame: pd.DataFrame) -> Rows:
    rows = [[_text(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]
    has_header = not isinstance(frame.columns, pd.RangeIndex)
    return [[_text(name) for name in frame.columns], *rows] if has_header else rows


# Tables -----------------------------------------------------------------------------------------


def _read_table(rows: Rows, name: str, *, keep_rows: bool = False) -> list[NamedUrl]:
    rows = [[_text(cell) for cell in row] for row in rows]
    rows = [row for row in rows if keep_rows or (any(row) and not _is_comment(row))]
    if not rows:
        return []
    width = max(len(row) for row in rows)
    rows = [row + [""] * (width - len(row)) for row in rows]
    found = _find_header(rows, name)
    if found is None:  # no header
        columns = _url_columns(rows)
        has_header = width > 1 and not any(map(_looks_like_url, rows[0]))
        if not columns or has_header:
            raise _no_url_column(rows, name)
        if all(_looks_like_url(cell) for row in rows for cell in row if cell):  # urls in a row
            rows = [[cell] for row in rows for cell in row if cell]
            columns, width = [0], 1
        body, url_column, name_column = rows, columns[0], _first_text_column(rows, columns)
        if width == 1:
            return _with_titles(list(_sites_of_rows(rows, 0, None)))
    else:
        header_row, url_column, name_column = found
        body = rows[header_row + 1 :]
    return list(_sites_of_rows(body, url_column, name_column))


def _with_titles(sites: list[NamedUrl]) -> list[NamedUrl]:
    """Take every other line for the name of the next one, as in a list of a browser's tabs."""
    titles, urls = sites[::2], sites[1::2]
    is_alternating = len(titles) == len(urls) and not any(_looks_like_url(url) for _, url in titles)
    if not is_alternating or not all(_looks_like_url(url) for _, url in urls):
        return sites
    return [NamedUrl(title.name, url) for title, (_, url) in zip(titles, urls, strict=True)]


def _sites_of_rows(rows: Rows, url_column: int, name_column: int | None) -> Iterator[NamedUrl]:
    for row in rows:
        name = row[name_column] if name_column is not None else ""
        sites = list(_sites_of_cell(row[url_column]))
        if not sites:
            yield NamedUrl(name or row[url_column], row[url_column])
        for site in sites:
            yield NamedUrl(name, site.url) if name else site


def _is_comment(row: list[str]) -> bool:
    cells = [cell for cell in row if cell]
    is_rule = all(map(_RULE.fullmatch, cells))
    return is_rule or (bool(_COMMENT.match(cells[0])) and not any(map(_header_rank, cells)))


def _find_header(rows: Rows, name: str) -> tuple[int, int, int | None] | None:
    """Return the row of the header, the column of urls and that of names."""
    ranks = [
        [_header_rank(cell) for cell in row]
        for row in takewhile(lambda row: not any(map(_looks_like_url, row)), rows[:_N_HEADER_ROWS])
    ]
    best = max((rank for row in ranks for rank in row), default=0)
    if not best:
        return None
    number = max(index for index, row in enumerate(ranks) if best in row)  # titles are above it
    columns = [column for column, rank in enumerate(ranks[number]) if rank == best]
    if len(columns) > 1:  # Website and Homepage
        filled = _url_columns(rows[number + 1 :])
        columns = [column for column in columns if column in filled] or columns
    if len(columns) > 1:
        names = " and ".join(repr(rows[number][column]) for column in columns)
        raise InputError(f"{name}: {names} look like urls of sites; rename one of them to url")
    keys = [_header_key(cell) for cell in rows[number]]
    name_columns = [keys.index(key) for key in _NAME_HEADERS if key in keys]
    name_columns += [column for column, key in enumerate(keys) if "name" in key]
    name_column = next((column for column in name_columns if column != columns[0]), None)
    if name_column is None:
        name_column = _first_text_column(rows[number + 1 :], columns)
    return number, columns[0], name_column


def _header_rank(cell: str) -> int:
    """Return how surely a header names the urls of sites: 3 ``url``, 1 one word of it, 0 not."""
    key, words = _header_key(cell), set(_header_words(cell))
    if key == "url":
        return 3
    if len(cell) > 40 or words & _NOT_SITES:
        return 0
    return 2 if key in _URL_HEADERS else int(bool(words & _URL_HEADERS))


def _header_words(cell: str) -> list[str]:
    text = unicodedata.normalize("NFKC", cell)
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)  # WebsiteURL, shopUrl
    return re.findall(r"[^\W\d_]+", text.casefold())


def _header_key(cell: str) -> str:
    words = _header_words(cell)
    return "".join(words).removeprefix("the")


def _no_url_column(rows: Rows, name: str) -> InputError:
    above = list(takewhile(lambda row: not any(map(_looks_like_url, row)), rows))
    # the last row above the urls: those before it are titles
    candidates = reversed(above) if 0 < len(above) < len(rows) else rows
    header = next(filter(any, candidates))
    body = rows[rows.index(header) + 1 :]
    likely = [
        repr(header[column]) if header[column] else f"column {column + 1}, which has no name,"
        for column in _url_columns(body)
    ]
    columns = ", ".join(repr(cell) for cell in header if cell)[:300]
    hint = f"; {', '.join(likely)} looks like urls: name it url" if likely else ""
    return InputError(
        f"{name}: no column url; the columns are {columns}{hint}. Expected {_EXPECTED}"
    )


def _url_columns(rows: Rows) -> list[int]:
    """Return the columns in which at least half of the cells look like urls, best first."""
    shares = {}
    for column in range(max(map(len, rows), default=0)):
        cells = [row[column] for row in rows if row[column]]
        n_urls = sum(map(_looks_like_url, cells))
        if n_urls and n_urls >= 0.5 * len(cells):
            shares[column] = n_urls
    return sorted(shares, key=lambda column: (-shares[column], column))


def _first_text_column(rows: Rows, taken: Sequence[int]) -> int | None:
    """Return the first column that has words rather than numbers, another in each row."""
    for column in range(max(map(len, rows), default=0)):
        cells = [row[column] for row in rows if row[column]]
        words = [cell for cell in cells if re.search(r"[^\W\d_]", cell) and "@" not in cell]
        words = [cell for cell in words if not _looks_like_url(cell)]
        if column not in taken and len(words) > 0.5 * len(rows) and len(set(words)) == len(words):
            return column
    return None


# Cells and lines --------------------------------------------------------------------------------


def _looks_like_url(text: str) -> bool:
    return any(True for _ in _sites_of_cell(text))


def _sites_of_cell(text: str) -> Iterator[NamedUrl]:
    """Yield the urls in a cell or line; words before the only one are its name."""
    text = _BULLET.sub("", _text(text))
    if match := _MARKDOWN_LINK.search(text):
        yield NamedUrl(match[1].strip() or match[2], _target(match[2]))
        return
    if match := _HTML_LINK.search(text):
        yield NamedUrl(match[2].strip() or match[1], _target(match[1]))
        return
    text = text.strip(_QUOTES)
    pieces = [piece.strip(_QUOTES) for piece in re.split(r"[\s;,|]+", text.rstrip(" ;,|"))]
    if len(pieces) > 1 and all(_WITH_SCHEME.match(piece) or _is_site(piece) for piece in pieces):
        yield from (NamedUrl(url, url) for url in map(_target, pieces))
        return
    matches = list(_WITH_SCHEME.finditer(text))
    if not matches:
        matches = [match for match in _WITHOUT_SCHEME.finditer(text) if _is_site(match[0])]
    if len(matches) == 1 and _continues(text, matches[0]):
        yield NamedUrl(text, text)
        return
    urls = [_target(match[0]) for match in matches]
    name = text[: matches[0].start()].strip(" \t:;,–—-=|<([\"'") if len(urls) == 1 else ""
    if name.casefold() in ("url", "view-source", "website", "homepage", "web", "www", "link"):
        name = ""
    for url in urls:
        yield NamedUrl(name or url, url)


def _continues(text: str, match: re.Match[str]) -> bool:
    """Tell whether a url that begins a text has spaces in its path, as in ``…/our nuts.html``."""
    rest = text[match.end() :]
    in_path = match.start() == 0 and "/" in match[0].partition("://")[2]
    return in_path and bool(re.match(r"\s[\w%]", rest)) and bool(re.search(r"[/.=]", rest))


def _is_site(text: str) -> bool:
    """Tell whether a text without a scheme is a host, perhaps with a path, and not a file."""
    host = re.split(r"[/?#:]", text)[0]
    has_path = len(host) < len(text)
    return has_known_suffix(host) and (has_path or not text.lower().endswith(TABLE_SUFFIXES))


def _target(url: str) -> str:
    """Return the url without what was pasted with it; that of a redirector leads elsewhere."""
    url = url.rstrip(".,;:!'*")
    for opening, closing in ("()", "[]", "{}"):
        while url.endswith(closing) and url.count(closing) > url.count(opening):
            url = url[:-1]
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    for place, names in _REDIRECTORS.items():
        host, _, path = place.partition("/")
        if (parts.hostname or "").endswith(host) and parts.path == f"/{path}":
            query = parse_qs(parts.query)
            targets = [value for name in names for value in query.get(name, []) if "://" in value]
            return targets[0] if targets else url
    return url
