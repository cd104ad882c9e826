"""Which addresses may be asked for, and which of them belong to one site.

A page may send the crawler anywhere, also into the network of whoever runs it. Addresses are
looked at twice: here as text, for a reason one can read, and once more where a connection is made
(`_guard`), when names are resolved and nothing can be dressed up any more.
"""

import ipaddress
import re
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from w3lib.url import safe_url_string

from similarity_lab.errors import AddressError

if TYPE_CHECKING:
    from tldextract import TLDExtract

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = frozenset({80, 443, 8080, 8443})
_DEFAULT_PORT = {"http": 80, "https": 443}
_MAX_LENGTH = 2000
# What a browser takes for an IPv4 address in any notation: its last part is a number.
_NUMBER_AT_END = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)$")
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Python's tables of reserved networks differ from version to version; these are in none or few.
_RESERVED = tuple(
    map(ipaddress.ip_network, ("192.88.99.0/24", "192.0.0.0/24", "2001::/23", "3fff::/20"))
)


def is_public(address: str | IPAddress) -> bool:
    """Tell whether an IP address is one of the public internet, whatever it is wrapped in.

    Examples
    --------
    >>> [is_public(a) for a in ("8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::")]
    [True, False, False, False]
    """
    ip = ipaddress.ip_address(address) if isinstance(address, str) else address
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if ip not in _GLOBAL_UNICAST or ip.teredo:
            return False
    return ip.is_global and not (
        ip.is_multicast or ip.is_reserved or any(ip in network for network in _RESERVED)
    )


def may_connect(host: str, port: int, allow: Collection[str] = ()) -> bool:
    """Tell whether a connection to this IP address may be made; names are never connected to."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return is_public(ip) or endpoint(str(ip), port) in allow


def endpoint(host: str, port: int) -> str:
    """Return ``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_address(url: str, allow: Collection[str] = ()) -> SplitResult:
    """Return the parts of an address that may be asked for.

    Parameters
    ----------
    url : str
        Absolute.
    allow : collection of str
        Hosts with ports, ``"127.0.0.1:8000"``, that are asked for although they are private or
        use an unusual port.

    Raises
    ------
    AddressError
        Not http or https, a user name or password in it, an unusual port, a private, loopback or
        link-local address, or a host in a notation that hides one.

    Examples
    --------
    >>> check_address("https://shop.example/nuts?page=2").hostname
    'shop.example'
    >>> check_address("http://0x7f.1/")
    Traceback (most recent call last):
    ...
    similarity_lab.errors.AddressError: 0x7f.1 is no host name but a number in disguise
    """
    if len(url) > _MAX_LENGTH:
        raise AddressError(f"the address has {len(url):,} characters, the limit is {_MAX_LENGTH:,}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressError(f"not an address: {error}") from None
    if parts.scheme not in _DEFAULT_PORT:
        raise AddressError(f"expected an http or https address, got {parts.scheme or 'no'} scheme")
    if parts.username is not None or parts.password is not None:
        raise AddressError("a user name or password in the address; these are not sent")
    port = _DEFAULT_PORT[parts.scheme] if port is None else port
    if endpoint(host, port) in allow:
        return parts
    _check_host(host, parts.netloc)
    if port not in PORTS:
        raise AddressError(f"port {port} is not one of {', '.join(map(str, sorted(PORTS)))}")
    return parts


def _check_host(host: str, netloc: str) -> None:
    host = host.removesuffix(".")
    if netloc.startswith("[") or _NUMBER_AT_END.search(host):
        try:
            public = is_public(host)
        except ValueError:
            raise AddressError(f"{host} is no host name but a number in disguise") from None
        if not public:
            raise AddressError(f"{host} is not on the public internet")
    elif not _NAME.fullmatch(host):
        raise AddressError(f"{host or 'nothing'!r} is not a host name")
    elif host == "localhost" or host.endswith(".localhost"):
        raise AddressError(f"{host} is this machine")


def normal_address(text: str) -> str:
    """Return an address as it is asked for: with a scheme, percent-encoded, without fragment.

    Examples
    --------
    >>> normal_address("  Shop.example/Nüsse#top ")
    'http://shop.example/N%C3%BCsse'
    """
    text = text.strip()
    if not text:
        raise AddressError("an empty address")
    if "://" not in text:
        text = "http://" + text
    try:
        url = safe_url_string(text)
        parts = urlsplit(url)
        netloc = parts.netloc.lower()
    except (ValueError, UnicodeError) as error:
        raise AddressError(f"not an address: {error}") from None
    return parts._replace(netloc=netloc, path=parts.path or "/", fragment="").geturl()


def site_key(url: str) -> str:
    """Return what all pages of a site share: the registered domain, else host and port.

    The public-suffix list is the copy that comes with tldextract; it is never fetched.

    Examples
    --------
    >>> site_key("https://www.nuts.shop.co.uk/a"), site_key("http://127.0.0.1:8000/")
    ('shop.co.uk', '127.0.0.1:8000')
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    domain = _suffixes().extract_str(host).top_domain_under_public_suffix
    if domain:
        return domain
    return endpoint(host, parts.port or _DEFAULT_PORT.get(parts.scheme, 0))


@cache
def _suffixes() -> "TLDExtract":
    from tldextract import TLDExtract

    # Private suffixes too: two shops of one platform (a.myshopify.com) are two sites.
    return TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)
