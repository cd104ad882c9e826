"""Draw pages in a browser that has no way to the network but through the crawler.

Chromium is started so that no name resolves and every proxy is dead; whatever a page asks for is
routed to Scrapy's downloader, so that the guard, robots.txt, delays and limits hold for scripts as
they do for pages. Images are not loaded: their addresses are all that is wanted.
"""

import asyncio
import os
import shutil
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler

from similarity_lab.errors import BrowserError, one_line

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_LOADED = frozenset({"script", "xhr", "fetch", "stylesheet"})
_MAX_REQUESTS = 200  # of one page
_ALONE = [
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=socks5://0.0.0.0:9",
    "--proxy-bypass-list=<-loopback>",
    # Two names of one switch, older and newer: no WebRTC past the (dead) proxy
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-background-networking",
]
_PIXEL = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\0\0\0!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


class Browser:
    """A Chromium, started when the first page needs it."""

    def __init__(self, crawler: Crawler, seconds: float, max_characters: int) -> None:
        self.crawler, self.seconds, self.max_characters = crawler, seconds, max_characters
        self._one_at_a_time = asyncio.Lock()
        self._driver: Any = None
        self._browser: Any = None
        self._trouble = ""

    async def draw(self, url: str, body: bytes) -> str:
        """Return a page's HTML after its scripts have run; `body` is what the server sent."""
        async with self._one_at_a_time:
            if self._browser is None:
                await self._start()
            try:
                return await asyncio.wait_for(self._draw(url, body), 4 * self.seconds)
            except TimeoutError:
                raise BrowserError("drawing it takes too long") from None
            except Exception as error:  # a browser fed hostile pages may fail in any way
                raise BrowserError(f"cannot be drawn: {one_line(error)}") from error

    async def stop(self) -> None:
        """End the browser, if it was started."""
        if self._browser is not None:
            await self._browser.close()
        if self._driver is not None:
            await self._driver.stop()

    async def _start(self) -> None:
        if self._trouble:  # once is enough
            raise BrowserError(self._trouble)
        try:
            from playwright.async_api import async_playwright

            self._driver = await async_playwright().start()
            own = self._driver.chromium.executable_path
            path = own if os.path.exists(own) else next(filter(None, map(shutil.which, _BROWSERS)))
            # Chromium refuses its sandbox to root, who runs most containers
            sandbox = hasattr(os, "geteuid") and os.geteuid() != 0
            self._browser = await self._driver.chromium.launch(
                executable_path=path, args=_ALONE, chromium_sandbox=sandbox
            )
        except StopIteration:
            self._trouble = "there is no browser; run: playwright install chromium"
        except Exception as error:  # the driver's errors are its own
            self._trouble = f"the browser does not start: {one_line(error)}"
        if self._trouble:
            raise BrowserError(self._trouble)

    async def _draw(self, url: str, body: bytes) -> str:
        # So high that what is loaded on sight is in sight
        context = await self._browser.new_context(
            user_agent=self.crawler.settings["USER_AGENT"],
            viewport={"width": 1280, "height": 8000},
            service_workers="block",
            accept_downloads=False,
        )
        try:
            requests = [0]

            async def answer(route: Any) -> None:  # noqa: ANN401
                requests[0] += 1
                await self._answer(route, url, body, requests[0])

            await context.route("**/*", answer)
            await context.route_web_socket("**/*", lambda socket: socket.close())
            page = await context.new_page()
            milliseconds = 1000 * self.seconds
            await page.goto(url, wait_until="domcontentloaded", timeout=milliseconds)
            try:
                await page.wait_for_load_state("networkidle", timeout=milliseconds)
            except Exception as error:  # busy for ever: take what is there
                if "Timeout" not in type(error).__name__:
                    raise
            html: str = await page.content()
        finally:
            await context.close()
        if len(html) > self.max_characters:
            raise BrowserError(f"grows to {len(html):,} characters")
        return html

    async def _answer(self, route: Any, url: str, body: bytes, number: int) -> None:  # noqa: ANN401
        """Answer a request of the page; nothing is passed on to the browser's own network."""
        request = route.request
        if request.url == url and request.is_navigation_request():
            await route.fulfill(status=200, content_type="text/html; charset=utf-8", body=body)
        elif request.resource_type == "image":
            await route.fulfill(status=200, content_type="image/gif", body=_PIXEL)
        elif (
            request.method != "GET"
            or request.resource_type not in _LOADED
            or number > _MAX_REQUESTS
        ):
            await route.abort()
        else:
            meta = {"kind": "script", "handle_httpstatus_all": True}
            asked = Request(request.url, meta=meta, headers={"Accept": "*/*"}, dont_filter=True)
            try:
                response = await self.crawler.engine.download_async(asked)
            except Exception:  # refused, forbidden, out of reach: for the page it is all one
                await route.abort()
                return
            kind = (response.headers.get("Content-Type") or b"").decode("latin-1")
            # Scripts of one page may read what others allow them to, and we only look
            headers = {"Content-Type": kind, "Access-Control-Allow-Origin": "*"}
            await route.fulfill(status=response.status, headers=headers, body=response.body)
