"""Links of a page, likeliest product pages first; what it loads; whether it needs a browser."""

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import parse_qsl, unquote, urlsplit

from lxml.html import HtmlElement

from similarity_lab.web.html.literals import unescaped
from similarity_lab.web.html.markup import (
    IMAGE_SUFFIXES,
    Page,
    css_class,
    css_imports,
    parse_page,
    url_suffix,
)
from similarity_lab.web.html.products import listed_urls

# Files that are not pages; any other ending may be one (`.cfm`, `/brand/st.ives`)
_FILES = frozenset(
    {
        ".pdf", ".zip", ".gz", ".tgz", ".bz2", ".7z", ".rar", ".tar", ".exe", ".msi", ".dmg",
        ".apk", ".iso", ".bin", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt",
        ".ods", ".odp", ".rtf", ".csv", ".tsv", ".epub", ".mobi", ".css", ".scss", ".less",
        ".js", ".mjs", ".cjs", ".ts", ".map", ".json", ".jsonld", ".xml", ".xsl", ".xslt",
        ".rss", ".atom", ".rdf", ".txt", ".md", ".yml", ".yaml", ".sql", ".log", ".ics", ".vcf",
        ".woff", ".woff2", ".ttf", ".otf", ".eot", ".svg", ".svgz", ".ico", ".cur", ".psd",
        ".ai", ".eps", ".heic", ".heif", ".jxl", ".jp2", ".mp3", ".mp4", ".m4a", ".m4v", ".wav",
        ".ogg", ".oga", ".ogv", ".webm", ".avi", ".mov", ".wmv", ".flv", ".mkv", ".swf",
        ".wasm", ".webmanifest", ".manifest", ".torrent", ".kml", ".gpx", ".stl", ".glb",
        ".gltf",
    }
)  # fmt: skip
_PAGE_SUFFIX = re.compile(
    r"\.(?:x?html?|s?html|php\d?|aspx?|jspx?|cfm|do|action|cgi|pl)(?:[?#]|$)", re.IGNORECASE
)
_INVISIBLE = frozenset({"script", "style", "noscript", "template", "title", "head"})

# Segments of a path, whole: `/products/espresso-beans` is not a press page
_END = (
    r"(?:[-_]?(?:page|pages|us|center|centre|info|information|details?|policy|policies|notice"
    r"|statement|form))*"
)
_PRODUCT_SEGMENT = re.compile(
    r"(?:product|produkt|produit|produc?to|prodott[oi]|prod|artikel|item|goods|tovar|sku"
    r"|tuote|vare|urun|ürün|termek|produs|proizvod|izdelek|товар|продукт|商品|产品|製品|상품|san-pham)"
    r"(?:s|e|en|os|i|y|er|r|tt?eet|ler|ek|ы|и)?"
    r"(?:[-_]?(?:detail|details|page|view|info|single|list|category|catalog(?:ue)?|\d+))?|p|dp|pd",
    re.IGNORECASE,
)
_LISTING_SEGMENT = re.compile(
    r"(?:our[-_]?)?(?:shop|store|boutique|tienda|loja|negozio|sklep|catalog(?:ue|o)?|katalog|collections?"
    r"|kollektion(?:en)?|categor(?:y|ies|ia|ias|ie)|kategorie?n?|kategoria|sortiment|waren?|assortment|range"
    r"|katalogus|katalogas|katalogi|obchod|bolt|butik|butikk|dukkan|magaza|kauppa|winkel|каталог|магазин|商店|カタログ"
    r"|menu|gallery|galerie|galeria|c|brands?|marken?|offers?|sale|angebote?|new[-_]?arrivals)"
    r"(?:[-_]?(?:page|list|all|grid|all[-_]products|\d+))?|(?:all|our|new)[-_]?products?",
    re.IGNORECASE,
)
_OTHER_SEGMENT = re.compile(
    r"(?:(?:privacy|cookies?|terms|conditions|legal|returns?|refunds?|shipping|delivery|payments?|gdpr|data[-_]protection)"
    r"(?:[-_](?:and|of|use|service|policy|policies|notice|statement|conditions|refunds?|returns?|info|information|settings|delivery|en|us))*"
    r"|datenschutz(?:erklaerung)?|imprint|impressum|agb|widerruf(?:srecht)?|versand(?:kosten)?|zahlung(?:sarten)?"
    r"|mentions-legales|cgv|confidentialite|aviso-legal|privacidad|privatezza|polityka-prywatnosci|regulamin"
    r"|contacts?|kontakte?|contacto|contato|contatti|about|ueber-uns|uber-uns|a-propos|qui-sommes-nous|sobre(?:-nos(?:otros)?)?|chi-siamo|o-nas|team|our-story"
    r"|faqs?|help|support|hilfe|ayuda|blogs?|news|newsletter|press|presse|media|careers?|jobs?|karriere|events?"
    r"|stores?-locator|sitemap|tag|tags|author|search|suche|site-?map|disclaimer|testimonials?|reviews?|magazine?|journal"
    r"|kontakt[yi]|iletisim|hakkimizda|yhteystiedot|kapcsolat|over-ons|om-oss|om-os|о-нас|о-компании|контакты|доставка|оплата|новости|关于我们)"
    + _END,
    re.IGNORECASE,
)
# URLs with side effects, wherever they stand
_ACTION_SEGMENT = re.compile(
    r"add[-_]?to[-_]?(?:cart|basket|bag|wishlist)|(?:cart|basket)[-_]?add|log[-_]?out|sign[-_]?out|unsubscribe|delete|remove"
    r"|wp-admin|wp-json|wp-login|xmlrpc|admin(?:istrator)?|api|ajax|graphql|feed|rss|cgi-bin|cdn-cgi|compare|print",
    re.IGNORECASE,
)
# Pages of a customer, unless the segment before says that they are products
_CUSTOMER_SEGMENT = re.compile(
    r"(?:my[-_]?|shopping[-_]?|view[-_]?|user[-_]?|customer[-_]?|member[-_]?|client[-_]?|admin[-_]?|seller[-_]?|farmer[-_]?|buyer[-_]?)?"
    r"(?:cart|basket|bag|checkout|check-out|warenkorb|kasse|panier|carrito|carrello|koszyk|accounts?|konto|compte|profile|orders?"
    r"|log[-_]?(?:in|on|out|off)|sign[-_]?(?:in|up|on|out)|anmelden|connexion|register|registration|registrierung"
    r"|wish-?list|favou?rites|merkzettel|password|forgot[-_]?password|reset[-_]?password|auth|authentication|dashboard|payment"
    r"|einkaufswagen|einloggen|(?:mein[-_])?konto|mon[-_]compte|mi[-_]cuenta|minha[-_]conta|mijn[-_]account|moje[-_]konto|muj[-_]ucet|moj[-_]ucet"
    r"|cesta|carrinho|cestino|winkelwagen|winkelmand|varukorg|indkobskurv|handlekurv|ostoskori|kosik|kosarica|kosar|cos|sepet|korzina"
    r"|iniciar[-_]sesion|entrar|accedi|inloggen|logga[-_]in|zaloguj|prihlaseni|prihlasenie|giris|uye|kassa|kassen|caisse|pokladna"
    r"|корзина|кошик|вход|войти|регистрация|личный-кабинет|购物车|登录|カート|ログイン)"
    r"(?:[-_]?(?:page|form|user|customer|account|now|index|view|\d+))*",
    re.IGNORECASE,
)
_ACTION_QUERY = re.compile(
    r"(?:^|&)(?:add[-_]to[-_](?:cart|wishlist|basket|compare)|remove_item|remove|delete|action|logout|do|task|wc-ajax|replytocom|share)=",
    re.IGNORECASE,
)
_FACET_QUERY = re.compile(
    r"(?:^|&)(?:sort\w*|order(?:by|_by)?|dir|direction|filter[\w.\[\]%]*|f\[|facets?\w*|colou?r|size|min_?price|max_?price|price"
    r"|rating|view|mode|limit|per_?page|availability|material|refine\w*|q|query|search|s|currency|lang(?:uage)?|pf_\w+|attribute\w*)=",
    re.IGNORECASE,
)
# The page in the query: `index.php?route=account/login`
_PAGE_QUERY = re.compile(r"(?:route|controller|option|view|page|do|module|target|main_page)")
_LOCATION = re.compile(
    r"""(?:location(?:\.href)?\s{0,9}=|location\.(?:assign|replace)\s{0,9}\(|window\.open\s{0,9}\(|\.push\s{0,9}\("""
    r"""|(?:push|replace)State\s{0,9}\([^,"'`]{0,50},\s{0,9}["'`][^"'`]{0,50}["'`]\s{0,9},"""
    r"""|\b(?:goto|navigate|navigateto|redirect|redirectto|openpage|gotopage|visit)\s{0,9}\()\s{0,9}["'`]([^"'`\n]{1,500})["'`]""",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"""["'`]([^"'`\n]{1,500})["'`]""")
_LINK_NAME = re.compile(
    r"^data-(?:[\w-]*-)?(?:href|url|link|permalink|page|location|navigate|redirect|route|target)$"
    r"|^(?:to|routerlink|ng-href|xlink:href|formaction|(?:data-)?hx-get)$"
)
_NAVIGATES = re.compile(
    r"location|href|\burl|\bopen|go\b|goto|navigat|redirect|jump|visit", re.IGNORECASE
)
# A script that goes where a field says: `location = $(this).val()`
_GOES_TO_VALUE = re.compile(r"location[^;\n]{0,60}(?:\.value\b|\bval\(\))")
_NOT_ADDRESS = re.compile(r"[\s<>{}\"'$|\\^`]")

# Scripts of others that draw no products
_LIBRARIES = re.compile(
    r"jquery|bootstrap|popper|fontawesome|font-awesome|kit\.fontawesome|gtag|googletagmanager|google-analytics|analytics"
    r"|recaptcha|wow(?:\.min)?\.js|aos(?:\.min)?\.js|swiper|slick|owl\.?carousel|lightbox|fancybox|isotope|masonry|modernizr"
    r"|html5shiv|respond(?:\.min)?\.js|easing|waypoints|counterup|parallax|hotjar|facebook|fbevents|tawk|whatsapp|ionicons|lazysizes"
    r"|maps\.google|email-decode|cookie|polyfill|gsap|scrollreveal|typed(?:\.min)?\.js|webfont|crisp|tidio|magnific|nivo|flexslider"
    r"|tailwind|chart(?:\.min)?\.js|validate|sweetalert|emailjs|stripe|paypal|feather|lucide|jarallax|nice-select|mixitup",
    re.IGNORECASE,
)
_DRAWS = re.compile(
    r"innerHTML|outerHTML|insertAdjacent|createElement\(|document\.write|appendChild|replaceChildren|\.append\(|\.html\("
    r"|\bfetch\(|XMLHttpRequest|axios|\$\.(?:get|ajax|getJSON)|createRoot"
    r"|createApp|new Vue|ReactDOM|hydrate|__NEXT_DATA__|__NUXT__",
)
_WRITES_IMAGES = re.compile(
    r"<img\b|<picture\b|createElement\(\s*[\"']img|new Image\(|\.src\s*=|backgroundImage",
    re.IGNORECASE,
)
_ROOT = re.compile(r"root|app|__next|__nuxt|___gatsby|svelte", re.IGNORECASE)
_OTHER_PLACE = re.compile(
    r"cart|basket|modal|toast|search|filter|overlay|history|wish|error|message|alert|loader|spinner"
    r"|captcha|map|popup|nav|menu|footer|header|top|back|banner|chat|player|year|date|count|total",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"product|produkt|item|grid|list|catalog|katalog|shop|store|gallery|cards?|collection|categor"
    r"|results|goods",
    re.IGNORECASE,
)
_LIST_CLASS = re.compile(
    r"(?:^|[\s_-])(?:products|items|list|grid|cards|catalog(?:ue)?|katalog|results|goods)(?:$|\s)",
    re.IGNORECASE,
)
_UNRENDERED = re.compile(r"\{\{[^{}\n]{1,200}\}\}")
_FRAME_TAGS = frozenset({"header", "footer", "nav", "aside", "dialog"})
_FRAME_ROLES = frozenset({"navigation", "banner", "contentinfo", "dialog", "search"})
_FRAME_NAME = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|topbar|top-bar|menu|header|footer|site-header|site-footer|cookie|cookies|breadcrumbs?|copyright|social|modal|offcanvas)(?:$|[\s_-])",
    re.IGNORECASE,
)
_SHORT_TEXT = 200  # characters


def find_links(
    html: bytes | str, base_url: str, *, content_type: str = ""
) -> list[tuple[str, int]]:
    """Return ``(url, priority)`` of each linked page, on any site, best first.

    Links are those of elements, of buttons and other elements that scripts make links
    (``onclick``), and of lists of products in JSON-LD. Excluded are links to other kinds of files,
    ``rel="nofollow"``, and URLs with side effects (carts, logins).

    Examples
    --------
    >>> find_links('<a href="/privacy">x</a><a href="/products/1">y</a>', "https://shop.example")
    [('https://shop.example/products/1', 2), ('https://shop.example/privacy', -1)]
    """
    return page_links(parse_page(html, base_url, content_type))


def page_links(page: Page) -> list[tuple[str, int]]:
    """Return the links of a parsed page; see `find_links`."""
    links: dict[str, int] = {}
    goes_to_value = any(
        _GOES_TO_VALUE.search(script.text or "") for script in page.root.iter("script")
    )

    def add(url: str, more: int = 0) -> None:
        if url.startswith("http") and is_page(url):
            links[url] = max(links.get(url, -9), link_priority(url) + more)

    for url in listed_urls(page):
        add(url, 3 - link_priority(url))
    for node in page.root.iter():
        if not isinstance(node.tag, str):
            continue
        if node.tag == "script":
            if "location" in (node.text or "") and not node.get("src"):
                for address in _locations(node.text or ""):
                    add(page.absolute(address))
        elif _is_followed(node):
            is_around_image = node.tag == "a" and next(node.iter("img"), None) is not None
            for address in _addresses(node):
                url = page.absolute(address)
                add(url, int(is_around_image and link_priority(url) == 0))
    folders = {urlsplit(url).path.rpartition("/")[0] for url in links}
    for option in page.root.iter("option"):
        address = (option.get("value") or "").strip()
        if _is_address(address) and (goes_to_value or _leads_somewhere(option, address, folders)):
            add(page.absolute(address))
    return sorted(links.items(), key=lambda link: -link[1])


def _addresses(node: HtmlElement) -> Iterator[str]:
    """Yield what an element links to, relative or not."""
    tag = node.tag
    href = (node.get("href") or "").strip()
    if href.lower().startswith("javascript:"):
        yield from _script_addresses(href)
    elif tag in ("a", "area", "link") and href:
        yield href
    elif tag in ("iframe", "frame", "turbo-frame"):
        yield node.get("src") or node.get("data-src") or ""
    elif tag == "form" and _is_button(node):
        yield node.get("action") or ""
    for name, value in node.attrib.items():
        if (
            name.startswith("on")
            or name[:1] in ("@", ":")
            or name.startswith(("v-on", "x-on", "ng-click"))
        ):
            yield from _script_addresses(value)
        elif _LINK_NAME.match(name) and _is_address(value.strip()):
            yield value.strip()


def _script_addresses(script: str) -> Iterator[str]:
    """Yield where a script in an attribute leads."""
    yield from _locations(script)
    for match in _QUOTED.finditer(unescaped(script)):
        if _is_address(match[1]):
            yield match[1]


def _is_button(form: HtmlElement) -> bool:
    """Tell whether a form is a link that looks like a button: there is nothing to fill in."""
    if (form.get("method") or "get").strip().lower() != "get":
        return False
    fields = form.iter("input", "select", "textarea", "button")
    kinds = [(field.tag, (field.get("type") or "").lower()) for field in islice(fields, 10)]
    return bool(kinds) and all(
        tag == "button" or (tag == "input" and kind in ("submit", "button", "image"))
        for tag, kind in kinds
    )


def _leads_somewhere(option: HtmlElement, address: str, folders: set[str]) -> bool:
    """Tell whether an option is a link: what is chosen is the URL of a page, or just a value.

    It is a link if the menu has a script that navigates, if the address has a host or ends like
    that of a page, or if the page links to others in the same folder.
    """
    menu = next(option.iterancestors("select"), None)
    if menu is not None and _NAVIGATES.search(menu.get("onchange") or ""):
        return True
    if "://" in address or _PAGE_SUFFIX.search(address):
        return True
    folder = urlsplit(address).path.rpartition("/")[0]
    return bool(folder) and folder in folders


def _locations(script: str) -> Iterator[str]:
    for match in islice(_LOCATION.finditer(unescaped(script)), 1_000):
        if not _NOT_ADDRESS.search(match[1].strip()):
            yield match[1].strip()


def _is_address(value: str) -> bool:
    """Tell whether a text is clearly the URL of a page."""
    if not 1 < len(value) < 500 or _NOT_ADDRESS.search(value):
        return False
    is_path = value.startswith(("/", "./", "../", "http://", "https://"))
    return is_path or _PAGE_SUFFIX.search(value) is not None


def is_page(url: str) -> bool:
    """Return whether a URL may be a page that is safe to request.

    Examples
    --------
    >>> [is_page("https://a.b" + path) for path in ("/p.cfm?id=2", "/a.pdf", "/cart", "/carts/oak")]
    [True, False, False, True]
    """
    suffix = url_suffix(url)
    if suffix in IMAGE_SUFFIXES or suffix in _FILES:
        return False
    parts = urlsplit(url)
    if _ACTION_QUERY.search(parts.query):
        return False
    for name, value in parse_qsl(parts.query[:1_000]):
        if _PAGE_QUERY.fullmatch(name) and any(map(_CUSTOMER_SEGMENT.fullmatch, value.split("/"))):
            return False
    before = ""
    for segment in _segments(parts.path):
        if _ACTION_SEGMENT.fullmatch(segment):
            return False
        is_product = before and _PRODUCT_SEGMENT.fullmatch(before)
        if not is_product and _CUSTOMER_SEGMENT.fullmatch(segment):
            return False
        before = segment
    return True


def link_priority(url: str) -> int:
    """Return how likely a page shows products.

    2 for a page that looks like a product's, 1 for a list of products, 0 for others, -1 for pages
    without products and for another view of a list (sorted, filtered).
    """
    parts = urlsplit(url)
    segments = _segments(parts.path)
    kinds = [
        "product" if _PRODUCT_SEGMENT.fullmatch(segment)
        else "list" if _LISTING_SEGMENT.fullmatch(segment)
        else "other" if _OTHER_SEGMENT.fullmatch(segment)
        else ""
        for segment in segments
    ]  # fmt: skip
    if _FACET_QUERY.search(parts.query):
        return -1
    if "product" in kinds:
        is_detail = kinds.index("product") < len(kinds) - 1 or re.search(
            r"(?:^|&)(?:\w*id|sku|p|slug|name|product)=", parts.query
        )
        return 2 if is_detail else 1
    if "other" in kinds:
        return -1
    if re.search(
        r"(?:^|&)(?:product(?:_?id)?|pid|prod|item(?:_?id)?|sku)=", parts.query, re.IGNORECASE
    ):
        return 2
    return 1 if "list" in kinds else 0


def _segments(path: str) -> list[str]:
    """Return the segments of a path, the last one without the ending of a page."""
    segments = [segment for segment in unquote(path).split("/") if segment]
    if segments:
        segments[-1] = _PAGE_SUFFIX.sub("", segments[-1])
    return segments


# What a page loads ---------------------------------------------------------------------------


def page_resources(page: Page) -> list[tuple[str, str]]:
    """Return ``(kind, url)`` of the style sheets, scripts and data that a page loads.

    The kind is ``"style sheet"`` or ``"script"``. Libraries of others are left out.

    Examples
    --------
    >>> page = parse_page("<link rel=stylesheet href=s.css><script src=jquery.js></script>", "http://a.b")
    >>> page_resources(page)
    [('style sheet', 'http://a.b/s.css')]
    """
    found: dict[tuple[str, str], None] = {}
    for node in page.root.iter("link", "style", "script"):
        if node.tag == "link":
            rel = (node.get("rel") or "").lower().split()
            if "stylesheet" in rel or ("preload" in rel and node.get("as") == "style"):
                found["style sheet", page.absolute(node.get("href"))] = None
            elif "modulepreload" in rel:
                found["script", page.absolute(node.get("href"))] = None
        elif node.tag == "style":
            for address in css_imports(node.text):
                found["style sheet", page.absolute(address)] = None
        else:
            kind = (node.get("type") or "").lower()
            if node.get("src") and (
                not kind
                or "javascript" in kind
                or kind == "module"
                or "json" in kind
                or "babel" in kind
            ):
                found["script", page.absolute(node.get("src") or node.get("data-src"))] = None
    return [
        (kind, url)
        for kind, url in found
        if url.startswith("http") and not _LIBRARIES.search(urlsplit(url).path.rpartition("/")[2])
    ]


# Pages that scripts draw ---------------------------------------------------------------------


def needs_browser(html: bytes | str) -> bool:
    """Return whether a page looks as if scripts draw its content; see `is_shell`.

    Examples
    --------
    >>> needs_browser('<body><div id="root"></div><script src="/app.js"></script></body>')
    True
    >>> needs_browser("<body><p>Almonds, hazelnuts and more.</p></body>")
    False
    """
    return is_shell(parse_page(html, "http://page.invalid/"))


def is_shell(page: Page) -> bool:
    """Return whether scripts are likely to draw the content of a page.

    Text and images of its frame (header, menu, footer) are not content. With scripts of its own, a
    page is a shell if there is hardly any content, an empty element for a list, a script that
    writes images, or a template that is not filled in.
    """
    scripts = [node for node in page.root.iter("script") if _may_draw(node)]
    if not scripts:
        return False
    content = _Content(page)
    if content.has_template:
        return True
    writes_images = any(
        _DRAWS.search(text) and _WRITES_IMAGES.search(text)
        for text in (node.text or "" for node in scripts)
    )
    if content.has_empty_list or writes_images:
        return content.n_images <= 3  # beside the list, which do not change
    if content.n_images > 1:
        return False
    is_empty = content.n_text < _SHORT_TEXT and content.n_fields <= 2  # a form is content
    return content.has_empty_place or is_empty


class _Content:
    """What a page shows outside its frame."""

    def __init__(self, page: Page) -> None:
        self.n_text = self.n_images = self.n_fields = 0
        self.has_empty_list = self.has_empty_place = self.has_template = False
        body = page.root.find("body")
        stack = [] if body is None else [body]
        while stack:
            node = stack.pop()
            if not isinstance(node.tag, str) or node.tag in _INVISIBLE or _is_frame(node):
                continue
            self._count(node)
            for child in node:
                self.n_text += len((child.tail or "").strip())
                stack.append(child)

    def _count(self, node: HtmlElement) -> None:
        text = (node.text or "").strip()
        self.n_text += len(text)
        self.n_images += node.tag in ("img", "picture", "amp-img") or "background" in (
            node.get("style") or ""
        )
        self.n_fields += node.tag in ("input", "textarea", "select")
        self.has_template |= _UNRENDERED.search(text) is not None or any(
            name in ("v-for", "ng-repeat", "x-for", "data-ng-repeat", "*ngfor")
            for name in node.attrib
        )
        if (
            not text
            and all(
                not isinstance(child.tag, str) and not (child.tail or "").strip() for child in node
            )
            and node.tag in ("div", "section", "main", "ul", "ol", "tbody", "article", "span")
        ):
            name = node.get("id") or ""
            if name and not _OTHER_PLACE.search(name):
                self.has_empty_place |= not _ROOT.fullmatch(name)
                self.has_empty_list |= _LIST.search(f"{name} {css_class(node)}") is not None
            elif not name and node.tag != "span" and not _OTHER_PLACE.search(css_class(node)):
                self.has_empty_list |= _LIST_CLASS.search(css_class(node)) is not None


def _is_frame(node: HtmlElement) -> bool:
    if node.tag in _FRAME_TAGS or (node.get("role") or "").lower() in _FRAME_ROLES:
        return True
    return node.tag not in ("body", "main") and bool(
        _FRAME_NAME.search(css_class(node)) or _FRAME_NAME.search(node.get("id") or "")
    )


def _may_draw(script: HtmlElement) -> bool:
    kind = (script.get("type") or "").lower()
    if kind and not (
        "javascript" in kind or kind == "module" or "babel" in kind or "ecmascript" in kind
    ):
        return False
    source = script.get("src") or script.get("data-src") or ""
    if source:
        return not _LIBRARIES.search(source)
    return _DRAWS.search(script.text or "") is not None


def _is_followed(node: HtmlElement) -> bool:
    rel = (node.get("rel") or "").lower().split()
    if node.tag == "link":
        return "next" in rel or "canonical" in rel
    return "nofollow" not in rel
