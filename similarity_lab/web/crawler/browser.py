"""Draw pages in a browser that can reach the network only through the crawler.

Chromium is started so that no host name resolves and every proxy is dead. What a page requests is
routed to Scrapy's downloader, so SSRF protection, robots.txt, delays and limits apply to scripts as
they do to pages. Images are not loaded: only their URLs are needed. A page cannot leave its URL:
where its scripts send it is a link like any other.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler

from similarity_lab.errors import BrowserError, one_line
from similarity_lab.web.crawler.chromium import MISSING_BROWSER, installed_browser
from similarity_lab.web.policy.referrer import referrer

_RESOURCE_TYPES = frozenset({"script", "xhr", "fetch", "stylesheet"})
_PARALLEL = 4  # pages drawn at the same time, of all sites
_MAX_REQUESTS = 200  # per page
_MAX_SCROLLS, _MAX_CLICKS = 20, 12  # per page
_QUIET = 0.2  # seconds without a request or a change, after which a page is drawn
_LAST_SECONDS = 2.0  # for taking a page that never comes to rest
_PATIENCE = 2.0  # seconds that a page without images is given
_ISOLATION = [
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=socks5://0.0.0.0:9",
    "--proxy-bypass-list=<-loopback>",
    # No WebRTC past the (dead) proxy; old and new name of one switch
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-background-networking",
    "--js-flags=--max-old-space-size=512",
]
_PIXEL = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\0\0\0!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"

# Finds elements, also those inside of components (open shadow roots)
_FIND = """const find = (selector, root = document, found = []) => {
  for (const element of root.querySelectorAll("*")) {
    if (element.matches(selector)) found.push(element);
    if (element.shadowRoot && found.length < 50000) find(selector, element.shadowRoot, found);
  }
  return found;
};"""
# Size of what a page shows: changes while it is drawn
_STATE = f"""() => {{ {_FIND} const all = find("*");
  return [all.length, all.filter(element => element.tagName === "IMG").length,
    document.documentElement.scrollHeight, document.readyState] }}"""
# The page as it is drawn, with what its components show
_HTML = f"""() => {{ {_FIND}
  const roots = find("*").map(element => element.shadowRoot).filter(Boolean);
  const root = document.documentElement;
  if (!roots.length || !root.getHTML) return root.outerHTML;
  return "<html>" + root.getHTML({{shadowRoots: roots}}) + "</html>";
}}"""
# Scrolls the page, and boxes that scroll in it, by a screen; returns whether that was the end
_SCROLL = """() => {
  const boxes = [...document.querySelectorAll("body *")].slice(0, 5000)
    .filter(box => box.scrollHeight > box.clientHeight + 50
      && /auto|scroll/.test(getComputedStyle(box).overflowY)).slice(0, 5);
  const y = scrollY;
  scrollBy(0, innerHeight);
  let isEnd = scrollY === y;
  for (const box of boxes) {
    const top = box.scrollTop;
    box.scrollTop += box.clientHeight;
    isEnd &&= box.scrollTop === top;
  }
  return isEnd;
}"""
# Notes whether a script shows fragments as pages
_WATCH = """(() => {
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, ...rest) {
    if (type === "hashchange") window.hasFragments = true;
    return add.call(this, type, ...rest);
  };
})()"""
# Routes within the page: fragments that its scripts show, and that name no element
_ROUTES = """() => [...document.querySelectorAll('a[href*="#"]')]
  .filter(a => a.href.split("#")[0] === location.href.split("#")[0])
  .map(a => a.hash)
  .filter(hash => /^#!?\\//.test(hash) || (hash.length > 1
    && (window.hasFragments || window.onhashchange)
    && !document.getElementById(decodeURIComponent(hash.slice(1)))
    && !document.getElementsByName(decodeURIComponent(hash.slice(1))).length))"""
# Backgrounds of style sheets, which the markup does not name
_BACKGROUNDS = (
    f"() => {{ {_FIND}"
    """
  const found = new Set();
  for (const element of find("body, body *, :host *").slice(0, 5000))
    for (const part of [null, "::before", "::after"])
      for (const match of getComputedStyle(element, part).backgroundImage
          .matchAll(/url\\("([^"]+)"/g))
        if (!match[1].startsWith("data:")) found.add(match[1]);
  return [...found];
}"""
)
# Clicks the next element that may show other products; returns what it is, or "" if there is none
_CLICK = (
    f"([clicked, other, more]) => {{ {_FIND}"
    """
  const isOther = new RegExp(other, "i"), isMore = new RegExp(more, "i");
  const places = "nav, header, aside, [role=tablist], [class*=tab], [class*=categor],"
    + "[class*=filter]";
  for (const element of find(
      'a, button, [onclick], [role=tab], [role=menuitem], [role=button]')) {
    const text = (element.innerText || element.getAttribute("aria-label") || "").trim();
    const href = element.getAttribute("href");
    const leadsAway = href && !/^(#$|javascript:|$)/i.test(href);
    if (leadsAway || !text || text.length > 40 || isOther.test(text)) continue;
    if (element.closest("form") || element.disabled || !element.getClientRects().length) continue;
    const name = `${element.id} ${element.getAttribute("class")}`;
    const repeats = isMore.test(text) || /(load|show|view).?more|more.?(items|prod)/i.test(name)
      ? 4 : 1;
    const siblings = [...element.parentNode.children].filter(one => one.tagName === "BUTTON");
    const isOneOfSeveral = siblings.includes(element) && siblings.length > 1;
    if (repeats === 1 && !element.closest(places) && !element.hasAttribute("onclick")
        && !(isOneOfSeveral && /\\p{L}{2}/u.test(text))) continue;
    const label = element.tagName + " " + text;
    if (clicked.filter(one => one === label).length >= repeats) continue;
    element.click();
    return label;
  }
  return "";
}"""
)
_NOT_CLICKED = (
    "log.?in|log.?out|sign.?(in|up|out)|cart|basket|check.?out|buy|add|wish|delete|remove|submit"
    "|pay|subscribe|close|cookie|accept|decline|search|share|print|mail|call|whats|dark|theme"
    "|previous|prev|play|pause|slide|rating|compare|skip|home"
)
_MORE = (  # letters other than ASCII have no word boundary in JavaScript
    r"\bmore\b|\ball\b|\bnext\b|mehr|weiter|\balle\b|\bplus\b|\btous\b|suite|\bmás\b|\btod[oa]s\b|mais"
    r"|\baltr[io]\b|\btutt[io]\b|meer|\bfler|lisää|więcej|více|viac|\bviše\b|\bveč|több|\bmulte?\b"
    r"|daha|devamı|ещё|еще|больше|(?:^|\s)(?:вс[её]|ще)(?:\s|$)|більше|повече|περισσότερα|עוד|المزيد"
    r"|بیشتر|और|thêm|lainnya|lebih|更多|もっと|더\s?보기"
)


@dataclass
class DrawnPage:
    """What a page shows after its scripts ran.

    Attributes
    ----------
    documents : list of str
        Its HTML, at first and after clicks that changed its images.
    images : list of str
        URLs of the images that it requested, and of the backgrounds of its elements.
    links : list of str
        URLs to which its scripts would have navigated.
    routes : list of str
        Fragments (``#/nuts``) that its scripts show as pages of their own.
    """

    documents: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)


class BrowserUnavailableError(BrowserError):
    """There is no browser, or it cannot be started."""


class _Tab:
    """A tab of the browser. Its requests are answered by whoever draws in it, or aborted."""

    def __init__(self, page: Any) -> None:  # noqa: ANN401
        self.page = page
        self.answer: Callable[[Any], Awaitable[None]] | None = None

    @classmethod
    async def opened(cls, browser: Any, user_agent: str) -> "_Tab":  # noqa: ANN401
        """Return a tab that shares nothing with others."""
        # High enough that lazily loaded images are in view
        context = await browser.new_context(
            user_agent=user_agent,
            viewport={"width": 1280, "height": 4000},
            service_workers="block",
            accept_downloads=False,
        )
        tab = cls(await context.new_page())
        await context.route("**/*", tab.on_request)
        await context.route_web_socket("**/*", lambda socket: socket.close())
        await context.add_init_script(_WATCH)
        tab.page.on("popup", lambda popup: asyncio.ensure_future(popup.close()))
        return tab

    async def on_request(self, route: Any) -> None:  # noqa: ANN401
        """Answer a request."""
        await (self.answer(route) if self.answer else route.abort())

    async def close(self) -> None:
        """Close the tab."""
        with suppress(Exception):  # it has crashed
            await asyncio.wait_for(self.page.context.close(), 10)


class Browser:
    """A Chromium for all sites of the process, started by the first page that needs it."""

    def __init__(self) -> None:
        self._starting = asyncio.Lock()
        self._tabs = asyncio.Semaphore(_PARALLEL)
        self._idle: list[tuple[object, _Tab]] = []  # the next page of the site needs no new one
        self._driver: Any = None
        self._browser: Any = None
        self._failure = ""

    @asynccontextmanager
    async def tab(self, site: object, user_agent: str) -> AsyncIterator[_Tab]:
        """Give a tab in which only pages of this site were drawn; it is closed after an error."""
        async with self._tabs:
            async with self._starting:
                if self._browser is None or not self._browser.is_connected():
                    self._idle.clear()
                    await self._start()
            tab = await self._idle_tab(site) or await _Tab.opened(self._browser, user_agent)
            try:
                yield tab
                await tab.page.goto("about:blank", timeout=5000)  # what runs in it ends
                tab.answer = None
                self._idle.append((site, tab))
            except BaseException:
                await tab.close()
                raise

    async def _idle_tab(self, site: object) -> _Tab | None:
        """Return an idle tab of a site; close the oldest one if it has none."""
        for entry in self._idle:
            if entry[0] is site:
                self._idle.remove(entry)
                return entry[1]
        if len(self._idle) >= _PARALLEL:
            await self._idle.pop(0)[1].close()
        return None

    async def stop(self) -> None:
        """Stop the browser if it was started."""
        with suppress(Exception):  # it may have crashed
            if self._browser is not None:
                await self._browser.close()
            if self._driver is not None:
                await self._driver.stop()

    async def _start(self) -> None:
        if self._failure:
            raise BrowserUnavailableError(self._failure)
        try:
            from playwright.async_api import async_playwright

            if self._driver is None:
                self._driver = await async_playwright().start()
            packaged = self._driver.chromium.executable_path
            path = packaged if os.path.exists(packaged) else installed_browser()
            if path is None:
                raise BrowserUnavailableError(f"No browser found; {MISSING_BROWSER}")
            # Chromium refuses to sandbox as root, the usual user in containers
            sandbox = hasattr(os, "geteuid") and os.geteuid() != 0
            self._browser = await self._driver.chromium.launch(
                executable_path=path, args=_ISOLATION, chromium_sandbox=sandbox
            )
        except Exception as error:  # of any class
            self._failure = f"The browser could not be started: {one_line(error)}"
            raise BrowserUnavailableError(self._failure) from error


class Drawing:
    """One page of a site while it is drawn."""

    def __init__(
        self, crawler: Crawler, url: str, body: bytes, *, seconds: float, fruitless: set[str]
    ) -> None:
        self.crawler, self.url, self.body, self.seconds = crawler, url, body, seconds
        self.fruitless = fruitless  # what brought nothing on other pages of the site is not clicked
        self.drawn = DrawnPage()
        self._images: dict[str, None] = {}
        self._links: dict[str, None] = {}
        self._n_requests = self._n_active = 0
        self._has_begun = self._has_drawn = False
        self._change_time = time.monotonic()

    async def draw(self, browser: Browser, max_characters: int) -> DrawnPage:
        """Return what the page shows after its scripts ran.

        Raises
        ------
        BrowserError
            There is no browser, it failed, or the page took too long.
        """
        try:
            async with browser.tab(self.crawler, self.crawler.settings["USER_AGENT"]) as tab:
                tab.answer = self._answer
                try:
                    await asyncio.wait_for(self._draw(tab.page, max_characters), 4 * self.seconds)
                except TimeoutError:
                    if not self.drawn.documents:  # it never comes to rest: as far as it is drawn
                        await asyncio.wait_for(self._take(tab.page, max_characters), _LAST_SECONDS)
                    raise
        except BrowserError:
            raise
        except TimeoutError:
            if not self.drawn.documents:
                raise BrowserError("Drawing the page took too long") from None
        except Exception as error:  # hostile pages can make a browser fail in any way
            if not self.drawn.documents:
                raise BrowserError(f"Drawing the page failed: {one_line(error)}") from error
        self.drawn.images[:] = self._images
        self.drawn.links[:] = self._links
        return self.drawn

    async def _draw(self, page: Any, max_characters: int) -> None:  # noqa: ANN401
        await page.goto(self.url, wait_until="commit", timeout=1000 * self.seconds)
        self._has_begun = True
        await self._settle(page, patience=_PATIENCE)
        await self._scroll(page)
        await self._take(page, max_characters)
        self.drawn.routes[:] = dict.fromkeys(await page.evaluate(_ROUTES))
        await self._click(page, max_characters)

    async def _settle(self, page: Any, *, patience: float = 0.0) -> None:  # noqa: ANN401
        """Wait until nothing changes and nothing is loaded; longer while no image is drawn."""
        start = self._change_time = time.monotonic()
        state: list[Any] = []
        while (now := time.monotonic()) < start + self.seconds:
            new = await page.evaluate(_STATE)
            if new != state or self._n_active:
                state, self._change_time = new, now
            is_quiet = now - self._change_time > _QUIET and state[3] != "loading"
            if is_quiet and (self._has_drawn or now > start + patience):
                break
            await asyncio.sleep(0.05)

    async def _scroll(self, page: Any) -> None:  # noqa: ANN401
        """Scroll down, screen by screen, while there is more to see."""
        for _ in range(_MAX_SCROLLS):
            if await page.evaluate(_SCROLL) and not self._n_active:
                return
            await self._settle(page)

    async def _click(self, page: Any, max_characters: int) -> None:  # noqa: ANN401
        """Click on what may show other products, without leaving the page."""
        clicked = 4 * [*self.fruitless]
        n_images = len(self._images)
        for _ in range(_MAX_CLICKS):
            state = await page.evaluate(_STATE)
            label = await page.evaluate(_CLICK, [clicked, _NOT_CLICKED, _MORE])
            if not label:
                return
            clicked.append(label)
            await asyncio.sleep(0.1)
            if self._n_active or await page.evaluate(_STATE) != state:
                await self._settle(page)
            if len(self._images) > n_images:
                n_images = len(self._images)
                await self._take(page, max_characters)
            else:
                self.fruitless.add(label)

    async def _take(self, page: Any, max_characters: int) -> None:  # noqa: ANN401
        """Take the page's HTML, if it is still a document of the site."""
        if page.url.split("#")[0].split(":")[0] not in ("http", "https"):
            raise BrowserError("The page led to an error page of the browser")
        try:
            html = str(await page.evaluate(_HTML))
        except Exception:  # the page has its own ideas of what a list is
            html = await page.content()
        if len(html) > max_characters:
            raise BrowserError(f"Drawn page too large ({len(html):,} characters)")
        self.drawn.documents.append(html)
        self._images.update(dict.fromkeys(await page.evaluate(_BACKGROUNDS)))

    async def _answer(self, route: Any) -> None:  # noqa: ANN401
        """Answer a request of the page; nothing reaches the browser's own network stack."""
        self._n_requests += 1
        self._n_active += 1
        self._change_time = time.monotonic()
        try:
            await self._fulfill(route)
        except Exception:  # the page is gone
            return
        finally:
            self._n_active -= 1

    async def _fulfill(self, route: Any) -> None:  # noqa: ANN401
        request = route.request
        if request.is_navigation_request():
            is_main = request.frame.parent_frame is None
            if is_main and not self._has_begun and request.url == self.url.split("#")[0]:
                content_type = "text/html; charset=utf-8"
                await route.fulfill(status=200, content_type=content_type, body=self.body)
                return
            if is_main:
                self._links[request.url] = None
                await route.fulfill(status=204)  # stays where it is
            else:
                await route.abort()
        elif request.resource_type == "image":
            if request.url.startswith("http"):
                self._images[request.url] = None
                name = request.url.rpartition("/")[2].encode()
                self._has_drawn |= name not in self.body  # the server did not name it
            await route.fulfill(status=200, content_type="image/gif", body=_PIXEL)
        elif (
            request.method != "GET"
            or request.resource_type not in _RESOURCE_TYPES
            or self._n_requests > _MAX_REQUESTS
        ):
            await route.abort()
        else:
            await self._download(route)

    async def _download(self, route: Any) -> None:  # noqa: ANN401
        url = route.request.url
        meta = {"kind": "rendering", "handle_httpstatus_all": True, "named_by": self.url}
        headers = {"Accept": "*/*", "Referer": referrer(self.url, url)}
        download = Request(url, meta=meta, headers=headers, dont_filter=True)
        try:
            response = await self.crawler.engine.download_async(download)
        except Exception:  # refused, forbidden, unreachable: all the same to the page
            await route.abort()
            return
        content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
        # Cross-origin reads are harmless here: there are no cookies and no user data
        headers = {"Content-Type": content_type, "Access-Control-Allow-Origin": "*"}
        await route.fulfill(status=response.status, headers=headers, body=response.body)
