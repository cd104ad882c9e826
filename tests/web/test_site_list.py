"""Lists of suppliers as people have them."""

import os
import threading

import pandas as pd
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.errors import InputError, PathNotFoundError
from similarity_lab.web.site_list import read_sites

NUTS, DATES = ("Nüsse & Co", "https://nuts.example/"), ("Dates, dried", "www.dates.example")
BOTH = [NUTS, DATES]


def pairs(source):
    return [tuple(site) for site in read_sites(source)]


@pytest.mark.parametrize(
    "header",
    [
        "name,url", "Name,URL", "NAME, url ", "Supplier,Website", "Company Name,Web site",
        "Firma,Webseite", "Firma,Internetauftritt", "Shop,Homepage", "name,Website URL",
        "name,Company website", "Nom,Site web",
        "name,website_url", "Vendor,Web Address", "name,Domain", "name,Link", "name,websiteUrl",
        "Name:,URL:", "name,\u200burl",
    ],
)  # fmt: skip
def test_header_of_a_table(header):
    table = f'{header}\nNüsse & Co,https://nuts.example/\n"Dates, dried",www.dates.example\n'
    assert pairs(table) == BOTH


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("declared", [False, True])
def test_exports_of_spreadsheets(tmp_path, encoding, separator, declared):
    rows = ["Country,URL,Name", "DE,https://nuts.example/,Nüsse & Co"]
    rows += ["FR,www.dates.example,'Dates, dried'"]
    text = "\r\n".join(rows).replace(",", separator).replace(f"Dates{separator}", "Dates,")
    text = (f"sep={separator}\r\n" if declared else "") + text.replace("'", '"')
    (tmp_path / "list.csv").write_bytes(text.encode(encoding))
    assert pairs(tmp_path / "list.csv") == BOTH


def test_table_below_a_title_and_with_rows_without_a_url():
    text = "Our websites 2026;;\n\nNo;Supplier;Website\n1;A;a.example\n2;B;\n3;C;none known\n"
    assert pairs(text) == [("A", "a.example"), ("B", ""), ("C", "none known")]


def test_table_without_a_header():
    assert pairs("Nüsse & Co;https://nuts.example/\nB;b.example") == [NUTS, ("B", "b.example")]
    assert pairs("1,https://a.example,x@a.example\n2,b.example,y@b.example") == [
        ("https://a.example", "https://a.example"), ("b.example", "b.example"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Account ID,Account Name,Website\n1,A,a.example\n", [("A", "a.example")]),
        ("Компания;Сайт\nОрехи;a.example\n", [("Орехи", "a.example")]),
        ("Betrieb;Ort;Web\nA;K;a.example\nB;K;b.example", [("A", "a.example"), ("B", "b.example")]),
        ("Land;Web\nD;a.example\nD;b.example", [(f"{x}.example", f"{x}.example") for x in "ab"]),
        ("| Name | URL |\n|:--|---|\n| A | https://a.example |\n", [("A", "https://a.example")]),
        ("A – B\na.example\n\nB\nb.example", [("A – B", "a.example"), ("B", "b.example")]),
        ('["a.example", "b.example"]', [(f"{x}.example", f"{x}.example") for x in "ab"]),
        ("<li><a class=x href='https://a.example/'>A</a></li>", [("A", "https://a.example/")]),
        ("A (https://a.example/b_(c))", [("A", "https://a.example/b_(c)")]),
        ("#name\turl\nA\ta.example\n#B\tb.example", [("A", "a.example")]),
        ("#;Shop;Link\n1;A;a.example", [("A", "a.example")]),
        ("Firma,E-Mail,Web\nA,info@a.example,a.example\n", [("A", "a.example")]),
        ("https://a.example, https://b.example; https://c.example.\n",
         [(f"https://{x}.example", f"https://{x}.example") for x in "abc"]),
        ("a.example,b.example\nc.example\n", [(f"{x}.example", f"{x}.example") for x in "abc"]),
        ("اسم;الموقع\nلوز;https://a.example\n", [("لوز", "https://a.example")]),
        ("Firma;Strona WWW\nA;a.example\n", [("A", "a.example")]),
        ("Website;;;\na.example;;;\n;;;\nb.example;;;\n", [(f"{x}.example",) * 2 for x in "ab"]),
        ("url\n'https://a.example\n", [("https://a.example", "https://a.example")]),
        ('url\n"=HYPERLINK(""https://a.example"",""A"")"\n', [("A", "https://a.example")]),
    ],
)  # fmt: skip
def test_other_texts(text, expected):
    assert pairs(text) == expected


def test_frame_that_was_read_without_a_header():
    frame = pd.DataFrame([["A", "a.example"], ["B", "b.example"]])
    assert pairs(frame) == [("A", "a.example"), ("B", "b.example")]


def test_unknown_header_names_the_columns_that_look_like_urls():
    frame = pd.DataFrame({"Händler": ["A", "B"], "Auftritt": ["a.example", "b.example"]})
    for source in (frame, frame.to_csv(index=False, sep=";")):
        with pytest.raises(InputError, match=r"'Händler', 'Auftritt'; 'Auftritt' looks like urls"):
            read_sites(source)
    below_title = "List of 2026;;\n;;\nHändler;Auftritt;\nA;a.example;1\nB;b.example;2\n"
    with pytest.raises(InputError, match=r"are 'Händler', 'Auftritt'; 'Auftritt' looks like urls"):
        read_sites(below_title)
    with pytest.raises(InputError, match="column 2, which has no name, looks like urls"):
        read_sites("Händler;;Ort\nA;a.example;Ulm\nB;b.example;Bonn\n")
    with pytest.raises(InputError, match=r"no column url; the columns are 'product'\."):
        read_sites(pd.DataFrame({"product": ["nuts"]}))
    with pytest.raises(InputError, match="no column url; the columns are 'A', 'a.example'"):
        read_sites("A;a.example\nB;2\nC;3\nD;4\n")


def test_two_columns_of_urls():
    header = {"Website": ["a.example"], "Homepage": ["b.example"]}
    with pytest.raises(InputError, match="'Website' and 'Homepage' look like urls of sites"):
        read_sites(pd.DataFrame(header))
    assert pairs(pd.DataFrame({**header, "URL": ["c.example"]})) == [("c.example", "c.example")]
    frame = pd.DataFrame({"Website": [""], "Homepage": ["b.example"], "Logo URL": ["c.example"]})
    assert pairs(frame) == [("b.example", "b.example")]


def test_lines_as_people_write_them(tmp_path):
    text = """
        # suppliers, checked in May
        https://a.example
        - https://b.example/shop?page=2
        3. www.c.example,
        * <https://d.example/>
        "e.example"
        [Nuts (F)](https://f.example/nuts)
        Nuts & Dates G – https://g.example
        view-source:https://h.example/
        https://i.example/?utm_source=x#:~:text=nuts
        \u200bhttps://j.example\u00a0
        https://k.example https://l.example; m.example
        Gmbh\thttps://n.example/(old)
        https://www.google.com/url?sa=t&url=https%3A%2F%2Fo.example%2F&usg=1
        https://p.example/our nuts/list.html
        no url here
    """
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    found = pairs(tmp_path / "list.txt")
    assert [url for _, url in found] == [
        "https://a.example", "https://b.example/shop?page=2", "www.c.example", "https://d.example/",
        "e.example", "https://f.example/nuts", "https://g.example", "https://h.example/",
        "https://i.example/?utm_source=x#:~:text=nuts", "https://j.example", "https://k.example",
        "https://l.example", "m.example", "https://n.example/(old)", "https://o.example/",
        "https://p.example/our nuts/list.html", "no url here",
    ]  # fmt: skip
    names = dict(zip([url for _, url in found], [name for name, _ in found], strict=True))
    assert names["https://f.example/nuts"] == "Nuts (F)"
    assert names["https://g.example"] == "Nuts & Dates G" and names["e.example"] == "e.example"
    assert pairs(text) == found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("shop.example", [("shop.example", "shop.example")]),
        ("127.0.0.1:8000", [("127.0.0.1:8000", "127.0.0.1:8000")]),
        ("localhost", [("localhost", "localhost")]),
        ("nüsse.de/käse", [("nüsse.de/käse", "nüsse.de/käse")]),
        ({"A": "a.example", "": "b.example"}, [("A", "a.example"), ("b.example", "b.example")]),
        ([("A", "a.example"), ["b.example", "B"]], [("A", "a.example"), ("B", "b.example")]),
        ([{"Name": "A", "Website": "a.example"}], [("A", "a.example")]),
        (pd.Series(["a.example", None]), [("a.example", "a.example"), ("", "")]),
        (["gopher://x.example"], [("gopher://x.example", "gopher://x.example")]),
        (pd.DataFrame({"url": ["a.example", None]}), [("a.example", "a.example"), ("", "")]),
        (pd.DataFrame({"https://a.example": ["b.example"]}),
         [("https://a.example", "https://a.example"), ("b.example", "b.example")]),
        ([], []),
    ],
)  # fmt: skip
def test_sources_in_python(source, expected):
    assert pairs(source) == expected


@pytest.mark.parametrize(
    "name",
    [
        "supliers.csv", "supliers", "suppliers.cvs", "./suppliers", "data/suppliers.xlsx",
        "C:\\x\\a.csv",
    ],
)  # fmt: skip
def test_mistyped_file(tmp_path, monkeypatch, name):
    (tmp_path / "suppliers.csv").write_text("url\na.example\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PathNotFoundError, match="no such file") as caught:
        read_sites(name)
    if "/" not in name and "\\" not in name:
        assert "Did you mean 'suppliers.csv'?" in str(caught.value)
    assert pairs(["suppliers.csv", "b.example"]) == [
        ("a.example", "a.example"), ("b.example", "b.example"),
    ]  # fmt: skip


def test_folder_and_empty_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read_sites(str(tmp_path))
    (tmp_path / "empty.csv").write_text("url,name\n")
    for content in ("", "\n\n", "url,name\n"):
        (tmp_path / "empty.csv").write_text(content)
        with pytest.raises(InputError, match=r"empty\.csv: no rows"):
            read_sites(tmp_path / "empty.csv")


def test_workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason='pip install "similarity_lab[excel]"')
    book = openpyxl.Workbook()
    book.active.append(["About this list"])
    for region in ("north", "south"):
        sheet = book.create_sheet(region)
        sheet.append(["Supplier", "Homepage"])
        sheet.append([f"Nuts {region}", "to the shop"])
        sheet["B2"].hyperlink = f"https://{region}.example/"
    book.save(tmp_path / "list.xlsx")
    assert pairs(str(tmp_path / "list.xlsx")) == [
        ("Nuts north", "https://north.example/"), ("Nuts south", "https://south.example/"),
    ]  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_list_from_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    threading.Thread(target=(tmp_path / "pipe").write_text, args=["url\na.example\n"]).start()
    assert pairs(str(tmp_path / "pipe")) == [("a.example", "a.example")]


@pytest.mark.parametrize(
    "pattern",
    [
        "a",
        "a.",
        "a-",
        "[",
        "(",
        "a.b",
        "https:",
        "[a](",
        "[a](b c",
        "#",
        "<a ",
        "<a href=x",
        "www.",
    ],
)
def test_hostile_line_does_not_take_forever(pattern):
    assert len(read_sites([pattern * 10**5])) >= 1
