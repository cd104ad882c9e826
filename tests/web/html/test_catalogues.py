# ruff: noqa: E501 - one case a line
import json

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.errors import InputError
from similarity_lab.web.html.catalogues import (
    CatalogueRequest,
    catalogue_requests,
    find_platform,
    read_catalogue,
)
from similarity_lab.web.html.markup import parse_page
from similarity_lab.web.html.products import Product

ROOT = "https://shop.example"
MARKS = {
    "Shopify": '<script>var Shopify = Shopify || {}; Shopify.shop = "nuts.myshopify.com"</script>',
    "WooCommerce": '<body class="home woocommerce-page">',
    "Magento": '<script type="text/x-magento-init">{}</script>',
    "Squarespace": "<script>Static.SQUARESPACE_CONTEXT = {}</script>",
    "PrestaShop": "<script>var prestashop = {}</script>",
    "Wix": '<img src="https://static.wixstatic.com/media/a.jpg">',
    "Next.js": '<script id="__NEXT_DATA__" type="application/json">{}</script>',
    "Nuxt": "<script>window.__NUXT__={}</script>",
    "WordPress": '<link href="/wp-content/themes/nuts/style.css">',
    "": "<p>We sell nuts.</p>",  # keep last
}


@pytest.mark.parametrize(("platform", "html"), MARKS.items(), ids=MARKS.keys())
def test_platform_of_a_page(platform, html):
    assert find_platform(html) == platform


@pytest.mark.parametrize(
    ("platform", "html"),
    [
        ("Shopify", "{'X-Sorting-Hat-Shopid': '7', 'Powered-By': 'Shopify'}"),
        ("Shopify", '<link href="/cdn/shop/t/1/assets/theme.css">'),
        ("WooCommerce", '<meta name="generator" content="WooCommerce 9.1.2">'),
        ("WooCommerce", '<body class="woocommerce">'),
        ("WooCommerce", '<div class="product woocommerce columns-3">'),
        (
            "WooCommerce",
            '<script src="/wp-content/plugins/woocommerce/assets/js/cart.js"></script>',
        ),
        ("", "<p>We moved from Shopify to our own shop; no WooCommerce, no Magento.</p>"),
    ],
)
def test_platform_has_several_marks(platform, html):
    assert find_platform(html) == platform


@pytest.mark.parametrize(
    ("html", "url", "requested"),
    [
        (MARKS["Shopify"], f"{ROOT}/en/", [f"{ROOT}/products.json?limit=250"]),
        (
            MARKS["WooCommerce"] + '<link rel="https://api.w.org/" href="/shop/wp-json/">',
            f"{ROOT}/shop/", [f"{ROOT}/shop/wp-json/wc/store/v1/products?per_page=100"],
        ),
        (
            MARKS["WooCommerce"] + f'<link rel="https://api.w.org/" href="{ROOT}/?rest_route=/">',
            ROOT, [f"{ROOT}/?rest_route=/wc/store/v1/products&per_page=100"],
        ),
        (MARKS["WooCommerce"], ROOT, [f"{ROOT}/wp-json/wc/store/v1/products?per_page=100"]),
        (
            MARKS["Squarespace"] + '<a href="/shop">x</a><a href="/about">y</a><a href="//b.c/shop">z</a>',
            ROOT, [f"{ROOT}/shop?format=json"],
        ),
        (MARKS["Magento"], ROOT, []),
        (MARKS[""], ROOT, []),
    ],
)  # fmt: skip
def test_requests_for_the_catalogue_of_a_platform(html, url, requested):
    requests = catalogue_requests(parse_page(html, url), html)
    assert [request.url for request in requests] == requested


SHOPIFY = {
    "title": "Almonds &amp; more", "handle": "almonds", "vendor": "Acme",
    "variants": [{"price": "9.00"}, {"price": "4.50"}],
    "images": [{"src": "https://cdn.example/a.jpg?v=1", "alt": None}, {"src": "/b.jpg", "alt": "A bowl"}],
}  # fmt: skip
WOOCOMMERCE = {
    "name": "Almonds &amp; more", "permalink": f"{ROOT}/products/almonds", "brands": [{"name": "Acme"}],
    "prices": {"price": "450", "currency_code": "EUR", "currency_minor_unit": 2},
    "images": [{"src": "https://cdn.example/a.jpg?v=1", "alt": ""}, {"src": f"{ROOT}/b.jpg", "alt": "A bowl"}],
}  # fmt: skip
SQUARESPACE = {
    "title": "Almonds & more", "fullUrl": "/products/almonds", "assetUrl": "/other.jpg",
    "items": [{"assetUrl": "https://cdn.example/a.jpg?v=1"}, {"assetUrl": "/b.jpg"}],
    "variants": [{"priceMoney": {"value": "4.50", "currency": "EUR"}}],
}  # fmt: skip
CATALOGUES = {
    "Shopify": ({"products": [SHOPIFY]}, "Acme", "A bowl"),
    "WooCommerce": ([WOOCOMMERCE], "Acme", "A bowl"),
    "Squarespace": ({"items": [SQUARESPACE]}, "", ""),
}


@pytest.mark.parametrize("platform", CATALOGUES)
def test_products_of_a_catalogue(platform):
    value, brand, alt = CATALOGUES[platform]
    request = CatalogueRequest(platform, f"{ROOT}/list.json?limit=250", "EUR")
    catalogue = read_catalogue(request, json.dumps(value).encode())
    images = (("https://cdn.example/a.jpg?v=1", ""), (f"{ROOT}/b.jpg", alt))
    expected = Product(
        "Almonds & more", f"{ROOT}/products/almonds", brand, 4.5, "EUR", images
    )  # fmt: skip
    assert catalogue.products == (expected,) and catalogue.is_complete
    first, second = catalogue.images()
    assert (first.url, first.alt, first.source) == (images[0][0], "Almonds & more", "catalogue")
    assert (second.alt, second.position) == (alt or "Almonds & more", 2)
    assert first.priority > second.priority


def test_first_images_of_all_products_come_first():
    nodes = [SHOPIFY | {"images": [{"src": f"/{n}a.jpg"}, {"src": f"/{n}b.jpg"}]} for n in "12"]
    request = CatalogueRequest("Shopify", f"{ROOT}/products.json?limit=2")
    catalogue = read_catalogue(request, json.dumps({"products": nodes}).encode())
    assert [image.url[-7:] for image in catalogue.images()] == [
        "/1a.jpg",
        "/2a.jpg",
        "/1b.jpg",
        "/2b.jpg",
    ]
    assert not catalogue.is_complete


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>Password</html>", b"{}", b'{"products": []}', b'{"products": 3}', b"[1, 2]", b"null",
        b'{"code": "rest_no_route", "message": "No route was found"}', b"[" * 10**5, b'{"products": {"a": 1}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("platform", CATALOGUES)
def test_answer_without_products_is_refused(platform, body):
    with pytest.raises(InputError, match="Not a catalogue"):
        read_catalogue(CatalogueRequest(platform, ROOT), body)


@pytest.mark.parametrize("platform", CATALOGUES)
@pytest.mark.parametrize("junk", [None, 3, [], {}, [None], [[]], {"price": []}, float("nan")])
def test_fields_of_another_type_are_ignored(platform, junk):
    (keys,) = {
        "Shopify": [SHOPIFY], "WooCommerce": [WOOCOMMERCE], "Squarespace": [SQUARESPACE],
    }[platform]  # fmt: skip
    body = json.dumps({"products": [dict.fromkeys(keys, junk)]}).encode()
    (product,) = read_catalogue(CatalogueRequest(platform, ROOT), body).products
    assert product.price is None and product.images == ()
