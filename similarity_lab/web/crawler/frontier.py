"""The frontiers: pages and images that are known and not yet requested, likeliest first."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from urllib.parse import parse_qsl, urlsplit

from w3lib.url import canonicalize_url, parse_data_uri

from similarity_lab.web.crawler.store import Candidate, ImageStore, short_url
from similarity_lab.web.html.images import FoundImage
from similarity_lab.web.policy.urls import without_session
from similarity_lab.web.reasons import Code, Reason

_MAX_PAGES = 50_000  # known pages; more are not kept
_FACETS = re.compile(
    r"(?:^|[_\-\[.])(?:filter|facet|refine|sort|order(?:by)?|dir|view|mode|limit|per_?page|colou?r"
    r"|size|price|min|max|brand|rating|availability|instock|material|tag|date|day|month|year|cal"
    r"|session|sid|phpsessid|ref|return|redirect|next|back|utm_\w+|fbclid|gclid|lang|currency"
    r"|compare|print|share|reply\w*)(?:$|[_\-\].])",
    re.IGNORECASE,
)
_PAGING = re.compile(r"^(?:p|pg|page|paged|pagenum\w*|start|offset)$", re.IGNORECASE)
_MAX_BUSY = 100  # images that are passed over in search of one whose server has room
_REQUESTS_PER_IMAGE = 5
_LOW_SCORE = 5.0  # of pages that are expected to bring little
_FEW_WORDS = 5  # new words that any page may have
_FRUITLESS = 3  # pages of a pattern in a row that bring nothing new


@dataclass(frozen=True)
class PageLink:
    """A page to request.

    Attributes
    ----------
    url : str
    priority : int
        1 for likely product pages, -1 for pages without products, else 0.
    depth : int
        Number of links from the first page.
    named_by : str
        URL of the page that links to it.
    """

    url: str
    priority: int = 0
    depth: int = 0
    named_by: str = ""


@dataclass(frozen=True)
class News:
    """What a page brought that no earlier page had.

    Attributes
    ----------
    n_images, n_links, n_words : int
        Images to request; links that may be products; words.
    is_equal : bool
        All its content is that of an earlier page.
    """

    n_images: int = 0
    n_links: int = 0
    n_words: int = 0
    is_equal: bool = False

    @property
    def value(self) -> float:
        """Images, and those that the links may lead to."""
        return self.n_images + self.n_links / 4


@dataclass
class _Yield:
    """What pages brought that are alike."""

    n_pending: int = 0  # requested, and the outcome is not known yet
    n_read: int = 0
    n_new: float = 0.0  # images and product links that no page named before
    n_fruitless: int = 0  # pages in a row with nothing new, not even words
    n_equal: int = 0  # pages in a row with the content of an earlier page

    def learn(self, news: "News") -> None:
        """Note what a page brought."""
        self.n_pending -= 1
        self.n_read += 1
        self.n_new += news.value
        is_fruitful = news.value > 0 or news.n_words >= _FEW_WORDS
        self.n_fruitless = 0 if is_fruitful else self.n_fruitless + 1
        self.n_equal = self.n_equal + 1 if news.is_equal else 0

    def mean(self, prior: float = 1.0) -> float:
        """Return what the next page is expected to bring."""
        return (self.n_new + prior) / (self.n_read + 1)

    @property
    def is_tried(self) -> bool:
        """Whether some page brought anything, or few enough are on their way to find out."""
        return self.n_new > 0 or self.n_pending < _FRUITLESS


@dataclass
class _Pattern:
    """Pages whose URLs are alike, and those of them that are still to be requested."""

    kind: "UrlKind"
    path: _Yield  # of all selections (facets, sessions, ids) on one path
    own: _Yield = field(default_factory=_Yield)
    queue: list[tuple[int, str, PageLink]] = field(default_factory=list)

    def score(self) -> float:
        """Return how likely its next page brings new images."""
        link = self.queue[0][2]
        prior = self.path.mean() if self.kind.is_selection else 1.0 + self.kind.is_paging
        score = 20.0 * link.priority + 10.0 * min(self.own.mean(prior), 3.0) - 2.0 * link.depth
        return score - 12.0 * self.kind.n_facets - 40.0 * (self.own.n_fruitless >= _FRUITLESS)

    @property
    def cap(self) -> Reason | None:
        """Why no more of its pages are requested, or None."""
        if self.kind.is_open and self.own.n_equal >= _FRUITLESS:
            return Reason(Code.NOT_NEEDED, "Pages like it have the content of other pages")
        patience = _FRUITLESS if self.kind.n_facets else 4 * _FRUITLESS
        is_fruitless = self.kind.is_open and self.own.n_fruitless >= patience
        if is_fruitless or (self.kind.is_selection and self.path.n_fruitless >= 4 * _FRUITLESS):
            return Reason(Code.NOT_NEEDED, "Pages like it brought no new image")
        return None

    @property
    def has_room(self) -> bool:
        """Whether another of its pages may be requested before the outcome of others is known."""
        is_tried = self.own.is_tried and (self.path.is_tried or not self.kind.is_selection)
        return is_tried or not self.kind.is_open


class PageFrontier:
    """The pages that are known, each once; those that promise most new images come first.

    Links are grouped by the pattern of their URLs (``/products/*``, ``/list.php?id``). Patterns
    compete by what their pages brought; of one pattern with more pages than may be requested, an
    arbitrary but repeatable sample comes first. Facets, calendars, sessions and logins are capped:
    no more of them are requested when some in a row brought nothing new.

    Attributes
    ----------
    n_known : int
        Number of pages known so far, requested or not.
    """

    def __init__(self, max_depth: int) -> None:
        self.n_known = 0
        self._max_depth = max_depth
        self._too_deep: list[PageLink] = []
        self._keys: set[str] = set()
        self._patterns: dict[str, _Pattern] = {}
        self._paths: dict[str, _Yield] = {}
        self._promising: set[str] = set()  # URLs that were requested, outcome unknown

    def is_new(self, url: str) -> bool:
        """Return whether a page is not known yet; it is from now on."""
        key = canonicalize_url(without_session(url), keep_fragments=True)
        if key in self._keys:
            return False
        self._keys.add(key)
        return True

    def add(self, link: PageLink) -> bool:
        """Add a page unless it is known; return whether it is new."""
        if len(self._keys) >= _MAX_PAGES or not self.is_new(link.url):
            return False
        self.n_known += 1
        if link.depth > self._max_depth:
            self._too_deep.append(link)
            return False
        order = hashlib.sha256(link.url.encode()).hexdigest()[:16]
        queue = self._pattern(link.url).queue
        heappush(queue, (link.depth - 2 * link.priority, order, link))
        return True

    def pop(self, has_room: Callable[[str], bool]) -> PageLink | None:
        """Return the page to request next, or None if there is none or no room for it now."""
        patterns = (each for each in self._patterns.values() if each.queue and not each.cap)
        best = max(patterns, key=_Pattern.score, default=None)
        if best is None or not best.has_room or not has_room(best.queue[0][2].url):
            return None
        is_promising = best.score() > _LOW_SCORE
        if self._promising and not is_promising:
            return None  # pages that are on their way may lead to better ones
        best.own.n_pending += 1
        best.path.n_pending += 1
        link = heappop(best.queue)[2]
        if is_promising:
            self._promising.add(link.url)
        return link

    def has_pages(self) -> bool:
        """Return whether `pop` would return a page, now or later."""
        return any(pattern.queue and not pattern.cap for pattern in self._patterns.values())

    def learn(self, url: str, news: News) -> None:
        """Note what a page brought whose URL `pop` returned."""
        self._promising.discard(url)
        pattern = self._pattern(url)
        pattern.own.learn(news)
        pattern.path.learn(news)

    def expect_nothing(self) -> None:
        """Note that no page is on its way."""
        self._promising.clear()
        for pattern in self._patterns.values():
            pattern.own.n_pending = pattern.path.n_pending = 0

    def rest(self) -> Iterator[tuple[PageLink, Reason | None, bool]]:
        """Yield the pages that were not requested.

        With each, why if that is not for lack of budget, and whether it might have brought
        anything.
        """
        for pattern in self._patterns.values():
            is_known = pattern.kind.n_facets or pattern.path.n_fruitless >= _FRUITLESS
            for _, _, link in sorted(pattern.queue):
                yield link, pattern.cap, not (pattern.cap or is_known)
        for link in self._too_deep:
            limit = Reason(Code.LIMIT_DEPTH, self._max_depth)
            yield link, limit, not url_kind(link.url).n_facets

    def _pattern(self, url: str) -> _Pattern:
        kind = url_kind(url)
        if kind.name not in self._patterns:
            path = kind.name.partition("?")[0] if kind.is_selection else kind.name
            self._patterns[kind.name] = _Pattern(kind, self._paths.setdefault(path, _Yield()))
        return self._patterns[kind.name]


@dataclass(frozen=True)
class UrlKind:
    """What URLs of one kind of page share.

    Attributes
    ----------
    name : str
    n_facets : int
        Parameters that select or sort what another page shows, by their names.
    is_paging : bool
        The only parameter is the number of a page.
    is_selection : bool
        Has other parameters.
    is_open : bool
        A server could make up any number of such URLs.
    """

    name: str
    n_facets: int = 0
    is_paging: bool = False
    is_selection: bool = False
    is_open: bool = False


def url_kind(url: str) -> UrlKind:
    """Return what a URL shares with those of similar pages.

    Examples
    --------
    >>> url_kind("https://a.example/nuts/almonds-500.html").name
    'a.example/nuts/*.html'
    >>> kind = url_kind("https://a.example/list.php?cat=3&sort=price&page=2")
    >>> kind.name, kind.n_facets, kind.is_selection
    ('a.example/list.php?cat&page&sort', 1, True)
    """
    parts = urlsplit(url)
    path, _, parameters = parts.path.partition(";")
    if "=" in parameters:  # `list;color=red;size=3`
        query = "&".join(filter(None, (parameters.replace(";", "&"), parts.query)))
        parts = parts._replace(path=path, query=query)
    names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    if names:
        others = [name for name in names if not _PAGING.match(name)]
        return UrlKind(
            f"{parts.netloc}{parts.path}?{'&'.join(names)}",
            sum(bool(_FACETS.search(name)) for name in others),
            is_paging=not others,
            is_selection=bool(others),
            is_open=True,
        )
    if parts.fragment:  # what scripts show as a page of its own
        return UrlKind(f"{parts.netloc}{parts.path}#", is_open=True)
    folder, _, name = parts.path.rstrip("/").rpartition("/")
    suffix = "." + name.rpartition(".")[2] if "." in name else ""
    folder = re.sub(r"\d+", "#", folder)
    stem = "#" if re.fullmatch(r"[\d.-]+", name.removesuffix(suffix)) else "*"
    is_open = "#" in (*folder, stem)
    return UrlKind(f"{parts.netloc}{folder}/{stem}{suffix[:6]}", is_open=is_open)


class ImageFrontier:
    """All images that a site's pages name, each once; the likeliest product images come first.

    If there are more images than may be kept, equally likely ones come from as many pages as
    possible: the first of each page, then the second ones.
    """

    def __init__(self, store: ImageStore) -> None:
        self.store = store
        self.n_requested = 0  # and not yet settled
        self._n_requests = 0
        self._candidates: dict[str, Candidate] = {}
        self._queue: list[tuple[int, int, int, str]] = []
        self._numbers = count()
        self._n_on_page: Counter[tuple[str, int]] = Counter()
        self._done = store.final_urls()

    def add(self, images: Iterable[FoundImage], page: str) -> int:
        """Add the images of a page; return how many new ones are to be requested.

        Of two mentions, the one of higher priority counts.
        """
        n_new = 0
        for image in images:
            key = image.url if image.url.startswith("data:") else canonicalize_url(image.url)
            old = self._candidates.get(key)
            if old is None:
                self._candidates[key] = Candidate(image, page)
                n_new += not image.reason
            else:
                merged = old.image.merged(image)
                is_better = (merged.kind, merged.source) != (old.image.kind, old.image.source)
                self._candidates[key] = Candidate(merged, page if is_better else old.page)
                if merged.priority == old.image.priority:
                    continue
            priority = self._candidates[key].image.priority
            number = self._n_on_page[page, priority]
            self._n_on_page[page, priority] += 1
            heappush(self._queue, (-priority, number, next(self._numbers), key))
        return n_new

    def pop(self, has_room: Callable[[str], bool]) -> Candidate | None:
        """Return the next image to request, or None if there is none or no more may be kept.

        Images whose server has no room are passed over for now; those that need no request are
        settled here.
        """
        busy: list[tuple[int, int, int, str]] = []
        found = None
        while (
            self._queue
            and found is None
            and len(busy) < _MAX_BUSY
            and self.store.n_kept + self.n_requested < self.store.limits.images
            and not self.limit
        ):
            entry = heappop(self._queue)
            candidate = self._candidates.get(entry[3])
            if candidate is None:
                continue
            url = candidate.image.url
            if short_url(url) in self._done or candidate.image.reason:
                continue
            if url.startswith("data:"):
                self._done.add(short_url(url))
                self._save_data_url(candidate)
            elif has_room(url):
                found = candidate
                self._done.add(short_url(url))
                self.n_requested += 1
                self._n_requests += 1
            else:
                busy.append(entry)
        for entry in busy:
            heappush(self._queue, entry)
        return found

    def forget(self, url: str) -> None:
        """Remove an image that is not requested yet: its URL was a guess."""
        if short_url(url) not in self._done:
            self._candidates.pop(canonicalize_url(url), None)

    def add_fallback(self, candidate: Candidate) -> bool:
        """Add the next version of an image that failed; return whether there is one."""
        image = candidate.image
        if not image.fallbacks:
            return False
        url, *others = image.fallbacks
        is_guess = image.source == "script"
        likelier = (candidate.likelier or image) if is_guess else None
        key = canonicalize_url(url)
        if (
            self.add([replace(image, url=url, fallbacks=tuple(others))], candidate.page)
            and is_guess
        ):
            self._candidates[key] = replace(self._candidates[key], likelier=likelier)
        return True

    def take(self, candidate: Candidate) -> bool:
        """Add an image that has arrived; return whether it is new."""
        url = short_url(candidate.image.url)
        is_new = url not in self._done
        self._done.add(url)
        return is_new

    def has_images(self) -> bool:
        """Return whether `pop` may return an image."""
        return bool(self._queue) and not self.limit

    @property
    def limit(self) -> Reason | None:
        """The limit that forbids further requests for images, or None."""
        n_images = self.store.limits.images
        if self.store.n_kept >= n_images:
            return Reason(Code.LIMIT_IMAGES, n_images)
        if self._n_requests >= _REQUESTS_PER_IMAGE * n_images:  # most of them are not kept
            return Reason(Code.LIMIT_IMAGE_REQUESTS, _REQUESTS_PER_IMAGE * n_images)
        return None

    def settle(self) -> None:
        """Note that a requested image arrived or failed."""
        self.n_requested -= 1

    def close(self, reason: Reason | None) -> int:
        """Log the images that are left as not fetched; return how many there are."""
        n_left = 0
        for candidate in self._candidates.values():
            if short_url(candidate.image.url) in self._done:
                continue
            if candidate.image.reason:
                self.store.log(candidate, "left out", candidate.image.reason)
            else:
                self.store.log(candidate, "not fetched", reason or "")
                n_left += 1
        return n_left

    def _save_data_url(self, candidate: Candidate) -> None:
        try:
            body = parse_data_uri(candidate.image.url).data
        except ValueError as error:
            reason = Reason(Code.UNREADABLE, f"Invalid data URL: {error}")
            self.store.log(candidate, "left out", reason)
        else:
            self.store.save(candidate, body)
