"""How a site is crawled: its order, its limits, and servers that want to be asked in their way."""

import time
from collections import Counter
from email.utils import formatdate
from itertools import product

import pandas as pd
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab import Site
from similarity_lab.samples.serving import serve
from similarity_lab.web import Limits, collect

from ..shops import HTML, jpeg, noise, respond

FAST = Limits(seconds=30, request_seconds=5)


def crawl(server, folder, *others, limits=FAST, **options):
    """Collect one site; return its row, its images by URL, its pages by URL."""
    allow = [each.endpoint for each in (server, *others)]
    options = {"throttle": False, "progress": False, **options}
    collection = collect([server.url], folder, limits=limits, allow=allow, **options)
    row = collection.table.iloc[0]
    pages = pd.read_parquet(f"{row['folder']}/pages.parquet")
    tables = [
        table.assign(url=table["url"].str.removeprefix(server.url)).set_index("url")
        for table in (collection.images, pages)
    ]
    return row, *tables


def page(*images, links=()):
    """Return an answer: a page with images and links."""
    body = "".join(f'<img src="{url}">' for url in images)
    body += "".join(f'<a href="{url}">{url}</a>' for url in links)
    return HTML, body.encode()


def send(request, answer):
    request._send(200, *answer)


# Referring page ------------------------------------------------------------------------------


def only_for(pages):
    """Return a handler that refuses an image to other pages than these: hot-link protection."""

    def handler(request):
        referer = request.headers.get("Referer", "")
        if any(referer == page.format(request.server.referring) for page in pages):
            send(request, noise(sum(request.path.encode())))
        else:
            request._send(403, "text/html", b"hot-linking is forbidden")

    return handler


def test_image_is_requested_with_the_page_that_names_it(tmp_path):
    """The whole URL on its own site, only the origin elsewhere; also after a redirect."""
    own, foreign = only_for(["{}/nuts.html?a=1"]), only_for(["{}/"])
    files = {
        "/": page(links=["/nuts.html?a=1"]),
        "/own.jpg": own,
        "/moved.jpg": respond(302, Location="/moved/own.jpg"),
        "/moved/own.jpg": own,
    }
    with serve({"/a-foreign.jpg": foreign}) as cdn, serve(files) as server:
        server.referring = cdn.referring = server.url
        server.files["/nuts.html?a=1"] = page("/own.jpg", "/moved.jpg", f"{cdn.url}/a-foreign.jpg")
        row, images, _ = crawl(server, tmp_path, cdn)
    assert row["n_images"] == 3, images["reason"]


# Servers that ask to wait --------------------------------------------------------------------


def busy(answer, seconds=1.0, status=429, headers=lambda: {}):
    """Return a handler that answers 429 for some seconds from its first request on."""

    def handler(request):
        now = time.monotonic()
        handler.start = min(handler.start, now)
        if now - handler.start < seconds:
            respond(status, b"later", **headers())(request)
        else:
            send(request, answer)

    handler.start = float("inf")
    return handler


@pytest.mark.parametrize(
    "headers",
    [
        lambda: {"Retry_After": "1"},
        lambda: {"Retry_After": formatdate(time.time() + 2, usegmt=True)},
        lambda: {},
    ],
    ids=["seconds", "date", "nothing"],
)
def test_server_that_is_busy_is_asked_again_later(tmp_path, headers):
    """Neither a page nor an image is lost, and the server is not asked before it allows."""
    files = {
        "/": busy(page("/1.jpg", "/2.jpg"), headers=headers),
        "/1.jpg": busy(noise(1), headers=headers),
        "/2.jpg": noise(2),
    }
    with serve(files) as server:
        row, images, _ = crawl(server, tmp_path)
    assert (row["crawl_status"], row["n_images"]) == ("collected", 2), images["reason"]
    assert Counter(server.requests)["/"] <= 3


def test_overloaded_server_is_asked_again_when_it_says_so(tmp_path):
    headers = {"Retry_After": "1"}
    files = {"/": page("/1.jpg"), "/1.jpg": busy(noise(1), status=503, headers=lambda: headers)}
    with serve(files) as server:
        row, *_ = crawl(server, tmp_path)
    assert row["n_images"] == 1 and server.requests.count("/1.jpg") == 2


def test_server_that_asks_for_more_time_than_there_is_is_left_alone(tmp_path):
    files = {
        "/": page("/1.jpg", "/2.jpg", "/3.jpg"),
        "/1.jpg": respond(429, Retry_After="3600"),
        "/2.jpg": respond(429, Retry_After="3600"),
        "/3.jpg": respond(429, Retry_After="3600"),
    }
    with serve(files) as server:
        start = time.monotonic()
        row, images, _ = crawl(server, tmp_path)
        assert time.monotonic() - start < 20
    assert row["crawl_status"] == "empty"
    reasons = set(images["reason"])
    assert "HTTP status 429 (the server asks to wait 3600 seconds)" in reasons
    assert all("asks to wait" in reason for reason in reasons)


def test_robots_txt_of_a_busy_server_forbids_until_it_is_read(tmp_path):
    robots = ("text/plain", b"User-agent: *\nDisallow: /secret\n")
    files = {
        "/robots.txt": busy(robots, headers=lambda: {"Retry_After": "1"}),
        "/": page("/1.jpg", links=["/secret/1.html"]),
        "/1.jpg": noise(1),
    }
    with serve(files) as server:
        row, _, pages = crawl(server, tmp_path)
    assert row["n_images"] == 1
    assert pages.loc["/secret/1.html", "reason"] == "Forbidden by robots.txt"
    assert "/secret/1.html" not in server.requests


def test_robots_txt_that_is_never_read_forbids_everything(tmp_path):
    with serve({"/robots.txt": respond(429, Retry_After="3600"), "/": page("/1.jpg")}) as server:
        row, *_ = crawl(server, tmp_path)
    assert row["reason"] == "Could not read robots.txt: HTTP status 429"
    assert set(server.requests) == {"/robots.txt"}


def test_images_get_their_share_of_a_crawl_with_a_long_delay(tmp_path):
    links = [f"/{n}.html" for n in range(6)]
    files = {
        "/robots.txt": ("text/plain", b"User-agent: *\nCrawl-delay: 1\n"),
        "/": page(*(f"/{n}.jpg" for n in range(4)), links=links),
    }
    files |= {link: page(f"/{n}.jpg") for n, link in enumerate(links)}
    files |= {f"/{n}.jpg": noise(n) for n in range(6)}
    with serve(files) as server:
        start = time.monotonic()
        row, *_ = crawl(server, tmp_path, limits=Limits(seconds=8))
        seconds = time.monotonic() - start
    assert row["n_pages"] >= 2 and row["n_images"] >= 1
    assert row["reason"].startswith("Sample: ") and "seconds" in row["reason"]
    assert seconds < 8 + 12  # the process starts and ends


# Redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", ["60", "0"])
@pytest.mark.parametrize("target", ["/", "/?", ""])
def test_page_that_refreshes_itself_is_read(tmp_path, seconds, target):
    body = f'<meta http-equiv="refresh" content="{seconds}; url={target}"><img src="/1.jpg">'
    with serve({"/": (HTML, body.encode()), "/1.jpg": noise(1)}) as server:
        row, *_ = crawl(server, tmp_path)
    assert row["n_images"] == 1
    assert server.requests.count("/") == 1


def test_refresh_is_followed(tmp_path):
    """At once in the place of the page; later as a link; by header or by markup."""
    refresh = '<meta http-equiv="Refresh" content="{}; URL=\'{}\'"><img src="{}">'
    files = {
        "/": respond(200, refresh.format(0, "/b", "/1.jpg").encode(), Content_Type=HTML),
        "/b": respond(200, refresh.format(30, "/c", "/2.jpg").encode(), Content_Type=HTML),
        "/c": respond(200, b"moved", Content_Type=HTML, Refresh="0; url=/d"),
        "/d": page("/4.jpg"),
    }
    files |= {f"/{n}.jpg": noise(n) for n in range(5)}
    with serve(files) as server:
        _, images, _ = crawl(server, tmp_path)
    assert set(images.index) == {"/2.jpg", "/4.jpg"}


def has_cookie(name):
    return lambda request: name in request.headers.get("Cookie", "")


def cookie_wall(answer, location, set_cookie):
    """Return a handler that redirects whoever does not send the cookie."""

    def handler(request):
        if has_cookie("seen=1")(request):
            send(request, answer)
        else:
            respond(302, Location=location, Set_Cookie=set_cookie)(request)

    return handler


@pytest.mark.parametrize("location", ["/", "/gate?back=/"])
def test_site_that_redirects_until_it_gets_its_cookie_is_read(tmp_path, location):
    cookie = "seen=1; Path=/"
    files = {
        "/": cookie_wall(page("/1.jpg", links=["/2.html"]), location, cookie),
        "/gate?back=/": respond(302, Location="/", Set_Cookie=cookie),
        "/2.html": cookie_wall(page("/2.jpg"), "/gate?back=/", cookie),
        "/1.jpg": noise(1),
        "/2.jpg": noise(2),
    }
    with serve(files) as server:
        row, *_ = crawl(server, tmp_path)
        again, *_ = crawl(server, tmp_path / "again")
        starts = [
            headers
            for path, headers in zip(server.requests, server.headers, strict=True)
            if path == "/robots.txt"
        ]
    assert row["n_images"] == again["n_images"] == 2
    assert not any("Cookie" in headers for headers in starts)  # a second crawl begins without


def test_site_that_redirects_for_ever_fails(tmp_path):
    def handler(request):
        handler.n += 1
        respond(302, Location="/", Set_Cookie=f"n={handler.n}")(request)

    handler.n = 0
    with serve({"/": handler}) as server:
        row, *_ = crawl(server, tmp_path)
    assert (row["crawl_status"], row["reason"]) == ("failed", "Too many redirects")
    assert handler.n <= FAST.redirects + 1


# The order of pages, and the limit on their number -------------------------------------------


def test_one_page_under_many_addresses_is_capped(tmp_path):
    """The answers differ in a number only; the page behind them is found within the limit."""
    links = [f"/sign.html?price={n}" for n in range(150)]
    files = {"/": page(links=[*links, "/range.html"]), "/range.html": page("/1.jpg")}
    for n, link in enumerate(links):
        body = f'<p>Log in to see price {n}</p><a href="/sign.html?price={n}&amp;again=1">again</a>'
        files[link] = HTML, body.encode()
    files["/1.jpg"] = noise(1)
    with serve(files) as server:
        row, _, pages = crawl(server, tmp_path, limits=Limits(seconds=30, pages=40))
    assert row["n_images"] == 1
    assert sum(path.startswith("/sign") for path in server.requests) < 10
    reasons = pages["reason"][pages["crawl_status"] == "not requested"]
    assert len(reasons) > 130 and reasons.str.startswith("Pages like it").all()
    assert row["reason"] == ""  # nothing is lost
    assert (pages["crawl_status"] == "repeated").any()


@pytest.mark.parametrize("url", ["/p/{}.html", "/show.php?id={}", "/nuts/kind-{}"])
def test_product_pages_come_before_facets(tmp_path, url):
    """Six facets of four values on each page of a listing; 30 products, 40 pages."""
    facets = ["colour", "pack", "origin", "taste", "sort", "price"]
    products = [url.format(n) for n in range(30)]

    def listing(number, query):
        shown = products[10 * number : 10 * number + 10]
        links = [f"/list?{facet}={value}&{query}" for facet, value in product(facets, "abcd")]
        return page(links=[*links, *shown, f"/list?page={(number + 1) % 3}"])

    files = {"/": listing(0, ""), **{f"/list?page={n}": listing(n, f"page={n}") for n in range(3)}}
    files |= {link: page(f"/{n}.jpg") for n, link in enumerate(products)}
    files |= {f"/{n}.jpg": noise(n) for n in range(30)}

    class Files(dict):
        def get(self, path):
            return super().get(path) or (listing(0, path[6:]) if "/list?" in path else None)

    with serve(files) as server:
        server.files = Files(server.files)
        row, *_ = crawl(server, tmp_path, limits=Limits(seconds=30, pages=40))
    assert row["n_images"] == 30


def test_product_sitemap_is_read_before_those_of_posts(tmp_path):
    names = [f"post-sitemap{n}.xml" for n in range(12)]
    names.insert(7, "author-sitemap.xml")
    names.append("product-sitemap.xml")
    index = "".join(f"<sitemap><loc>HOST/{name}</loc></sitemap>" for name in names)
    files = {"/": page(), "/product-1": page("/1.jpg"), "/1.jpg": noise(1)}
    for name in names:
        number = "product-1" if name.startswith("product") else f"post-{name}"
        files[f"/{name}"] = "text/xml", f"<urlset><url><loc>HOST/{number}</loc></url></urlset>"
    files["/sitemap.xml"] = "text/xml", f"<sitemapindex>{index}</sitemapindex>"
    with serve(files) as server:
        for path, (kind, body) in files.items():
            if kind == "text/xml":
                server.files[path] = kind, body.replace("HOST", server.url).encode()
        row, *_ = crawl(server, tmp_path)
    assert row["n_images"] == 1
    assert sum(path.endswith(".xml") for path in server.requests) <= FAST.sitemaps


def test_sample_of_a_large_site_is_stated(tmp_path):
    links = [f"/p/{n}.html" for n in range(300)]
    files = {"/": page(links=links)} | {link: page(f"{link}.jpg") for link in links}
    files |= {f"{link}.jpg": noise(n) for n, link in enumerate(links)}
    with serve(files) as server:
        row, images, pages = crawl(server, tmp_path, limits=Limits(pages=40, images=20, seconds=60))
    assert row["reason"] == (
        "Sample: 40 of 301 pages (limit of 40 pages reached), "
        "20 of 39 images (limit of 20 images reached)"
    )
    assert row["n_pages_found"] == 301
    site = Site.from_folder(row["folder"])
    assert site.page_coverage == pytest.approx(40 / 301)
    assert site.image_coverage == pytest.approx(40 / 301 * 20 / 39)
    assert (pages["crawl_status"] == "not requested").sum() == 261
    numbers = [int(url.split("/")[2].split(".")[0]) for url in images.index]
    assert min(numbers) < 60 and max(numbers) > 240  # from the whole range, not the first forty


# Answers that do not arrive as declared ------------------------------------------------------


def shorter(answer, *, close):
    """Return a handler that declares more bytes than it sends."""

    def handler(request):
        request.send_response(200)
        request.send_header("Content-Type", answer[0])
        request.send_header("Content-Length", str(len(answer[1]) + 5000))
        request.end_headers()
        request.wfile.write(answer[1])
        request.close_connection = close

    return handler


@pytest.mark.parametrize("close", [True, False], ids=["closed", "open"])
def test_page_shorter_than_declared_is_used(tmp_path, close):
    files = {"/": shorter(page("/1.jpg", links=["/2.html"]), close=close), "/1.jpg": noise(1)}
    files |= {"/2.html": page("/2.jpg"), "/2.jpg": noise(2)}
    with serve(files) as server:
        start = time.monotonic()
        row, *_ = crawl(server, tmp_path, limits=Limits(seconds=60, request_seconds=20))
        assert time.monotonic() - start < 20
    assert (row["crawl_status"], row["n_images"]) == ("collected", 2)
    assert server.requests.count("/") == 1


def test_image_shorter_than_declared_is_kept_if_it_is_complete(tmp_path):
    half = jpeg("navy", (300, 300))[:700]
    files = {
        "/": page("/whole.jpg", "/half.jpg"),
        "/whole.jpg": shorter(noise(1), close=True),
        "/half.jpg": shorter(("image/jpeg", half), close=True),
    }
    with serve(files) as server:
        _, images, _ = crawl(server, tmp_path)
    assert images.loc["/whole.jpg", "crawl_status"] == "kept"
    assert images.loc["/half.jpg", "reason"] == "Response ended early"


def test_image_that_is_linked_like_a_page_is_kept(tmp_path):
    files = {"/": page(links=["/download/7"]), "/download/7": noise(7)}
    with serve(files) as server:
        row, images, pages = crawl(server, tmp_path)
    assert row["n_images"] == 1 and images.loc["/download/7", "page"] == server.url + "/"
    assert pages.loc["/download/7", "reason"] == "Not HTML (image/jpeg)"


def test_empty_pages_are_not_copies_of_each_other(tmp_path):
    files = {
        "/": page("/a.jpg", links=["/b", "/c", "/d", "/?e=1"]),
        "/b": (HTML, b""), "/c": (HTML, b"<body> </body>"), "/d": (HTML, b"<script>1</script>"),
        "/?e=1": page("/a.jpg", links=["/b", "/c", "/d", "/?e=1"]), "/a.jpg": noise(1),
    }  # fmt: skip
    with serve(files) as server:
        _, _, pages = crawl(server, tmp_path)
    assert pages["reason"].to_dict() == {
        "/": "", "/b": "Nothing on this page", "/c": "Nothing on this page",
        "/d": "Nothing on this page", "/?e=1": f"Same content as {server.url}/",
    }  # fmt: skip


def test_values_of_a_form_are_not_requested(tmp_path):
    body = b"""<img src="/a.jpg"><form><select><option value="/m/0pldl50">Nuts</option></select>
    <input type="hidden" name="next" value="/x/y"><input value="/z.html"></form>
    <select onchange="location = this.value"><option value="/dates">Dates</option></select>"""
    files = {"/": (HTML, body), "/a.jpg": noise(1), "/dates": page("/b.jpg"), "/b.jpg": noise(2)}
    with serve(files) as server:
        crawl(server, tmp_path)
    assert set(server.requests) == {*files, "/robots.txt", "/sitemap.xml"}


def test_page_that_refreshes_itself_once_it_has_its_cookie_is_read(tmp_path):
    def home(request):
        if "seen=1" in request.headers.get("Cookie", ""):
            send(request, page("/a.jpg"))
        else:
            body = b'<meta http-equiv="refresh" content="0; url=/">'
            respond(200, body, Content_Type=HTML, Set_Cookie="seen=1")(request)

    with serve({"/": home, "/a.jpg": noise(1)}) as server:
        row, _, _ = crawl(server, tmp_path)
    assert row["n_images"] == 1 and server.requests.count("/") == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (("application/pdf", b"%PDF-1.4"), "Not HTML (application/pdf)"),
        (("application/json", b'{"image": "/a.jpg"}'), "Not HTML (application/json)"),
        (("text/plain", b"Almonds"), "Not HTML (text/plain)"),
        (("text/plain", b'<!DOCTYPE html><img src="/a.jpg">'), ""),
        (("application/xhtml+xml", b'<html><img src="/a.jpg"/></html>'), ""),
        (respond(200, b'<img src="/a.jpg">'), ""),
        (noise(1), ""),
    ],
    ids=["pdf", "json", "text", "html", "xhtml", "undeclared", "image"],
)
def test_content_type_decides_what_is_a_page(tmp_path, answer, reason):
    with serve({"/": answer, "/a.jpg": noise(1)}) as server:
        row, _, _ = crawl(server, tmp_path)
    expected = ("failed", reason) if reason else ("collected", "")
    assert (row["crawl_status"], row["reason"]) == expected
