"""The crawler's process, ``python -m similarity_lab.web.crawler.crawl``; reads a `Job` on stdin.

A process of its own, because Twisted's reactor starts once per process and not at all beside
Jupyter's event loop, and because what strangers send is better parsed where nothing else lives.
"""

import logging
import os
import sys
import threading

from scrapy.crawler import AsyncCrawlerProcess

from similarity_lab.web.crawler.guard import guard_process, guard_reactor
from similarity_lab.web.crawler.jobs import Job
from similarity_lab.web.crawler.spider import SiteSpider

_PACKAGE = "similarity_lab.web.crawler"


def settings(job: Job) -> dict[str, object]:
    """Return Scrapy's settings; what is not needed of it is off."""
    limits = job.limits
    crawl = job.folder / "crawl"
    return {
        "USER_AGENT": job.user_agent,
        "ROBOTSTXT_OBEY": True,
        "ROBOTSTXT_USER_AGENT": "similarity_lab",
        # Nobody gets in, nothing is kept of anyone, nothing goes through a proxy
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "COOKIES_ENABLED": False,
        "HTTPPROXY_ENABLED": False,
        "DOWNLOAD_HANDLERS": {"file": None, "ftp": None, "s3": None},
        "DOWNLOAD_VERIFY_CERTIFICATES": job.verify,
        "REFERRER_POLICY": "strict-origin-when-cross-origin",
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
            "scrapy.downloadermiddlewares.cookies.CookiesMiddleware": None,
            "scrapy.downloadermiddlewares.httpauth.HttpAuthMiddleware": None,
            "scrapy.downloadermiddlewares.httpproxy.HttpProxyMiddleware": None,
            f"{_PACKAGE}.gate.Gate": 50,
        },
        "ITEM_PIPELINES": {f"{_PACKAGE}.keeping.ImageFiles": 1},
        "FILES_STORE": str(job.folder),
        "MEDIA_ALLOW_REDIRECTS": True,
        # An unfinished crawl goes on from here
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_STORAGE": f"{_PACKAGE}.cache.JsonCacheStorage",
        "HTTPCACHE_DIR": str(crawl / "cache"),
        "HTTPCACHE_EXPIRATION_SECS": 24 * 3600,
        "HTTPCACHE_IGNORE_HTTP_CODES": [*range(400, 600)],
        # Breadth first
        "DEPTH_LIMIT": limits.depth,
        "DEPTH_PRIORITY": 1,
        "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
        # Politeness
        "AUTOTHROTTLE_ENABLED": job.throttle,
        "AUTOTHROTTLE_START_DELAY": 0.5,
        "AUTOTHROTTLE_MAX_DELAY": 30,
        "AUTOTHROTTLE_TARGET_CONCURRENCY": 2.0,
        "CONCURRENT_REQUESTS": 8 if job.throttle else 32,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 4 if job.throttle else 16,
        "RETRY_TIMES": 1,
        # What a server could do to us
        "DOWNLOAD_TIMEOUT": limits.request_seconds,
        "DOWNLOAD_MAXSIZE": limits.page_bytes,
        "DNS_TIMEOUT": min(10.0, limits.request_seconds),
        "REDIRECT_MAX_TIMES": limits.redirects,
        "EXTENSIONS": {
            "scrapy.extensions.memusage.MemoryUsage": None,
            f"{_PACKAGE}.memory.MemoryNow": 0,
        },
        "MEMUSAGE_LIMIT_MB": 2048,
        "MEMUSAGE_CHECK_INTERVAL_SECONDS": 2.0,
        "LOG_FILE": str(crawl / "scrapy.log"),
        "LOG_FILE_APPEND": False,
        "LOG_LEVEL": "WARNING",
        "LOGSTATS_INTERVAL": 0,
        "STATS_DUMP": False,
    }


def main() -> None:
    """Crawl one site."""
    job = Job.from_json(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    process = AsyncCrawlerProcess(settings(job))
    # What became of each image is in our notes; the pipeline would write a traceback for each
    logging.getLogger("scrapy.pipelines").setLevel(logging.CRITICAL)
    from twisted.internet import reactor

    guard_reactor(reactor, job.allow)
    guard_process(job.allow, job.folder / "crawl" / "connects.jsonl")
    process.crawl(SiteSpider, job=job)
    process.start()


def _leave_with_parent() -> None:
    """End when standard input does: then nobody waits for this process any more."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
