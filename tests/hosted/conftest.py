"""A local service that compares mean colours and misbehaves on request."""

import io
import json
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

pytest.importorskip("httpx", reason='needs the extra: pip install "similarity_lab[hosted]"')

from PIL import Image

from similarity_lab.hosted import HostedComparator, Service

KEY = "k3y-not-to-be-seen"


class Server(ThreadingHTTPServer):
    """Follows `script`, one step per request, then behaves.

    A step is a status, ``(status, headers, body)``, or a function handed the request handler.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.headers, self.images = [], [], []

    def handle_error(self, *_):
        """Say nothing: a client that gives up is what some tests are about."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/api/image-similarity"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.headers.append(dict(self.headers))
        step = self.server.script.pop(0) if self.server.script else None
        if callable(step):
            step(self)
        elif step is not None:
            self.answer(*((step, {}, b"") if isinstance(step, int) else step))
        elif self.headers["api-key"] != KEY:
            body = f'{{"err": "no such key: {self.headers["api-key"]}"}}'
            self.answer(401, {}, body.encode())
        else:
            pair = [image for _, image in uploads(self.headers, body)]
            self.server.images.append(pair)
            answer = {"output": {"distance": colour_distance(*pair)}}
            self.answer(200, {}, json.dumps(answer).encode())

    do_GET = do_POST

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def uploads(headers, body):
    """Parse a multipart form with the standard library's mail parser."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    for part in BytesParser().parsebytes(head + body).get_payload():
        assert part.get_content_type() == "image/jpeg"
        name = part.get_param("name", header="content-disposition")
        yield name, part.get_payload(decode=True)


def colour_distance(*images):
    a, b = (np.asarray(Image.open(io.BytesIO(data))).mean((0, 1)) for data in images)
    return float(np.abs(a - b).mean())


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("TEST_SERVICE_KEY", KEY)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def service(server):
    return Service(
        name="mean colours",
        url=server.url,
        key_variable="TEST_SERVICE_KEY",
        key_header="api-key",
        fields=("image1", "image2"),
        answer=("output", "distance"),
    )


@pytest.fixture
def hosted(service):
    """Return a function that makes a comparator; arguments override the defaults."""

    def make(**settings):
        defaults = {"max_requests": 100, "progress": False, "backoff": 0.01, "timeout": 5}
        return HostedComparator(**{"service": service} | defaults | settings)

    return make


@pytest.fixture
def photos(make_image):
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    return [np.asarray(make_image(colour, seed)) for seed, colour in enumerate(colours)]
