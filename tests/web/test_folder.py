import json
import pickle
from pathlib import Path

import pandas as pd
import pytest

from similarity_lab.errors import CollectedFolderError

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import collect
from similarity_lab.web.crawler.cache import JsonCacheStorage
from similarity_lab.web.folder import (
    folder_name,
    forget_left_out,
    prepare,
    read_marker,
    write_tables,
)

URL = "https://shop.example/"


def test_a_folder_of_somebody_else_is_not_touched(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(CollectedFolderError, match="holds no collected site"):
        prepare(tmp_path / "mine", URL)
    prepare(tmp_path / "site", URL)
    prepare(tmp_path / "site", URL)
    with pytest.raises(CollectedFolderError, match=r"holds the images of https://shop.example/"):
        prepare(tmp_path / "site", "https://other.example/")
    (tmp_path / "file").write_text("")
    with pytest.raises(CollectedFolderError, match="is not a folder"):
        prepare(tmp_path / "file", URL)


@pytest.mark.parametrize("moment", range(5))
def test_killed_while_the_folder_is_made(tmp_path, monkeypatch, moment):
    """Whatever is there of it then, the next call takes it for its own."""
    calls, folder = iter(range(9)), tmp_path / "site"
    for name in ("mkdir", "write_text", "replace"):
        original = getattr(Path, name)

        def until_then(self, *given, original=original, **named):
            if next(calls) == moment:
                raise KeyboardInterrupt
            return original(self, *given, **named)

        monkeypatch.setattr(Path, name, until_then)
    with pytest.raises(KeyboardInterrupt):
        prepare(folder, URL)
    monkeypatch.undo()
    prepare(folder, URL)
    assert read_marker(folder)["url"] == URL and (folder / "crawl" / "cache").is_dir()


def test_links_that_lead_out_are_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    prepare(tmp_path / "site", URL)
    (tmp_path / "site" / "images").rmdir()
    (tmp_path / "site" / "images").symlink_to(outside)
    with pytest.raises(CollectedFolderError, match="is a link"):
        prepare(tmp_path / "site", URL)
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(CollectedFolderError, match="is not a folder"):
        prepare(tmp_path / "link", URL)


@pytest.mark.parametrize(
    "url", ["http://../../x/", "http://a.example/../../b", "http://A:80/%2f..", "http://é/"]
)
def test_folder_names_stay_inside(url):
    name = folder_name(url)
    assert Path(name).name == name and not name.startswith(".") and name.isascii()


def test_a_crawl_that_was_killed_leaves_tables_that_can_be_read(tmp_path):
    prepare(tmp_path, URL)
    kept = {"url": "a", "status": "kept", "path": "images/" + "a" * 32 + ".jpg", "priority": 3}
    tried = [
        {"url": "b", "status": "failed", "reason": "slow"},
        {"url": "b", **kept, "path": "x"},
    ]
    lines = [json.dumps(row) for row in (kept, tried[0], {**tried[1], "url": "b"})]
    (tmp_path / "crawl" / "images.jsonl").write_text("\n".join([*lines, '{"url": "c", "sta']))
    for name in ("a" * 32, "b" * 32):
        (tmp_path / "images" / f"{name}.jpg").write_bytes(b"x")
    images, pages = write_tables(tmp_path)
    assert images["url"].to_list() == ["a", "b"] and set(images["status"]) == {"kept"}
    assert len(pages) == 0 and [path.name[0] for path in (tmp_path / "images").iterdir()] == ["a"]
    assert pd.read_parquet(tmp_path / "images.parquet")["width"].isna().all()


def test_the_cache_never_unpickles(tmp_path):
    from scrapy import Request
    from scrapy.http import HtmlResponse
    from scrapy.settings import Settings
    from scrapy.utils.request import RequestFingerprinter

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    storage = JsonCacheStorage(
        Settings({"HTTPCACHE_DIR": str(tmp_path / "cache"), "HTTPCACHE_EXPIRATION_SECS": 60})
    )
    spider = type("Spider", (), {})()
    spider.crawler = type("Crawler", (), {"request_fingerprinter": RequestFingerprinter()})()
    storage.open_spider(spider)
    request = Request("https://shop.example/a")
    assert storage.retrieve_response(spider, request) is None
    headers = {"Content-Type": "text/html", "Set-Cookie": "a=b", "X-Twice": ["1", "2"]}
    storage.store_response(
        spider, request, HtmlResponse(request.url, headers=headers, body=b"nuts")
    )
    kept = storage.retrieve_response(spider, request)
    assert (kept.body, kept.headers.getlist("X-Twice")) == (b"nuts", [b"1", b"2"])
    assert "Set-Cookie" not in kept.headers and isinstance(kept, HtmlResponse)
    for path in (tmp_path / "cache").rglob("*.json"):
        path.write_bytes(pickle.dumps(Bomb()))
    assert storage.retrieve_response(spider, request) is None
    assert not (tmp_path / "exploded").exists()
    storage.seconds = -1
    storage.store_response(spider, request, HtmlResponse(request.url, body=b"old"))
    assert storage.retrieve_response(spider, request) is None


def test_other_limits_let_what_was_left_out_try_again(tmp_path):
    prepare(tmp_path, URL)
    log = tmp_path / "crawl" / "images.jsonl"
    rows = [{"url": name, "status": name} for name in ("kept", "left out", "not fetched")]
    log.write_text("\n".join(map(json.dumps, [*rows, "text", 3, {"status": 7}])))
    forget_left_out(tmp_path)
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == ["kept"]


def test_a_folder_with_notes_of_somebody_else_costs_only_that_site(tmp_path):
    folder = tmp_path / "shop.example"
    prepare(folder, "http://shop.example/")
    (folder / "site.json").write_text(json.dumps({"url": "http://shop.example/", "complete": True}))
    note = {"url": "a", "status": "kept", "path": "../../x", "sha256": "s", "width": "wide"}
    (folder / "crawl" / "images.jsonl").write_text(json.dumps(note))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("similarity_lab.web.collecting.run_crawl", lambda *_: "")
        table = collect(["shop.example", "http://10.0.0.1"], tmp_path, progress=False).table
    assert table["status"].to_list() == ["failed", "refused"]
    assert "damaged notes, remove them" in table.loc[0, "reason"]
