import json
from pathlib import Path

import pandas as pd
import pytest

from similarity_lab.errors import CollectedFolderError

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import collect
from similarity_lab.web.crawler.job import Job
from similarity_lab.web.crawler.process import CrawlerProcess
from similarity_lab.web.folder import (
    folder_name,
    forget_left_out,
    prepare_folder,
    read_marker,
    write_tables,
)

URL = "https://shop.example/"


def test_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CollectedFolderError, match="not empty and not a collected site"):
        prepare_folder(tmp_path, URL)


def test_folder_of_another_site_is_refused(tmp_path):
    prepare_folder(tmp_path, URL)
    prepare_folder(tmp_path, URL)
    with pytest.raises(CollectedFolderError, match=r"holds the images of https://shop.example/"):
        prepare_folder(tmp_path, "https://other.example/")


def test_file_instead_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CollectedFolderError, match="is not a folder"):
        prepare_folder(tmp_path / "file", URL)


VERSION_1_MARKER = {
    "url": URL,
    "status": "collected",
    "reason": "",
    "complete": True,
    "settings": {},
    "version": "1.1.0",
}


def test_folder_of_version_1_is_refused(tmp_path):
    (tmp_path / "site.json").write_text(json.dumps(VERSION_1_MARKER))
    with pytest.raises(CollectedFolderError, match="another version .* delete the folder"):
        prepare_folder(tmp_path, URL)


def test_row_of_a_folder_of_version_1_says_how_to_collect_again(tmp_path):
    folder = tmp_path / folder_name(URL)
    (folder / "images").mkdir(parents=True)
    (folder / "site.json").write_text(json.dumps(VERSION_1_MARKER))
    row = collect(URL, tmp_path, progress=False).table.iloc[0]
    assert row["crawl_status"] == "failed" and "delete the folder" in row["reason"]


@pytest.mark.parametrize("moment", range(5))
def test_folder_is_usable_after_a_kill_while_it_was_created(tmp_path, monkeypatch, moment):
    calls, folder = iter(range(9)), tmp_path / "site"
    for name in ("mkdir", "write_text", "replace"):
        original = getattr(Path, name)

        def until_then(self, *arguments, original=original, **keywords):
            if next(calls) == moment:
                raise KeyboardInterrupt
            return original(self, *arguments, **keywords)

        monkeypatch.setattr(Path, name, until_then)
    with pytest.raises(KeyboardInterrupt):
        prepare_folder(folder, URL)
    monkeypatch.undo()
    prepare_folder(folder, URL)
    assert read_marker(folder)["url"] == URL
    assert (folder / "images").is_dir() and (folder / "crawl").is_dir()


def test_symbolic_link_inside_the_folder_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    prepare_folder(tmp_path / "site", URL)
    (tmp_path / "site" / "images").rmdir()
    (tmp_path / "site" / "images").symlink_to(tmp_path / "outside")
    with pytest.raises(CollectedFolderError, match="is a symbolic link"):
        prepare_folder(tmp_path / "site", URL)


def test_symbolic_link_instead_of_the_folder_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(CollectedFolderError, match="is not a folder"):
        prepare_folder(tmp_path / "link", URL)


@pytest.mark.parametrize(
    "url", ["http://../../x/", "http://a.example/../../b", "http://A:80/%2f..", "http://é/"]
)
def test_folder_name_stays_inside(url):
    name = folder_name(url)
    assert Path(name).name == name and not name.startswith(".") and name.isascii()


def write_log(folder, rows, end=""):
    log = folder / "crawl" / "images.jsonl"
    log.write_text("\n".join(json.dumps(row) for row in rows) + "\n" + end)
    return log


def test_tables_of_a_killed_crawl(tmp_path):
    """The best outcome counts, a truncated line is ignored, files without a row are deleted."""
    prepare_folder(tmp_path, URL)
    a = {"url": "a", "crawl_status": "kept", "path": f"images/{'a' * 32}.jpg", "priority": 3}
    b_failed = {"url": "b", "crawl_status": "failed", "reason": "slow"}
    b_kept = {"url": "b", "crawl_status": "kept", "path": "x", "priority": 3}
    write_log(tmp_path, [a, b_failed, b_kept], end='{"url": "c", "crawl_sta')
    for name in ("a" * 32, "b" * 32):
        (tmp_path / "images" / f"{name}.jpg").write_bytes(b"x")
    images, pages = write_tables(tmp_path)
    assert images["url"].to_list() == ["a", "b"] and set(images["crawl_status"]) == {"kept"}
    assert len(pages) == 0
    assert [path.name for path in (tmp_path / "images").iterdir()] == [f"{'a' * 32}.jpg"]
    assert pd.read_parquet(tmp_path / "images.parquet")["width"].isna().all()


def test_forget_left_out_keeps_only_final_rows(tmp_path):
    prepare_folder(tmp_path, URL)
    statuses = ("kept", "repeated", "left out", "not fetched", "failed")
    rows = [{"url": status, "crawl_status": status} for status in statuses]
    log = write_log(tmp_path, [*rows, "text", 3, {"crawl_status": 7}])
    forget_left_out(tmp_path)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["crawl_status"] for line in lines] == ["kept", "repeated"]


def test_damaged_log_fails_only_that_site(tmp_path, monkeypatch):
    folder = tmp_path / "shop.example"
    prepare_folder(folder, "http://shop.example/")
    row = {"url": "a", "crawl_status": "kept", "path": "x", "sha256": "s", "width": "wide"}
    write_log(folder, [row])
    job = Job("http://shop.example/", folder)
    monkeypatch.setattr(CrawlerProcess, "start", lambda crawler, job: None)
    monkeypatch.setattr(CrawlerProcess, "wait", lambda crawler: (job, ""))
    table = collect(["shop.example", "http://10.0.0.1"], tmp_path, progress=False).table
    assert table["crawl_status"].to_list() == ["failed", "refused"]
    assert "Damaged logs in " in table.loc[0, "reason"]
