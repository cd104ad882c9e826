"""How far a crawl goes: every figure a stranger's server could otherwise choose."""

from dataclasses import asdict, dataclass

from similarity_lab.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Limits of one site's crawl; what they leave out is listed.

    Attributes
    ----------
    pages : int
        Most pages asked for, sitemaps not counted.
    depth : int
        Most links from the first page.
    images : int
        Most images kept; product images come first.
    seconds : float
        For all of it. Half of it at most goes into looking for pages.
    request_seconds : float
        For one answer, until its last byte.
    page_bytes, image_bytes : int
        Of one answer, also after decompression.
    site_bytes : int
        Of all answers together.
    image_pixels : int
        What an image may claim in its header.
    side : int
        Images with a shorter side below this many pixels are icons.
    redirects : int
        Most on the way to one answer.
    sitemaps : int
        Most sitemap files read.

    Examples
    --------
    >>> Limits(pages=0)
    Traceback (most recent call last):
    ...
    ValueError: limits must be positive, got pages=0
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
