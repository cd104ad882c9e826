import pandas as pd
import pytest

from similarity_lab.report.text import page_name, shown_paths, spreadsheet_safe, visible, web_link


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Café नमस्ते 👩‍🍳 آجیل", "Café नमस्ते 👩‍🍳 آجیل"),
        ("a\u202eb\u2066c", "a[U+202E]b[U+2066]c"),
        ("a\x00\x1b", "a[U+0000][U+001B]"),
        ("two\r\nlines\there", "two lines here"),
        (b"\xff".decode("utf-8", "surrogateescape"), "[U+DCFF]"),
    ],
)
def test_visible(given, shown):
    assert visible(given) == shown
    visible(given).encode("utf-8")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//host/x", "/local", "",
        "https://user:secret@host/", "https://a\tb/", "java\nscript:x", "https:\\\\host", "http://",
        "https://[::1", "https://x/\u202e", "https://" + "x" * 3000, None, float("nan"),
    ],
)  # fmt: skip
def test_what_is_no_link(address):
    assert web_link(address) is None


def test_names_of_pages_are_plain_and_apart():
    given = [("a", "b"), ("A", "b"), ("a b", ""), ("a", "b c"), ("ab", "c"), ("../../x", "CON"),
             ("💥", "\0"), ("x" * 500, "y" * 500), ("\udcff", "b")]  # fmt: skip
    names = [page_name(*pair) for pair in given] + [page_name("a", "b", 1)]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert name.isascii() and "/" not in name and not name.startswith(".") and len(name) < 110


def test_paths_lose_only_what_all_share(tmp_path):
    assert shown_paths([tmp_path / "a" / "1.jpg", str(tmp_path / "b" / "2.jpg")]) == [
        "a/1.jpg", "b/2.jpg"]  # fmt: skip
    assert shown_paths(["one.jpg"]) == ["one.jpg"]
    assert shown_paths(["/a/1.jpg", "b/2.jpg"]) == ["a/1.jpg", "b/2.jpg"]
    assert shown_paths([]) == []


def test_no_cell_starts_a_formula():
    table = pd.DataFrame({"alt": ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "fine", None],
                          "share": [-1.0] * 7})  # fmt: skip
    safe = spreadsheet_safe(table)
    assert [str(cell)[0] for cell in safe["alt"][:5]] == ["'"] * 5
    assert safe["alt"][5] == "fine" and pd.isna(safe["alt"][6])
    assert safe["share"].equals(table["share"])
