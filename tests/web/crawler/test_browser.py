"""Pages that scripts draw, in a real browser that reaches the network only by the crawler."""

import json
import socket

import pandas as pd
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.errors import MissingExtraError
from similarity_lab.samples.serving import serve
from similarity_lab.web import Limits, collect
from similarity_lab.web.crawler import chromium
from similarity_lab.web.crawler.chromium import missing_browser

from ..shops import HTML, image, noise

needs_browser = pytest.mark.skipif(bool(missing_browser()), reason=missing_browser())
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
window.open("http://CANARY/popup");
document.cookie = "a=b";
localStorage.setItem("a", "b");
"""


def test_missing_browser_is_an_error_before_a_request_if_all_pages_are_to_be_drawn(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("similarity_lab.web.collection.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "similarity_lab\[browser\]"'):
        collect(["shop.example"], tmp_path, render="always")


@pytest.mark.parametrize(
    ("has_package", "has_browser", "missing"),
    [
        (True, True, ""),
        (False, True, chromium.MISSING_PACKAGE),
        (True, False, chromium.MISSING_BROWSER),
        (False, False, f"{chromium.MISSING_PACKAGE}, then {chromium.MISSING_BROWSER}"),
    ],
)
def test_missing_browser_is_named(monkeypatch, tmp_path, has_package, has_browser, missing):
    monkeypatch.setattr(chromium, "find_spec", lambda name: has_package or None)
    monkeypatch.setattr(chromium.shutil, "which", lambda name: f"/{name}" if has_browser else None)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert missing_browser() == missing


def draw(files, folder, *, servers=(), **options):
    """Collect a site whose pages scripts draw; return its row, its images and its pages."""
    with serve(files) as server:
        limits = options.pop("limits", Limits(seconds=90, request_seconds=10))
        collection = collect(
            [server.url], folder, throttle=False, progress=False, limits=limits,
            allow=[server.endpoint], **options,
        )  # fmt: skip
        row, images = collection.table.loc[0], collection.images
        pages = pd.read_parquet(f"{row['folder']}/pages.parquet")
        for table in (images, pages):
            table["url"] = table["url"].str.removeprefix(server.url)
        pages.attrs["requests"] = server.requests
        return row, images.set_index("url"), pages.set_index("url")


def shell(script, body='<div id="root"></div>'):
    """Return a page whose content a script draws."""
    return HTML, f"<body>{body}<script>{script}</script></body>".encode()


def photos(n):
    """Return the files of some photos, whose names the scripts put together."""
    return {f"/photo-{number}.jpg": noise(number) for number in range(n)}


def kept(images):
    return set(images.index[images["crawl_status"] == "kept"])


@needs_browser
def test_drawn_images_are_found_and_nothing_else_is_contacted(tmp_path):
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
            [server.url], tmp_path, throttle=False, progress=False,
            allow=[server.endpoint], limits=Limits(seconds=60, request_seconds=8),
        )  # fmt: skip
        row = collection.table.loc[0]
        assert (row["crawl_status"], row["n_images"], row["n_pages"]) == ("collected", 2, 2)
        assert row["reason"] == ""
        alts = collection.images.query("crawl_status == 'kept'")["alt"]
        assert set(alts) == {"rendered"}
        assert canary.requests == []
        with pytest.raises(BlockingIOError):
            udp.recv(1)
        assert sorted(server.requests) == sorted({*server.files, "/robots.txt", "/sitemap.xml"})
        assert not any("Cookie" in headers for headers in server.headers)


SHOW = """
const show = numbers => document.getElementById("root").innerHTML =
  numbers.map(n => `<img src="/photo-${n}.jpg">`).join("");
"""
WAYS = {
    "after a while": f"{SHOW} setTimeout(() => show([0, 1, 2]), 1200)",
    "when scrolled to": """
        document.body.style.height = "30000px";
        const seen = new IntersectionObserver(entries => entries.forEach(entry => {
          if (entry.isIntersecting) entry.target.src = entry.target.dataset.name + ".jpg" }));
        for (let n = 0; n < 3; n++) {
          const image = document.createElement("img");
          image.style.cssText = `position: absolute; top: ${9000 * (n + 1)}px; height: 9px`;
          image.dataset.name = "/photo-" + n;
          document.body.append(image);
          seen.observe(image);
        }""",
    "when scrolled to in a box": f"""{SHOW} let n = 0;
        const box = document.createElement("main");
        box.style.cssText = "height: 500px; overflow-y: auto";
        document.body.append(box);
        const more = () => n < 3 && box.insertAdjacentHTML("beforeend",
          `<img src="/photo-${{n++}}.jpg" style="display: block; height: 700px">`);
        box.onscroll = more;
        more();""",
    "as backgrounds of rules": """
        const style = document.createElement("style");
        for (let n = 0; n < 3; n++) style.textContent += `.p${n} {
          background: url(/photo-${n}.jpg) }`;
        document.head.append(style);
        document.getElementById("root").innerHTML = "<i class=p0></i><i class=p1></i><b class=p2>"
        """,
    "on a click": f"""{SHOW} show([0]);
        document.body.insertAdjacentHTML("afterbegin",
          "<nav><a href=# id=n>Nuts</a><span onclick='show([2])'>Dates</span></nav>");
        document.getElementById("n").onclick = () => show([1]);""",
    "piece by piece": f"""{SHOW} let n = 1; show([0]);
        document.body.insertAdjacentHTML("beforeend", "<button>Load more</button>");
        document.querySelector("button").onclick = () => show([0, n++]);""",
    "piece by piece, by its class": f"""{SHOW} let n = 1; show([0]);
        document.body.insertAdjacentHTML("beforeend", "<button class=load-more>+</button>");
        document.querySelector("button").onclick = () => show([0, n++]);""",
    "piece by piece, in another language": f"""{SHOW} let n = 1; show([0]);
        document.body.insertAdjacentHTML("beforeend", "<button>Показати ще</button>");
        document.querySelector("button").onclick = () => show([0, n++]);""",
    "on one of several buttons": f"""{SHOW} show([0]);
        document.body.insertAdjacentHTML("afterbegin",
          "<div><button>Nuts</button><button>Dates</button></div>");
        document.querySelectorAll("button").forEach((b, n) => b.onclick = () => show([n + 1]));""",
    "in components": """
        customElements.define("shop-photo", class extends HTMLElement { connectedCallback() {
          this.attachShadow({mode: "open"}).innerHTML =
            `<img src="/photo-${this.getAttribute("n")}.jpg">` } });
        customElements.define("shop-list", class extends HTMLElement { connectedCallback() {
          const root = this.attachShadow({mode: "open"});
          root.innerHTML = "<shop-photo n=0></shop-photo>"
            + "<button onclick='this.next()'>Dates</button>"
            + "<style>i { background: url(/photo-2.jpg) }</style><i></i>";
          root.querySelector("button").next = () => root.innerHTML = "<shop-photo n=1>"; } });
        document.getElementById("root").innerHTML = "<shop-list></shop-list>";""",
    "in routes": f"""{SHOW}
        document.body.insertAdjacentHTML("afterbegin",
          "<a href=#/nuts>Nuts</a> <a href=#dates>Dates</a>");
        onhashchange = () => show([{{"#/nuts": 1, "#dates": 2}}[location.hash] || 0]);
        onhashchange();""",
}


@needs_browser
@pytest.mark.parametrize("way", WAYS)
def test_image_is_found_that_a_script_shows(tmp_path, way):
    row, images, pages = draw({"/": shell(WAYS[way]), **photos(4)}, tmp_path)
    assert kept(images) >= {f"/photo-{n}.jpg" for n in range(3)}, pages["reason"]
    assert pages["drawn"].any() and row["reason"] == ""


@needs_browser
def test_link_that_only_scripts_follow_is_drawn(tmp_path):
    """A router of the page knows what the server does not: it answers 404."""
    script = f"""{SHOW}
        document.body.insertAdjacentHTML("afterbegin", "<a href=/nuts>N</a><a href=/none>-</a>");
        show([{{"/nuts": 1, "/": 0}}[location.pathname] ?? 0])"""
    _, images, pages = draw({"/": shell(script), **photos(2)}, tmp_path)
    assert kept(images) == {"/photo-0.jpg", "/photo-1.jpg"}
    assert pages.loc["/nuts", "crawl_status"] == "read"
    assert pages.loc["/none", "reason"] == "HTTP status 404"


@needs_browser
@pytest.mark.parametrize("target", ["/nuts.html", "/missing.html", "http://elsewhere.example/"])
def test_page_that_navigates_away_stays_a_document_of_the_site(tmp_path, target):
    """The browser's own error page has images, too."""
    script = f'{SHOW} show([0]); if (!window.user) location.href = "{target}"'
    files = {"/": shell(script), "/nuts.html": (HTML, b'<img src="/photo-1.jpg">'), **photos(2)}
    _, images, _ = draw(files, tmp_path, render="always")
    found = {"/photo-0.jpg", "/photo-1.jpg"} if target == "/nuts.html" else {"/photo-0.jpg"}
    assert set(images.index) == found == kept(images)


@needs_browser
def test_page_whose_scripts_never_end_is_given_up(tmp_path):
    files = {
        "/": shell("", '<a href="/loop.html">1</a><a href="/fine.html">2</a>'),
        "/loop.html": shell(f"{SHOW} show([]); for (;;) ;"),
        "/fine.html": shell(f"{SHOW} show([0])"),
        **photos(1),
    }
    limits = Limits(seconds=90, request_seconds=2)
    row, images, pages = draw(files, tmp_path, limits=limits)
    assert kept(images) == {"/photo-0.jpg"}
    assert (
        "1 of 3 pages" in row["reason"] and "Drawing the page" in pages.loc["/loop.html", "reason"]
    )


def test_site_says_what_is_missing_without_a_browser(tmp_path, monkeypatch):
    """Names that no script contains cannot be read from it."""
    files = {"/": shell(f'{SHOW} show([0]); import("/app.js")'), **photos(1)}
    never, *_ = draw(files, tmp_path / "never", render="never")
    assert never["crawl_status"] == "empty" and 'render="auto"' in never["reason"]
    assert "1 of 1 page:" in never["reason"]
    monkeypatch.setenv("PATH", str(tmp_path))  # which the crawler inherits
    monkeypatch.setenv("HOME", str(tmp_path))
    auto, *_ = draw(files, tmp_path / "auto")
    assert auto["crawl_status"] == "empty" and chromium.MISSING_BROWSER in auto["reason"]


def test_browser_is_not_started_for_pages_that_need_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    body = '<p>Almonds, hazelnuts and walnuts of our own trees.</p><img src="/photo-0.jpg">'
    files = {"/": shell("window.count = 1", body), **photos(1)}
    row, images, _ = draw(files, tmp_path / "out")
    assert kept(images) == {"/photo-0.jpg"} and row["reason"] == ""


@needs_browser
def test_page_is_drawn_as_if_it_were_the_first(tmp_path):
    script = """
    const photo = window.before || performance.getEntriesByType("navigation").length !== 1
      ? "wrong" : "photo-" + location.pathname.slice(1, 2);
    window.before = true;
    setInterval(() => fetch("/alive" + location.pathname).catch(() => 0), 500);
    document.getElementById("root").innerHTML = "<img src='/" + photo + ".jpg'>"
      + "<a href='/1.html'>1</a><a href='/2.html'>2</a>";
    """
    pages = {f"/{number}.html": shell(script) for number in (1, 2)}
    start = shell(script.replace("location.pathname.slice(1, 2)", "0"))
    _, images, drawn = draw({"/": start, **pages, **photos(3)}, tmp_path)
    assert kept(images) == {"/photo-0.jpg", "/photo-1.jpg", "/photo-2.jpg"}
    assert drawn.loc[["/", "/1.html", "/2.html"], "drawn"].all()


@needs_browser
def test_component_has_links_and_products(tmp_path):
    script = """
        customElements.define("shop-card", class extends HTMLElement { connectedCallback() {
          this.attachShadow({mode: "open"}).innerHTML = "<div class=product><a href=/nuts.html>"
            + "<img src=/photo-0.jpg></a><h3>Almonds</h3><b>€ 4.50</b></div>" } });"""
    body = "<shop-card></shop-card>"
    files = {
        "/": shell(script, body),
        "/nuts.html": (HTML, b'<img src="/photo-1.jpg">'),
        **photos(2),
    }
    _, images, _ = draw(files, tmp_path)
    assert kept(images) == {"/photo-0.jpg", "/photo-1.jpg"}
    assert images.loc["/photo-0.jpg", ["product", "price"]].to_list() == ["Almonds", 4.5]
