import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from scrapy import Request
from scrapy.http import HtmlResponse
from scrapy.settings import Settings
from scrapy.utils.request import RequestFingerprinter

from similarity_lab.web.crawler.cache import ResponseLog
from similarity_lab.web.crawler.job import Job

REQUEST, OTHER = Request("https://shop.example/a"), Request("https://shop.example/b")


@pytest.fixture
def spider(tmp_path):
    (tmp_path / "crawl").mkdir()
    crawler = SimpleNamespace(request_fingerprinter=RequestFingerprinter())
    return SimpleNamespace(crawler=crawler, job=Job("https://shop.example/", tmp_path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "crawl" / "responses"


@pytest.fixture
def open_log(spider):
    """Return a function that opens the cache."""

    def open_log(seconds=60):
        log = ResponseLog(Settings({"HTTPCACHE_EXPIRATION_SECS": seconds}))
        log.open_spider(spider)
        return log

    return open_log


def test_response_is_stored_without_cookies(open_log, spider):
    log = open_log()
    assert log.retrieve_response(spider, REQUEST) is None
    headers = {"Content-Type": "text/html", "Set-Cookie": "a=b", "X-Twice": ["1", "2"]}
    log.store_response(spider, REQUEST, HtmlResponse(REQUEST.url, headers=headers, body=b"n\nuts"))
    log.store_response(spider, OTHER, HtmlResponse(OTHER.url, body=b"dates"))
    for each in (log, open_log()):
        stored = each.retrieve_response(spider, REQUEST)
        assert (stored.body, stored.headers.getlist("X-Twice")) == (b"n\nuts", [b"1", b"2"])
        assert "Set-Cookie" not in stored.headers and isinstance(stored, HtmlResponse)
        assert each.retrieve_response(spider, OTHER).body == b"dates"


def test_response_expires(open_log, spider):
    open_log().store_response(spider, REQUEST, HtmlResponse(REQUEST.url, body=b"old"))
    assert open_log(seconds=-1).retrieve_response(spider, REQUEST) is None


@pytest.mark.parametrize("n_bytes", [3, 60, 10_000])
def test_response_that_was_cut_off_is_forgotten_and_overwritten(open_log, spider, path, n_bytes):
    log = open_log()
    log.store_response(spider, REQUEST, HtmlResponse(REQUEST.url, body=b"nuts"))
    n_complete = path.stat().st_size
    log.store_response(spider, OTHER, HtmlResponse(OTHER.url, body=b"d" * 20_000))
    path.write_bytes(path.read_bytes()[: n_complete + n_bytes])
    log = open_log()
    assert log.retrieve_response(spider, REQUEST).body == b"nuts"
    assert log.retrieve_response(spider, OTHER) is None
    log.store_response(spider, OTHER, HtmlResponse(OTHER.url, body=b"dates"))
    assert open_log().retrieve_response(spider, OTHER).body == b"dates"


def test_file_that_is_a_pickle_is_not_unpickled(open_log, spider, path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    path.write_bytes(pickle.dumps(Bomb()))
    assert open_log().retrieve_response(spider, REQUEST) is None
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("line", [b"[]", b"{}", b'{"key": 1, "length": -5}', b"\xff\n"])
def test_file_of_somebody_else_is_ignored(open_log, spider, path, line):
    path.write_bytes(line + b"\n" + b"x" * 100)
    assert open_log().retrieve_response(spider, REQUEST) is None
