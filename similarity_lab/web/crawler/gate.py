"""Between the crawler and the network: what is not asked for, and why."""

from typing import TYPE_CHECKING, cast

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.error import TimeoutError as ConnectTimeoutError

from similarity_lab.errors import AddressError, one_line
from similarity_lab.web.policy.addresses import check_address, site_key

if TYPE_CHECKING:
    from similarity_lab.web.crawler.spider import SiteSpider

ROBOTS = "Forbidden by robots.txt"  # what Scrapy says
_CLOSED = b"User-agent: *\nDisallow: /\n"


class Gate:
    """A downloader middleware next to the engine, so that it sees redirects and robots.txt too."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Gate":
        """Make one for a crawler."""
        return cls(crawler)

    @property
    def spider(self) -> "SiteSpider":
        """The crawler's spider, which knows the limits and what has been used of them."""
        return cast("SiteSpider", self.crawler.spider)

    def process_request(self, request: Request) -> None:
        """Let a request pass, or raise `IgnoreRequest` with the reason."""
        kind = request.meta.get("kind")
        if kind == "batch":  # a data: address of our own, which asks nobody
            return
        if spent := self.spider.spent(looking=kind == "page"):
            raise IgnoreRequest(f"not asked for: {spent}")
        try:
            check_address(request.url, self.spider.job.allow)
        except AddressError as error:
            raise IgnoreRequest(f"refused: {error}") from None
        if kind in ("page", "sitemap") and not request.meta.get("first"):
            site = site_key(request.url)
            if site != self.spider.site:
                raise IgnoreRequest(f"leads to another site, {site}")
        again = {"retry_times", "redirect_times"} & request.meta.keys()
        if kind == "page" and not again and (limit := self.spider.one_more_page()):
            raise IgnoreRequest(f"not asked for: {limit}")

    def process_response(self, request: Request, response: Response) -> Response:
        """Count bytes; a robots.txt that the server fails to give forbids everything."""
        if "cached" not in response.flags:
            self.spider.n_bytes += len(response.body)
        if _is_robots(request) and response.status >= 500:
            return self._closed(request, f"the server answers {response.status}")
        return response

    def process_exception(self, request: Request, exception: Exception) -> Response | None:
        """Answer for a robots.txt that cannot be had, as RFC 9309 asks."""
        if _is_robots(request) and not isinstance(exception, IgnoreRequest):
            return self._closed(request, explain(exception))
        return None

    def _closed(self, request: Request, why: str) -> Response:
        self.spider.robots_trouble[site_key(request.url)] = f"robots.txt cannot be read: {why}"
        return Response(request.url, status=200, body=_CLOSED, request=request)


def _is_robots(request: Request) -> bool:
    return bool(request.meta.get("dont_obey_robotstxt"))


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (CannotResolveHostError, "there is no host of this name (IPv4 is looked up)"),
    (DownloadConnectionRefusedError, "the server refuses the connection"),
    (DownloadTimeoutError, "the server takes too long"),
    (ConnectTimeoutError, "the server takes too long to connect"),
    (DownloadCancelledError, "the answer is larger than the limit"),
    (ResponseDataLossError, "the answer breaks off"),
    (ConnectionLost, "the connection breaks off"),
)


def explain(error: BaseException | None) -> str:
    """Return why a request failed, on one line."""
    if isinstance(error, HttpError):
        return f"the server answers {error.response.status}"
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, IgnoreRequest) and "DOWNLOAD_MAXSIZE" in str(error):
        return "the answer is larger than the limit when unpacked"
    if isinstance(error, (DownloadFailedError, ConnectError)):
        return f"the connection fails: {_innermost(error)}"
    return one_line(error) if error else "unknown"


def _innermost(error: BaseException) -> str:
    text = one_line(error)
    if "certificate verify failed" in text:
        return "the server's certificate is not trusted"
    return text
