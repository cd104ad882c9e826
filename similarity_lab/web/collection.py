"""What was collected: a table of sites, and the sites to be scored."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from similarity_lab.sites import Site
from similarity_lab.web import folder as layout

SITE_COLUMNS = [
    "name", "url", "status", "reason", "n_pages", "n_found", "n_images", "n_left_out", "n_repeated",
    "n_failed", "folder",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Collection:
    """What was collected.

    Attributes
    ----------
    table : DataFrame
        One row per address, in the order given: name, url, status ("collected", "empty",
        "failed", "refused", "repeated"), reason, n_pages, n_found, n_images (kept), n_left_out,
        n_repeated, n_failed (images), folder.
    """

    table: pd.DataFrame

    @property
    def sites(self) -> list[Site]:
        """The sites that have images, to be scored."""
        rows = self.table[self.table["status"] == "collected"]
        return [
            Site.from_folder(folder, name=name)
            for folder, name in zip(rows["folder"], rows["name"], strict=True)
        ]

    @property
    def images(self) -> pd.DataFrame:
        """One row per image that was found on any site: site, then as in ``images.parquet``."""
        rows = self.table[self.table["status"].isin(["collected", "empty"])]
        tables = [
            pd.read_parquet(Path(folder) / layout.IMAGES).assign(site=name)
            for folder, name in zip(rows["folder"], rows["name"], strict=True)
        ]
        columns = ["site", *layout.IMAGE_COLUMNS]
        return (
            pd.concat(tables, ignore_index=True)[columns]
            if tables
            else pd.DataFrame(columns=columns)
        )


def summary(folder: Path, images: pd.DataFrame, pages: pd.DataFrame) -> dict:
    """Return the figures of one site's row."""
    count = images["status"].value_counts()
    return {
        "n_pages": int(((pages["status"] == "read") & (pages["kind"] == "page")).sum()),
        "n_found": len(images),
        "n_images": int(count.get("kept", 0)),
        "n_left_out": int(count.get("left out", 0)) + int(count.get("not fetched", 0)),
        "n_repeated": int(count.get("repeated", 0)),
        "n_failed": int(count.get("failed", 0)),
        "folder": str(folder),
    }
