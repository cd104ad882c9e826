"""What a distributed run has written: tables, status, and vectors for a local store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from os import PathLike
from typing import Any

import pandas as pd
import pyarrow as pa

from similarity_lab.distributed.folder import (
    LIST,
    MANIFEST,
    RunFolder,
    table_name,
)
from similarity_lab.errors import InputError
from similarity_lab.files import skipped_table
from similarity_lab.ranking import RANKING_COLUMNS
from similarity_lab.relevance.tables import decisions_table
from similarity_lab.store import StoreSource, VectorStore

_UNFINISHED = "Not finished; call rank again to resume"
_ROWS = 1000  # vectors that are written to a store at a time


@dataclass(frozen=True, eq=False)
class ClusterRanking:
    """The decisions of a distributed run; tables are read from its folder when they are needed.

    Attributes
    ----------
    folder : RunFolder
    """

    folder: RunFolder

    @property
    def manifest(self) -> dict[str, Any]:
        """Versions, settings, partitions and failures of the run."""
        return read_manifest(self.folder)

    @property
    def skipped(self) -> pd.DataFrame:
        """`similarity_lab.Ranking.skipped`: files of the library that were left out, and why."""
        rows = self.manifest["skipped"]
        return skipped_table([(row["path"], row["reason"]) for row in rows])

    @cached_property
    def sites(self) -> pd.DataFrame:
        """`similarity_lab.Ranking.sites`: a row per target and site, most probable first.

        Sites of a partition that is not finished have ``crawl_status`` "failed" and the reason.
        """
        targets = list(self.manifest["settings"]["targets"])
        tables = [self.folder.read_table(table_name("sites", name)) for name in self._finished()]
        found = _concat([table.drop_columns(["settings"]) for table in tables])
        rows = rank_rows(pd.concat([found, self._missing(targets)], ignore_index=True), targets)
        texts = ["url", "reason", "reason_code", "crawl_status"]
        rows[texts] = rows[texts].astype(object).where(rows[texts].notna(), "")
        return (
            rows[RANKING_COLUMNS]
            .astype(decisions_table([]).dtypes.to_dict())
            .astype(
                dict.fromkeys(["rank"], "int64")
                | dict.fromkeys(["n_pages", "n_images", "n_found"], "Int64")
            )
        )

    @property
    def images(self) -> pd.DataFrame:
        """`similarity_lab.Ranking.images`, read as a whole; `each_images` reads less at a time."""
        return pd.concat(list(self.each_images()), ignore_index=True)

    def each_images(self) -> Iterator[pd.DataFrame]:
        """Yield the images of one partition after the other."""
        for name in self._finished():
            yield self.folder.read_table(table_name("images", name)).to_pandas()

    def _finished(self) -> list[str]:
        return sorted(set(self.manifest["partitions"]) & self.folder.marker_names())

    def _missing(self, targets: list[str]) -> pd.DataFrame:
        """Return rows for the sites of partitions that are not finished."""
        manifest = self.manifest
        sites = self.folder.read_table(LIST).to_pandas()
        sites = sites[~sites["partition"].isin(self._finished())]
        failures = manifest["failures"]
        reasons = [failures.get(name, _UNFINISHED) for name in sites["partition"]]
        rows = sites.rename(columns={"name": "site"}).drop(columns="partition")
        rows = rows.assign(reason=reasons, crawl_status="failed", evidence=False)
        return pd.concat([rows.assign(target=target) for target in targets])

    def __repr__(self) -> str:
        return f"ClusterRanking({self.folder.url!r})"


@dataclass(frozen=True)
class RunStatus:
    """How far a distributed run is.

    Attributes
    ----------
    n_partitions, n_finished : int
    n_sites, n_sites_finished, n_images : int
    crawl_status, decisions, reasons : dict of str to int
        Counts of sites; decisions by target; the most common reasons why there is no decision.
    failures : dict of str to str
        Partitions that failed in the last call, with the reason.
    start : str
        Of the last call; ISO 8601, UTC.
    last : str
        When its last partition was finished; empty before the first.
    end : str
        Empty while it runs, or if it was interrupted.
    sites_per_hour : float or None
        From `start` to `last`, the start of the workers included.
    hours_left : float or None
        At this rate, from `last`; None if none is known, or there is nothing left.
    versions : dict of str to str
    """

    n_partitions: int
    n_finished: int
    n_sites: int
    n_sites_finished: int
    n_images: int
    crawl_status: dict[str, int]
    decisions: dict[str, int]
    reasons: dict[str, int]
    failures: dict[str, str]
    start: str
    last: str
    end: str
    sites_per_hour: float | None
    hours_left: float | None
    versions: dict[str, str]


def read_status(out_dir: str | PathLike[str]) -> RunStatus:
    """Return how far a run is; only markers are read.

    Parameters
    ----------
    out_dir : str or path
        That `similarity_lab.distributed.rank` writes to.

    Raises
    ------
    InputError
        There is no run.
    """
    folder = RunFolder(out_dir)
    manifest = read_manifest(folder)
    known, totals = set(manifest["partitions"]), Counter[str]()
    counts = {name: Counter[str]() for name in ("crawl_status", "decisions", "reasons")}
    last, n_recent = "", 0
    for name, marker in folder.markers():
        if name in known:
            if (time := marker.get("time", "")) >= manifest["start"]:  # same format, both UTC
                last, n_recent = max(last, time), n_recent + marker.get("n_sites", 0)
            totals["n_finished"] += 1
            totals.update({key: marker.get(key, 0) for key in ("n_sites", "n_images")})
            for key, counter in counts.items():
                counter.update(marker.get(key, {}))
    n_left, rate = manifest["n_sites"] - totals["n_sites"], None
    if last:
        passed = datetime.fromisoformat(last) - datetime.fromisoformat(manifest["start"])
        rate = n_recent * 3600 / max(1.0, passed.total_seconds())
    return RunStatus(
        n_partitions=len(known),
        n_finished=totals["n_finished"],
        n_sites=manifest["n_sites"],
        n_sites_finished=totals["n_sites"],
        n_images=totals["n_images"],
        **{key: dict(counter.most_common()) for key, counter in counts.items()},
        failures=manifest["failures"],
        start=manifest["start"],
        last=last,
        end=manifest["end"],
        sites_per_hour=None if rate is None else round(rate, 1),
        hours_left=round(n_left / rate, 2) if rate and n_left and not manifest["end"] else None,
        versions=manifest["versions"],
    )


def merge_vectors(out_dir: str | PathLike[str], store: StoreSource) -> int:
    """Copy the vectors of a run to a local store; return how many were new.

    Vectors that are stored already are left as they are, so that a second call adds nothing.

    Parameters
    ----------
    out_dir : str or path
    store : VectorStore or folder

    Raises
    ------
    InputError
        There is no run.
    """
    folder, target, n_new = RunFolder(out_dir), VectorStore.of(store), 0
    for name in sorted(set(read_manifest(folder)["partitions"]) & folder.marker_names()):
        table = folder.read_table(table_name("vectors", name))
        embedder = table.schema.metadata[b"embedder"].decode()
        for batch in table.to_batches(_ROWS):
            contents = [content.as_py().hex() for content in batch["content"]]
            size = batch["vector"].type.list_size
            vectors = batch["vector"].flatten().to_numpy().reshape(-1, size)
            n_new += target.put(embedder, dict(zip(contents, vectors, strict=True)))
    return n_new


def read_manifest(folder: RunFolder) -> dict[str, Any]:
    """Return the manifest of a run.

    Raises
    ------
    InputError
        There is none.
    """
    manifest = folder.read_json(MANIFEST)
    if manifest is None:
        raise InputError(
            f"{folder}: no run there ({MANIFEST} is missing or damaged); expected the folder that "
            "rank(…, cluster=…) or `similarity-lab rank --cluster` wrote"
        )
    return manifest


def _concat(tables: list[pa.Table]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=[*RANKING_COLUMNS, "position"]).drop(columns="rank")
    return pa.concat_tables(tables, promote_options="permissive").to_pandas()


def rank_rows(rows: pd.DataFrame, targets: list[str]) -> pd.DataFrame:
    """Return the rows in the order of `similarity_lab.relevance.rank_results`, with their rank."""
    order = {target: index for index, target in enumerate(targets)}
    value = rows["probability"].fillna(rows["share"]).astype(float)
    is_failure = rows["decision"].isna()
    keys = pd.DataFrame(
        {
            "target": rows["target"].map(order),
            "is_failure": is_failure,
            "is_empty": is_failure | ~rows["evidence"].astype(bool),
            "value": (-value).where(~is_failure, 0.0),
            "crawl": rows["crawl_status"].map({"collected": 0, "empty": 1}).fillna(2),
            "position": rows["position"],
        }
    )
    rows = rows.loc[keys.sort_values(list(keys.columns), kind="stable").index]
    rows = rows.reset_index(drop=True)
    rows["rank"] = rows.groupby("target", sort=False).cumcount() + 1
    return rows
