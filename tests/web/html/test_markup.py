import time

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web.html.markup import css_imports, css_urls, parse_page

URL = "https://shop.example/"
ALMONDS = "Миндаль сырой, 1 кг"


def decoded(body, content_type="", url=URL):
    page = parse_page(body, url, content_type)
    return page.root.text_content(), page.absolute(page.root.find(".//img").get("src"))


@pytest.mark.parametrize(
    ("head", "content_type", "charset"),
    [
        ("", "text/html; charset=windows-1251", "cp1251"),
        ('<meta charset="utf-8">', "text/html; charset=windows-1251", "cp1251"),
        ('<meta charset="windows-1251">', "text/html", "cp1251"),
        ('<meta charset="windows-1251">', "text/html; charset=nonsense", "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "", "koi8-r"),
        ('<meta charset="utf-16">', "", "utf-8"),
        ("", "", "utf-8"),
    ],
)
def test_charset_of_header_comes_before_that_of_page(head, content_type, charset):
    html = f"{head}<p>{ALMONDS}</p><img src='/миндаль.jpg?q=орех'>".encode(charset)
    text, url = decoded(html, content_type)
    assert ALMONDS in text
    assert url.startswith("https://shop.example/%D0%BC%D0%B8%D0%BD%D0%B4%D0%B0%D0%BB%D1%8C.jpg?q=")


def test_byte_order_mark_comes_first():
    html = f"<p>{ALMONDS}</p><img src=a.jpg>".encode("utf-8-sig")
    assert ALMONDS in decoded(html, "text/html; charset=windows-1251")[0]
    html = f"<p>{ALMONDS}</p><img src=a.jpg>".encode("utf-16")
    assert ALMONDS in decoded(html)[0]


@pytest.mark.parametrize(
    ("text", "charset", "attribute", "url"),
    [
        (ALMONDS, "cp1251", ' lang="ru"', URL),
        (ALMONDS, "cp1251", "", "https://shop.ru/"),
        ("Żurawina, śliwki, orzechy włoskie", "iso8859-2", ' lang="pl-PL"', URL),
        ("アーモンドとくるみ", "cp932", " lang=ja", URL),
        ("杏仁和核桃", "gb18030", " lang='zh-CN'", URL),
        ("Nüsse für die Küche, Größe", "cp1252", "", URL),
        (ALMONDS * 20, "cp1251", "", URL),
    ],
)
def test_charset_that_nobody_declares_is_guessed(text, charset, attribute, url):
    html = f"<html{attribute}><p>{text}</p><img src=a.jpg></html>".encode(charset)
    assert text in decoded(html, "text/html", url)[0]


@pytest.mark.parametrize("depth", [300, 1_900, 3_000, 50_000])
@pytest.mark.parametrize("tag", ["div", "span", "b", "ul"])
def test_images_inside_and_after_deep_nesting_are_found(tag, depth):
    inside = f"<{tag} class=x>" * depth + "<img src=/in.jpg>" + f"</{tag}>" * depth
    page = parse_page(f"<body>{inside}<img src=/after.jpg></body>", URL)
    assert [node.get("src") for node in page.root.iter("img")] == ["/in.jpg", "/after.jpg"]


def test_script_that_is_never_closed_does_not_swallow_the_page():
    html = '<script type="application/ld+json">{"@type": "Organization"}<nav>x</nav><img src=a.jpg>'
    page = parse_page(html, URL)
    assert page.root.find(".//img").get("src") == "a.jpg"
    html = '<script type="application/ld+json">{"name": "<img src=b.jpg>"}</script>'
    assert parse_page(html, URL).root.find(".//img") is None


def test_css_names_images_outside_comments_only():
    css = r"""@import url("other.css"); /* url(no.jpg) */ a { background: url( 'a b.jpg' ) }
    b { background-image: image-set("c.avif" type("image/avif"), url(d.jpg) 2x) }
    c { background: url(e\ f.jpg) } d { background: url(/* unclosed"""
    assert sorted(css_urls(css)) == ["a b.jpg", "c.avif", "d.jpg", "e f.jpg"]
    assert list(css_imports(css)) == ["other.css"]


@pytest.mark.parametrize(
    "piece", ["/*", "@import ", "image-set(", "image-set('", "url(\\", "image-set((", "*/", "\\"]
)
def test_hostile_css_is_parsed_in_linear_time(piece):
    start = time.process_time()
    assert len(list(css_urls(piece * 100_000))) <= 1
    assert not list(css_imports(piece * 100_000))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("declared", "charset"),
    [
        ("x-euc-jp", "euc_jp"),
        ("x-sjis", "cp932"),
        ("iso-8859-8-i", "cp1255"),
        ("x-cp1251", "cp1251"),
    ],
)
def test_old_names_of_charsets_are_known(declared, charset):
    text = {"cp1255": "אגוז", "cp1251": "орех"}.get(charset, "アーモンド")
    page = f"<meta charset={declared}><p>{text}".encode(charset)
    assert parse_page(page, "https://shop.example/").root.text_content() == text
