# ruff: noqa: E501 - one entry a line
import gzip

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.errors import InputError
from similarity_lab.web.html.products import Product
from similarity_lab.web.html.sitemaps import SitemapImage, read_sitemap

SHOP = "https://shop.example/"
XMLNS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
XMLNS_IMAGE = 'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
IMAGE = (
    "<image:image><image:loc>/a.jpg</image:loc><image:caption>Nuts</image:caption></image:image>"
)
SITEMAP = (
    f"<urlset {XMLNS} {XMLNS_IMAGE}><url><loc>/p</loc>{IMAGE}</url>"
    "<url><loc> /q </loc></url></urlset>"
).encode()


@pytest.mark.parametrize("body", [SITEMAP, gzip.compress(SITEMAP)], ids=["plain", "gzip"])
def test_sitemap_lists_pages_and_images(body):
    sitemap = read_sitemap(body, max_bytes=10_000)
    assert sitemap.pages == ["/p", "/q"]
    assert sitemap.images == [SitemapImage("/a.jpg", "/p", caption="Nuts")]


def test_sitemap_index_lists_sitemaps():
    index = f"<sitemapindex {XMLNS}><sitemap><loc>/1.xml</loc></sitemap></sitemapindex>"
    assert read_sitemap(index.encode(), max_bytes=100).sitemaps == ["/1.xml"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (gzip.compress(b"<urlset>" + b" " * 10_000_000), "Larger than 1,000 bytes"),
        (b"\x1f\x8b\x08nonsense", "Damaged gzip data"),
        (b"<html><p>no", "Not a sitemap"),
        (b"", "Not a sitemap"),
        (b"\0\1\2", "Not a sitemap"),
    ],
    ids=["bomb", "damaged", "html", "empty", "binary"],
)
def test_invalid_sitemap_is_refused(body, message):
    with pytest.raises(InputError, match=message):
        read_sitemap(body, max_bytes=1_000)


def test_entities_of_a_sitemap_are_not_resolved():
    bomb = (
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
        "<urlset><url><loc>/p&a;</loc></url><url><loc>&f;</loc></url><url><loc>/q</loc></url></urlset>"
    )
    pages = read_sitemap(bomb.encode(), max_bytes=10_000).pages
    assert "/q" in pages
    assert not any("root" in page or "aaaa" in page for page in pages)


def test_sitemap_is_read_up_to_a_limit():
    body = "<urlset>" + "<url><loc>/p</loc></url>" * 60_000
    assert len(read_sitemap(body.encode(), max_bytes=10**7).pages) == 50_000
    assert len(read_sitemap(b"https://a.b/p\n" * 60_000, max_bytes=10**7).pages) == 50_000


def test_newest_sitemaps_come_first():
    entries = [("/1.xml", "2020-01-01"), ("/2.xml", ""), ("/3.xml", "2026-05-01T10:00:00Z")]
    index = "".join(
        f"<sitemap><loc>{url}</loc><lastmod>{date}</lastmod></sitemap>" for url, date in entries
    )
    body = f"<sitemapindex {XMLNS}>{index}</sitemapindex>".encode()
    assert read_sitemap(body, max_bytes=9_999).sitemaps == ["/3.xml", "/1.xml", "/2.xml"]


def test_text_is_a_sitemap_if_all_lines_are_urls():
    body = b"\xef\xbb\xbfhttps://shop.example/a\r\nhttps://shop.example/b\n\n"
    assert read_sitemap(body, max_bytes=999).pages == [f"{SHOP}a", f"{SHOP}b"]
    with pytest.raises(InputError, match="Not a sitemap"):
        read_sitemap(b"Nuts and more\nhttps://shop.example/a", max_bytes=999)


RSS = f"""<rss xmlns:g="http://base.google.com/ns/1.0" xmlns:media="http://search.yahoo.com/mrss/"><channel>
<link>{SHOP}</link><item><title>Almonds</title><link>{SHOP}almonds</link><g:image_link>/a.jpg</g:image_link>
<g:price>4.50 EUR</g:price><g:brand>Acme</g:brand><enclosure url="/talk.mp3"/></item>
<item><title>Dates</title><link>{SHOP}dates</link><media:content url="/d.jpg"/></item></channel></rss>"""
ATOM = f"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>Almonds</title>
<link href="{SHOP}almonds"/></entry></feed>"""


def test_feeds_list_pages_and_products():
    sitemap = read_sitemap(RSS.encode(), max_bytes=9_999)
    assert sitemap.pages == [f"{SHOP}almonds", f"{SHOP}dates"]
    ((page, (almonds,)), (_, (dates,))) = sitemap.found_images(f"{SHOP}feed.xml")
    assert (page, almonds.url, almonds.source) == (f"{SHOP}almonds", f"{SHOP}a.jpg", "sitemap")
    assert almonds.product == Product("Almonds", f"{SHOP}almonds", "Acme", 4.5, "EUR")
    assert (dates.product.name, dates.product.price) == ("Dates", None)
    assert read_sitemap(ATOM.encode(), max_bytes=999).pages == [f"{SHOP}almonds"]


def test_images_of_a_sitemap_are_absolute_and_have_positions():
    image = "<image:image><image:loc>{}</image:loc><image:title>Almonds &amp; more</image:title></image:image>"
    entries = image.format("/a.jpg") + image.format("/logo.svg") + image.format("javascript:x")
    body = f"<urlset {XMLNS} {XMLNS_IMAGE}><url><loc>/p</loc>{entries}</url></urlset>".encode()
    ((page, images),) = read_sitemap(body, max_bytes=9_999).found_images(SHOP)
    assert page == f"{SHOP}p"
    assert [(each.url, each.alt, each.position, bool(each.reason)) for each in images] == [
        (f"{SHOP}a.jpg", "Almonds & more", 1, False), (f"{SHOP}logo.svg", "Almonds & more", 2, True),
    ]  # fmt: skip


def test_ampersands_of_a_sitemap_may_be_bare():
    body = b"<urlset><url><loc>http://a.b/n?id=1&size=2&amp;c=3</loc></url></urlset>"
    assert read_sitemap(body, max_bytes=1_000).pages == ["http://a.b/n?id=1&size=2&c=3"]
