"""The crawler's process, ``python -m similarity_lab.web.crawler.worker``: many sites, one reactor.

Reads `CrawlOptions`, then a `Job` per line, on standard input; writes progress and outcomes on
standard output. A separate process, because Twisted's reactor starts once per process and not at
all beside Jupyter's event loop, and because untrusted input is better parsed where nothing else
runs.
"""

import asyncio
import logging
import os
import sys
import threading
from pathlib import Path

from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.utils.misc import load_object

from similarity_lab.errors import one_line
from similarity_lab.web.crawler.browser import Browser
from similarity_lab.web.crawler.job import CrawlOptions, Job, report
from similarity_lab.web.crawler.memory import resident_bytes
from similarity_lab.web.crawler.spider import SiteSpider
from similarity_lab.web.policy.ssrf import restrict_process, restrict_reactor
from similarity_lab.web.reasons import Code, Reason, code_of

_PACKAGE = "similarity_lab.web.crawler"
_MIDDLEWARES = "scrapy.downloadermiddlewares"
_GRACE = 30.0  # seconds beyond a site's limit, at which it ends by itself, for what is in progress
_SIGN_OF_LIFE = 2.0  # seconds
_RETIREMENT_BYTES, _MAX_BYTES = 2**30, 2 * 2**30  # of memory: no further sites; no crawls


def scrapy_settings(options: CrawlOptions) -> dict[str, object]:
    """Return Scrapy's settings; features that are not needed are off."""
    limits = options.limits
    return {
        "USER_AGENT": options.user_agent,
        "ROBOTSTXT_OBEY": True,
        "ROBOTSTXT_USER_AGENT": "similarity_lab",
        # No remote control, no proxies, no credentials, no cookies on disk
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "HTTPPROXY_ENABLED": False,
        "DOWNLOAD_HANDLERS": {
            "file": None,
            "ftp": None,
            "s3": None,
            "data": None,
            "http": f"{_PACKAGE}.handler.PatientDownloadHandler",
            "https": f"{_PACKAGE}.handler.PatientDownloadHandler",
        },
        "DOWNLOAD_VERIFY_CERTIFICATES": options.verify,
        "DOWNLOAD_FAIL_ON_DATALOSS": False,
        "SCHEDULER": f"{_PACKAGE}.scheduler.SiteScheduler",
        "DOWNLOADER_MIDDLEWARES": {
            f"{_MIDDLEWARES}.offsite.OffsiteMiddleware": None,
            f"{_MIDDLEWARES}.httpauth.HttpAuthMiddleware": None,
            f"{_MIDDLEWARES}.httpproxy.HttpProxyMiddleware": None,
            f"{_MIDDLEWARES}.stats.DownloaderStats": None,
            f"{_MIDDLEWARES}.retry.RetryMiddleware": None,
            f"{_MIDDLEWARES}.redirect.MetaRefreshMiddleware": None,
            f"{_MIDDLEWARES}.redirect.RedirectMiddleware": None,
            f"{_MIDDLEWARES}.cookies.CookiesMiddleware": None,
            # In the place of Scrapy's
            f"{_PACKAGE}.middleware.PolicyMiddleware": 50,
            f"{_PACKAGE}.middleware.RetryOnceMiddleware": 550,
            f"{_PACKAGE}.middleware.SiteRefreshMiddleware": 580,
            f"{_PACKAGE}.middleware.SiteRedirectMiddleware": 600,
            f"{_PACKAGE}.middleware.CookieMiddleware": 700,
            f"{_PACKAGE}.middleware.PatienceMiddleware": 950,
        },
        # The spider issues all requests itself
        "SPIDER_MIDDLEWARES": dict.fromkeys(
            (
                "scrapy.spidermiddlewares.start.StartSpiderMiddleware",
                "scrapy.spidermiddlewares.referer.RefererMiddleware",
                "scrapy.spidermiddlewares.urllength.UrlLengthMiddleware",
                "scrapy.spidermiddlewares.depth.DepthMiddleware",
                "scrapy.spidermiddlewares.metacopy.MetaCopyDetectionMiddleware",
            )
        ),
        # An unfinished crawl resumes from here; a redirect may depend on cookies
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_STORAGE": f"{_PACKAGE}.cache.ResponseLog",
        "HTTPCACHE_EXPIRATION_SECS": 24 * 3600,
        "HTTPCACHE_IGNORE_HTTP_CODES": [*range(300, 600)],
        # Politeness
        "AUTOTHROTTLE_ENABLED": options.throttle,
        "AUTOTHROTTLE_START_DELAY": 0.5,
        "AUTOTHROTTLE_MAX_DELAY": 30,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": 2.0,
        "CONCURRENT_REQUESTS": 8 if options.throttle else 32,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 4 if options.throttle else 16,
        "RETRY_TIMES": 1,
        "RETRY_HTTP_CODES": [500, 502, 503, 504, 522, 524, 408],
        "RETRY_PRIORITY_ADJUST": 0,
        "RETRY_GIVE_UP_LOG_LEVEL": "DEBUG",
        # Limits on what a server can cause
        "DOWNLOAD_TIMEOUT": limits.request_seconds,
        "DOWNLOAD_MAXSIZE": limits.page_bytes,
        "DNS_TIMEOUT": min(10.0, limits.request_seconds),
        "REACTOR_THREADPOOL_MAXSIZE": 32,  # for DNS
        "REDIRECT_MAX_TIMES": limits.redirects,
        # The process serves many sites: what is done per site costs
        "EXTENSIONS": {
            "scrapy.extensions.corestats.CoreStats": None,
            "scrapy.extensions.logcount.LogCount": None,
            "scrapy.extensions.memusage.MemoryUsage": None,
        },
        "CONCURRENT_ITEMS": 1,  # Scrapy starts this many tasks per response
        "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
        "LOG_FILE": "scrapy.log",
        "LOG_LEVEL": "WARNING",
        "LOGSTATS_INTERVAL": 0,
    }


class SiteRunner:
    """Crawls sites side by side, and reports what becomes of them."""

    def __init__(self, process: AsyncCrawlerProcess, options: CrawlOptions) -> None:
        self.process, self.options = process, options
        self.browser = Browser()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, job: Job) -> None:
        """Start to crawl a site."""
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job: Job) -> None:
        """Crawl a site; however that fails, other sites continue."""
        seconds = self.options.limits.seconds
        crawler = Crawler(SiteSpider, self.process.settings)
        failure: Reason | None = None
        try:
            crawl = self.process.crawl(crawler, job=job, options=self.options, browser=self.browser)
            done, _ = await asyncio.wait({crawl}, timeout=seconds + _GRACE)
            if not done:
                failure = Reason(Code.LIMIT_SECONDS, f"{seconds:g}")
                crawl.cancel()
            elif error := crawl.exception():
                raise error
        except Exception as error:  # of any class
            logging.getLogger(__name__).exception("Crawling %s failed", job.url)
            failure = Reason(Code.CRAWLER_FAILED, f"failed: {one_line(error)}")
        outcome = {"finished": failure or "", "finished_code": code_of(failure)}
        report({"folder": str(job.folder), **outcome})

    async def watch(self) -> None:
        """Tell the parent that this process responds; watch the memory that it needs."""
        while True:
            n_bytes = resident_bytes()
            if n_bytes > _MAX_BYTES:
                if len(self._tasks) > 1:  # any of them may need it: the parent finds out
                    sys.stderr.write(f"Limit of {_MAX_BYTES:,} bytes of memory reached\n")
                    sys.stderr.flush()
                    os._exit(1)
                for crawler in self.process.crawlers:
                    await crawler.engine.close_spider_async(reason="limit of memory")
            report({"is_retiring": True} if n_bytes > _RETIREMENT_BYTES else {})
            await asyncio.sleep(_SIGN_OF_LIFE)


def main() -> None:
    """Crawl the sites that standard input names, until it is closed."""
    options = CrawlOptions.from_json(sys.stdin.readline())
    process = AsyncCrawlerProcess(scrapy_settings(options))
    from twisted.internet import reactor

    load_object(f"{_PACKAGE}.handler.PatientDownloadHandler")  # now: slower from within a crawl
    restrict_reactor(reactor, options.allow)
    restrict_process(options.allow, Path("connects.jsonl"))
    runner = SiteRunner(process, options)
    loop = asyncio.get_event_loop()
    watching = loop.create_task(runner.watch())
    threading.Thread(target=_read_jobs, args=(loop, runner), daemon=True).start()
    process.start(stop_after_crawl=False)
    watching.cancel()


def _read_jobs(loop: asyncio.AbstractEventLoop, runner: SiteRunner) -> None:
    """Start the jobs that the parent sends; exit when it is gone."""
    for line in sys.stdin:
        loop.call_soon_threadsafe(runner.start, Job.from_json(line))
    os._exit(1)


if __name__ == "__main__":
    main()
