import pandas as pd
import pytest

from similarity_lab.report.text import (
    display_names,
    escape_formulas,
    escape_invisible,
    page_filename,
    safe_url,
    shorten,
    write_csv,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café नमस्ते 👩‍🍳 آجیل", "Café नमस्ते 👩‍🍳 آجیل"),
        ("a\u202eb\u2066c", "a[U+202E]b[U+2066]c"),
        ("a\x00\x1b", "a[U+0000][U+001B]"),
        ("two\r\nlines\there", "two lines here"),
        (b"\xff".decode("utf-8", "surrogateescape"), "[U+DCFF]"),
    ],
)
def test_escape_invisible_shows_control_characters_and_keeps_scripts(text, expected):
    assert escape_invisible(text) == expected
    escape_invisible(text).encode("utf-8")


def test_shorten_never_exceeds_the_maximum():
    for length in range(3, 12):
        assert len(shorten("abcdefghij", length)) == min(length, 10)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//host/x", "/local", "",
        "https://user:secret@host/", "https://a\tb/", "java\nscript:x", "https:\\\\host", "http://",
        "https://[::1", "https://x/\u202e", "https://" + "x" * 3000, None, float("nan"),
    ],
)  # fmt: skip
def test_safe_url_rejects_everything_but_plain_web_urls(url):
    assert safe_url(url) is None


def test_page_filenames_are_ascii_and_distinct():
    pairs = [("a", "b"), ("A", "b"), ("a b", ""), ("a", "b c"), ("ab", "c"), ("../../x", "CON"),
             ("💥", "\0"), ("x" * 500, "y" * 500), ("\udcff", "b")]  # fmt: skip
    names = [page_filename(*pair) for pair in pairs] + [page_filename("a", "b", 1)]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert name.isascii() and "/" not in name and not name.startswith(".") and len(name) < 110


def test_display_names_drop_only_the_common_folder(tmp_path):
    assert display_names([tmp_path / "a" / "1.jpg", str(tmp_path / "b" / "2.jpg")]) == [
        "a/1.jpg", "b/2.jpg"]  # fmt: skip
    assert display_names(["one.jpg"]) == ["one.jpg"]
    assert display_names(["/a/1.jpg", "b/2.jpg"]) == ["a/1.jpg", "b/2.jpg"]
    assert display_names([]) == []


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
    ]
    harmless = ["fine", "a=1", "1 - 2", ""]
    table = pd.DataFrame({"alt": [*formulas, *harmless], "share": -1.0})
    safe = escape_formulas(table)
    assert safe["alt"][: len(formulas)].to_list() == [f"'{text}" for text in formulas]
    assert safe["alt"][len(formulas) :].to_list() == harmless
    assert safe["share"].equals(table["share"])


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
