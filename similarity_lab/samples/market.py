"""A market of fictional shops that are as hard to judge as real ones.

One product among twenty or fifty is the target, others look like it or are named like it. Logos,
banners, small versions, sections and copies of photos stand between them, and an image that is
gone. One shop is drawn by a script, and one forbids crawlers.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

import numpy as np
import pandas as pd
from PIL import Image

from similarity_lab.samples.shipped import TARGET, image_bytes, images_table
from similarity_lab.samples.shops import HERE, MEDIA_TYPES, Shop

_HTML = "text/html; charset=utf-8"
_PER_PAGE = 12  # products of a page of the catalogue
_SMALL = 96  # pixels of a thumbnail


@dataclass(frozen=True)
class _Plan:
    """What a shop of the market sells, and how its pages show it."""

    counts: Mapping[str, int]
    layout: str
    is_named: bool = True
    misnomer: str = ""  # the title of its first sunflower oil


_OTHERS = ("cocoa", "coconut", "dates", "maple syrup", "oats", "sunflower oil")
_PLANS = {
    "Harbour Grocers": _Plan(
        {TARGET: 1, "hazelnuts": 2, "peanuts": 2} | dict.fromkeys(_OTHERS, 2) | {"dates": 5},
        "lazy",
    ),
    "Fifty Pantry": _Plan(
        {TARGET: 1, "hazelnuts": 7, "peanuts": 7, "clothing": 5} | dict.fromkeys(_OTHERS, 5),
        "plain",
        is_named=False,
    ),
    "Script Stall": _Plan({TARGET: 2, "oats": 5, "dates": 5, "cocoa": 4}, "script"),
    "Nut House": _Plan(
        {"hazelnuts": 9, "peanuts": 9, "sunflower oil": 2}, "lazy", misnomer="Almond oil 250 ml"
    ),
    "Market Hall": _Plan(
        {"hazelnuts": 4, "peanuts": 6, "clothing": 6} | dict.fromkeys(_OTHERS, 4),
        "plain",
        is_named=False,
    ),
    "Closed Corner": _Plan({TARGET: 4, "dates": 4}, "plain"),
}
_CLOSED = "Closed Corner"  # its robots.txt forbids everything


def make_market(*, seed: int = 0) -> dict[str, Shop]:
    """Return the shops of the market by name.

    Three sell almonds: one of twenty products, with names; one of fifty, without names; and two of
    sixteen, on pages that a script draws. Two sell none of them but nuts that look like them, one
    of the two also "almond oil". The last one, which sells them as well, forbids crawlers.

    Parameters
    ----------
    seed : int
        Chooses the photos; two shops may show the same photo.

    Returns
    -------
    dict of str to Shop
        ``TARGET in shop.products.values()`` says whether a shop sells almonds.

    Examples
    --------
    >>> market = make_market()
    >>> {name: "almonds" in shop.products.values() for name, shop in market.items()}["Nut House"]
    False
    """
    rng = np.random.default_rng(seed)
    return {name: _Pages(name, plan, rng).shop() for name, plan in _PLANS.items()}


@dataclass(frozen=True)
class _Ware:
    subject: str
    name: str
    url: str
    image: str
    small: str
    section: str  # "" for most
    price: str


class _Pages:
    """The pages of a shop of the market."""

    def __init__(self, name: str, plan: _Plan, rng: np.random.Generator) -> None:
        self.name, self.plan = name, plan
        self.files: dict[str, tuple[str, bytes]] = {}
        chosen = _choose(plan.counts, rng)
        self.wares = [
            self._ware(number, subject, title, path, data)
            for number, (subject, title, path, data) in enumerate(
                zip(
                    *(chosen[column] for column in ("subject", "title", "path")),
                    image_bytes(list(chosen["path"])),
                    strict=True,
                )
            )
        ]
        decor = images_table().drop_duplicates("role").set_index("role")["path"]
        for role in ("logo", "icon", "banner"):
            path = decor[role]
            self._add(f"/theme/{role}{_suffix(path)}", image_bytes([path])[0])

    def shop(self) -> Shop:
        """Return all files of the shop."""
        if self.plan.layout == "script":
            self._add_script()
        else:
            self._add_catalogue()
        forbidden = "/" if self.name == _CLOSED else "/cart"
        robots = f"User-agent: *\nDisallow: {forbidden}\n"
        self.files["/robots.txt"] = "text/plain", robots.encode()
        return Shop(self.name, self.files, {ware.image: ware.subject for ware in self.wares})

    def _ware(self, number: int, subject: str, title: str, path: str, data: bytes) -> _Ware:
        if self.plan.misnomer and subject == "sunflower oil":
            earlier = [file for file in self.files if "oil" in file]
            title = title if earlier else self.plan.misnomer
        name = title if self.plan.is_named else f"Item {1000 + 7 * number}"
        file = _slug(title) if self.plan.is_named else f"img_{3200 + 13 * number}"
        image = self._add(f"/media/{file}-{number}{_suffix(path)}", data)
        small = self._add(f"/media/small/{file}-{number}.jpg", _thumbnail(data))
        section = ""
        if number % 4 == 0 and self.plan.layout != "script":
            section = self._add(f"/media/zoom/{file}-{number}.jpg", _section(data))
        price = f"{3 + number * 37 % 17}.{number * 7 % 10}9"
        return _Ware(subject, name, f"/product/{number}", image, small, section, price)

    def _add(self, url: str, data: bytes) -> str:
        self.files[url] = MEDIA_TYPES[_suffix(url)], data
        return url

    def _add_catalogue(self) -> None:
        parts = [
            self.wares[start : start + _PER_PAGE] for start in range(0, len(self.wares), _PER_PAGE)
        ]
        for number, wares in enumerate(parts):
            links = "".join(f'<a href="/shop?page={n + 1}">{n + 1}</a> ' for n in range(len(parts)))
            self._page(f"/shop?page={number + 1}", "All products", self._cards(wares) + links)
        offer = self.wares[0].image
        self.files["/media/offer-of-the-week.jpg"] = self.files[offer]
        banner = (
            '<img src="/theme/banner.jpg" alt=""><img src="/media/offer-of-the-week.jpg" alt="">'
            '<img src="/media/season.jpg" alt="">'
        )
        self.files["/media/season.jpg"] = _HTML, b"<h1>Not found</h1>"
        shelf = self._cards(self.wares[-6:])
        self._page("/", "Welcome", f'{banner}{shelf}<a href="/shop?page=1">All products</a>')
        self._page("/about", "About us", "<p>A family business since 1887.</p>")
        for number, ware in enumerate(self.wares):
            related = [self.wares[(number + k) % len(self.wares)] for k in (3, 8)]
            zoom = f'<a href="{ware.section}">Zoom</a>' if ware.section else ""
            content = (
                f"{_SHOW[self.plan.layout](ware)}{zoom}<p>{ware.price} €</p>{self._cards(related)}"
            )
            self._page(ware.url, ware.name, content + self._cards(related))

    def _cards(self, wares: Sequence[_Ware]) -> str:
        return "".join(
            f'<a class="card" href="{ware.url}"><img src="{ware.small}" '
            f'srcset="{ware.small} {_SMALL}w, {ware.image} 640w" alt="{self._alt(ware)}" '
            f'loading="lazy"> {escape(ware.name)}</a>'
            for ware in wares
        )

    def _alt(self, ware: _Ware) -> str:
        return escape(ware.name) if self.plan.is_named else ""

    def _page(self, url: str, title: str, content: str) -> None:
        text = (
            f"<!doctype html><html><head><title>{escape(title)} – {escape(self.name)}</title>"
            f'<link rel="icon" href="/theme/icon.gif"></head><body><header><a href="/">'
            f'<img src="/theme/logo.png" alt="{escape(self.name)}"></a></header><main>'
            f"<h1>{escape(title)}</h1>{content}</main><footer>"
            f'<a href="/about">About us</a></footer></body></html>'
        )
        self.files[url] = _HTML, text.encode()

    def _add_script(self) -> None:
        """Add one empty page and the script that draws the shop into it."""
        products = [
            {"name": ware.name, "picture": ware.image, "price": ware.price} for ware in self.wares
        ]
        self.files["/api/products.json"] = "application/json", json.dumps(products).encode()
        self.files["/app.js"] = "text/javascript", _SCRIPT.encode()
        text = (
            f"<!doctype html><html><head><title>{escape(self.name)}</title></head><body>"
            '<div id="app"></div><noscript>Please enable JavaScript.</noscript>'
            '<script src="/app.js"></script></body></html>'
        )
        self.files["/"] = _HTML, text.encode()


_SCRIPT = """fetch("/api/products.json").then(answer => answer.json()).then(products => {
  const app = document.getElementById("app");
  for (const product of products) {
    const card = document.createElement("figure");
    const image = document.createElement("img");
    image.src = product.picture;
    image.alt = product.name;
    const caption = document.createElement("figcaption");
    caption.textContent = product.name + " " + product.price + " €";
    card.append(image, caption);
    app.append(card);
  }
});
"""


def _show_plain(ware: _Ware) -> str:
    return f'<img src="{ware.image}" width="600" alt="">'


def _show_lazy(ware: _Ware) -> str:
    data = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": ware.name,
        "image": HERE + ware.image,
        "offers": {"@type": "Offer", "price": ware.price, "priceCurrency": "EUR"},
    }
    return (
        f'<script type="application/ld+json">{json.dumps(data)}</script>'
        f'<div class="hero" style="background-image: url({ware.image})"></div>'
        f'<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" data-src="{ware.image}" '
        f'alt="{escape(ware.name)}">'
    )


_SHOW: dict[str, Callable[[_Ware], str]] = {"plain": _show_plain, "lazy": _show_lazy}


def _choose(counts: Mapping[str, int], rng: np.random.Generator) -> pd.DataFrame:
    """Return random product photos of the sample's sites, as many of each subject as wanted."""
    photos = _photos()
    chosen = []
    for subject, count in counts.items():
        rows = photos[photos["subject"] == subject]
        chosen.append(rows.iloc[rng.permutation(len(rows))[:count]])
    table = pd.concat(chosen)
    return table.iloc[rng.permutation(len(table))]


@cache
def _photos() -> pd.DataFrame:
    table = images_table()
    return table[(table["role"] == "product") & table["readable"]]


def _thumbnail(data: bytes) -> bytes:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail((_SMALL, _SMALL))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG")
    return buffer.getvalue()


def _section(data: bytes) -> bytes:
    """Return a photo without its margins, a little larger: a near copy."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    box = (width // 12, height // 12, width - width // 12, height - height // 12)
    buffer = io.BytesIO()
    image.crop(box).resize((width, height)).save(buffer, format="JPEG")
    return buffer.getvalue()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _suffix(path: str) -> str:
    return "." + path.rpartition(".")[2]
