"""Pages of a distributed run, made on demand for some of its sites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from similarity_lab.distributed.folder import LIST, RunFolder, table_name
from similarity_lab.distributed.index import write_index
from similarity_lab.distributed.settings import decode_settings
from similarity_lab.distributed.tables import read_manifest
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.files import skipped_table
from similarity_lab.images.thumbnails import EncodedThumbnail
from similarity_lab.relevance import SiteFailure, SiteRelevance
from similarity_lab.relevance.tables import SiteResult
from similarity_lab.relevance.verdict import SCORE_COLUMNS
from similarity_lab.report import write_report
from similarity_lab.report.page import sellers_title
from similarity_lab.sites import ORIGIN_COLUMNS


def write_pages(
    out_dir: str | PathLike[str],
    folder: str | PathLike[str],
    *,
    sites: str | Sequence[str] = (),
    partition: str | None = None,
    progress: bool = True,
) -> Path:
    """Write the report of some sites of a run, or the page of its partitions and best sites.

    A report of millions of images could not be opened. Without `sites` and `partition`, the page
    has the command for the report of each partition and of the best sites. Otherwise the report is
    that of `similarity_lab.report.write_report`; only the partitions of its sites are read.
    Thumbnails come from the run; those of the library's nearest images are made again where the
    library is at the same path as in the run.

    Parameters
    ----------
    out_dir : str or path
        Of the run.
    folder : path
        Gets the pages.
    sites : str or sequence of str
        Names of sites.
    partition : str, optional
        Write all sites of this partition, such as ``"000012"``, instead.
    progress : bool

    Returns
    -------
    Path
        Of ``index.html``.

    Raises
    ------
    InputError
        There is no run, no such site, or it is in a partition that is not finished.
    """
    run = RunFolder(out_dir)
    names = [sites] if isinstance(sites, str) else list(dict.fromkeys(sites))
    if names and partition:
        raise InputError("pass the names of some sites, or a partition; got both")
    if not names and not partition:
        return write_index(run, Path(folder), progress=progress)
    manifest = read_manifest(run)
    table = run.read_table(LIST).to_pandas()
    if partition:
        names = table.loc[table["partition"] == partition, "name"].tolist()
        if not names:
            raise InputError(f"{run}: no partition {partition!r}; the last is {_last(table)}")
    parts = _partitions(run, table, names)
    results = [result for name in parts for result in _results(run, name, names)]
    title = sellers_title(manifest["settings"]["targets"])
    return write_report(results, folder, title=title, progress=progress)


def _last(table: pd.DataFrame) -> str:
    return str(table["partition"].max())


def _partitions(run: RunFolder, table: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the partitions of these sites, which are finished."""
    for name in names:
        if not (table["name"] == name).any():
            hint = did_you_mean(name, table["name"])
            raise InputError(f"{run}: no site is called {name!r}.{hint}")
    partitions = sorted(set(table.loc[table["name"].isin(names), "partition"]))
    unfinished = set(partitions) - run.marker_names()
    if unfinished:
        raise InputError(
            f"{run}: partition {', '.join(sorted(unfinished))} is not finished; call rank again"
        )
    return partitions


def _results(run: RunFolder, partition: str, names: list[str]) -> Iterator[SiteResult]:
    """Yield the results of some sites of a partition."""
    rows, images, thumbnails = (
        run.read_table(table_name(kind, partition)).to_pandas()
        for kind in ("sites", "images", "thumbnails")
    )
    known = {
        row.path: EncodedThumbnail(row.data, row.width, row.height, row.digest)
        for row in thumbnails.itertuples()
    }
    for row in rows[rows["site"].isin(names)].itertuples():
        if not row.settings:
            yield SiteFailure(row.site, row.target, row.reason, row.reason_code)
            continue
        settings, versions = decode_settings(row.settings)
        is_own = (images["site"] == row.site) & (images["target"] == row.target)
        own = images[is_own].reset_index(drop=True)
        scores = own[SCORE_COLUMNS].copy()
        for name in ("confusable", "nearest_reference"):
            texts = scores[name].astype(object)
            scores[name] = texts.where(texts != "", float("nan"))
        unread = own[own["status"] == "skipped"]
        yield SiteRelevance.from_images(
            scores,
            settings=settings,
            site=row.site,
            target=row.target,
            skipped=skipped_table(list(zip(unread["path"], unread["reason"], strict=True))),
            versions=versions,
            origins=_origins(own),
            thumbnails={path: known[path] for path in own["path"] if path in known},
        )


def _origins(images: pd.DataFrame) -> pd.DataFrame:
    return images[ORIGIN_COLUMNS].copy()
