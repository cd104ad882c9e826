"""Shops served on this machine and collected once: good ones, and all kinds of bad ones."""

import socket
import time
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from PIL import Image

from similarity_lab.samples.serving import ShopServer, serve
from similarity_lab.samples.shops import CDN, make_shop
from similarity_lab.web import Collection, Limits, _process, collect

HTML = "text/html; charset=utf-8"
LIMITS = Limits(
    pages=60, depth=4, images=40, seconds=25, request_seconds=2.0, page_bytes=2**20,
    image_bytes=2**20, image_pixels=1_000_000,
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _the_crawler_is_measured():
    """Let `make coverage` look into the crawler's process, which sees little of our environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_process, "_KEPT", (*_process._KEPT, "COVERAGE_PROCESS_CONFIG"))
        yield


@dataclass
class Street:
    """All servers, what was collected from them, and where to."""

    servers: dict[str, ShopServer]
    canary: ShopServer
    collection: Collection
    out: Path

    def row(self, name):
        return self.collection.table.set_index("name").loc[name]

    def images(self, name):
        table = self.collection.images
        return table[table["site"] == name].set_index("url")

    def pages(self, name):
        import pandas as pd

        table = pd.read_parquet(Path(self.row(name)["folder"]) / "pages.parquet")
        return table.assign(path=table["url"].str.replace(r"^\w+://[^/]+", "", regex=True))


def jpeg(color, size=(80, 80), form="JPEG"):
    import io

    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, form)
    return buffer.getvalue()


def png_bomb(side=60_000):
    """A PNG whose header claims billions of pixels."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def respond(status=200, body=b"", **headers):
    """Return an answer with these headers; ``a_b`` stands for ``a-b``."""

    def answer(handler):
        handler.send_response(status)
        filled = {name: value.replace(CDN, handler.server.cdn) for name, value in headers.items()}
        for name, value in filled.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(handler, head=b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n"):
    handler.wfile.write(head)
    for _ in range(100_000):
        handler.wfile.write(b"x" * 65536)


def drip(handler):
    """One byte now and then, for much longer than anybody should wait."""
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900\r\n\r\n"
    )
    for _ in range(60):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.2)


def break_off(handler):
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 9000\r\n\r\nabc"
    )
    handler.close_connection = True


def hostile(canary):
    """A shop that sends its visitors everywhere; CDN is filled with the canary's address."""
    port = canary.rpartition(":")[2]
    elsewhere = [
        f"http://{canary}/a.jpg", f"http://localhost:{port}/b.jpg", f"http://2130706433:{port}/c.jpg",
        f"http://0x7f.1:{port}/d.jpg", f"http://0177.0.0.1:{port}/e.jpg",
        f"http://[::ffff:127.0.0.1]:{port}/f.jpg", f"http://127.0.0.1.:{port}/g.jpg",
        "http://169.254.169.254/latest/meta-data/h.jpg", "http://10.0.0.1/i.jpg",
        f"http://me:secret@{canary}/j.jpg", "file:///etc/passwd.jpg", "ftp://10.0.0.1/k.jpg",
        "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "http://8.8.8.8:25/l.jpg",
        f"//{canary}/m.jpg", "http://[::1/n.jpg", "http:///o.jpg",
    ]  # fmt: skip
    bomb = zlib.compress(b"<p>almonds</p>" * 3_000_000, 9)
    gzip = zlib.compressobj(9, wbits=31)
    gz = gzip.compress(b"<urlset>" + b" " * 50_000_000) + gzip.flush()
    own = [
        "/to-canary.jpg", "/loop.jpg", "/endless.jpg", "/bomb.png", "/html.jpg", "/good.jpg",
        "/..%2f..%2f..%2f..%2fescape.jpg", "/../../up.jpg", "/%00null.jpg", "/big.jpg",
    ]  # fmt: skip
    links = [
        "/redirect",
        "/meta",
        "/loop",
        "/inflate",
        "/deep",
        "/nested",
        "/endless",
        "/latin",
        "/a.zip",
    ]
    page = "".join(
        f'<img src="{a}" alt="&lt;script&gt;alert(1)&lt;/script&gt;">' for a in [*elsewhere, *own]
    )
    page += "".join(
        f'<a href="{a}">x</a>' for a in [*links, f"http://{canary}/page", "http://evil.example/"]
    )
    picture = ("image/jpeg", jpeg("brown"))
    return {
        "/": (HTML, page.encode()),
        "/robots.txt": respond(302, Location=f"{CDN}/robots.txt"),
        "/sitemap.xml": respond(302, Location=f"{CDN}/sitemap.xml"),
        "/to-canary.jpg": respond(302, Location=f"{CDN}/image.jpg"),
        "/redirect": respond(302, Location=f"{CDN}/page"),
        "/meta": (HTML, f'<meta http-equiv="refresh" content="0; url={CDN}/meta">'.encode()),
        "/loop": respond(302, Location="/loop2"),
        "/loop2": respond(302, Location="/loop3"),
        "/loop3": respond(302, Location="/loop"),
        "/loop.jpg": respond(302, Location="/loop.jpg?again"),
        "/loop.jpg?again": respond(302, Location="/loop.jpg"),
        "/inflate": respond(200, bomb, Content_Type=HTML, Content_Encoding="deflate"),
        "/deep": (HTML, b"<div>" * 100_000 + b'<img src="/never.jpg">'),
        "/nested": (HTML, b'<script type="application/ld+json">' + b"[" * 100_000 + b"</script>"),
        "/latin": ("text/html; charset=nonsense", b'<img src="/good.jpg" alt="N\xfcsse">'),
        "/endless": lambda handler: endless(
            handler, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
        ),
        "/endless.jpg": endless,
        "/a.zip": ("application/zip", b"PK"),
        "/map.xml": ("application/xml", gz),
        "/bomb.png": ("image/png", png_bomb()),
        "/big.jpg": ("image/jpeg", jpeg("red", (1200, 1200))),
        "/html.jpg": ("image/jpeg", b"<html>not a picture</html>"),
        "/good.jpg": respond(
            200, jpeg("green"), Content_Type="image/jpeg", Set_Cookie="track=1; Path=/"
        ),
        "/..%2f..%2f..%2f..%2fescape.jpg": picture,
        "/up.jpg": ("image/jpeg", jpeg("blue")),
    }


def robots_shop():
    rules = "User-agent: *\nDisallow: /private\nDisallow: /secret.jpg\nCrawl-delay: 0.2\n"
    page = '<img src="/shown.jpg"><img src="/secret.jpg"><a href="/private/1.html">x</a>'
    page += '<a href="/2.html">y</a>'
    return {
        "/": (HTML, page.encode()),
        "/2.html": (HTML, b"<p>two</p>"),
        "/private/1.html": (HTML, b'<img src="/shown2.jpg">'),
        "/robots.txt": ("text/plain", rules.encode()),
        "/shown.jpg": ("image/jpeg", jpeg("brown")),
        "/secret.jpg": ("image/jpeg", jpeg("gold")),
    }


def broken_shop():
    names = ["missing", "cut", "empty", "half", "same1", "same2", "error"]
    page = (
        "".join(f'<img src="/{name}.jpg">' for name in names)
        + '<a href="/500.html"><a href="/404.html"'
    )
    whole = jpeg("purple", (100, 90))
    return {
        "/": (HTML, page.encode()),
        "/500.html": respond(500),
        "/error.jpg": respond(503),
        "/cut.jpg": break_off,
        "/empty.jpg": ("image/jpeg", b""),
        "/half.jpg": ("image/jpeg", jpeg("navy", (300, 300))[:900]),
        "/same1.jpg": ("image/jpeg", whole),
        "/same2.jpg": ("text/plain", whole),
    }


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    """Every shop, collected in one call, with proxy variables that lead to the canary."""
    nuts = make_shop("Nuts & <Co>", ["almonds", "dates"] * 8, size=(96, 112))
    clothes = make_shop("Coats", ["clothing", "person", "logo"], start=1, size=(96, 112))
    with ExitStack() as stack:
        canary = stack.enter_context(serve({}))
        cdn = stack.enter_context(serve(nuts))
        slow = {
            "/": (HTML, b'<img src="/drip.jpg"><a href="/drip.html"><img src="/ok.jpg">'),
            "/drip.html": drip,
            "/drip.jpg": drip,
            "/ok.jpg": ("image/jpeg", jpeg("tan")),
        }
        scripted = (
            '<div id="root"></div><script src="/app.js"></script><noscript>Switch it on</noscript>'
        )
        shops = {
            "nuts": (nuts, cdn.url),
            "clothes": (clothes, ""),
            "hostile": (hostile(canary.endpoint), canary.url),
            "slow": (slow, ""),
            "robots": (robots_shop(), ""),
            "closed": ({"/": (HTML, b"<p>hello"), "/robots.txt": respond(503)}, ""),
            "broken": (broken_shop(), ""),
            "scripted": ({"/": (HTML, scripted.encode())}, ""),
            "moved": ({"/": respond(301, Location=f"{CDN}/")}, cdn.url),
        }
        servers = {
            name: stack.enter_context(serve(files, cdn=where))
            for name, (files, where) in shops.items()
        }
        out = tmp_path_factory.mktemp("street") / "out"
        urls = {name: server.url for name, server in servers.items()}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            nobody = f"127.0.0.1:{free.getsockname()[1]}"
        urls |= {
            "nobody": f"http://{nobody}/",
            "again": servers["nuts"].url + "/",
            "canary": canary.url,
            "odd": "gopher://shop.example",
        }
        allow = [server.endpoint for server in [*servers.values(), cdn]] + [nobody]
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
                patch.setenv(name, canary.url)
            collection = collect(
                urls, out, limits=LIMITS, allow=allow, throttle=False, progress=False, parallel=3
            )
        yield Street({**servers, "cdn": cdn}, canary, collection, out)
