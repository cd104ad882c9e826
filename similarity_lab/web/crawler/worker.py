"""The crawler's process, ``python -m similarity_lab.web.crawler.worker``; reads a `Job` on stdin.

A separate process, because Twisted's reactor starts once per process and not at all beside
Jupyter's event loop, and because untrusted input is better parsed where nothing else runs.
"""

import logging
import os
import sys
import threading

from scrapy.crawler import AsyncCrawlerProcess

from similarity_lab.web.crawler.job import Job
from similarity_lab.web.crawler.spider import SiteSpider
from similarity_lab.web.policy.ssrf import restrict_process, restrict_reactor

_PACKAGE = "similarity_lab.web.crawler"


def scrapy_settings(job: Job) -> dict[str, object]:
    """Return Scrapy's settings for a job; features that are not needed are off."""
    limits = job.limits
    crawl = job.folder / "crawl"
    return {
        "USER_AGENT": job.user_agent,
        "ROBOTSTXT_OBEY": True,
        "ROBOTSTXT_USER_AGENT": "similarity_lab",
        # No remote control, no cookies, no proxies
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
            f"{_PACKAGE}.middleware.PolicyMiddleware": 50,
        },
        "ITEM_PIPELINES": {f"{_PACKAGE}.pipeline.ImagePipeline": 1},
        "FILES_STORE": str(job.folder),
        "MEDIA_ALLOW_REDIRECTS": True,
        # An unfinished crawl resumes from here
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
        # Limits on what a server can cause
        "DOWNLOAD_TIMEOUT": limits.request_seconds,
        "DOWNLOAD_MAXSIZE": limits.page_bytes,
        "DNS_TIMEOUT": min(10.0, limits.request_seconds),
        "REDIRECT_MAX_TIMES": limits.redirects,
        "EXTENSIONS": {
            "scrapy.extensions.memusage.MemoryUsage": None,
            f"{_PACKAGE}.memory.CurrentMemoryUsage": 0,
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
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    process = AsyncCrawlerProcess(scrapy_settings(job))
    # Our log has the outcome of each image; the pipeline would write a traceback for each failure
    logging.getLogger("scrapy.pipelines").setLevel(logging.CRITICAL)
    from twisted.internet import reactor

    restrict_reactor(reactor, job.allow)
    restrict_process(job.allow, job.folder / "crawl" / "connects.jsonl")
    process.crawl(SiteSpider, job=job)
    process.start()


def _exit_with_parent() -> None:
    """Exit when standard input is closed: the parent process is gone."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
