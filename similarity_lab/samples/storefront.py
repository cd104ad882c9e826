"""The sites of the sample as web shops: home page, categories, products, sitemap."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.samples.shipped import image_bytes, images_table
from similarity_lab.samples.shops import HERE, MEDIA_TYPES, Shop


def sample_shop(site: str) -> Shop:
    """Return a shop of the sample with a home page, categories, product pages and a sitemap.

    Product pages have the product's image, often a second one, linked data and related products;
    cards show thumbnails in several sizes. Between them are a logo, an icon, banners, people.

    Parameters
    ----------
    site : str
        A site of the sample, such as ``"greenfield-foods"``.

    Returns
    -------
    Shop

    Raises
    ------
    InputError
        Unknown site; the message lists the known ones.

    Examples
    --------
    >>> shop = sample_shop("marble-mill")
    >>> shop.name, "almonds" in shop.products.values()
    ('Marble Mill', False)
    """
    table = images_table()
    parts = table["path"].str.split("/", expand=True)
    sites = sorted(set(parts[1][parts[0] == "sites"]))
    if site not in sites:
        raise InputError(
            f"Unknown site {site!r}.{did_you_mean(site, sites)} Expected one of: {', '.join(sites)}"
        )
    table = table[(parts[0] == "sites") & (parts[1] == site)]
    images = [
        _SiteImage(subject, role, product, title, _image_url(path, role, title), data)
        for path, subject, role, product, title, data in zip(
            *(table[name] for name in ("path", "subject", "role", "product", "title")),
            image_bytes(list(table["path"])),
            strict=True,
        )
    ]
    return _Pages(site.replace("-", " ").title(), images).shop()


@dataclass(frozen=True)
class _SiteImage:
    subject: str
    role: str
    product: int
    title: str
    url: str
    data: bytes


@dataclass(frozen=True)
class _Product:
    name: str
    subject: str
    url: str
    images: list[str]
    thumbnail: str
    price: str

    @property
    def linked_data(self) -> dict[str, object]:
        return {
            "@context": "https://schema.org",
            "@type": "Product",
            "name": self.name,
            "image": [HERE + url for url in self.images],
            "offers": {"@type": "Offer", "price": self.price, "priceCurrency": "EUR"},
        }


def _image_url(path: str, role: str, title: str) -> str:
    """Return an image's url, as a shop system would build it."""
    folders = dict.fromkeys(("product", "detail", "repeat"), "products") | {"thumbnail": "cache/96"}
    file = Path(path)
    return f"/media/{folders.get(role, 'theme')}/{_slug(title)}-{file.stem}{file.suffix}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


_CATEGORIES = {
    "Nuts": ("almonds", "hazelnuts", "peanuts"),
    "Dried fruit": ("coconut", "dates"),
    "Baking and cereals": ("cocoa", "oats"),
    "Oils and syrups": ("maple syrup", "sunflower oil"),
    "Clothing": ("clothing",),
}


class _Pages:
    """The pages of a shop of the sample."""

    def __init__(self, name: str, images: Sequence[_SiteImage]) -> None:
        self.name, self.images = name, images
        self.products = [self._product(number) for number in self._numbers()]
        self.categories = {
            category: f"/category/{_slug(category)}.html"
            for category, subjects in _CATEGORIES.items()
            if any(product.subject in subjects for product in self.products)
        }

    def shop(self) -> Shop:
        """Return all files of the shop."""
        files: dict[str, tuple[str, bytes]] = {}
        wide = sorted(
            (image for image in self.images if image.role in ("banner", "page")),
            key=lambda image: image.role,
        )
        files["/"] = self._page("Welcome", images=wide[:1], products=self.products[:8])
        files["/about.html"] = self._page("About us", images=wide[1:])
        for category, url in self.categories.items():
            subjects = _CATEGORIES[category]
            products = [product for product in self.products if product.subject in subjects]
            files[url] = self._page(category, products=products)
        for number, product in enumerate(self.products):
            related = [self.products[(number + k) % len(self.products)] for k in (1, 2)]
            page = self._page(product.name, product=product, products=related)
            files[product.url] = page
        files |= self._for_crawlers(list(files))
        for image in self.images:
            files[image.url] = MEDIA_TYPES[Path(image.url).suffix], image.data
        subjects_by_url = {image.url: image.subject for image in self.images if image.product >= 0}
        return Shop(self.name, files, subjects_by_url)

    def _numbers(self) -> list[int]:
        return sorted({image.product for image in self.images if image.product >= 0})

    def _product(self, number: int) -> _Product:
        images = [image for image in self.images if image.product == number]
        thumbnails = [image.url for image in images if image.role == "thumbnail"]
        images = [image for image in images if image.role != "thumbnail"]
        images.sort(key=lambda image: image.role != "product")
        return _Product(
            name=images[0].title,
            subject=images[0].subject,
            url=f"/products/{_slug(images[0].title)}-{number}.html",
            images=[image.url for image in images],
            thumbnail=thumbnails[0] if thumbnails else images[0].url,
            price=f"{4 + number * 37 % 19}.{number * 7 % 10}9",
        )

    def _page(
        self,
        title: str,
        *,
        images: Sequence[_SiteImage] = (),
        product: _Product | None = None,
        products: Sequence[_Product] = (),
    ) -> tuple[str, bytes]:
        by_role = {image.role: image.url for image in self.images}
        page = _template().render(
            title=title,
            here=HERE,
            shop=self.name,
            logo=by_role["logo"],
            icon=by_role["icon"],
            categories=self.categories,
            images=images,
            product=product,
            products=products,
        )
        return "text/html; charset=utf-8", page.encode()

    def _for_crawlers(self, pages: Sequence[str]) -> dict[str, tuple[str, bytes]]:
        entries = "".join(f"<url><loc>{HERE}{escape(page)}</loc></url>" for page in pages)
        sitemap = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'
        robots = f"User-agent: *\nDisallow: /cart\nSitemap: {HERE}/sitemap.xml\n"
        return {
            "/sitemap.xml": ("application/xml", sitemap.encode()),
            "/robots.txt": ("text/plain", robots.encode()),
        }


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("shop.html")
