"""Small shops that behave well or badly, each about one topic; and ways to serve them."""

import io
import time
import zlib
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from similarity_lab.samples.shops import CDN

HTML = "text/html; charset=utf-8"


def jpeg(color, size=(80, 80)):
    """Return the bytes of a JPEG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "JPEG")
    return buffer.getvalue()


def image(color, size=(80, 80)):
    """Return an answer that is an image."""
    return "image/jpeg", jpeg(color, size)


def noise(seed, size=(80, 80)):
    """Return an answer that is an image like no other."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return "image/jpeg", buffer.getvalue()


def respond(status=200, body=b"", **headers):
    """Return a handler that answers with these headers; ``a_b`` stands for ``a-b``."""

    def handler(request):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value.replace(CDN, request.server.cdn))
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return handler


def endless(content_type):
    """Return a handler that never stops sending."""

    def handler(request):
        request.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode())
        for _ in range(100_000):
            request.wfile.write(b"x" * 65536)

    return handler


def dripping(request):
    """Send a byte now and then, for longer than the limit of a request."""
    request.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900\r\n\r\n"
    )
    for _ in range(40):
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.2)


def truncated(request):
    """Close the connection before the promised length is sent."""
    request.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 9000\r\n\r\nabc"
    )
    request.close_connection = True


def png_bomb(side=60_000):
    """Return a PNG whose header declares billions of pixels."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@dataclass
class Shop:
    """A shop about one topic: what its first page shows and links to, and its files."""

    images: list = field(default_factory=list)
    links: list = field(default_factory=list)
    files: dict = field(default_factory=dict)


def merge(*shops):
    """Return the files of one website with the content of several shops: one crawl for all."""
    body = "".join(
        f'<img src="{url}" alt="&lt;script&gt;alert(1)&lt;/script&gt;">'
        for shop in shops
        for url in shop.images
    )
    body += "".join(f'<a href="{url}">link</a>' for shop in shops for url in shop.links)
    files = {"/": (HTML, body.encode())}
    for shop in shops:
        files |= shop.files
    return files


def forbidden_urls(canary):
    """Return a shop that points to private addresses, above all to the canary's."""
    port = canary.rpartition(":")[2]
    return Shop(
        images=[
            f"http://{canary}/a.jpg",
            f"http://localhost:{port}/b.jpg",
            f"http://2130706433:{port}/c.jpg",
            f"http://0x7f.1:{port}/d.jpg",
            f"http://0177.0.0.1:{port}/e.jpg",
            f"http://[::ffff:127.0.0.1]:{port}/f.jpg",
            f"http://127.0.0.1.:{port}/g.jpg",
            "http://169.254.169.254/latest/meta-data/h.jpg",
            "http://10.0.0.1/i.jpg",
            f"http://me:secret@{canary}/j.jpg",
            "file:///etc/passwd.jpg",
            "ftp://10.0.0.1/k.jpg",
            "javascript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "http://8.8.8.8:25/l.jpg",
            f"//{canary}/m.jpg",
            "http://[::1/n.jpg",
            "http:///o.jpg",
        ],
        links=[f"http://{canary}/page", "http://evil.example/"],
    )


REDIRECTS = Shop(  # CDN is the canary
    images=["/to-canary.jpg", "/loop.jpg"],
    links=["/redirect", "/meta", "/loop"],
    files={
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
    },
)
OVERSIZED = Shop(
    images=["/endless.jpg", "/bomb.png", "/big.jpg"],
    links=["/inflate", "/endless"],
    files={
        "/endless": endless("text/html"),
        "/endless.jpg": endless("image/jpeg"),
        "/inflate": respond(
            200,
            zlib.compress(b"<p>almonds</p>" * 3_000_000, 9),
            Content_Type=HTML,
            Content_Encoding="deflate",
        ),
        "/bomb.png": ("image/png", png_bomb()),
        "/big.jpg": image("red", (1200, 1200)),
    },
)
ODD_MARKUP = Shop(
    links=["/deep", "/nested", "/latin", "/a.zip"],
    files={
        "/deep": (HTML, b"<div>" * 100_000 + b'<img src="/never.jpg">'),
        "/nested": (HTML, b'<script type="application/ld+json">' + b"[" * 100_000 + b"</script>"),
        "/latin": ("text/html; charset=nonsense", b'<img src="/good.jpg" alt="N\xfcsse">'),
        "/a.zip": ("application/zip", b"PK"),
    },
)
ODD_NAMES = Shop(
    images=["/..%2f..%2f..%2f..%2fescape.jpg", "/../../up.jpg", "/%00null.jpg", "/good.jpg"],
    files={
        "/..%2f..%2f..%2f..%2fescape.jpg": image("brown"),
        "/up.jpg": image("blue"),
        "/good.jpg": respond(
            200, jpeg("green"), Content_Type="image/jpeg", Set_Cookie="track=1; Path=/"
        ),
    },
)
FAILURES = Shop(
    images=[
        "/missing.jpg", "/unavailable.jpg", "/truncated.jpg", "/dripping.jpg", "/html.jpg",
        "/empty.jpg", "/half.jpg",
    ],
    links=["/500.html", "/404.html"],
    files={
        "/500.html": respond(500),
        "/unavailable.jpg": respond(503),
        "/truncated.jpg": truncated,
        "/dripping.jpg": dripping,
        "/html.jpg": ("image/jpeg", b"<html>not an image</html>"),
        "/empty.jpg": ("image/jpeg", b""),
        "/half.jpg": ("image/jpeg", jpeg("navy", (300, 300))[:900]),
    },
)  # fmt: skip
DUPLICATES = Shop(
    images=["/same1.jpg", "/same2.jpg"],
    files={"/same1.jpg": noise(1), "/same2.jpg": ("text/plain", noise(1)[1])},
)
ROBOTS = Shop(
    images=["/allowed.jpg", "/secret.jpg"],
    links=["/private/1.html", "/2.html"],
    files={
        "/robots.txt": (
            "text/plain",
            b"User-agent: *\nDisallow: /private\nDisallow: /secret.jpg\nCrawl-delay: 0.2\n",
        ),
        "/2.html": (HTML, b"<p>two</p>"),
        "/private/1.html": (HTML, b'<img src="/allowed2.jpg">'),
        "/allowed.jpg": image("brown"),
        "/secret.jpg": image("gold"),
    },
)
UNREADABLE_ROBOTS = Shop(files={"/robots.txt": respond(503)})
RENDERED_BY_SCRIPTS = {
    "/": (HTML, b'<div id="root"></div><script src="/app.js"></script><noscript>On!</noscript>')
}
MOVED = {"/": respond(301, Location=f"{CDN}/")}
