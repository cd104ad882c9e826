# ruff: noqa: E501 - one case of markup per line
import json
import time

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web.html.markup import parse_page
from similarity_lab.web.html.products import (
    Product,
    json_ld_products,
    listed_urls,
    microdata_products,
    products_of_json,
    read_price,
    repaired_json_ld,
    shared_product,
)

URL = "https://shop.example/nuts/"
ALMONDS = Product(
    "Almonds & more", "https://shop.example/almonds", "Acme", 4.5, "EUR",
    (("https://shop.example/a.jpg", ""),),
)  # fmt: skip


def page_of(*values, html=""):
    scripts = "".join(
        f'<script type="application/ld+json">{json.dumps(value)}</script>' for value in values
    )
    return parse_page(scripts + html, URL)


NODE = {
    "@type": "Product",
    "name": "Almonds &amp; more",
    "url": "/almonds",
    "image": "/a.jpg",
    "brand": "Acme",
}
OFFER = {"price": "4.50", "priceCurrency": "EUR"}


@pytest.mark.parametrize(
    "more",
    [
        {"offers": OFFER},
        {"offers": [{"price": 9, "priceCurrency": "EUR"}, OFFER]},
        {
            "offers": {
                "@type": "AggregateOffer",
                "lowPrice": 4.5,
                "highPrice": 9,
                "priceCurrency": "EUR",
            }
        },
        {"offers": {"priceSpecification": {"price": "4,50", "priceCurrency": "EUR"}}},
        {"Offers": OFFER},  # Wix
        {"offers": OFFER, "brand": {"@type": "Brand", "name": "Acme"}},
        {"offers": OFFER, "brand": [{"name": "Acme"}], "@type": ["Thing", "schema:Product"]},
    ],
)
def test_product_of_json_ld(more):
    assert list(json_ld_products(page_of(NODE | more))) == [ALMONDS]


def test_products_of_a_list_have_urls():
    item = {"@type": "ListItem", "position": 1}
    page = page_of(
        {"@type": "ItemList", "itemListElement": [
            item | {"url": "/1"}, item | {"item": "/2"}, item | {"item": {"@id": "/3"}}, "/4",
            item | {"item": {"@type": "Product", "url": "/5", "name": "Dates", "image": "/d.jpg"}},
            item | {"url": "/6", "name": "Figs", "image": "/f.jpg"},
        ]}
    )  # fmt: skip
    assert listed_urls(page) == [f"https://shop.example/{number}" for number in range(1, 7)]
    assert [(product.name, product.images[0][0][-6:]) for product in json_ld_products(page)] == [
        ("Dates", "/d.jpg"), ("Figs", "/f.jpg"),
    ]  # fmt: skip


MICRODATA = """<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Almonds &amp; more</h1>
<a itemprop=url href=/almonds>x</a><img itemprop=image src=/a.jpg><span itemprop=brand itemscope
itemtype="https://schema.org/Brand"><meta itemprop=name content=Other></span><p itemprop=brand>Acme</p>
<div itemprop=offers itemscope itemtype="https://schema.org/Offer"><meta itemprop=priceCurrency content=EUR>
<b itemprop=price content="4.50">4,50 Euro</b></div></div>"""
RDFA = """<div vocab="https://schema.org/" typeof="Product"><h1 property="name">Almonds &amp; more</h1>
<a property="url" href="/almonds">x</a><img property="schema:image" src="/a.jpg"><p property=brand>Acme</p>
<div property=offers typeof=Offer><meta property=priceCurrency content=EUR><b property=price>4.50</b></div></div>"""


@pytest.mark.parametrize(
    "html", [MICRODATA.replace("<meta itemprop=name content=Other>", ""), RDFA]
)
def test_product_of_microdata_and_rdfa(html):
    assert microdata_products(parse_page(html, URL)) == [ALMONDS]


def test_related_product_is_another_one():
    html = MICRODATA.replace(
        "</h1>",
        '</h1><div itemprop=isRelatedTo itemscope itemtype="http://schema.org/Product">'
        "<b itemprop=name>Dates</b><img itemprop=image src=/d.jpg></div>",
    )
    names = [product.name for product in microdata_products(parse_page(html, URL))]
    assert names == ["Almonds & more", "Dates"]


def test_shared_product():
    html = """<meta property="og:type" content="product"><meta property="og:title" content="Almonds">
    <meta property="og:url" content="/almonds"><meta property="product:price:amount" content="4.50">
    <meta property="product:price:currency" content="EUR"><meta property="product:brand" content="Acme">"""
    assert shared_product(parse_page(html, URL)) == Product(
        "Almonds", "https://shop.example/almonds", "Acme", 4.5, "EUR"
    )
    assert shared_product(parse_page(html.replace('"product"', '"website"'), URL)) is None


def test_repaired_json_ld_is_counted():
    html = '<script type="application/ld+json">{"@type": "Product",};</script>'
    assert (repaired_json_ld(page_of(NODE, html=html)), repaired_json_ld(page_of(NODE))) == (1, 0)


JSON = {
    "shopify": {"title": "Almonds", "handle": "almonds", "vendor": "Acme", "price_varies": False, "price": 450,
                "images": ["/a.jpg", "/b.jpg"]},
    "variants": {"name": "Almonds", "brand": {"name": "Acme"}, "variants": [{"price": "9.00"}, {"price": "4.50"}],
                 "media": [{"src": "/a.jpg", "alt": "A bowl"}, {"preview": {"image": {"url": "/b.jpg"}}}]},
    "own words": {"productName": "Almonds", "vendor": "Acme", "price": "4.50", "img": "/a.jpg", "gallery": ["/b.jpg"]},
    "other words": {"nombre": "Almonds", "brand": "Acme", "precio": "4,50", "imagen": "/a.jpg", "fotos": ["/b.jpg"]},
    "in a string": {"state": json.dumps({"name": "Almonds", "brand": "Acme", "price": 4.5, "image": "/a.jpg",
                                         "more": {"photo": "/b.jpg"}})},
}  # fmt: skip


@pytest.mark.parametrize("value", JSON.values(), ids=JSON.keys())
def test_product_of_an_object_in_a_script(value):
    (product,) = products_of_json({"page": [value]}, parse_page("", URL).absolute)
    assert (product.name, product.brand, product.price) == ("Almonds", "Acme", 4.5)
    assert [url for url, _ in product.images] == [
        "https://shop.example/a.jpg", "https://shop.example/b.jpg",
    ]  # fmt: skip


def test_object_that_is_no_product_has_images_without_a_name():
    value = {
        "name": "Our team",
        "role": "Cook",
        "image": "/cook.jpg",
        "logo": "/logo.png",
        "link": "/page",
    }
    (product,) = products_of_json(value, parse_page("", URL).absolute)
    assert product.name == "" and len(product.images) == 2


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("1.234,50 €", (1234.5, "EUR")), ("£9", (9, "GBP")), ("Rs. 1,299.00", (1299, "INR")), ("from $3.50", (3.5, "$")),
        ("98元", (98, "CNY")), ("12,000원", (12000, "KRW")), ("30 ر.س", (30, "SAR")), ("KSh 300", (300, "KES")),
        ("Rp 45.000", (45000, "IDR")), ("120 บาท", (120, "THB")), ("45 грн.", (45, "UAH")), ("1 200 ₸", (1200, "KZT")),
        ("KES 450", (450, "KES")), ("GH₵ 12", (12, "GHS")), ("", (None, "")), (None, (None, "")),
        (True, (None, "")), ("9" * 400, (None, "")), ({}, (None, "")),
    ],
)  # fmt: skip
def test_price_as_shops_write_it(text, price):
    assert read_price(text) == price


def test_hostile_declarations_are_read_in_linear_time():
    start = time.process_time()
    html = (
        '<div itemscope itemtype="http://schema.org/Product">' * 1_500
        + "<b itemprop=image>" * 9_000
    )
    assert len(microdata_products(parse_page(html, URL))) == 1_500
    deep = {"@type": "Product", "name": "x"}
    for _ in range(300):
        deep = {"@type": "Product", "name": "x", "image": ["/a.jpg"] * 50, "offers": [deep]}
    assert len(list(json_ld_products(page_of(deep)))) == 301
    references = [["x"] * 5, *({"name": 0, "images": index} for index in range(3_000)), "x"]
    list(products_of_json(references, str))
    assert time.process_time() - start < 10
