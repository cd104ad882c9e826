"""Collect the images of many sites: one folder each, with a word on every page and image."""

import threading
import time
from collections.abc import Collection as Names
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from similarity_lab._version import __version__
from similarity_lab.errors import (
    AddressError,
    CollectedFolderError,
    InputError,
    MissingExtraError,
    one_line,
)
from similarity_lab.web import folder as layout
from similarity_lab.web.asked import Addresses, named_addresses
from similarity_lab.web.collection import SITE_COLUMNS, Collection, summary
from similarity_lab.web.crawler.jobs import Job
from similarity_lab.web.crawler.process import Interrupted, Progress, run_crawl
from similarity_lab.web.folder import folder_name
from similarity_lab.web.policy.addresses import check_address, normal_address
from similarity_lab.web.policy.limits import Limits

USER_AGENT = f"similarity_lab/{__version__} (collects product images; obeys robots.txt)"
_BROWSER = (
    "its pages are drawn by scripts, so most of it cannot be seen without a browser; collect it "
    'again with render="auto" (pip install "similarity_lab[browser]")'
)


def collect(
    urls: Addresses | PathLike[str],
    out_dir: str | PathLike[str],
    *,
    limits: Limits | None = None,
    parallel: int = 4,
    allow: Names[str] = (),
    throttle: bool = True,
    render: str = "never",
    verify: bool = True,
    user_agent: str = USER_AGENT,
    refresh: bool = False,
    progress: bool = True,
) -> Collection:
    """Collect the images of websites.

    Each site is crawled in a process of its own, which stays on the site's registered domain
    (images may lie elsewhere), obeys robots.txt and its delay, and reaches nothing but the public
    internet. Called again it goes on where it stopped: finished sites are not asked again.

    Parameters
    ----------
    urls : str, iterable of str, mapping of name to address, DataFrame or path of a CSV file
        A table has a column url and maybe name. Without a scheme, ``http://`` is meant.
    out_dir : path
        A folder per site is made in it; nothing is written elsewhere.
    limits : Limits, optional
        Of each site.
    parallel : int
        Sites at a time.
    allow : collection of str
        ``host:port`` to be reached although they are private, for tests.
    throttle : bool
        Ask no faster than the server answers. Delays of robots.txt are kept in any case.
    render : {"never", "auto", "always"}
        Draw pages in a browser: never, those that look empty, or all. Extra ``browser``.
    verify : bool
        Ask only servers whose certificate is trusted.
    user_agent : str
        What servers are told; say who you are.
    refresh : bool
        Ask finished sites again as well; images that are there stay and are not fetched again.
    progress : bool
        Show a bar.

    Returns
    -------
    Collection

    Raises
    ------
    ValueError
        No addresses, or a parameter that makes no sense. A site that fails does not raise: its row
        says why.
    ImportError
        The extra ``web`` is missing, or ``browser`` with `render`.
    KeyboardInterrupt
        Crawls are ended; the next call goes on.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     collect(["http://10.0.0.1/"], folder, progress=False).table.loc[0, "reason"]
    '10.0.0.1 is not on the public internet'
    """
    if parallel < 1:
        raise InputError(f"parallel must be 1 or more, got {parallel}")
    if render not in ("never", "auto", "always"):
        raise InputError(f'render must be "never", "auto" or "always", got {render!r}')
    if render != "never" and find_spec("playwright") is None:
        raise MissingExtraError(
            f'render="{render}" needs a browser: pip install "similarity_lab[browser]", then '
            "playwright install chromium (or a chromium of the system)"
        )
    if not user_agent.strip() or not user_agent.isprintable():
        raise InputError(f"user_agent must be one line of text, got {user_agent!r}")
    if isinstance(allow, str):
        allow = (allow,)
    rows = named_addresses(urls)
    if not rows:
        raise InputError("no addresses to collect; pass at least one")
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    results: list[dict] = [{"reason": "", "folder": "", **row} for row in rows]
    settings = (limits or Limits(), tuple(sorted(allow)), throttle, user_agent, render, verify)
    # The folder is not resolved: where it is a link, nothing is written
    jobs = {
        at: Job(url, out.resolve() / folder_name(url), *settings)
        for at, url in _asked_for(results, allow).items()
    }
    for at, outcome in _collect_all(jobs, parallel, refresh=refresh, progress=progress):
        results[at] |= outcome
    counts = [name for name in SITE_COLUMNS if name.startswith("n_")]
    table = pd.DataFrame(results, columns=SITE_COLUMNS)
    return Collection(table.astype(dict.fromkeys(counts, "Int64")))


def _asked_for(results: list[dict], allow: Names[str]) -> dict[int, str]:
    """Return the address to collect by position; mark the rows that are refused or repeated."""
    urls: dict[int, str] = {}
    seen: dict[str, str] = {}
    for at, row in enumerate(results):
        try:
            url = normal_address(row["url"])
            check_address(url, allow)
        except AddressError as error:
            row |= {"status": "refused", "reason": str(error)}
            continue
        first = seen.setdefault(folder_name(url), row["name"])  # one for http and https
        if len(seen) > len(urls):
            urls[at] = url
        else:
            row |= {"status": "repeated", "reason": f"the same address as {first}"}
    return urls


def _collect_all(
    jobs: dict[int, Job], parallel: int, *, refresh: bool, progress: bool
) -> Iterator[tuple[int, dict]]:
    """Yield the outcome of each job as it ends; end all crawls when interrupted."""
    stop = threading.Event()
    counts: dict[int, tuple[int, int]] = {}
    bar = tqdm(total=len(jobs), desc="collecting", unit="site", disable=not progress)

    def one(at: int) -> dict:
        def told(pages: int, images: int) -> None:
            counts[at] = pages, images
            pages, images = map(sum, zip(*counts.copy().values(), strict=True))
            bar.set_postfix(pages=pages, images=images)

        return _collect_one(jobs[at], told, stop, refresh=refresh)

    pool = ThreadPoolExecutor(parallel, thread_name_prefix="collect")
    futures = {pool.submit(one, at): at for at in jobs}
    try:
        for future in as_completed(futures):
            bar.update()
            yield futures[future], future.result()
    finally:  # also when the user interrupts
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        bar.close()


def _collect_one(job: Job, told: Progress, stop: threading.Event, *, refresh: bool) -> dict:
    try:
        layout.prepare(job.folder, job.url)
        before = layout.read_marker(job.folder) or {}
        same = before.get("settings") == _settings(job)
        if (
            same
            and before.get("complete")
            and not refresh
            and (row := _finished(job.folder, before))
        ):
            return row
        if "settings" in before and not same:
            layout.forget_left_out(job.folder)
        return _crawl(job, told, stop)
    except Interrupted:
        return {"status": "failed", "reason": "interrupted; call again to go on"}
    except (CollectedFolderError, OSError) as error:
        return {"status": "failed", "reason": str(error)}
    except (ValueError, TypeError, KeyError) as error:  # notes that no crawl of ours has written
        reason = f"{job.folder / 'crawl'}: damaged notes, remove them ({one_line(error)})"
        return {"status": "failed", "reason": reason}


def _finished(folder: Path, marker: dict) -> dict | None:
    """Return the row of a site that is collected already, or None if its tables are gone."""
    try:
        found = summary(folder, *layout.read_tables(folder))
    except (OSError, ValueError, KeyError):
        return None
    return {**found, "status": str(marker["status"]), "reason": str(marker["reason"])}


def _settings(job: Job) -> dict[str, Any]:
    """Return what a result depends on, as JSON gives it back."""
    settings = asdict(job) | {"allow": list(job.allow)}
    return {name: value for name, value in settings.items() if name not in ("url", "folder")}


def _crawl(job: Job, told: Progress, stop: threading.Event) -> dict:
    started = time.monotonic()
    trouble = run_crawl(job, told, stop)
    images, pages = layout.write_tables(job.folder)
    outcome = layout.read_outcome(job.folder)
    status, reason = _verdict(outcome, trouble, images)
    complete = status != "failed" and bool(outcome.get("finished"))
    if complete:
        layout.forget_cache(job.folder)
    marker = {
        "url": job.url,
        "status": status,
        "reason": reason,
        "complete": complete,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 2),
        "settings": _settings(job),
        "version": __version__,
    }
    layout.write_marker(job.folder, marker)
    return {**summary(job.folder, images, pages), "status": status, "reason": reason}


def _verdict(outcome: dict, trouble: str, images: pd.DataFrame) -> tuple[str, str]:
    """Return status and reason of a site."""
    reason = trouble or str(outcome.get("reason", ""))
    n_kept = int((images["status"] == "kept").sum())
    if outcome.get("needs_browser"):
        reason = _BROWSER
    if n_kept:
        return "collected", reason
    if not outcome.get("reached"):
        return "failed", reason or "no page could be read"
    return "empty", reason or "no image on its pages is large enough to show a product"
