"""Collect the sites of a partition; what a task of the cluster does.

Apart from `deciding`, whose imports would triple the time that a process of this task takes to
start.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa

from similarity_lab.distributed.partitions import Partition
from similarity_lab.web import collect_each

SCRATCH = "similarity-lab-"
"""Temporary folders begin with this."""

_NOT_NEEDED = ("crawl",)  # logs, of which the tables have everything

CrawledSite = tuple[int, dict[str, Any], pa.Table | None]
"""Position in its partition, row of `Collection.table`, and files: columns name and data."""


def collect_partition(partition: Partition, options: Mapping[str, Any]) -> Iterator[CrawledSite]:
    """Crawl the sites of a partition in one process; yield each when it is finished.

    Parameters
    ----------
    partition : Partition
    options : mapping
        Of `similarity_lab.web.collect`.
    """
    urls = pd.DataFrame(partition.sites, columns=["name", "url"])
    with (
        TemporaryDirectory(prefix=SCRATCH) as scratch,
        collect_each(urls, scratch, **{**options, "progress": False}) as sites,
    ):
        for site in sites:
            has_tables = site.row["crawl_status"] in ("collected", "empty")
            files = pack_folder(Path(site.row["folder"])) if has_tables else None
            yield site.position, site.row, files
            if site.row["folder"]:
                shutil.rmtree(site.row["folder"], ignore_errors=True)


def pack_folder(folder: Path) -> pa.Table:
    """Return the files of a collected site as a table with columns name and data."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder) for path in paths]
    kept = [(p, n) for p, n in zip(paths, names, strict=True) if n.parts[0] not in _NOT_NEEDED]
    data = pa.array([path.read_bytes() for path, _ in kept], pa.large_binary())
    return pa.table({"name": pa.array([n.as_posix() for _, n in kept], pa.string()), "data": data})
