# ruff: noqa: E501 - one case of markup a line reads best
import json

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import find_images
from similarity_lab.web.html.markup import css_addresses
from similarity_lab.web.html.srcset import candidates, largest

BASE = "https://shop.example/nuts/almonds.html"
HERE = "https://shop.example"


def found(html, base=BASE):
    return [(item.address, item.kind) for item in find_images(html, base) if not item.reason]


def left_out(html):
    return {item.address: item.reason for item in find_images(html, BASE) if item.reason}


def ld(value):
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


@pytest.mark.parametrize(
    ("html", "addresses"),
    {
        "relative": ('<img src="a.jpg">', ["/nuts/a.jpg"]),
        "up": ('<img src="../a.jpg">', ["/a.jpg"]),
        "root": ('<img src="/a.jpg">', ["/a.jpg"]),
        "other host": ('<img src="//cdn.example/a.jpg">', ["//cdn.example/a.jpg"]),
        "query": ('<img src="/a?w=1&amp;h=2">', ["/a?w=1&h=2"]),
        "fragment": ('<img src="/a.jpg#x"><img src="/a.jpg">', ["/a.jpg"]),
        "spaces": ('<img src=" /a b.jpg ">', ["/a%20b.jpg"]),
        "line break": ('<img src="/a\n.jpg">', ["/a.jpg"]),
        "letters": ('<img src="/Nüsse.jpg">', ["/N%C3%BCsse.jpg"]),
        "base": ('<base href="/media/"><img src="a.jpg">', ["/media/a.jpg"]),
        "base elsewhere": ('<base href="//c.example/x/"><img src="a.jpg">', ["//c.example/x/a.jpg"]),
        "bad base": ('<base href="javascript:x"><img src="a.jpg">', ["/nuts/a.jpg"]),
        "upper case": ('<IMG SRC="/a.JPG">', ["/a.JPG"]),
        "no quotes": ("<img src=/a.jpg>", ["/a.jpg"]),
        "unclosed": ('<div><p><img src="/a.jpg"><b><table>', ["/a.jpg"]),
        "srcset widths": ('<img src="/s.jpg" srcset="/m.jpg 400w, /l.jpg 800w">', ["/l.jpg"]),
        "srcset densities": ('<img src="/s.jpg" srcset="/s.jpg, /l.jpg 2x">', ["/l.jpg"]),
        "srcset, commas": ('<img srcset="/w_1,h_2/a.jpg 1x, /w_2,h_4/a.jpg 2x">', ["/w_2,h_4/a.jpg"]),
        "srcset, data": (
            '<img src="/a.jpg" srcset="data:image/gif;base64,AAAA 1w">', ["/a.jpg"],
        ),
        "data-src": ('<img src="/spinner.gif" data-src="/a.jpg">', ["/a.jpg"]),
        "data-original": ('<img data-original="/a.jpg">', ["/a.jpg"]),
        "data-srcset": ('<img src="/s.jpg" data-srcset="/m.jpg 1x, /l.jpg 3x">', ["/l.jpg"]),
        "template": (
            '<img data-src="/a_{width}x.jpg" data-widths="[180, 900, 4000]">', ["/a_900x.jpg"],
        ),
        "zoom": ('<img src="/s.jpg" srcset="/m.jpg 2x" data-zoom-image="/l.jpg">', ["/l.jpg"]),
        "zoom is a number": ('<img src="/a.jpg" data-zoom="2">', ["/a.jpg"]),
        "noscript": (
            '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-src="/a.jpg">'
            '<noscript><img src="/a.jpg"></noscript>', ["/a.jpg"],
        ),
        "noscript only": ('<div><noscript><img src="/a.jpg"></noscript></div>', ["/a.jpg"]),
        "picture": (
            '<picture><source srcset="/l.webp 900w"><img src="/s.jpg" srcset="/m.jpg 300w"></picture>',
            ["/l.webp"],
        ),
        "picture, equal": (
            '<picture><source srcset="/a.avif 900w"><img srcset="/a.jpg 900w"></picture>', ["/a.jpg"],
        ),
        "picture, late": (
            '<picture><source data-srcset="/a.webp"><img src="/x.gif"></picture>', ["/a.webp"],
        ),
        "picture without img": ('<picture><source srcset="/a.webp"></picture>', ["/a.webp"]),
        "open graph": ('<meta property="og:image" content="/a.jpg">', ["/a.jpg"]),
        "open graph, name": ('<meta name="og:image:secure_url" content="/a.jpg">', ["/a.jpg"]),
        "twitter": ('<meta name="twitter:image" content="/a.jpg">', ["/a.jpg"]),
        "image_src": ('<link rel="image_src" href="/a.jpg">', ["/a.jpg"]),
        "style": ('<p style="background:url(/a.jpg) no-repeat">', ["/a.jpg"]),
        "style, quotes": ("<p style=\"background-image: URL( '/a b.jpg' )\">", ["/a%20b.jpg"]),
        "style sheet": ("<style>.a{background:url('/a.png')} @font-face{src:url(f.woff2)}</style>", ["/a.png"]),
        "data-bg": ('<p data-bg="/a.jpg"><p data-bg="url(/b.jpg)">', ["/a.jpg", "/b.jpg"]),
        "link": ('<a href="/l.jpeg?v=1"><img src="/s.jpg"></a>', ["/l.jpeg?v=1", "/s.jpg"]),
        "poster": ('<video poster="/a.jpg"></video>', ["/a.jpg"]),
        "input": ('<input type="image" src="/a.jpg">', ["/a.jpg"]),
        "microdata": (
            '<div itemscope itemtype="http://schema.org/Product"><a itemprop="image" href="/a">x</a></div>',
            ["/a"],
        ),
        "other microdata": (
            '<div itemscope itemtype="http://schema.org/Person"><link itemprop="image" href="/a"></div>', [],
        ),
        "json-ld": (ld({"@type": "Product", "image": "/a.jpg"}), ["/a.jpg"]),
        "json-ld, list": (ld([{"@type": "Product", "image": ["/a.jpg", "/b.jpg"]}]), ["/a.jpg", "/b.jpg"]),
        "json-ld, object": (
            ld({"@type": "http://schema.org/Product", "image": {"@type": "ImageObject", "url": "/a.jpg"}}),
            ["/a.jpg"],
        ),
        "json-ld, graph": (
            ld({"@graph": [
                {"@type": ["Product", "Thing"], "image": {"@id": "#i"}},
                {"@id": "#i", "contentUrl": "/a.jpg"},
            ]}), ["/a.jpg"],
        ),
        "json-ld, nested": (
            ld({"@type": "ItemList", "itemListElement": [{"item": {"@type": "Product", "image": "/a.jpg"}}]}),
            ["/a.jpg"],
        ),
        "json-ld, variants": (
            ld({"@type": "ProductGroup", "hasVariant": [{"@type": "Product", "image": ["/a.jpg"]}]}),
            ["/a.jpg"],
        ),
        "json-ld, organisation": (ld({"@type": "Organization", "image": "/a.jpg", "logo": "/b.png"}), []),
        "json-ld, comment": (
            '<script type="application/ld+json"><!-- {"@type": "Product", "image": "/a.jpg"} --></script>',
            ["/a.jpg"],
        ),
        "json-ld, cdata": (
            '<script type="application/ld+json">//<![CDATA[\n{"@type": "Product", "image": "/a.jpg"}\n//]]></script>',
            ["/a.jpg"],
        ),
        "json-ld, line breaks": (
            '<script type="application/ld+json">{"@type": "Product", "name": "a\nb", "image": "/a.jpg"}</script>',
            ["/a.jpg"],
        ),
        "json-ld, broken": (
            '<script type="application/ld+json">{"@type": </script>' + ld({"@type": "Product", "image": "/a.jpg"}),
            ["/a.jpg"],
        ),
        "json-ld, nonsense": (ld({"@type": "Product", "image": [None, 3, {}, {"url": [7]}]}), []),
        "schemes": ('<img src="javascript:alert(1)"><img src="file:///a.jpg"><img src="blob:x">', []),
        "broken addresses": ('<img src="http://[::1/a.jpg"><img src="http:///a.jpg"><img src="">', []),
        "nothing": ("", []),
        "no markup": ("\0\0\0", []),
    }.values(),
)  # fmt: skip
def test_addresses(html, addresses):
    wanted = ["https:" + a if a.startswith("//") else HERE + a for a in addresses]
    assert [address for address, _ in found(html)] == wanted


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ('<img src="/logo.svg">', "SVG is a drawing"),
        ('<img src="/logo.svg?v=2">', "SVG is a drawing"),
        ('<img src="data:image/svg+xml;utf8,<svg/>">', "SVG is a drawing"),
        ('<p style="background:url(/x.svg)">', "SVG is a drawing"),
        ('<img src="/favicon.ico">', "an icon"),
        ('<img src="/a.gif" width="1" height="1">', "a tracker: declared 1 x 1 pixels"),
        ('<img src="/a.gif" width="1px">', "a tracker: declared 1 pixels"),
        ('<img src="/a.gif" width=20 height=20>', "an icon: declared 20 x 20 pixels"),
        ('<img src="https://www.facebook.com/tr?id=1">', "a tracker or placeholder"),
        ('<img src="/img/spacer.gif">', "a tracker or placeholder"),
        ('<img src="data:text/html,x">', "a data address that is no image"),
    ],
)
def test_what_is_not_fetched_has_a_reason(html, reason):
    ((_, why),) = left_out(html).items()
    assert why.startswith(reason)


def test_a_small_place_may_show_a_large_picture():
    assert found('<img src="/s.jpg" srcset="/l.jpg 900w" width=20 height=20>')
    assert found('<img src="/a.jpg" width="100%" height="20">')


def test_product_images_come_first_and_words_are_kept():
    html = (
        '<header><img src="/logo.png"></header><meta property="og:image" content="/og.jpg">'
        '<img src="/other.jpg"><img src="/main.jpg" alt="  Raw\n almonds ">'
        + ld({"@type": "Product", "image": "/main.jpg", "name": "Almonds"})
    )
    images = find_images(html, BASE)
    assert [image.address.rpartition("/")[2] for image in images] == [
        "main.jpg", "og.jpg", "other.jpg", "logo.png",
    ]  # fmt: skip
    assert (images[0].kind, images[0].alt) == ("json-ld", "Almonds")
    # what a page that is about no product shares of itself comes with its other pictures
    plain = find_images('<meta property="og:image" content="/og.jpg"><img src="/a.jpg">', BASE)
    assert [image.priority for image in plain] == [60, 50]


def test_bytes_are_decoded_as_the_page_declares():
    page = '<meta charset="iso-8859-1"><img src="/a.jpg" alt="Nüsse">'
    assert find_images(page.encode("latin-1"), BASE)[0].alt == "Nüsse"
    assert find_images(b'\xff\xfe\x00<img src="/a.jpg">', BASE) is not None


@pytest.mark.parametrize(
    "charset", ["hex", "rot13", "zlib", "idna", "punycode", "undefined", "unicode_escape", "none"]
)
def test_a_charset_that_is_none_costs_no_page(charset):
    page = f'<meta charset="{charset}"><img src="/a.jpg" alt="Nüsse">'.encode()
    (image,) = find_images(page, BASE)
    assert (image.address, image.alt) == (HERE + "/a.jpg", "Nüsse")


def test_numbers_that_are_none_cost_no_page():
    for widths in ("[1e999]", "[NaN]", "[-1]", "{}", "[[]]", "[null]", "9", "[" * 10**5):
        page = f'<img data-src="/a_{{width}}.jpg" data-widths="{widths}">'
        assert found(page) == [(HERE + "/a_1200.jpg", "img")]
    assert largest("a.jpg nanw, b.jpg 2000w, c.jpg infx")[0] == "c.jpg"
    assert next(candidates("a.jpg nanx 7w, b.jpg -infw")) == ("a.jpg", 7.0)


def test_a_long_base_is_not_put_before_every_address():
    """A base of megabytes and a hundred thousand images would fill any memory."""
    page = f'<base href="/{"x" * 10**6}/">' + "".join(f"<img src={n}.jpg>" for n in range(99))
    assert max(len(item.address) for item in find_images(page, BASE)) < 100
    name = json.dumps("nuts " * 10**5)
    images = json.dumps([f"/{n}.jpg" for n in range(999)])
    page = f'<script type="application/ld+json">{{"@type": "Product", "name": {name}, "image": {images}}}'
    assert {len(item.alt) for item in find_images(page + "</script>", BASE)} == {500}


def test_hostile_markup_ends_soon():
    assert find_images("<div>" * 200_000 + '<img src="/a.jpg">', BASE) == []
    assert (
        found(ld({"@type": "Product"}) + '<script type="application/ld+json">' + "[" * 10**5) == []
    )
    many = "".join(f'<img src="/{n}.jpg">' for n in range(5_000))
    assert len(found(many)) == 5_000
    assert found(f'<img srcset="{", ,, " * 20_000} /a.jpg 2x">') == [(HERE + "/a.jpg", "img")]
    spaces = f'<script type="application/ld+json">{" " * 10**6}x{" " * 10**6}</script>'
    assert find_images(spaces, BASE) == []
    scope = '<div itemscope itemtype="http://schema.org/Product">'
    assert len(find_images(scope * 60 + '<link itemprop="image" href="/a.jpg">' * 5_000, BASE)) == 1
    sources = '<source srcset="/a.jpg 1w">' * 2_000
    assert len(find_images(f"<picture>{sources}{'<img src=b.jpg>' * 500}", BASE)) <= 2
    for piece in ("url(", 'url("', "url('", "url( ", "url(a"):
        assert len(list(css_addresses(piece * 100_000))) <= 100_000
    assert list(css_addresses("url(" + " " * 10**6)) == []
    half = '<script type="application/ld+json">{"@type": "Product", "name": "\\ud83d nuts"'
    (image,) = find_images(half + ', "image": "/a.jpg"}</script>', BASE)
    assert image.alt == "? nuts"  # half of a pair could be written to no table


def test_srcset_by_the_standard():
    assert list(candidates(" a.jpg , b.jpg 1.5x,c.jpg nonsense, d.jpg 1e3w,")) == [
        ("a.jpg", 1000.0), ("b.jpg", 1500.0), ("c.jpg", 1000.0), ("d.jpg", 1000.0),
    ]  # fmt: skip
    assert largest("") == ("", 0.0)
    assert largest("a.jpg 1x, b.jpg 1x")[0] == "a.jpg"
