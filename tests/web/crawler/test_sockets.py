"""Which sockets a crawl uses, the browser included, as the kernel sees them (strace)."""

import re
import shutil
import socket
import subprocess
import sys

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.samples.serving import serve
from similarity_lab.web.crawler.chromium import missing_browser

from ..shops import HTML, image

COLLECT = """
import sys
from similarity_lab.web import Limits, collect
url, endpoint, folder = sys.argv[1:]
options = {"limits": Limits(seconds=60, request_seconds=5), "allow": [endpoint]}
collection = collect([url], folder, throttle=False, progress=False, **options)
print(*collection.table["n_images"])
"""
# Every way out of a page that Chromium knows; what it asks for by itself, and what scripts do
PAGE = """
<link rel="dns-prefetch" href="//secret.CANARY_NAME.example"><link rel="preconnect" href="//CANARY">
<link rel="prefetch" href="//CANARY/prefetch"><link rel="prerender" href="//CANARY/prerender">
<link rel="manifest" href="//CANARY/manifest"><link rel="icon" href="//CANARY/icon.ico">
<script type="speculationrules">{"prefetch": [{"urls": ["http://CANARY/rule"]}]}</script>
<div id="root"></div><script>
const attempt = f => { try { f() } catch (error) {} }, away = "http://CANARY/";
document.getElementById("root").innerHTML = `<img src="/a.jpg"><video src="${away}v"></video>
  <object data="${away}o"></object><a ping="${away}ping" href="${away}">Nuts</a>
  <form action="${away}form" method="post" target="_blank"></form>`;
const inside = `fetch("${away}inside", {mode: "no-cors"}); new WebSocket("ws://CANARY/inside")`;
const source = new Blob([inside]);
const page = new Blob([`<script>${inside}<\\/script>`], {type: "text/html"});
for (const url of [away, "http://169.254.169.254/latest/meta-data/", "http://[::1]:PORT/"])
  fetch(url, {method: "POST", body: "x", mode: "no-cors", keepalive: true}).catch(() => 0);
attempt(() => navigator.sendBeacon(away, "x"));
attempt(() => new WebSocket("ws://CANARY/"));
attempt(() => new WebTransport("https://CANARY/"));
attempt(() => new EventSource(away));
attempt(() => new Worker(URL.createObjectURL(source)));
attempt(() => new SharedWorker(URL.createObjectURL(source)));
attempt(() => document.forms[0].submit());
for (const url of ["stun:127.0.0.1:UDP", "turn:127.0.0.1:UDP", "turn:CANARY?transport=tcp"])
  attempt(() => {
    const peer = new RTCPeerConnection({iceServers: [{urls: url, username: "a", credential: "b"}]});
    peer.createDataChannel("x");
    peer.createOffer().then(offer => peer.setLocalDescription(offer));
  });
for (const url of [away, "data:text/html," + inside, URL.createObjectURL(page)]) {
  const frame = document.createElement("iframe");
  frame.src = url;
  document.body.append(frame);
}
attempt(() => window.open(away));
location.href = away;
</script>"""
_SOCKET = re.compile(r"(?P<call>\w+)\(\d+<(?P<kind>TCP|UDP)(?:v6)?:\[(?P<ends>.*?)\]>(?P<rest>.*)")


def can_trace():
    strace = shutil.which("strace")
    return bool(strace) and subprocess.run([strace, "-qq", "true"], check=False).returncode == 0


@pytest.mark.skipif(not can_trace(), reason="needs strace, and permission to use it")
@pytest.mark.skipif(bool(missing_browser()), reason=missing_browser())
def test_nothing_is_sent_to_others_than_the_site(tmp_path):
    """UDP sockets of Chromium are connected to find the route to the internet; none sends."""
    with serve({}) as canary, serve({}) as server, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        port = canary.endpoint.rpartition(":")[2]
        html = PAGE.replace("CANARY_NAME", "shop").replace("CANARY", canary.endpoint)
        html = html.replace("PORT", port).replace("UDP", str(udp.getsockname()[1]))
        server.files = {"/": (HTML, html.encode()), "/a.jpg": image("brown")}
        log = tmp_path / "strace.log"
        command = [
            "strace", "-f", "-qq", "-yy", "--seccomp-bpf", "-s", "0", "-o", log,
            "-e", "trace=connect,sendto,sendmsg,sendmmsg,write,writev",
            sys.executable, "-c", COLLECT, server.url, server.endpoint, tmp_path / "out",
        ]  # fmt: skip
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert output.split() == ["1"]
        with pytest.raises(BlockingIOError):
            udp.recv(1)
    assert canary.requests == []
    calls = [match for line in log.open(errors="replace") if (match := _SOCKET.search(line))]
    sent = {call["ends"].rpartition("->")[2] for call in calls if call["call"] != "connect"}
    assert sent == {server.endpoint}
    connects = [
        call["rest"] for call in calls if (call["call"], call["kind"]) == ("connect", "TCP")
    ]
    name, number = server.endpoint.split(":")
    assert connects
    assert all(f"htons({number})" in rest and f'"{name}"' in rest for rest in connects)
