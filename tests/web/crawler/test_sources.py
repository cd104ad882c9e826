# ruff: noqa: E501 - markup and data of one answer on a line
"""What names images beside pages: catalogues, sitemaps, style sheets, scripts; other versions."""

import json
from collections import Counter

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.samples.serving import serve
from similarity_lab.web import Limits

from ..shops import HTML, noise, respond
from .test_crawling import crawl, page

SHOPIFY = '<script>Shopify.shop = "nuts"; Shopify.currency = {"active":"EUR"}</script>'


def shopify_catalogue(n_products, n_images):
    products = [
        {
            "title": f"Nuts {n}",
            "handle": f"nuts-{n}",
            "variants": [{"price": "4.50"}],
            "images": [{"src": f"/{n}-{view}.jpg", "alt": None} for view in range(n_images)],
        }
        for n in range(n_products)
    ]
    return "application/json", json.dumps({"products": products}).encode()


def catalogue_shop(n_products, n_images, **more):
    files = {
        f"/{n}-{view}.jpg": noise(10 * n + view)
        for n in range(n_products)
        for view in range(n_images)
    }
    links = "".join(f'<a href="/products/nuts-{n}">x</a>' for n in range(n_products))
    files["/"] = HTML, (SHOPIFY + links).encode()
    files |= {f"/products/nuts-{n}": page(f"/{n}-0.jpg") for n in range(n_products)}
    files["/products.json?limit=250"] = shopify_catalogue(n_products, n_images)
    return files | more


def test_catalogue_brings_products_before_their_pages(tmp_path):
    with serve(catalogue_shop(4, 2)) as server:
        row, images, pages = crawl(server, tmp_path)
    assert row["n_images"] == 8
    requests = [path for path in server.requests if path not in ("/robots.txt", "/sitemap.xml")]
    assert requests[:2] == ["/", "/products.json?limit=250"]
    assert max(Counter(server.requests).values()) == 1
    first = images.loc["/2-0.jpg"]
    facts = ["product", "price", "currency", "position", "source", "alt"]
    assert first[facts].to_list() == ["Nuts 2", 4.5, "EUR", 1, "catalogue", "Nuts 2"]
    assert first["product_url"] == f"{server.url}/products/nuts-2"
    assert first["page"] == f"{server.url}/products.json?limit=250"
    assert pages.loc["/products.json?limit=250", ["kind", "n_images"]].to_list() == ["catalogue", 8]


def test_catalogue_with_enough_images_replaces_pages(tmp_path):
    """One image of each product before the second of any, and the row says how many there are."""
    with serve(catalogue_shop(4, 3)) as server:
        limits = Limits(images=5, seconds=60)
        row, images, pages = crawl(server, tmp_path, limits=limits)
    assert not [path for path in server.requests if path.startswith("/products/")]
    kept = images[images["crawl_status"] == "kept"]
    assert sorted(kept["position"]) == [1, 1, 1, 1, 2]
    assert row["reason"] == "Sample: 5 of 12 images (limit of 5 images reached)"
    reasons = set(pages.loc[pages["crawl_status"] == "not requested", "reason"])
    assert reasons == {"Not needed: the catalogue lists 4 products and their images"}


def test_catalogue_is_read_on_until_there_are_enough_images(tmp_path):
    files = {"/": (HTML, SHOPIFY.encode())} | {f"/{n}-0.jpg": noise(n) for n in range(600)}
    whole = json.loads(shopify_catalogue(600, 1)[1])["products"]
    for number, start in enumerate((0, 250, 500), 1):
        page = "" if number == 1 else f"&page={number}"
        body = json.dumps({"products": whole[start : start + 250]}).encode()
        files[f"/products.json?limit=250{page}"] = "application/json", body
    with serve(files) as server:
        row, _, pages = crawl(server, tmp_path, limits=Limits(images=300, seconds=100))
    assert (pages["kind"] == "catalogue").sum() == 2
    assert row["n_images"] == 300
    assert row["reason"] == "Sample: 300 of 500 images (limit of 300 images reached)"


@pytest.mark.parametrize(
    ("robots", "answer", "reason"),
    [
        ("Disallow: /products.json", shopify_catalogue(2, 1), "Forbidden by robots.txt"),
        ("", (HTML, b"<form>Password</form>"), "Not a catalogue (expected JSON)"),
        ("", respond(401), "HTTP status 401"),
        ("", respond(302, Location="http://other.example/"), "Leads to another site"),
    ],
    ids=["robots", "html", "status", "redirect"],
)
def test_shop_without_a_readable_catalogue_is_crawled(tmp_path, robots, answer, reason):
    more = {
        "/robots.txt": ("text/plain", f"User-agent: *\n{robots}\n".encode()),
        "/products.json?limit=250": answer,
    }
    with serve(catalogue_shop(2, 1, **more)) as server:
        row, _, pages = crawl(server, tmp_path)
    assert row["n_images"] == 2 and row["reason"] == ""
    catalogue = pages[pages["kind"] == "catalogue"].iloc[0]
    assert catalogue["crawl_status"] == "failed" and catalogue["reason"].startswith(reason)


def test_sitemap_names_products(tmp_path):
    xml = """<urlset xmlns:image="i"><url><loc>/products/nuts</loc><image:image><image:loc>/a.jpg</image:loc>
    <image:title>Nuts</image:title></image:image></url></urlset>"""
    files = {"/": page(), "/sitemap.xml": ("text/xml", xml.encode()), "/a.jpg": noise(1)}
    with serve(files | {"/products/nuts": page()}) as server:
        _, images, _ = crawl(server, tmp_path)
    row = images.loc["/a.jpg"]
    assert row[["product", "source", "crawl_status"]].to_list() == ["Nuts", "sitemap", "kept"]
    assert row["page"] == row["product_url"] == f"{server.url}/products/nuts"


def test_style_sheets_and_their_imports_are_read(tmp_path):
    files = {
        "/shop/": (HTML, b'<link rel="stylesheet" href="/css/s.css"><style>@import "t.css";</style>'),
        "/css/s.css": ("text/css", b'@import "more.css"; .a { background: url(../a.jpg) }'),
        "/css/more.css": ("text/css", b".b { background: url(b.jpg) } /* url(/no.jpg) */"),
        "/shop/t.css": ("text/css", b".c { background: url(c.jpg) }"),
        "/a.jpg": noise(1), "/css/b.jpg": noise(2), "/shop/c.jpg": noise(3),
        "/": respond(302, Location="/shop/"),
    }  # fmt: skip
    with serve(files) as server:
        row, images, pages = crawl(server, tmp_path)
    assert row["n_images"] == 3
    assert set(images["source"]) == {"style sheet"}
    assert set(images["page"]) == {f"{server.url}/shop/"}
    assert (pages["kind"] == "style sheet").sum() == 3


def test_scripts_and_their_data_are_read_without_a_browser(tmp_path):
    script = b"""fetch("nuts.json").then(show); hero.src = "/hero.jpg"; broken.src = "gone.jpg"
    const show = nuts => nuts.map(n => `<img src="img/${n.image}">`)"""
    data = [{"name": "Almonds", "price": "4.50 EUR", "image": "a.jpg"}]
    inline = b'<script type="application/json">[{"name": "Dates", "price": 3, "image": "d.jpg"}]</script>'
    files = {
        "/": (HTML, b'<div id="list"></div><script src="/js/app.js"></script>' + inline),
        "/js/app.js": ("text/javascript", script),
        "/nuts.json": ("application/json", json.dumps(data).encode()),
        "/img/a.jpg": noise(1), "/img/d.jpg": noise(2), "/hero.jpg": noise(3),
    }  # fmt: skip
    with serve(files) as server:
        row, images, _ = crawl(server, tmp_path, render="never")
    kept = images[images["crawl_status"] == "kept"]
    assert kept["product"].to_dict() == {
        "/img/a.jpg": "Almonds", "/img/d.jpg": "Dates", "/hero.jpg": "",
    }  # fmt: skip
    # What a script names is tried where it may be, and listed where that is likeliest
    failed = images[images["crawl_status"] == "failed"]
    assert list(failed.index) == ["/img/gone.jpg"] and row["n_failed"] == 1
    assert {"/gone.jpg", "/js/gone.jpg"} <= set(server.requests)
    assert max(Counter(server.requests).values()) == 1


def test_other_version_of_an_image_is_asked_for(tmp_path):
    html = """<picture><source srcset="/new.bin"><img src="/a.jpg"></picture>
    <img data-src="/missing.jpg" src="/b.jpg"><img data-src="/none.jpg">"""
    files = {
        "/": (HTML, html.encode()),
        "/new.bin": ("image/jxl", b"\xff\x0a" + b"x" * 900),
        "/a.jpg": noise(1), "/b.jpg": noise(2),
    }  # fmt: skip
    with serve(files) as server:
        _, images, _ = crawl(server, tmp_path)
    assert images["crawl_status"].to_dict() == {
        "/a.jpg": "kept", "/b.jpg": "kept", "/new.bin": "left out", "/missing.jpg": "failed",
        "/none.jpg": "failed",
    }  # fmt: skip
    assert images.loc["/missing.jpg", "reason"] == "HTTP status 404"


def test_original_behind_a_proxy_has_its_own_rule(tmp_path):
    files = {
        "/robots.txt": ("text/plain", b"User-agent: *\nDisallow: /_next/\n"),
        "/": (HTML, b'<img src="/_next/image?url=%2Fa.jpg&amp;w=64&amp;q=75">'),
        "/a.jpg": noise(1),
    }
    with serve(files) as server:
        row, images, _ = crawl(server, tmp_path)
    assert (row["n_images"], list(images.index)) == (1, ["/a.jpg"])
    assert not [path for path in server.requests if path.startswith("/_next")]


def test_charset_of_the_header_is_used(tmp_path):
    html = '<img src="/миндаль.jpg" alt="Миндаль">'.encode("cp1251")
    path = "/%D0%BC%D0%B8%D0%BD%D0%B4%D0%B0%D0%BB%D1%8C.jpg"
    files = {"/": ("text/html; charset=windows-1251", html), path: noise(1)}
    with serve(files) as server:
        _, images, _ = crawl(server, tmp_path)
    assert images.loc[path, ["crawl_status", "alt"]].to_list() == ["kept", "Миндаль"]


def test_template_of_a_page_tells_the_folder_of_names_in_a_file(tmp_path):
    html = b"""<li ng-repeat="nut in nuts"><img ng-src="/img/{{nut.image}}">{{nut.name}}</li>
    <script src="/app.js"></script>"""
    data = [{"name": "Almonds", "price": 4, "image": "a.jpg"}]
    files = {
        "/": (HTML, html),
        "/app.js": ("text/javascript", b'fetch("/nuts.json").then(show)'),
        "/nuts.json": ("application/json", json.dumps(data).encode()),
        "/img/a.jpg": noise(1),
    }
    with serve(files) as server:
        _, images, _ = crawl(server, tmp_path, render="never")
    assert images.loc["/img/a.jpg", ["crawl_status", "product"]].to_list() == ["kept", "Almonds"]
