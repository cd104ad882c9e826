"""Links of a page, likeliest product pages first; and whether a page needs a browser."""

import re
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from similarity_lab.web.html.markup import IMAGE_SUFFIXES, parse_page, url_suffix

_PAGE_SUFFIXES = frozenset(
    {"", ".html", ".htm", ".xhtml", ".shtml", ".php", ".asp", ".aspx", ".jsp"}
)
_INVISIBLE = frozenset({"script", "style", "noscript", "template"})
_PRODUCT_PAGES = re.compile(
    r"product|produkt|produit|produc?to|prodott|/p/|/dp/|item|artikel|shop|store|catalog|katalog"
    r"|collection|categor|kategor|sortiment|ware",
    re.IGNORECASE,
)
_OTHER_PAGES = re.compile(
    r"privacy|datenschutz|imprint|impressum|terms|agb|legal|cookie|contact|kontakt|about|faq|blog"
    r"|news|career|jobs|press|shipping|versand|returns|help",
    re.IGNORECASE,
)
# URLs with side effects, or of a user's account
_ACTIONS = re.compile(
    r"add[-_]to[-_]?cart|/cart\b|/basket|/checkout|/warenkorb|log[-_]?(?:in|out)\b|sign[-_]?(?:in|out|up)\b"
    r"|/account|/my-|register|wishlist|unsubscribe|delete|/wp-admin|/wp-json|/feed/?(?:\?|$)|[?&]action=",
    re.IGNORECASE,
)


def find_links(html: bytes | str, base_url: str) -> list[tuple[str, int]]:
    """Return ``(url, priority)`` of each linked page, on any site, best first.

    Excluded are links to other kinds of files, ``rel="nofollow"``, and URLs with side effects
    (carts, logins).

    Examples
    --------
    >>> find_links('<a href="/privacy">x</a><a href="/products/1">y</a>', "https://shop.example")
    [('https://shop.example/products/1', 1), ('https://shop.example/privacy', -1)]
    """
    page = parse_page(html, base_url)
    links: dict[str, int] = {}
    for node in page.root.iter("a", "area", "link", "iframe", "frame"):
        if not _is_followed(node):
            continue
        url = page.absolute(node.get("src" if node.tag in ("iframe", "frame") else "href"))
        if url.startswith("http") and is_page(url):
            links.setdefault(url, link_priority(url))
    return sorted(links.items(), key=lambda link: -link[1])


def is_page(url: str) -> bool:
    """Return whether a URL may be a page that is safe to request."""
    suffix = url_suffix(url)
    is_other_file = suffix in IMAGE_SUFFIXES or (suffix not in _PAGE_SUFFIXES and _is_file(suffix))
    parts = urlsplit(url)
    return not is_other_file and not _ACTIONS.search(f"{parts.path}?{parts.query}")


def link_priority(url: str) -> int:
    """Return 1 for likely product pages, -1 for pages without products, else 0."""
    parts = urlsplit(url)
    words = f"{parts.path}?{parts.query}"
    if _OTHER_PAGES.search(words):
        return -1
    return 1 if _PRODUCT_PAGES.search(words) else 0


def needs_browser(html: bytes | str) -> bool:
    """Return whether a page looks as if scripts render its content.

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
    n_characters = 0
    for node in () if body is None else body.iter():
        if isinstance(node.tag, str) and node.tag not in _INVISIBLE:
            n_characters += len((node.text or "").strip())
        n_characters += len((node.tail or "").strip())
    return n_characters < 200


def _is_followed(node: HtmlElement) -> bool:
    rel = (node.get("rel") or "").lower().split()
    if node.tag == "link":
        return "next" in rel or "canonical" in rel
    return "nofollow" not in rel


def _is_file(suffix: str) -> bool:
    """Return whether a suffix is a file extension (``.pdf``); ``/nuts-2.5kg`` has none."""
    return re.fullmatch(r"\.[a-z][a-z0-9]{1,4}", suffix) is not None
