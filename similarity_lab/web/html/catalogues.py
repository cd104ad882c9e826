"""Catalogues: the lists of all products that shop platforms offer, and how to ask for them.

One request for such a list brings names, prices, urls and images of hundreds of products, which
otherwise takes a page each.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from similarity_lab.errors import InputError
from similarity_lab.web.html.images import PRIORITY, FoundImage, merged_images
from similarity_lab.web.html.links import link_priority, page_links
from similarity_lab.web.html.literals import json_of
from similarity_lab.web.html.markup import Page, absolute_url, clean_text
from similarity_lab.web.html.products import Product, read_price

_MAX_PRODUCTS = 1_000  # of one answer
_MAX_VIEWS = 20  # images of one product that are counted apart
# What pages of a platform contain, and not just texts about it; the first that fits
_PLATFORMS = {
    "Shopify": r"(?i)cdn\.shopify\.com|/cdn/shop/|\.myshopify\.com|\bshopify(?:-|\.\w|[\"']|\s?=)",
    "WooCommerce": r"(?i)\bwoocommerce[-_/\"']|[\"']woocommerce\b"
    r"|class=[\"'][^\"'<>]{0,500}\bwoocommerce\b|\bwc[-_](?:block|add[-_]to[-_]cart)",
    "Magento": r"text/x-magento-init|\bMagento_|/static/version\d+/frontend/",
    "Squarespace": r"Static\.SQUARESPACE_CONTEXT|static1\.squarespace\.com|squarespace-cdn\.com",
    "PrestaShop": r"\bvar prestashop\b|content=\"PrestaShop\"",
    "BigCommerce": r"cdn\d*\.bigcommerce\.com|\bBCData\b|/stencil/",
    "OpenCart": r"route=(?:product|common)/|catalog/view/(?:theme|javascript)",
    "Shopware": r"\bshopware\b",
    "Wix": r"static\.(?:wixstatic|parastorage)\.com|X-Wix-",
    "Ecwid": r"app\.ecwid\.com",
    "Nuxt": r"__NUXT__|__NUXT_DATA__|/_nuxt/",
    "Next.js": r"__NEXT_DATA__|self\.__next_f|/_next/static/",
    "WordPress": r"/wp-(?:content|includes)/",
}
_SHOPIFY_CURRENCY = re.compile(r"""Shopify\.currency\s{0,9}=\s{0,9}\{"active":"([A-Z]{3})""")
_MAX_CHARACTERS = 1_000_000  # of a page that are searched


@dataclass(frozen=True)
class CatalogueRequest:
    """A request for a catalogue.

    Attributes
    ----------
    platform : str
        The platform whose catalogue it is.
    url : str
    currency : str
        Of its prices, where the page tells and the catalogue does not.
    """

    platform: str
    url: str
    currency: str = ""

    def next_page(self) -> "CatalogueRequest":
        """Return the request for what a catalogue lists after the answer to this one.

        Examples
        --------
        >>> CatalogueRequest("Shopify", "https://a.b/products.json?limit=250").next_page().url
        'https://a.b/products.json?limit=250&page=2'
        """
        match = re.search(r"&page=(\d+)$", self.url)
        number = int(match[1]) + 1 if match else 2
        url = self.url[: match.start()] if match else self.url
        return replace(self, url=f"{url}&page={number}")


@dataclass(frozen=True)
class Catalogue:
    """What a catalogue lists.

    Attributes
    ----------
    products : tuple of Product
    is_complete : bool
        Whether the answer lists all products: it has fewer than were asked for.
    """

    products: tuple[Product, ...]
    is_complete: bool

    def images(self) -> list[FoundImage]:
        """Return the images of all products: the first of each product come first."""
        return merged_images(
            FoundImage(
                url,
                "catalogue",
                alt or product.name,
                PRIORITY["catalogue"] - min(position - 1, _MAX_VIEWS),
                source="catalogue",
                product=product,
                position=position,
            )
            for product in self.products
            for position, (url, alt) in enumerate(product.images, 1)
        )


def find_platform(html: str) -> str:
    """Return the shop platform that made a page, or ``""`` if it is not known.

    `html` may include the headers with which the page came.

    Examples
    --------
    >>> find_platform('<link href="https://cdn.shopify.com/s/files/1/theme.css">')
    'Shopify'
    """
    text = html[:_MAX_CHARACTERS]
    patterns = _PLATFORMS.items()
    return next((name for name, pattern in patterns if re.search(pattern, text)), "")


def catalogue_requests(page: Page, html: str) -> list[CatalogueRequest]:
    """Return the requests for the catalogue of the shop that a page belongs to; often none.

    Parameters
    ----------
    page : Page
        The first page of the shop.
    html : str
        The same page as text.

    Examples
    --------
    >>> from similarity_lab.web.html.markup import parse_page
    >>> html = "<script>Shopify.shop = 'nuts.myshopify.com'</script>"
    >>> [request.url for request in catalogue_requests(parse_page(html, "https://a.b/en"), html)]
    ['https://a.b/products.json?limit=250']
    """
    platform = find_platform(html)
    find = _REQUESTS.get(platform)
    return [] if find is None else list(find(page, html))


def read_catalogue(request: CatalogueRequest, body: bytes) -> Catalogue:
    """Read the answer to a request for a catalogue.

    Raises
    ------
    InputError
        Not JSON, or without products.

    Examples
    --------
    >>> request = CatalogueRequest("Shopify", "https://a.b/products.json?limit=250", "EUR")
    >>> nuts = '{"title": "Nuts", "handle": "n", "variants": [{"price": "4.50"}]}'
    >>> product, = read_catalogue(request, f'{{"products": [{nuts}]}}'.encode()).products
    >>> product.name, product.url, product.price, product.currency
    ('Nuts', 'https://a.b/products/n', 4.5, 'EUR')
    """
    value, _ = json_of(body.decode("utf-8-sig", "replace"))
    if not isinstance(value, (dict, list)):
        raise InputError("Not a catalogue (expected JSON)")
    nodes = value if isinstance(value, list) else value.get("products") or value.get("items") or []
    nodes = [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []
    read = _READERS[request.platform]
    products = tuple(read(node, request) for node in nodes[:_MAX_PRODUCTS])
    if not products:
        raise InputError("Not a catalogue (it lists no products)")
    asked = re.search(r"(?:limit|per_page)=(\d+)", request.url)
    return Catalogue(products, is_complete=asked is None or len(nodes) < int(asked[1]))


# Shopify -------------------------------------------------------------------------------------


def _shopify_requests(page: Page, html: str) -> Iterator[CatalogueRequest]:
    currency = _SHOPIFY_CURRENCY.search(html)
    url = absolute_url(page.url, "/products.json?limit=250")
    yield CatalogueRequest("Shopify", url, currency[1] if currency else "")


def _shopify_product(node: dict, request: CatalogueRequest) -> Product:
    prices = [
        read_price(variant.get("price"), request.currency)
        for variant in _dicts(node.get("variants"))
    ]
    known = [price for price in prices if price[0] is not None]
    price, currency = min(known, default=(None, ""))
    handle = node.get("handle")
    return Product(
        name=_text(node.get("title")),
        url=absolute_url(request.url, f"/products/{handle}") if isinstance(handle, str) else "",
        brand=_text(node.get("vendor")),
        price=price,
        currency=currency,
        images=_images(node.get("images"), request),
    )


# WooCommerce ---------------------------------------------------------------------------------


def _woocommerce_requests(page: Page, html: str) -> Iterator[CatalogueRequest]:
    links = (node.get("href") for node in page.root.iter("link") if _is_api(node.get("rel")))
    api = page.absolute(next(filter(None, links), None)) or absolute_url(page.url, "/wp-json/")
    path = "wc/store/v1/products"
    if "rest_route=" in api:  # a shop without readable addresses
        url = f"{api.rstrip('/')}/{path}&per_page=100"
    else:
        url = f"{api.rstrip('/')}/{path}?per_page=100"
    yield CatalogueRequest("WooCommerce", url)


def _is_api(rel: str | None) -> bool:
    return (rel or "").strip().rstrip("/") == "https://api.w.org"


def _woocommerce_product(node: dict, request: CatalogueRequest) -> Product:
    prices = next(iter(_dicts([node.get("prices")])), {})
    # In the smallest unit of the currency
    price, currency = read_price(prices.get("price"), _text(prices.get("currency_code")))
    digits = prices.get("currency_minor_unit")
    digits = digits if isinstance(digits, int) and 0 <= digits <= 4 else 2
    brands = _dicts(node.get("brands"))
    return Product(
        name=_text(node.get("name")),
        url=absolute_url(request.url, _text(node.get("permalink"))),
        brand=_text(brands[0].get("name")) if brands else "",
        price=None if price is None else price / 10**digits,
        currency=currency,
        images=_images(node.get("images"), request),
    )


# Squarespace ---------------------------------------------------------------------------------


def _squarespace_requests(page: Page, html: str) -> Iterator[CatalogueRequest]:
    """Ask for the pages that look like lists of products, each of which has its own catalogue."""
    host = urlsplit(page.url).netloc
    lists = [
        url
        for url, _ in page_links(page)
        if urlsplit(url).netloc == host and link_priority(url) == 1 and not urlsplit(url).query
    ]
    for url in lists[:2]:
        yield CatalogueRequest("Squarespace", f"{url}?format=json")


def _squarespace_product(node: dict, request: CatalogueRequest) -> Product:
    money = [
        variant["priceMoney"]
        for variant in _dicts(node.get("variants"))
        if isinstance(variant.get("priceMoney"), dict)
    ]
    prices = [read_price(each.get("value"), _text(each.get("currency"))) for each in money]
    price, currency = min((each for each in prices if each[0] is not None), default=(None, ""))
    views = [node, *_dicts(node.get("items"))]
    urls = [{"src": view.get("assetUrl")} for view in (views[1:] or views)]
    return Product(
        name=_text(node.get("title")),
        url=absolute_url(request.url, _text(node.get("fullUrl"))),
        price=price,
        currency=currency,
        images=_images(urls, request),
    )


# Any -----------------------------------------------------------------------------------------


def _dicts(value: Any) -> list[dict]:  # noqa: ANN401
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:  # noqa: ANN401
    return clean_text(unescape(value)) if isinstance(value, str) else ""


def _images(value: Any, request: CatalogueRequest) -> tuple[tuple[str, str], ...]:  # noqa: ANN401
    found = (
        (absolute_url(request.url, _text(each.get("src"))), _text(each.get("alt")))
        for each in _dicts(value)
    )
    return tuple({url: alt for url, alt in found if url}.items())


_REQUESTS: dict[str, Callable[[Page, str], Iterator[CatalogueRequest]]] = {
    "Shopify": _shopify_requests,
    "WooCommerce": _woocommerce_requests,
    "Squarespace": _squarespace_requests,
}
_READERS: dict[str, Callable[[dict, CatalogueRequest], Product]] = {
    "Shopify": _shopify_product,
    "WooCommerce": _woocommerce_product,
    "Squarespace": _squarespace_product,
}
