import builtins
import io
import zipfile

import pytest

from similarity_lab.errors import InputError, MissingExtraError, PathNotFoundError
from similarity_lab.files.tables import parse_rows, read_tables


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_is_recognised(separator):
    rows = [["name", "url", "note"], ["Nuts", "https://nuts.example/a", "x"], ["B", "", "y"]]
    assert parse_rows("\n".join(separator.join(row) for row in rows)) == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("sep=;\r\na;b\r\n1,5;2\r\n", [["a", "b"], ["1,5", "2"]]),
        ('"sep=|"\na|b\n', [["a", "b"]]),
        ('a,b\n"x, ""y""\nz",2\n', [["a", "b"], ['x, "y"\nz', "2"]]),
        ("https://a.example/x;y\nb.example\n", [["https://a.example/x;y"], ["b.example"]]),
        ("Nuts\n\nname;url\nA;a\nB;b", [["Nuts"], ["name", "url"], ["A", "a"], ["B", "b"]]),
        ("one\r\n\r\n two \r", [["one"], ["two"]]),
        ('"a"\n"b ""c"""\n', [["a"], ['b "c"']]),
        ('url\n"=HYPERLINK(""https://a.example"",""A"")"\n', [["url"], ["A (https://a.example)"]]),
        ('n;url\n1;"=HYPERLINK(""a.example"";""A"")"\n', [["n", "url"], ["1", "A (a.example)"]]),
        ('n;url\n1;"=HYPERLINK(""a.example"")"\n', [["n", "url"], ["1", "a.example"]]),
        ("\ufeff\ufeffa;b\n1;2\n", [["\ufeff\ufeffa", "b"], ["1", "2"]]),
        ("", []),
    ],
)  # fmt: skip
def test_dialects(text, rows):
    assert parse_rows(text) == rows


def write(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_text_file_is_one_sheet(tmp_path):
    path = write(tmp_path, "Name\tURL\r\nNüsse\ta.example\r\n".encode("utf-16"), "t.txt")
    assert read_tables(path) == {"": [["Name", "URL"], ["Nüsse", "a.example"]]}
    assert read_tables(write(tmp_path, b"\n\n")) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xd0\xcf\x11\xe0" + bytes(99), "an old or encrypted Excel or Office file; save it as"),
        (b"%PDF-1.7 ...", "is a PDF"),
        (b"PAR1....", "Parquet"),
        (b"SQLite format 3\0", "a database; pass pandas.read_sql"),
        (b"\x1f\x8b\x08\0", "a gzip archive; unpack it first"),
        (b"bplist00\1", "a binary property list"),
        (b'{"roots": {"bar": {"children": []}}}', "JSON of another shape"),
        (b'[{"url": ["a.example"]}]', "JSON of another shape"),
        (b"<?xml version='1.0'?><urlset><url><loc>https://a.example</loc>", "HTML or XML"),
        (bytes(8), "not text"),
        (b"<!DOCTYPE html><table>", "HTML"),
        (b"PK\x03\x04" + bytes(50), "damaged workbook"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not text"),
    ],
)
def test_other_files_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_tables(write(tmp_path, content))


LINKS = [["A & B", "https://a.example/?x=1&y=2"], ["C", "b.example"]]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('[{"name": "A & B", "url": "https://a.example/?x=1&y=2"},'
         ' {"url": "b.example", "name": "C"}]',
         [["name", "url"], *LINKS]),
        ('{"name": "A", "url": "a.example"}\n{"url": "b.example", "n": 2, "name": null}\n',
         [["name", "url", "n"], ["A", "a.example", ""], ["", "b.example", "2"]]),
        ('{"A & B": "https://a.example/?x=1&y=2", "C": "b.example"}', LINKS),
        ('{"url": "a.example", "name": "A"}', [["url", "name"], ["a.example", "A"]]),
        ('["a.example", "b.example"]', [["a.example"], ["b.example"]]),
        ('[["A & B", "https://a.example/?x=1&y=2"], ["C", "b.example"]]', LINKS),
        ("[A](a.example)\n[B](b.example)", [["[A](a.example)"], ["[B](b.example)"]]),
        ('<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DT><H3>Shops</H3><DL><DT><A HREF="https://a.example/'
         '?x=1&amp;y=2" ADD_DATE="1">A &amp; B</A>\n<DT><A HREF="b.example">C</A></DL>', LINKS),
        ("[InternetShortcut]\r\nURL=https://a.example/\r\nIconIndex=0\r\n", [["https://a.example/"]]),
        ('<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "x">\n<plist><dict><key>URL</key>'
         "<string>https://a.example/</string></dict></plist>", [["https://a.example/"]]),
    ],
)  # fmt: skip
def test_json_and_links(tmp_path, content, rows):
    assert read_tables(write(tmp_path, content.encode())) == {"": rows}


def test_deep_json_is_no_table(tmp_path):
    for depth in (500, 10**6):
        with pytest.raises(InputError, match="JSON of another shape|not a CSV table"):
            read_tables(write(tmp_path, b"[" * depth + b"]" * depth))


def test_large_and_missing_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="larger than the limit"):
        read_tables(write(tmp_path, b"a,b\n" * (6 * 2**20)))
    with pytest.raises(PathNotFoundError, match="no such file"):
        read_tables(tmp_path / "missing.csv")


# Workbooks --------------------------------------------------------------------------------------


@pytest.fixture
def book():
    openpyxl = pytest.importorskip("openpyxl", reason='pip install "similarity_lab[excel]"')
    return openpyxl.Workbook()


def saved(book, path):
    book.save(path)
    return path


def test_sheets_of_a_workbook(tmp_path, book):
    book.active.title = "Suppliers"
    book.active["B3"], book.active["C3"] = "Name", "Website"
    book.active["B4"], book.active["C4"] = "Nüsse & Co", " a.example\n"
    book.active["B5"], book.active["C5"] = 12, "Our shop"
    book.active["C5"].hyperlink = "https://b.example/"
    book.active["C6"] = '=HYPERLINK("https://c.example","here")'
    book.create_sheet("empty")
    hidden = book.create_sheet("old")
    hidden["A1"], hidden.sheet_state = "x", "hidden"
    rows = [
        ["Name", "Website"],
        ["Nüsse & Co", "a.example"],
        ["12", "Our shop (https://b.example/)"],
        ["", "(https://c.example)"],
    ]
    for name in ("t.xlsx", "wrongly named.csv"):
        assert read_tables(saved(book, tmp_path / name)) == {"Suppliers": rows}


def test_cells_far_away_cost_nothing(tmp_path, book):
    book.active["A1"], book.active["XFD1048576"] = "url", "far"
    tables = read_tables(saved(book, tmp_path / "far.xlsx"))
    assert tables == {"Sheet": [["url", ""], ["", "far"]]}


def test_sparse_diagonal_is_refused(tmp_path, book):
    for number in range(1, 2400):
        book.active.cell(number, number, "x")
    with pytest.raises(InputError, match="2,399 x 2,399 cells"):
        read_tables(saved(book, tmp_path / "diagonal.xlsx"))


def bomb(tmp_path, book, name, content):
    saved(book, tmp_path / "plain.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "plain.xlsx") as plain,
        zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for part in plain.namelist():
            archive.writestr(part, content if part == name else plain.read(part))
    return tmp_path / "bomb.xlsx"


def test_zip_bomb_in_a_workbook_is_refused(tmp_path, book):
    path = bomb(tmp_path, book, "xl/worksheets/sheet1.xml", bytes(200 * 2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(InputError, match="bytes unpacked in"):
        read_tables(path)


def test_false_size_in_a_workbook_is_refused(tmp_path, book):
    path = bomb(tmp_path, book, "xl/worksheets/sheet1.xml", bytes(50 * 2**20))
    data = path.read_bytes()
    size = (50 * 2**20).to_bytes(4, "little")
    path.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(InputError, match="not a workbook that can be read"):
        read_tables(path)


def test_entities_in_a_workbook_are_not_expanded(tmp_path, book):
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    sheet = (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{entities}'
        '<!ENTITY file SYSTEM "file:///etc/passwd">]>'
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        '<row r="1"><c r="A1" t="inlineStr"><is><t>&l9;&file;</t></is></c></row>'
        "</sheetData></worksheet>"
    )
    path = bomb(tmp_path, book, "xl/worksheets/sheet1.xml", sheet.encode())
    try:
        assert "root:" not in (text := str(read_tables(path))) and len(text) < 10_000
    except InputError as error:
        assert "not a workbook" in str(error)


def test_other_zips_are_named(tmp_path):
    for name, kind in (("content.xml", "OpenDocument"), ("1.jpg", "a zip archive")):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, b"1")
        with pytest.raises(InputError, match=kind):
            read_tables(write(tmp_path, file.getvalue(), "t.xlsx"))


def test_workbook_without_the_extra(tmp_path, book, monkeypatch):
    path = saved(book, tmp_path / "t.xlsx")
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "openpyxl":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"\[excel\].*CSV"):
        read_tables(path)
