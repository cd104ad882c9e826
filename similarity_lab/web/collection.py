"""Collect the images of many sites: a folder per site, a table of sites, a table of images."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Collection as Names
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import pandas as pd

from similarity_lab._progress import tqdm
from similarity_lab._version import __version__
from similarity_lab.errors import (
    CollectedFolderError,
    InputError,
    MissingExtraError,
    UrlError,
    check_type,
    one_line,
)
from similarity_lab.files.output import output_folder
from similarity_lab.sites import ORIGINS, Site
from similarity_lab.web.crawler.chromium import MISSING_BROWSER
from similarity_lab.web.crawler.job import CrawlOptions, Job
from similarity_lab.web.crawler.process import CrawlerProcess, CrawlInterrupted
from similarity_lab.web.folder import (
    COLLECTED_IMAGE_COLUMNS,
    delete_cache,
    folder_name,
    forget_left_out,
    prepare_folder,
    read_marker,
    read_outcome,
    read_tables,
    write_marker,
    write_tables,
)
from similarity_lab.web.policy.limits import Limits
from similarity_lab.web.policy.urls import (
    check_url,
    normalize_url,
    site_key,
    spelling_key,
    without_tracking,
)
from similarity_lab.web.reasons import Code, Reason, code_of, read_reason
from similarity_lab.web.site_list import UrlSource, read_sites

COLLECTION_COLUMNS = [
    "name", "url", "crawl_status", "reason", "reason_code", "n_pages", "n_pages_found", "n_found",
    "n_images", "n_left_out", "n_repeated", "n_failed", "folder",
]  # fmt: skip
USER_AGENT = f"similarity_lab/{__version__} (collects product images; obeys robots.txt)"


@dataclass(frozen=True, eq=False)
class Collection:
    """The result of `collect`.

    Attributes
    ----------
    table : DataFrame
        One row per URL, in the order given: name, url, crawl_status ("collected", "empty",
        "failed", "refused", "repeated"), reason, reason_code (a value of
        `similarity_lab.web.reasons.Code`, or empty; that of the first of several), n_pages (read),
        n_pages_found (known, with those that were not requested), n_found, n_images (kept),
        n_left_out, n_repeated, n_failed (images; nullable integers), folder. If a limit cut
        something off, the reason of a collected site says which sample of its pages and images
        this is.
    """

    table: pd.DataFrame

    @classmethod
    def from_sites(cls, sites: Iterable[CollectedSite]) -> Collection:
        """Return the collection of all sites that `collect_each` gave, in any order."""
        rows = [site.row for site in sorted(sites, key=lambda site: site.position)]
        counts = [name for name in COLLECTION_COLUMNS if name.startswith("n_")]
        table = pd.DataFrame(rows, columns=COLLECTION_COLUMNS)
        return cls(table.astype(dict.fromkeys(counts, "Int64")))

    @classmethod
    def from_folders(cls, folders: Mapping[str, str | PathLike[str]]) -> Collection:
        """Return the collection of sites that earlier calls collected.

        Parameters
        ----------
        folders : mapping of name to path
            Folders of sites. Those that `collect` did not finish are left out.
        """
        check_type(folders, Mapping, "a mapping from the name of a site to its folder")
        rows = []
        for name, path in folders.items():
            marker = read_marker(Path(path)) or {}
            row = _finished_row(Path(path), marker)
            if row is not None:
                rows.append({"name": name, "url": str(marker.get("url", "")), **row})
        return cls.from_sites(CollectedSite(index, row) for index, row in enumerate(rows))

    @property
    def sites(self) -> list[Site]:
        """The sites that have images."""
        rows = self.table[self.table["crawl_status"] == "collected"]
        return [
            Site.from_folder(folder, name=name)
            for folder, name in zip(rows["folder"], rows["name"], strict=True)
        ]

    @property
    def images(self) -> pd.DataFrame:
        """One row per image that any site names: site, then the columns of ``images.parquet``."""
        rows = self.table[self.table["crawl_status"].isin(["collected", "empty"])]
        tables = [
            pd.read_parquet(Path(folder) / ORIGINS).assign(site=name)
            for folder, name in zip(rows["folder"], rows["name"], strict=True)
        ]
        columns = ["site", *COLLECTED_IMAGE_COLUMNS]
        if not tables:
            return pd.DataFrame(columns=columns)
        return pd.concat(tables, ignore_index=True)[columns]


@dataclass(frozen=True)
class CollectedSite:
    """One site that `collect_each` is done with.

    Attributes
    ----------
    position : int
        Among the sites given, from 0.
    row : dict
        The columns of `Collection.table`.
    """

    position: int
    row: dict[str, Any]

    @property
    def site(self) -> Site | None:
        """The site; None if it has no images."""
        if self.row["crawl_status"] != "collected":
            return None
        return Site.from_folder(self.row["folder"], name=self.row["name"])


def collect(
    sites: UrlSource,
    out_dir: str | PathLike[str],
    *,
    limits: Limits | None = None,
    parallel: int = 32,
    allow: Names[str] = (),
    throttle: bool = True,
    render: Literal["never", "auto", "always"] = "auto",
    verify: bool = True,
    user_agent: str = USER_AGENT,
    refresh: bool = False,
    progress: bool = True,
) -> Collection:
    """Collect the images of websites.

    Sites are crawled side by side in one process, which stays on each site's registered domain
    (images may lie elsewhere), obeys robots.txt and its crawl delay, and reaches only the public
    internet. A site that fails or crashes the process does not affect the others. A repeated call
    resumes: finished sites are not requested again.

    Parameters
    ----------
    sites : str, iterable of str, mapping of name to URL, DataFrame or path of a table
        A file is CSV, TSV, ``.xlsx`` (extra ``excel``) or has one URL per line; a table has a
        column url (also ``Website`` and the like) and optionally name. Without a scheme,
        ``http://`` is assumed. Several spellings of one site (``www.``, https, a trailing slash)
        are collected once, and the others are listed as "repeated".
    out_dir : path
        Gets a folder per site, and the logs of the crawler in ``.crawler``; nothing is written
        elsewhere.
    limits : Limits, optional
        Limits per site.
    parallel : int
        Number of sites crawled at the same time.
    allow : collection of str
        ``host:port`` that may be contacted although private, for tests.
    throttle : bool
        Adapt the request rate to the server. The crawl delay of robots.txt always applies.
    render : {"never", "auto", "always"}
        Render pages in a browser: never, those whose content comes from scripts, or all. Needs the
        extra ``browser`` and Chromium, from the system's package manager or Playwright. Without
        them, "auto" is "never", and the rows of sites with such pages say what is missing.
    verify : bool
        Require trusted certificates.
    user_agent : str
        Sent to servers; say who you are.
    refresh : bool
        Request finished sites again; images that are there are not fetched again.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Collection

    Raises
    ------
    InputError
        No URLs, or an invalid parameter. A site that fails does not raise: its row has the reason.
    MissingExtraError
        The extra ``web`` is not installed, or ``browser`` with ``render="always"``.
    KeyboardInterrupt
        Crawls are stopped; the next call resumes them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     collect(["http://10.0.0.1/"], folder, progress=False).table.loc[0, "reason"]
    '10.0.0.1 is not on the public internet'
    """
    collecting = _Collecting(
        sites,
        out_dir,
        limits=limits,
        parallel=parallel,
        allow=allow,
        throttle=throttle,
        render=render,
        verify=verify,
        user_agent=user_agent,
        refresh=refresh,
        progress=progress,
    )
    return Collection.from_sites(collecting.sites())


def collect_each(
    sites: UrlSource,
    out_dir: str | PathLike[str],
    **options: Any,  # noqa: ANN401
) -> CollectedSites:
    """Start to collect the images of websites; iterate over the sites as they are finished.

    What is done with a finished site costs no time: others are collected meanwhile.

    Parameters
    ----------
    sites, out_dir, **options
        As in `collect`.

    Returns
    -------
    CollectedSites

    Raises
    ------
    InputError, MissingExtraError
        As in `collect`.

    Examples
    --------
    >>> import tempfile
    >>> with (
    ...     tempfile.TemporaryDirectory() as folder,
    ...     collect_each(["http://10.0.0.1/"], folder, progress=False) as sites,
    ... ):
    ...     for site in sites:
    ...         print(site.position, site.row["crawl_status"], site.site)
    0 refused None
    """
    return CollectedSites(_Collecting(sites, out_dir, **options))


class CollectedSites(Iterator[CollectedSite]):
    """The sites of a call of `collect_each`, in the order in which they are finished.

    `Collection.from_sites` makes one table of all. Use it as a context manager: leaving the context
    stops the crawls that are not finished, and the next call resumes them.
    """

    def __init__(self, collecting: _Collecting) -> None:
        self._collecting = collecting
        self._finished: SimpleQueue[CollectedSite | BaseException] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="collect", daemon=True)
        self._thread.start()

    def __next__(self) -> CollectedSite:
        site = self._finished.get()
        if isinstance(site, BaseException):
            self._finished.put(site)  # also for the next call
            raise site
        return site

    def close(self) -> None:
        """Stop the crawls that are not finished, and wait for their end."""
        self._collecting.stop()
        self._thread.join()

    def __enter__(self) -> CollectedSites:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            for site in self._collecting.sites():
                self._finished.put(site)
        except CrawlInterrupted:
            self._finished.put(StopIteration())
        except BaseException as error:  # raised where the sites are awaited
            self._finished.put(error)
        else:
            self._finished.put(StopIteration())


class _Collecting:
    """One call of `collect`: its sites and options, checked; and its crawls."""

    def __init__(
        self,
        sites: UrlSource,
        out_dir: str | PathLike[str],
        *,
        limits: Limits | None = None,
        parallel: int = 32,
        allow: Names[str] = (),
        throttle: bool = True,
        render: str = "auto",
        verify: bool = True,
        user_agent: str = USER_AGENT,
        refresh: bool = False,
        progress: bool = True,
    ) -> None:
        if parallel < 1:
            raise InputError(f"parallel must be at least 1, got {parallel}")
        if render not in ("never", "auto", "always"):
            raise InputError(f'render must be "never", "auto" or "always", got {render!r}')
        if render == "always" and find_spec("playwright") is None:
            raise MissingExtraError(
                'render="always"', "a browser", "browser", f", then {MISSING_BROWSER}"
            )
        if not user_agent.strip() or not user_agent.isprintable():
            raise InputError(f"user_agent must be one line of text, got {user_agent!r}")
        allow = (allow,) if isinstance(allow, str) else tuple(sorted(allow))
        self.rows: list[dict] = [
            {"reason": "", "reason_code": "", "folder": "", **site._asdict()}
            for site in read_sites(sites)
        ]
        if not self.rows:
            raise InputError("no URLs to collect; pass at least one")
        # Not resolved below this folder: nothing is written through a symbolic link
        self.out = output_folder(out_dir, "a folder for the collected sites").resolve()
        self.options = CrawlOptions(limits or Limits(), allow, throttle, user_agent, render, verify)
        self.jobs = {
            index: Job(url, self.out / folder_name(url))
            for index, url in _accepted_urls(self.rows, allow).items()
        }
        self.parallel, self.refresh, self.progress = parallel, refresh, progress
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """End all crawls soon; the next call resumes them."""
        self._is_stopped.set()

    def sites(self) -> Iterator[CollectedSite]:
        """Yield each site when it is finished; stop all crawls when interrupted."""
        for index, row in enumerate(self.rows):
            if index not in self.jobs:
                yield CollectedSite(index, row)
        for index, outcome in self._crawl():
            yield CollectedSite(index, self.rows[index] | outcome)

    def _crawl(self) -> Iterator[tuple[int, dict]]:
        """Yield the columns of each job's row when it ends."""
        counts: dict[Path, tuple[int, int]] = {}
        running: dict[Job, tuple[int, float]] = {}  # index and time of the start
        bar = tqdm(total=len(self.jobs), desc="collecting", unit="site", disable=not self.progress)

        def on_progress(job: Job, n_pages: int, n_images: int) -> None:
            counts[job.folder] = n_pages, n_images
            pages, images = map(sum, zip(*counts.values(), strict=True))
            bar.set_postfix(pages=pages, images=images)

        def on_finish(job: Job, outcome: dict | None) -> None:
            if outcome and "n_pages" in outcome:  # what the worker reported last may be old
                on_progress(job, outcome["n_pages"], outcome["n_images"])
            bar.update()

        waiting = deque(self.jobs.items())
        process = CrawlerProcess(
            self.out,
            self.options,
            parallel=self.parallel,
            on_progress=on_progress,
            is_stopped=self._is_stopped.is_set,
        )
        with bar, process:
            while True:
                while process.has_room and (next_job := _next_job(waiting, running)) is not None:
                    index, job = next_job
                    outcome = _safely(_prepare, job, self.options, refresh=self.refresh)
                    if outcome is None:
                        running[job] = index, time.monotonic()
                        process.start(job)
                    else:
                        on_finish(job, outcome)
                        yield index, outcome
                if not running:
                    return
                job, failure = process.wait()
                index, start = running.pop(job)
                seconds = time.monotonic() - start
                outcome = _safely(_finish, job, self.options, failure, seconds)
                on_finish(job, outcome)
                yield index, outcome or {}


def _accepted_urls(rows: list[dict], allow: Names[str]) -> dict[int, str]:
    """Return the URL to collect by row; mark rows that are refused or repeated."""
    urls: dict[int, str] = {}
    names: dict[str, str] = {}  # of the first site in each spelling
    for index, row in enumerate(rows):
        try:
            url = without_tracking(normalize_url(row["url"]))
            check_url(url, allow)
        except UrlError as error:
            row.update(_outcome("refused", Reason(Code.ADDRESS_REFUSED, error)))
            continue
        first = names.setdefault(spelling_key(url), row["name"])
        if len(names) > len(urls):
            urls[index] = url
        else:
            row.update(_outcome("repeated", Reason(Code.REPEATED_SITE, first)))
    return urls


def _next_job(waiting: deque[tuple[int, Job]], running: Iterable[Job]) -> tuple[int, Job] | None:
    """Remove and return the first job for a site that is not being crawled by another one."""
    busy = {site_key(job.url) for job in running}
    for position, (index, job) in enumerate(waiting):
        if site_key(job.url) not in busy:
            del waiting[position]
            return index, job
    return None


def _safely(step: Callable[..., dict | None], job: Job, *args: Any, **options: Any) -> dict | None:  # noqa: ANN401
    """Return the result of a step on a site's folder; if it fails, a row that says why."""
    try:
        return step(job, *args, **options)
    except (CollectedFolderError, OSError) as error:
        return _outcome("failed", Reason(Code.FOLDER, error))
    except (ValueError, TypeError, KeyError) as error:  # logs that our crawler did not write
        what = f"{job.folder / 'crawl'}; delete them ({one_line(error)})"
        return _outcome("failed", Reason(Code.DAMAGED_LOGS, what))


def _outcome(crawl_status: str, reason: Reason | None) -> dict[str, str]:
    """Return the columns of a site's row that say what became of it."""
    columns = {"crawl_status": crawl_status, "reason": reason or "", "reason_code": code_of(reason)}
    return {name: str(value) for name, value in columns.items()}


def _prepare(job: Job, options: CrawlOptions, *, refresh: bool) -> dict | None:
    """Prepare a site's folder; return its row if the site is collected already."""
    prepare_folder(job.folder, job.url)
    marker = read_marker(job.folder) or {}
    is_same = marker.get("settings") == _settings(options)
    if is_same and marker.get("complete") and not refresh:
        row = _finished_row(job.folder, marker)
        if row is not None:
            return row
    if "settings" in marker and not is_same:
        forget_left_out(job.folder)
    return None


def _finished_row(folder: Path, marker: dict) -> dict | None:
    """Return the row of a site that is collected already, or None if its tables are gone."""
    try:
        counts = _counts(*read_tables(folder)) | {"n_pages_found": int(marker["n_pages_found"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    outcome = _outcome(str(marker["crawl_status"]), read_reason(marker))
    return {**counts, **outcome, "folder": str(folder)}


def _settings(options: CrawlOptions) -> dict[str, Any]:
    """Return what the result depends on, as JSON returns it."""
    return asdict(options) | {"allow": list(options.allow)}


def _finish(job: Job, options: CrawlOptions, failure: Reason | None, seconds: float) -> dict:
    """Write the tables of a site that was crawled; return its row."""
    images, pages = write_tables(job.folder)
    outcome = read_outcome(job.folder)
    crawl_status, reason = _verdict(outcome, failure, images)
    complete = crawl_status != "failed" and bool(outcome.get("finished"))
    if complete:
        delete_cache(job.folder)
    counts = _counts(images, pages)
    counts["n_pages_found"] = int(outcome.get("n_pages_found", counts["n_pages"]))
    marker = {
        "url": job.url,
        **_outcome(crawl_status, reason),
        "complete": complete,
        "n_pages_found": counts["n_pages_found"],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "settings": _settings(options),
        "version": __version__,
    }
    write_marker(job.folder, marker)
    return {**counts, **_outcome(crawl_status, reason), "folder": str(job.folder)}


def _verdict(
    outcome: dict, failure: Reason | None, images: pd.DataFrame
) -> tuple[str, Reason | None]:
    """Return status and reason of a site."""
    reason, hint = failure or read_reason(outcome), read_reason(outcome, "hint")
    if (images["crawl_status"] == "kept").any():
        return "collected", _joined(hint, reason)
    if not outcome.get("reached"):
        return "failed", reason or Reason(Code.NO_PAGES)
    if outcome.get("is_sample") and not failure:
        reason = None  # of no images
    return "empty", _joined(reason, hint or _commonest_reason(images))


def _joined(*reasons: Reason | None) -> Reason | None:
    """Return reasons as one, with the code of the first; None if there is none."""
    given = [reason for reason in reasons if reason]
    return Reason.with_text(given[0].code, "; ".join(given)) if given else None


def _commonest_reason(images: pd.DataFrame) -> Reason:
    """Return why most of the images are not kept, none of which is."""
    if images.empty:
        return Reason(Code.NO_IMAGES)
    kinds = images["reason"].str.replace(r"\s*\(.*", "", regex=True)
    most = kinds.value_counts()
    n_images = "the only image" if len(images) == 1 else f"{most.iloc[0]} of {len(images)} images"
    return Reason(Code.NONE_KEPT, f"{most.index[0]} ({n_images})")


def _counts(images: pd.DataFrame, pages: pd.DataFrame) -> dict[str, int]:
    """Return the counts of a site's row."""
    n_images = images["crawl_status"].value_counts()
    is_page = (pages["crawl_status"] == "read") & (pages["kind"] == "page")
    return {
        "n_pages": int(is_page.sum()),
        "n_found": len(images),
        "n_images": int(n_images.get("kept", 0)),
        "n_left_out": int(n_images.get("left out", 0)) + int(n_images.get("not fetched", 0)),
        "n_repeated": int(n_images.get("repeated", 0)),
        "n_failed": int(n_images.get("failed", 0)),
    }
