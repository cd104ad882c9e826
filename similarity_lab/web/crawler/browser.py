"""Render pages in a browser that can reach the network only through the crawler.

Chromium is started so that no host name resolves and every proxy is dead. What a page requests is
routed to Scrapy's downloader, so SSRF protection, robots.txt, delays and limits apply to scripts as
they do to pages. Images are not loaded: only their URLs are needed.
"""

import asyncio
import os
import shutil
from itertools import count
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler

from similarity_lab.errors import BrowserError, one_line

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_RESOURCE_TYPES = frozenset({"script", "xhr", "fetch", "stylesheet"})
_MAX_REQUESTS = 200  # per page
_ISOLATION = [
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=socks5://0.0.0.0:9",
    "--proxy-bypass-list=<-loopback>",
    # No WebRTC past the (dead) proxy; old and new name of one switch
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-background-networking",
]
_PIXEL = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\0\0\0!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


class Browser:
    """A Chromium that is started by the first page that needs it."""

    def __init__(self, crawler: Crawler, seconds: float, max_characters: int) -> None:
        self.crawler, self.seconds, self.max_characters = crawler, seconds, max_characters
        self._lock = asyncio.Lock()
        self._driver: Any = None
        self._browser: Any = None
        self._failure = ""

    async def render(self, url: str, body: bytes) -> str:
        """Return a page's HTML after its scripts ran; `body` is what the server sent."""
        async with self._lock:
            if self._browser is None:
                await self._start()
            try:
                return await asyncio.wait_for(self._render(url, body), 4 * self.seconds)
            except TimeoutError:
                raise BrowserError("Rendering took too long") from None
            except Exception as error:  # hostile pages can make a browser fail in any way
                raise BrowserError(f"Rendering failed: {one_line(error)}") from error

    async def stop(self) -> None:
        """Stop the browser if it was started."""
        if self._browser is not None:
            await self._browser.close()
        if self._driver is not None:
            await self._driver.stop()

    async def _start(self) -> None:
        if self._failure:
            raise BrowserError(self._failure)
        try:
            from playwright.async_api import async_playwright

            self._driver = await async_playwright().start()
            packaged = self._driver.chromium.executable_path
            path = (
                packaged
                if os.path.exists(packaged)
                else next(filter(None, map(shutil.which, _BROWSERS)))
            )
            # Chromium refuses to sandbox as root, the usual user in containers
            sandbox = hasattr(os, "geteuid") and os.geteuid() != 0
            self._browser = await self._driver.chromium.launch(
                executable_path=path, args=_ISOLATION, chromium_sandbox=sandbox
            )
        except StopIteration:
            self._failure = "No browser found; run: playwright install chromium"
        except Exception as error:  # of any class
            self._failure = f"The browser could not be started: {one_line(error)}"
        if self._failure:
            raise BrowserError(self._failure)

    async def _render(self, url: str, body: bytes) -> str:
        # High enough that lazily loaded images are in view
        context = await self._browser.new_context(
            user_agent=self.crawler.settings["USER_AGENT"],
            viewport={"width": 1280, "height": 8000},
            service_workers="block",
            accept_downloads=False,
        )
        try:
            numbers = count(1)

            async def answer(route: Any) -> None:  # noqa: ANN401
                await self._answer(route, url, body, next(numbers))

            await context.route("**/*", answer)
            await context.route_web_socket("**/*", lambda socket: socket.close())
            page = await context.new_page()
            milliseconds = 1000 * self.seconds
            await page.goto(url, wait_until="domcontentloaded", timeout=milliseconds)
            try:
                await page.wait_for_load_state("networkidle", timeout=milliseconds)
            except Exception as error:  # never idle: take what is there
                if "Timeout" not in type(error).__name__:
                    raise
            html: str = await page.content()
        finally:
            await context.close()
        if len(html) > self.max_characters:
            raise BrowserError(f"Rendered page too large ({len(html):,} characters)")
        return html

    async def _answer(self, route: Any, url: str, body: bytes, number: int) -> None:  # noqa: ANN401
        """Answer a request of the page; nothing reaches the browser's own network stack."""
        request = route.request
        if request.url == url and request.is_navigation_request():
            await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=body)
        elif request.resource_type == "image":
            await route.fulfill(status=200, content_type="image/gif", body=_PIXEL)
        elif (
            request.method != "GET"
            or request.resource_type not in _RESOURCE_TYPES
            or number > _MAX_REQUESTS
        ):
            await route.abort()
        else:
            meta = {"kind": "rendering", "handle_httpstatus_all": True}
            download = Request(request.url, meta=meta, headers={"Accept": "*/*"}, dont_filter=True)
            try:
                response = await self.crawler.engine.download_async(download)
            except Exception:  # refused, forbidden, unreachable: all the same to the page
                await route.abort()
                return
            content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
            # Cross-origin reads are harmless here: there are no cookies and no user data
            headers = {"Content-Type": content_type, "Access-Control-Allow-Origin": "*"}
            await route.fulfill(status=response.status, headers=headers, body=response.body)
