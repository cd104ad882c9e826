"""Find the pages a page leads to, likeliest product pages first, and tell what needs a browser."""

import re
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from similarity_lab.web.html.found import PICTURE_ENDINGS, ending
from similarity_lab.web.html.markup import parse_page

_PAGE_ENDINGS = frozenset(
    {"", ".html", ".htm", ".xhtml", ".shtml", ".php", ".asp", ".aspx", ".jsp"}
)
_PRODUCTS = re.compile(
    r"product|produkt|produit|produc?to|prodott|/p/|/dp/|item|artikel|shop|store|catalog|katalog"
    r"|collection|categor|kategor|sortiment|ware",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"privacy|datenschutz|imprint|impressum|terms|agb|legal|cookie|contact|kontakt|about|faq|blog"
    r"|news|career|jobs|press|shipping|versand|returns|help",
    re.IGNORECASE,
)
# Addresses that do something when asked for, or that show one person's things
_ACTS = re.compile(
    r"add[-_]to[-_]?cart|/cart\b|/basket|/checkout|/warenkorb|log[-_]?(?:in|out)\b|sign[-_]?(?:in|out|up)\b"
    r"|/account|/my-|register|wishlist|unsubscribe|delete|/wp-admin|/wp-json|/feed/?(?:\?|$)|[?&]action=",
    re.IGNORECASE,
)


def find_links(html: bytes | str, base_url: str) -> list[tuple[str, int]]:
    """Return ``(address, priority)`` of the pages a page links to, on whichever site, each once.

    Left out are links to files that are no pages, ``rel="nofollow"``, and addresses that would do
    something (carts, logins).

    Examples
    --------
    >>> find_links('<a href="/privacy">x</a><a href="/products/1">y</a>', "https://shop.example")
    [('https://shop.example/products/1', 1), ('https://shop.example/privacy', -1)]
    """
    page = parse_page(html, base_url)
    links: dict[str, int] = {}
    for node in page.root.iter("a", "area", "link", "iframe", "frame"):
        if not _leads_on(node):
            continue
        address = page.absolute(node.get("src" if node.tag in ("iframe", "frame") else "href"))
        if address.startswith("http") and is_page(address):
            links.setdefault(address, link_priority(address))
    return sorted(links.items(), key=lambda link: -link[1])


def is_page(address: str) -> bool:
    """Tell whether an address may be that of a page which is harmless to ask for."""
    kind = ending(address)
    other_file = kind in PICTURE_ENDINGS or (kind not in _PAGE_ENDINGS and _is_file(kind))
    parts = urlsplit(address)
    return not other_file and not _ACTS.search(f"{parts.path}?{parts.query}")


def link_priority(address: str) -> int:
    """Return 1 for what looks like products, -1 for what surely shows none, else 0."""
    parts = urlsplit(address)
    words = f"{parts.path}?{parts.query}"
    if _ASIDE.search(words):
        return -1
    return 1 if _PRODUCTS.search(words) else 0


def needs_browser(html: bytes | str) -> bool:
    """Tell whether a page looks as if scripts draw what it shows.

    Examples
    --------
    >>> needs_browser('<body><div id="root"></div><script src="/app.js"></script></body>')
    True
    >>> needs_browser("<body><p>Almonds, hazelnuts and more.</p></body>")
    False
    """
    root = parse_page(html, "http://page.invalid/").root
    scripts = sum(1 for _ in root.iter("script"))
    images = sum(1 for _ in root.iter("img"))
    links = sum(1 for node in root.iter("a") if node.get("href"))
    if not scripts or images > 1 or links > 5:
        return False
    body = root.find("body")
    shown = 0
    for node in () if body is None else body.iter():
        if isinstance(node.tag, str) and node.tag not in (
            "script",
            "style",
            "noscript",
            "template",
        ):
            shown += len((node.text or "").strip())
        shown += len((node.tail or "").strip())
    return shown < 200


def _leads_on(node: HtmlElement) -> bool:
    rel = (node.get("rel") or "").lower().split()
    if node.tag == "link":
        return "next" in rel or "canonical" in rel
    return "nofollow" not in rel


def _is_file(kind: str) -> bool:
    """Tell ``.pdf`` from the end of a path that merely holds a dot (``/nuts-2.5kg``)."""
    return re.fullmatch(r"\.[a-z][a-z0-9]{1,4}", kind) is not None
