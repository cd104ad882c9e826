import math

import numpy as np
import pandas as pd
import pytest

from similarity_lab.errors import InputError
from similarity_lab.report import escape_formulas, write_csv, write_xlsx
from similarity_lab.report import spreadsheets as spreadsheets_module
from similarity_lab.report.spreadsheets import write_table


def test_escape_formulas_leaves_no_cell_that_is_a_formula():
    formulas = [
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "\nx",
        " =1",
        "＝1",
        "\u00a0+1",
        "\ufeff=1",
        "\u200e\u00ad@x",
        "\x00-1",
    ]
    harmless = ["fine", "a=1", "1 - 2", ""]
    table = pd.DataFrame({"alt": [*formulas, *harmless], "share": -1.0})
    safe = escape_formulas(table)
    assert safe["alt"][: len(formulas)].to_list() == [f"'{text}" for text in formulas]
    assert safe["alt"][len(formulas) :].to_list() == harmless
    assert safe["share"].equals(table["share"])


@pytest.mark.parametrize(
    ("text", "safe"),
    [("nuts;=1+1", "nuts;'=1+1"), ("a;b; -1", "a;b;' -1"), ("a\t@x", "a\t'@x"), ("a; b", "a; b"),
     ("a\n=1", "a\n'=1"), (";=1", ";'=1"), ("a,=1", "a,=1")],
)  # fmt: skip
def test_escape_formulas_knows_other_separators(text, safe):
    """Quotes protect a comma; where semicolons separate cells, they do not protect these."""
    assert escape_formulas(pd.DataFrame({"alt": [text]}))["alt"].tolist() == [safe]


def test_write_csv_survives_undecodable_names(tmp_path):
    names = [b"\xff=.jpg".decode("utf-8", "surrogateescape"), "=1"]
    table = pd.DataFrame({"path": pd.Series(names, dtype=object)})
    write_csv(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text("utf-8-sig").splitlines() == [
        "path",
        r"\udcff=.jpg",
        "'=1",
    ]


def test_written_csv_is_recognised_by_excel(tmp_path):
    table = pd.DataFrame(
        {"site": ["Nüsse & Café", "アーモンド"], "n": pd.array([1, None], "Int64")}
    )
    write_csv(table, tmp_path / "table.csv")
    data = (tmp_path / "table.csv").read_bytes()
    assert (
        data.startswith(b"\xef\xbb\xbf")
        and data[3:].decode() == "site,n\nNüsse & Café,1\nアーモンド,\n"
    )
    assert pd.read_csv(tmp_path / "table.csv")["site"].to_list() == table["site"].to_list()


@pytest.fixture
def cells(tmp_path):
    """Return a function that writes a table and reads the sheet again."""
    openpyxl = pytest.importorskip("openpyxl")

    def write(table):
        write_xlsx(table, tmp_path / "table.xlsx")
        return openpyxl.load_workbook(tmp_path / "table.xlsx").active

    return write


def test_xlsx_keeps_types_and_shows_probabilities_as_percentages(cells):
    table = pd.DataFrame(
        {
            "site": ["Nüsse & Café", "アーモンド"],
            "relevant": pd.array([True, None], "boolean"),
            "probability": [0.25, np.nan],
            "n_scored": pd.array([3, None], "Int64"),
            "score": [math.inf, -1.5],
        }
    )
    sheet = cells(table)
    assert [cell.value for cell in sheet[1]] == list(table.columns)
    assert [cell.value for cell in sheet[2]] == ["Nüsse & Café", True, 0.25, 3, "inf"]
    assert [cell.value for cell in sheet[3]] == ["アーモンド", None, None, None, -1.5]
    assert sheet["C2"].number_format == "0.0%" and sheet["E3"].number_format == "General"
    assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref == "A1:E3"


def test_xlsx_has_no_formulas_and_links_web_addresses_only(cells):
    texts = ["=1+1", "+1", "@x", "\x00\x1b[2J\ufffe", "a" * 50_000, "https://a:b@c.d/", None]
    urls = ["https://shop.example/", "javascript:alert(1)", "=HYPERLINK(1)", "", "", "", ""]
    sheet = cells(pd.DataFrame({"site": texts, "url": urls}))
    written = [sheet.cell(row, 1) for row in range(2, 9)]
    assert [cell.value for cell in written[:3]] == texts[:3]
    assert all(cell.data_type == "s" for cell in written[:6]) and written[6].value is None
    assert written[3].value == "[U+0000][U+001B][2J\ufffd" and len(written[4].value) == 32_000
    links = {cell.hyperlink.target for column in sheet for cell in column if cell.hyperlink}
    assert links == {"https://shop.example/"}


def test_xlsx_refuses_more_rows_than_a_sheet_holds(tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(spreadsheets_module, "_MAX_ROWS", 1)
    with pytest.raises(InputError, match="a sheet holds 1 rows, the table has 2; write CSV"):
        write_xlsx(pd.DataFrame({"site": ["a", "b"]}), tmp_path / "table.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_suffix_of_a_table_chooses_its_format(tmp_path):
    pytest.importorskip("openpyxl")
    for name in ("sites.csv", "sites.XLSX", "sites.txt"):
        write_table(pd.DataFrame({"site": ["a"]}), tmp_path / name)
    assert (tmp_path / "sites.XLSX").read_bytes().startswith(b"PK")
    assert (tmp_path / "sites.csv").read_bytes() == (tmp_path / "sites.txt").read_bytes()
