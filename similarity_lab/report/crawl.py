"""What was not looked at on a website, why, and what to do about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from similarity_lab._numbers import format_count
from similarity_lab.files.listing import count_lost
from similarity_lab.relevance import SiteRelevance
from similarity_lab.sites import ORIGINS
from similarity_lab.web.reasons import Code

_PAGES = "pages.parquet"
_REASON = ["reason_code", "reason"]
_AGAIN = "; then run the same command again, which only fetches what is missing"
_LATER = "run the same command again later"
_REFRESH = "run the same command again with --refresh"
_YOURSELF = "look at the shop yourself"
_OPEN = f"open the address in a browser; if it works there, {_LATER}"
_FIRST_PAGE = "check that the address is a shop's first page"

LIMIT_ADVICE: Mapping[str, str] = {
    Code.LIMIT_IMAGES: f"raise --images{_AGAIN}",
    Code.LIMIT_IMAGE_REQUESTS: f"raise --images{_AGAIN}",
    Code.LIMIT_PAGES: f"raise --pages{_AGAIN}",
    Code.LIMIT_DEPTH: f"raise Limits(depth=…) in Python{_AGAIN}",
    Code.LIMIT_SECONDS: f"raise --seconds{_AGAIN}",
    Code.LIMIT_SECONDS_FOR_PAGES: f"raise --seconds{_AGAIN}",
    Code.LIMIT_SITE_BYTES: f"raise Limits(site_bytes=…) in Python{_AGAIN}",
    Code.LIMIT_RESPONSE_BYTES: f"raise Limits(image_bytes=…, page_bytes=…) in Python{_AGAIN}",
}
"""What to do about the limits of the crawl."""

SITE_ADVICE: Mapping[str, str] = {
    **LIMIT_ADVICE,
    Code.ENDED_EARLY: "run the same command again",
    Code.ADDRESS_REFUSED: "correct the address; a server of your own needs --allow HOST:PORT",
    Code.REPEATED_SITE: "nothing: the other row has the answer",
    Code.OTHER_SITE: "use the address that it leads to",
    Code.REDIRECT_LOOP: _OPEN,
    Code.ROBOTS: "the shop asks programs not to read this: look at it yourself",
    Code.HOST_NOT_FOUND: "check the address for mistakes",
    Code.CONNECTION: _OPEN,
    Code.TIMEOUT: _OPEN,
    Code.INCOMPLETE: _OPEN,
    Code.CERTIFICATE: "if you trust the shop, pass --any-certificate",
    Code.REFUSED_BY_SERVER: "the server refuses programs: look at it yourself",
    Code.NOT_FOUND: "nothing is at this address: try the first page of the shop",
    Code.SERVER_ERROR: f"the server failed: {_LATER}",
    Code.HTTP_STATUS: _OPEN,
    Code.ASKED_TO_WAIT: _LATER,
    Code.NOT_HTML: _FIRST_PAGE,
    Code.PARSE_ERROR: _YOURSELF,
    Code.EMPTY_PAGE: _FIRST_PAGE,
    Code.SAME_CONTENT: _YOURSELF,
    Code.NO_PAGES: _FIRST_PAGE,
    Code.NO_IMAGES: "open the shop in a browser; --render always draws its pages",
    Code.NONE_KEPT: _YOURSELF,
    Code.NOT_DRAWN: "open the shop in a browser; --render always draws its pages",
    Code.SCRIPTS: f"do so, and {_REFRESH}",
    Code.FOLDER: "choose another --out, or delete the folder",
    Code.DAMAGED_LOGS: "delete the folder of the site, and run the same command again",
    Code.CRAWLER_FAILED: f"run the same command again; if it fails again, {_YOURSELF}",
    Code.UNKNOWN: _OPEN,
}
"""What to do about a site of which nothing, or not everything, could be looked at."""

PART_ADVICE: Mapping[str, str] = {
    **LIMIT_ADVICE,
    Code.ENDED_EARLY: "run the same command again",
    Code.ROBOTS: SITE_ADVICE[Code.ROBOTS],
    Code.CONNECTION: _REFRESH,
    Code.TIMEOUT: _REFRESH,
    Code.INCOMPLETE: _REFRESH,
    Code.CERTIFICATE: SITE_ADVICE[Code.CERTIFICATE],
    Code.REFUSED_BY_SERVER: SITE_ADVICE[Code.REFUSED_BY_SERVER],
    Code.SERVER_ERROR: _REFRESH,
    Code.ASKED_TO_WAIT: _REFRESH,
    Code.NOT_DRAWN: SITE_ADVICE[Code.NOT_DRAWN],
    Code.UNKNOWN: _REFRESH,
}
"""What to do about single images and pages of a site. Nothing can be done about the others:
the shop's link is dead, or what it leads to is not a photo, or a photo that is known already."""


_USELESS = frozenset({Code.DUPLICATE, Code.ICON, Code.DRAWING, Code.TRACKER, Code.TEMPLATE})


def what_to_do(code: str, advice: Mapping[str, str] = SITE_ADVICE) -> str:
    """Return what a person can do about a site, page or image that was not looked at.

    Parameters
    ----------
    code : str
        From a column ``reason_code``.
    advice : mapping of Code to str
        `SITE_ADVICE`, or `PART_ADVICE` for single images and pages.

    Returns
    -------
    str
        Empty if nothing can or needs to be done.

    Examples
    --------
    >>> what_to_do("host_not_found"), what_to_do("host_not_found", PART_ADVICE)
    ('check the address for mistakes', '')
    """
    return advice.get(code, "")


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
        What to do about it; empty if nothing can or needs to be done.
    code : str
        Of the reason; empty if the crawl does not give it.
    """

    count: int
    kind: str
    reason: str
    advice: str
    code: str = ""


@dataclass(frozen=True)
class Crawl:
    """What is known of a website besides the decisions on it; nothing for a folder of images.

    Attributes
    ----------
    url : str
        Of the shop; empty if unknown.
    status, reason, code : str
        As in the table of `similarity_lab.web.Collection`: crawl_status, reason, reason_code.
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
    code: str = ""
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
            code=str(row.get("reason_code") or ""),
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
            table = pd.read_parquet(folder / name, columns=["crawl_status", *_REASON])
        except (OSError, ValueError, ImportError, KeyError):
            continue  # a failed site has no tables; its row says why
        rest = table.loc[table["crawl_status"] != is_done, _REASON].astype(str)
        # sizes in brackets and addresses differ from image to image
        pattern = r"\s*\(.*\)$|^(Same (?:bytes|content)) as .*"
        rest["reason"] = rest["reason"].str.replace(pattern, r"\1", regex=True)
        counts = Counter(zip(rest["reason_code"], rest["reason"], strict=True))
        for (code, reason), count in counts.most_common():
            gaps.append(Gap(count, kind, reason, what_to_do(code, PART_ADVICE), code))
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
        images = result.images[result.images["status"] == "left out"]
        for reason, count in images["reason"].value_counts().items():
            advice = "pass leave_out=() to count it" if str(reason).startswith("clutter") else ""
            gaps.append(Gap(int(count), "images", str(reason), advice))
        if n_lost := count_lost(result.skipped):
            gaps.append(Gap(n_lost, "files", "not a readable image", ""))
        coverage = result.settings.page_coverage
        if coverage < 1 and not crawl.gaps:
            reason = f"only about {coverage:.0%} of the site's known pages were read"
            gaps.append(Gap(0, "pages", reason, f"raise the limits of the crawl{_AGAIN}"))
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
        parts.append(f"{n_scored:,} of {format_count(n_all, 'image')} counted")
        if n_repeated := int(status.get("repeated", 0)):
            parts.append("1 copy" if n_repeated == 1 else f"{n_repeated} copies")
        if n_left_out := int(status.get("left out", 0)):
            parts.append("1 is not a photo" if n_left_out == 1 else f"{n_left_out} are not photos")
        if n_lost := int(status.get("skipped", 0)):
            parts.append(f"{n_lost} unreadable")
    elif crawl.n_found:
        parts.append(f"0 of {format_count(crawl.n_found, 'image')} counted")
    n_actionable = n_unfetched(crawl)
    if n_actionable:
        parts.append(f"{n_actionable} not fetched")
    n_useless = sum(gap.count for gap in crawl.gaps if gap.code in _USELESS)
    if n_useless:
        parts.append(f"{n_useless} of no use (icons, copies)")
    if (n_rest := crawl.n_not_kept - n_actionable - n_useless) > 0:
        parts.append(f"{n_rest} {'not available' if crawl.gaps else 'not kept'}")
    if crawl.n_pages is not None:
        n_pages, n_found = crawl.n_pages, max(crawl.n_pages_found or 0, crawl.n_pages)
        parts.append(f"{n_pages:,} of {format_count(n_found, 'page')} read")
    return "; ".join(parts)
