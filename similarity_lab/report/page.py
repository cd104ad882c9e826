"""Write decisions as a static folder: a ranked table, a page per decision, thumbnails beside."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from os import PathLike
from pathlib import Path

from tqdm.auto import tqdm

from similarity_lab.files import whole
from similarity_lab.relevance import SiteFailure, SiteRelevance
from similarity_lab.report.rendering import SYMBOLS, environment
from similarity_lab.report.text import page_name
from similarity_lab.report.thumbnails import Pictures, key, write_thumbnails
from similarity_lab.report.views import site_view, sources_of

_PAGE = re.compile(r".*[0-9a-f]{10}\.html")
_BESIDE = ("style.css", "report.js")

Result = SiteRelevance | SiteFailure
Paged = list[tuple[SiteRelevance, str]]


def write_report(
    results: Sequence[Result],
    folder: str | PathLike[str],
    *,
    title: str = "Which sites sell it?",
    progress: bool = True,
) -> Path:
    """Write decisions with their evidence as pages that open from a disk, without a network.

    ``index.html`` ranks the decisions, the likeliest first; ``sites/`` has a page for each with
    the images that decided, the others, and what was left out; ``thumbs/`` each picture once.
    Whatever comes from outside (names, texts, addresses) is escaped and spelt out, no name of a
    stranger's becomes a name on this disk, and the pages may load nothing but their own files.

    Parameters
    ----------
    results : sequence of SiteRelevance or SiteFailure
        A failure is a row with its reason.
    folder : path
        Made if needed. A report that is there already is written over: thumbnails that still serve
        are kept, so an interrupted report goes on; pages and thumbnails of other results go.
    title : str
    progress : bool

    Returns
    -------
    Path
        Of ``index.html``.

    Examples
    --------
    >>> results = list(scorer.decide_each(sites))                  # doctest: +SKIP
    >>> write_report(results, "report", title="Who sells almonds?")  # doctest: +SKIP
    PosixPath('report/index.html')
    """
    folder = Path(folder)
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    rows = _with_pages(sorted(results, key=_rank))
    decided = [(result, name) for result, name in rows if isinstance(result, SiteRelevance)]
    pictures = write_thumbnails(
        (source for result, _ in decided for source in sources_of(result)),
        folder / "thumbs",
        progress=progress,
    )
    for name in _BESIDE:
        data = files("similarity_lab.report").joinpath("templates", name).read_bytes()
        with whole(folder / name) as part:
            part.write_bytes(data)
    _write_sites(decided, pictures, folder / "sites", title, progress=progress)
    index = folder / "index.html"
    page = (
        environment()
        .get_template("index.html")
        .render(
            title=title,
            rows=rows,
            targets=sorted({result.target for result, _ in rows}),
            counts=_counts(results),
            settings=_settings([result for result, _ in decided]),
            written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        )
    )
    with whole(index) as part:
        part.write_text(page, encoding="utf-8")
    return index


def _rank(result: Result) -> tuple[bool, float, float]:
    """Return what decisions are sorted by: likeliest first, failures last."""
    if isinstance(result, SiteFailure):
        return True, 0.0, 0.0
    chance = result.share if result.probability is None else result.probability
    return False, -chance, -result.share


def _with_pages(ordered: list[Result]) -> list[tuple[Result, str]]:
    """Return each result with the name of its page, empty for a failure, which has none."""
    seen: Counter[tuple[str, str]] = Counter()
    named = []
    for result in ordered:
        pair = (result.site, result.target)
        is_decided = isinstance(result, SiteRelevance)
        named.append((result, page_name(*pair, seen[pair]) if is_decided else ""))
        seen[pair] += is_decided
    return named


def _write_sites(
    paged: Paged, pictures: Pictures, folder: Path, title: str, *, progress: bool
) -> None:
    template = environment().get_template("site.html")
    bar = tqdm(paged, desc="pages", unit="page", disable=not progress, leave=False)
    for position, (result, name) in enumerate(bar):
        page = template.render(
            title=title,
            result=result,
            view=site_view(result, lambda source: pictures[key(source)]),
            before=paged[position - 1] if position else None,
            after=paged[position + 1] if position + 1 < len(paged) else None,
        )
        with whole(folder / name) as part:
            part.write_text(page, encoding="utf-8")
    current = {name for _, name in paged}
    for path in folder.iterdir():  # of an earlier report
        if _PAGE.fullmatch(path.name) and path.name not in current:
            path.unlink()


def _counts(results: Sequence[Result]) -> dict[str, int]:
    found = Counter(getattr(result, "decision", "no decision") for result in results)
    return {name: found[name] for name in SYMBOLS if found[name]}


def _settings(results: list[SiteRelevance]) -> list[SiteRelevance]:
    """Return one decision for each way in which decisions were made."""
    first: dict[str, SiteRelevance] = {}
    for result in results:
        made_by = (result.versions, replace(result.settings, n_marked=0))
        first.setdefault(repr(made_by), result)
    return list(first.values())
