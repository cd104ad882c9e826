# ruff: noqa: E501 - one case of markup a line reads best
import gzip

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import find_links
from similarity_lab.web.html.links import is_page, needs_browser
from similarity_lab.web.html.sitemaps import read_sitemap

BASE = "https://shop.example/nuts/"


def test_links_lead_to_pages_products_first():
    html = (
        '<a href="/about.html">a</a><a href="almonds">b</a><a href="/products/1">c</a>'
        '<a href="/products/1#top">again</a><a href="?page=2">d</a><a rel="nofollow" href="/e">e</a>'
        '<link rel="next" href="/nuts/?page=3"><link rel="stylesheet" href="/style"><area href="/f">'
        '<iframe src="/frame"></iframe><a href="mailto:x@y"></a><a href="//other.example/">g</a>'
    )
    links = [address.removeprefix("https://shop.example") for address, _ in find_links(html, BASE)]
    assert links == [
        "/products/1", "/nuts/almonds", "/nuts/?page=2", "/nuts/?page=3", "/f", "/frame",
        "https://other.example/", "/about.html",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/nuts", True), ("/nuts.html", True), ("/nuts.php?id=3", True), ("/nuts-2.5kg", True),
        ("/a.pdf", False), ("/a.zip", False), ("/a.jpg", False), ("/a.css", False),
        ("/cart", False), ("/?add-to-cart=3", False), ("/login", False), ("/x?action=delete", False),
        ("/carton-of-almonds", True), ("/feed/", False),
    ],
)  # fmt: skip
def test_nothing_is_asked_for_that_is_no_page_or_does_something(address, page):
    assert is_page("https://shop.example" + address) == page


def test_pages_drawn_by_scripts_are_recognised():
    shell = '<html><body><div id="__next"></div><script src="a.js"></script></body></html>'
    assert needs_browser(shell) and needs_browser(
        shell.replace("</div>", "</div><noscript>On!</noscript>")
    )
    assert not needs_browser(shell.replace("</div>", f"</div><p>{'Almonds and nuts. ' * 20}</p>"))
    assert not needs_browser(shell.replace("</div>", '</div><img src="a.jpg"><img src="b.jpg">'))
    assert not needs_browser("<p>short</p>") and not needs_browser("")


SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
IMAGES = 'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'


def test_sitemaps_list_pages_and_images():
    image = "<image:image><image:loc>/a.jpg</image:loc><image:caption>Nuts</image:caption></image:image>"
    xml = f"<urlset {SPACE} {IMAGES}><url><loc>/p</loc>{image}</url><url><loc> /q </loc></url></urlset>"
    for body in (xml.encode(), gzip.compress(xml.encode())):
        listed = read_sitemap(body, max_bytes=10_000)
        assert (listed.pages, listed.images) == (["/p", "/q"], [("/a.jpg", "/p", "Nuts")])
    index = f"<sitemapindex {SPACE}><sitemap><loc>/1.xml</loc></sitemap></sitemapindex>"
    assert read_sitemap(index.encode(), max_bytes=100).sitemaps == ["/1.xml"]


def test_hostile_sitemaps_are_refused():
    bomb = gzip.compress(b"<urlset>" + b" " * 10_000_000)
    with pytest.raises(ValueError, match="unpacks to more than 1,000 bytes"):
        read_sitemap(bomb, max_bytes=1_000)
    with pytest.raises(ValueError, match="damaged"):
        read_sitemap(b"\x1f\x8b\x08nonsense", max_bytes=1_000)
    for body in (b"<html><p>no", b"", b"\0\1\2"):
        with pytest.raises(ValueError, match="not a sitemap"):
            read_sitemap(body, max_bytes=1_000)
    laughs = (
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
        "<urlset><url><loc>/p&a;</loc></url><url><loc>&f;</loc></url></urlset>"
    )
    assert not any("root" in page or "aaaa" in page for page in _pages(laughs))
    many = "<urlset>" + "<url><loc>/p</loc></url>" * 20_000
    assert len(read_sitemap(many.encode(), max_bytes=10**7).pages) == 5_000


def _pages(xml):
    try:
        return read_sitemap(xml.encode(), max_bytes=10_000).pages
    except ValueError:
        return []
