"""Image proxies, which scale, crop and blur images: the original behind a proxy's URL."""

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

_MAX_LENGTH = 2_000  # characters; longer URLs are not requested
_MAX_NESTING = 3  # a proxy behind a proxy
_SIDE = 1200  # pixels, where a service has no original
_FEWEST_PIXELS = 300  # a side that is enough; smaller versions are replaced by the original

_IMAGE_NAME = r"\.(?:jpe?g|jfif|png|webp|avif|gif|bmp|tiff?)"
# Proxies that carry the original's URL in a parameter
_PARAMETERS = ("url", "src", "href", "image", "img", "u")
_IMAGE_URL = re.compile(rf"[^?#]*{_IMAGE_NAME}(?:[?#].*)?", re.IGNORECASE)
_WESERV = ("images.weserv.nl", "wsrv.nl")
_PROXY_PATH = re.compile(r"/(?:_next/image|_vercel/image|_image|\.netlify/images)/?$")
# Proxies that carry it in the path, behind their instructions
_PATHS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^/cdn-cgi/image/[^/]+=[^/]*/(.+)$",  # Cloudflare
        r"^(?:/[^/]+)?/_ipx/[^/]+/(.+)$",  # Nuxt
        r"^(?:/[^/]+)*?/image/fetch/(?:[^/]*[,_][^/]*/)*(https?(?::|%3a).+)$",  # Cloudinary
        r"^(?:/[^/]+)*?/unsafe/(?:[^/.]*/)*(https?(?::|%3a).+)$",  # Thumbor, imgproxy
        r"^(?:/[^/]+)*?/unsafe/(?:[^/.]*/)*plain/(.+?)(?:@[a-z]+)?$",
        r"^/-/[^/]+/(https?(?::|%3a).+)$",
    )
)
_WIX = re.compile(rf"(https?://[^?#]+?{_IMAGE_NAME})/v1/(?:fill|fit|crop)/", re.IGNORECASE)
_PHOTON = re.compile(r"^i[0-3]\.wp\.com$")
# Services whose parameters only scale, crop, blur or recompress
_SCALING = frozenset(
    {
        "w", "h", "width", "height", "max-w", "max-h", "s", "size", "fit", "crop", "blur",
        "dpr", "q", "quality", "auto", "format", "fm", "rect", "mode", "scale", "pad", "bg",
        "sharp", "tr", "resize", "strip", "ssl", "ixlib",
    }
)  # fmt: skip
_SCALING_HOSTS = re.compile(
    r"(?:^|\.)(?:imgix\.net|ctfassets\.net|cdn\.sanity\.io|ik\.imagekit\.io|wp\.com|storyblok\.com"
    r"|datocms-assets\.com|prismic\.io|builder\.io|graphassets\.com|b-cdn\.net|scene7\.com"
    r"|unsplash\.com|pexels\.com)$"
)
_CLOUDINARY = re.compile(r"^(.*?/(?:image|images|video)/(?:upload|private|authenticated)/)(.+)$")
_TRANSFORMATION = re.compile(r"(?:[a-z]{1,3}_[^,/]+)(?:,[a-z]{1,3}_[^,/]+)*|t_[\w-]+")
_SHOPIFY_SIZE = re.compile(
    rf"_(?:pico|icon|thumb|small|compact|medium|large|grande|original|master|\d*x\d*)(?:_crop_\w+)?(?:@\dx)?"
    rf"(?:\.progressive)?({_IMAGE_NAME})$",
    re.IGNORECASE,
)
_OPENCART_CACHE = re.compile(
    rf"/image/cache(/[^?#]+)-\d{{1,4}}x\d{{1,4}}[wh]?({_IMAGE_NAME})$", re.IGNORECASE
)
_WORDPRESS_SIZE = re.compile(rf"-(\d{{2,4}})x(\d{{2,4}})({_IMAGE_NAME})$", re.IGNORECASE)


def original_url(url: str) -> str:
    """Return the URL of the original behind an image proxy, or the URL itself.

    Only what the URL itself tells is used: a URL or path inside it, instructions to scale, crop
    or blur that are known, and names that a platform derives from the original's.

    Examples
    --------
    >>> original_url("https://shop.example/_next/image?url=%2Fa.jpg&w=64&q=75")
    'https://shop.example/a.jpg'
    >>> original_url("https://static.wixstatic.com/media/f~mv2.jpg/v1/fill/w_49,h_33,blur_2/a.jpg")
    'https://static.wixstatic.com/media/f~mv2.jpg'
    >>> original_url("https://shop.example/a.jpg?v=3")
    'https://shop.example/a.jpg?v=3'
    """
    for _ in range(_MAX_NESTING if len(url) <= _MAX_LENGTH else 0):
        try:
            found = next(filter(None, (rule(url) for rule in _RULES)), "")
        except ValueError:  # an invalid URL inside
            return url
        if not found or found == url or not found.startswith(("http://", "https://")):
            return url
        url = found
    return url


def _of_parameter(url: str) -> str:
    parts = urlsplit(url)
    values = dict(parse_qsl(parts.query))
    is_proxy = _PROXY_PATH.search(parts.path) is not None
    for value in filter(None, map(values.get, _PARAMETERS)):
        if parts.hostname in _WESERV and "://" not in value:
            return f"https://{value.removeprefix('ssl:')}"
        if _IMAGE_URL.fullmatch(value) or (is_proxy and value.startswith(("http:", "https:", "/"))):
            return urljoin(url, value.replace(" ", "%20"))
    return ""


def _of_path(url: str) -> str:
    parts = urlsplit(url)
    for pattern in _PATHS:
        if match := pattern.match(parts.path):
            inner = match[1]
            if re.match(r"https?%3a", inner, re.IGNORECASE):
                inner = unquote(inner)
            inner = re.sub(r"^(https?:)/+", r"\1//", inner, flags=re.IGNORECASE)
            if not inner.startswith("http"):
                inner = "/" + inner.lstrip("/")
            return urljoin(url, inner + ("?" + parts.query if parts.query else ""))
    return ""


def _of_photon(url: str) -> str:
    parts = urlsplit(url)
    if not _PHOTON.match(parts.hostname or "") or "." not in parts.path.split("/")[1]:
        return ""
    return f"https:/{parts.path}"


def _of_wix(url: str) -> str:
    match = _WIX.match(url)
    return match[1] if match else ""


def _of_squarespace(url: str) -> str:
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query)
    if not re.fullmatch(r"\d+w", dict(pairs).get("format", "")):
        return ""
    kept = [(name, value) for name, value in pairs if name != "format"]
    return parts._replace(query=urlencode([*kept, ("format", "1500w")])).geturl()


def _of_cloudinary(url: str) -> str:
    parts = urlsplit(url)
    match = _CLOUDINARY.match(parts.path)
    if not match:
        return ""
    segments = match[2].split("/")
    while len(segments) > 1 and _TRANSFORMATION.fullmatch(unquote(segments[0])):
        del segments[0]
    return parts._replace(path=match[1] + "/".join(segments)).geturl()


def _of_shopify(url: str) -> str:
    parts = urlsplit(url)
    is_theirs = (parts.hostname or "").endswith("cdn.shopify.com") or "/cdn/shop/" in parts.path
    if not is_theirs:
        return ""
    plain = parts._replace(path=_SHOPIFY_SIZE.sub(r"\1", parts.path)).geturl()
    return _without_scaling(plain)


def _of_scaling_service(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path
    if (parts.hostname or "") == "ik.imagekit.io":
        path = re.sub(r"/tr:[^/]+", "", path, count=1)
    if not _SCALING_HOSTS.search(parts.hostname or ""):
        return ""
    return _without_scaling(parts._replace(path=path).geturl())


def _of_storefront(url: str) -> str:
    """Undo the names that shop systems derive from an original's."""
    parts = urlsplit(url)
    path = parts.path
    path = re.sub(
        r"(/media/catalog/product)/cache/(?:\d+/)?(?:[\w]+/)?(?:\d*x\d*/)?[0-9a-f]{32}/",
        r"\1/",
        path,
    )
    path = re.sub(r"(/images/stencil)/(?:\d+x\d+|\d+w)/", rf"\1/{_SIDE}x{_SIDE}/", path)
    path = re.sub(r"-(?:cart|small|home|medium)_default(/|\.)", r"-large_default\1", path)
    path = re.sub(
        rf"(/[\w.+-]+?)\._(?:AC_|S[XYLS]|U[XYLS]|CR|SR)[\w,]*_({_IMAGE_NAME})$", r"\1\2", path
    )
    path = re.sub(rf"({_IMAGE_NAME})/:/.*$", r"\1", path)  # GoDaddy
    path = _OPENCART_CACHE.sub(r"/image\1\2", path)
    match = _WORDPRESS_SIZE.search(path)
    if match and "/uploads/" in path and max(int(match[1]), int(match[2])) < _FEWEST_PIXELS:
        path = path[: match.start()] + match[3]
    return parts._replace(path=path).geturl() if path != parts.path else ""


def _without_scaling(url: str) -> str:
    """Return a URL without the parameters that only scale, crop, blur or recompress."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name.lower() not in _SCALING]
    if len(kept) == len(pairs):
        return url
    return parts._replace(query=urlencode(kept)).geturl()


_RULES: tuple[Callable[[str], str], ...] = (
    _of_parameter, _of_path, _of_photon, _of_wix, _of_squarespace, _of_cloudinary, _of_shopify,
    _of_scaling_service, _of_storefront,
)  # fmt: skip
