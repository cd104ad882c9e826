"""Downloader middleware: which requests are not sent, and why; robots.txt that cannot be read."""

from typing import TYPE_CHECKING, cast

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from similarity_lab.errors import UrlError
from similarity_lab.web.crawler.reasons import explain
from similarity_lab.web.policy.urls import check_url, site_key

if TYPE_CHECKING:
    from similarity_lab.web.crawler.spider import SiteSpider

_DISALLOW_ALL = b"User-agent: *\nDisallow: /\n"


class PolicyMiddleware:
    """Applies URL policy and limits to all requests, also to redirects and robots.txt."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "PolicyMiddleware":
        """Return the middleware of a crawler."""
        return cls(crawler)

    @property
    def spider(self) -> "SiteSpider":
        """The crawler's spider, which knows the limits and what is used of them."""
        return cast("SiteSpider", self.crawler.spider)

    def process_request(self, request: Request) -> None:
        """Let a request pass, or raise `IgnoreRequest` with the reason."""
        kind = request.meta.get("kind")
        if kind == "batch":  # a data: URL of our own, never sent
            return
        if limit := self.spider.exhausted_limit(finding_pages=kind == "page"):
            raise IgnoreRequest(f"Not requested: {limit}")
        try:
            check_url(request.url, self.spider.options.allow)
        except UrlError as error:
            raise IgnoreRequest(f"Refused: {error}") from None
        if kind in ("page", "sitemap") and not request.meta.get("first"):
            site = site_key(request.url)
            if site != self.spider.site:
                raise IgnoreRequest(f"Leads to another site ({site})")
        is_repeat = {"retry_times", "redirect_times"} & request.meta.keys()
        if kind == "page" and not is_repeat and (limit := self.spider.count_page()):
            raise IgnoreRequest(f"Not requested: {limit}")

    def process_response(self, request: Request, response: Response) -> Response:
        """Count bytes; replace a robots.txt that failed by one that forbids everything."""
        if "cached" not in response.flags:
            self.spider.n_bytes += len(response.body)
        if _is_robots(request) and response.status >= 500:
            return self._disallow_all(request, f"HTTP status {response.status}")
        return response

    def process_exception(self, request: Request, exception: Exception) -> Response | None:
        """Treat an unreachable robots.txt as RFC 9309 demands: everything is forbidden."""
        if _is_robots(request) and not isinstance(exception, IgnoreRequest):
            return self._disallow_all(request, explain(exception))
        return None

    def _disallow_all(self, request: Request, reason: str) -> Response:
        self.spider.robots_failures[site_key(request.url)] = f"Could not read robots.txt: {reason}"
        return Response(request.url, status=200, body=_DISALLOW_ALL, request=request)


def _is_robots(request: Request) -> bool:
    return bool(request.meta.get("dont_obey_robotstxt"))
