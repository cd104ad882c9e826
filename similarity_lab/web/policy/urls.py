"""Which URLs may be requested, and which of them belong to one site.

A page may send the crawler anywhere, also into the network of whoever runs it (SSRF). URLs are
checked twice: here as text, with a readable reason, and again when a connection is made
(`similarity_lab.web.policy.ssrf`), after host names are resolved.
"""

import ipaddress
import re
from collections.abc import Collection
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from w3lib.url import canonicalize_url, safe_url_string

from similarity_lab.errors import UrlError

if TYPE_CHECKING:
    from tldextract import TLDExtract

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = frozenset({80, 443, 8080, 8443})
_DEFAULT_PORT = {"http": 80, "https": 443}
_MAX_LENGTH = 2000
# A browser reads a host as an IPv4 address in some notation if its last part is a number
_NUMERIC_END = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)$")
_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")

_TRACKING = re.compile(
    r"(utm_\w+|[a-z]{0,2}clid|(gb|wb)raid|msclkid|mc_[ce]id|_(ga|gl|hs\w+|kx)|igshid?|srsltid"
    r"|mkt_tok|vero_id|oly_\w+_id|ref|ref_src|ref_url|cmpid"
    r"|pk_\w+|mtm_\w+|matomo_\w+|at_medium|at_campaign|yclid|dclid|s_cid|spm)(=|$)",
    re.IGNORECASE,
)
_INDEX_PAGE = re.compile(r"/(index|default|home)\.(html?|php|aspx?|jsp)$", re.IGNORECASE)

_SESSION = re.compile(
    r"(?:phpsessid|jsessionid|aspsessionid\w*|asp\.net_sessionid|session_?id|sid|oscsid|zenid|osadcid"
    r"|cfid|cftoken)=",
    re.IGNORECASE,
)
_PATH_SESSION = re.compile(r";(?:jsessionid|sid|phpsessid)=[^/;]*", re.IGNORECASE)

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Reserved networks that `ipaddress` does not list, or not in every version of Python
_RESERVED = tuple(
    map(ipaddress.ip_network, ("192.88.99.0/24", "192.0.0.0/24", "2001::/23", "3fff::/20"))
)


def is_public(ip: str | IPAddress) -> bool:
    """Tell whether an IP address is public, also if it is embedded in an IPv6 address.

    Examples
    --------
    >>> [is_public(ip) for ip in ("8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::")]
    [True, False, False, False]
    """
    ip = ipaddress.ip_address(ip) if isinstance(ip, str) else ip
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour
        if embedded is None and ip in _NAT64:
            embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
        if ip not in _GLOBAL_UNICAST or ip.teredo:
            return False
    return ip.is_global and not (
        ip.is_multicast or ip.is_reserved or any(ip in network for network in _RESERVED)
    )


def may_connect(host: str, port: int, allow: Collection[str] = ()) -> bool:
    """Tell whether a connection to this IP address is allowed; host names never are."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return is_public(ip) or endpoint(str(ip), port) in allow


def endpoint(host: str, port: int) -> str:
    """Return ``host:port``, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_url(url: str, allow: Collection[str] = ()) -> SplitResult:
    """Return the parts of a URL that may be requested.

    Parameters
    ----------
    url : str
        Absolute.
    allow : collection of str
        ``host:port`` (``"127.0.0.1:8000"``) allowed although private or on an unusual port.

    Raises
    ------
    UrlError
        Not http or https, credentials, an unusual port, a private, loopback or link-local address,
        or a host notation that hides one.

    Examples
    --------
    >>> check_url("https://shop.example/nuts?page=2").hostname
    'shop.example'
    >>> check_url("http://0x7f.1/")
    Traceback (most recent call last):
    ...
    similarity_lab.errors.UrlError: 0x7f.1 is not a host name (obfuscated IP address)
    """
    if len(url) > _MAX_LENGTH:
        raise UrlError(f"URL too long ({len(url):,} characters, the limit is {_MAX_LENGTH:,})")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UrlError(f"Invalid URL: {error}") from None
    if parts.scheme not in _DEFAULT_PORT:
        raise UrlError(f"Expected an http or https URL, got scheme {parts.scheme!r}")
    if parts.username is not None or parts.password is not None:
        raise UrlError("The URL contains a user name or password, which are never sent")
    port = _DEFAULT_PORT[parts.scheme] if port is None else port
    if endpoint(host, port) in allow:
        return parts
    _check_host(host, parts.netloc)
    if port not in PORTS:
        raise UrlError(f"Port {port} is not allowed (only {', '.join(map(str, sorted(PORTS)))})")
    return parts


def _check_host(host: str, netloc: str) -> None:
    host = host.removesuffix(".")
    if netloc.startswith("[") or _NUMERIC_END.search(host):
        try:
            public = is_public(host)
        except ValueError:
            raise UrlError(f"{host} is not a host name (obfuscated IP address)") from None
        if not public:
            raise UrlError(f"{host} is not on the public internet")
    elif not _HOST_NAME.fullmatch(host):
        raise UrlError(f"{host!r} is not a host name" if host else "The URL has no host")
    elif host == "localhost" or host.endswith(".localhost"):
        raise UrlError(f"{host} is this machine")


def normalize_url(text: str) -> str:
    """Return a URL as it is requested: with a scheme, percent-encoded, without fragment.

    Examples
    --------
    >>> normalize_url("  Shop.example/Nüsse#top ")
    'http://shop.example/N%C3%BCsse'
    """
    text = text.strip()
    if not text:
        raise UrlError("Empty URL")
    if "://" not in text:
        text = "http://" + text
    try:
        url = safe_url_string(text)
        parts = urlsplit(url)
        netloc = parts.netloc.lower()
    except (ValueError, UnicodeError) as error:
        raise UrlError(f"Invalid URL: {error}") from None
    return parts._replace(netloc=netloc, path=parts.path or "/", fragment="").geturl()


def spelling_key(url: str) -> str:
    """Return what all spellings of one url share; they are crawled once.

    Spellings differ in the scheme, ``www.``, the default port, a trailing slash or index page, the
    fragment, the order and encoding of the query, and in parameters that only track visitors.

    Examples
    --------
    >>> spelling_key("https://www.Shop.example:443/index.html?utm_source=mail#top")
    'shop.example/'
    >>> spelling_key("http://shop.example/nuts/?page=2")
    'shop.example/nuts?page=2'
    """
    parts = urlsplit(canonicalize_url(without_tracking(normalize_url(url))))
    host = (parts.hostname or "").removesuffix(".")
    bare = host.removeprefix("www.")
    host = bare if "." in bare else host
    is_default = parts.port in (None, *_DEFAULT_PORT.values())
    path = _INDEX_PAGE.sub("/", parts.path).rstrip("/") or "/"
    query = f"?{parts.query}" if parts.query else ""
    return f"{host if is_default else endpoint(host, parts.port or 0)}{path}{query}"


def without_tracking(url: str) -> str:
    """Return a URL without the parameters that only track visitors.

    Examples
    --------
    >>> without_tracking("https://shop.example/nuts?page=2&utm_medium=mail&gclid=x")
    'https://shop.example/nuts?page=2'
    """
    parts = urlsplit(url)
    pieces = parts.query.split("&")
    query = "&".join(piece for piece in pieces if not _TRACKING.match(piece))
    return parts._replace(query=query).geturl() if query != parts.query else url


def without_session(url: str) -> str:
    """Return what identifies a page: its URL without the visitor's session and tracking.

    Examples
    --------
    >>> without_session("https://shop.example/p;jsessionid=1A2B?id=3&PHPSESSID=x&gclid=y")
    'https://shop.example/p?id=3'
    """
    parts = urlsplit(without_tracking(url))
    pieces = parts.query.split("&")
    query = "&".join(piece for piece in pieces if not _SESSION.match(piece))
    path = _PATH_SESSION.sub("", parts.path)
    return parts._replace(path=path, query=query).geturl()


def site_key(url: str) -> str:
    """Return what all pages of a site share: the registered domain, else host and port.

    Uses the public-suffix list that comes with tldextract; it is never downloaded.

    Examples
    --------
    >>> site_key("https://www.nuts.shop.co.uk/a"), site_key("http://127.0.0.1:8000/")
    ('shop.co.uk', '127.0.0.1:8000')
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    return registered_domain(host) or endpoint(
        host, parts.port or _DEFAULT_PORT.get(parts.scheme, 0)
    )


@lru_cache(maxsize=10_000)
def registered_domain(host: str) -> str:
    """Return the registered domain of a host; ``""`` for public suffixes and IP addresses.

    Examples
    --------
    >>> registered_domain("www.nuts.shop.co.uk"), registered_domain("co.uk")
    ('shop.co.uk', '')
    """
    return _public_suffixes().extract_str(host).top_domain_under_public_suffix


def has_known_suffix(host: str) -> bool:
    """Tell whether a host ends in a public suffix, as ``shop.co.uk`` does and ``shop.csv`` not.

    Examples
    --------
    >>> has_known_suffix("shop.example.co.uk"), has_known_suffix("suppliers.csv")
    (True, False)
    """
    result = _public_suffixes().extract_str(host.rstrip(".").lower())
    reserved = (".example", ".test", ".invalid", ".localhost")  # RFC 2606, for documentation
    return bool(result.suffix and result.domain) or host.lower().endswith(reserved)


@cache
def _public_suffixes() -> "TLDExtract":
    from tldextract import TLDExtract

    # Private suffixes too: two shops of one platform (a.myshopify.com) are two sites
    return TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)
