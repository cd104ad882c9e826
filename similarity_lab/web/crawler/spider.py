"""Crawl one site: first its pages, then, once all are known, the images, best first."""

import json
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

from similarity_lab.errors import BrowserError, InputError, one_line
from similarity_lab.files import atomic_write
from similarity_lab.web.crawler.browser import Browser
from similarity_lab.web.crawler.frontier import ImageFrontier
from similarity_lab.web.crawler.job import CrawlOptions, Job, report
from similarity_lab.web.crawler.pipeline import Candidate, ImageStore
from similarity_lab.web.crawler.reasons import explain, is_forbidden_by_robots
from similarity_lab.web.html.images import PRIORITY, FoundImage, find_images, skip_reason
from similarity_lab.web.html.links import find_links, is_page, link_priority, needs_browser
from similarity_lab.web.html.markup import absolute_url
from similarity_lab.web.html.sitemaps import read_sitemap
from similarity_lab.web.policy.urls import site_key

_REPORT_INTERVAL = 0.3  # seconds


class SiteSpider(scrapy.Spider):
    """Collects the images of one site and logs the outcome of every page and image."""

    name = "site"
    browser: Browser

    def __init__(self, job: Job, options: CrawlOptions) -> None:
        super().__init__()
        self.job, self.options, self.limits = job, options, options.limits
        self.site = site_key(job.url)
        self.n_requested = self.n_bytes = self.n_read = self.n_sitemaps = self.n_empty = 0
        self.robots_failures: dict[str, str] = {}
        self.delays: dict[str, float] = {}
        self.limit_reached = self.first_page_failure = self.browser_failure = ""
        self.images = ImageStore(job.folder, job.folder / "crawl" / "images.jsonl", self.limits)
        self.frontier = ImageFrontier(self.images)
        self._page_log = (job.folder / "crawl" / "pages.jsonl").open(
            "w", encoding="utf-8", buffering=1
        )
        self._requested: set[str] = set()
        self._robots_sitemaps: list[str] = []
        self._start_time, self._report_time = time.monotonic(), 0.0

    @classmethod
    def from_crawler(cls, crawler: Crawler, job: Job, options: CrawlOptions) -> "SiteSpider":
        """Return a spider that is connected to the crawler's signals."""
        spider = cls(job, options)
        spider._set_crawler(crawler)
        crawler.signals.connect(spider.on_robots_txt, signals.robots_parsed)
        crawler.signals.connect(spider.set_delay, signals.request_reached_downloader)
        crawler.signals.connect(spider.on_duplicate, signals.request_dropped)
        crawler.signals.connect(spider.on_error, signals.spider_error)
        crawler.signals.connect(spider.request_images, signals.spider_idle)
        crawler.signals.connect(spider.on_close, signals.spider_closed)
        spider.browser = Browser(
            crawler, spider.limits.request_seconds, 4 * spider.limits.page_bytes
        )
        crawler.signals.connect(spider.browser.stop, signals.engine_stopped)
        return spider

    # Limits -----------------------------------------------------------------------------------

    def exhausted_limit(self, *, finding_pages: bool) -> str:
        """Return the limit that forbids further requests, or ``""``."""
        seconds = time.monotonic() - self._start_time
        if seconds > self.limits.seconds:
            self.limit_reached = f"Limit of {self.limits.seconds:g} seconds reached"
        elif finding_pages and 2 * seconds > self.limits.seconds:
            self.limit_reached = (
                f"Half of the {self.limits.seconds:g} seconds were spent on finding pages"
            )
        elif self.n_bytes > self.limits.site_bytes:
            self.limit_reached = f"Limit of {self.limits.site_bytes:,} bytes reached"
        else:
            return ""
        return self.limit_reached

    def count_page(self) -> str:
        """Count a page request; return the limit if there are too many, else ``""``."""
        if self.n_requested >= self.limits.pages:
            self.limit_reached = f"Limit of {self.limits.pages} pages reached"
            return self.limit_reached
        self.n_requested += 1
        return ""

    # Pages ------------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        """Request the first page."""
        for request in self._new_request(self.job.url, "page", first=True):
            yield request

    def on_robots_txt(self, robotparser: RobotParser, request: Request) -> None:
        """Store the crawl delay and the sitemaps of a robots.txt."""
        if delay := robotparser.crawl_delay("similarity_lab"):
            self.delays[urlsplit(request.url).hostname or ""] = delay
        if site_key(request.url) == self.site:
            protego = cast(ProtegoRobotParser, robotparser).rp
            self._robots_sitemaps += [*protego.sitemaps]

    def set_delay(self, request: Request) -> None:
        """Apply the crawl delay of a request's server, with or without throttling."""
        key = request.meta["download_slot"]
        if delay := self.delays.get(key):
            slot = self.crawler.engine.downloader.slots[key]
            slot.delay, slot.concurrency, slot.jitter = delay, 1, 0.0
            request.meta["autothrottle_dont_adjust_delay"] = True

    def _new_request(
        self, url: str, kind: str, *, first: bool = False, priority: int = 0
    ) -> Iterator[Request]:
        """Yield a request unless the URL has been requested."""
        key = canonicalize_url(url)
        if key in self._requested:
            return
        self._requested.add(key)
        callback = self.parse_page if kind == "page" else self.parse_sitemap
        meta = {"kind": kind, "first": first}
        yield Request(url, callback, errback=self.on_failure, meta=meta, priority=priority)

    async def parse_page(self, response: Response) -> AsyncIterator[Request]:
        """Take a page's images, and follow its links."""
        first = response.meta["first"]
        if first:
            # If the first page redirects, its target is the site
            self.site = site_key(response.url)
            for request in self._sitemap_requests(response.url):
                yield request
        if not isinstance(response, TextResponse):
            content_type = (response.headers.get("Content-Type") or b"unknown").decode("latin-1")
            self._log_page(response.url, "left out", f"Not HTML ({content_type[:100]})", response)
            return
        html, reason = await self._render(response)
        images = find_images(html, response.url, side=self.limits.side)
        self.frontier.add(images, response.url)
        self.n_read += 1
        if not reason and needs_browser(html):
            reason = "Looks empty without a browser (rendered by scripts)"
        self.n_empty += bool(reason)
        self._log_page(response.url, "read", reason, response, n_images=len(images))
        is_deepest = response.meta.get("depth", 0) >= self.limits.depth
        for url, priority in find_links(html, response.url):
            if site_key(url) == self.site:
                for request in self._new_request(url, "page", priority=priority):
                    if is_deepest:  # Scrapy drops it silently
                        limit = f"Limit of {self.limits.depth} links from the first page reached"
                        self.limit_reached = self.limit_reached or limit
                    yield request

    async def _render(self, response: TextResponse) -> tuple[bytes | str, str]:
        """Return a page, rendered by the browser if the job says so, and why that failed."""
        render = self.options.render
        if render == "never" or (render == "auto" and not needs_browser(response.body)):
            return response.body, ""
        try:
            # Decoded here, where the response header is known
            return await self.browser.render(response.url, response.text.encode()), ""
        except BrowserError as error:
            self.browser_failure = str(error)
            return response.body, str(error)

    def _sitemap_requests(self, url: str) -> Iterator[Request]:
        for sitemap in self._robots_sitemaps or ["/sitemap.xml"]:
            yield from self._sitemap_request(url, sitemap)

    def _sitemap_request(self, base: str, sitemap: str) -> Iterator[Request]:
        url = absolute_url(base, sitemap)
        if url and self.n_sitemaps < self.limits.sitemaps and site_key(url) == self.site:
            self.n_sitemaps += 1
            yield from self._new_request(url, "sitemap", priority=1)

    def parse_sitemap(self, response: Response) -> Iterator[Request]:
        """Take the images of a sitemap, and follow its links."""
        try:
            sitemap = read_sitemap(response.body, max_bytes=self.limits.page_bytes)
        except InputError as error:
            self._log_page(response.url, "failed", str(error), response, kind="sitemap")
            return
        n_images = len(sitemap.images)
        self._log_page(response.url, "read", "", response, kind="sitemap", n_images=n_images)
        for link in sitemap.sitemaps:
            yield from self._sitemap_request(response.url, link)
        for link, page, caption in sitemap.images:
            if url := absolute_url(response.url, link):
                priority = PRIORITY["sitemap"]
                image = FoundImage(url, "sitemap", caption[:500], priority, skip_reason(url))
                self.frontier.add([image], absolute_url(response.url, page))
        for link in sitemap.pages:
            url = absolute_url(response.url, link)
            if url and site_key(url) == self.site and is_page(url):
                yield from self._new_request(url, "page", priority=link_priority(url))

    def on_failure(self, failure: Failure) -> None:
        """Log why a page could not be read."""
        request = failure.request  # type: ignore[attr-defined]
        reason = self.failure_reason(failure.value, request.url)
        if request.meta["first"]:
            self.first_page_failure = reason
        is_guess = request.meta["kind"] == "sitemap" and not self._robots_sitemaps
        if not is_guess:  # /sitemap.xml may well be missing
            self._log_page(request.url, "failed", reason, kind=request.meta["kind"])

    def on_duplicate(self, request: Request) -> None:
        """Log a page that redirects to one that has been requested, maybe to itself."""
        first = request.meta.get("redirect_urls", [request.url])[0]
        reason = f"Redirects to {request.url}, which was requested already"
        self._log_page(first, "repeated", reason, kind=request.meta["kind"])

    def on_error(self, failure: Failure, response: Response) -> None:
        """Log a page on which our own code failed; its links are lost."""
        reason = f"Could not parse the response: {one_line(failure.value or failure)}"
        if response.meta["first"]:
            self.first_page_failure = reason
        self._log_page(response.url, "failed", reason, response, kind=response.meta["kind"])

    def failure_reason(self, error: BaseException | None, url: str) -> str:
        """Return why a request failed, on one line."""
        if is_forbidden_by_robots(error):
            return self.robots_failures.get(site_key(url), "Forbidden by robots.txt")
        return explain(error)

    def _log_page(
        self,
        url: str,
        crawl_status: str,
        reason: str,
        response: Response | None = None,
        *,
        kind: str = "page",
        n_images: int = 0,
    ) -> None:
        row = {
            "url": url,
            "kind": kind,
            "crawl_status": crawl_status,
            "reason": reason,
            "depth": response.meta.get("depth", 0) if response else None,
            "n_images": n_images,
            "bytes": len(response.body) if response else None,
        }
        self._page_log.write(json.dumps(row) + "\n")
        self.report_progress()

    # Images -----------------------------------------------------------------------------------

    def request_images(self) -> None:
        """When idle: request the next images, as many as may still be kept."""
        batch = self.frontier.next_batch(8 if self.options.throttle else 64)
        if batch:
            meta = {"kind": "batch", "dont_cache": True}
            request = Request(
                "data:,", self.yield_batch, cb_kwargs={"batch": batch}, meta=meta, dont_filter=True
            )
            self.crawler.engine.crawl(request)
            raise DontCloseSpider

    def yield_batch(self, response: Response, batch: list[Candidate]) -> Iterator[dict]:
        """Pass a batch to the item pipeline."""
        yield {"images": batch}

    # Progress and outcome ---------------------------------------------------------------------

    def report_progress(self) -> None:
        """Write the progress to standard output, a few times per second at most."""
        now = time.monotonic()
        if now - self._report_time > _REPORT_INTERVAL:
            self._report_time = now
            counts = {"pages": self.n_read, "images": self.images.n_kept}
            report({"folder": str(self.job.folder), **counts})

    def on_close(self, reason: str) -> None:
        """Log the images that were not fetched, and the outcome."""
        if not self.limit_reached and self.images.n_kept >= self.limits.images:
            self.limit_reached = f"Limit of {self.limits.images} images reached"
        if not self.limit_reached and reason != "finished":
            self.limit_reached = f"Crawl ended early ({reason})"
        self.frontier.close(self.limit_reached or "Crawl ended")
        outcome = {
            "finished": reason == "finished",
            "reason": self.first_page_failure or self.limit_reached or self.browser_failure,
            "reached": self.n_read > 0,
            "needs_browser": self.options.render == "never" and 2 * self.n_empty > self.n_read,
        }
        path = self.job.folder / "crawl" / "outcome.json"
        with atomic_write(path) as part:
            part.write_text(json.dumps(outcome) + "\n", encoding="utf-8")
        self._page_log.close()
        self.images.close()
