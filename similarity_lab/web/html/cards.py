"""Product cards: the name, price and link that a page shows beside an image."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise

from lxml.html import HtmlElement

from similarity_lab.web.html.markup import Page, clean_text, css_class
from similarity_lab.web.html.products import Product, find_price, is_sign, read_price

_MAX_LEVELS, _MAX_ANCESTORS = 7, 30  # from an image to its card, and from there
_MAX_CHARACTERS = 800  # of a card; longer ones are sections of a page
_MAX_TEXTS = 100  # pieces of text of a card that are read
_MAX_MARKS = 4  # characters beside a price: `4,50 €*`
_MAX_IMAGES = 3  # of one card: views, a badge
_MAX_CAPTION = 60  # characters of the only text of a card
_MAX_PRICES = 4  # in the text of one element: the old one, the current one, one by the kilogram
_NAME_TAGS = frozenset(
    {"a", "p", "span", "b", "strong", "div", "dd", "dt", "td", "h1", "h2", "h3", "h4", "h5", "h6"}
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_WORDS = (
    "product|prod|produkt|produit|producto|produto|prodotto|goods|artikel|catalogue?|katalog|shop"
    "|store|collection|category"
)
_PRODUCT_CLASS = re.compile(rf"(?:^|[\s_-])(?:{_WORDS})s?(?:$|[\s_\d-])", re.IGNORECASE)
_OTHER_CLASS = re.compile(
    r"(?:^|[\s_-])(?:team|member|staff|people|blog|posts?|news|article|testimonials?|reviews?|clients?"
    r"|customers?|partners?|authors?|services?|features?|why|about|story|steps?|process|faq|nav|navbar"
    r"|menu|footer|header|carousel|slider?|slides?|banner|hero|social|farmers?|founders?)"
    r"(?:$|[\s_\d-])",
    re.IGNORECASE,
)
_FRAME = frozenset({"header", "footer", "nav", "aside"})
_MAX_SIBLINGS, _FEWEST_CARDS = 50, 3
_NAME_CLASS = re.compile(
    r"(?:^|[\s_-])(?:name|title)s?(?:$|[\s_\d-])|(?:name|title)$", re.IGNORECASE
)
_OLD_CLASS = re.compile(
    r"(?:^|[\s_-])(?:old|was|compare|strike|crossed|original|before|list-price|msrp|mrp|uvp|rrp)",
    re.IGNORECASE,
)
# What stands beside a price or across an image, and alone names no product: "10% off!"
_PRICE_WORD = re.compile(
    r"(?:"
    "a|ab|add|ajouter|aktion|angebot|at|available|basket|best|bestseller|buy|by|cart|cena|"
    "de|deal|delivery|desconto|descuento|desde|discount|dès|each|en|ex|excl|flat|for|"
    "free|from|g|gr|hot|hurry|in|incl|inkl|je|kaufen|kg|kilo|l|lb|left|limited|low|ml|mrp|"
    "mwst|neu|neuf|new|nouveau|novo|now|nuevo|nur|oferta|off|offer|offre|on|only|or|out|oz|"
    "pack|pc|pcs|per|piece|precio|preis|prezzo|preço|price|prix|pro|promo|promotion|qty|"
    "rabatt|remise|rs|sale|sales|save|saving|sconto|seller|shipping|sold|solde|special|"
    "starting|stock|stuck|stück|tax|to|today|tva|unit|up|vat|was|акция|в|за|кг|корзину|"
    "купить|новинка|от|руб|скидка|хит|цена|шт"
    r")",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_JOINERS = " \t\xa0-–—:|/,;.()[]~•*"
_BUTTON_CLASS = re.compile(r"btn|button|more|cart", re.IGNORECASE)
_BACKGROUND_NAME = re.compile(r"^(?:data-|lazy-)(?:[\w-]*-)?(?:set)?(?:bg|background)")


class Cards:
    """The product cards of a page.

    A card is a small element with few images and a heading, or an element named like one, or a
    price beside a text, or a single short text if at least three cards are alike. It counts if it
    shows a price, if a class or id around it says products, or if it is one of at least three like
    it, unless a class or id says something else (a team, a blog).

    Examples
    --------
    >>> from similarity_lab.web.html.markup import parse_page
    >>> page = parse_page("<li><a href=/1><img src=1.jpg></a><h3>Almonds</h3>€ 9.50</li>", "http://a.b")
    >>> Cards(page).product(page.root.find(".//img"))
    Product(name='Almonds', url='http://a.b/1', brand='', price=9.5, currency='EUR', images=())
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        # Counted once: to count again for each image would take forever on hostile pages
        self.n_images: Counter[HtmlElement] = Counter()
        for image in filter(_shows_image, page.root.iter()):
            self.n_images.update(islice(image.iterancestors(), _MAX_LEVELS + 3))

    def product(self, image: HtmlElement) -> Product | None:
        """Return the product of the card around an image, or None if there is no card."""
        own = () if image.tag == "img" else (image,)  # the card itself may show an image
        for card in (*own, *islice(image.iterancestors(), _MAX_LEVELS)):
            if self.n_images[card] > _MAX_IMAGES or card.tag in ("body", "main", "html"):
                return None
            texts = list(islice(_texts(card), _MAX_TEXTS))
            if sum(map(len, texts)) > _MAX_CHARACTERS:
                return None
            price = _price(card, texts)
            name = _name(card, has_price=bool(price))
            if not name and price:
                name = _text_beside(card, image, texts)
            if not name and len(texts) == 1 and self._is_repeated(card):
                name = _caption(texts[0])
            if not name:
                continue
            # Of backgrounds, those of cards that are repeated; others are banners
            is_banner = image.tag != "img" and not any(
                map(self._is_repeated, (card, *islice(card.iterancestors(), 1)))
            )
            if not price and (is_banner or not self._is_among_products(card)):
                return None
            amount, currency = read_price(price)
            url = _link(self.page, card, image)
            return Product(name=name, url=url, price=amount, currency=currency)
        return None

    def _is_among_products(self, card: HtmlElement) -> bool:
        around = [
            node
            for node in (card, *islice(card.iterancestors(), _MAX_ANCESTORS))
            if node.tag not in ("body", "html")
        ]
        names = [f"{css_class(node)} {node.get('id') or ''}" for node in around]
        if any(map(_PRODUCT_CLASS.search, names)):
            return True
        is_frame = any(node.tag in _FRAME for node in around)
        is_other = is_frame or any(map(_OTHER_CLASS.search, names))
        return not is_other and any(map(self._is_repeated, around[:3]))

    def _is_repeated(self, card: HtmlElement) -> bool:
        parent = card.getparent()
        siblings = islice(() if parent is None else parent, _MAX_SIBLINGS)
        n_alike = sum(
            self.n_images[node] > 0 and (node.tag, css_class(node)) == (card.tag, css_class(card))
            for node in siblings
        )
        return n_alike >= _FEWEST_CARDS


def _shows_image(node: HtmlElement) -> bool:
    """Tell whether an element shows an image, not counting copies for browsers without scripts."""
    if node.tag == "img":
        parent = node.getparent()
        before = None if parent is None or parent.tag != "noscript" else parent.getprevious()
        return before is None or before.tag != "img"
    return "url(" in (node.get("style") or "") or any(map(_BACKGROUND_NAME.search, node.attrib))


def _text_beside(card: HtmlElement, image: HtmlElement, texts: list[str]) -> str:
    """Return the name that a card with a price shows without marking it.

    The text that repeats what the image says, or the only one that is no price and no button, or
    that of another link to the image's page.
    """
    alt = " ".join((image.get("alt") or "").split()).lower()
    if alt and (same := next((text for text in texts if text.lower() == alt), "")):
        return clean_text(same, 200)
    buttons = {
        text
        for node in card.iter("a", "button")
        if node.tag == "button" or _BUTTON_CLASS.search(css_class(node))
        for text in _texts(node)
    }
    others = [text for text in texts if any(map(str.isalpha, text)) and text not in buttons]
    names = [text for text in others if not find_price(text) and not _is_about_price(text)]
    if len(names) == 1:
        return clean_text(names[0], 200)
    around = next(image.iterancestors("a"), None)
    if around is None:
        return ""
    for link in card.iter("a"):
        is_button = _BUTTON_CLASS.search(css_class(link)) or link.get("role") == "button"
        if link is around or is_button or link.get("href") != around.get("href"):
            continue
        text = clean_text(" ".join(islice(_texts(link), 10)), 200)
        if any(map(str.isalpha, text)) and not find_price(text):
            return text
    return ""


def _price(card: HtmlElement, texts: list[str]) -> str:
    """Return the text with the price of a card, the current one of two; ``""`` without any."""
    beside = [f"{a} {b}" for a, b in pairwise(texts) if is_sign(a) or is_sign(b)]
    prices = {text: price for text in texts if (price := find_price(text))}
    prices = prices or {text: price for text in beside if (price := find_price(text))}
    if len(prices) > 1:
        old = {text for node in card.iter() if _is_old(node) for text in _texts(node)}
        # A text that is all price comes before one about it (weight, price by the kilogram)
        current = [text for text in prices if text not in old] or list(prices)
        plain = [text for text in current if len(text) <= len(prices[text]) + _MAX_MARKS]
        return prices[next(iter(plain or current))]
    return next(iter(prices.values()), "")


def _is_old(node: HtmlElement) -> bool:
    return node.tag in ("del", "s", "strike") or bool(_OLD_CLASS.search(css_class(node)))


def _texts(card: HtmlElement) -> Iterator[str]:
    for text in card.itertext():
        if stripped := text.strip():
            yield stripped


def _name(card: HtmlElement, *, has_price: bool) -> str:
    """Return the text of an element named like a heading, the highest heading, or bold text.

    Without the price, if it contains one and no other such text does without: "Feta bread - 3 €".
    """
    best: dict[str, str] = {}
    priced: dict[str, str] = {}
    for node in islice(card.iter(), 200):
        kind = node.tag if node.tag in _HEADINGS or node.tag == "figcaption" else ""
        if has_price and node.tag in ("b", "strong"):
            kind = node.tag
        if node.tag in _NAME_TAGS and _NAME_CLASS.search(css_class(node)):
            kind = "named"
        text = clean_text(" ".join(islice(_texts(node), 10)), 200) if kind else ""
        if text and not _is_about_price(text):
            (priced if find_price(text) else best).setdefault(kind, text)
    kinds = ("named", *_HEADINGS, "figcaption", "b", "strong")
    name = next(filter(None, map(best.get, kinds)), "")
    return name or _without_price(next(filter(None, map(priced.get, kinds)), ""))


def _caption(text: str) -> str:
    """Return the only text of a card if it may be a name."""
    is_name = len(text) <= _MAX_CAPTION and not find_price(text) and not _is_about_price(text)
    return clean_text(text, _MAX_CAPTION) if is_name else ""


def _is_about_price(text: str) -> bool:
    """Return whether a text names nothing: "10% off!", "from 3 € a kg", "Add to cart"."""
    words = _WORD.findall(_without_price(text))
    return is_sign(text) or all(map(_PRICE_WORD.fullmatch, words))


def _without_price(text: str) -> str:
    """Return a text without its prices and what joins them to it."""
    for _ in range(_MAX_PRICES):
        price = find_price(text)
        if not price:
            break
        start, _, end = text.partition(price)
        text = f"{start.rstrip(_JOINERS)} {end.lstrip(_JOINERS)}"
    return text.strip(_JOINERS)


def _link(page: Page, card: HtmlElement, image: HtmlElement) -> str:
    around = next(image.iterancestors("a"), None)
    for node in (around, *card.iter("a")):
        url = "" if node is None else page.absolute(node.get("href"))
        if url.startswith("http"):
            return url
    return ""
