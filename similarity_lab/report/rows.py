"""Rows of the first page: one per site, with a cell per target; plain values, small and many."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from similarity_lab._numbers import percent
from similarity_lab.errors import ImageError
from similarity_lab.images.sources import describe
from similarity_lab.relevance import SiteFailure, SiteRelevance
from similarity_lab.relevance.decision import describe_evidence, format_chance, format_share
from similarity_lab.relevance.tables import SiteResult
from similarity_lab.report.crawl import Crawl, Gap, looked_at, n_unfetched, site_gaps, what_to_do
from similarity_lab.report.evidence import brief_share
from similarity_lab.report.text import display_names, page_filename
from similarity_lab.report.thumbnails import Thumbnail, source_key
from similarity_lab.report.views import Seen, Surroundings

GROUPS = ("Decided", "Too little seen to say anything", "No decision")
"""Groups of rows, in order."""


@dataclass(frozen=True)
class SiteResults:
    """All results on one site.

    Attributes
    ----------
    site : str
    key : str
        Unique within the report, and the same when it is written again.
    results : tuple of SiteRelevance or SiteFailure
        At most one per target.
    place : str
        Where its images are, if another site has the same name; empty otherwise, or if unknown.
    """

    site: str
    key: str
    results: tuple[SiteResult, ...]
    place: str = ""

    @property
    def decisions(self) -> list[SiteRelevance]:
        """The results that are no failures."""
        return [result for result in self.results if isinstance(result, SiteRelevance)]

    @property
    def page(self) -> str:
        """File name of the page; empty without a decision, since the row says everything."""
        return f"{self.key}.html" if self.decisions else ""


@dataclass(frozen=True)
class Cell:
    """What was decided on a site for one target.

    Attributes
    ----------
    decision : str
        "relevant", "irrelevant", "unsure" or "no decision".
    value : float or None
        By which rows are sorted: a probability, or a share under a rule that gives none.
    chance : str
        The formatted value, with what it is a probability of.
    seen : str
        What was seen: matches of images, texts that name the target.
    reason : str
        Why the decision is "unsure", or why there is none.
    anchor : str
        Place on the page of the site.
    thumbnail : Thumbnail or None
        Of the best image.
    alt : str
        What the best image is: its product, alternative text or name.
    path : str
        Of the best image, below the folder that holds the report; empty if elsewhere.
    also_seen : Seen or None
        Where else the best image is shown.
    """

    decision: str
    value: float | None
    chance: str
    seen: str
    reason: str
    anchor: str
    thumbnail: Thumbnail | None = None
    alt: str = ""
    path: str = ""
    also_seen: Seen | None = None


@dataclass(frozen=True)
class SiteRow:
    """One site on the first page.

    Attributes
    ----------
    site, key, page, place : str
        As in `SiteResults`.
    url : str
        Of the shop; empty if unknown.
    group : int
        Position in `GROUPS`: of the best cell.
    value : float
        Of the best cell in that group, by which the rows are in order.
    cells : dict of target to Cell
    looked_at : str
        How many images and pages the decisions stand on.
    reason : str
        What the crawl says; also why there is no decision.
    advice : str
        What to do about it.
    gaps : sequence of Gap
        What was not looked at.
    has_gaps : bool
        Whether something can be done about them; the page of the site says what.
    n_unfetched : int
        Images that were not looked at although something can be done.
    """

    site: str
    key: str
    page: str
    url: str
    group: int
    value: float
    cells: dict[str, Cell]
    looked_at: str
    reason: str
    advice: str
    gaps: Sequence[Gap]
    has_gaps: bool
    n_unfetched: int
    place: str = ""


def group_results(results: Iterable[SiteResult]) -> list[SiteResults]:
    """Return the results by site, in the order in which sites occur.

    Sites of one name are different sites if their images differ, or if one target occurs twice.
    """
    by_site: dict[tuple[str, object], list[dict[str, SiteResult]]] = {}
    failures: list[SiteFailure] = []
    for result in results:
        if isinstance(result, SiteFailure):
            failures.append(result)
            continue
        images = tuple(map(source_key, result.sources))
        _add(by_site.setdefault((result.site, images), []), result)
    of_name: dict[str, list[dict[str, SiteResult]]] = defaultdict(list)
    for (site, _), groups in by_site.items():
        of_name[site] += groups
    for failure in failures:
        known = of_name[failure.site]
        if len(known) == 1 and failure.target not in known[0]:  # failed for this target only
            known[0][failure.target] = failure
        else:
            _add(by_site.setdefault((failure.site, failure.reason), []), failure)
    by_name: dict[str, list[tuple[SiteResult, ...]]] = defaultdict(list)
    for (site, _), groups in by_site.items():
        by_name[site] += [tuple(group.values()) for group in groups]
    return [site for name, groups in by_name.items() for site in _named(name, groups)]


def _named(name: str, groups: Sequence[tuple[SiteResult, ...]]) -> Iterator[SiteResults]:
    """Yield the sites of one name; their keys depend on their folders, not on their order."""
    folders = [_folder(results) if len(groups) > 1 else "" for results in groups]
    known = [folder for folder in folders if folder]
    is_clear = len(set(known)) == len(known) > 1
    place_of = dict(zip(known, display_names(known), strict=True)) if is_clear else {}
    occurrences: Counter[str] = Counter()
    for results, folder in zip(groups, folders, strict=True):
        distinction = f"{folder}\0{occurrences[folder]}" if len(groups) > 1 else 0
        occurrences[folder] += 1
        key = page_filename(name, distinction).removesuffix(".html")
        yield SiteResults(name, key, results, place_of.get(folder, ""))


def _folder(results: Iterable[SiteResult]) -> str:
    """Return the folder of a site's images; empty without a decision, or if they are no files."""
    sources = [s for result in results if isinstance(result, SiteRelevance) for s in result.sources]
    paths = [os.path.abspath(s) for s in sources if isinstance(s, (str, os.PathLike))]
    return os.path.commonpath(map(os.path.dirname, paths)) if paths else ""


def _add(groups: list[dict[str, SiteResult]], result: SiteResult) -> None:
    """Add a result to the first group without one for its target."""
    for group in groups:
        if result.target not in group:
            group[result.target] = result
            return
    groups.append({result.target: result})


def order_sites(sites: Iterable[SiteResults]) -> list[SiteResults]:
    """Return the sites by group, then by their best cell, highest first."""
    return sorted(sites, key=_rank)


def rank_key(result: SiteResult) -> tuple[int, float]:
    """Return the group of a result and minus its value: the smallest is the best."""
    return _group(result), -_value(result)


def _rank(site: SiteResults) -> tuple[int, float]:
    return min(map(rank_key, site.results))


def _group(result: SiteResult) -> int:
    if isinstance(result, SiteFailure):
        return 2
    return 0 if result.evidence else 1


def _value(result: SiteResult) -> float:
    if isinstance(result, SiteFailure):
        return 0.0
    return result.share if result.probability is None else result.probability


def site_row(site: SiteResults, crawl: Crawl, around: Surroundings) -> SiteRow:
    """Return a site's row of the first page.

    Parameters
    ----------
    site : SiteResults
    crawl : Crawl
    around : Surroundings
    """
    group, value = _rank(site)
    decision = next(iter(site.decisions), None)
    reasons = [crawl.reason]
    if decision is None:  # a reason that is the same for all targets is said once
        reasons += [result.reason for result in site.results if isinstance(result, SiteFailure)]
    said = list(dict.fromkeys(filter(None, reasons)))
    cells = {
        result.target: site_cell(result, number, around)
        for number, result in enumerate(site.results, start=1)
    }
    if decision is None:
        cells = {target: replace(cell, reason="") for target, cell in cells.items()}
    codes = [crawl.code, *(r.code for r in site.results if isinstance(r, SiteFailure))]
    gaps = site_gaps(crawl, decision)
    return SiteRow(
        site=site.site,
        key=site.key,
        page=site.page,
        url=crawl.url,
        group=group,
        value=-value,
        cells=cells,
        looked_at=looked_at(crawl, decision),
        reason="; ".join(said),
        advice="; ".join(dict.fromkeys(filter(None, map(what_to_do, codes)))),
        gaps=gaps,
        has_gaps=any(gap.advice for gap in gaps) or bool(crawl.reason),
        n_unfetched=n_unfetched(crawl),
        place=site.place,
    )


def site_cell(result: SiteResult, number: int, around: Surroundings) -> Cell:
    """Return a cell of the first page; `number` is that of the target on the site's page."""
    if isinstance(result, SiteFailure):
        return Cell("no decision", None, "", "", result.reason, "")
    best = result.deciding(1)
    index = int(best.index[0])
    source = result.sources[index]
    thumbnail = around.thumbnail_of(source)
    return Cell(
        decision=result.decision,
        value=_value(result),
        chance=chance(result),
        seen=describe_evidence(result, "it"),
        reason=result.reason,
        anchor=f"t{number}",
        thumbnail=None if isinstance(thumbnail, ImageError) else thumbnail,
        alt=_image_name(result, index, source),
        path=around.path_of(source),
        also_seen=around.seen_of(thumbnail),
    )


def _image_name(result: SiteRelevance, index: int, source: object) -> str:
    """Return the product or alternative text of an image, or the name of its file."""
    if result.origins is not None:
        row = result.origins.iloc[index]
        for name in ("product", "alt"):
            if isinstance(row.get(name), str) and row[name].strip():
                return str(row[name])
    return describe(source).replace("\\", "/").rpartition("/")[2]


def chance(result: SiteRelevance) -> str:
    """Return what the decision stands on, as a short text."""
    if result.probability is None:
        return f"share {format_share(result)}"
    text = format_chance(result)
    if result.criterion == "offered":
        return text
    share = brief_share(result)
    share = f", share {share}" if share else ""
    return f"P(share ≥ {percent(result.settings.relevance_threshold)}) {text}{share}"


def count_decisions(rows: Sequence[SiteRow], target: str) -> dict[str, int]:
    """Return how many sites have each decision for a target."""
    counts = Counter(row.cells[target].decision for row in rows if target in row.cells)
    return {name: counts[name] for name in DECISIONS if counts[name] or name == "relevant"}


DECISIONS = ("relevant", "unsure", "irrelevant", "no decision")
"""In the order in which they are counted."""
