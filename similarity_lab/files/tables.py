"""Small tables as people have them: CSV in any usual dialect and encoding, TSV, XLSX, JSON, links.

The content decides how a file is read, not its name: a spreadsheet that somebody named ``.csv`` is
read as a spreadsheet. Workbooks are untrusted: what they unpack to is limited before they are read.
"""

import csv
import io
import json
import re
import zipfile
from collections import Counter
from html import unescape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similarity_lab.errors import InputError, MissingExtraError, PathNotFoundError, one_line
from similarity_lab.files.encodings import decode_text

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

__all__ = ["TABLE_SUFFIXES", "Rows", "parse_rows", "read_tables"]

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".json", ".jsonl")
"""Suffixes of the files that `read_tables` reads; none is a top-level domain."""

Rows = list[list[str]]
"""The cells of a table as text, row by row; rows may differ in length."""

_SEPARATORS = "\t;,|"
_DECLARED_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_N_TRIED_ROWS = 50
_MAX_BYTES = 20 * 2**20  # of a text file, and of a workbook's parts, unpacked
_MAX_PARTS = 2000
_MAX_CELLS = 5_000_000
_HYPERLINK = re.compile(
    r'\s*=\s*HYPERLINK\(\s*"([^"]+)"(?:\s*[,;]\s*"([^"]*)"\s*\)\s*$)?', re.IGNORECASE
)
_BOOKMARK = re.compile(r'<a\s[^<>]*?href="([^"<>]+)"[^<>]*>([^<>]*)</a>', re.IGNORECASE)
_LINK_FILE = re.compile(r"<key>URL</key>\s*<string>([^<>]+)</string>", re.IGNORECASE)
_OTHER_KINDS = {
    b"\xd0\xcf\x11\xe0": "an old or encrypted Excel or Office file; save it as .xlsx or CSV",
    b"%PDF": "a PDF; copy the urls into a text file, one per line",
    b"PAR1": "a Parquet file; pass pandas.read_parquet(path)",
    b"SQLite format 3": "a database; pass pandas.read_sql(query, connection)",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"bplist": "a binary property list; copy the urls into a text file, one per line",
}


def read_tables(path: str | PathLike[str]) -> dict[str, Rows]:
    """Return the cells of a table file: of each visible sheet with content, by its name.

    A text file is one sheet, whose name is empty. Where a cell of a workbook has a hyperlink whose
    target is not its text, the target follows the text in parentheses.

    Parameters
    ----------
    path : path
        CSV or TSV (separated by comma, semicolon, tab or ``|``, or as a line ``sep=;`` says; UTF-8,
        UTF-16 or a legacy encoding), one value per line, ``.xlsx``, JSON or JSON Lines (objects,
        lists or texts), a browser's exported bookmarks, or the file of a link (``.url``,
        ``.webloc``).

    Raises
    ------
    PathNotFoundError
        There is no such file.
    InputError
        It is something else, or larger than 20 MiB, also unpacked.
    MissingExtraError
        A workbook, and the extra ``excel`` is not installed.
    """
    path = Path(path)
    if not (path.is_file() or path.is_fifo()):
        raise PathNotFoundError(f"{path}: no such file; expected a table (CSV, TSV, XLSX or text)")
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    try:
        if len(data) > _MAX_BYTES:
            raise InputError(f"is larger than the limit of {_MAX_BYTES:,} bytes of a table")
        if data.startswith(b"PK\x03\x04"):
            return _read_workbook(data)
        for start, kind in _OTHER_KINDS.items():
            if data.startswith(start):
                raise InputError(f"is {kind}")
        text = decode_text(data)
        rows = _links(text) or _json_rows(text)
        if not rows and re.match(r"\s*<(!doctype|html|\?xml|table)", text, re.IGNORECASE):
            raise InputError("is an HTML or XML file; save the table as CSV or .xlsx")
        rows = rows or parse_rows(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return {"": rows} if rows else {}


def parse_rows(text: str) -> Rows:
    r"""Return the cells of a CSV text, whatever separates them; blank lines are dropped.

    Examples
    --------
    >>> parse_rows('sep=;\nname;url\n"Nuts; dates";https://nuts.example/a,b\n')
    [['name', 'url'], ['Nuts; dates', 'https://nuts.example/a,b']]
    >>> parse_rows("https://nuts.example/a,b\nhttps://dates.example\n")
    [['https://nuts.example/a,b'], ['https://dates.example']]
    """
    first, _, rest = text.partition("\n")
    if declared := _DECLARED_SEPARATOR.fullmatch(first):
        return _parse(rest, declared[1])
    candidates = [(separator, _parse(text, separator)) for separator in _SEPARATORS]
    _, rows = max(candidates, key=lambda candidate: _regularity(candidate[1]))
    if _regularity(rows) == (0, 0):
        return [
            [_formula_text(_unquote(line.strip()))] for line in text.splitlines() if line.strip()
        ]
    return rows


def _parse(text: str, separator: str) -> Rows:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise InputError(f"is not a CSV table ({error})") from None
    rows = [[_formula_text(cell.strip()) for cell in row] for row in rows]
    return [row for row in rows if any(row)]


def _unquote(line: str) -> str:
    is_quoted = len(line) > 1 and line[0] == line[-1] == '"'
    return line[1:-1].replace('""', '"') if is_quoted else line


def _formula_text(cell: str) -> str:
    """Return the text and the target of a formula ``=HYPERLINK("target","text")``."""
    match = _HYPERLINK.match(cell) if cell.startswith("=") else None
    if match is None:
        return cell
    return f"{match[2]} ({match[1]})" if match[2] else match[1]


def _links(text: str) -> Rows:
    """Return name and url of each link of exported bookmarks, or the url of a link's file."""
    start = text[:200].lower()
    if "netscape-bookmark-file" in start:
        return [[unescape(name).strip(), unescape(url)] for url, name in _BOOKMARK.findall(text)]
    if "<!doctype plist" in start:
        return [[unescape(url)] for url in _LINK_FILE.findall(text)]
    if start.lstrip().startswith("[internetshortcut]"):
        return [[url] for url in re.findall(r"^URL=(\S+)", text, re.IGNORECASE | re.MULTILINE)]
    return []


def _json_rows(text: str) -> Rows:
    """Return the rows of JSON or JSON Lines; none if the text is neither.

    Raises
    ------
    InputError
        It is JSON of another shape.
    """
    if not text.lstrip().startswith(("[", "{")):
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            return []
    if isinstance(value, dict) and not any(isinstance(v, (dict, list)) for v in value.values()):
        keys = {str(key).casefold() for key in value}
        value = [value] if keys & {"url", "website", "path"} else list(map(list, value.items()))
    is_table = isinstance(value, list) and not any(
        isinstance(cell, (dict, list)) for item in value for cell in _json_cells(item)
    )
    if not is_table:
        raise InputError(
            "is JSON of another shape; expected a list of texts, or of objects without nested ones"
        )
    if any(isinstance(item, dict) for item in value):
        objects = [item if isinstance(item, dict) else {"url": item} for item in value]
        names = list(dict.fromkeys(name for item in objects for name in item))
        value = [names, *([item.get(name) for name in names] for item in objects)]
    rows = [
        ["" if cell is None else str(cell).strip() for cell in _json_cells(item)] for item in value
    ]
    return [row for row in rows if any(row)]


def _json_cells(item: object) -> list[object]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else [item]


def _regularity(rows: Rows) -> tuple[float, int]:
    """Return the share of rows with the usual number of cells, and that number; 0 for one cell."""
    lengths = Counter(len(row) for row in rows[:_N_TRIED_ROWS])
    n_split = sum(count for length, count in lengths.items() if length > 1)
    if n_split <= 0.5 * sum(lengths.values()):
        return 0, 0
    length = max((length for length in lengths if length > 1), key=lambda n: (lengths[n], n))
    return lengths[length] / sum(lengths.values()), length


def _read_workbook(data: bytes) -> dict[str, Rows]:
    _check_workbook(data)
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise MissingExtraError(
            "Reading a workbook", "openpyxl", "excel", "; or save the table as CSV"
        ) from error

    def load(*, data_only: bool) -> "Workbook":
        return load_workbook(io.BytesIO(data), data_only=data_only, keep_links=False)

    try:
        values, formulas = load(data_only=True), load(data_only=False)
    except Exception as error:  # openpyxl raises whatever its parsers do
        raise InputError(f"is not a workbook that can be read ({one_line(error)})") from error
    tables = {
        sheet.title: _sheet_rows(sheet, formulas[sheet.title])
        for sheet in values.worksheets
        if sheet.sheet_state == "visible"
    }
    return {name: rows for name, rows in tables.items() if rows}


def _check_workbook(data: bytes) -> None:
    """Refuse what is not an .xlsx, and zip bombs; `zipfile` stops at the size that is stated."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise InputError(f"is a damaged workbook or zip archive ({one_line(error)})") from error
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        kind = "an OpenDocument file" if "content.xml" in names else "a zip archive"
        raise InputError(f"is {kind}; save the table as .xlsx or CSV")
    size = sum(part.file_size for part in parts)
    if size > _MAX_BYTES or len(parts) > _MAX_PARTS:
        raise InputError(
            f"has {size:,} bytes unpacked in {len(parts):,} parts, expected at most "
            f"{_MAX_BYTES:,} in {_MAX_PARTS:,}; save the table as CSV"
        )


def _sheet_rows(values: Any, formulas: Any) -> Rows:  # noqa: ANN401
    """Return the rows and columns of a worksheet that have content; it may declare a billion."""
    cells: dict[tuple[int, int], str] = {}
    for position, cell in values._cells.items():
        formula = formulas._cells.get(position)
        text = _cell_text(cell, formula.value if formula is not None else None)
        if text:
            cells[position] = text
    rows, columns = (sorted({position[axis] for position in cells}) for axis in (0, 1))
    if len(rows) * len(columns) > _MAX_CELLS:
        raise InputError(
            f"has a sheet of {len(rows):,} x {len(columns):,} cells, expected at most "
            f"{_MAX_CELLS:,}; save the columns that matter as CSV"
        )
    return [[cells.get((row, column), "") for column in columns] for row in rows]


def _cell_text(cell: Any, formula: object) -> str:  # noqa: ANN401
    """Return the text of a cell, and the target of its link if the text does not show it."""
    text = "" if cell.value is None else " ".join(str(cell.value).split())
    link = getattr(cell.hyperlink, "target", None)
    if link is None and isinstance(formula, str) and (match := _HYPERLINK.match(formula)):
        link = match[1]
    return f"{text} ({link})".strip() if link and link not in text else text
