# ruff: noqa: E501 - one case of markup per line
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import find_links
from similarity_lab.web.html.links import is_page, needs_browser

BASE = "https://shop.example/nuts/"


def test_links_are_pages_products_first():
    html = (
        '<a href="/about.html">a</a><a href="almonds">b</a><a href="/products/1">c</a>'
        '<a href="/products/1#top">again</a><a href="?page=2">d</a><a rel="nofollow" href="/e">e</a>'
        '<link rel="next" href="/nuts/?page=3"><link rel="stylesheet" href="/style"><area href="/f">'
        '<iframe src="/frame"></iframe><a href="mailto:x@y"></a><a href="//other.example/">g</a>'
    )
    links = [url.removeprefix("https://shop.example") for url, _ in find_links(html, BASE)]
    assert links == [
        "/products/1", "/nuts/almonds", "/nuts/?page=2", "/nuts/?page=3", "/f", "/frame",
        "https://other.example/", "/about.html",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/nuts", True), ("/nuts.html", True), ("/nuts.php?id=3", True), ("/nuts-2.5kg", True),
        ("/a.pdf", False), ("/a.zip", False), ("/a.jpg", False), ("/a.css", False),
        ("/cart", False), ("/?add-to-cart=3", False), ("/login", False), ("/x?action=delete", False),
        ("/carton-of-almonds", True), ("/feed/", False),
    ],
)  # fmt: skip
def test_is_page_excludes_files_and_actions(path, expected):
    assert is_page("https://shop.example" + path) == expected


SHELL = '<html><body><div id="__next"></div><script src="a.js"></script></body></html>'


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (SHELL, True),
        (SHELL.replace("</div>", "</div><noscript>On!</noscript>"), True),
        (SHELL.replace("</div>", f"</div><p>{'Almonds and nuts. ' * 20}</p>"), False),
        (SHELL.replace("</div>", '</div><img src="a.jpg"><img src="b.jpg">'), False),
        ("<p>short</p>", False),
        ("", False),
    ],
)
def test_page_rendered_by_scripts_needs_a_browser(html, expected):
    assert needs_browser(html) == expected
