"""Rebuilt real shops: their listed images with origins, and the library of product photos.

The shops' websites and photos, rebuilt from public repositories, lie in the folder that
SIMILARITY_LAB_SHOPS names (``sites/`` and ``photos/``); the lists lie beside the rebuilding script
(SIMILARITY_LAB_SHOPS_LISTS, default ../shared/real-shops).
"""

import functools
import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pandas as pd

from benchmarks.common import HERE
from similarity_lab import ImageDataset, Site, load_dataset
from similarity_lab.sites import ORIGIN_COLUMNS, ORIGIN_NUMBERS
from similarity_lab.web.html.markup import IMAGE_SUFFIXES, parse_page, url_suffix
from similarity_lab.web.html.srcset import candidates

CORE_TARGETS = ("almonds", "cashews", "walnuts", "pistachios", "raisins", "dates", "rice")
FURTHER_TARGETS = ("peanuts", "oats", "coconut", "spices")
TARGETS = CORE_TARGETS + FURTHER_TARGETS
# classes of photos that show the targets in another form, or several of them
LEFT_OUT = (
    "target_plants", "almond_oil", "coconut_oil", "peanut_oil", "cocoa_butter",
    "coconut_byproducts", "oat_dishes", "mixed_nuts", "chocolate",
)  # fmt: skip
FEWEST_PHOTOS = 3  # of a class of a library
HOST = "http://shop.example/"  # of the images' urls, as if each shop's folder were served there

_PAGES = frozenset({".html", ".htm", ".php"})
_SCRIPTS = frozenset({".js", ".json"})
_INNERMOST = re.compile(r"\{[^{}]*\}")
_NAME = re.compile(r"""\b(?:name|product|title)["']?\s*:\s*(["'`])(.+?)\1""")
_FILE = re.compile(r"""\b(?:image|img|photo|picture|src)["']?\s*:\s*(["'`])(.+?)\1""")


def shops_folders() -> tuple[Path, Path]:
    """Return the folder of the rebuilt shops and the folder of their lists."""
    lists = HERE.parent.parent / "shared" / "real-shops"
    shops = Path(os.environ.get("SIMILARITY_LAB_SHOPS", ""))
    lists = Path(os.environ.get("SIMILARITY_LAB_SHOPS_LISTS", lists))
    if "SIMILARITY_LAB_SHOPS" not in os.environ or not (shops / "sites").is_dir():
        raise SystemExit("set SIMILARITY_LAB_SHOPS to the folder of the rebuilt shops")
    if not (lists / "images.csv").is_file():
        raise SystemExit(f"No images.csv in {lists}; set SIMILARITY_LAB_SHOPS_LISTS")
    return shops, lists


def read_shops(lists: Path) -> pd.DataFrame:
    """Return a row per shop: repo, start (the path of its first page), kind (static or drawn)."""
    table = pd.read_csv(lists / "sites.csv", dtype=str, keep_default_na=False)
    kind = table["drawn_by_scripts"].map({"True": "drawn", "False": "static"})
    return table[["repo", "start"]].assign(kind=kind)


def read_truth(lists: Path) -> pd.DataFrame:
    """Return a row per listed image: repo, sha256, file, shows, among (both sets of targets)."""
    table = pd.read_csv(lists / "images.csv", dtype=str, keep_default_na=False)
    for column in ("shows", "shows_among_others"):
        table[column] = [frozenset(filter(None, text.split(";"))) for text in table[column]]
    return table.rename(columns={"shows_among_others": "among"}).drop_duplicates(["repo", "sha256"])


def read_library(shops: Path, lists: Path) -> pd.DataFrame:
    """Return a row per photo that could be rebuilt: path, label, repo."""
    table = pd.read_csv(lists / "photos.csv", dtype=str)
    paths = [shops / "photos" / file for file in table["file"]]
    photos = pd.DataFrame(
        {"path": paths, "label": [path.parent.name for path in paths], "repo": table["source_repo"]}
    )
    is_usable = np.array([path.is_file() for path in paths])
    return photos[is_usable & ~photos["label"].isin(LEFT_OUT)]


def library_without(photos: pd.DataFrame, repos: Collection[str]) -> ImageDataset:
    """Return the photos of other repositories, without classes that are too small then."""
    others = photos[~photos["repo"].isin(repos)]
    counts = others["label"].value_counts()
    classes = sorted(counts.index[counts >= FEWEST_PHOTOS])
    return load_dataset(
        {name: list(others["path"][others["label"] == name]) for name in classes}, progress=False
    )


def catalogue(shops: Path, repo: str, truth: pd.DataFrame) -> pd.DataFrame:
    """Return what an ideal crawl would know of the listed images of a shop.

    Parameters
    ----------
    shops : Path
    repo : str
    truth : DataFrame
        Of `read_truth`, the rows of this shop.

    Returns
    -------
    DataFrame
        A row per listed image whose bytes are among the shop's files: `ORIGIN_COLUMNS` and file,
        the path within the shop. product has the names in the shop's own data, which its scripts
        would render. Several alternative texts or names are joined by " | ".
    """
    folder = shop_folder(shops, repo)
    by_digest: dict[str, list[str]] = defaultdict(list)
    for file in files_of(folder):
        by_digest[file_digest(folder / file)].append(file)
    texts = ShopTexts(folder)
    rows = []
    for digest, listed in zip(truth["sha256"], truth["file"], strict=True):
        files = by_digest[digest]
        if not files:
            continue
        shown = [file for file in files if texts.pages[file]]
        file = listed if listed in files else (shown or files)[0]
        pages = unique(page for each in (file, *files) for page in texts.pages[each])
        rows.append(
            dict.fromkeys(ORIGIN_COLUMNS, "")
            | dict.fromkeys(ORIGIN_NUMBERS)
            | {
                "path": str(folder / file),
                "url": HOST + quote(file),
                "page": HOST + quote(pages[0]) if pages else "",
                "alt": " | ".join(unique(alt for each in files for alt in texts.alts[each])),
                "sha256": digest,
                "file": file,
                "product": " | ".join(unique(n for each in files for n in texts.products[each])),
            }
        )
    return pd.DataFrame(rows, columns=[*ORIGIN_COLUMNS, "file"]).astype(ORIGIN_NUMBERS)


def catalogue_site(shops: Path, repo: str, truth: pd.DataFrame) -> Site:
    """Return the listed images of a shop as a site with origins, without names from data."""
    table = catalogue(shops, repo, truth)
    origins = table[ORIGIN_COLUMNS].assign(product="")
    return Site(repo, tuple(map(Path, table["path"])), origins=origins)


def shop_folder(shops: Path, repo: str) -> Path:
    """Return the folder of a shop's website."""
    return shops / "sites" / repo.replace("/", "__")


@functools.cache  # every target asks for the images of a shop again
def file_digest(path: Path | str) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def files_of(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, relative to it, sorted."""
    return [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_file()]


class ShopTexts:
    """What the pages and scripts of a shop say about its image files.

    Attributes
    ----------
    pages, alts, products : dict of list
        By image file: the pages that show it, its alternative texts there, and its names in data.
    """

    def __init__(self, folder: Path) -> None:
        self.pages: dict[str, list[str]] = defaultdict(list)
        self.alts: dict[str, list[str]] = defaultdict(list)
        self.products: dict[str, list[str]] = defaultdict(list)
        files = files_of(folder)
        self._images = {file for file in files if url_suffix(file) in IMAGE_SUFFIXES}
        self._by_name = {Path(file).name.lower(): file for file in sorted(self._images)}
        for file in files:
            if url_suffix(file) in _PAGES:
                self._read_page(file, (folder / file).read_bytes())
            elif url_suffix(file) in _SCRIPTS and not file.endswith(".min.js"):
                self._read_data(HOST, (folder / file).read_text("utf-8", "replace"))

    def _read_page(self, file: str, html: bytes) -> None:
        page = parse_page(html, HOST + quote(file))
        for node in page.root.iter("img", "amp-img"):
            urls = {page.absolute(value) for value in _urls(node.attrib)}
            for image in sorted(filter(None, map(self._image, urls))):
                self.pages[image].append(file)
                alt = " ".join((node.get("alt") or "").split())
                if alt and "${" not in alt and "<?" not in alt:
                    self.alts[image].append(alt)
        for script in page.root.iter("script"):
            self._read_data(page.base, script.text or "")

    def _read_data(self, base: str, text: str) -> None:
        """Read objects with a name and an image, from the innermost outwards."""
        page = parse_page("", base)
        while objects := _INNERMOST.findall(text):
            for each in objects:
                name, url = _NAME.search(each), _FILE.search(each)
                image = self._image(page.absolute(url[2])) if url else ""
                if name and image:
                    self.products[image].append(name[2])
            text = _INNERMOST.sub("", text)

    def _image(self, url: str) -> str:
        """Return the image file that a url means: of this path, else of this name."""
        path = unquote(urlsplit(url).path).lstrip("/")
        if path in self._images:
            return path
        return self._by_name.get(path.rpartition("/")[2].lower(), "")


def _urls(attributes: dict[str, str]) -> Iterator[str]:
    for name, value in attributes.items():
        if name.endswith("srcset"):
            yield from (url for url, _ in candidates(value))
        elif name == "src" or name.startswith("data-"):
            yield value


def unique(values: Iterator[str]) -> list[str]:
    """Return each value once, in order."""
    return list(dict.fromkeys(values))
