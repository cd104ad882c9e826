"""Write decisions as a static folder: a row and a page per site, shared photos, thumbnails."""

from __future__ import annotations

import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.resources import files
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from similarity_lab._numbers import percent
from similarity_lab._progress import tqdm
from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.files import atomic_write
from similarity_lab.files.output import check_output_folder, output_folder
from similarity_lab.images import Pixels, read_image
from similarity_lab.images.decoding import map_ahead
from similarity_lab.relevance import (
    DecisionSettings,
    SiteFailure,
    SiteRelevance,
    rank_results,
)
from similarity_lab.relevance.tables import SiteResult, as_results
from similarity_lab.report.crawl import Crawl
from similarity_lab.report.evidence import advice, basis
from similarity_lab.report.rows import (
    GROUPS,
    SiteResults,
    SiteRow,
    count_decisions,
    group_results,
    order_sites,
    rank_key,
    site_row,
)
from similarity_lab.report.shared import (
    MAX_SITES_OF_PAIRS,
    SharedPhoto,
    count_pairs,
    find_shared,
    photo_hash,
)
from similarity_lab.report.spreadsheets import write_csv
from similarity_lab.report.thumbnails import (
    Thumbnail,
    Thumbnails,
    source_key,
    write_thumbnails,
)
from similarity_lab.report.views import (
    Seen,
    Surroundings,
    deciding_views,
    environment,
    known_origins,
    not_counted_views,
    other_views,
    page_sources,
    settings_table,
    skipped_names,
)

_PAGE_NAME = re.compile(r".*[0-9a-f]{10}\.html")
_ASSETS = ("style.css", "report.js", "marks.js")
_EXPECTED = "a folder for the report"
_IDENTITY = re.compile(r'data-report="([0-9a-f]{16})"')
_NAMES_IN_TITLE = 3
_FIRST_ROWS = 100  # of the first page are laid out at once; thousands would be slow
_MAX_SHOWN_PHOTOS, _MAX_SHOWN_PAIRS = 300, 200  # on the page of shared photos; all are in the CSV

SHARED_PHOTO_COLUMNS = [
    "photo", "n_sites", "site", "url", "page", "product", "price", "currency", "thumbnail"
]  # fmt: skip
"""Columns of ``shared_photos.csv``, one row per photo and site that shows it."""

SHARED_SUPPLIER_COLUMNS = ["site", "other_site", "n_shared", "n_photos", "n_photos_other"]
"""Columns of ``shared_suppliers.csv``, one row per pair of sites with a common photo."""


@dataclass(frozen=True)
class Frame:
    """What all pages of a report have in common.

    Attributes
    ----------
    title : str
    identity : str
        Of the report; marks in a browser are kept by it.
    """

    title: str
    identity: str

    @classmethod
    def of(cls, folder: Path, title: str) -> Frame:
        """Return the frame of a report in a folder; it keeps the identity of an earlier report."""
        try:
            with (folder / "index.html").open(encoding="utf-8") as file:
                found = _IDENTITY.search(file.read(2000))
        except (OSError, UnicodeDecodeError):
            found = None
        return cls(title, found[1] if found else secrets.token_hex(8))


def sellers_title(targets: Iterable[str]) -> str:
    """Return the title of a report on who sells the targets.

    Examples
    --------
    >>> sellers_title(["almonds", "dates"])
    'Who sells almonds, dates?'
    >>> sellers_title(["almonds", "dates", "figs", "oats", "rice", "peas"])
    'Who sells almonds, dates, figs and 3 other products?'
    """
    names = list(dict.fromkeys(targets))
    n_more = len(names) - _NAMES_IN_TITLE
    if n_more > 1:
        return f"Who sells {', '.join(names[:_NAMES_IN_TITLE])} and {n_more} other products?"
    return f"Who sells {', '.join(names)}?"


def write_report(
    results: Sequence[SiteResult],
    folder: str | PathLike[str],
    *,
    title: str = "Which sites sell it?",
    crawl: pd.DataFrame | None = None,
    progress: bool = True,
) -> Path:
    """Write decisions and their evidence as HTML pages that open from disk, without a network.

    ``index.html`` has a row per site and a column per target, sites with the best decision first;
    ``sites/`` has a page per site with the evidence for all targets, the images that decided, the
    others, and what was not looked at; ``shared.html`` lists photos that several sites show, which
    changes no decision; ``thumbs/`` has each image once. Untrusted text (names, alt texts, URLs) is
    escaped, file names are generated, and a content security policy keeps the pages from loading
    anything but their own files.

    Parameters
    ----------
    results : sequence of SiteRelevance or SiteFailure
        In any order; a failure becomes a row with its reason.
    folder : path
        Created if missing. An earlier report is overwritten: thumbnails that are still valid are
        reused, so an interrupted report resumes; pages and thumbnails of other results are removed.
        Marks that a person set in a browser stay.
    title : str
    crawl : DataFrame, optional
        `similarity_lab.web.Collection.table` of these sites: addresses of the shops, and what was
        not collected.
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
    results = as_results(results)
    folder = output_folder(check_report_folder(folder), _EXPECTED)
    (folder / "sites").mkdir(exist_ok=True)
    frame = Frame.of(folder, title)
    sites = order_sites(group_results(rank_results(results)))
    crawls = crawls_of(sites, crawl)
    decisions = [result for site in sites for result in site.decisions]
    thumbnails = write_thumbnails(
        (source for site in sites for source in page_sources(site.decisions)),
        folder / "thumbs",
        encoded={
            source_key(path): thumbnail
            for result in decisions
            for path, thumbnail in result.thumbnails.items()
        },
        progress=progress,
    )
    shared = find_shared_photos(sites, thumbnails, folder / "thumbs", progress=progress)
    around = Surroundings(
        lambda source: thumbnails[source_key(source)], _seen(shared), folder.absolute().parent
    )
    write_assets(folder)
    rows = [site_row(site, crawls[site.key], around) for site in sites]
    row_of = {row.key: row for row in rows}
    paged = [site for site in sites if site.page]
    bar = tqdm(paged, desc="pages", unit="page", disable=not progress, leave=False)
    for position, site in enumerate(bar):
        write_site(
            site,
            row_of[site.key],
            folder,
            crawl=crawls[site.key],
            around=around,
            frame=frame,
            before=paged[position - 1] if position else None,
            after=paged[position + 1] if position + 1 < len(paged) else None,
        )
    _remove_old_pages(folder / "sites", {site.page for site in paged})
    write_shared(sites, shared, thumbnails, folder, frame)
    targets = list(dict.fromkeys(result.target for result in results))
    return write_index(rows, targets, decisions, folder, frame, n_shared=len(shared))


def check_report_folder(folder: str | PathLike[str]) -> Path:
    """Return the path of a folder to which a report can be written without replacing other pages.

    Raises
    ------
    NotAFolderError
        It is a file.
    InputError
        It has an ``index.html`` that is not that of a report.
    """
    path = check_output_folder(folder, _EXPECTED)
    if (path / "index.html").exists() and not (path / "report.js").exists():
        raise InputError(
            f"{path}: has an index.html that is not of a report; choose another folder"
        )
    return path


def write_assets(folder: Path) -> None:
    """Write the style sheet and the scripts of a report."""
    for name in _ASSETS:
        data = files("similarity_lab.report").joinpath("templates", name).read_bytes()
        with atomic_write(folder / name) as part:
            part.write_bytes(data)


def write_index(
    rows: Sequence[SiteRow],
    targets: Sequence[str],
    decisions: Sequence[SiteRelevance],
    folder: Path,
    frame: Frame,
    *,
    n_shared: int = 0,
) -> Path:
    """Write the first page from the rows of all sites.

    Parameters
    ----------
    rows : sequence of SiteRow
        In the order in which they are shown.
    targets : sequence of str
        The columns.
    decisions : sequence of SiteRelevance
        From which settings and what was learned are told; one per target will do.
    folder : Path
    frame : Frame
    n_shared : int
        Number of photos on the page of shared photos; 0 without that page.

    Returns
    -------
    Path
    """
    certainties = {result.settings.certainty for result in decisions} - {None}
    certainty = certainties.pop() if len(certainties) == 1 else None
    html = (
        environment()
        .get_template("index.html")
        .render(
            frame=frame,
            targets=targets,
            groups=[
                (name, [row for row in rows if row.group == number])
                for number, name in enumerate(GROUPS)
            ],
            rows=rows,
            first_rows=_FIRST_ROWS,
            counts={target: count_decisions(rows, target) for target in targets},
            notices=_by_target(decisions, advice),
            bases=_by_target(decisions, basis),
            settings=common_settings(_distinct_settings(decisions)),
            gives_probability=any(result.probability is not None for result in decisions),
            by_share=any(result.criterion == "share" for result in decisions),
            limits=() if certainty is None else (percent(certainty), percent(1 - certainty)),
            n_unfetched=sum(row.n_unfetched for row in rows),
            n_sites_unfetched=sum(row.n_unfetched > 0 for row in rows),
            n_shared=n_shared,
            written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        )
    )
    return _write_page(folder / "index.html", html)


def write_site(
    site: SiteResults,
    row: SiteRow,
    folder: Path,
    *,
    crawl: Crawl,
    around: Surroundings,
    frame: Frame,
    before: SiteResults | None = None,
    after: SiteResults | None = None,
) -> Path:
    """Write the page of one site.

    Parameters
    ----------
    site : SiteResults
        With at least one decision.
    row : SiteRow
        Of the first page.
    folder : Path
        Of the report.
    crawl : Crawl
    around : Surroundings
    frame : Frame
    before, after : SiteResults, optional
        The sites above and below on the first page.
    """
    decisions = sorted(site.decisions, key=rank_key)
    first = decisions[0]
    failures = [result for result in site.results if isinstance(result, SiteFailure)]
    anchors = {result.target: f"t{number}" for number, result in enumerate(site.results, start=1)}
    html = (
        environment()
        .get_template("site.html")
        .render(
            frame=frame,
            site=site,
            crawl=crawl,
            sections=[
                (result, anchors[result.target], deciding_views(result, around))
                for result in decisions
            ],
            failures=failures,
            anchors=anchors,
            others=other_views(decisions, around),
            not_counted=not_counted_views(first, around),
            skipped=skipped_names(first),
            gaps=row.gaps,
            row=row,
            bases=_by_target(decisions, basis),
            settings=common_settings(decisions),
            before=before,
            after=after,
        )
    )
    return _write_page(folder / "sites" / site.page, html)


def crawls_of(sites: Sequence[SiteResults], table: pd.DataFrame | None) -> dict[str, Crawl]:
    """Return what is known of the crawl of each site, by key.

    Parameters
    ----------
    sites : sequence of SiteResults
    table : DataFrame or None
        `similarity_lab.web.Collection.table`. Of several rows with the name of a site, the one
        whose folder holds its images counts.
    """
    if table is None:
        return {site.key: Crawl() for site in sites}
    by_name: dict[str, list[dict]] = defaultdict(list)
    for row in table.to_dict("records"):
        by_name[str(row["name"])].append(row)
    return {site.key: _take_crawl(site, by_name[site.site]) for site in sites}


def _take_crawl(site: SiteResults, rows: list[dict]) -> Crawl:
    """Remove and return the row of a site from those with its name."""

    def fits(row: dict) -> bool:
        if not site.decisions:
            return any(result.reason in (row["reason"], "") for result in site.results)
        sources = site.decisions[0].sources
        folder = str(row.get("folder") or "")
        source = sources[0] if sources else None
        is_path = isinstance(source, (str, PathLike))
        return bool(folder) and is_path and Path(str(source)).is_relative_to(folder)

    if not rows:
        return Crawl()
    fitting = [row for row in rows if fits(row)]
    row = (fitting or rows)[0]
    rows.remove(row)
    return Crawl.of(row)


def find_shared_photos(
    sites: Sequence[SiteResults], thumbnails: Thumbnails, folder: Path, *, progress: bool = True
) -> list[SharedPhoto]:
    """Return the photos that several sites show; names are those of thumbnails, sites are keys.

    Parameters
    ----------
    sites : sequence of SiteResults
    thumbnails : dict of source key to Thumbnail or ImageError
    folder : Path
        Of the thumbnails.
    progress : bool
    """
    if len(sites) < 2:
        return []
    shown_by: dict[str, set[str]] = defaultdict(set)
    for name, site, _, _ in _photos(sites, thumbnails):
        shown_by[name].add(site.key)

    def pixels_of(name: str) -> Pixels:
        return read_image(folder / name)

    names = sorted(shown_by)
    bar = tqdm(
        map_ahead(lambda name: photo_hash(pixels_of(name)), names),
        total=len(names),
        desc="shared photos",
        unit="image",
        disable=not progress,
        leave=False,
    )
    pairs = zip(names, bar, strict=True)
    hashes = {name: value for name, value in pairs if isinstance(value, np.uint64)}
    return find_shared(hashes, shown_by, pixels_of)


def _photos(
    sites: Iterable[SiteResults], thumbnails: Thumbnails
) -> Iterable[tuple[str, SiteResults, SiteRelevance, int]]:
    """Yield name of the thumbnail, site, decision and row of each image that is not left out."""
    for site in sites:
        for result in site.decisions[:1]:
            images = result.images[result.images["status"].isin(["scored", "repeated"])]
            for index in images.index.tolist():
                thumbnail = thumbnails[source_key(result.sources[index])]
                if isinstance(thumbnail, Thumbnail):
                    yield thumbnail.url, site, result, index


def _seen(shared: Sequence[SharedPhoto]) -> dict[str, Seen]:
    """Return where else each shared photo is shown, by the name of its thumbnail."""
    return {
        name: Seen(
            len(photo.sites) - 1,
            f"shared.html#p{number}" if number <= _MAX_SHOWN_PHOTOS else "shared.html",
        )
        for number, photo in enumerate(shared, start=1)
        for name in photo.names
    }


def write_shared(
    sites: Sequence[SiteResults],
    shared: Sequence[SharedPhoto],
    thumbnails: Thumbnails,
    folder: Path,
    frame: Frame,
) -> None:
    """Write the page and the tables of photos that several sites show; remove them if none does.

    Parameters
    ----------
    sites : sequence of SiteResults
    shared : sequence of SharedPhoto
        From `find_shared_photos`.
    thumbnails : dict of source key to Thumbnail or ImageError
    folder : Path
        Of the report.
    frame : Frame
    """
    paths = [folder / f"shared{name}" for name in (".html", "_photos.csv", "_suppliers.csv")]
    if not shared:
        for path in paths:
            path.unlink(missing_ok=True)
        return
    number_of = {name: number for number, photo in enumerate(shared) for name in photo.names}
    by_key = {site.key: site for site in sites}
    shows: dict[tuple[int, str], dict[str, object]] = {}
    n_photos: Counter[str] = Counter()
    for name, site, result, index in _photos(sites, thumbnails):
        n_photos[site.key] += 1
        number = number_of.get(name)
        if number is not None and (number, site.key) not in shows:
            origin = {} if result.origins is None else result.origins.iloc[index].to_dict()
            shows[number, site.key] = {
                **{column: origin.get(column) for column in SHARED_PHOTO_COLUMNS[3:-1]},
                "photo": number + 1,
                "n_sites": len(shared[number].sites),
                "site": site.site,
                "thumbnail": f"thumbs/{name}",
                "origin": known_origins(result.origins, [index])[0],
            }
    records = [shows[number, key] for number, photo in enumerate(shared) for key in photo.sites]
    pairs = [
        (by_key[first], by_key[second], count)
        for (first, second), count in count_pairs(shared).most_common()
    ]
    pair_records = [
        (first.site, second.site, count, n_photos[first.key], n_photos[second.key])
        for first, second, count in pairs
    ]
    write_csv(pd.DataFrame(records, columns=SHARED_PHOTO_COLUMNS), paths[1])
    write_csv(pd.DataFrame(pair_records, columns=SHARED_SUPPLIER_COLUMNS), paths[2])
    sizes = {each.url: each for each in thumbnails.values() if isinstance(each, Thumbnail)}
    html = (
        environment()
        .get_template("shared.html")
        .render(
            frame=frame,
            photos=[
                (
                    photo,
                    sizes[photo.names[0]],
                    [(by_key[key], shows[number, key]) for key in photo.sites],
                )
                for number, photo in enumerate(shared[:_MAX_SHOWN_PHOTOS])
            ],
            n_photos=len(shared),
            pairs=pairs[:_MAX_SHOWN_PAIRS],
            n_pairs=len(pairs),
            n_of=n_photos,
            max_sites=MAX_SITES_OF_PAIRS,
        )
    )
    _write_page(paths[0], html)


def common_settings(
    results: Sequence[SiteRelevance],
) -> tuple[dict[str, str], list[tuple[str, dict[str, str]]]]:
    """Return settings and versions that all decisions have, and what each has besides.

    Returns
    -------
    common : dict of label to value
    own : list of (target, dict of label to value)
        Empty if nothing differs.
    """
    tables = [settings_table(result.settings) | result.versions for result in results]
    if not tables:
        return {}, []
    common = {
        name: value
        for name, value in tables[0].items()
        if all(table.get(name) == value for table in tables)
    }
    own = [
        (result.target, {name: value for name, value in table.items() if name not in common})
        for result, table in zip(results, tables, strict=True)
    ]
    return common, own if any(table for _, table in own) else []


def _by_target(
    decisions: Iterable[SiteRelevance], text_of: Callable[[DecisionSettings, str], str]
) -> list[str]:
    """Return what is told of the targets, each text once."""
    texts = (text_of(result.settings, result.target) for result in decisions)
    return list(dict.fromkeys(filter(None, texts)))


def _distinct_settings(results: Iterable[SiteRelevance]) -> list[SiteRelevance]:
    """Return the first decision of each combination of target and settings.

    What belongs to a single site does not count: marks, and how much of it was collected.
    """
    first: dict[str, SiteRelevance] = {}
    for result in results:
        settings = replace(
            result.settings,
            n_marked=0,
            unseen_kinds=(),
            image_coverage=1.0,
            page_coverage=1.0,
            calibration=None,
            words=(),
        )
        first.setdefault(repr((result.target, settings, result.versions)), result)
    return list(first.values())


def _remove_old_pages(folder: Path, current: set[str]) -> None:
    for path in folder.iterdir():
        if _PAGE_NAME.fullmatch(path.name) and path.name not in current:
            path.unlink()


def _write_page(path: Path, html: str) -> Path:
    with atomic_write(path) as part:
        part.write_text(html, encoding="utf-8")
    return path
