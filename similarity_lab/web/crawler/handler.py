"""Scrapy's download handler, more patient: what came of a page is used if the rest does not come.

Servers declare more bytes than they send and keep the connection open. Browsers show what came.
"""

import asyncio
import time
from typing import TYPE_CHECKING

from scrapy import Request, Spider, signals
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadTimeoutError
from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes

if TYPE_CHECKING:
    from asyncio import Future

_STALL = 4.0  # seconds without a byte of a body that has begun


class _Arrival:
    """What has arrived of a response."""

    def __init__(self, headers: Headers) -> None:
        self.headers, self.body = headers, bytearray()
        self.time = time.monotonic()


class PatientDownloadHandler(HTTP11DownloadHandler):
    """Returns the part of a page that came, flagged "dataloss", if the server stalls."""

    lazy = True  # most sites need one of http and https

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._arrivals: dict[Request, _Arrival] = {}
        crawler.signals.connect(self._on_headers, signals.headers_received)
        crawler.signals.connect(self._on_bytes, signals.bytes_received)

    async def download_request(self, request: Request) -> Response:
        """Return the response to a request."""
        if request.meta.get("kind") not in ("page", "sitemap"):
            return await super().download_request(request)
        download = asyncio.ensure_future(super().download_request(request))
        try:
            while not (await asyncio.wait({download}, timeout=_STALL))[0]:
                if self._has_stalled(request):
                    return self._part(request, download)
            return await download
        except DownloadTimeoutError:
            if request not in self._arrivals or not self._arrivals[request].body:
                raise
            return self._part(request, download)
        finally:
            download.cancel()
            self._arrivals.pop(request, None)

    def _has_stalled(self, request: Request) -> bool:
        arrival = self._arrivals.get(request)
        return bool(arrival and arrival.body and time.monotonic() - arrival.time > _STALL)

    def _part(self, request: Request, download: "Future[Response]") -> Response:
        arrival = self._arrivals[request]
        body = bytes(arrival.body)
        kind = responsetypes.from_args(headers=arrival.headers, url=request.url, body=body)
        headers = arrival.headers
        return kind(request.url, status=200, headers=headers, body=body, flags=["dataloss"])

    def _on_headers(
        self, headers: Headers, body_length: int, request: Request, spider: Spider
    ) -> None:
        if request.meta.get("kind") in ("page", "sitemap"):
            self._arrivals[request] = _Arrival(headers)

    def _on_bytes(self, data: bytes, request: Request, spider: Spider) -> None:
        if arrival := self._arrivals.get(request):
            arrival.body += data
            arrival.time = time.monotonic()
