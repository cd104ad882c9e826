"""Write decisions as a static folder: a table of sites, a page per decision, thumbnails."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from os import PathLike
from pathlib import Path

from similarity_lab._progress import tqdm
from similarity_lab.errors import InputTypeError
from similarity_lab.files import atomic_write
from similarity_lab.relevance import SiteFailure, SiteRelevance, rank_results
from similarity_lab.relevance.tables import SiteResult
from similarity_lab.report.text import page_filename
from similarity_lab.report.thumbnails import Thumbnails, source_key, write_thumbnails
from similarity_lab.report.views import (
    SYMBOLS,
    Row,
    environment,
    index_sections,
    page_sources,
    site_view,
)

_PAGE_NAME = re.compile(r".*[0-9a-f]{10}\.html")
_ASSETS = ("style.css", "report.js")

Page = tuple[SiteRelevance, str]
"""A decision and the file name of its page."""


def write_report(
    results: Sequence[SiteResult],
    folder: str | PathLike[str],
    *,
    title: str = "Which sites sell it?",
    notes: Mapping[str, str] | None = None,
    progress: bool = True,
) -> Path:
    """Write decisions and their evidence as HTML pages that open from disk, without a network.

    ``index.html`` lists the decisions by target, in the order of `rank_results`; ``sites/`` has a
    page per decision with its evidence, the images that decided, the other images, and what was
    left out; ``thumbs/`` has each image once. Untrusted text (names, alt texts, URLs) is escaped,
    file names are generated, and a content security policy keeps the pages from loading anything
    but their own files.

    Parameters
    ----------
    results : sequence of SiteRelevance or SiteFailure
        In any order; a failure becomes a row with its reason.
    folder : path
        Created if missing. An earlier report is overwritten: thumbnails that are still valid are
        reused, so an interrupted report resumes; pages and thumbnails of other results are removed.
    title : str
    notes : mapping of site to str, optional
        Shown below the names of sites that are decided on: which limits their crawls reached.
    progress : bool

    Returns
    -------
    Path
        Path of ``index.html``.

    Examples
    --------
    >>> results = list(scorer.decide_each(sites))                    # doctest: +SKIP
    >>> write_report(results, "report", title="Who sells almonds?")  # doctest: +SKIP
    PosixPath('report/index.html')
    """
    if isinstance(results, (SiteRelevance, SiteFailure)):
        raise InputTypeError("expected a sequence of results, got one; pass [result]")
    folder = Path(folder)
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    results = rank_results(results)
    rows = _with_page_names(results)
    pages = [(result, name) for result, name in rows if isinstance(result, SiteRelevance)]
    thumbnails = write_thumbnails(
        (source for result, _ in pages for source in page_sources(result)),
        folder / "thumbs",
        encoded={
            source_key(path): thumbnail
            for result, _ in pages
            for path, thumbnail in result.thumbnails.items()
        },
        progress=progress,
    )
    for name in _ASSETS:
        data = files("similarity_lab.report").joinpath("templates", name).read_bytes()
        with atomic_write(folder / name) as part:
            part.write_bytes(data)
    _write_sites(pages, thumbnails, folder / "sites", title, progress=progress)
    index = folder / "index.html"
    html = (
        environment()
        .get_template("index.html")
        .render(
            title=title,
            notes=notes or {},
            sections=index_sections(rows),
            counts=_decision_counts(results),
            settings=_distinct_settings([result for result, _ in pages]),
            written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        )
    )
    with atomic_write(index) as part:
        part.write_text(html, encoding="utf-8")
    return index


def _with_page_names(results: Sequence[SiteResult]) -> list[Row]:
    """Return each result with the file name of its page."""
    occurrences: Counter[tuple[str, str]] = Counter()
    rows: list[Row] = []
    for result in results:
        pair = (result.site, result.target)
        if isinstance(result, SiteRelevance):
            rows.append((result, page_filename(*pair, occurrences[pair])))
            occurrences[pair] += 1
        else:
            rows.append((result, ""))
    return rows


def _write_sites(
    pages: Sequence[Page], thumbnails: Thumbnails, folder: Path, title: str, *, progress: bool
) -> None:
    template = environment().get_template("site.html")
    bar = tqdm(pages, desc="pages", unit="page", disable=not progress, leave=False)
    for position, (result, name) in enumerate(bar):
        html = template.render(
            title=title,
            result=result,
            view=site_view(result, lambda source: thumbnails[source_key(source)]),
            before=pages[position - 1] if position else None,
            after=pages[position + 1] if position + 1 < len(pages) else None,
        )
        with atomic_write(folder / name) as part:
            part.write_text(html, encoding="utf-8")
    current = {name for _, name in pages}
    for path in folder.iterdir():  # pages of an earlier report
        if _PAGE_NAME.fullmatch(path.name) and path.name not in current:
            path.unlink()


def _decision_counts(results: Sequence[SiteResult]) -> dict[str, int]:
    counts = Counter(getattr(result, "decision", "no decision") for result in results)
    return {name: counts[name] for name in SYMBOLS if counts[name]}


def _distinct_settings(results: list[SiteRelevance]) -> list[SiteRelevance]:
    """Return the first decision of each combination of settings."""
    first: dict[str, SiteRelevance] = {}
    for result in results:
        settings = (result.versions, replace(result.settings, n_marked=0))
        first.setdefault(repr(settings), result)
    return list(first.values())
