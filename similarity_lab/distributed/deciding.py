"""Decide on the sites of a partition and write their tables; what a worker does."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from similarity_lab.distributed.collecting import SCRATCH, CrawledSite
from similarity_lab.distributed.folder import RunFolder, as_arrow, utc_now
from similarity_lab.distributed.partitions import Partition
from similarity_lab.distributed.settings import encode_settings
from similarity_lab.errors import SimilarityLabError, one_line
from similarity_lab.images.thumbnails import EncodedThumbnail
from similarity_lab.ranking import decide_collected, image_table, site_table
from similarity_lab.relevance import RelevanceScorer, SiteFailure, rank_results
from similarity_lab.relevance.site import EmbeddedSite
from similarity_lab.relevance.tables import SiteResult
from similarity_lab.sites import Site
from similarity_lab.store import Vectors
from similarity_lab.web import CollectedSite
from similarity_lab.web.folder import PAGE_COLUMNS, PAGES

_N_REASONS = 20  # reasons counted in a marker; the table of sites has all


def unpack_folder(files: pa.Table, folder: Path) -> None:
    """Write the files of a collected site."""
    for name, data in zip(files["name"], files["data"], strict=True):
        path = folder / name.as_py()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(memoryview(data.as_buffer()))


class Decider:
    """Decides on partitions with scorers that are loaded once, and writes their tables.

    Parameters
    ----------
    scorers : sequence of RelevanceScorer
        One per target, fitted; they share an embedder.
    folder : RunFolder
    """

    def __init__(self, scorers: Sequence[RelevanceScorer], folder: RunFolder) -> None:
        self.scorers, self.folder = scorers, folder
        self.targets = [scorer.target for scorer in scorers]

    def decide(self, partition: Partition, *sites: CrawledSite) -> dict[str, Any]:
        """Decide on the sites of a partition, write its tables, and return its counts."""
        start, processor_start = time.perf_counter(), time.process_time()
        with TemporaryDirectory(prefix=SCRATCH) as scratch:
            work = _Work(self.scorers, Path(scratch))
            collection, decisions = decide_collected(
                lambda found: chain.from_iterable(map(work.decide, found)),
                work.unpacked(sites),
                self.targets,
            )
            position_of = {id(result): position for result, position in decisions}
            results = rank_results((result for result, _ in decisions), self.targets)
            positions = [position_of[id(result)] for result in results]
            rows = site_table(results, collection.table.iloc[positions].reset_index(drop=True))
            rows = rows.drop(columns="rank").assign(
                position=[partition.positions[position] for position in positions],
                settings=[encode_settings(result) for result in results],
            )
            images = image_table(results, collection, Path(scratch))
            tables = {
                "sites": as_arrow(rows),
                "images": as_arrow(images),
                "pages": as_arrow(work.pages()),
                "vectors": work.vectors(),
                "thumbnails": work.thumbnails(),
            }
        counts = {
            "n_sites": len(partition.sites),
            "n_images": len(tables["vectors"]),
            "crawl_status": _counts(collection.table["crawl_status"]),
            "decisions": _counts(_decisions(rows)),
            "reasons": _counts(rows.loc[rows["decision"].isna(), "reason"]),
            "seconds": round(time.perf_counter() - start, 2),
            "processor_seconds": round(time.process_time() - processor_start, 2),
            "time": utc_now(),
            "node": platform.node(),
            "process": os.getpid(),
        }
        self.folder.write_partition(partition, tables, work.log, counts)
        return counts


class _Work:
    """The work on one partition: what its tables need beside the decisions."""

    def __init__(self, scorers: Sequence[RelevanceScorer], scratch: Path) -> None:
        self.scorers, self.scratch = scorers, scratch
        self.log: list[dict[str, Any]] = []
        self._failures: dict[str, str] = {}
        self._pages: list[pd.DataFrame] = []
        self._vectors: dict[str, Vectors] = {}
        self._thumbnails: dict[str, EncodedThumbnail] = {}

    def unpacked(self, sites: Sequence[CrawledSite]) -> Iterator[CollectedSite]:
        """Yield the sites with their folders on this machine."""
        for position, row, files in sites:
            folder = ""
            if files is not None:
                # as on one machine, so that the paths in the table of images are the same
                target = self.scratch / "sites" / Path(row["folder"]).name
                unpack_folder(files, target)
                pages = pd.read_parquet(target / PAGES).assign(site=row["name"])
                self._pages.append(pages[["site", *PAGE_COLUMNS]])
                folder = str(target)
            kept = ("name", "url", "crawl_status", "reason", "reason_code", "n_pages", "n_images")
            start = time.perf_counter()
            yield CollectedSite(position, {**row, "folder": folder})
            line = {name: row.get(name) for name in kept}
            line |= {"time": utc_now(), "node": platform.node(), "process": os.getpid()}
            line["seconds"] = round(time.perf_counter() - start, 3)
            self.log.append({**line, "failure": self._failures.get(row["name"], "")})

    def decide(self, site: Site) -> list[SiteResult]:
        """Return one result per target; a site that fails does not stop the others."""
        try:
            embedded = self.scorers[0].embed_site(site, thumbnails=True)
            results: list[SiteResult] = [scorer.decide(embedded) for scorer in self.scorers]
        except Exception as error:
            known = isinstance(error, (SimilarityLabError, OSError))
            reason = str(error) if known else f"{type(error).__name__}: {one_line(error)}"
            self._failures[site.name] = reason
            return [SiteFailure(site.name, scorer.target, reason) for scorer in self.scorers]
        self._keep(embedded)
        for path in site.paths:  # decoded, and not needed any more
            Path(str(path)).unlink(missing_ok=True)
        return results

    def _keep(self, site: EmbeddedSite) -> None:
        self._vectors |= dict(zip(site.digests, site.embedded.vectors, strict=True))
        for path, thumbnail in site.thumbnails.items():
            name = Path(str(path)).relative_to(self.scratch).as_posix()
            self._thumbnails[name] = thumbnail

    def pages(self) -> pd.DataFrame:
        """Return one row per page that was requested."""
        columns = ["site", *PAGE_COLUMNS]
        tables = [table for table in self._pages if len(table)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)

    def vectors(self) -> pa.Table:
        """Return one row per distinct image: content, vector; the schema names the embedder."""
        embedder = self.scorers[0].comparator_.embedder
        kind = pa.list_(pa.float32(), embedder.dimension)
        vectors = np.array([*self._vectors.values()], np.float32).reshape(-1)
        content = [bytes.fromhex(digest) for digest in self._vectors]
        table = pa.table(
            {
                "content": pa.array(content, pa.binary(32)),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors), type=kind),
            }
        )
        return cast(pa.Table, table.replace_schema_metadata({"embedder": embedder.name}))

    def thumbnails(self) -> pa.Table:
        """Return one row per image that was decoded."""
        thumbnails = self._thumbnails.values()
        return pa.table(
            {
                "path": pa.array(list(self._thumbnails), pa.string()),
                "data": pa.array([each.data for each in thumbnails], pa.binary()),
                "width": pa.array([each.width for each in thumbnails], pa.int32()),
                "height": pa.array([each.height for each in thumbnails], pa.int32()),
                "digest": pa.array([each.digest for each in thumbnails], pa.string()),
            }
        )


def without_library(scorer: RelevanceScorer) -> RelevanceScorer:
    """Return a fitted scorer without the images of its library, which deciding does not need."""
    light = RelevanceScorer(**scorer.get_params(deep=False))
    light.__dict__.update(scorer.__dict__)
    light.library_ = light._not_embedded = None
    light.progress = False
    return light


def _decisions(rows: pd.DataFrame) -> pd.Series:
    decided = rows["decision"].astype(object).where(rows["decision"].notna(), "no decision")
    return rows["target"].astype(object) + ": " + decided


def _counts(values: pd.Series) -> dict[str, int]:
    most = values.value_counts().head(_N_REASONS)
    return {str(name): int(count) for name, count in most.items()}
