import hashlib
import json
import re
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, Site, read_image
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import IN_PAGE, WAYS, make_shop
from similarity_lab.sites import ORIGIN_COLUMNS
from similarity_lab.web import Limits, collect
from similarity_lab.web.crawler.jobs import Job
from similarity_lab.web.crawler.process import Interrupted, run_crawl
from similarity_lab.web.folder import prepare, write_tables

from .conftest import HTML, LIMITS, jpeg


def digests_of_products(shop_server, shop):
    return {hashlib.sha256(shop.files[path][1]).hexdigest() for path in shop.products}


def test_every_product_image_is_found_whatever_way_it_is_shown(street):
    shop = make_shop("Nuts & <Co>", ["almonds", "dates"] * 8, size=(96, 112))
    assert len(shop.products) == len(WAYS)
    kept = street.images("nuts").query("status == 'kept'")
    wanted = {hashlib.sha256(shop.files[path][1]).hexdigest(): path for path in shop.products}
    missing = {path for digest, path in wanted.items() if digest not in set(kept["sha256"])}
    assert not missing
    logo = hashlib.sha256(shop.files["/logo.png"][1]).hexdigest()
    assert set(kept["sha256"]) - set(wanted) == {logo}
    assert street.row("nuts")[["status", "reason", "n_pages", "n_images"]].to_list() == [
        "collected", "", 19, 17,
    ]  # fmt: skip


def test_nothing_is_asked_for_twice(street):
    for name in ("nuts", "clothes", "robots", "cdn"):
        twice = {path: n for path, n in Counter(street.servers[name].asked).items() if n > 1}
        twice.pop("/robots.txt" if name == "cdn" else "", None)  # by two sites, each for itself
        assert name == "cdn" or not twice
    products = [path for path in street.servers["nuts"].asked if f"photo-{IN_PAGE:02}" in path]
    assert not products  # it came with its page


def test_files_hold_the_bytes_that_were_served(street):
    for name in ("nuts", "clothes", "hostile"):
        folder = Path(street.row(name)["folder"])
        kept = street.images(name).query("status == 'kept'")
        assert sorted(
            path.relative_to(folder).as_posix() for path in folder.glob("images/*")
        ) == sorted(kept["path"])
        for row in kept.itertuples():
            data = (folder / row.path).read_bytes()
            assert hashlib.sha256(data).hexdigest() == row.sha256
            assert Image.open(folder / row.path).size == (row.width, row.height)


def test_what_is_left_out_has_a_reason(street):
    images = street.images("nuts")
    assert set(images["status"]) == {"kept", "left out"}
    left = images.query("status == 'left out'")["reason"].to_dict()
    base = street.servers["nuts"].url
    assert left == {
        f"{base}/icon.png": "an icon: 24 x 24 pixels",
        f"{base}/mark.svg": "SVG is a drawing, not a photo",
        f"{base}/pixel.gif?u=1": "a tracker or placeholder, by its address",
    }
    everything = street.collection.images
    assert (everything.loc[everything["status"] != "kept", "reason"] != "").all()


def test_origins_say_page_words_and_time(street):
    site = next(site for site in street.collection.sites if site.name == "nuts")
    assert list(site.origins.columns) == ORIGIN_COLUMNS and len(site.origins) == len(site.paths)
    base = street.servers["nuts"].url
    row = site.origins.set_index("url").loc[f"{base}/media/photo-02.jpg"]
    assert (row["page"], row["alt"]) == (f"{base}/products/02.html", "almonds 2")
    assert pd.Timestamp(row["time"]) > pd.Timestamp.now("UTC") - pd.Timedelta(hours=1)
    for path, name in zip(site.paths, site.origins["path"], strict=True):
        assert path == site.root / name
    again = Site.from_folder(site.root)
    assert again.paths == site.paths and again.origins.equals(site.origins)


def test_the_decision_carries_the_origins(street, stub, tmp_path):
    for name, color in (("almonds", "brown"), ("dates", "black")):
        (tmp_path / name).mkdir()
        for number in range(3):
            noise = np.random.default_rng(number).integers(0, 40, (20, 20, 3), np.uint8)
            Image.fromarray(noise + read_image(jpeg(color, (20, 20)))).save(
                tmp_path / name / f"{number}.png"
            )
    scorer = RelevanceScorer("almonds", method="mean-distance", embedder=stub, n_references=3).fit(
        tmp_path
    )
    result = scorer.score(next(site for site in street.collection.sites if site.name == "nuts"))
    assert len(result.origins) == len(result.images)


def test_no_forbidden_address_is_contacted(street):
    assert street.canary.asked == []
    allowed = {server.endpoint for server in street.servers.values()}
    seen = set()
    for log in street.out.glob("*/crawl/connects.jsonl"):
        for line in log.read_text().splitlines():
            note = json.loads(line)
            host, port = re.fullmatch(r"\('([^']+)', (\d+)\)", note["address"]).groups()
            seen.add(f"{host}:{port}")
    nobody = street.row("nobody")["url"].removeprefix("http://").strip("/")
    assert seen == allowed | {nobody}


def test_refused_addresses_are_listed_with_the_reason(street):
    images = street.images("hostile")
    reasons = images["reason"].to_dict()
    canary = street.canary.endpoint
    port = canary.rpartition(":")[2]
    private = "is not on the public internet"
    for address, reason in {
        f"http://{canary}/a.jpg": private,
        f"http://localhost:{port}/b.jpg": "localhost is this machine",
        f"http://2130706433:{port}/c.jpg": "a number in disguise",
        f"http://0x7f.1:{port}/d.jpg": "a number in disguise",
        f"http://0177.0.0.1:{port}/e.jpg": "a number in disguise",
        f"http://127.0.0.1.:{port}/g.jpg": private,
        "http://169.254.169.254/latest/meta-data/h.jpg": private,
        "http://10.0.0.1/i.jpg": private,
        f"http://me:secret@{canary}/j.jpg": "a user name or password",
        "http://8.8.8.8:25/l.jpg": "port 25 is not one of",
        street.servers["hostile"].url + "/to-canary.jpg": private,
    }.items():
        assert reason in reasons[address], address
        assert images.loc[address, "status"] == "failed"
    assert not any(address.startswith(("file:", "ftp:", "javascript:")) for address in reasons)


def test_hostile_answers_cost_only_themselves(street):
    assert street.row("hostile")["status"] == "collected"
    base = street.servers["hostile"].url
    reasons = street.images("hostile")["reason"]
    for path, reason in {
        "/endless.jpg": "larger than the limit",
        "/bomb.png": "3600000000 pixels",
        "/big.jpg": "declares 1200 x 1200 pixels",
        "/html.jpg": "looks like HTML",
        "/loop.jpg": "max redirections reached",
    }.items():
        assert reason in reasons[base + path], path
    pages = street.pages("hostile").set_index("path")
    for path, reason in {
        "/redirect": "is not on the public internet",
        "/meta": "is not on the public internet",
        "/inflate": "larger than the limit",
        "/endless": "larger than the limit",
    }.items():
        failed = pages[pages["status"] == "failed"]
        assert failed["reason"].str.contains(reason, regex=False).any(), path
    assert "is asked for already" in pages.loc["/loop", "reason"]
    assert pages.loc["/deep", "status"] == pages.loc["/nested", "status"] == "read"
    assert "/a.zip" not in street.servers["hostile"].asked


def test_no_cookie_and_no_credentials_are_sent(street):
    for server in street.servers.values():
        for headers in server.headers:
            assert not {"cookie", "authorization"} & {name.lower() for name in headers}
            assert headers["User-Agent"].startswith("similarity_lab/")


def test_nothing_is_written_outside(street):
    assert [path.name for path in street.out.parent.iterdir()] == ["out"]
    names = {path.name for path in street.out.rglob("*")}
    assert not [name for name in names if "escape" in name or "up.jpg" in name or "passwd" in name]
    for path in street.out.rglob("images/*"):
        assert re.fullmatch(r"[0-9a-f]{32}\.(jpg|png|webp|avif)", path.name)
    assert not list(street.out.rglob("*pickle*"))
    for marker in street.out.glob("*/site.json"):
        if json.loads(marker.read_text())["complete"]:
            assert not (marker.parent / "crawl" / "cache").exists()


def test_robots_txt_is_obeyed_with_its_delay(street):
    server = street.servers["robots"]
    assert set(server.asked) == {"/robots.txt", "/", "/2.html", "/shown.jpg", "/sitemap.xml"}
    images = street.images("robots")
    assert images.loc[server.url + "/secret.jpg", "reason"] == "forbidden by robots.txt"
    pages = street.pages("robots").set_index("path")
    assert pages.loc["/private/1.html", "reason"] == "forbidden by robots.txt"
    marker = json.loads((Path(street.row("robots")["folder"]) / "site.json").read_text())
    assert marker["seconds"] > 4 * 0.2


def test_a_robots_txt_that_cannot_be_read_forbids_all(street):
    row = street.row("closed")
    assert (
        row["status"] == "failed"
        and row["reason"] == "robots.txt cannot be read: the server answers 503"
    )
    assert set(street.servers["closed"].asked) == {"/robots.txt"}


def test_slow_answers_are_given_up(street):
    row = street.row("slow")
    assert row["status"] == "collected" and row["n_images"] == 1
    images = street.images("slow")
    base = street.servers["slow"].url
    assert images.loc[base + "/drip.jpg", "reason"] == "the server takes too long"


def test_broken_answers_are_listed(street):
    base = street.servers["broken"].url
    images = street.images("broken")
    assert (
        images.loc[base + "/half.jpg", "status"] == "kept"
    )  # what it shows is told when it is read
    same = images.loc[[base + "/same1.jpg", base + "/same2.jpg"]].sort_values("status")
    assert same["status"].to_list() == ["kept", "repeated"]
    assert same["reason"].iloc[1] == f"the same bytes as {same.index[0]}"
    for name, status, reason in (
        ("missing", "failed", "the server answers 404"),
        ("error", "failed", "the server answers 503"),
        ("cut", "failed", "the answer breaks off"),
    ):
        row = images.loc[f"{base}/{name}.jpg"]
        assert (row["status"], row["reason"]) == (status, reason)
    assert images.loc[base + "/empty.jpg", "status"] != "kept"
    pages = street.pages("broken").set_index("path")
    assert pages.loc["/500.html", "reason"] == "the server answers 500"


def test_sites_that_cannot_be_collected_say_why(street):
    table = street.collection.table
    assert table["name"].to_list()[-4:] == ["nobody", "again", "canary", "odd"]
    assert street.row("nobody")["status"] == "failed"
    assert "refuses the connection" in street.row("nobody")["reason"]
    assert street.row("again")[["status", "reason"]].to_list() == [
        "repeated",
        "the same address as nuts",
    ]
    assert street.row("canary")["status"] == "refused"
    assert "public internet" in street.row("canary")["reason"]
    assert "expected an http or https address" in street.row("odd")["reason"]
    scripted = street.row("scripted")
    assert scripted["status"] == "empty" and 'render="auto"' in scripted["reason"]
    assert street.row("moved")["status"] == "collected"


def test_a_finished_site_is_not_asked_again(street):
    server, cdn = street.servers["nuts"], street.servers["cdn"]
    before = len(server.asked)
    allow = [one.endpoint for one in street.servers.values()]
    nobody = street.row("nobody")["url"].removeprefix("http://").strip("/")
    options = {"limits": LIMITS, "throttle": False, "progress": False, "allow": [*allow, nobody]}
    again = collect({"nuts": server.url}, street.out, **options)
    assert len(server.asked) == before and cdn.asked
    assert again.table.iloc[0].to_dict() == street.row("nuts").to_dict() | {"name": "nuts"}


def test_an_interrupted_crawl_goes_on_where_it_stopped(tmp_path):
    def late(handler):
        time.sleep(0.1)
        number = int(handler.path[1:-5])
        page = f'<a href="/{number + 1}.html">next</a><img src="/{number}.jpg">'
        handler._send(200, HTML, page.encode())

    files = {"/": (HTML, b'<a href="/0.html">first</a>')} | {f"/{n}.html": late for n in range(12)}
    files |= {f"/{n}.jpg": ("image/jpeg", jpeg((n * 9, 50, 50))) for n in range(12)}
    limits = Limits(depth=11, seconds=20)
    with serve(files) as server:
        job = Job(server.url + "/", tmp_path / "site", limits, (server.endpoint,), throttle=False)
        prepare(job.folder, job.url)
        stop = threading.Event()
        with pytest.raises(Interrupted):
            run_crawl(job, lambda pages, images: pages > 3 and stop.set(), stop)
        first = len(server.asked)
        assert 4 < first < 15
        write_tables(job.folder)  # what is there already can be read
        assert run_crawl(job, lambda pages, images: None, threading.Event()) == ""
        images, _ = write_tables(job.folder)
        counts = Counter(server.asked)
        outcome = json.loads((job.folder / "crawl" / "outcome.json").read_text())
    assert "11 links deep lead on" in outcome["reason"]
    assert (images["status"] == "kept").sum() == 11
    # What was not there may be there by now; every answer is kept
    assert {path for path, n in counts.items() if n > 1} <= {"/robots.txt", "/sitemap.xml"}


def test_product_images_come_first_and_the_rest_is_listed(tmp_path):
    data = json.dumps({"@type": "Product", "image": [f"/p{n}.jpg" for n in range(3)]})
    body = "".join(f'<img src="/d{n}.jpg">' for n in range(8))
    page = f'{body}<script type="application/ld+json">{data}</script>'
    files = {
        f"/{k}{n}.jpg": ("image/jpeg", jpeg((n * 20, k == "p" and 90, 9)))
        for k in "pd"
        for n in range(8)
    }
    with serve({"/": (HTML, page.encode()), **files}) as server:
        collection = collect(
            [server.url], tmp_path, limits=Limits(images=4, seconds=20), allow=[server.endpoint],
            throttle=False, progress=False,
        )  # fmt: skip
    images = collection.images
    kept = images[images["status"] == "kept"]["url"].str[-6:].to_list()
    assert kept == ["p0.jpg", "p1.jpg", "p2.jpg", "d0.jpg"]
    rest = images[images["status"] == "not fetched"]
    assert len(rest) == 7 and set(rest["reason"]) == {"the limit of 4 images is reached"}
    assert collection.table.loc[0, "reason"] == "the limit of 4 images is reached"


def test_what_makes_no_sense_is_refused(tmp_path):
    for urls, options, message in (
        ([], {}, "no addresses"),
        (["a.example"], {"parallel": 0}, "parallel must be 1"),
        (["a.example"], {"render": "maybe"}, "render must be"),
        (["a.example"], {"user_agent": "a\nb"}, "user_agent must be"),
        (pd.DataFrame({"link": ["a"]}), {}, "a column url"),
    ):
        with pytest.raises(ValueError, match=message):
            collect(urls, tmp_path, **options)
    table = pd.DataFrame({"url": ["http://10.0.0.1", None], "name": ["private", None]})
    rows = collect(table, tmp_path, progress=False).table
    assert rows["name"].to_list() == ["private", ""] and rows["status"].to_list() == ["refused"] * 2
