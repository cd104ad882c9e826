import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from scrapy import Request
from scrapy.http import HtmlResponse
from scrapy.settings import Settings
from scrapy.utils.request import RequestFingerprinter

from similarity_lab.web.crawler.cache import JsonCacheStorage
from similarity_lab.web.crawler.job import Job

REQUEST = Request("https://shop.example/a")


@pytest.fixture
def spider(tmp_path):
    crawler = SimpleNamespace(request_fingerprinter=RequestFingerprinter())
    return SimpleNamespace(crawler=crawler, job=Job("https://shop.example/", tmp_path))


@pytest.fixture
def open_storage(spider):
    """Return a function that opens the cache."""

    def open_storage(seconds=60):
        storage = JsonCacheStorage(Settings({"HTTPCACHE_EXPIRATION_SECS": seconds}))
        storage.open_spider(spider)
        return storage

    return open_storage


def test_response_is_stored_without_cookies(open_storage, spider):
    assert open_storage().retrieve_response(spider, REQUEST) is None
    headers = {"Content-Type": "text/html", "Set-Cookie": "a=b", "X-Twice": ["1", "2"]}
    response = HtmlResponse(REQUEST.url, headers=headers, body=b"nuts")
    open_storage().store_response(spider, REQUEST, response)
    stored = open_storage().retrieve_response(spider, REQUEST)
    assert (stored.body, stored.headers.getlist("X-Twice")) == (b"nuts", [b"1", b"2"])
    assert "Set-Cookie" not in stored.headers and isinstance(stored, HtmlResponse)


def test_response_expires(open_storage, spider):
    open_storage().store_response(spider, REQUEST, HtmlResponse(REQUEST.url, body=b"old"))
    assert open_storage(seconds=-1).retrieve_response(spider, REQUEST) is None


def test_file_that_is_a_pickle_is_not_unpickled(open_storage, spider, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    open_storage().store_response(spider, REQUEST, HtmlResponse(REQUEST.url, body=b"nuts"))
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(pickle.dumps(Bomb()))
    assert open_storage().retrieve_response(spider, REQUEST) is None
    assert not (tmp_path / "exploded").exists()
