"""Pages rendered by scripts, in a real browser that reaches the network only by the crawler."""

import json
import shutil
import socket

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.errors import MissingExtraError
from similarity_lab.samples.serving import serve
from similarity_lab.web import Limits, collect

from ..shops import HTML, image

SCRIPT = """
fetch("/api.json").then(r => r.json()).then(images => {
  document.getElementById("root").innerHTML =
    images.map(i => `<img src="${i}" alt="rendered">`).join("") + '<a href="/next.html">n</a>';
});
for (const where of ["http://CANARY/fetch", "http://localhost:PORT/name", "http://[::1]:PORT/6"])
  fetch(where, {mode: "no-cors"}).catch(() => 0);
new Image().src = "http://CANARY/image.gif";
navigator.sendBeacon("http://CANARY/beacon", "x");
try { new WebSocket("ws://CANARY/socket") } catch (e) {}
try {
  const peer = new RTCPeerConnection({iceServers: [{urls: "stun:127.0.0.1:UDP"}]});
  peer.createDataChannel("x");
  peer.createOffer().then(o => peer.setLocalDescription(o));
} catch (e) {}
const frame = document.createElement("iframe");
frame.src = "http://CANARY/frame";
document.body.appendChild(frame);
document.cookie = "a=b";
localStorage.setItem("a", "b");
"""


def test_missing_browser_is_an_error_before_a_request(tmp_path, monkeypatch):
    monkeypatch.setattr("similarity_lab.web.collection.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "similarity_lab\[browser\]"'):
        collect(["shop.example"], tmp_path, render="auto")


def test_rendered_images_are_found_and_nothing_else_is_contacted(tmp_path):
    pytest.importorskip(
        "playwright", reason='needs the extra: pip install "similarity_lab[browser]"'
    )
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("needs a chromium")
    with serve({}) as canary, serve({}) as server, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        script = SCRIPT.replace("CANARY", canary.endpoint).replace("UDP", str(udp.getsockname()[1]))
        script = script.replace("PORT", canary.endpoint.rpartition(":")[2])
        server.files = {
            "/": (HTML, b'<div id="root"></div><script src="/app.js"></script>'),
            "/app.js": ("text/javascript", script.encode()),
            "/api.json": ("application/json", json.dumps(["/a.jpg", "/b.jpg"]).encode()),
            "/next.html": (HTML, b"<p>The end.</p>"),
            "/a.jpg": image("brown"),
            "/b.jpg": image("green"),
        }
        collection = collect(
            [server.url], tmp_path, render="auto", throttle=False, progress=False,
            allow=[server.endpoint], limits=Limits(seconds=60, request_seconds=8),
        )  # fmt: skip
        row = collection.table.loc[0]
        assert (row["crawl_status"], row["n_images"], row["n_pages"]) == ("collected", 2, 2)
        assert set(collection.images["alt"]) == {"rendered"}
        assert canary.requests == []
        with pytest.raises(BlockingIOError):
            udp.recv(1)
        assert sorted(server.requests) == sorted({*server.files, "/robots.txt", "/sitemap.xml"})
        assert not any("Cookie" in headers for headers in server.headers)
