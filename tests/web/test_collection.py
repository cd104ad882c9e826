import hashlib
import json
import re
import threading
import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import Site
from similarity_lab.errors import InputError, InputTypeError, PathNotFoundError
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import IMAGE_MARKUPS, IN_PAGE
from similarity_lab.sites import ORIGIN_COLUMNS
from similarity_lab.web import Collection, Limits, collect, collect_each
from similarity_lab.web.crawler.process import LOGS, CrawlerProcess
from similarity_lab.web.reasons import Code

from .conftest import LIMITS
from .shops import HTML, image, noise


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# A shop that shows its products in many ways -------------------------------------------------


def test_product_image_is_found_in_every_way_of_showing_it(crawl, ways):
    site = crawl.site("ways")
    assert len(ways.products) == len(IMAGE_MARKUPS)
    products = {sha256(ways.files[path][1]): path for path in ways.products}
    kept = set(site.kept["sha256"])
    assert not {path for digest, path in products.items() if digest not in kept}
    assert kept - set(products) == {sha256(ways.files["/logo.png"][1])}
    assert site.row[["crawl_status", "reason", "n_pages", "n_images"]].to_list() == [
        "collected", "", 19, 17,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/icon.png", "Icon (24 x 24 pixels)"),
        ("/mark.svg", "SVG (a drawing, not a photo)"),
        ("/pixel.gif?u=1", "Tracker or placeholder (by its URL)"),
    ],
)
def test_image_that_is_not_a_photo_is_left_out(crawl, path, reason):
    row = crawl.site("ways").images.loc[path]
    assert (row["crawl_status"], row["reason"]) == ("left out", reason)


def test_image_in_a_data_url_is_not_requested(crawl):
    assert not [path for path in crawl.servers["ways"].requests if f"photo-{IN_PAGE:02}" in path]


@pytest.mark.parametrize("name", ["ways", "robots"])
def test_no_url_is_requested_twice(crawl, name):
    assert max(Counter(crawl.servers[name].requests).values()) == 1


def test_origins_have_page_alt_and_time(crawl):
    site = next(site for site in crawl.collection.sites if site.name == "ways")
    assert list(site.origins.columns) == ORIGIN_COLUMNS and len(site.origins) == len(site.paths)
    base = crawl.servers["ways"].url
    row = site.origins.set_index("url").loc[f"{base}/media/photo-02.jpg"]
    assert (row["page"], row["alt"]) == (f"{base}/products/02.html", "almonds 2")
    assert pd.Timestamp(row["time"]) > pd.Timestamp.now("UTC") - pd.Timedelta(hours=1)
    for path, name in zip(site.paths, site.origins["path"], strict=True):
        assert path == site.root / name


def test_collected_folder_loads_as_the_same_site(crawl):
    site = next(site for site in crawl.collection.sites if site.name == "ways")
    loaded = Site.from_folder(site.root)
    assert loaded.paths == site.paths and loaded.origins.equals(site.origins)


def test_finished_site_is_not_requested_again(crawl):
    server = crawl.servers["ways"]
    before = len(server.requests)
    options = {"limits": LIMITS, "throttle": False, "progress": False, "allow": crawl.allow}
    options["render"] = "never"
    again = collect({"ways": server.url}, crawl.out, **options)
    assert len(server.requests) == before
    assert again.table.iloc[0].to_dict() == crawl.row("ways").to_dict() | {"name": "ways"}


# Files, tables and headers of all shops ------------------------------------------------------


@pytest.mark.parametrize("name", ["ways", "hostile"])
def test_files_hold_the_bytes_that_were_served(crawl, name):
    site = crawl.site(name)
    files = {f"images/{path.name}": path for path in site.folder.glob("images/*")}
    assert set(files) == set(site.kept["path"])
    for row in site.kept.itertuples():
        assert sha256(files[row.path].read_bytes()) == row.sha256
        assert Image.open(files[row.path]).size == (row.width, row.height)


def test_every_image_that_is_not_kept_has_a_reason(crawl):
    images = crawl.collection.images
    not_kept = images[images["crawl_status"] != "kept"]
    assert len(not_kept) and (not_kept["reason"] != "").all()


def test_counts_are_nullable_integers(crawl):
    counts = crawl.collection.table.filter(regex="^n_")
    assert set(map(str, counts.dtypes)) == {"Int64"}
    assert counts.loc[crawl.collection.table["name"] == "canary"].isna().all(axis=None)


def test_cookies_go_only_to_the_server_that_set_them_and_credentials_to_none(crawl):
    for name, server in crawl.servers.items():
        for headers in server.headers:
            assert "authorization" not in map(str.lower, headers)
            assert headers.get("Cookie", "") in ("", "track=1" if name == "hostile" else "")
            assert headers["User-Agent"].startswith("similarity_lab/")
    files = [path for path in crawl.out.rglob("*") if path.is_file()]
    assert not [path for path in files if b"track=1" in path.read_bytes()]


def test_nothing_is_written_outside_the_folder(crawl):
    assert [path.name for path in crawl.out.parent.iterdir()] == ["out"]
    names = {path.name for path in crawl.out.rglob("*")}
    assert not [name for name in names if "escape" in name or "up.jpg" in name or "passwd" in name]
    for path in crawl.out.rglob("images/*"):
        assert re.fullmatch(r"[0-9a-f]{32}\.(jpg|png|webp|avif)", path.name)
    assert not list(crawl.out.rglob("*pickle*"))


def test_cache_of_a_complete_crawl_is_deleted(crawl):
    is_complete = {
        path.parent: json.loads(path.read_text())["complete"]
        for path in crawl.out.glob("*/site.json")
    }
    assert set(is_complete.values()) == {True, False}
    for folder, complete in is_complete.items():
        assert (folder / "crawl" / "responses").exists() != complete


# Hostile shops -------------------------------------------------------------------------------


def test_canary_is_never_contacted(crawl):
    assert crawl.canary.requests == []
    contacted = set()
    for line in (crawl.out / LOGS / "connects.jsonl").read_text().splitlines():
        address = json.loads(line)["address"]
        host, port = re.fullmatch(r"\('([^']+)', (\d+)\)", address).groups()
        contacted.add(f"{host}:{port}")
    assert contacted == set(crawl.allow)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://{canary}/a.jpg", "is not on the public internet"),
        ("http://localhost:{port}/b.jpg", "localhost is this machine"),
        ("http://2130706433:{port}/c.jpg", "obfuscated IP address"),
        ("http://0x7f.1:{port}/d.jpg", "obfuscated IP address"),
        ("http://0177.0.0.1:{port}/e.jpg", "obfuscated IP address"),
        ("http://[::ffff:127.0.0.1]:{port}/f.jpg", "is not on the public internet"),
        ("http://127.0.0.1.:{port}/g.jpg", "is not on the public internet"),
        ("http://169.254.169.254/latest/meta-data/h.jpg", "is not on the public internet"),
        ("http://10.0.0.1/i.jpg", "is not on the public internet"),
        ("http://me:secret@{canary}/j.jpg", "a user name or password"),
        ("http://8.8.8.8:25/l.jpg", "Port 25 is not allowed"),
        ("/to-canary.jpg", "is not on the public internet"),
    ],
)
def test_image_at_a_forbidden_url_is_refused(crawl, url, reason):
    canary = crawl.canary.endpoint
    url = url.format(canary=canary, port=canary.rpartition(":")[2])
    row = crawl.site("hostile").images.loc[url]
    assert row["crawl_status"] == "failed" and row["reason"].startswith("Refused: ")
    assert reason in row["reason"]


def test_image_with_another_scheme_is_ignored(crawl):
    urls = crawl.site("hostile").images.index
    assert not urls[urls.str.startswith(("file:", "ftp:", "javascript:"))].size


@pytest.mark.parametrize(
    ("path", "crawl_status", "reason"),
    [
        ("/endless.jpg", "failed", "Response larger than the limit"),
        ("/bomb.png", "left out", "60000 x 60000 pixels"),
        ("/big.jpg", "left out", "1200 x 1200 pixels"),
        ("/html.jpg", "left out", "HTML"),
        ("/empty.jpg", "left out", "empty"),
        ("/loop.jpg", "failed", "Too many redirects"),
        ("/missing.jpg", "failed", "HTTP status 404"),
        ("/unavailable.jpg", "failed", "HTTP status 503"),
        ("/truncated.jpg", "failed", "Response ended early"),
        ("/dripping.jpg", "failed", "Timed out"),
    ],
)
def test_image_that_cannot_be_fetched_has_a_reason(crawl, path, crawl_status, reason):
    row = crawl.site("hostile").images.loc[path]
    assert row["crawl_status"] == crawl_status and reason in row["reason"]


def test_truncated_image_file_is_kept(crawl):
    """Its header is fine; whether it can be decoded is up to the decision."""
    assert crawl.site("hostile").images.loc["/half.jpg", "crawl_status"] == "kept"


def test_image_with_equal_bytes_is_kept_once(crawl):
    same = crawl.site("hostile").images.loc[["/same1.jpg", "/same2.jpg"]]
    same = same.sort_values("crawl_status")
    assert same["crawl_status"].to_list() == ["kept", "repeated"]
    first = crawl.servers["hostile"].url + same.index[0]
    assert same["reason"].iloc[1] == f"Same bytes as {first}"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/redirect", "is not on the public internet"),
        ("/meta", "is not on the public internet"),
        ("/inflate", "Response larger than the limit when decompressed"),
        ("/endless", "Response larger than the limit"),
        ("/500.html", "HTTP status 500"),
        ("/404.html", "HTTP status 404"),
    ],
)
def test_page_that_cannot_be_read_has_a_reason(crawl, path, reason):
    site = crawl.site("hostile")
    failed = site.pages[site.pages["crawl_status"] == "failed"]
    if path in ("/redirect", "/meta"):  # listed by their target
        path = crawl.canary.url + {"/redirect": "/page", "/meta": "/meta"}[path]
    assert reason in failed.loc[path, "reason"]


def test_page_in_a_redirect_loop_is_listed_as_repeated(crawl):
    row = crawl.site("hostile").pages.loc["/loop"]
    assert row["crawl_status"] == "repeated" and "was requested already" in row["reason"]


@pytest.mark.parametrize("path", ["/deep", "/nested", "/latin"])
def test_page_with_odd_markup_is_read(crawl, path):
    assert crawl.site("hostile").pages.loc[path, "crawl_status"] == "read"


def test_archive_is_not_requested(crawl):
    assert "/a.zip" not in crawl.servers["hostile"].requests


# Robots.txt ----------------------------------------------------------------------------------


def test_robots_txt_is_obeyed(crawl):
    site = crawl.site("robots")
    expected = {"/robots.txt", "/", "/2.html", "/allowed.jpg", "/sitemap.xml"}
    assert set(site.server.requests) == expected
    assert site.images.loc["/secret.jpg", "reason"] == "Forbidden by robots.txt"
    assert site.pages.loc["/private/1.html", "reason"] == "Forbidden by robots.txt"


def test_crawl_delay_of_robots_txt_applies_without_throttling(crawl):
    marker = json.loads((crawl.site("robots").folder / "site.json").read_text())
    assert marker["seconds"] > 4 * 0.2


def test_unreadable_robots_txt_forbids_everything(crawl):
    site = crawl.site("closed")
    assert site.row["crawl_status"] == "failed"
    assert site.row["reason"] == "Could not read robots.txt: HTTP status 503"
    assert set(site.server.requests) == {"/robots.txt"}


# Rows of sites -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "crawl_status", "reason"),
    [
        ("moved", "collected", ""),
        ("scripted", "empty", 'render="auto"'),
        ("unreachable", "failed", "Connection refused"),
        ("again", "repeated", "Same site as ways"),
        ("canary", "refused", "127.0.0.1 is not on the public internet"),
        ("gopher", "refused", "Expected an http or https URL"),
    ],
)
def test_row_of_a_site_says_what_became_of_it(crawl, name, crawl_status, reason):
    row = crawl.row(name)
    assert row["crawl_status"] == crawl_status and reason in row["reason"]


def test_every_reason_has_its_code(crawl):
    names = crawl.collection.table.query("crawl_status in ['collected', 'empty']")["name"]
    pages = [crawl.site(name).pages for name in names if name in crawl.servers]
    codes, unknown = Counter(), []
    for table in (crawl.collection.table, crawl.collection.images, *pages):
        assert (table["reason"].eq("") == table["reason_code"].eq("")).all()
        codes.update(table["reason_code"])
        unknown += table.loc[table["reason_code"] == "unknown", "reason"].tolist()
    assert codes.pop("") and set(codes) < set(Code)
    assert set(codes) > {"address_refused", "connection", "icon", "not_found", "repeated_site"}
    assert "unknown" not in codes, unknown


def test_rows_are_in_the_order_given(crawl):
    assert crawl.collection.table["name"].to_list()[-4:] == [
        "unreachable", "again", "canary", "gopher",
    ]  # fmt: skip


def test_product_images_come_first_if_there_are_too_many(tmp_path):
    data = json.dumps({"@type": "Product", "image": [f"/p{n}.jpg" for n in range(3)]})
    body = "".join(f'<img src="/d{n}.jpg">' for n in range(8))
    page = f'{body}<script type="application/ld+json">{data}</script>'
    files = {f"/{kind}{n}.jpg": noise(ord(kind) + n) for kind in "pd" for n in range(8)}
    with serve({"/": (HTML, page.encode()), **files}) as server:
        collection = collect(
            [server.url], tmp_path, limits=Limits(images=4, seconds=20), allow=[server.endpoint],
            throttle=False, progress=False,
        )  # fmt: skip
    images = collection.images
    kept = images[images["crawl_status"] == "kept"]["url"].str[-6:].to_list()
    assert kept == ["p0.jpg", "p1.jpg", "p2.jpg", "d0.jpg"]
    rest = images[images["crawl_status"] == "not fetched"]
    assert len(rest) == 7 and set(rest["reason"]) == {"Limit of 4 images reached"}
    reason = "Sample: 4 of 11 images (limit of 4 images reached)"
    assert collection.table.loc[0, "reason"] == reason
    (site,) = collection.sites
    assert len(site.unseen) == 7 and site.image_coverage == pytest.approx(4 / 11)


# Arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sites", "options", "message"),
    [
        ([], {}, "no URLs"),
        (["a.example"], {"parallel": 0}, "parallel must be at least 1"),
        (["a.example"], {"render": "maybe"}, "render must be"),
        (["a.example"], {"user_agent": "a\nb"}, "user_agent must be"),
        (pd.DataFrame({"product": ["nuts"]}), {}, "a column url"),
    ],
)
def test_invalid_argument_is_refused(tmp_path, sites, options, message):
    with pytest.raises(InputError, match=message):
        collect(sites, tmp_path, **options)


PRIVATE = "http://10.0.0.1"


@pytest.mark.parametrize(
    ("sites", "names"),
    [
        (PRIVATE, [PRIVATE]),
        ([PRIVATE, PRIVATE], [PRIVATE, PRIVATE]),
        ({"Nuts & Co": PRIVATE}, ["Nuts & Co"]),
        (pd.DataFrame({"url": [PRIVATE, None], "name": ["private", None]}), ["private", ""]),
        (pd.DataFrame({"url": [PRIVATE]}), [PRIVATE]),
    ],
    ids=["url", "list", "mapping", "table with names", "table"],
)
def test_sites_are_named(tmp_path, sites, names):
    table = collect(sites, tmp_path, progress=False).table
    assert table["name"].to_list() == names
    assert set(table["crawl_status"]) == {"refused"}


def test_sites_are_read_from_a_file(tmp_path):
    (tmp_path / "sites.csv").write_text(f"name;Website\nnuts;{PRIVATE}\n", encoding="utf-16")
    for path in (tmp_path / "sites.csv", str(tmp_path / "sites.csv")):
        table = collect(path, tmp_path / "out", progress=False).table
        assert table[["name", "url"]].to_numpy().tolist() == [["nuts", PRIVATE]]


def test_spellings_of_one_site_are_collected_once(tmp_path):
    files = {"/": (HTML, b'<img src="/nuts.jpg">'), "/nuts.jpg": noise(1)}
    with serve(files) as server:
        url = server.url
        spellings = [url, url + "/", url.upper() + "/#top", url + "/index.html?utm_source=mail"]
        options = {"allow": [server.endpoint], "throttle": False, "progress": False}
        table = collect(spellings, tmp_path, **options).table
        assert table["crawl_status"].to_list() == ["collected"] + ["repeated"] * 3
        assert set(table["reason"][1:]) == {f"Same site as {url}"}
        n_requests = len(server.requests)
        again = collect(spellings[2], tmp_path, **options)
        assert len(server.requests) == n_requests and again.table.loc[0, "n_images"] == 1


def test_progress_bar_ends_with_the_counts_of_the_table(tmp_path, capsys):
    """The crawler reports at intervals, so its last report may come before the last image."""
    files = {f"/{n}.jpg": noise(n) for n in (1, 2, 3)}
    page = b"".join(f'<img src="{path}">'.encode() for path in files)
    with serve(files | {"/": (HTML, page)}) as server:
        for _ in ("collected now", "resumed"):
            collect(server.url, tmp_path, allow=[server.endpoint], throttle=False)
            last = capsys.readouterr().err.rsplit("collecting", 1)[1]
            assert "images=3, pages=1" in last


def test_collection_without_images_has_the_columns(tmp_path):
    collection = collect(PRIVATE, tmp_path, progress=False)
    assert collection.sites == [] and "crawl_status" in collection.images.columns
    assert np.shape(collection.images)[0] == 0


@pytest.mark.parametrize("name", ["missing.csv", "missing.xlsx", "."])
def test_path_that_is_no_table_is_not_taken_for_a_host(tmp_path, name):
    with pytest.raises((InputError, PathNotFoundError), match="expected"):
        collect(str(tmp_path / name), tmp_path / "out", progress=False)


# One by one ----------------------------------------------------------------------------------


def test_sites_are_given_as_soon_as_they_are_finished(tmp_path):
    """The second site answers only when the first is in the hands of the caller."""
    is_seen = threading.Event()

    def wait(request):
        is_seen.wait(30)
        request._send(200, HTML, b'<img src="/b.jpg">')

    with (
        serve({"/": (HTML, b'<img src="/a.jpg">'), "/a.jpg": noise(1)}) as quick,
        serve({"/": wait, "/b.jpg": noise(2)}) as slow,
    ):
        urls = {"slow": slow.url, "refused": PRIVATE, "quick": quick.url}
        allow = [quick.endpoint, slow.endpoint]
        options = {"allow": allow, "throttle": False, "progress": False}
        with collect_each(urls, tmp_path, limits=Limits(seconds=60), **options) as sites:
            finished = []
            for site in sites:
                finished.append(site)
                if site.row["name"] == "quick":
                    assert len(site.site.paths) == 1
                    is_seen.set()
    assert [site.row["name"] for site in finished] == ["refused", "quick", "slow"]
    assert [site.position for site in finished] == [1, 2, 0] and finished[0].site is None
    table = Collection.from_sites(finished).table
    assert table["name"].to_list() == list(urls) and table["n_images"].to_list() == [1, pd.NA, 1]


def test_crawls_stop_when_nobody_wants_further_sites(tmp_path):
    release = threading.Event()

    def wait(request):
        release.wait(30)

    options = {"throttle": False, "progress": False}
    with serve({"/": wait}) as server:
        with collect_each([server.url], tmp_path, allow=server.endpoint, **options) as sites:
            pass
        release.set()
        assert list(sites) == []
        again = collect_each([server.url], tmp_path, **options)
        assert [site.row["crawl_status"] for site in again] == ["refused"]


def test_failure_while_collecting_is_raised_to_the_caller(tmp_path, monkeypatch):
    monkeypatch.setattr(CrawlerProcess, "start", lambda process, job: 1 / 0)
    with (
        collect_each(["shop.example"], tmp_path, progress=False) as sites,
        pytest.raises(ZeroDivisionError),
    ):
        next(sites)


def test_invalid_argument_is_refused_before_anything_is_collected(tmp_path):
    with pytest.raises(InputError, match="no URLs"):
        collect_each([], tmp_path)


# Reasons -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<p>Soon.</p>", "No page names an image"),
        (
            '<img src="/a.jpg"><img src="/b.jpg"><img src="/c.svg">',
            "No image could be kept: HTTP status 404 (2 of 3 images)",
        ),
        ('<img src="/dot.png">', "No image could be kept: Icon (the only image)"),
    ],
)
def test_reason_of_a_site_without_images_is_the_commonest(tmp_path, body, reason):
    files = {"/": (HTML, body.encode()), "/dot.png": image("red", (9, 9))}
    with serve(files) as server:
        options = {"allow": server.endpoint, "throttle": False, "progress": False}
        row = collect([server.url], tmp_path, **options).table.iloc[0]
    assert (row["crawl_status"], row["reason"]) == ("empty", reason)


def test_two_jobs_for_one_site_are_crawled_one_after_the_other(tmp_path):
    """Each at its own pace would be twice the pace that the site allows."""
    times = []

    def slow(request):
        times.append(time.monotonic())
        time.sleep(0.5)
        times.append(time.monotonic())
        request._send(200, HTML, b"<p>Nuts.</p>")

    with serve({"/a": slow, "/b": slow}) as server:
        options = {"allow": server.endpoint, "throttle": False, "progress": False}
        urls = [f"{server.url}/a", f"{server.url}/b"]
        table = collect(urls, tmp_path, **options).table
    assert set(table["crawl_status"]) == {"empty"} and times == sorted(times)


def test_folder_in_place_of_a_mapping_is_refused(tmp_path):
    with pytest.raises(InputTypeError, match="a mapping from the name of a site to its folder"):
        Collection.from_folders(tmp_path)
