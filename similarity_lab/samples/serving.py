"""Serve invented shops on this machine, for the demo and the tests."""

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .shops import CDN, HERE, Shop

Answer = tuple[str, bytes] | Callable[[BaseHTTPRequestHandler], None]
_FILLED = ("text/", "application/json", "application/xml")


class ShopServer(ThreadingHTTPServer):
    """Serves one shop on a free port of 127.0.0.1, in a thread, and counts what it is asked.

    Parameters
    ----------
    files : mapping of path to answer
        ``(content type, body)``, or a function that is handed the request handler.
    cdn : str
        Where the addresses that begin with `CDN` lead; the server itself by default.
    port : int
        0 for a free one.

    Attributes
    ----------
    asked : list of str
        The paths of all requests, in order.
    headers : list of dict
        Their headers.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, files: Mapping[str, Answer], *, cdn: str = "", port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.files = dict(files)
        self.cdn = cdn or self.url
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    @property
    def endpoint(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """The address of the shop's first page, without the last slash."""
        return f"http://{self.endpoint}"

    def filled(self, kind: str, body: bytes) -> bytes:
        """Put the addresses in that are only known now."""
        if kind == "application/gzip":
            return gzip.compress(self.filled("text/xml", gzip.decompress(body)))
        if not kind.startswith(_FILLED):
            return body
        return body.replace(HERE.encode(), self.url.encode()).replace(
            CDN.encode(), self.cdn.encode()
        )


class _Handler(BaseHTTPRequestHandler):
    server: ShopServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer, and remember that we were asked."""
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        answer = self.server.files.get(self.path)
        try:
            if callable(answer):
                answer(self)
            elif answer is None:
                self._send(404, "text/html", b"<h1>Not here</h1>")
            else:
                self._send(200, answer[0], self.server.filled(*answer))
        except OSError:  # who asked has gone
            self.close_connection = True

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `asked` remembers."""


@contextmanager
def serve(
    shop: Shop | Mapping[str, Answer], *, cdn: str = "", port: int = 0
) -> Iterator[ShopServer]:
    """Serve a shop for as long as the context lasts, on this port or, if it is taken, another.

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
    except OSError:  # somebody else has the port that was wished for
        server = ShopServer(files, cdn=cdn)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
