"""Killed at any moment, a collection goes on and ends as if nothing had happened."""

import hashlib
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from scrapy import Request, signals
from scrapy.http import Response
from scrapy.utils.test import get_crawler
from twisted.python.failure import Failure

from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import make_shop
from similarity_lab.web import Limits, collect
from similarity_lab.web.crawler.crawl import settings
from similarity_lab.web.crawler.jobs import Job
from similarity_lab.web.crawler.spider import SiteSpider
from similarity_lab.web.folder import folder_name, prepare, write_tables

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")

LIMITS = Limits(seconds=60, side=32)


def collected(server, out):
    options = {"allow": [server.endpoint], "throttle": False, "progress": False}
    return collect([server.url], out, limits=LIMITS, **options)


@pytest.fixture
def shop():
    return make_shop("Nuts", ["almonds", "dates", "oats", "scene"] * 2, size=(64, 64))


def children(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def runs(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)


def killed(server, out, count, *, crawler):
    """Collect in a process that is killed, or whose crawler is, after so many more requests."""
    begun = len(server.asked)
    process = multiprocessing.get_context("fork").Process(target=collected, args=(server, out))
    process.start()
    until(lambda: process.exitcode is not None or len(server.asked) >= begun + count)
    below = children(process.pid)
    for pid in below if crawler else [process.pid]:
        with suppress(ProcessLookupError):  # it had less to ask for, and has ended by itself
            os.kill(pid, signal.SIGKILL)
    process.join()
    assert process.exitcode in ([0] if crawler else [0, -signal.SIGKILL])
    until(lambda: not any(map(runs, below)))  # nobody is left behind


def assert_whole(folder, shop):
    """Assert that what is kept is what was served, and that no file is there beside it."""
    images, _ = write_tables(folder)
    kept = images[images["status"] == "kept"]
    files = {f"images/{path.name}": path.read_bytes() for path in (folder / "images").iterdir()}
    assert set(kept["path"]) == set(files)
    for path, digest in zip(kept["path"], kept["sha256"], strict=True):
        assert hashlib.sha256(files[path]).hexdigest() == digest
    served = {body for _, body in shop.files.values()}
    assert set(files.values()) <= served
    return set(files.values())


def check(shop, out, kills):
    with serve(shop) as server:
        folder = out / folder_name(server.url + "/")
        for count, crawler in kills:
            killed(server, out, count, crawler=crawler)
            if (folder / "crawl").is_dir():
                assert_whole(folder, shop)
        collection = collected(server, out)
    assert collection.table.loc[0, "status"] == "collected"
    assert assert_whole(folder, shop) >= {shop.files[path][1] for path in shop.products}
    assert not list(out.rglob("part-*"))


def test_whoever_is_killed_the_next_call_goes_on(shop, tmp_path):
    check(shop, tmp_path, [(int(np.random.default_rng().integers(1, 25)), False)])


@pytest.mark.slow
def test_killed_again_and_again(shop, tmp_path):
    rng = np.random.default_rng()  # other moments each time, whatever they are it must hold
    kills = [(int(rng.integers(0, 30)), bool(rng.integers(2))) for _ in range(12)]
    print(kills)
    check(shop, tmp_path, kills)


def test_a_page_that_we_fail_on_is_listed(tmp_path):
    job = Job("http://shop.example/", tmp_path)
    prepare(tmp_path, job.url)
    crawler = get_crawler(SiteSpider, settings(job))
    spider = SiteSpider.from_crawler(crawler, job)
    request = Request(job.url, meta={"first": True, "kind": "page"})
    response = Response(job.url, request=request)
    crawler.signals.send_catch_log(
        signals.spider_error, failure=Failure(KeyError("x")), response=response, spider=spider
    )
    _, pages = write_tables(tmp_path)
    assert pages.loc[0, ["status", "reason"]].tolist() == ["failed", "cannot be made sense of: 'x'"]
    assert spider.first_reason == pages.loc[0, "reason"]
