"""Limits of a crawl: everything that a remote server could otherwise decide."""

from dataclasses import asdict, dataclass

from similarity_lab.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Limits per site; images beyond them are listed as not fetched.

    Attributes
    ----------
    pages : int
        Maximum number of pages requested, sitemaps not counted.
    depth : int
        Maximum number of links from the first page.
    images : int
        Maximum number of images kept; product images come first.
    seconds : float
        Total time. At most half of it is spent on finding pages.
    request_seconds : float
        Time for one response, until its last byte.
    page_bytes, image_bytes : int
        Size of one response, also after decompression.
    site_bytes : int
        Size of all responses together.
    image_pixels : int
        Pixels that an image may declare in its header.
    side : int
        Images with fewer pixels than a square of this side are treated as icons, and so are bars
        that are thinner than a quarter of it.
    redirects : int
        Maximum number of redirects per request.
    sitemaps : int
        Maximum number of sitemap files.

    Examples
    --------
    >>> Limits(pages=0)
    Traceback (most recent call last):
    ...
    similarity_lab.errors.InputError: limits must be positive, got pages=0
    """

    pages: int = 100
    depth: int = 5
    images: int = 200
    seconds: float = 900.0
    request_seconds: float = 20.0
    page_bytes: int = 5 * 2**20
    image_bytes: int = 20 * 2**20
    site_bytes: int = 2**30
    image_pixels: int = 64_000_000
    side: int = 64
    redirects: int = 5
    sitemaps: int = 10

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise InputError(f"limits must be positive, got {name}={value!r}")
