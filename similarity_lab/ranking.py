"""From a list of addresses to a ranked table and a page: collect, embed once, decide, write."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from similarity_lab.datasets import load_dataset
from similarity_lab.errors import InputError
from similarity_lab.relevance import RelevanceScorer, SiteFailure, SiteRelevance
from similarity_lab.relevance.tables import DECISION_COLUMNS
from similarity_lab.report import write_csv, write_report
from similarity_lab.sites import Site

if TYPE_CHECKING:
    from similarity_lab.datasets.loading import DatasetSource
    from similarity_lab.web.collection import Collection, UrlSource

__all__ = ["Ranking", "rank"]

Result = SiteRelevance | SiteFailure

RANKING_COLUMNS = ["rank", "site", "url", *DECISION_COLUMNS[1:], "n_pages", "n_images", "n_found"]
_SCORES = ["status", "reason", "score", "distance", "probability", "nearest_reference", "is_match"]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Which sites sell which targets, the likeliest first.

    Attributes
    ----------
    sites : DataFrame
        `RANKING_COLUMNS`: one row per target and site, by target as asked for, then by
        probability (by share where there is none); sites without a decision come last and have a
        reason.
    images : DataFrame
        One row per image and target: site, target, where the image came from, and its score; images
        that were not kept once, with the reason.
    results : tuple of SiteRelevance or SiteFailure
        In the order of `sites`.
    folder : Path
        Where it is written: ``sites.csv``, ``images.parquet``, ``report/index.html``.
    """

    sites: pd.DataFrame
    images: pd.DataFrame
    results: tuple[Result, ...]
    folder: Path

    @property
    def page(self) -> Path:
        """The page with the evidence."""
        return self.folder / "report" / "index.html"

    def _repr_html_(self) -> str:
        return self.sites.to_html(index=False, max_rows=50, escape=True, na_rep="")


def rank(
    urls: "UrlSource",
    library: "DatasetSource",
    targets: str | Sequence[str],
    out_dir: str | PathLike[str],
    *,
    collecting: Mapping[str, Any] | None = None,
    progress: bool = True,
    **scoring: Any,  # noqa: ANN401
) -> Ranking:
    """Collect websites and decide for each whether it sells the targets.

    Called again with the same `out_dir` it goes on where it stopped: what is collected is not asked
    for again.

    Parameters
    ----------
    urls : addresses as `similarity_lab.web.collect` takes them, or a CSV file
        A CSV file has a column ``url`` and maybe ``name``.
    library : folder, zip, mapping or ImageDataset
        Labelled photos of the targets and of other products.
    targets : str or sequence of str
        Classes of the library.
    out_dir : path
        The sites' folders come to ``sites/`` in it; the results beside.
    collecting : mapping, optional
        Options of `similarity_lab.web.collect`: ``limits``, ``parallel``, ``render`` and so on.
    progress : bool
    **scoring
        Parameters of `RelevanceScorer`.

    Returns
    -------
    Ranking

    Raises
    ------
    UnknownClassError
        A target that is not in the library; said before anything is collected.
    ValueError
        No addresses or targets. Whatever fails on a single site is the reason in its row.
    ImportError
        The extra ``web`` is missing.
    """
    from similarity_lab.web import collect  # needs the extra, which looking at this module does not

    names = [targets] if isinstance(targets, str) else list(dict.fromkeys(targets))
    if not names:
        raise InputError("no targets; pass at least one class of the library")
    folder = Path(out_dir)
    photos = load_dataset(library, progress=progress)
    for name in names:
        photos.class_index(name)  # an unknown one is an error now and not after hours of collecting
    scorer = RelevanceScorer(names[0], progress=progress, **scoring).fit(photos)
    collection = collect(urls, folder / "sites", progress=progress, **(collecting or {}))
    results = _ranked(collection, list(_decided(scorer, collection, names)), names)
    sites = _site_table(results)
    images = pd.concat(
        [*(_image_rows(result, folder) for _, result in results), _left_out(collection)],
        ignore_index=True,
    )
    write_csv(sites, folder / "sites.csv")
    images.to_parquet(folder / "images.parquet", index=False)
    in_order = tuple(result for _, result in results)
    write_report(in_order, folder / "report", title=f"Who sells {', '.join(names)}?")
    return Ranking(sites, images, in_order, folder)


Row = Mapping[Any, Any]


def _decided(
    scorer: RelevanceScorer, collection: "Collection", targets: list[str]
) -> Iterator[tuple[Row, Result]]:
    """Yield each row of the collection with its result, once per target."""
    rows: Sequence[Row] = collection.table.to_dict("records")
    there = [row for row in rows if row["crawl_status"] == "collected"]
    sites = [Site.from_folder(row["folder"], name=row["name"]) for row in there]
    results = scorer.decide_each(sites, targets)
    for row in there:
        for _ in targets:
            yield row, next(results)
    for row in rows:
        if row["crawl_status"] != "collected":
            for target in targets:
                reason = f"{row['crawl_status']}: {row['reason']}"
                yield row, SiteFailure(row["name"], target, reason)


def _ranked(
    collection: "Collection", results: list[tuple[Row, Result]], targets: list[str]
) -> list[tuple[Row, Result]]:
    """Return results by target, the likeliest sites first; equal ones in the order asked for."""

    def place(pair: tuple[Row, Result]) -> tuple[int, bool, float]:
        result = pair[1]
        at = targets.index(result.target)
        if isinstance(result, SiteFailure):
            return at, True, 0.0
        chance = result.share if result.probability is None else result.probability
        return at, False, -chance

    return sorted(results, key=place)


def _site_table(results: list[tuple[Row, Result]]) -> pd.DataFrame:
    rows = []
    ranks: dict[str, int] = {}
    for row, result in results:
        ranks[result.target] = ranks.get(result.target, 0) + 1
        found = {name: row[name] for name in ("url", "n_pages", "n_images", "n_found")}
        reason = result.to_row().get("reason") or row["reason"]
        rows.append({**result.to_row(), **found, "reason": reason, "rank": ranks[result.target]})
    return pd.DataFrame(rows, columns=RANKING_COLUMNS)


def _image_rows(result: Result, folder: Path) -> pd.DataFrame:
    """Return where each image came from and how it was scored."""
    if isinstance(result, SiteFailure) or result.origins is None:
        return pd.DataFrame()
    scores = result.images[_SCORES].reset_index(drop=True)
    origins = result.origins.reset_index(drop=True)
    paths = [_below(path, folder) for path in result.images["path"]]
    return pd.concat([origins, scores], axis=1).assign(
        path=paths, site=result.site, target=result.target, crawl_status="kept"
    )


def _left_out(collection: "Collection") -> pd.DataFrame:
    """Return the images that were not kept, each once: no target was looked for on them."""
    images = collection.images
    columns = ["site", "url", "page", "alt", "time", "crawl_status", "reason"]
    return images.loc[images["crawl_status"] != "kept", columns].assign(
        path="", sha256="", target=""
    )


def _below(path: object, folder: Path) -> str:
    """Return a path as it is below a folder, so that the folder can be moved."""
    resolved, root = Path(str(path)).resolve(), folder.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else str(path)
