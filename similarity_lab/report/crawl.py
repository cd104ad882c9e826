"""What was not looked at on a website, why, and what to do about it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from similarity_lab.files.listing import count_lost
from similarity_lab.relevance import SiteRelevance
from similarity_lab.sites import ORIGINS

_PAGES = "pages.parquet"
_AGAIN = "; then run the same command again, which only fetches what is missing"

# Start of a reason that `similarity_lab.web` gives → what to do.
_ADVICE: tuple[tuple[str, str], ...] = (
    (r"Sample: |.*Limit of \S+ images", f"raise --images{_AGAIN}"),
    (r"Limit of \S+ pages", f"raise --pages{_AGAIN}"),
    (r"Limit of \S+ seconds|Half of the ", f"raise --seconds{_AGAIN}"),
    (r"Limit of \S+ links", f"raise Limits(depth=…) in Python{_AGAIN}"),
    (r"Limit of \S+ bytes", f"raise Limits(site_bytes=…) in Python{_AGAIN}"),
    (r"Forbidden by robots", "the shop asks programs not to read this: look at it yourself"),
    (r"Could not read robots.*Host not found|Host not found", "check the address for mistakes"),
    (r"Could not read robots|Connection|Timed out|Response ended",
     "open the address in a browser; if it works there, run the same command again later"),
    (r"HTTP status (401|403|407|429|451)", "the server refuses programs: look at it yourself"),
    (r"HTTP status (404|410)", "nothing is there: check the address, or ask the shop"),
    (r"HTTP status 5", "the server failed: run the same command again later"),
    (r"The server's certificate", "if you trust the shop, pass --any-certificate"),
    (r"Response larger|.*larger than", "raise Limits(image_bytes=…, page_bytes=…) in Python"),
    (r"Images may be missing", ""),  # says itself what to do
    (r"Crawl ended early", "run the same command again"),
    (r"No page names an image", "open the shop in a browser; --render always draws its pages"),
    (r"No page could be read|Not HTML", "check that the address is a shop's first page"),
    (r"No image could be kept", "look at the shop yourself"),
    (r"Same site as ", "nothing: the other row has the answer"),
)  # fmt: skip
_BY_STATUS = {
    "not fetched": f"raise the limits of the crawl{_AGAIN}",
    "not requested": f"raise the limits of the crawl{_AGAIN}",
    "failed": "run the same command again later, or look at the shop yourself",
    "refused": "correct the address",
    "empty": "look at the shop yourself",
}


def what_to_do(reason: str, crawl_status: str = "failed") -> str:
    """Return what a person can do about a site, page or image that was not looked at.

    Parameters
    ----------
    reason : str
        As `similarity_lab.web.collect` gives it.
    crawl_status : str
        Decides if the reason is not known here. Empty text if nothing needs to be done.

    Examples
    --------
    >>> what_to_do("Host not found (only IPv4 is resolved)")
    'check the address for mistakes'
    """
    for pattern, advice in _ADVICE:
        if re.match(pattern, reason):
            return advice
    return _BY_STATUS.get(crawl_status, "")


@dataclass(frozen=True)
class Gap:
    """Images or pages of one site that were not looked at, for one reason.

    Attributes
    ----------
    count : int
    kind : str
        What they are: "images" or "pages".
    reason : str
    advice : str
        What to do about it; empty if nothing needs to be done.
    """

    count: int
    kind: str
    reason: str
    advice: str


@dataclass(frozen=True)
class Crawl:
    """What is known of a website besides the decisions on it; nothing for a folder of images.

    Attributes
    ----------
    url : str
        Of the shop; empty if unknown.
    status, reason : str
        As in the table of `similarity_lab.web.Collection`.
    n_found : int or None
        Images that the website names; None if unknown.
    n_kept : int
        Those of them that were kept.
    n_pages, n_pages_found : int or None
        Pages that were read, and that are known.
    gaps : sequence of Gap
        What was not kept, largest number first.
    """

    url: str = ""
    status: str = ""
    reason: str = ""
    n_found: int | None = None
    n_kept: int = 0
    n_pages: int | None = None
    n_pages_found: int | None = None
    gaps: Sequence[Gap] = field(default_factory=tuple)

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "Crawl":
        """Return what the row of a `Collection` says, and the tables in the folder it names."""

        def number(name: str) -> int | None:
            value = row.get(name)
            return None if value is None or pd.isna(value) else int(value)

        folder = str(row.get("folder") or "")
        return cls(
            url=str(row.get("url") or ""),
            status=str(row.get("crawl_status") or ""),
            reason=str(row.get("reason") or ""),
            n_found=number("n_found"),
            n_kept=number("n_images") or 0,
            n_pages=number("n_pages"),
            n_pages_found=number("n_pages_found"),
            gaps=_gaps(Path(folder)) if folder else (),
        )

    @property
    def n_not_kept(self) -> int:
        """Images that the website names and that were not kept."""
        return max((self.n_found or 0) - self.n_kept, 0)


def _gaps(folder: Path) -> list[Gap]:
    """Return what the tables of a collected site list as not kept, largest number first."""
    gaps = []
    for name, kind, is_done in ((ORIGINS, "images", "kept"), (_PAGES, "pages", "read")):
        try:
            table = pd.read_parquet(folder / name, columns=["crawl_status", "reason"])
        except (OSError, ValueError, ImportError, KeyError):
            continue  # a failed site has no tables; its row says why
        rest = table[table["crawl_status"] != is_done].astype(str)
        # sizes in brackets differ from image to image
        rest["reason"] = rest["reason"].str.replace(r"\s*\(.*\)$", "", regex=True)
        pairs = Counter(zip(rest["crawl_status"], rest["reason"], strict=True))
        for (status, reason), count in pairs.most_common():
            gaps.append(Gap(count, kind, reason or status, what_to_do(reason, status)))
    return gaps


def n_unfetched(crawl: Crawl) -> int:
    """Return how many images of a site were not looked at although something can be done."""
    return sum(gap.count for gap in crawl.gaps if gap.kind == "images" and gap.advice)


def site_gaps(crawl: Crawl, result: SiteRelevance | None) -> list[Gap]:
    """Return everything of a site that no decision stands on: crawl, files and clutter.

    Parameters
    ----------
    crawl : Crawl
    result : SiteRelevance or None
        A decision on the site; None if there is none.
    """
    gaps = list(crawl.gaps)
    if result is not None:
        images = result.images[~result.images["status"].isin(["scored", "skipped"])]
        for reason, count in images["reason"].value_counts().items():
            advice = "pass leave_out=() to count it" if str(reason).startswith("clutter") else ""
            gaps.append(Gap(int(count), "images", str(reason), advice))
        if n_lost := count_lost(result.skipped):
            gaps.append(Gap(n_lost, "files", "not a readable image", ""))
        coverage = result.settings.page_coverage
        if coverage < 1 and not crawl.gaps:
            reason = f"only about {coverage:.0%} of the site's known pages were read"
            gaps.append(Gap(0, "pages", reason, _BY_STATUS["not requested"]))
    return gaps


def looked_at(crawl: Crawl, result: SiteRelevance | None) -> str:
    """Return how much of a site the decisions stand on, as a clause; empty if nothing is known.

    Every image that the site is known to have is counted once.
    """
    parts = []
    if result is not None:
        status = result.images["status"].value_counts()
        n_kept = len(result.images)
        n_all = n_kept + crawl.n_not_kept
        n_scored = int(status.get("scored", 0))
        parts.append(f"{n_scored} of {n_all} image{'s' * (n_all != 1)} counted")
        for name, text in (("repeated", "copies"), ("left out", "no photos")):
            if count := int(status.get(name, 0)):
                parts.append(f"{count} {text}")
        if n_lost := int(status.get("skipped", 0)):
            parts.append(f"{n_lost} unreadable")
    elif crawl.n_found is not None:
        parts.append(f"0 of {crawl.n_found} images counted")
    n_actionable = n_unfetched(crawl)
    if n_actionable:
        parts.append(f"{n_actionable} not fetched")
    if n_rest := crawl.n_not_kept - n_actionable:
        why = "of no use (icons, copies)" if crawl.gaps else "not kept"
        parts.append(f"{n_rest} {why}")
    if crawl.n_pages is not None:
        n_pages, n_found = crawl.n_pages, max(crawl.n_pages_found or 0, crawl.n_pages)
        parts.append(f"{n_pages} of {n_found} page{'s' * (n_found != 1)} read")
    return "; ".join(parts)
