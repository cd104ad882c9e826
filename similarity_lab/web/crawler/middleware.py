"""Downloader middlewares: what may be sent, when, and what an answer leads to."""

import asyncio
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.redirect import MetaRefreshMiddleware, RedirectMiddleware
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.http.cookies import CookieJar
from w3lib.url import canonicalize_url

from similarity_lab.errors import UrlError
from similarity_lab.web.crawler.answers import refresh_target, retry_after
from similarity_lab.web.crawler.reasons import explain
from similarity_lab.web.policy.referrer import referrer
from similarity_lab.web.policy.urls import check_url, registered_domain, site_key
from similarity_lab.web.reasons import Code, Reason

if TYPE_CHECKING:
    from similarity_lab.web.crawler.spider import SiteSpider

_DISALLOW_ALL = b"User-agent: *\nDisallow: /\n"
_OF_THE_SITE = ("page", "sitemap", "catalogue", "style sheet", "script")
_OVERLOADED = (429, 503)
_MAX_WAITS = 4  # for one request
_MAX_COOKIES, _MAX_COOKIE_LENGTH = 50, 4_000
_REDIRECT_SECONDS = 3.0  # a page that is shown for longer than this is one to read


class CrawlMiddleware:
    """Base of the middlewares that know the crawler's spider."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "CrawlMiddleware":
        """Return the middleware of a crawler."""
        return cls(crawler)

    @property
    def spider(self) -> "SiteSpider":
        """The crawler's spider, which knows the limits and what is used of them."""
        return cast("SiteSpider", self.crawler.spider)


class PolicyMiddleware(CrawlMiddleware):
    """Applies URL policy and limits to all requests, also to redirects and robots.txt."""

    def process_request(self, request: Request) -> None:
        """Let a request pass, or raise `IgnoreRequest` with the reason."""
        kind = request.meta.get("kind")
        if limit := self.spider.budget.exhausted():
            raise IgnoreRequest(limit.after("Not requested: "))
        try:
            check_url(request.url, self.spider.options.allow)
        except UrlError as error:
            raise IgnoreRequest(Reason(Code.ADDRESS_REFUSED, f"Refused: {error}")) from None
        if kind in _OF_THE_SITE and not request.meta["first"]:
            site = site_key(request.url)
            if site != self.spider.site:
                raise IgnoreRequest(Reason(Code.OTHER_SITE, site))
        seconds = min(self.spider.limits.request_seconds, self.spider.budget.seconds_left + 1)
        request.meta["download_timeout"] = max(1.0, seconds)

    def process_response(self, request: Request, response: Response) -> Response:
        """Count bytes; replace a robots.txt that failed by one that forbids everything."""
        if "cached" not in response.flags:
            self.spider.budget.n_bytes += len(response.body)
        if _is_robots(request) and (response.status >= 500 or response.status == 429):
            return self._disallow_all(request, Reason.of_status(response.status))
        return response

    def process_exception(self, request: Request, exception: Exception) -> Response | None:
        """Treat an unreachable robots.txt as RFC 9309 demands: everything is forbidden."""
        if _is_robots(request) and not isinstance(exception, IgnoreRequest):
            return self._disallow_all(request, explain(exception))
        return None

    def _disallow_all(self, request: Request, reason: Reason) -> Response:
        failure = reason.after("Could not read robots.txt: ")
        self.spider.robots_failures[site_key(request.url)] = failure
        return Response(request.url, status=200, body=_DISALLOW_ALL, request=request)


class PatienceMiddleware(CrawlMiddleware):
    """Waits if a server asks to (429, ``Retry-After``), and is slower afterwards."""

    async def process_request(self, request: Request) -> None:
        """Hold a request back while its server wants to be left alone."""
        host = urlsplit(request.url).hostname or ""
        while (seconds := self.spider.politeness.pause(host)) > 0:
            if limit := self.spider.budget.exhausted(after=seconds):
                raise IgnoreRequest(Reason(Code.ASKED_TO_WAIT, limit))
            await asyncio.sleep(seconds)

    async def process_response(self, request: Request, response: Response) -> Request | Response:
        """Repeat a request after the time that the server asks for."""
        told = retry_after(response)
        host = urlsplit(request.url).hostname or ""
        if response.status not in _OVERLOADED or (response.status == 503 and told is None):
            self.spider.politeness.on_response(host)
            return response
        n_waits = request.meta.get("waits", 0)
        seconds = 2.0**n_waits if told is None else told
        self.spider.politeness.on_overload(host, seconds)
        if n_waits >= _MAX_WAITS or self.spider.budget.exhausted(after=seconds):
            return response
        repeated = request.replace(dont_filter=True)
        repeated.meta["waits"] = n_waits + 1
        return repeated


class RetryOnceMiddleware(RetryMiddleware):
    """Repeats a request that failed, also one whose response ended early."""

    def process_response(  # type: ignore[override]
        self, request: Request, response: Response
    ) -> Request | Response:
        """Return the response, or the request if it is to be repeated."""
        if "dataloss" in response.flags and request.meta.get("kind") == "image":
            return self._retry(request, "ended early") or response
        return super().process_response(request, response)


class CookieMiddleware(CrawlMiddleware):
    """Keeps cookies in memory for one crawl: some sites redirect until they get theirs back."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._jar = CookieJar()
        self._n_cookies = 0

    def process_request(self, request: Request) -> None:
        """Send the cookies that this host, or its domain, set in this crawl."""
        request.headers.pop("Cookie", None)
        self._jar.add_cookie_header(request)

    def process_response(self, request: Request, response: Response) -> Response:
        """Keep the cookies of a response, and note whether there are any."""
        if response.headers.getlist("Set-Cookie"):
            before = request.headers.get("Cookie")
            self._keep(request, response)
            probe = Request(request.url)
            self._jar.add_cookie_header(probe)
            if probe.headers.get("Cookie") != before:
                request.meta["has_new_cookie"] = True
        return response

    def _keep(self, request: Request, response: Response) -> None:
        host = urlsplit(request.url).hostname or ""
        for cookie in self._jar.make_cookies(response, request):
            domain = cookie.domain.removeprefix(".")
            is_too_much = (
                self._n_cookies >= _MAX_COOKIES or len(cookie.value or "") > _MAX_COOKIE_LENGTH
            )
            if (domain == host or registered_domain(domain)) and not is_too_much:
                self._n_cookies += 1
                self._jar.set_cookie_if_ok(cookie, request)


class SiteRedirectMiddleware(RedirectMiddleware):
    """Follows redirects with the header ``Referer`` of the page that names the target."""

    def _engine_started(self) -> None:
        """Do not look for Scrapy's own middleware for the header."""

    def handle_referer(self, request: Request, response: Response) -> None:
        """Keep the referring page, as browsers do."""
        _set_referer(request)

    def process_response(  # type: ignore[override]
        self, request: Request, response: Response
    ) -> Request | Response:
        """Return the response, or the request to which it redirects."""
        result = super().process_response(request, response)
        if isinstance(result, Request):
            result.dont_filter = False  # also if the request was repeated
        return result


class SiteRefreshMiddleware(MetaRefreshMiddleware):
    """Follows ``<meta http-equiv=refresh>`` and its header if the page itself is not to be read."""

    def _engine_started(self) -> None:
        """Do not look for Scrapy's own middleware for the header ``Referer``."""

    def handle_referer(self, request: Request, response: Response) -> None:
        """Keep the referring page, as browsers do."""
        _set_referer(request)

    def process_response(  # type: ignore[override]
        self, request: Request, response: Response
    ) -> Request | Response:
        """Return the response, or the request to which it redirects."""
        if request.meta.get("kind") != "page" or not isinstance(response, HtmlResponse):
            return response
        seconds, url = refresh_target(response)
        is_itself = not url or canonicalize_url(url) == canonicalize_url(request.url)
        if seconds > _REDIRECT_SECONDS or (url and not url.startswith(("http:", "https:"))):
            return response
        if is_itself and (not url or not _expects_cookie(request)):
            return response  # a page to read
        redirected = self._redirect_request_using_get(request, response, url)
        if is_itself:
            redirected.meta.update(is_refreshed=True, dont_cache=True)
        return self._redirect(redirected, request, "meta refresh")


def _expects_cookie(request: Request) -> bool:
    """Tell whether a page may be another one now that it has set a cookie."""
    return "has_new_cookie" in request.meta and "is_refreshed" not in request.meta


def _set_referer(request: Request) -> None:
    request.headers.pop("Referer", None)
    if value := referrer(request.meta.get("named_by", ""), request.url):
        request.headers["Referer"] = value


def _is_robots(request: Request) -> bool:
    return bool(request.meta.get("dont_obey_robotstxt"))
