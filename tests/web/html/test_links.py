# ruff: noqa: E501 - one case of markup per line
import json
import time

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import find_links
from similarity_lab.web.html.links import is_page, link_priority, needs_browser, page_resources
from similarity_lab.web.html.markup import parse_page

ROOT = "https://shop.example"
BASE = f"{ROOT}/nuts/"


def links(html):
    return [url.removeprefix(ROOT) for url, _ in find_links(html, BASE)]


def test_links_are_pages_products_first():
    html = (
        '<a href="/about.html">a</a><a href="almonds">b</a><a href="/products/1">c</a>'
        '<a href="/products/1#top">again</a><a href="?page=2">d</a><a rel="nofollow" href="/e">e</a>'
        '<link rel="next" href="/nuts/?page=3"><link rel="stylesheet" href="/style"><area href="/f">'
        '<iframe src="/frame"></iframe><a href="mailto:x@y"></a><a href="//other.example/">g</a>'
    )
    assert links(html) == [
        "/products/1", "/nuts/almonds", "/nuts/?page=2", "/nuts/?page=3", "/f", "/frame",
        "https://other.example/", "/about.html",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("""<button onclick="location.href='p.html'">x</button>""", ["/nuts/p.html"]),
        ("""<div onclick="window.location = '/p'">x</div>""", ["/p"]),
        ("""<b onclick="window.open(&quot;/p?id=2&quot;, '_blank')">x</b>""", ["/p?id=2"]),
        ("""<tr onmousedown="document.location.assign('/p')"></tr>""", ["/p"]),
        ("""<a href="javascript:location.replace('/p')">x</a>""", ["/p"]),
        ("""<a href="javascript:void(0)" onclick="go('almonds.html')">x</a>""", ["/nuts/almonds.html"]),
        ("""<div data-href="/p"></div><li data-product-url="q.php?id=3"></li>""", ["/p", "/nuts/q.php?id=3"]),
        ("""<a href="javascript:openWindow('/p.html', 'w', 300)">x</a>""", ["/p.html"]),
        ("""<button onclick="history.pushState(null, '', '/p')">x</button>""", ["/p"]),
        ("""<div hx-get="/p"></div><turbo-frame src="/q"></turbo-frame>""", ["/p", "/q"]),
        ("""<form action="/p"><button>Details</button></form>""", ["/p"]),
        ("""<form action="/p"><input name=q><button>Search</button></form>""", []),
        ("""<form action="/p" method="post"><button>Order</button></form>""", []),
        ("""<script>b.onclick = () => { location.href = "p.html" }</script>""", ["/nuts/p.html"]),
        ("""<button onclick="alert('Thank you/merci')">x</button>""", []),
        ("""<button onclick="location.href='/cart/add/3'">x</button>""", []),
        ("""<button onclick="location.href='/p/' + id">x</button>""", ["/p/"]),
    ],
)  # fmt: skip
def test_buttons_are_links(html, expected):
    assert links(html) == expected


def test_listed_products_come_first():
    value = {"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "url": "/raw-kernels"}]}
    script = f'<script type="application/ld+json">{json.dumps(value)}</script>'
    assert links(f'<a href="/products/1">x</a>{script}') == ["/raw-kernels", "/products/1"]


OPTIONS = '<select {}><option value="">-</option><option value="{}">x</option></select>'


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        # The menu, or a script, goes where the option says
        (OPTIONS.format('onchange="go(this)"', "/p"), ["/p"]),
        (OPTIONS.format('onchange="window.location.href = this.value"', "/p"), ["/p"]),
        (OPTIONS.format("", "/p") + "<script>$('select').change(e => location = $(this).val())</script>", ["/p"]),
        # The value is clearly a page
        (OPTIONS.format("", "/p.html"), ["/p.html"]),
        (OPTIONS.format("", f"{ROOT}/p"), ["/p"]),
        (OPTIONS.format("", "/nuts/a") + '<a href="/nuts/b">b</a>', ["/nuts/b", "/nuts/a"]),
        # It is just a value
        (OPTIONS.format('name="topic"', "/m/0pldl50"), []),
        (OPTIONS.format('onchange="update(this.value)"', "/250g"), []),
        (OPTIONS.format("", "/m/0pldl50") + '<a href="/q">q</a><a href="/nuts/q">r</a>', ["/q", "/nuts/q"]),
        (OPTIONS.format('onchange="go(this)"', "3"), []),
    ],
)  # fmt: skip
def test_option_is_a_link_if_choosing_it_leads_somewhere(html, expected):
    assert links(html) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/nuts", True), ("/nuts.html", True), ("/nuts.php?id=3", True), ("/nuts-2.5kg", True),
        ("/index.cfm?id=2", True), ("/p.do?x=1", True), ("/brand/st.ives", True), ("/a.b.c", True), ("/x.aspx", True),
        ("/a.pdf", False), ("/a.zip", False), ("/a.jpg", False), ("/a.css", False), ("/a.PDF?x=1", False),
        ("/cart", False), ("/cart.html", False), ("/?add-to-cart=3", False), ("/login", False), ("/x?action=delete", False),
        ("/loginpage.html?price=3", False), ("/user_login.php", False), ("/signup.html", False), ("/my-account/", False),
        ("/register", False), ("/checkout/", False), ("/wp-json/x", False), ("/logout.php", False),
        ("/carton-of-almonds", True), ("/feed/", False), ("/baskets/gift", True), ("/products/basket", True),
        ("/feed-mixes", True), ("/accounting", True), ("/products/log-shaped-biscuits", True),
        ("/koszyk", False), ("/winkelwagen/", False), ("/mon-compte", False), ("/%D0%BA%D0%BE%D1%80%D0%B7%D0%B8%D0%BD%D0%B0", False),
        ("/index.php?route=checkout/cart", False), ("/index.php?controller=authentication", False),
        ("/index.php?route=product/product&product_id=3", True), ("/cos-lettuce", True), ("/product/delete/3", False),
    ],
)  # fmt: skip
def test_is_page_excludes_files_and_actions(path, expected):
    assert is_page(ROOT + path) == expected


@pytest.mark.parametrize(
    ("path", "priority"),
    [
        ("/products/espresso-beans", 2), ("/products/oat-cookies", 2), ("/product.php?id=3", 2), ("/p/press-cake", 2),
        ("/produkte/tee", 2), ("/product-details.html", 1), ("/products", 1), ("/shop", 1), ("/collections/nuts", 1),
        ("/item.asp?sku=8", 2), ("/index.php?product_id=4", 2), ("/software", 0), ("/espresso", 0), ("/oat-cookies", 0),
        ("/newspaper-bags", 0), ("/contactless-scale", 0), ("/helpings", 0), ("/press", -1), ("/cookie-policy", -1),
        ("/about-us.html", -1), ("/news/2020/almonds", -1), ("/terms-and-conditions", -1), ("/en/privacy", -1),
        ("/products?sort=price", -1), ("/shop?min_price=3&color=red", -1), ("/shop?page=2", 1),
        ("/produkty", 1), ("/urunler/findik", 2), ("/%D1%82%D0%BE%D0%B2%D0%B0%D1%80%D1%8B/1", 2), ("/%E5%95%86%E5%93%81/8", 2),
        ("/%D0%BA%D0%B0%D1%82%D0%B0%D0%BB%D0%BE%D0%B3/", 1), ("/%D0%BE-%D0%BD%D0%B0%D1%81", -1), ("/varenye", 0), ("/boltons", 0),
    ],
)  # fmt: skip
def test_link_priority_goes_by_whole_segments(path, priority):
    assert link_priority(ROOT + path) == priority


def test_resources_of_a_page():
    html = """<link rel="stylesheet" href="/s.css"><link rel="preload" as="style" href="t.css"><style>@import "u.css";</style>
    <script src="/app.js"></script><script type="module" src="m.mjs"></script><script src="/js/jquery-3.7.min.js"></script>
    <script type="text/template" src="x.html"></script><link rel="icon" href="i.png">"""
    assert page_resources(parse_page(html, BASE)) == [
        ("style sheet", f"{ROOT}/s.css"), ("style sheet", f"{BASE}t.css"), ("style sheet", f"{BASE}u.css"),
        ("script", f"{ROOT}/app.js"), ("script", f"{BASE}m.mjs"),
    ]  # fmt: skip


SHELL = '<html><body><div id="__next"></div><script src="a.js"></script></body></html>'
FRAME = (
    "<header><a href=/>Home</a><a href=/a>A</a><a href=/b>B</a><a href=/c>C</a><a href=/d>D</a></header>"
    "{}<footer><p>" + "Open from Monday to Saturday, all through the year. " * 9 + "</p><img src=l.png></footer>"
)  # fmt: skip
WRITES = "<script>for (const n of nuts) document.write(`<img src=${n}.jpg>`)</script>"
TEXT = "<p>We have sold nuts and dried fruit at the market square since 1931, in three generations.</p>"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (SHELL, True),
        (SHELL.replace("</div>", "</div><noscript>On!</noscript>"), True),
        (SHELL.replace("</div>", f"</div><p>{'Almonds and nuts. ' * 20}</p>"), False),
        (SHELL.replace("</div>", '</div><img src="a.jpg"><img src="b.jpg">'), False),
        ("<p>short</p>", False),
        ("", False),
        # text and links of a frame are not content
        (FRAME.format(TEXT + WRITES), True),
        (FRAME.format(TEXT + "<script src=shop.js></script>"), True),
        (FRAME.format(TEXT * 9 + '<div id="product-list"></div><script src=shop.js></script>'), True),
        (FRAME.format(TEXT * 9 + '<section id=products><!-- here --></section><script src=a.js></script>'), True),
        (FRAME.format(TEXT * 9 + "<p>{{ product.name }}</p><script src=a.js></script>"), True),
        (FRAME.format(TEXT * 9 + "<div class='row product-grid'></div><script src=a.js></script>"), True),
        (FRAME.format(TEXT * 9 + "<div class=grid-gap></div><ul class=cart-items></ul><script src=a.js></script>"), False),
        (FRAME.format(TEXT + "<script src=jquery.min.js></script>"), False),
        (FRAME.format(TEXT * 9 + "<script src=shop.js></script>"), False),
        (FRAME.format("<img src=a.jpg>" * 5 + "<div id=product-list></div>" + WRITES), False),
        (FRAME.format("<form>" + "<input>" * 4 + "</form><script src=form.js></script>"), False),
        (FRAME.format(TEXT), False),
    ],
)  # fmt: skip
def test_page_rendered_by_scripts_needs_a_browser(html, expected):
    assert needs_browser(html) == expected


@pytest.mark.parametrize(
    "html",
    [
        "<a href=/x>" * 20_000, "<div>" * 100_000, "<b onclick=\"location.href='" * 20_000, "<b onclick='" + "'x" * 500_000,
        "<script>" + "location.href=" * 50_000, "<option value=/x>" * 20_000, "<p>" + "{{" * 500_000 + "<script src=a.js>",
    ],
    ids=lambda html: html[:12],
)  # fmt: skip
def test_hostile_links_are_read_in_linear_time(html):
    start = time.process_time()
    find_links(html, BASE)
    needs_browser(html)
    assert time.process_time() - start < 10
