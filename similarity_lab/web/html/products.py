"""Products of a page: JSON-LD, microdata, RDFa, Open Graph, and objects in scripts."""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from lxml.etree import iterwalk
from lxml.html import HtmlElement
from price_parser import Price

from similarity_lab.web.html.literals import json_of, nodes
from similarity_lab.web.html.markup import (
    IMAGE_SUFFIXES,
    Page,
    clean_text,
    unescape_references,
    url_suffix,
)
from similarity_lab.web.html.srcset import largest

_MAX_NODES = 20_000  # JSON-LD nodes of a page; likewise properties in microdata
_MAX_IMAGES = 200  # of one product
_TYPES = frozenset(
    {"Product", "ProductGroup", "ProductModel", "IndividualProduct", "SomeProducts", "MenuItem"}
)
_CURRENCIES = {
    "€": "EUR", "£": "GBP", "₹": "INR", "rs": "INR", "rs.": "INR", "₨": "PKR", "৳": "BDT",
    "tk": "BDT", "₦": "NGN", "₵": "GHS", "gh₵": "GHS", "ksh": "KES", "₽": "RUB", "руб": "RUB",
    "руб.": "RUB", "р": "RUB", "р.": "RUB", "₴": "UAH", "грн": "UAH", "грн.": "UAH", "₸": "KZT",
    "тг": "KZT", "₺": "TRY", "tl": "TRY", "zł": "PLN", "kč": "CZK", "ft": "HUF", "lei": "RON",
    "лв": "BGN", "лв.": "BGN",
    "fr.": "CHF", "sfr.": "CHF", "₪": "ILS", "د.إ": "AED", "درهم": "AED", "ر.س": "SAR",
    "dh": "MAD", "円": "JPY", "元": "CNY", "원": "KRW", "₩": "KRW", "₫": "VND", "đ": "VND",
    "₱": "PHP", "฿": "THB", "บาท": "THB", "rp": "IDR", "rm": "MYR", "s/": "PEN", "us$": "USD",
    "usd$": "USD", "$usd": "USD", "r$": "BRL", "a$": "AUD", "c$": "CAD", "s$": "SGD",
    "hk$": "HKD", "nz$": "NZD", "$": "$", "¥": "¥", "￥": "¥", "kr": "kr",
    **{code.lower(): code for code in (
        "EUR", "USD", "GBP", "INR", "PKR", "BDT", "NGN", "GHS", "KES", "ZAR", "RUB", "UAH", "KZT",
        "TRY", "PLN", "CZK", "HUF", "RON", "BGN", "CHF", "SEK", "NOK", "DKK", "ILS", "AED", "SAR",
        "MAD", "JPY", "CNY", "KRW", "VND", "PHP", "THB", "IDR", "MYR", "PEN", "BRL", "AUD", "CAD",
        "SGD", "HKD", "NZD", "MXN", "ARS", "CLP", "COP",
    )},
}  # fmt: skip
_SIGN = "|".join(
    # Letters stand alone: no `rs` in `5 years`
    rf"(?<![^\W\d_]){re.escape(sign)}(?![^\W\d_])" if sign[0].isalpha() else re.escape(sign)
    for sign in sorted(_CURRENCIES, key=len, reverse=True)
)
_ANY_SIGN = re.compile(_SIGN, re.IGNORECASE)
_SIGN_BEFORE = re.compile(rf"(?:{_SIGN})\s{{0,3}}$", re.IGNORECASE)
_SIGN_BEHIND = re.compile(rf"\s{{0,3}}(?:{_SIGN})", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,3}(?:[ \u00a0\u202f'’]\d{3}){1,3}(?:[.,]\d{1,2})?(?!\d)|\d[\d.,]{0,12}")
_MAX_SIGN, _MAX_NUMBERS = 10, 20  # characters, with a letter before; numbers in a text
# Keys of objects in scripts
_NAMES = (
    "name",
    "title",
    "product_name",
    "productName",
    "product_title",
    "productTitle",
    "product",
    "label",
    "item_name",
    "itemName",
    "display_name",
    "displayName",
    "heading",
    # German, French, Spanish, Portuguese, Italian, Polish, Dutch, Turkish, Russian, Chinese
    "bezeichnung",
    "titel",
    "nom",
    "titre",
    "nombre",
    "titulo",
    "nome",
    "titolo",
    "nazwa",
    "naam",
    "isim",
    "название",
    "名称",
)
_URLS = ("url", "permalink", "product_url", "productUrl", "href", "link", "onlineStoreUrl")
_PRICES = (
    "price",
    "sale_price",
    "salePrice",
    "special_price",
    "final_price",
    "finalPrice",
    "price_min",
    "amount",
    "unit_price",
    "unitPrice",
    "current_price",
    "currentPrice",
    "cost",
    "preis",
    "prix",
    "precio",
    "preco",
    "preço",
    "prezzo",
    "cena",
    "prijs",
    "fiyat",
    "цена",
    "价格",
)
_IS_PRODUCT = frozenset(
    {
        "price", "prices", "sale_price", "salePrice", "regular_price", "price_min", "sku",
        "handle", "slug", "variants", "stock", "category", "brand", "vendor", "product_id",
        "productId", "productName", "product_name", "offers", "permalink", "price_range",
        "priceRange", "quantity", "qty", "unit", "weight", "currency", "product",
        "product_type", "productType", "in_stock", "inStock", "description", "featured",
        "specs", "discount", "mrp", "sizes", "weights", "rating", *_PRICES,
    }
)  # fmt: skip
_MAX_URL, _MAX_HTML = 2_000, 100_000  # characters of a string that may be, or have, a URL
_NOT_URL = re.compile(r"[<>{}\"\n]|\s\s")
_IMG_SOURCE = re.compile(r"""<img\s[^<>]{0,2000}?\bsrc=\\?["']([^"'<>\\]{1,2000})""")
_IS_OTHER = frozenset(
    {
        "author", "date", "datePublished", "publishedAt", "role", "jobTitle", "designation",
        "readTime", "testimonial", "quote", "answer", "products", "items", "children",
    }
)  # fmt: skip
_SMALL_KEY = re.compile(r"thumb|small|tiny|mini|icon|placeholder|lqip", re.IGNORECASE)
_IMAGE_KEY = re.compile(
    r"(?:^|_)(?:image|img|photo|picture|src|thumb|thumbnail|poster|gallery|media|full|large)s?(?:$|_)"
    r"|(?:image|img|photo|picture|thumbnail|src)s?\d?(?:url|src|path|file)?\d?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Product:
    """A product as a page or a catalogue declares it; empty where it tells nothing.

    Attributes
    ----------
    name, brand : str
    url : str
        Absolute URL of the product's page.
    price : float or None
        In `currency`, the lowest of several.
    currency : str
        ISO 4217 where it is known, otherwise the sign that the page shows.
    images : tuple of (str, str)
        Absolute URL and alternative text, in order.
    """

    name: str = ""
    url: str = ""
    brand: str = ""
    price: float | None = None
    currency: str = ""
    images: tuple[tuple[str, str], ...] = ()

    def completed(self, other: "Product") -> "Product":
        """Return the same product with what another mention of it tells beside."""
        price = self if self.price is not None else other
        return replace(
            self,
            url=self.url or other.url,
            brand=self.brand or other.brand,
            price=price.price,
            currency=price.currency,
        )


def is_sign(text: str) -> bool:
    """Tell whether a text is nothing but the sign of a currency."""
    return _ANY_SIGN.fullmatch(text.strip()) is not None


def find_price(text: str) -> str:
    """Return the first number beside the sign of a currency, with that; ``""`` without any.

    Examples
    --------
    >>> [find_price(text) for text in ("0.5 kg, only 4,50 € a bag", "Rs. 90", "1 200 ₸", "5 years")]
    ['4,50 €', 'Rs. 90', '1 200 ₸', '']
    """
    for number in islice(_NUMBER.finditer(text), _MAX_NUMBERS):
        start, end = number.span()
        if behind := _SIGN_BEHIND.match(text, end, end + _MAX_SIGN):
            return text[start : behind.end()]
        if before := _SIGN_BEFORE.search(text[max(0, start - _MAX_SIGN) : start]):
            return before[0] + number[0]
    return ""


def read_price(text: object, currency: str = "") -> tuple[float | None, str]:
    """Return amount and currency of a price as shops write it.

    Examples
    --------
    >>> read_price("1.234,50 €"), read_price("₹ 500"), read_price(12, "USD"), read_price("soon")
    ((1234.5, 'EUR'), (500.0, 'INR'), (12.0, 'USD'), (None, ''))
    """
    if isinstance(text, bool) or not isinstance(text, (int, float, str)):
        return None, ""
    price = Price.fromstring(str(text)[:100], currency_hint=currency[:10] or None)
    amount = price.amount_float
    if amount is None or not 0 <= amount < 1e9:
        return None, ""
    sign = (price.currency or currency).strip()
    if not sign and (match := _ANY_SIGN.search(str(text)[:100])):
        sign = match[0]
    return amount, clean_text(_CURRENCIES.get(sign.lower(), sign), 10)


# Declared for search engines ----------------------------------------------------------------


def listed_urls(page: Page) -> list[str]:
    """Return the URLs of the products that the page lists for search engines, in order."""
    urls: dict[str, None] = {}
    for node in islice(_json_ld_nodes(page), _MAX_NODES):
        if _is_type(node.get("@type"), {"ItemList", "OfferCatalog", "CollectionPage"}):
            for item in _list(node.get("itemListElement")):
                urls[page.absolute(_url_of(item))] = None
        elif _is_type(node.get("@type"), _TYPES):
            urls[page.absolute(_url_of(node))] = None
    return [url for url in urls if url.startswith("http")]


def repaired_json_ld(page: Page) -> int:
    """Return the number of JSON-LD scripts that are not valid JSON, yet could be read."""
    return sum(value is not None and repaired for value, repaired in _json_ld_values(page))


def _url_of(item: object) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, dict):
        return ""
    inner = item.get("item")
    for value in (item.get("url"), inner if isinstance(inner, str) else None, item.get("@id")):
        if isinstance(value, str) and value and not value.startswith(("#", "_:")):
            return value
    return _url_of(inner) if isinstance(inner, dict) else ""


def _json_ld_values(page: Page) -> Iterator[tuple[Any, bool]]:
    for script in page.root.iter("script"):
        if (script.get("type") or "").split(";")[0].strip().lower() == "application/ld+json":
            yield json_of(script.text or "")


def _json_ld_nodes(page: Page) -> Iterator[dict]:
    for value, _ in _json_ld_values(page):
        yield from (node for node, _ in nodes(value))


def json_ld_products(page: Page) -> Iterator[Product]:
    """Yield the products in the JSON-LD of a page, in order."""
    all_nodes = list(islice(_json_ld_nodes(page), _MAX_NODES))
    by_id = {node["@id"]: node for node in all_nodes if isinstance(node.get("@id"), str)}
    for node in all_nodes:
        if _is_type(node.get("@type"), _TYPES):
            yield _product_of_node(page, node, by_id)
        elif _is_type(node.get("@type"), {"ListItem"}) and not isinstance(node.get("item"), dict):
            product = _product_of_node(page, node, by_id)
            if product.images:
                yield product


def _product_of_node(page: Page, node: dict, by_id: dict[str, dict]) -> Product:
    images = dict.fromkeys(
        absolute
        for url in islice(_image_urls(node.get("image"), by_id), _MAX_IMAGES)
        if (absolute := page.absolute(unescape_references(url)))
    )
    price, currency = _offer(node.get("offers") or node.get("Offers"), by_id)  # Wix's
    return Product(
        name=_text(node.get("name")),
        url=page.absolute(unescape_references(_url_of(node))),
        brand=_text(node.get("brand") or node.get("manufacturer")),
        price=price,
        currency=currency,
        images=tuple((url, "") for url in images),
    )


def _offer(offers: object, by_id: dict[str, dict]) -> tuple[float | None, str]:
    found: list[tuple[float, str]] = []
    for value in _list(offers)[:100]:
        if not isinstance(value, dict):
            continue
        offer = by_id.get(_id(value), value) if value.keys() == {"@id"} else value
        specifications = [
            each for each in _list(offer.get("priceSpecification")) if isinstance(each, dict)
        ]
        for part in (offer, *specifications):
            currency = part.get("priceCurrency") or offer.get("priceCurrency")
            for name in ("price", "lowPrice", "minPrice"):
                price, sign = read_price(
                    part.get(name), currency if isinstance(currency, str) else ""
                )
                if price is not None:
                    found.append((price, sign))
                    break
    return min(found, default=(None, ""))


def _is_type(kind: object, types: Iterable[str]) -> bool:
    names = {str(name).rstrip("/").rpartition("/")[2].rpartition(":")[2] for name in _list(kind)}
    return not names.isdisjoint(types)


def _image_urls(image: object, by_id: dict[str, dict]) -> Iterator[str]:
    for value in _list(image):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            has_url = {"url", "contentUrl"} & value.keys()
            node = value if has_url else by_id.get(_id(value), value)
            for key in ("contentUrl", "url", "@id"):
                urls = _list(node.get(key))
                if urls and isinstance(urls[0], str) and not urls[0].startswith("#"):
                    yield urls[0]
                    break


def _id(node: dict) -> str:
    return node["@id"] if isinstance(node.get("@id"), str) else ""


def _list(value: object) -> list:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: object) -> str:
    """Return a text, the name of an object, or the first of several."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = (
            value.get("name") or value.get("@value") or value.get("rendered") or value.get("label")
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    return clean_text(html.unescape(value)) if isinstance(value, str) else ""


class _Scope:
    """An element that declares an item; only products collect their properties."""

    def __init__(self, node: HtmlElement, parent: "_Scope | None", *, is_product: bool) -> None:
        self.node, self.is_product = node, is_product
        # Offers and brands belong to the product around them; related products do not
        self.owner: _Scope | None = self if is_product else parent.owner if parent else None
        self.values: dict[str, str] = {}
        self.images: dict[str, str] = {}


def microdata_products(page: Page) -> list[Product]:
    """Return the products of microdata and RDFa, in one pass over the page."""
    if page.root.find(".//*[@itemtype]") is None and page.root.find(".//*[@typeof]") is None:
        return []
    scopes: list[_Scope] = []
    products: list[_Scope] = []
    n_properties = 0
    for event, node in iterwalk(page.root, events=("start", "end")):
        types = node.get("itemtype") or node.get("typeof") or ""
        is_scope = node.get("itemscope") is not None or bool(types)
        if event == "end":
            if is_scope:
                scopes.pop()
            continue
        names = (node.get("itemprop") or node.get("property") or "").split()
        owner = scopes[-1].owner if scopes else None
        if owner and names and n_properties < _MAX_NODES:
            n_properties += 1
            _read_property(page, node, {re.split(r"[:/#]", name)[-1] for name in names}, owner)
        if is_scope:
            scope = _Scope(
                node, scopes[-1] if scopes else None, is_product=_is_type(types.split(), _TYPES)
            )
            scopes.append(scope)
            if scope.is_product:
                products.append(scope)
    return [_product_of_scope(page, scope) for scope in products]


def _read_property(page: Page, node: HtmlElement, names: set[str], owner: _Scope) -> None:
    if "image" in names:
        for attribute in ("content", "href", "src", "data-src", "resource"):
            url = page.absolute(node.get(attribute))
            if len(owner.images) < _MAX_IMAGES and url and not url.startswith("data:"):
                owner.images.setdefault(url, clean_text(node.get("alt") or ""))
                break
    for name in names & {"name", "brand", "price", "lowPrice", "priceCurrency", "url"}:
        text = node.get("content") or node.get("href" if name == "url" else "value") or ""
        if not text and name != "url":
            text = "".join(islice(node.itertext(), 20))
        if text.strip():
            owner.values.setdefault(name, clean_text(text))


def _product_of_scope(page: Page, scope: _Scope) -> Product:
    values = scope.values
    text = values.get("price") or values.get("lowPrice") or ""
    price, currency = read_price(text, values.get("priceCurrency", ""))
    return Product(
        name=values.get("name", ""),
        url=page.absolute(values.get("url")),
        brand=values.get("brand", ""),
        price=price,
        currency=currency,
        images=tuple(scope.images.items()),
    )


def shared_product(page: Page) -> Product | None:
    """Return the one product that the page is about, as its Open Graph tags declare it."""

    def meta(*names: str) -> str:
        return next(filter(None, map(page.metas.get, names)), "")

    if not meta("og:type").lower().startswith(("product", "og:product")):
        return None
    price, currency = read_price(
        meta("product:price:amount", "og:price:amount"),
        meta("product:price:currency", "og:price:currency"),
    )
    return Product(
        name=clean_text(meta("og:title")),
        url=page.absolute(meta("og:url")),
        brand=clean_text(meta("product:brand", "og:brand")),
        price=price,
        currency=currency,
    )


# Objects in scripts -------------------------------------------------------------------------


def products_of_json(value: Any, absolute: Callable[[str | None], str]) -> Iterator[Product]:  # noqa: ANN401
    """Yield the products in a JSON value, and nameless ones for images outside a product.

    An object is a product if it has a name and at least one key that products have (price, sku,
    slug, …). Images in objects inside it are its images.
    """
    found: dict[int, tuple[dict, dict[str, str]]] = {}  # by identity; kept, so that it stays unique
    loose: dict[str, str] = {}
    for node, parents in nodes(value):
        chain = (*parents, node)
        owner = next((each for each in reversed(chain) if _declares_product(each)), None)
        images = found[id(owner)][1] if owner is not None and id(owner) in found else loose
        if owner is node:
            images = {}
            found[id(node)] = node, images
        alt = _text(node.get("alt") or node.get("altText") or node.get("caption"))
        for url in _images_of_object(node, in_product=owner is not None):
            full = absolute(url)
            if full and len(images) < (_MAX_NODES if images is loose else _MAX_IMAGES):
                images.setdefault(full, alt)
    for node, images in found.values():
        yield replace(_product_of_object(node, absolute), images=tuple(images.items()))
    if loose:
        yield Product(images=tuple(loose.items()))


def _declares_product(node: dict) -> bool:
    is_product = not _IS_PRODUCT.isdisjoint(node) and _IS_OTHER.isdisjoint(node)
    return is_product and any(_text(node.get(name)) for name in _NAMES)


def _product_of_object(node: dict, absolute: Callable[[str | None], str]) -> Product:
    first = next((name for name in _NAMES if _text(node.get(name))), "")
    in_cents = "price_varies" in node  # Shopify's objects in pages
    currency = node.get("currency") or node.get("currencyCode") or node.get("currency_code")
    price, sign = None, ""
    for name in (*_PRICES, "variants", "prices", "price_range", "priceRange"):
        values = node.get(name)
        for value in _list(values)[:50]:
            inner = value if isinstance(value, dict) else {"price": value}
            for key in (*_PRICES, "value"):
                code = inner.get("currency") or inner.get("currencyCode") or currency
                amount, sign = read_price(inner.get(key), code if isinstance(code, str) else "")
                if amount is not None:
                    price = amount if price is None else min(price, amount)
                    break
        if price is not None:
            break
    url = next((node[key] for key in _URLS if isinstance(node.get(key), str)), "")
    return Product(
        name=_text(node[first]),
        url=absolute(url) if "/" in url or "." in url else "",
        brand=_text(node.get("brand") or node.get("vendor") or node.get("manufacturer")),
        price=price / 100 if price is not None and in_cents else price,
        currency=sign,
    )


def _images_of_object(node: dict, *, in_product: bool) -> Iterator[str]:
    """Yield the URLs of images that an object names, without small versions of others."""
    found: list[tuple[bool, str]] = []
    has_set = any("srcset" in name.lower() for name in node)
    for name, value in node.items():
        is_small = _SMALL_KEY.search(name) is not None or (has_set and name in ("src", "url"))
        for text in _strings(value):
            if "srcset" in name.lower():
                urls = [url for url, _ in [largest(text)] if url]
            elif "<img" in text[:_MAX_HTML]:
                urls = [match[1] for match in _IMG_SOURCE.finditer(text[:_MAX_HTML])]
            elif len(text) < _MAX_URL and not _NOT_URL.search(text):
                url = unescape_references(text)
                # Without a suffix, the key has to say so
                is_named = in_product and url.startswith(("http", "/")) and _IMAGE_KEY.search(name)
                is_image = url_suffix(url) in IMAGE_SUFFIXES
                urls = [url] if is_image or (is_named and not url_suffix(url)) else []
            else:
                urls = []
            found += ((is_small, url) for url in urls)
    has_large = any(not is_small for is_small, _ in found)
    yield from (url for is_small, url in found if not (is_small and has_large))


def _strings(value: object) -> Iterator[str]:
    """Yield the strings of a value that may name images, also those in lists of lists."""
    stack = [value]
    n_values = 0
    while stack and n_values < _MAX_IMAGES:
        item = stack.pop()
        n_values += 1
        if isinstance(item, list):
            stack.extend(reversed(item[:_MAX_IMAGES]))
        elif isinstance(item, str) and len(item) >= 5:
            yield item
