"""Fictional web shops that embed images in every way that the crawler supports."""

import base64
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image, features

from similarity_lab.images import Pixels
from similarity_lab.samples.shipped import load_image, subject_count

# Placeholders for the urls of the shop and of its images, which the server replaces by its own
HERE, CDN = "http://shop.invalid", "http://cdn.invalid"
MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".gif": "image/gif",
}
_ICON = 24  # pixels


@dataclass(frozen=True)
class Shop:
    """A shop as files to serve.

    Attributes
    ----------
    name : str
    files : dict of path to (content type, body)
        Paths begin with a slash and may have a query. In HTML, JSON and XML, `HERE` and `CDN` stand
        for the urls of the server and of its images.
    products : dict of path to str
        Subjects of the products' images.
    """

    name: str
    files: dict[str, tuple[str, bytes]]
    products: dict[str, str]


def make_shop(
    name: str, subjects: Sequence[str], *, start: int = 0, size: tuple[int, int] | None = None
) -> Shop:
    """Return a shop with one product page per subject, showing images of the sample.

    Consecutive pages embed their images in different ways: an ``img``, a ``srcset``, lazy loading,
    JSON-LD and so on. Every page also has a logo, icons, a tracking pixel and an SVG.

    Parameters
    ----------
    name : str
        Name of the shop.
    subjects : sequence of str
        Subjects of the products' images, of `PRODUCTS` or `OTHERS`. No image is used twice: if
        there are more products than images of a subject, further ones are cropped copies.
    start : int
        Number of the first image of each subject; see `similarity_lab.samples.load_images`.
    size : (height, width), optional
        Size in pixels to which the images are scaled; default: their own.

    Returns
    -------
    Shop

    Examples
    --------
    >>> shop = make_shop("Nuts & Co", ["almonds", "dates"], size=(64, 64))
    >>> sorted(shop.products.values()), sorted(shop.files)[:2]
    (['almonds', 'dates'], ['/', '/about.html'])
    """
    files: dict[str, tuple[str, bytes]] = {}
    products: dict[str, str] = {}
    pages: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for number, subject in enumerate(subjects):
        variant = IMAGE_MARKUPS[number % len(IMAGE_MARKUPS)]
        kind = variant.kind
        if kind == ".avif" and not features.check("avif"):
            kind = ".jpg"
        pixels = _image(subject, start + counts[subject], size)
        counts[subject] += 1
        image = f"/media/photo-{number:02}{kind}{variant.query}"
        files[image] = MEDIA_TYPES[kind], _encoded(pixels, kind)
        products[image] = subject
        page = f"/products/{number:02}.html"
        pages[page] = image
        markup = variant.markup(image, f"{subject} {number}", files[image][1])
        files[page] = "text/html; charset=utf-8", _page(name, markup).encode()
    files |= _other_files(name, pages)
    return Shop(name, files, products)


def _image(subject: str, number: int, size: tuple[int, int] | None) -> Pixels:
    """Return image `number` of a subject; numbers beyond the last give cropped copies."""
    cycle, number = divmod(number, subject_count(subject))
    pixels = load_image(subject, number, size=size)
    return pixels[cycle:, cycle:]


@dataclass(frozen=True)
class ImageMarkup:
    """How a page embeds an image: markup of ``(path, alt, bytes)``, file type, query of the url."""

    markup: Callable[[str, str, bytes], str]
    kind: str = ".jpg"
    query: str = ""


def _json_ld(image: str, alt: str, _: bytes) -> str:
    product = {"@type": ["Product"], "name": alt, "image": {"@id": "#photo"}}
    image_object = {"@type": "ImageObject", "@id": "#photo", "contentUrl": HERE + image}
    graph = {"@context": "https://schema.org", "@graph": [{"mainEntity": product}, image_object]}
    return f'<script type="application/ld+json">{json.dumps(graph)}</script>'


IMAGE_MARKUPS: tuple[ImageMarkup, ...] = (
    ImageMarkup(
        lambda image, alt, _: f'<img src="..{image}" alt="{escape(alt)}" width=400 height=400>'
    ),
    ImageMarkup(_json_ld),
    ImageMarkup(
        lambda image, alt, _: (
            f'<img src="/icon.png" srcset="/icon.png 40w, {image} 800w" alt="{alt}">'
        )
    ),
    ImageMarkup(
        lambda image, alt, _: (
            f'<img class=lazy src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" '
            f'data-src="{image}" alt="{alt}"><noscript><img src="{image}"></noscript>'
        ),
        ".png",
    ),
    ImageMarkup(
        lambda image, alt, _: (
            f'<picture><source srcset="{CDN}{image} 640w" type="image/webp">'
            f'<img src="/icon.png" alt="{alt}"></picture>'
        ),
        ".webp",
    ),
    ImageMarkup(lambda image, alt, _: f'<meta property="og:image" content="{HERE}{image}">'),
    ImageMarkup(lambda image, alt, _: f'<a href="{image}"><img src="/icon.png" alt="{alt}"></a>'),
    ImageMarkup(
        lambda image, alt, _: f'<div style="background-image: url(&quot;{image}&quot;)"></div>',
        ".png",
    ),
    ImageMarkup(
        lambda image, alt, _: (
            f'<div itemscope itemtype="https://schema.org/Product"><link itemprop='
            f'"image" href="{CDN}{image}"><span itemprop=name>{alt}</span></div>'
        ),
    ),
    ImageMarkup(
        lambda image, alt, _: f'<base href="{HERE}/media/"><img src="{image[7:]}" alt="{alt}">',
        ".avif",
    ),
    ImageMarkup(
        lambda image, alt, _: f'<img src="{escape(image)}" alt="{alt}">', ".jpg", "?width=640&v=2"
    ),
    ImageMarkup(lambda image, alt, _: f"<style>.hero {{ background: url({image}) }}</style>"),
    ImageMarkup(
        lambda image, alt, _: f'<meta name="twitter:image" content="{CDN}{image}">', ".webp"
    ),
    ImageMarkup(
        lambda image, alt, _: f'<img data-zoom-image="{image}" src="/icon.png" alt="{alt}">'
    ),
    ImageMarkup(
        lambda image, alt, body: (
            f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(body).decode()}">'
        ),
        ".png",
    ),
    ImageMarkup(lambda image, alt, _: f"<p>{alt}: see the sitemap.</p>"),
)
IN_PAGE, IN_SITEMAP = 14, 15  # positions: a data: url, and an image only in the sitemap


def _other_files(name: str, pages: dict[str, str]) -> dict[str, tuple[str, bytes]]:
    """Return all files except products: pages that link to them, other images, sitemaps."""
    html = "text/html; charset=utf-8"
    logo = load_image("logo", size=(80, 200))
    icon = np.full((_ICON, _ICON, 3), 90, np.uint8)
    # a quarter of the pages is only in the sitemap
    half = len(pages) // 2
    on_home, in_category = list(pages)[:half], list(pages)[half::2]
    category = "/category/nuts?page=2"
    home_links = "".join(f'<a href="{page}">product</a>' for page in on_home)
    category_links = "".join(f'<a href="..{page}">product</a>' for page in in_category)
    home = f'<a href="{escape(category)}">nuts</a>{home_links}'
    return {
        "/": (html, _page(name, home).encode()),
        category: (html, _page(name, category_links).encode()),
        "/about.html": (html, _page(name, "<p>We have sold nuts since 1887.</p>").encode()),
        "/logo.png": ("image/png", _encoded(logo, ".png")),
        "/icon.png": ("image/png", _encoded(icon, ".png")),
        "/robots.txt": ("text/plain", f"User-agent: *\nSitemap: {HERE}/maps.xml\n".encode()),
        "/maps.xml": (
            "application/xml",
            f"<sitemapindex><sitemap><loc>{HERE}/map.xml.gz</loc></sitemap></sitemapindex>".encode(),
        ),
        "/map.xml.gz": (
            "application/gzip",
            gzip.compress(_sitemap(pages, on_home + in_category), mtime=0),
        ),
    }


def _sitemap(pages: dict[str, str], linked: list[str]) -> bytes:
    """Return a sitemap of the pages that no page links to and the images that no page shows."""
    entries = []
    for number, (page, image) in enumerate(pages.items()):
        if number % len(IMAGE_MARKUPS) == IN_SITEMAP:
            entry = f"<image:image><image:loc>{HERE}{image}</image:loc></image:image>"
            entries.append(f"<url><loc>{HERE}{page}</loc>{entry}</url>")
        elif page not in linked:
            entries.append(f"<url><loc>{HERE}{page}</loc></url>")
    namespace = 'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
    return f"<urlset {namespace}>{''.join(entries)}</urlset>".encode()


def _page(name: str, content: str) -> str:
    return (
        f"<!doctype html><html><head><title>{escape(name)}</title></head><body>"
        f'<header><a href="/"><img src="/logo.png" alt="{escape(name)}"></a>'
        f'<img src="/mark.svg"></header><main>{content}</main><footer>'
        f'<a href="/about.html">about</a><img src="/icon.png" width=24 height=24>'
        f'<img src="/pixel.gif?u=1" width=1 height=1></footer></body></html>'
    )


def _encoded(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    file_format = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".avif": "AVIF"}[kind]
    Image.fromarray(pixels).save(buffer, format=file_format)
    return buffer.getvalue()
