# ruff: noqa: E501 - one case of markup per line
import json
import time

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import find_images
from similarity_lab.web.html.images import script_images, style_sheet_images
from similarity_lab.web.html.markup import css_urls

BASE = "https://shop.example/nuts/almonds.html"
ROOT = "https://shop.example"


def urls(html):
    """Return the URLs of the images to fetch."""
    return [image.url for image in find_images(html, BASE) if not image.reason]


def json_ld(value):
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


WAYS = {
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
    "json-ld": (json_ld({"@type": "Product", "image": "/a.jpg"}), ["/a.jpg"]),
    "json-ld, list": (json_ld([{"@type": "Product", "image": ["/a.jpg", "/b.jpg"]}]), ["/a.jpg", "/b.jpg"]),
    "json-ld, object": (
        json_ld({"@type": "http://schema.org/Product", "image": {"@type": "ImageObject", "url": "/a.jpg"}}),
        ["/a.jpg"],
    ),
    "json-ld, graph": (
        json_ld({"@graph": [
            {"@type": ["Product", "Thing"], "image": {"@id": "#i"}},
            {"@id": "#i", "contentUrl": "/a.jpg"},
        ]}), ["/a.jpg"],
    ),
    "json-ld, nested": (
        json_ld({"@type": "ItemList", "itemListElement": [{"item": {"@type": "Product", "image": "/a.jpg"}}]}),
        ["/a.jpg"],
    ),
    "json-ld, variants": (
        json_ld({"@type": "ProductGroup", "hasVariant": [{"@type": "Product", "image": ["/a.jpg"]}]}),
        ["/a.jpg"],
    ),
    "json-ld, organisation": (json_ld({"@type": "Organization", "image": "/a.jpg", "logo": "/b.png"}), []),
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
        '<script type="application/ld+json">{"@type": </script>' + json_ld({"@type": "Product", "image": "/a.jpg"}),
        ["/a.jpg"],
    ),
    "json-ld, nonsense": (json_ld({"@type": "Product", "image": [None, 3, {}, {"url": [7]}]}), []),
    # Kinds that scripts load or browsers skip
    "picture, unreadable type": (
        '<picture><source type="image/jxl" srcset="/a.jxl"><source type="image/jp2" srcset="/a.jp2">'
        '<img src="/a.jpg"></picture>', ["/a.jpg"],
    ),
    "picture, unreadable name": ('<picture><source srcset="/a.heic 9000w"><img src="/a.jpg"></picture>', ["/a.jpg"]),
    "picture, readable type": (
        '<picture><source type="image/avif; codecs=av01" srcset="/a.avif 900w"><img src="/a.jpg"></picture>',
        ["/a.avif"],
    ),
    "srcset, space in url": ('<img src="/a.jpg" srcset="/b c.jpg 400w">', ["/a.jpg"]),
    "srcset, unknown descriptor": ('<img src="/a.jpg" srcset="/b.jpg 400px, /c.jpg 3q">', ["/a.jpg"]),
    "bgset": ('<div data-bgset="/s.jpg 180w 90h, /l.jpg 900w 450h"></div>', ["/l.jpg"]),
    "bgset, media": ('<div data-bgset="/s.jpg [--small] | /l.jpg 900w"></div>', ["/s.jpg"]),
    "large file": ('<img src="/s.jpg" data-medium-file="/m.jpg" data-large-file="/l.jpg">', ["/l.jpg"]),
    "lazyload": ('<img src="/x.png" data-lazyload="/a.jpg">', ["/a.jpg"]),
    "ll-src": ('<img data-ll-src="/a.jpg">', ["/a.jpg"]),
    "opt-src": ('<img data-opt-src="/a.jpg" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', ["/a.jpg"]),
    "unheard of": ('<img data-shop-photo-src="/a?id=1"><section data-theme-picture="/b.webp"></section>', ["/a?id=1", "/b.webp"]),
    "gallery": ('<a data-fancybox data-src="/l.jpg" data-thumb="/s.jpg" href="#">x</a>', ["/l.jpg"]),
    "second view": ('<img src="/a.jpg" data-hover-src="/b.jpg">', ["/a.jpg", "/b.jpg"]),
    "css in an attribute": ('<div data-style="background-image: url(\'/a.jpg\')"></div>', ["/a.jpg"]),
    "json in an attribute": (
        """<form data-product_variations='[{"image": {"full_src": "\\/a.jpg", "alt": "x"}}]'></form>""", ["/a.jpg"],
    ),
    "list in an attribute": ('<div data-images="/a.jpg,/b.jpg, /c.png"></div>', ["/a.jpg", "/b.jpg", "/c.png"]),
    "bars in an attribute": ('<div data-gallery="/a.jpg|/b.jpg"></div>', ["/a.jpg", "/b.jpg"]),
    "string in an attribute": ("""<img :src="'/a.jpg'"><img v-lazy="'/b.jpg'">""", ["/a.jpg", "/b.jpg"]),
    "object": ('<object data="/a.jpg"></object><embed src="/b.png">', ["/a.jpg", "/b.png"]),
    "text in an attribute": ('<img src="/a.jpg" alt="b.jpg" title="c.jpg" data-caption="d.jpg" data-name="e.jpg">', ["/a.jpg"]),
    "holder.js": ('<img data-src="holder.js/300x200?text=x" src="/a.jpg">', ["/a.jpg"]),
    "placeholder service": ('<img data-src="https://via.placeholder.com/300.png" src="/a.jpg">', ["/a.jpg"]),
    "template, two sides": (
        '<img data-src="/a_{width}x{height}.jpg?q={quality}" data-widths="[400, 800]" data-aspectratio="2.0">',
        ["/a_800x400.jpg?q=85"],
    ),
    "template, sides of the element": ('<img width="300" height="200" data-src="/a/{w}/{h}.{format}">', ["/a/1200/800.jpg"]),
    "template, escaped": ('<img data-src="/a_%7Bwidth%7D.jpg">', ["/a_1200.jpg"]),
    "template, bars": ('<img data-src="/a_%WIDTH%x__HEIGHT__.jpg">', ["/a_1200x1200.jpg"]),
    "template, brackets": ('<img data-src="/a_[width]x[height].jpg">', ["/a_1200x1200.jpg"]),
    "template in json": (json_ld({"@type": "Product", "image": "/a_{width}x.jpg"}), ["/a_1200x.jpg"]),
    "image for errors": ('<img src="/a.jpg" data-error-src="/none.jpg" data-mobile-src="/m.jpg">', ["/a.jpg"]),
    "template, unknown": ('<img src="/a.jpg" data-src="/{{ item.image }}">', ["/a.jpg"]),
    "json-ld, missing comma": (
        '<script type="application/ld+json">{"@type": "Product" "image": "/a.jpg"}</script>', ["/a.jpg"],
    ),
    "entities in json-ld": (
        '<script type="application/ld+json">{"@type": "Product", "image": "/a.jpg?a=1&amp;w=800"}</script>',
        ["/a.jpg?a=1&w=800"],
    ),
    "json-ld, trailing comma": (
        '<script type="application/ld+json">{"@type": "Product", "image": ["/a.jpg",],}</script>', ["/a.jpg"],
    ),
    "json-ld, semicolon": (json_ld({"@type": "Product", "image": "/a.jpg"}).replace("</s", ";</s"), ["/a.jpg"]),
    "json-ld, quotes as entities": (
        json_ld({"@type": "Product", "image": "/a.jpg"}).replace('"@', "&quot;@").replace('": "', "&quot;: &quot;")
        .replace('", "', "&quot;, &quot;").replace('"}', "&quot;}"), ["/a.jpg"],
    ),
    "ratio": ('<amp-img src="/a.jpg" width="4" height="3" layout="responsive"></amp-img>', ["/a.jpg"]),
    "ratio without layout": ('<img src="/a.jpg" width="16" height="9">', ["/a.jpg"]),
    "ratio in a style": ('<img src="/a.jpg" width="1" height="1" style="width: 100%; height: auto">', ["/a.jpg"]),
    "bottle": ('<img src="/a.jpg" width="25" height="80">', ["/a.jpg"]),
    "product words": ('<img src="/bottle-clear.png"><img src="/a/cream-blank.gif">', ["/bottle-clear.png", "/a/cream-blank.gif"]),
    "proxy": ('<img src="/_next/image?url=%2Fa.jpg&amp;w=64&amp;q=75">', ["/a.jpg"]),
    "deep": ("<div>" * 300 + '<img src="/a.jpg">' + "</div>" * 300 + '<img src="/b.jpg">', ["/a.jpg", "/b.jpg"]),
    "magento": (
        """<script type="text/x-magento-init">{"[data-gallery]": {"gallery": {"data": [
        {"thumb": "\\/s.jpg", "full": "\\/a.jpg"}, {"full": "\\/b.jpg"}]}}}</script>""", ["/a.jpg", "/b.jpg"],
    ),
    "next": (
        '<script id="__NEXT_DATA__" type="application/json">'
        '{"props": {"product": {"title": "Nuts", "slug": "nuts", "images": [{"url": "/a.jpg"}, {"url": "/b.jpg"}]}}}</script>',
        ["/a.jpg", "/b.jpg"],
    ),
    "next, app router": (
        r"""<script>self.__next_f.push([1,"5:[\"$\",\"p\",null,{\"product\":{\"name\":\"Nuts\",\"image\":\"/a.jpg\"}}]\n"])</script>""",
        ["/a.jpg"],
    ),
    "nuxt": ("<script>window.__NUXT__={data:[{products:[{name:'Nuts',image:'/a.jpg'}]}]}</script>", ["/a.jpg"]),
    "shopify": (
        '<script type="application/json" data-product-json>{"title": "Nuts", "handle": "nuts", "price_varies": false,'
        '"price": 950, "images": ["//cdn.example/a.jpg?v=1", "//cdn.example/b.jpg?v=1"]}</script>',
        ["//cdn.example/a.jpg?v=1", "//cdn.example/b.jpg?v=1"],
    ),
    "script": ("<script>var slides = ['/a.jpg', \"b\\/b.png\"]; f(`${x}.jpg`)</script>", ["/a.jpg", "/nuts/b/b.png"]),
    "image set": ("""<p style="background: image-set('/a.avif' 1x, url(/b.jpg) 2x)">""", ["/b.jpg", "/a.avif"]),
    "svg image": ('<svg><image href="/a.jpg"></image></svg>', ["/a.jpg"]),
    "schemes": ('<img src="javascript:alert(1)"><img src="file:///a.jpg"><img src="blob:x">', []),
    "broken addresses": ('<img src="http://[::1/a.jpg"><img src="http:///a.jpg"><img src="">', []),
    "set by widths in json": ("""<img data-responsive='{"300": "/t.jpg", "900": "/m.jpg"}'>""", ["/m.jpg"]),
    "set with sizes in json": ("""<img src="/s.jpg" data-dynamic-image='{"/s.jpg": [160, 90], "/l.jpg": [1600, 900]}'>""", ["/l.jpg"]),
    "set in brackets": ('<img data-interchange="[/s.jpg, small], [/l.jpg, large]">', ["/l.jpg"]),
    "placeholder in src": ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-thumbnail-original="/a.jpg">', ["/a.jpg"]),
    "template, BigCommerce": ('<img data-src="https://cdn.example/images/stencil/{:size}/a.jpg">', ["//cdn.example/images/stencil/1200x1200/a.jpg"]),
    "template, colons": ('<img data-src="/i/:width:/a.jpg">', ["/i/1200/a.jpg"]),
    "no size beside a set": ('<img src="/a.jpg" srcset="/a.jpg 1080w" width="0" height="0">', ["/a.jpg"]),
    "frame with a document": ("<iframe srcdoc=\"<base href='/x/'><img src='a.jpg'>\"></iframe><img src='b.jpg'>", ["/nuts/a.jpg", "/nuts/b.jpg"]),
    "component": ('<shop-card><template shadowrootmode="open"><img src="/a.jpg"></template></shop-card>', ["/a.jpg"]),
    "backslashes": (r'<img src="\images\a.jpg">', ["/images/a.jpg"]),
    "set in json": (
        '<script type="application/json">{"image": {"src": "/s.jpg", "srcSet": "/m.jpg 400w,\\n/l.jpg 1600w"}}</script>',
        ["/l.jpg"],
    ),
    "lists in json": ("""<astro-island props='{"images": [1, [[0, "/a.webp"]]]}'></astro-island>""", ["/a.webp"]),
    "state that is escaped": (
        "<script>s = JSON.parse(decodeURIComponent('%7B%22name%22%3A%22N%22%2C%22price%22%3A3%2C%22image%22%3A%22/a.jpg%22%7D'))</script>",
        ["/a.jpg"],
    ),
    "state in base64": (
        "<script>s = JSON.parse(atob('eyJuYW1lIjoiTiIsInByaWNlIjozLCJpbWFnZSI6Ii9hLmpwZyJ9'))</script>", ["/a.jpg"],
    ),
    "ending behind a variable": ("<script>f('/a.jpg'); i.src = '/assets/' + name + '-Ab3.jpg'</script>", ["/a.jpg"]),
    "json-ld, typographic quotes": (
        '<script type="application/ld+json">{“@type”: “Product”, “image”: “/a.jpg”}</script>', ["/a.jpg"],
    ),
    "json-ld, quotes as numbers": (
        '<script type="application/ld+json">{&#34;@type&#34;:&#x22;Product&#x22;,&#34;image&#34;:&#34;/a.jpg&#34;}</script>',
        ["/a.jpg"],
    ),
    "parameter like an entity": (
        json_ld({"@type": "Product", "image": "/a.jpg?v=1&currency=EUR&copy=2&amp;region=3"}),
        ["/a.jpg?v=1&currency=EUR&copy=2&region=3"],
    ),
    "menu": (json_ld({"@type": "MenuItem", "name": "Nuts", "image": "/a.jpg"}), ["/a.jpg"]),
    "nothing": ("", []),
    "no markup": ("\0\0\0", []),
}  # fmt: skip


@pytest.mark.parametrize(("html", "expected"), WAYS.values(), ids=WAYS.keys())
def test_url_of_an_image_is_found(html, expected):
    expected = ["https:" + url if url.startswith("//") else ROOT + url for url in expected]
    assert urls(html) == expected


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ('<img src="/logo.svg">', "SVG"),
        ('<img src="/logo.svg?v=2">', "SVG"),
        ('<img src="data:image/svg+xml;utf8,<svg/>">', "SVG"),
        ('<p style="background:url(/x.svg)">', "SVG"),
        ('<img src="/favicon.ico">', "Icon"),
        ('<img src="/a.gif" width="1" height="1">', "Tracker (declared 1 x 1 pixels)"),
        ('<img src="/a.gif" width="1px">', "Tracker (declared 1 pixels)"),
        ('<img src="/a.gif" width=20 height=20>', "Icon (declared 20 x 20 pixels)"),
        ('<img src="https://www.facebook.com/tr?id=1">', "Tracker or placeholder"),
        ('<img src="/img/spacer.gif">', "Tracker or placeholder"),
        ('<img src="data:text/html,x">', "Data URL without an image"),
        ('<img src="/a/blank.gif">', "Tracker or placeholder"),
        ('<img src="/a/1x1.png?u=7">', "Tracker or placeholder"),
        ('<img src="/images/lazy.gif">', "Tracker or placeholder"),
        ('<img src="/a.gif" width="0" height="0">', "Tracker (declared 0 x 0 pixels)"),
        ('<img src="https://stats.wp.com/g.gif?x=1">', "Tracker or placeholder"),
        ('<img src="undefined">', "URL template (scripts fill it in)"),
        ('<img src="[object Object]">', "URL template (scripts fill it in)"),
        ('<img src="/img/{{ item.image }}">', "URL template (scripts fill it in)"),
        ('<img src="/a.gif" width=600 height=4>', "Icon (declared 600 x 4 pixels)"),
        ('<amp-img src="/a.gif" width=20 height=20></amp-img>', "Icon (declared 20 x 20 pixels)"),
    ],
)
def test_image_that_is_not_fetched_has_a_reason(html, reason):
    (image,) = find_images(html, BASE)
    assert image.reason.startswith(reason)


@pytest.mark.parametrize(
    "html",
    [
        '<img src="/s.jpg" srcset="/l.jpg 900w" width=20 height=20>',
        '<img src="/a.jpg" width="100%" height="20">',
    ],
)
def test_small_display_size_does_not_make_an_icon(html):
    assert urls(html)


def test_product_images_come_first():
    html = (
        '<header><img src="/logo.png"></header><meta property="og:image" content="/og.jpg">'
        '<img src="/other.jpg"><img src="/main.jpg" alt="  Raw\n almonds ">'
        + json_ld({"@type": "Product", "image": "/main.jpg", "name": "Almonds"})
    )
    images = find_images(html, BASE)
    assert [image.url.rpartition("/")[2] for image in images] == [
        "main.jpg", "og.jpg", "other.jpg", "logo.png",
    ]  # fmt: skip
    assert (images[0].kind, images[0].alt) == ("json-ld", "Almonds")


def test_open_graph_image_has_no_priority_without_a_product():
    images = find_images('<meta property="og:image" content="/og.jpg"><img src="/a.jpg">', BASE)
    assert [image.priority for image in images] == [60, 50]


@pytest.mark.parametrize(
    ("html", "fallbacks"),
    [
        (
            '<picture><source srcset="/l.webp 900w"><source srcset="/l.jpg 900w">'
            '<img src="/s.jpg" srcset="/m.jpg 300w"></picture>',
            ["/l.jpg", "/m.jpg", "/s.jpg"],
        ),
        ('<img src="/a.jpg" data-src="/b.jpg" data-zoom-image="/c.jpg">', ["/b.jpg", "/a.jpg"]),
        ('<img src="/spinner.gif" data-src="/b.jpg">', []),
        ('<img src="/b.jpg">', []),
    ],
)
def test_other_versions_of_an_image_are_fallbacks(html, fallbacks):
    (image,) = find_images(html, BASE)
    assert list(image.fallbacks) == [ROOT + url for url in fallbacks]


def test_images_of_a_style_sheet_are_relative_to_it():
    css = b"""@charset "utf-8"; @import "more.css"; @font-face { src: url(f.woff2) url(f.eot?#x) }
    .a { background: url(../img/a.jpg) } .b { background: url("/b.png") } .c { src: url(c.svg) }"""
    images = style_sheet_images(css, f"{ROOT}/css/s.css")
    assert [(image.url, image.source) for image in images if not image.reason] == [
        (f"{ROOT}/img/a.jpg", "style sheet"), (f"{ROOT}/b.png", "style sheet"),
    ]  # fmt: skip


def test_images_of_a_script_have_products_and_fallbacks():
    script = """const items = [{name: 'Almonds', price: '₹ 450', image: 'almonds.jpg'}]
    hero.src = 'img/hero.jpg'; el.innerHTML = `<img src="media/${item.image}">`"""
    almonds, hero = script_images(script, f"{ROOT}/js/app.js", f"{ROOT}/shop/", ["media/"])
    assert (almonds.url, almonds.product.name, almonds.product.price) == (
        f"{ROOT}/shop/media/almonds.jpg", "Almonds", 450,
    )  # fmt: skip
    assert almonds.fallbacks == tuple(
        f"{ROOT}{path}almonds.jpg" for path in ("/shop/", "/js/", "/")
    )
    assert (hero.url, hero.source, hero.product.name) == (f"{ROOT}/shop/img/hero.jpg", "script", "")
    assert hero.fallbacks == (f"{ROOT}/js/img/hero.jpg", f"{ROOT}/img/hero.jpg")


def test_image_has_the_texts_of_page_and_product():
    html = (
        "<title>Nuts  & more</title><ul><li><a href=/almonds><img src=/a.jpg alt=Kernels></a>"
        "<h3>Almonds</h3><b>$ 4.20</b></li></ul><img src=/b.jpg>"
    )
    almonds, other = find_images(html, BASE)
    assert almonds.to_row() == {
        "url": f"{ROOT}/a.jpg", "title": "Nuts & more", "alt": "Kernels", "product": "Almonds",
        "product_url": f"{ROOT}/almonds", "brand": "", "price": 4.2, "currency": "$", "position": 1,
        "source": "page", "kind": "img", "priority": 50,
    }  # fmt: skip
    row = other.to_row()
    assert (row["product"], row["price"], row["position"]) == ("", None, 2)


def test_caption_of_a_figure_stands_for_a_missing_alternative_text():
    caption = "<figcaption> Almonds,\n raw </figcaption>"
    (image,) = find_images(f'<figure><a><img src=/a.jpg alt=""></a>{caption}</figure>', BASE)
    assert image.alt == "Almonds, raw"
    images = find_images(f"<figure><img src=/a.jpg><img src=/b.jpg>{caption}</figure>", BASE)
    assert [image.alt for image in images] == ["", ""]


def test_product_of_a_page_without_a_url_has_that_of_the_page():
    product = {"@type": "Product", "name": "Almonds", "image": "/a.jpg"}
    (image,) = find_images(json_ld(product), BASE)
    assert image.product.url == BASE
    images = find_images(json_ld([product, {**product, "name": "Figs", "image": "/f.jpg"}]), BASE)
    assert {image.product.url for image in images} == {""}


def test_mentions_of_one_image_are_merged():
    html = json_ld({"@type": "Product", "name": "Almonds", "image": "/a.jpg", "brand": "Acme"})
    (image,) = find_images(html + '<img src="/a.jpg" alt="A bowl">', BASE)
    assert (image.kind, image.alt, image.product.brand, image.position) == (
        "json-ld", "Almonds", "Acme", 1,
    )  # fmt: skip


def test_bytes_are_decoded_as_the_page_declares():
    page = '<meta charset="iso-8859-1"><img src="/a.jpg" alt="Nüsse">'
    assert find_images(page.encode("latin-1"), BASE)[0].alt == "Nüsse"


def test_bytes_in_no_encoding_are_parsed():
    assert isinstance(find_images(b'\xff\xfe\x00<img src="/a.jpg">', BASE), list)


@pytest.mark.parametrize(
    "charset", ["hex", "rot13", "zlib", "idna", "punycode", "undefined", "unicode_escape", "none"]
)
def test_invalid_charset_is_ignored(charset):
    page = f'<meta charset="{charset}"><img src="/a.jpg" alt="Nüsse">'.encode()
    (image,) = find_images(page, BASE)
    assert (image.url, image.alt) == (ROOT + "/a.jpg", "Nüsse")


@pytest.mark.parametrize(
    "widths",
    ["[1e999]", "[NaN]", "[-1]", "{}", "[[]]", "[null]", "9", "[" * 10**5],
    ids=lambda text: text[:8],
)
def test_invalid_widths_of_a_template_are_ignored(widths):
    page = f'<img data-src="/a_{{width}}.jpg" data-widths="{widths}">'
    assert urls(page) == [ROOT + "/a_1200.jpg"]


def test_long_base_url_is_ignored():
    """A base of megabytes and a hundred thousand images would fill any memory."""
    page = f'<base href="/{"x" * 10**6}/">' + "".join(f"<img src={n}.jpg>" for n in range(99))
    assert max(len(image.url) for image in find_images(page, BASE)) < 100


def test_long_product_name_is_truncated():
    product = {"@type": "Product", "name": "nuts " * 10**5}
    page = json_ld(product | {"image": [f"/{n}.jpg" for n in range(999)]})
    assert max(len(image.alt) for image in find_images(page, BASE)) == 499  # ends with a space


def test_lone_surrogate_is_replaced():
    text = '{"@type": "Product", "name": "\\ud83d nuts", "image": "/a.jpg"}'
    (image,) = find_images(f'<script type="application/ld+json">{text}</script>', BASE)
    assert image.alt == "? nuts"


SPACES = " " * 10**6
PRODUCT = '<div itemscope itemtype="http://schema.org/Product">'
HOSTILE = {
    "deep tree": ("<div>" * 200_000 + '<img src="/a.jpg">', 1),
    "deep JSON": ('<script type="application/ld+json">' + "[" * 10**5 + "</script>", 0),
    "white space in JSON": (
        f'<script type="application/ld+json">{SPACES}x{SPACES}</script>', 0,
    ),
    "many images": ("".join(f'<img src="/{n}.jpg">' for n in range(5_000)), 5_000),
    "long srcset": (f'<img srcset="{", ,, " * 20_000} /a.jpg 2x">', 1),
    "nested microdata": (PRODUCT * 60 + '<link itemprop="image" href="/a.jpg">' * 5_000, 1),
    "gap between images": ("<div><img src=/a.jpg>" + "<b></b>" * 50_000 + "<img src=/a.jpg>" * 5_000, 1),
    "gap in a picture": ("<picture>" + "<b></b>" * 50_000 + "<img src=/a.jpg>" * 5_000, 1),
    "nested cards": ("<div class=product><h3>Nuts</h3>" * 1_000 + "<img src=/a.jpg>" * 2_000, 1),
    "many attributes": ("<b " + " ".join(f'data-a{n}="/{n}.jpg"' for n in range(5_000)) + ">", 5_000),
    "deep JSON in an attribute": (f"<b data-a='{'[' * 10**5}.jpg'>", 0),
    "many sources": (
        "<picture>" + '<source srcset="/a.jpg 1w">' * 2_000 + "<img src=b.jpg>" * 500, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("html", "n_images"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_markup_is_parsed_in_linear_time(html, n_images):
    start = time.process_time()
    assert len(find_images(html, BASE)) == n_images
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "style",
    [piece * 100_000 for piece in ("url(", 'url("', "url('", "url( ", "url(a")] + ["url(" + SPACES],
    ids=["bare", "double", "single", "space", "letter", "spaces"],
)
def test_hostile_style_is_parsed_in_linear_time(style):
    start = time.process_time()
    assert len(list(css_urls(style))) <= 100_000
    assert time.process_time() - start < 10


def test_image_of_a_background_has_the_product_of_its_card():
    card = """<div class="tile"><a href="/{0}"><div style="background-image: url({0}.jpg)"></div>
    <span class="tile-name">Nuts {0}</span><b>{0},50 €</b></a></div>"""
    images = find_images("".join(map(card.format, range(1, 5))), BASE)
    facts = [(image.product.name, image.product.price, image.product.url) for image in images]
    assert facts == [(f"Nuts {n}", n + 0.5, f"{ROOT}/{n}") for n in range(1, 5)]


def test_mentions_of_one_product_complete_each_other():
    card = '<li class="product"><img src="/a.jpg"><h3>Nuts</h3><span>4,50 €</span></li>'
    value = {"@type": "Product", "name": "Nuts", "image": "/a.jpg", "brand": "Oak", "url": "/n"}
    (image,) = find_images(card + json_ld(value), BASE)
    product = image.product
    assert (product.brand, product.url, product.price) == ("Oak", f"{ROOT}/n", 4.5)
