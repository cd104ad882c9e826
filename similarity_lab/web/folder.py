"""One site's folder: what lies where, and how it becomes tables.

::

    <out_dir>/<site>/
        site.json        what was asked for and what came of it
        images/          the images, named by their content
        images.parquet   a row per image that was found: kept, left out, why, from where
        pages.parquet    a row per page
        crawl/           notes of the crawl: images.jsonl, pages.jsonl, connects.jsonl, scrapy.log
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd

from similarity_lab.errors import CollectedFolderError
from similarity_lab.files import atomic_write, part_path
from similarity_lab.web.crawler.jobs import read_lines

IMAGES, PAGES, MARKER = "images.parquet", "pages.parquet", "site.json"
IMAGE_COLUMNS = [
    "path", "url", "page", "alt", "time", "sha256", "kind", "status", "reason", "format",
    "width", "height", "bytes",
]  # fmt: skip
PAGE_COLUMNS = ["url", "kind", "status", "reason", "depth", "n_images", "bytes"]
_NUMBERS = frozenset({"width", "height", "bytes", "depth", "n_images", "priority"})
_STATUSES = ("kept", "repeated", "left out", "failed", "not fetched")
_OURS = re.compile(r"[0-9a-f]{32}\.[a-z]{3,4}")


def folder_name(url: str) -> str:
    """Return the name of a site's folder: its host, and a digest where it is more than that.

    Examples
    --------
    >>> folder_name("https://www.shop.example/"), folder_name("http://127.0.0.1:80/a?b")
    ('www.shop.example', '127.0.0.1_80-d38383cf')
    """
    parts = urlsplit(url)
    host = re.sub(r"[^a-z0-9.-]+", "_", parts.netloc.lower()).strip(".")[:100] or "site"
    if parts.path in ("", "/") and not parts.query:
        return host
    return f"{host}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def prepare(folder: Path, url: str) -> None:
    """Make a site's folder, or check that it is one that an earlier call has made for this site."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise CollectedFolderError(f"{folder}: is not a folder; name another out_dir")
    if folder.is_dir() and any(path != part_path(folder / MARKER) for path in folder.iterdir()):
        _check_ours(folder, url)
    folder.mkdir(parents=True, exist_ok=True)
    if read_marker(folder) is None:  # comes first: it makes the folder ours, should we be killed
        write_marker(folder, {"url": url, "status": "unfinished"})
    for path in (folder / "images", folder / "crawl" / "cache"):
        path.mkdir(parents=True, exist_ok=True)
    (folder / "crawl" / "outcome.json").unlink(missing_ok=True)


def _check_ours(folder: Path, url: str) -> None:
    marker = read_marker(folder)
    if marker is None or marker.get("url") != url:
        what = "no collected site" if marker is None else f"the images of {marker.get('url')}"
        raise CollectedFolderError(
            f"{folder}: holds {what}, nothing is written over it; name another out_dir"
        )
    # A link in it could lead what we write to any other place
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if (path := Path(place, name)).is_symlink():
                raise CollectedFolderError(f"{path}: is a link, which no crawl makes; remove it")


def read_marker(folder: Path) -> dict | None:
    """Return what `site.json` says, or None if there is none that can be read."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) else None


def write_marker(folder: Path, marker: dict) -> None:
    """Write `site.json` at once or not at all."""
    with atomic_write(folder / MARKER) as part:
        part.write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")


def read_outcome(folder: Path) -> dict:
    """Return how the crawler says it went; empty if it did not live to say so."""
    try:
        return json.loads((folder / "crawl" / "outcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn the crawl's notes into ``images.parquet`` and ``pages.parquet``; return both.

    Of an image that was tried more than once the best outcome counts. Files that no row vouches
    for, left by a crawl that was cut off, are removed.
    """
    images = _notes(folder / "crawl" / "images.jsonl", [*IMAGE_COLUMNS, "priority"])
    images["_rank"] = images["status"].map({status: at for at, status in enumerate(_STATUSES)})
    images = images.sort_values("_rank", kind="stable").drop_duplicates("url")
    order = ["_rank", "priority", "url"]
    images = images.sort_values(order, ascending=[True, False, True], ignore_index=True)
    kept = set(images.loc[images["status"] == "kept", "path"])
    for path in (folder / "images").iterdir():
        if f"images/{path.name}" not in kept and _OURS.fullmatch(path.name):
            path.unlink()
    images = images[IMAGE_COLUMNS]
    pages = _notes(folder / "crawl" / "pages.jsonl", PAGE_COLUMNS)
    for table, name in ((images, IMAGES), (pages, PAGES)):
        with atomic_write(folder / name) as part:
            table.to_parquet(part, index=False)
    return images, pages


def read_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of images and pages that `write_tables` wrote."""
    return pd.read_parquet(folder / IMAGES), pd.read_parquet(folder / PAGES)


def forget_left_out(folder: Path) -> None:
    """Forget what was left out: with other limits it may come out otherwise."""
    log = folder / "crawl" / "images.jsonl"
    kept = [row for row in read_lines(log) if row["status"] in ("kept", "repeated")]
    with atomic_write(log) as part:
        part.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")


def forget_cache(folder: Path) -> None:
    """Remove the answers that were kept to go on from: the crawl is finished."""
    shutil.rmtree(folder / "crawl" / "cache", ignore_errors=True)


def _notes(path: Path, columns: list[str]) -> pd.DataFrame:
    rows = [
        {name: row.get(name, None if name in _NUMBERS else "") for name in columns}
        for row in read_lines(path)
    ]
    numbers = {name: "Int64" for name in _NUMBERS if name in columns}
    return pd.DataFrame(rows, columns=columns).astype(numbers)
