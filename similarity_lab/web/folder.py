"""The folder of one collected site: its layout and its tables.

::

    <out_dir>/<site>/
        site.json        what was requested, and the outcome
        images/          the images, named by their content
        images.parquet   a row per image that the pages name: kept or not, why, from where
        pages.parquet    a row per page
        crawl/           logs of the crawl: images.jsonl, pages.jsonl
    <out_dir>/.crawler/  logs of the crawler's process: connects.jsonl, scrapy.log
"""

import hashlib
import json
import os
import re
from pathlib import Path

import pandas as pd

from similarity_lab.errors import CollectedFolderError
from similarity_lab.files import atomic_write, part_path
from similarity_lab.sites import ORIGIN_COLUMNS, ORIGIN_NUMBERS, ORIGINS, PAGE_COVERAGE
from similarity_lab.web.crawler.job import read_log
from similarity_lab.web.policy.urls import spelling_key

PAGES, MARKER = "pages.parquet", "site.json"
FORMAT = 2  # of a site's folder; version 1 of this package wrote none
COLLECTED_IMAGE_COLUMNS = [
    *ORIGIN_COLUMNS, "kind", "crawl_status", "reason", "reason_code", "format", "width", "height",
    "bytes",
]  # fmt: skip
PAGE_COLUMNS = [
    "url", "kind", "crawl_status", "reason", "reason_code", "depth", "drawn", "n_images", "bytes"
]  # fmt: skip
_NUMBERS = {
    **ORIGIN_NUMBERS,
    **dict.fromkeys(("width", "height", "bytes", "depth", "n_images", "priority"), "Int64"),
    "drawn": "boolean",
}
_IMAGE_STATUSES = ("kept", "repeated", "left out", "failed", "not fetched")  # best first
_IMAGE_NAME = re.compile(r"(part-)?[0-9a-f]{32}\.[a-z]{3,4}")


def folder_name(url: str) -> str:
    """Return the name of a site's folder: the host, with a digest if the URL has a path or query.

    All spellings of a URL have one folder (`similarity_lab.web.policy.urls.spelling_key`).

    Examples
    --------
    >>> folder_name("https://www.shop.example/"), folder_name("http://127.0.0.1:8000/a?b")
    ('shop.example', '127.0.0.1_8000-eca29d94')
    """
    key = spelling_key(url)
    netloc, _, rest = key.partition("/")
    host = re.sub(r"[^a-z0-9.-]+", "_", netloc).strip(".")[:100] or "site"
    return f"{host}-{hashlib.sha256(key.encode()).hexdigest()[:8]}" if rest else host


def prepare_folder(folder: Path, url: str) -> None:
    """Create a site's folder, or check that an earlier call created it for the same site.

    Raises
    ------
    CollectedFolderError
        The folder holds anything else, or was written by version 1.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise CollectedFolderError(f"{folder} is not a folder; choose another out_dir")
    if folder.is_dir() and any(path != part_path(folder / MARKER) for path in folder.iterdir()):
        _check_owner(folder, url)
    folder.mkdir(parents=True, exist_ok=True)
    if read_marker(folder) is None:  # first of all: it marks the folder as ours if we are killed
        write_marker(folder, {"url": url, "crawl_status": "unfinished"})
    for path in (folder / "images", folder / "crawl"):
        path.mkdir(parents=True, exist_ok=True)
    (folder / "crawl" / "outcome.json").unlink(missing_ok=True)


def _check_owner(folder: Path, url: str) -> None:
    marker = read_marker(folder)
    if marker is None:
        raise CollectedFolderError(
            f"{folder} is not empty and not a collected site; choose another out_dir"
        )
    if marker.get("format") != FORMAT:
        raise CollectedFolderError(
            f"{folder} was collected by another version of similarity_lab; delete the folder to "
            "collect the site again, or choose another out_dir"
        )
    if spelling_key(str(marker.get("url"))) != spelling_key(url):
        raise CollectedFolderError(
            f"{folder} holds the images of {marker.get('url')}; choose another out_dir"
        )
    # A symbolic link could redirect what we write to any other place
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if (path := Path(parent, name)).is_symlink():
                raise CollectedFolderError(f"{path} is a symbolic link; remove it")


def read_marker(folder: Path) -> dict | None:
    """Return the content of `site.json`, or None if it is missing or cannot be read."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) else None


def write_marker(folder: Path, marker: dict) -> None:
    """Write `site.json` atomically."""
    with atomic_write(folder / MARKER) as part:
        text = json.dumps({"format": FORMAT, **marker}, indent=1)
        part.write_text(text + "\n", encoding="utf-8")


def read_outcome(folder: Path) -> dict:
    """Return the outcome that the crawler wrote; empty if it was killed."""
    try:
        return json.loads((folder / "crawl" / "outcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Turn the crawl's logs into ``images.parquet`` and ``pages.parquet``; return both.

    If an image was requested more than once, the best outcome counts. Image files without a row,
    left by a killed crawl, are deleted.
    """
    images = _read_table(folder / "crawl" / "images.jsonl", [*COLLECTED_IMAGE_COLUMNS, "priority"])
    ranks = {status: rank for rank, status in enumerate(_IMAGE_STATUSES)}
    images["_rank"] = images["crawl_status"].map(ranks)
    images = images.sort_values("_rank", kind="stable").drop_duplicates("url")
    order = ["_rank", "priority", "url"]
    images = images.sort_values(order, ascending=[True, False, True], ignore_index=True)
    kept = set(images.loc[images["crawl_status"] == "kept", "path"])
    for path in (folder / "images").iterdir():
        if f"images/{path.name}" not in kept and _IMAGE_NAME.fullmatch(path.name):
            path.unlink()
    images = images[COLLECTED_IMAGE_COLUMNS]
    images.attrs[PAGE_COVERAGE] = read_outcome(folder).get("page_coverage", 1.0)
    pages = _read_table(folder / "crawl" / "pages.jsonl", PAGE_COLUMNS)
    for table, name in ((images, ORIGINS), (pages, PAGES)):
        with atomic_write(folder / name) as part:
            table.to_parquet(part, index=False)
    return images, pages


def read_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of images and pages."""
    return pd.read_parquet(folder / ORIGINS), pd.read_parquet(folder / PAGES)


def forget_left_out(folder: Path) -> None:
    """Remove images that were not kept from the log: other limits may keep them."""
    log = folder / "crawl" / "images.jsonl"
    rows = [row for row in read_log(log) if row["crawl_status"] in ("kept", "repeated")]
    with atomic_write(log) as part:
        part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def delete_cache(folder: Path) -> None:
    """Delete the HTTP cache, which only an unfinished crawl needs."""
    (folder / "crawl" / "responses").unlink(missing_ok=True)


def _read_table(log: Path, columns: list[str]) -> pd.DataFrame:
    rows = [
        {name: row.get(name, None if name in _NUMBERS else "") for name in columns}
        for row in read_log(log)
    ]
    numbers = {name: dtype for name, dtype in _NUMBERS.items() if name in columns}
    return pd.DataFrame(rows, columns=columns).astype(numbers)
