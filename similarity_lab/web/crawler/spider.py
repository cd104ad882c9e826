"""Walk through one site: first the pages, then, once all are known, the images, best first."""

import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import cast
from urllib.parse import urlsplit

import scrapy
from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider
from scrapy.http import Response, TextResponse
from scrapy.robotstxt import ProtegoRobotParser, RobotParser
from twisted.python.failure import Failure
from w3lib.url import canonicalize_url

from similarity_lab.errors import BrowserError, one_line
from similarity_lab.web.crawler.browser import Browser
from similarity_lab.web.crawler.choosing import Choice
from similarity_lab.web.crawler.gate import ROBOTS, explain
from similarity_lab.web.crawler.jobs import Job
from similarity_lab.web.crawler.keeping import Candidate, Keeper
from similarity_lab.web.html.found import PRIORITY, Found, unwanted
from similarity_lab.web.html.images import find_images
from similarity_lab.web.html.links import find_links, is_page, link_priority, needs_browser
from similarity_lab.web.html.markup import absolute
from similarity_lab.web.html.sitemaps import read_sitemap
from similarity_lab.web.policy.addresses import site_key

_REPORT_EVERY = 0.3  # seconds


class SiteSpider(scrapy.Spider):
    """Collects one site's images, and notes what became of every page and every image."""

    name = "site"
    browser: Browser

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job, self.limits = job, job.limits
        self.site = site_key(job.url)
        self.n_pages = self.n_bytes = self.n_read = self.n_sitemaps = self.n_empty = 0
        self.robots_trouble: dict[str, str] = {}
        self.delays: dict[str, float] = {}
        self.stopped = self.first_reason = self.browser_trouble = ""
        self.keeper = Keeper(job.folder, job.folder / "crawl" / "images.jsonl", job.limits)
        self.choice = Choice(self.keeper)
        self._pages = (job.folder / "crawl" / "pages.jsonl").open(
            "w", encoding="utf-8", buffering=1
        )
        self._asked: set[str] = set()
        self._sitemaps: list[str] = []
        self._started, self._reported = time.monotonic(), 0.0

    @classmethod
    def from_crawler(cls, crawler: Crawler, job: Job) -> "SiteSpider":
        """Make one that hears of robots.txt and of the end."""
        spider = cls(job)
        spider._set_crawler(crawler)
        crawler.signals.connect(spider.robots, signals.robots_parsed)
        crawler.signals.connect(spider.pace, signals.request_reached_downloader)
        crawler.signals.connect(spider.dropped, signals.request_dropped)
        crawler.signals.connect(spider.stumbled, signals.spider_error)
        crawler.signals.connect(spider.next_images, signals.spider_idle)
        crawler.signals.connect(spider.finish, signals.spider_closed)
        spider.browser = Browser(crawler, job.limits.request_seconds, 4 * job.limits.page_bytes)
        crawler.signals.connect(spider.browser.stop, signals.engine_stopped)
        return spider

    # Limits -----------------------------------------------------------------------------------

    def spent(self, *, looking: bool) -> str:
        """Return which limit forbids any further request, if one does."""
        seconds = time.monotonic() - self._started
        if seconds > self.limits.seconds:
            self.stopped = f"the limit of {self.limits.seconds:g} seconds is reached"
        elif looking and 2 * seconds > self.limits.seconds:
            self.stopped = f"half of the {self.limits.seconds:g} seconds went into finding pages"
        elif self.n_bytes > self.limits.site_bytes:
            self.stopped = f"the limit of {self.limits.site_bytes:,} bytes is reached"
        else:
            return ""
        return self.stopped

    def one_more_page(self) -> str:
        """Count a page that is asked for; return the limit if that is one too many."""
        if self.n_pages >= self.limits.pages:
            self.stopped = f"the limit of {self.limits.pages} pages is reached"
            return self.stopped
        self.n_pages += 1
        return ""

    # Pages ------------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        """Ask for the first page."""
        for request in self._ask(self.job.url, "page", first=True):
            yield request

    def robots(self, robotparser: RobotParser, request: Request) -> None:
        """Keep the delay a robots.txt asks for, and the sitemaps it names."""
        if delay := robotparser.crawl_delay("similarity_lab"):
            self.delays[urlsplit(request.url).hostname or ""] = delay
        if site_key(request.url) == self.site:
            protego = cast(ProtegoRobotParser, robotparser).rp
            self._sitemaps += [*protego.sitemaps]

    def pace(self, request: Request) -> None:
        """Hold every request to the delay that its server asks for, with or without throttle."""
        key = request.meta["download_slot"]
        if delay := self.delays.get(key):
            slot = self.crawler.engine.downloader.slots[key]
            slot.delay, slot.concurrency, slot.jitter = delay, 1, 0.0
            request.meta["autothrottle_dont_adjust_delay"] = True

    def _ask(
        self, address: str, kind: str, *, first: bool = False, rank: int = 0
    ) -> Iterator[Request]:
        key = canonicalize_url(address)
        if key in self._asked:
            return
        self._asked.add(key)
        callback = self.read_page if kind == "page" else self.read_sitemap
        meta = {"kind": kind, "first": first}
        yield Request(address, callback, errback=self.failed, meta=meta, priority=rank)

    async def read_page(self, response: Response) -> AsyncIterator[Request]:
        """Take a page's images and the links that lead on."""
        first = response.meta["first"]
        if first:
            # Where the first page has moved to is where the site is
            self.site = site_key(response.url)
            for request in self._ask_sitemaps(response.url):
                yield request
        if not isinstance(response, TextResponse):
            kind = (response.headers.get("Content-Type") or b"unknown").decode("latin-1")
            self._note(response.url, "left out", f"no page but {kind[:100]}", response)
            return
        html, reason = await self._drawn(response)
        images = find_images(html, response.url, side=self.limits.side)
        self.choice.take(images, response.url)
        self.n_read += 1
        if not reason and needs_browser(html):
            reason = "looks empty without a browser: scripts draw it"
        self.n_empty += bool(reason)
        self._note(response.url, "read", reason, response, n_images=len(images))
        deepest = response.meta.get("depth", 0) >= self.limits.depth
        for address, rank in find_links(html, response.url):
            if site_key(address) == self.site:
                for request in self._ask(address, "page", rank=rank):
                    if deepest:  # Scrapy drops it without a word
                        limit = f"pages {self.limits.depth} links deep lead on, none deeper is read"
                        self.stopped = self.stopped or limit
                    yield request

    async def _drawn(self, response: TextResponse) -> tuple[bytes | str, str]:
        """Return a page as a browser shows it where that is asked for, and what went wrong."""
        wanted = self.job.render
        if wanted == "never" or (wanted == "auto" and not needs_browser(response.body)):
            return response.body, ""
        try:
            # Decoded here, where the header of the answer is known
            return await self.browser.draw(response.url, response.text.encode()), ""
        except BrowserError as error:
            self.browser_trouble = str(error)
            return response.body, str(error)

    def _ask_sitemaps(self, url: str) -> Iterator[Request]:
        named = self._sitemaps or [absolute(url, "/sitemap.xml")]
        for address in named:
            yield from self._sitemap(url, address)

    def _sitemap(self, base: str, named: str) -> Iterator[Request]:
        address = absolute(base, named)
        if address and self.n_sitemaps < self.limits.sitemaps and site_key(address) == self.site:
            self.n_sitemaps += 1
            yield from self._ask(address, "sitemap", rank=1)

    def read_sitemap(self, response: Response) -> Iterator[Request]:
        """Take what a sitemap lists."""
        try:
            listed = read_sitemap(response.body, max_bytes=self.limits.page_bytes)
        except ValueError as error:
            self._note(response.url, "failed", str(error), response, kind="sitemap")
            return
        self._note(response.url, "read", "", response, kind="sitemap", n_images=len(listed.images))
        for named in listed.sitemaps:
            yield from self._sitemap(response.url, named)
        for named, page, caption in listed.images:
            if address := absolute(response.url, named):
                reason = unwanted(address, None, None, 0)
                found = Found(address, "sitemap", caption[:500], PRIORITY["sitemap"], reason)
                self.choice.take([found], absolute(response.url, page))
        for named in listed.pages:
            address = absolute(response.url, named)
            if address and site_key(address) == self.site and is_page(address):
                yield from self._ask(address, "page", rank=link_priority(address))

    def failed(self, failure: Failure) -> None:
        """Note why a page could not be read."""
        request = failure.request  # type: ignore[attr-defined]
        reason = self.why(failure.value, request.url)
        if request.meta["first"]:
            self.first_reason = reason
        guessed = request.meta["kind"] == "sitemap" and not self._sitemaps
        if not guessed:  # a sitemap nobody named may well be missing
            self._note(request.url, "failed", reason, kind=request.meta["kind"])

    def dropped(self, request: Request) -> None:
        """Note a page that has moved to one that is asked for already, maybe to itself."""
        first = request.meta.get("redirect_urls", [request.url])[0]
        reason = f"leads to {request.url}, which is asked for already"
        self._note(first, "repeated", reason, kind=request.meta["kind"])

    def stumbled(self, failure: Failure, response: Response) -> None:
        """Note a page that we failed on; what it had led to is lost, it itself is not."""
        reason = f"cannot be made sense of: {one_line(failure.value or failure)}"
        if response.meta["first"]:
            self.first_reason = reason
        self._note(response.url, "failed", reason, response, kind=response.meta["kind"])

    def why(self, error: BaseException | None, url: str) -> str:
        """Return a reason a person can act on."""
        reason = explain(error)
        if reason == ROBOTS:
            return self.robots_trouble.get(site_key(url), "forbidden by robots.txt")
        return reason

    def _note(
        self,
        url: str,
        status: str,
        reason: str,
        response: Response | None = None,
        *,
        kind: str = "page",
        n_images: int = 0,
    ) -> None:
        row = {
            "url": url,
            "kind": kind,
            "status": status,
            "reason": reason,
            "depth": response.meta.get("depth", 0) if response else None,
            "n_images": n_images,
            "bytes": len(response.body) if response else None,
        }
        self._pages.write(json.dumps(row) + "\n")
        self.progress()

    # Images -----------------------------------------------------------------------------------

    def next_images(self) -> None:
        """When nothing is left to do: fetch the next images, as many as may still be kept."""
        batch = self.choice.next_batch(8 if self.job.throttle else 64)
        if batch:
            meta = {"kind": "batch", "dont_cache": True}
            request = Request(
                "data:,", self.fetch, cb_kwargs={"batch": batch}, meta=meta, dont_filter=True
            )
            self.crawler.engine.crawl(request)
            raise DontCloseSpider

    def fetch(self, response: Response, batch: list[Candidate]) -> Iterator[dict]:
        """Hand a batch to the files pipeline."""
        yield {"images": batch}

    # Words to whoever waits -------------------------------------------------------------------

    def progress(self, *, last: bool = False) -> None:
        """Say how far it is, not more often than anybody can read."""
        now = time.monotonic()
        if last or now - self._reported > _REPORT_EVERY:
            self._reported = now
            told = {"pages": self.n_read, "images": self.keeper.n_kept}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()

    def finish(self, reason: str) -> None:
        """Note what was not fetched, and how it went."""
        if self.keeper.n_kept >= self.limits.images:
            self.stopped = self.stopped or f"the limit of {self.limits.images} images is reached"
        if reason != "finished":
            self.stopped = self.stopped or f"the crawl ended early: {reason}"
        self.choice.give_up(self.stopped or "the crawl ended")
        outcome = {
            "finished": reason == "finished",
            "reason": self.first_reason or self.stopped or self.browser_trouble,
            "reached": self.n_read > 0,
            "needs_browser": self.job.render == "never" and 2 * self.n_empty > self.n_read,
        }
        path = self.job.folder / "crawl" / "outcome.json"
        path.write_text(json.dumps(outcome) + "\n", encoding="utf-8")
        self.progress(last=True)
