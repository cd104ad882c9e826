"""Serve fictional shops on the loopback interface, for the demo and the tests."""

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from similarity_lab.samples.shops import CDN, HERE, Shop

Response = tuple[str, bytes] | Callable[[BaseHTTPRequestHandler], None]
"""Content type and body, or a function that writes the response to the request handler."""

_TEXT = ("text/", "application/json", "application/xml")


class ShopServer(ThreadingHTTPServer):
    """Serves one shop on a port of 127.0.0.1 and records the requests.

    Parameters
    ----------
    files : mapping of path to response
        ``(content type, body)``, or a function that gets the request handler.
    cdn : str
        Replaces `CDN` in texts; default: the url of the server itself.
    port : int
        0 for a free one.

    Attributes
    ----------
    requests : list of str
        The paths of all requests, in order.
    headers : list of dict
        Their headers.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, files: Mapping[str, Response], *, cdn: str = "", port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.files = dict(files)
        self.cdn = cdn or self.url
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []

    @property
    def endpoint(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """The url of the shop's first page, without the last slash."""
        return f"http://{self.endpoint}"

    def resolve(self, kind: str, body: bytes) -> bytes:
        """Return a body in which `HERE` and `CDN` are replaced by urls."""
        if kind == "application/gzip":
            return gzip.compress(self.resolve("text/xml", gzip.decompress(body)))
        if not kind.startswith(_TEXT):
            return body
        return body.replace(HERE.encode(), self.url.encode()).replace(
            CDN.encode(), self.cdn.encode()
        )


class _Handler(BaseHTTPRequestHandler):
    server: ShopServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Record the request and respond."""
        self.server.requests.append(self.path)
        self.server.headers.append(dict(self.headers))
        response = self.server.files.get(self.path)
        try:
            if callable(response):
                response(self)
            elif response is None:
                self._send(404, "text/html", b"<h1>Not found</h1>")
            else:
                self._send(200, response[0], self.server.resolve(*response))
        except OSError:  # the client has closed the connection
            self.close_connection = True

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing; `requests` records all requests."""


@contextmanager
def serve(
    shop: Shop | Mapping[str, Response], *, cdn: str = "", port: int = 0
) -> Iterator[ShopServer]:
    """Serve a shop while the context lasts, on `port` or, if that is taken, on a free one.

    Examples
    --------
    >>> from urllib.request import urlopen
    >>> with serve({"/": ("text/html", b"almonds")}) as server:
    ...     urlopen(server.url).read()
    b'almonds'
    """
    files = shop.files if isinstance(shop, Shop) else shop
    try:
        server = ShopServer(files, cdn=cdn, port=port)
    except OSError:  # the port is taken
        server = ShopServer(files, cdn=cdn)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
