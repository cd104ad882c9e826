"""Crawl one site: first its pages, then, once all are known, the images, best first."""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from typing import cast
from urllib.parse import urljoin, urlsplit

import scrapy
from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import HtmlResponse, Response, TextResponse
from scrapy.robotstxt import ProtegoRobotParser, RobotParser
from scrapy.spidermiddlewares.httperror import HttpError
from scrapy.utils.httpobj import urlparse_cached
from twisted.python.failure import Failure

from similarity_lab._numbers import format_count
from similarity_lab.errors import BrowserError, ImageError, InputError, one_line
from similarity_lab.files import atomic_write
from similarity_lab.images import read_image
from similarity_lab.web.crawler.answers import refresh_target
from similarity_lab.web.crawler.browser import (
    Browser,
    BrowserUnavailableError,
    Drawing,
    DrawnPage,
)
from similarity_lab.web.crawler.budget import Budget
from similarity_lab.web.crawler.chromium import missing_browser
from similarity_lab.web.crawler.frontier import (
    ImageFrontier,
    News,
    PageFrontier,
    PageLink,
    url_kind,
)
from similarity_lab.web.crawler.job import CrawlOptions, Job, report
from similarity_lab.web.crawler.politeness import Politeness
from similarity_lab.web.crawler.reasons import explain, is_forbidden_by_robots
from similarity_lab.web.crawler.resources import Resource, ResourceQueue, in_folder, read_resource
from similarity_lab.web.crawler.store import Candidate, ImageStore
from similarity_lab.web.html.catalogues import catalogue_requests, read_catalogue
from similarity_lab.web.html.images import PRIORITY, FoundImage, merged_images, page_images
from similarity_lab.web.html.links import (
    is_page,
    is_shell,
    link_priority,
    page_links,
    page_resources,
)
from similarity_lab.web.html.literals import folders
from similarity_lab.web.html.markup import Page, absolute_url, parse_page
from similarity_lab.web.html.products import repaired_json_ld
from similarity_lab.web.html.sitemaps import read_sitemap
from similarity_lab.web.html.unwanted import skip_reason
from similarity_lab.web.policy.referrer import referrer
from similarity_lab.web.policy.urls import site_key
from similarity_lab.web.reasons import Code, Reason, code_of

_NO_NEWS = News()
_BEGINNING = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{3,30}")
_REPORT_INTERVAL = 0.3  # seconds
_ACCEPT_IMAGES = "image/avif,image/webp,image/*;q=0.9,*/*;q=0.5"
_MAX_PRODUCTS = 10_000  # after which no further part of a catalogue is asked for
_MAX_ROWS = 2_000  # pages that are listed although they were not requested
_FEW_REQUESTS = 20  # a crawl that can afford no more does not guess where a sitemap is
_PRODUCT_SITEMAP = re.compile(r"produ[ck]t|produit|prod[uo]tt?o|artikel|item|catalog|katalog|shop")
_OTHER_SITEMAP = re.compile(r"post|blog|news|tag|author|article|event|job|press|video|forum")


class SiteSpider(scrapy.Spider):
    """Collects the images of one site and logs the outcome of every page and image."""

    name = "site"

    def __init__(self, job: Job, options: CrawlOptions, browser: Browser) -> None:
        super().__init__()
        self.job, self.options, self.limits = job, options, options.limits
        self.browser = browser
        self.site = site_key(job.url)
        self.budget, self.politeness = Budget(self.limits), Politeness()
        self.robots_failures: dict[str, Reason] = {}
        self.images = ImageStore(job.folder, job.folder / "crawl" / "images.jsonl", self.limits)
        self.image_frontier = ImageFrontier(self.images)
        self.page_frontier = PageFrontier(self.limits.depth)
        self._sitemaps: list[tuple[int, int, str]] = []  # rank, number and URL
        self._known_sitemaps: set[str] = set()
        self._resources = ResourceQueue()
        self._data_images: dict[str, list[FoundImage]] = {}  # of scripts, by page
        self._n_products = self._n_catalogued = 0  # in catalogues: products and their images
        self._enough: Reason | None = None  # why no more pages are needed
        self._is_started = False
        self._n_read = self._n_shells = 0
        self._failure: Reason | None = None  # of the first page
        self._browser_failure = ""
        self._shell = ""  # first page, if scripts draw it
        self._drawn_urls: set[str] = set()
        self._fruitless_clicks: set[str] = set()
        self._contents: dict[str, str] = {}  # URL by digest
        self._words: set[str] = set()
        self._robots_sitemaps: list[str] = []
        path = job.folder / "crawl" / "pages.jsonl"
        self._page_log = path.open("w", encoding="utf-8", buffering=1)
        self._report_time = 0.0

    @classmethod
    def from_crawler(
        cls, crawler: Crawler, job: Job, options: CrawlOptions, browser: Browser
    ) -> "SiteSpider":
        """Return a spider that is connected to the crawler's signals."""
        spider = cls(job, options, browser)
        spider._set_crawler(crawler)
        crawler.signals.connect(spider.on_robots_txt, signals.robots_parsed)
        crawler.signals.connect(spider.set_delay, signals.request_reached_downloader)
        crawler.signals.connect(spider.on_duplicate, signals.request_dropped)
        crawler.signals.connect(spider.on_error, signals.spider_error)
        crawler.signals.connect(spider.on_close, signals.spider_closed)
        return spider

    # Politeness -------------------------------------------------------------------------------

    def on_robots_txt(self, robotparser: RobotParser, request: Request) -> None:
        """Store the crawl delay and the sitemaps of a robots.txt."""
        if delay := robotparser.crawl_delay("similarity_lab"):
            self.politeness.set_crawl_delay(_host(request), delay)
        if site_key(request.url) == self.site:
            protego = cast(ProtegoRobotParser, robotparser).rp
            self._robots_sitemaps += [*protego.sitemaps]

    def set_delay(self, request: Request) -> None:
        """Apply the delay of a request's server, with or without throttling."""
        key = request.meta["download_slot"]
        downloader = self.crawler.engine.downloader
        slot = downloader.slots[key]
        if delay := self.politeness.delay(key):
            slot.delay, slot.concurrency, slot.jitter = delay, 1, 0.0
            request.meta["autothrottle_dont_adjust_delay"] = True
        elif slot.concurrency < downloader.domain_concurrency:  # no longer
            slot.concurrency = downloader.domain_concurrency
            slot.delay = slot.delay if self.options.throttle else 0.0

    def _has_room(self, url: str) -> bool:
        """Return whether another request to a server would be sent soon."""
        host = urlsplit(url).hostname or ""
        downloader = self.crawler.engine.downloader
        if self.politeness.delay(host):
            room = 1
        else:
            slot = downloader.slots.get(host)
            delay = slot.delay if slot else 0.0
            n_soon = int(2.0 / delay) if delay else downloader.domain_concurrency
            room = max(1, min(n_soon, downloader.domain_concurrency))
        return sum(host == _host(request) for request in downloader.active) < room

    # What comes next --------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        """Request nothing: the scheduler asks for requests when there is room for them."""
        no_requests: tuple[Request, ...] = ()
        for request in no_requests:
            yield request

    def is_new(self, request: Request) -> bool:
        """Return whether a page to which another one redirects is not known yet."""
        return request.meta["kind"] != "page" or self.page_frontier.is_new(request.url)

    def has_work(self) -> bool:
        """Return whether `next_request` would return a request if no server was busy."""
        if not self._is_started:
            return True
        if not self._page_limit() and (self._has_sources() or self.page_frontier.has_pages()):
            return True
        if self._next_resource_url():
            return True
        return not self.budget.exhausted(after=self._delay) and self.image_frontier.has_images()

    def next_request(self) -> Request | None:
        """Return the best next request, or None if there is none or its server is busy."""
        if not self._is_started:
            self._is_started = True
            self.page_frontier.is_new(self.job.url)
            self.budget.n_pages += 1
            return self._page_request(PageLink(self.job.url), first=True)
        if not self._page_limit():
            if self._is_waiting("catalogue"):
                return None  # it may make pages needless
            if self._has_sources():
                return self._next_source()
            if not self._is_waiting("page"):
                self.page_frontier.expect_nothing()
            if link := self.page_frontier.pop(self._has_room):
                self.budget.n_pages += 1
                return self._page_request(link)
            if self.page_frontier.has_pages():
                return None
        return self._after_pages()

    def _after_pages(self) -> Request | None:
        """Return the next style sheet or script, then the next image."""
        if url := self._next_resource_url():
            return self._next_resource(catalogues=False) if self._has_room(url) else None
        # Pages that are on their way may name better images
        return self._next_image() if self._are_pages_done() else None

    @property
    def _delay(self) -> float:
        """Seconds between requests to the site."""
        return self.politeness.delay(urlsplit(self.job.url).hostname or "")

    def _page_limit(self) -> Reason | None:
        return self._enough or self.budget.exhausted_for_pages(after=self._delay)

    def _are_pages_done(self) -> bool:
        return all(request.meta.get("kind") == "image" for request in self._active_requests())

    def _is_waiting(self, kind: str) -> bool:
        return any(request.meta.get("kind") == kind for request in self._active_requests())

    def _active_requests(self) -> Iterator[Request]:
        """Yield the requests that wait for their response, and those whose response is read."""
        engine = self.crawler.engine
        yield from engine.downloader.active
        if slot := engine.scraper.slot:
            yield from slot.active
            yield from (request for _, request, _ in slot.queue)

    def _has_sources(self) -> bool:
        """Return whether there are catalogues or sitemaps, which list pages and images at once."""
        has_sitemaps = self._sitemaps and self.budget.n_sitemaps < self.limits.sitemaps
        return bool(self._resources.next_url(catalogues=True) or has_sitemaps)

    def _next_source(self) -> Request | None:
        catalogue = self._resources.next_url(catalogues=True)
        if not self._has_room(catalogue or self._sitemaps[0][2]):
            return None
        if catalogue:
            return self._next_resource(catalogues=True)
        self.budget.n_sitemaps += 1
        url = heappop(self._sitemaps)[2]
        meta = {"kind": "sitemap", "first": False}
        return Request(url, self.parse_sitemap, errback=self.on_failure, meta=meta)

    def _next_resource_url(self) -> str:
        """Return the next style sheet or script to request, while there is time for such."""
        is_late = 2 * self.budget.seconds > self.limits.seconds
        if is_late or self.budget.exhausted(after=self._delay):
            return ""
        return self._resources.next_url(catalogues=False)

    def _next_resource(self, *, catalogues: bool) -> Request:
        resource = self._resources.pop(catalogues=catalogues)
        meta = {
            "kind": resource.kind, "first": False, "named_by": resource.page, "resource": resource,
        }  # fmt: skip
        return Request(
            resource.url,
            self.parse_catalogue if catalogues else self.parse_resource,
            errback=self.on_failure,
            headers={"Accept": "*/*", **_headers(resource.url, resource.page)},
            meta=meta,
        )

    def _page_request(self, link: PageLink, *, first: bool = False) -> Request:
        meta = {
            "kind": "page", "first": first, "depth": link.depth, "named_by": link.named_by,
            "link": link.url,
        }  # fmt: skip
        headers = _headers(link.url, link.named_by)
        return Request(
            link.url, self.parse_page, errback=self.on_failure, headers=headers, meta=meta
        )

    def _next_image(self) -> Request | None:
        if self.budget.exhausted(after=self._delay):
            return None
        candidate = self.image_frontier.pop(self._has_room)
        if candidate is None:
            return None
        meta = {
            "kind": "image", "dont_cache": True, "download_maxsize": self.limits.image_bytes,
            "named_by": candidate.page, "candidate": candidate,
        }  # fmt: skip
        return Request(
            candidate.image.url,
            self.parse_image,
            errback=self.on_image_failure,
            headers={"Accept": _ACCEPT_IMAGES, **_headers(candidate.image.url, candidate.page)},
            meta=meta,
        )

    # Pages ------------------------------------------------------------------------------------

    async def parse_page(self, response: Response) -> None:
        """Take a page's images, and note its links."""
        if response.meta["first"]:
            # If the first page redirects, its target is the site
            self.site = site_key(response.url)
            self._add_sitemaps(response.url)
        if not isinstance(response, TextResponse) or not _is_html(response):
            self._take_file(response)
            return
        page, url = _parsed(response), _shown_url(response)
        drawn, reason = await self._draw(url, response.text, page)
        if drawn and response.meta["first"]:
            self._shell = response.text
        if response.meta["first"]:
            marks = f"{response.headers.to_unicode_dict()}\n{response.text}"
            for request in catalogue_requests(page, marks):
                self._add_resource(Resource("catalogue", request.url, response.url, request))
        self._take_page(response, url, page, drawn, reason=reason)

    def _take_page(
        self,
        response: Response,
        url: str,
        page: Page,
        drawn: DrawnPage | None,
        *,
        reason: Reason | None = None,
        failure: Reason | None = None,
    ) -> None:
        """Take the images of a page, as it came or as it was drawn, and note its links.

        Parameters
        ----------
        response : Response
        url : str
        page : Page
            As the response has it.
        drawn : DrawnPage or None
        reason : Reason, optional
            Why the page is not drawn although it should be.
        failure : Reason, optional
            Why the page has failed if it turns out to have nothing of its own.
        """
        pages = [parse_page(html, url) for html in drawn.documents] if drawn else [page]
        found = [image for each in pages for image in page_images(each, side=self.limits.side)]
        if drawn:
            # What its scripts name is shown by now, under its full address
            names = {_file_name(image) for image in drawn.images}
            found = [
                image
                for image in found
                if image.source != "script" or _file_name(image.url) not in names
            ]
            found += [FoundImage(image, "background") for image in drawn.images]
            self._drawn_urls.add(url)
        images = merged_images(found)
        links = [link for each in pages for link in page_links(each)]
        if drawn:
            links += [(link, link_priority(link)) for link in drawn.links if is_page(link)]
            links += [(urljoin(url, route), 1) for route in drawn.routes]
        self._n_read += 1
        text = " ".join(map(_text, pages))
        others = [] if drawn else links
        is_empty = not (images or others or text.strip())
        same = "" if is_empty else self._same_content(text, images, others, url)
        if same or (is_empty and failure):
            self._learn(response, News(is_equal=True))
            crawl_status = "failed" if failure else "repeated"
            self._log_page(url, crawl_status, failure or Reason(Code.SAME_CONTENT, same), response)
            return
        if not reason and (n_repaired := repaired_json_ld(page)):
            reason = Reason(Code.REPAIRED, n_repaired)
        if is_empty and not reason:
            reason = Reason(Code.EMPTY_PAGE)
        for kind, resource in page_resources(pages[0]):
            if not drawn:  # otherwise the browser has applied it
                of_page = tuple(folders(response.text)) if kind == "script" else ()
                self._add_resource(Resource(kind, resource, response.url, folders=of_page))
        self._data_images[url] = [image for image in images if image.source == "script"]
        n_images = self.image_frontier.add(images, url)
        n_links = self._add_links(links, response)
        self._learn(response, News(n_images, n_links, self._count_new_words(text)))
        self._log_page(url, "read", reason, response, n_images=len(images))

    async def _draw(
        self, url: str, html: str, page: Page
    ) -> tuple[DrawnPage | None, Reason | None]:
        """Draw a page in the browser if its scripts are to do so; also return why that failed."""
        is_drawn_by_scripts = is_shell(page)
        if self.options.render != "always" and not is_drawn_by_scripts:
            return None, None
        failure = Reason(Code.NOT_DRAWN, "Drawn by scripts, but read without a browser")
        if self.options.render != "never" and not self._browser_failure:
            drawing = Drawing(
                self.crawler,
                url,
                html.encode(),
                seconds=self.limits.request_seconds,
                fruitless=self._fruitless_clicks,
            )
            try:
                return await drawing.draw(self.browser, 4 * self.limits.page_bytes), None
            except BrowserUnavailableError as error:
                self._browser_failure = str(error)
            except BrowserError as error:
                failure = Reason(Code.NOT_DRAWN, error)
        self._n_shells += is_drawn_by_scripts
        return None, failure

    async def _draw_route(self, response: Response) -> bool:
        """Draw a page that the server does not know: the scripts of the first page may.

        Links of such sites work when clicked on, but not when their page is asked for.
        """
        named_by = response.meta.get("named_by", "")
        if response.status != 404 or not self._shell or named_by not in self._drawn_urls:
            return False
        page = parse_page(self._shell, response.url)
        drawn, failure = await self._draw(response.url, self._shell, page)
        if drawn:
            failed = Reason.of_status(response.status)
            self._take_page(response, response.url, page, drawn, failure=failed)
        return not failure

    def _take_file(self, response: Response) -> None:
        """Keep an image that was linked like a page; log any other file."""
        content_type = _content_type(response) or "unknown"
        if content_type.lower().startswith("image/") and not skip_reason(response.url):
            image = FoundImage(response.url, "link", priority=PRIORITY["link"])
            candidate = Candidate(image, response.meta["named_by"])
            if self.image_frontier.take(candidate):
                self.images.save(candidate, response.body)
        reason = Reason(Code.NOT_HTML, content_type[:100])
        if response.meta["first"] and not self.images.n_kept:
            self._failure = reason
        self._log_page(response.url, "left out", reason, response)
        self._learn(response)

    def _learn(self, result: Request | Response, news: News = _NO_NEWS) -> None:
        """Note what a page brought that the frontier gave."""
        if result.meta["kind"] == "page" and not result.meta["first"]:
            self.page_frontier.learn(result.meta["link"], news)

    def _add_links(self, links: list[tuple[str, int]], response: Response) -> int:
        """Add the links of a page to the frontier; return how many may be new products."""
        refresh = refresh_target(response)[1] if isinstance(response, HtmlResponse) else ""
        if refresh and is_page(refresh):
            links = [(refresh, 1), *links]
        depth, path = response.meta["depth"] + 1, urlsplit(response.url).path
        n_new = 0
        for url, priority in links:
            if site_key(url) == self.site:
                is_new = self.page_frontier.add(PageLink(url, priority, depth, response.url))
                kind = url_kind(url)
                is_other = kind.is_paging or urlsplit(url).path != path  # no mere selection
                n_new += is_new and is_other and priority >= 0 and not kind.n_facets
        return n_new

    def _same_content(
        self, text: str, images: list[FoundImage], links: list[tuple[str, int]], url: str
    ) -> str:
        """Return the URL of an earlier page with this content, or ``""``.

        Numbers in the text and links to the page itself do not matter: a login page repeats the
        address from which it was reached.
        """
        path = urlsplit(url).path
        text = re.sub(r"[\d\s]+", " ", text)
        others = sorted(link for link, _ in links if urlsplit(link).path != path)
        content = json.dumps([sorted(image.url for image in images), others, text])
        digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
        first = self._contents.setdefault(digest, url)
        return "" if first == url else first

    def _count_new_words(self, text: str) -> int:
        words = set(_WORD.findall(text.lower()))
        n_before = len(self._words)
        self._words |= words
        return len(self._words) - n_before

    # Catalogues, style sheets, scripts --------------------------------------------------------

    def _add_resource(self, resource: Resource) -> None:
        if site_key(resource.url) == self.site:
            self._resources.add(resource)

    def parse_catalogue(self, response: Response) -> None:
        """Take the images of all products; with enough of them, no more pages are needed."""
        request = response.meta["resource"].request
        try:
            catalogue = read_catalogue(request, response.body)
        except InputError as error:
            self._log_page(response.url, "failed", Reason(Code.PARSE_ERROR, error), response)
            return
        images = catalogue.images()
        self.image_frontier.add(images, response.url)
        self._log_page(response.url, "read", None, response, n_images=len(images))
        self._n_catalogued += sum(not image.reason for image in images)
        self._n_products += len(catalogue.products)
        if self._n_catalogued >= self.limits.images:
            n = f"{self._n_products:,}{'' if catalogue.is_complete else ' or more'}"
            self._enough = Reason(
                Code.NOT_NEEDED, f"Not needed: the catalogue lists {n} products and their images"
            )
        elif not catalogue.is_complete and self._n_products < _MAX_PRODUCTS:
            following = request.next_page()
            page = response.meta["resource"].page
            self._add_resource(Resource("catalogue", following.url, page, following))

    def parse_resource(self, response: Response) -> None:
        """Take the images that a style sheet or script names, and note what it loads."""
        resource: Resource = response.meta["resource"]
        contents = read_resource(resource, response.body, response.url)
        for other in contents.resources:
            self._add_resource(other)
        for image in self._data_images.get(resource.page, []):
            if better := in_folder(image, resource.page, contents.folders):
                self.image_frontier.forget(image.url)
                self.image_frontier.add([better], resource.page)
        self.image_frontier.add(contents.images, resource.page)
        self._log_page(response.url, "read", None, response, n_images=len(contents.images))

    # Sitemaps ---------------------------------------------------------------------------------

    def _add_sitemaps(self, url: str) -> None:
        """Add the sitemaps that robots.txt names, or the usual place of one."""
        for sitemap in self._robots_sitemaps:
            self._add_sitemap(url, sitemap)
        can_guess = self.limits.seconds > _FEW_REQUESTS * self._delay
        if not self._robots_sitemaps and can_guess:
            self._add_sitemap(url, "/sitemap.xml")

    def _add_sitemap(self, base: str, link: str) -> None:
        url = absolute_url(base, link)
        if url and site_key(url) == self.site and url not in self._known_sitemaps:
            self._known_sitemaps.add(url)
            name = urlsplit(url).path.lower().replace("sitemap", "")
            rank = 0 if _PRODUCT_SITEMAP.search(name) else 2 if _OTHER_SITEMAP.search(name) else 1
            heappush(self._sitemaps, (rank, len(self._known_sitemaps), url))

    def parse_sitemap(self, response: Response) -> None:
        """Take the images of a sitemap, and note its links."""
        try:
            sitemap = read_sitemap(response.body, max_bytes=self.limits.page_bytes)
        except InputError as error:
            self._log_page(response.url, "failed", Reason(Code.PARSE_ERROR, error), response)
            return
        n_images = len(sitemap.images)
        self._log_page(response.url, "read", None, response, n_images=n_images)
        for link in sitemap.sitemaps:
            self._add_sitemap(response.url, link)
        for page, images in sitemap.found_images(response.url):
            self.image_frontier.add(images, page or response.url)
        for link in sitemap.pages:
            url = absolute_url(response.url, link)
            if url and site_key(url) == self.site and is_page(url):
                self.page_frontier.add(PageLink(url, link_priority(url), depth=1))

    # Failures ---------------------------------------------------------------------------------

    async def on_failure(self, failure: Failure) -> None:
        """Log why a page could not be read."""
        request = failure.request  # type: ignore[attr-defined]
        if isinstance(failure.value, HttpError) and await self._draw_route(failure.value.response):
            return
        reason = self.failure_reason(failure.value, request.url)
        if request.meta["first"]:
            self._failure = reason
        is_guess = request.meta["kind"] == "sitemap" and not self._robots_sitemaps
        if not is_guess:  # /sitemap.xml may well be missing
            self._log_page(request.url, "failed", reason, kind=request.meta["kind"])
        self._learn(request)

    def on_duplicate(self, request: Request) -> None:
        """Log a page that redirects to one that is known, maybe to itself."""
        first = request.meta.get("redirect_urls", [request.url])[0]
        reason = Reason(Code.REDIRECT_LOOP, request.url)
        self._log_page(first, "repeated", reason, kind=request.meta["kind"])
        self._learn(request)
        if request.meta["first"]:
            self._failure = reason

    def on_error(self, failure: Failure, response: Response) -> None:
        """Log a page on which our own code failed; its links are lost."""
        what = one_line(failure.value or failure)
        reason = Reason(Code.PARSE_ERROR, f"Could not parse the response: {what}")
        kind = response.meta["kind"]
        if kind == "image":
            self.image_frontier.settle()
            self.images.log(response.meta["candidate"], "failed", reason)
            return
        if response.meta["first"]:
            self._failure = reason
        self._log_page(response.url, "failed", reason, response)
        self._learn(response)

    def failure_reason(self, error: BaseException | None, url: str) -> Reason:
        """Return why a request failed, on one line."""
        if is_forbidden_by_robots(error):
            return self.robots_failures.get(site_key(url), Reason(Code.ROBOTS))
        return explain(error)

    # Images -----------------------------------------------------------------------------------

    def parse_image(self, response: Response) -> None:
        """Keep an image that has arrived, or log why not."""
        candidate = response.meta["candidate"]
        self.image_frontier.settle()
        if "dataloss" in response.flags and not _is_complete(response.body):
            self._fail_image(candidate, Reason(Code.INCOMPLETE))
        elif not self.images.save(candidate, response.body):
            self.image_frontier.add_fallback(candidate)
        self.report_progress()

    def on_image_failure(self, failure: Failure) -> None:
        """Log why an image could not be fetched."""
        request = failure.request  # type: ignore[attr-defined]
        self.image_frontier.settle()
        reason = self.failure_reason(failure.value, request.url)
        self._fail_image(request.meta["candidate"], reason)

    def _fail_image(self, candidate: Candidate, reason: Reason) -> None:
        """Ask for the next version of an image, and log why this one could not be fetched."""
        has_fallback = self.image_frontier.add_fallback(candidate)
        is_guess = candidate.image.source == "script"  # no page names this very URL
        if candidate.likelier is not None:
            candidate = replace(candidate, image=candidate.likelier)
        if not (has_fallback and is_guess):
            self.images.log(candidate, "failed", reason)

    # Progress and outcome ---------------------------------------------------------------------

    def report_progress(self) -> None:
        """Report the progress, a few times per second at most."""
        now = time.monotonic()
        if now - self._report_time > _REPORT_INTERVAL:
            self._report_time = now
            counts = {"pages": self._n_read, "images": self.images.n_kept}
            report({"folder": str(self.job.folder), **counts})

    def _log_page(
        self,
        url: str,
        crawl_status: str,
        reason: Reason | None,
        response: Response | None = None,
        *,
        kind: str = "page",
        depth: int | None = None,
        n_images: int = 0,
    ) -> None:
        row = {
            "url": url,
            "kind": response.meta["kind"] if response else kind,
            "crawl_status": crawl_status,
            "reason": reason or "",
            "reason_code": code_of(reason),
            "depth": response.meta.get("depth", 0) if response else depth,
            "drawn": url in self._drawn_urls,
            "n_images": n_images,
            "bytes": len(response.body) if response else None,
        }
        self._page_log.write(json.dumps(row) + "\n")
        self.report_progress()

    def on_close(self, reason: str) -> None:
        """Log what was not requested, and the outcome."""
        early = None if reason == "finished" else Reason(Code.ENDED_EARLY, reason)
        page_limit = early or self._page_limit()
        image_limit = self.image_frontier.limit or early or self.budget.exhausted(after=self._delay)
        pages = self._log_rest(page_limit)
        n_pages_left = sum(n_left for _, n_left, _, _ in pages)
        images = (self.images.n_kept, self.image_frontier.close(image_limit), "images", image_limit)
        sample = _sample((*pages, images))
        hint = self._browser_hint()
        outcome = {
            "finished": reason == "finished",
            "reason": self._failure or sample or "",
            "reason_code": code_of(self._failure or sample),
            "is_sample": self._failure is None and sample is not None,
            "reached": self._n_read > 0,
            "n_pages_found": self.page_frontier.n_known + 1,
            "page_coverage": self._n_read / max(1, self._n_read + n_pages_left),
            "hint": hint or "",
            "hint_code": code_of(hint),
        }
        with atomic_write(self.job.folder / "crawl" / "outcome.json") as part:
            part.write_text(json.dumps(outcome) + "\n", encoding="utf-8")
        self._page_log.close()
        self.images.close()

    def _browser_hint(self) -> Reason | None:
        """Return how to get the images that scripts show, if any are missing."""
        if not self._n_shells:
            return None
        if self.options.render == "never":
            steps = ", then ".join(filter(None, (missing_browser(), 'collect with render="auto"')))
        else:
            steps = missing_browser() or self._browser_failure or "drawing them failed"
        return Reason(
            Code.SCRIPTS,
            f"Images may be missing, since scripts seem to draw {self._n_shells} of "
            f"{format_count(self._n_read, 'page')}: {steps}",
        )

    def _log_rest(self, limit: Reason | None) -> list[tuple[int, int, str, Reason]]:
        """Log the pages that were not requested; return how many each limit cut off."""
        n_left: Counter[Reason] = Counter()
        for number, (link, cap, is_loss) in enumerate(self.page_frontier.rest()):
            if is_loss and not self._enough and (cause := cap or limit):
                n_left[cause] += 1
            if number < _MAX_ROWS:
                self._log_page(link.url, "not requested", cap or limit, depth=link.depth)
        return [(self._n_read, n, "pages", cause) for cause, n in n_left.items()]


def _sample(cuts: Iterable[tuple[int, int, str, Reason | None]]) -> Reason | None:
    """Return which sample of its pages and images a site is; None if nothing was cut off.

    Parameters
    ----------
    cuts : iterable of (number done, number left, name, limit)
    """
    made = [cut for cut in cuts if cut[1] and cut[3]]
    texts = [
        f"{n_done} of {n_done + n_left} {name} ({str(limit)[0].lower()}{str(limit)[1:]})"
        for n_done, n_left, name, limit in made
    ]
    limits = [limit for *_, limit in made if limit]
    return Reason.with_text(limits[0].code, f"Sample: {', '.join(texts)}") if limits else None


def _host(request: Request) -> str:
    return urlparse_cached(request).hostname or ""


def _parsed(response: TextResponse) -> Page:
    return parse_page(response.body, response.url, _content_type(response))


def _content_type(response: Response) -> str:
    return (response.headers.get("Content-Type") or b"").decode("latin-1")


def _is_html(response: Response) -> bool:
    """Tell whether a page is HTML as its header says, or by its beginning if that is wrong."""
    content_type = _content_type(response).strip().lower()
    return (
        not content_type
        or re.search("html|xml", content_type) is not None
        or _BEGINNING.search(response.body[:1_000]) is not None
    )


def _file_name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def _shown_url(response: Response) -> str:
    """Return the URL of a page with the fragment that its scripts show, if it has one."""
    fragment = urlsplit(response.meta["link"]).fragment
    return f"{response.url}#{fragment}" if fragment else response.url


def _headers(url: str, named_by: str) -> dict[str, str]:
    value = referrer(named_by, url)
    return {"Referer": value} if value else {}


def _text(page: Page) -> str:
    """Return the text that a page shows, and some more."""
    body = page.root.find("body")
    nodes = () if body is None else body.iter()
    visible = (
        f"{node.text or ''} {node.tail or ''}"
        if node.tag not in ("script", "style") and isinstance(node.tag, str)
        else node.tail or ""
        for node in nodes
    )
    return " ".join(visible)


def _is_complete(body: bytes) -> bool:
    """Return whether an image can be decoded: some servers declare more bytes than there are."""
    try:
        read_image(body)
    except ImageError:
        return False
    return True
