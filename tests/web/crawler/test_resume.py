"""A crawl that is killed or interrupted at any moment resumes and ends as if nothing happened."""

import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from scrapy import Request, signals
from scrapy.http import Response
from scrapy.utils.test import get_crawler
from twisted.python.failure import Failure

from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import make_shop
from similarity_lab.web import Limits, collect
from similarity_lab.web.crawler.browser import Browser
from similarity_lab.web.crawler.job import CrawlOptions, Job
from similarity_lab.web.crawler.process import CrawlerProcess, CrawlInterrupted
from similarity_lab.web.crawler.spider import SiteSpider
from similarity_lab.web.crawler.worker import scrapy_settings
from similarity_lab.web.folder import folder_name, prepare_folder, write_tables

from ..shops import HTML, noise

LIMITS = Limits(seconds=60, side=32)
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")


def collect_shop(server, out):
    options = {"allow": [server.endpoint], "throttle": False, "progress": False}
    return collect([server.url], out, limits=LIMITS, **options)


@pytest.fixture
def shop():
    return make_shop("Nuts", ["almonds", "dates", "oats", "scene"] * 2, size=(64, 64))


def child_pids(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def is_running(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)


def kill_during_crawl(server, out, n_requests, *, kill_crawler):
    """Collect in a process that is killed, or its crawler, after a number of requests."""
    before = len(server.requests)
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=collect_shop, args=(server, out))
    process.start()
    wait_until(lambda: process.exitcode is not None or len(server.requests) >= before + n_requests)
    children = child_pids(process.pid)
    for pid in children if kill_crawler else [process.pid]:
        with suppress(ProcessLookupError):  # it needed fewer requests and has ended
            os.kill(pid, signal.SIGKILL)
    process.join()
    assert process.exitcode in ([0] if kill_crawler else [0, -signal.SIGKILL])
    wait_until(lambda: not any(map(is_running, children)))


def stored_images(folder, shop):
    """Return the images in a folder; each is in the table and equals one that was served."""
    images, _ = write_tables(folder)
    kept = images[images["crawl_status"] == "kept"]
    files = {f"images/{path.name}": path.read_bytes() for path in (folder / "images").iterdir()}
    assert set(kept["path"]) == set(files)
    for path, digest in zip(kept["path"], kept["sha256"], strict=True):
        assert hashlib.sha256(files[path]).hexdigest() == digest
    assert set(files.values()) <= {body for _, body in shop.files.values()}
    return set(files.values())


def check_kills(shop, out, kills):
    with serve(shop) as server:
        folder = out / folder_name(server.url + "/")
        for n_requests, kill_crawler in kills:
            kill_during_crawl(server, out, n_requests, kill_crawler=kill_crawler)
            if (folder / "crawl").is_dir():
                stored_images(folder, shop)
        collection = collect_shop(server, out)
    assert collection.table.loc[0, "crawl_status"] == "collected"
    assert stored_images(folder, shop) >= {shop.files[path][1] for path in shop.products}
    assert not list(out.rglob("part-*"))


@needs_proc
def test_collection_resumes_after_a_kill(shop, tmp_path):
    check_kills(shop, tmp_path, [(int(np.random.default_rng().integers(1, 25)), False)])


@needs_proc
@pytest.mark.slow
def test_collection_resumes_after_many_kills(shop, tmp_path):
    rng = np.random.default_rng()  # unseeded: it must hold for any moments
    kills = [(int(rng.integers(0, 30)), bool(rng.integers(2))) for _ in range(12)]
    print(kills)
    check_kills(shop, tmp_path, kills)


def test_interrupted_crawl_resumes(tmp_path):
    """A chain of slow pages, interrupted after some of them."""
    n_pages = 8

    def slow_page(request):
        time.sleep(0.15)
        number = int(request.path[1:-5])
        page = f'<a href="/{number + 1}.html">next</a><img src="/{number}.jpg">'
        request._send(200, HTML, page.encode())

    files = {"/": (HTML, b'<a href="/0.html">first</a>')}
    files |= {f"/{n}.html": slow_page for n in range(n_pages)}
    files |= {f"/{n}.jpg": noise(n) for n in range(n_pages)}
    limits = Limits(depth=n_pages - 1, seconds=20)
    with serve(files) as server:
        job = Job(server.url + "/", tmp_path / "site")
        options = CrawlOptions(limits, (server.endpoint,), throttle=False)
        prepare_folder(job.folder, job.url)
        stop = threading.Event()

        def run_crawl():
            def on_progress(job, pages, images):
                if pages > 1:
                    stop.set()

            with CrawlerProcess(
                tmp_path, options, parallel=1, on_progress=on_progress, is_stopped=stop.is_set
            ) as crawler:
                crawler.start(job)
                return crawler.wait()

        with pytest.raises(CrawlInterrupted):
            run_crawl()
        assert 2 < len(server.requests) < n_pages + 3
        write_tables(job.folder)  # readable at any time
        stop.is_set = lambda: False
        assert run_crawl() == (job, None)
        images, _ = write_tables(job.folder)
        counts = Counter(server.requests)
        outcome = json.loads((job.folder / "crawl" / "outcome.json").read_text())
    limit = f"limit of {n_pages - 1} links from the first page reached"
    assert outcome["reason"] == f"Sample: {n_pages} of {n_pages + 1} pages ({limit})"
    assert (images["crawl_status"] == "kept").sum() == n_pages - 1
    # Responses are cached; failures may have passed
    assert {path for path, n in counts.items() if n > 1} <= {"/robots.txt", "/sitemap.xml"}


def test_page_on_which_the_spider_fails_is_listed(tmp_path):
    job = Job("http://shop.example/", tmp_path)
    prepare_folder(tmp_path, job.url)
    crawler = get_crawler(SiteSpider, scrapy_settings(CrawlOptions()))
    spider = SiteSpider.from_crawler(crawler, job, CrawlOptions(), Browser())
    request = Request(job.url, meta={"first": True, "kind": "page"})
    response = Response(job.url, request=request)
    crawler.signals.send_catch_log(
        signals.spider_error, failure=Failure(KeyError("x")), response=response, spider=spider
    )
    _, pages = write_tables(tmp_path)
    assert pages.loc[0, "crawl_status"] == "failed"
    assert pages.loc[0, "reason"] == "Could not parse the response: 'x'"
