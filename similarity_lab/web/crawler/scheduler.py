"""Scrapy's scheduler, replaced: the spider decides what comes next when there is room for it."""

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, cast

from scrapy import Request
from scrapy.core.scheduler import BaseScheduler
from scrapy.crawler import Crawler

if TYPE_CHECKING:
    from similarity_lab.web.crawler.spider import SiteSpider


class SiteScheduler(BaseScheduler):
    """Holds what Scrapy repeats or redirects; everything else stays in the spider's frontiers.

    A queue of requests would fix their order when a link is found. The best next page is known only
    when there is room for a request: what pages like it brought, and how much time is left.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self._queue: list[tuple[int, int, Request]] = []
        self._numbers = count()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "SiteScheduler":
        """Return the scheduler of a crawler."""
        return cls(crawler)

    @property
    def spider(self) -> "SiteSpider":
        """The crawler's spider."""
        return cast("SiteSpider", self.crawler.spider)

    def has_pending_requests(self) -> bool:
        """Return whether there is anything to request, now or later."""
        return bool(self._queue) or self.spider.has_work()

    def enqueue_request(self, request: Request) -> bool:
        """Take a request that is repeated or redirected, unless its page was requested already.

        A page that redirects to itself, at last, is requested again if it set a cookie.
        """
        is_new = request.dont_filter or self.spider.is_new(request)
        if not is_new and not request.meta.pop("has_new_cookie", False):
            return False
        heappush(self._queue, (-request.priority, next(self._numbers), request))
        return True

    def next_request(self) -> Request | None:
        """Return the next request, or None if the servers are busy."""
        if self._queue:
            return heappop(self._queue)[2]
        return self.spider.next_request()
