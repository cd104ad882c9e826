"""Rank websites: collect their images, decide on each site, write tables and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from similarity_lab.datasets import load_dataset
from similarity_lab.datasets.layout import class_name
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.files import atomic_write
from similarity_lab.files.output import check_not_in_library
from similarity_lab.images.sources import printable
from similarity_lab.relevance import RelevanceScorer, SiteFailure, rank_results
from similarity_lab.relevance.scorer import (
    DEFAULT_CERTAINTY,
    DEFAULT_PRIOR,
    DEFAULT_RELEVANCE_THRESHOLD,
    Words,
)
from similarity_lab.relevance.settings import Criterion
from similarity_lab.relevance.tables import DECISION_COLUMNS, SiteResult, decisions_table
from similarity_lab.relevance.verdict import SCORE_COLUMNS
from similarity_lab.report import write_csv, write_report, write_xlsx
from similarity_lab.report.page import sellers_title
from similarity_lab.sites import ORIGIN_COLUMNS, ORIGIN_NUMBERS, Site

if TYPE_CHECKING:
    from similarity_lab.datasets.loading import DatasetSource
    from similarity_lab.distances.comparators import ComparatorSource
    from similarity_lab.relevance.rules import Rule
    from similarity_lab.relevance.scorer import RuleName
    from similarity_lab.relevance.site import Clutter
    from similarity_lab.store import StoreSource
    from similarity_lab.web.collection import CollectedSite, Collection, UrlSource

__all__ = ["Ranking", "rank"]

_COUNTS = ["n_pages", "n_images", "n_found"]
_SCORING_COLUMNS = SCORE_COLUMNS[1:]  # without the path
_NUMBERS = ["score", "photo_score", "text_score", "distance", "probability", "margin"]
_NUMBERS += ["nearest_distance"]
_FLAGS = ["is_match", "is_match_with_words"]

RANKING_COLUMNS = [
    "rank", "site", "url", *DECISION_COLUMNS[1:-1], "crawl_status", "reason", "reason_code",
    *_COUNTS
]  # fmt: skip
"""Columns of `Ranking.sites`."""

RANKED_IMAGE_COLUMNS = ["site", "target", *ORIGIN_COLUMNS, "crawl_status", *_SCORING_COLUMNS]
"""Columns of `Ranking.images`."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The decisions on all sites and targets, most probable first.

    Attributes
    ----------
    sites : DataFrame
        `RANKING_COLUMNS`: one row per target and site, by target in the order given; then sites
        with evidence by probability (by share under a rule that gives none), sites that show too
        little to say anything, and sites that could not be collected. ``crawl_status`` is that of
        `collect`; ``reason`` is why there is no decision, why it is "unsure", and what `collect`
        says of the site; ``reason_code`` is the code of the latter. Counts are nullable integers.
    images : DataFrame
        `RANKED_IMAGE_COLUMNS`: one row per image and target, with its origin and the columns of
        `SiteRelevance.images`. Images that were not kept by the crawl have one row, without target
        and ``status``. Paths are relative to `folder`.
    results : tuple of SiteRelevance or SiteFailure
        In the order of `sites`.
    crawl : DataFrame
        `similarity_lab.web.Collection.table`: a row per website, with what was not looked at.
    skipped : DataFrame with columns path, reason
        Files of the library that were left out.
    folder : Path
        Holds ``sites.csv``, ``sites.xlsx`` (extra ``excel``), ``images.parquet`` and
        ``report/index.html``.
    """

    sites: pd.DataFrame
    images: pd.DataFrame
    results: tuple[SiteResult, ...]
    crawl: pd.DataFrame
    skipped: pd.DataFrame
    folder: Path

    @property
    def page(self) -> Path:
        """Path of the report's first page."""
        return self.folder / "report" / "index.html"

    def _repr_html_(self) -> str:
        return self.sites.to_html(index=False, max_rows=50, escape=True, na_rep="")


def rank(
    sites: UrlSource,
    library: DatasetSource | None,
    targets: str | Sequence[str],
    out_dir: str | PathLike[str],
    *,
    rule: RuleName | Rule = "learned",
    criterion: Criterion | None = None,
    quality: Literal["fast", "standard", "best"] | None = None,
    embedder: ComparatorSource | None = None,
    words: Words | None = None,
    certainty: float = DEFAULT_CERTAINTY,
    relevance_threshold: float = DEFAULT_RELEVANCE_THRESHOLD,
    prior: float = DEFAULT_PRIOR,
    leave_out: Sequence[Clutter] = (),
    store: StoreSource | None = None,
    seed: int = 0,
    collecting: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Ranking:
    """Collect websites and decide for each whether it sells the targets.

    Sites are decided on as soon as they are collected, while others still are. A second call with
    the same `out_dir` resumes: what is collected is not requested again.

    Parameters
    ----------
    sites : str, iterable of str, mapping of name to URL, DataFrame or path of a table
        The websites, as `similarity_lab.web.collect` takes them. A table has a column ``url`` and
        optionally ``name``.
    library : folder, zip, mapping, ImageDataset or None
        Labelled images of the targets and of other products. None, or one without the targets,
        with ``rule=LearnedRule(text=True)``: their names are the references.
    targets : str or sequence of str
        Classes of the library, or names.
    out_dir : path
        Gets the sites' folders in ``sites/``, and the results.
    rule, criterion, quality, embedder
        As in `RelevanceScorer`.
    words : sequence of str, or mapping of target to sequence of str, optional
        More names of the target, or of several targets, as in `RelevanceScorer`. ``()`` reads no
        texts for any target.
    certainty, relevance_threshold, prior, leave_out, store, seed
        As in `RelevanceScorer`.
    collecting : mapping, optional
        Options of `similarity_lab.web.collect`: ``limits``, ``parallel``, ``render`` and so on.
    progress : bool
        Show progress bars.

    Returns
    -------
    Ranking

    Raises
    ------
    UnknownClassError
        A target that is not in the library; raised before anything is collected.
    InputError
        No sites or targets, an invalid parameter, one list of words for several targets, or
        `out_dir` is in the folder of the library. A site that fails does not raise: its row has the
        reason.
    MissingExtraError
        The extra ``web`` is not installed.
    """
    from similarity_lab.web import collect_each  # deferred: needs the extra

    names = target_names(targets)
    check_words(words, names)
    folder = Path(out_dir)
    check_not_in_library(folder, library)
    dataset = None if library is None else load_dataset(library, progress=progress)
    scorer = fit_scorer(
        names,
        dataset,
        rule=rule,
        criterion=criterion,
        relevance_threshold=relevance_threshold,
        certainty=certainty,
        prior=prior,
        words=words,
        leave_out=leave_out,
        embedder=embedder,
        quality=quality,
        store=store,
        seed=seed,
        progress=progress,
    )
    options = {"progress": progress, **(collecting or {})}
    with collect_each(sites, folder / "sites", **options) as collected_sites:
        collection, decisions = decide_collected(
            lambda sites: scorer.decide_each(sites, names, thumbnails=True),
            collected_sites,
            names,
        )
    position_of = {id(result): position for result, position in decisions}  # equal failures
    results = rank_results((result for result, _ in decisions), names)
    crawl = collection.table.iloc[[position_of[id(result)] for result in results]]
    ranked_sites = site_table(results, crawl.reset_index(drop=True))
    ranked_images = image_table(results, collection, folder)
    write_csv(ranked_sites, folder / "sites.csv")
    if find_spec("openpyxl") is not None:
        write_xlsx(ranked_sites, folder / "sites.xlsx")
    with atomic_write(folder / "images.parquet") as part:
        ranked_images.to_parquet(part, index=False)
    title = sellers_title(names)
    write_report(results, folder / "report", title=title, crawl=collection.table, progress=progress)
    return Ranking(
        ranked_sites, ranked_images, tuple(results), collection.table, scorer.skipped_, folder
    )


def fit_scorer(
    targets: Sequence[str],
    library: DatasetSource | None,
    **params: Any,  # noqa: ANN401
) -> RelevanceScorer:
    """Return a scorer for the first target, whose `for_target` can learn the others.

    Parameters
    ----------
    targets : sequence of str
    library : as in `rank`
    **params
        Of `RelevanceScorer`.
    """
    scorer = RelevanceScorer(targets[0], **params).fit(library)
    for name in targets[1:]:
        scorer.check_target(name)  # fail now, not after hours of collecting
    return scorer


def target_names(targets: str | Sequence[str]) -> list[str]:
    """Return the targets as a list, each once; raise `InputError` if there is none."""
    names = [targets] if isinstance(targets, str) else list(dict.fromkeys(targets))
    if not names:
        raise InputError("No targets; pass at least one class of the library")
    return names


def check_words(words: Words | None, targets: list[str]) -> None:
    """Raise `InputError` unless it is clear which target the words name."""
    if isinstance(words, Mapping):
        known = set(map(class_name, targets))
        for name in words:
            if class_name(name) not in known:
                raise InputError(
                    f"words has names of {name!r}, which is not a target."
                    f"{did_you_mean(name, targets)} Targets: {', '.join(targets)}"
                )
    elif words and not isinstance(words, str) and len(targets) > 1:
        raise InputError(
            f"words is one list, but there are {len(targets)} targets; "
            f"pass a mapping: words={{{targets[0]!r}: {[*words][:3]}}}"
        )


def decide_collected(
    decide: Callable[[Iterator[Site]], Iterable[SiteResult]],
    sites: Iterable[CollectedSite],
    targets: Sequence[str],
) -> tuple[Collection, list[tuple[SiteResult, int]]]:
    """Decide on sites while others are collected.

    Parameters
    ----------
    decide : callable
        From the sites that have images to their results: for each site, one per target.
    sites : iterable of CollectedSite
        In any order.
    targets : sequence of str

    Returns
    -------
    collection : Collection
    decisions : list of (result, position)
        Each result with the position of its site in the table of the collection. Sites with images
        come first, then empty ones, then sites that could not be collected.
    """
    from similarity_lab.web import Collection

    collected: list[CollectedSite] = []
    positions: list[int] = []

    def with_images() -> Iterator[Site]:
        for site in sites:
            collected.append(site)
            if (images := site.site) is not None:
                positions.extend([site.position] * len(targets))
                yield images

    results = list(decide(with_images()))
    decisions = sorted(zip(results, positions, strict=True), key=lambda decision: decision[1])
    collection = Collection.from_sites(collected)
    status = collection.table["crawl_status"]
    is_empty, is_failed = status == "empty", ~status.isin(["collected", "empty"])
    for position in [*np.flatnonzero(is_empty).tolist(), *np.flatnonzero(is_failed).tolist()]:
        row = collection.table.iloc[position]
        name, reason, code = row["name"], row["reason"], row["reason_code"]
        decisions += [(SiteFailure(name, target, reason, code), position) for target in targets]
    return collection, decisions


def site_table(results: Sequence[SiteResult], crawl: pd.DataFrame) -> pd.DataFrame:
    """Return `Ranking.sites`.

    Parameters
    ----------
    results : sequence of SiteRelevance or SiteFailure
        In the order of the table.
    crawl : DataFrame
        The row of `Collection.table` for each result.
    """
    table = decisions_table(results)
    table["url"] = crawl["url"]
    table["reason"] = [
        "; ".join(dict.fromkeys(filter(None, reasons)))  # the same one once
        for reasons in zip(table["reason"], crawl["reason"], strict=True)
    ]
    table[["crawl_status", "reason_code"]] = crawl[["crawl_status", "reason_code"]]
    table[_COUNTS] = crawl[_COUNTS].astype("Int64")
    table["rank"] = table.groupby("target", sort=False).cumcount() + 1
    return table[RANKING_COLUMNS]


def image_table(
    results: Sequence[SiteResult], collection: Collection, folder: Path
) -> pd.DataFrame:
    """Return `Ranking.images`.

    Parameters
    ----------
    results : sequence of SiteRelevance or SiteFailure
    collection : Collection
        Of these sites, whose folders exist.
    folder : Path
        That paths are relative to.
    """
    scored = [_scored_images(result, folder) for result in results]
    tables = [table for table in [*scored, _images_not_kept(collection)] if len(table)]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    table = table.reindex(columns=RANKED_IMAGE_COLUMNS)
    dtypes = {
        **dict.fromkeys(_NUMBERS, "float64"),
        **ORIGIN_NUMBERS,
        **dict.fromkeys(_FLAGS, "boolean"),
    }
    texts = table.columns.difference([*dtypes])
    # parquet takes valid Unicode only, which names of files need not be
    table[texts] = table[texts].astype(object).fillna("").map(printable)
    return table.astype(dtypes)


def _scored_images(result: SiteResult, folder: Path) -> pd.DataFrame:
    """Return the origins and scores of a site's images."""
    if isinstance(result, SiteFailure) or result.origins is None:
        return pd.DataFrame()
    scores = result.images[_SCORING_COLUMNS].reset_index(drop=True)
    origins = result.origins.reset_index(drop=True)
    return pd.concat([origins, scores], axis=1).assign(
        path=[_relative_path(path, folder) for path in result.sources],
        site=result.site,
        target=result.target,
        crawl_status="kept",
    )


def _images_not_kept(collection: Collection) -> pd.DataFrame:
    """Return one row for each image that the crawl did not keep; none of them was scored."""
    images = collection.images
    origins = [name for name in ORIGIN_COLUMNS if name not in ("path", "sha256")]
    columns = ["site", *origins, "crawl_status", "reason"]
    not_kept = images.loc[images["crawl_status"] != "kept", columns]
    return not_kept.assign(path="", target="")


def _relative_path(path: object, folder: Path) -> str:
    """Return the path relative to a folder that contains it, so that the folder can be moved."""
    resolved, root = Path(str(path)).resolve(), folder.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else str(path)
