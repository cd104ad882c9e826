"""Tables for spreadsheets: CSV that Excel recognises, and ``.xlsx``, both safe to open."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from similarity_lab.errors import InputError, MissingExtraError
from similarity_lab.files import atomic_write
from similarity_lab.report.text import escape_invisible, safe_url

if TYPE_CHECKING:
    from openpyxl.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

XLSX = ".xlsx"

# OWASP's list; spreadsheets also accept the wide forms, and some drop what is invisible in front
_INVISIBLE = r"\x00-\x20\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_START = rf"[\s{_INVISIBLE}]*[=+\-@＝＋－＠]"
_FORMULA = re.compile(rf"[\t\r\n]|{_START}")
_INNER_FORMULA = re.compile(rf"([;\t\r\n])(?={_START})")  # a cell of its own in some countries
_MAX_CELL = 32_000  # characters; Excel cuts at 32,767
_MAX_ROWS = 1_048_575  # of a sheet of Excel, without its header
_MAX_LINKS = 60_000  # of a sheet; Excel refuses files with 65,530
_WIDEST = 60  # columns, in characters
# Shown as a percentage.
_SHARES = frozenset({"probability", "offered", "share", "share_low", "share_high", "prior"})


def escape_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text cells that a spreadsheet would evaluate prefixed by ``'``.

    Cells that start with ``=``, ``+``, ``-``, ``@``, a tab or a line break are formulas to a
    spreadsheet (CSV injection, https://owasp.org/www-community/attacks/CSV_Injection); so is what
    follows a semicolon, where that separates cells. Numbers stay as they are.

    Examples
    --------
    >>> escape_formulas(pd.DataFrame({"alt": ["=1+1", "nuts"], "share": [-0.5, 1]}))
         alt  share
    0  '=1+1   -0.5
    1   nuts    1.0
    """

    def escape(value: object) -> object:
        if not isinstance(value, (str, os.PathLike)):
            return value
        text = _INNER_FORMULA.sub(r"\1'", str(value))
        return f"'{text}" if _FORMULA.match(text) else text

    columns = [
        name for name, dtype in table.dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)
    ]
    texts = {
        str(name): pd.Series(map(escape, table[name]), table.index, dtype=object)
        for name in columns
    }
    return table.assign(**texts)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table atomically as CSV that is safe to open in a spreadsheet.

    The encoding is UTF-8 with the mark by which Excel recognises it (``utf-8-sig``).
    Formulas are escaped (see `escape_formulas`); undecodable bytes in file names become backslash
    escapes.

    Parameters
    ----------
    table : DataFrame
    path : Path
        In an existing folder.
    """
    with atomic_write(path) as part:
        escape_formulas(table).to_csv(
            part, index=False, encoding="utf-8-sig", errors="backslashreplace"
        )


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table in the format of its suffix: ``.xlsx``, otherwise CSV.

    Parameters
    ----------
    table : DataFrame
    path : Path
        In an existing folder.
    """
    (write_xlsx if path.suffix.lower() == XLSX else write_csv)(table, path)


def write_xlsx(table: pd.DataFrame, path: Path) -> None:
    """Write a table atomically as a workbook for Excel and the like.

    Text stays text, also if it looks like a formula. Web addresses are links. The header stays in
    view and filters the rows.

    Parameters
    ----------
    table : DataFrame
    path : Path
        In an existing folder.

    Raises
    ------
    MissingExtraError
        The extra ``excel`` is not installed.
    InputError
        The table has more rows than a sheet holds.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise MissingExtraError("Writing .xlsx", "openpyxl", "excel") from None
    if len(table) > _MAX_ROWS:
        raise InputError(
            f"{path}: a sheet holds {_MAX_ROWS:,} rows, the table has {len(table):,}; write CSV"
        )
    book = Workbook()
    sheet = book.active
    sheet.title = "sites" if "site" in table else "table"
    for column, (name, values) in enumerate(table.items(), start=1):
        _write_column(sheet, column, str(name), values)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
    with atomic_write(path) as part, part.open("wb") as file:
        book.save(file)


def _write_column(sheet: "Worksheet", column: int, name: str, values: pd.Series) -> None:
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    head = sheet.cell(1, column)
    _set_text(head, name)
    head.font = Font(bold=True)
    width = len(name) + 3  # of the arrow of the filter
    for row, value in enumerate(values, start=2):
        if value is None or value is pd.NA or value is pd.NaT:
            continue
        if isinstance(value, float) and np.isnan(value):
            continue
        cell = sheet.cell(row, column)
        if isinstance(value, (bool, np.bool_)):
            cell.value = bool(value)
        elif isinstance(value, (int, float, np.number)):
            number = value.item() if isinstance(value, np.number) else value
            if not np.isfinite(number):
                _set_text(cell, str(number))
                continue
            cell.value = number
            if name in _SHARES:
                cell.number_format = "0.0%"
        else:
            _set_text(cell, str(value))
            url = safe_url(str(value)) if name == "url" and row <= _MAX_LINKS else None
            if url is not None:
                cell.hyperlink, cell.style = url, "Hyperlink"
        width = max(width, min(_WIDEST, len(str(cell.value))))
    sheet.column_dimensions[get_column_letter(column)].width = width


def _set_text(cell: "Cell", text: str) -> None:
    """Set a cell to text, never to a formula."""
    cell.value = re.sub("[\ufffe\uffff]", "\ufffd", escape_invisible(text))[:_MAX_CELL]
    cell.data_type = "s"
