"""The header ``Referer``: which page names what is requested, as far as browsers tell."""

from urllib.parse import urlsplit


def referrer(page: str, url: str) -> str:
    """Return the header ``Referer`` of a request for `url` that `page` names; ``""`` for none.

    Browsers' default, ``strict-origin-when-cross-origin``: the whole URL within a site, its origin
    for others, and nothing from https to http. Many shops serve images only to their own pages.

    Examples
    --------
    >>> referrer("https://a.example/nuts?p=1", "https://a.example/nuts.jpg")
    'https://a.example/nuts?p=1'
    >>> referrer("https://a.example/nuts?p=1", "https://cdn.example/nuts.jpg")
    'https://a.example/'
    >>> referrer("https://a.example/nuts", "http://a.example/nuts.jpg")
    ''
    """
    source, target = urlsplit(page), urlsplit(url)
    if source.scheme not in ("http", "https") or (source.scheme, target.scheme) == (
        "https",
        "http",
    ):
        return ""
    netloc = source.netloc.rpartition("@")[2]
    if (source.scheme, source.netloc) == (target.scheme, target.netloc):
        return source._replace(netloc=netloc, fragment="").geturl()
    return f"{source.scheme}://{netloc}/"
