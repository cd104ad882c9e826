import gzip

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.errors import InputError
from similarity_lab.web.html.sitemaps import read_sitemap

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
    assert (sitemap.pages, sitemap.images) == (["/p", "/q"], [("/a.jpg", "/p", "Nuts")])


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
    body = "<urlset>" + "<url><loc>/p</loc></url>" * 20_000
    assert len(read_sitemap(body.encode(), max_bytes=10**7).pages) == 5_000
