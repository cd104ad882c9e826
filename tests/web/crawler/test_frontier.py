"""Which page and which image comes next."""

import itertools

import numpy as np
import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web import Limits
from similarity_lab.web.crawler.budget import Budget
from similarity_lab.web.crawler.frontier import (
    ImageFrontier,
    News,
    PageFrontier,
    PageLink,
    url_kind,
)
from similarity_lab.web.crawler.store import ImageStore
from similarity_lab.web.html.images import FoundImage

SITE = "https://shop.example"


def pop_all(frontier, news=lambda url: News(1, n_words=9)):
    """Return the URLs of all pages in the order in which they are requested."""
    urls = []
    while link := frontier.pop(lambda url: True):
        urls.append(link.url.removeprefix(SITE))
        frontier.learn(link.url, news(link.url))
    return urls


@pytest.fixture
def pages():
    return PageFrontier(max_depth=3)


def add(pages, *paths, priority=0, depth=1):
    for path in paths:
        pages.add(PageLink(SITE + path, priority, depth))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/a/b.html", "/a/*.html"),
        ("/", "/*"),
        ("/2024/05/nuts", "/#/#/*"),
        ("/p/17", "/p/#"),
        ("/p?b=1&a=2&b=3", "/p?a&b"),
        ("/p?a", "/p?a"),
        ("/#/nuts", "/#"),
        ("/list;colour=red;pack=2?page=3", "/list?colour&pack&page"),
        ("/nuts;raw", "/*"),
    ],
)
def test_kind_of_a_url(url, name):
    assert url_kind(SITE + url).name == "shop.example" + name


@pytest.mark.parametrize(
    ("query", "n_facets", "is_paging"),
    [
        ("page=2", 0, True),
        ("id=7", 0, False),
        ("sort=price&filter[colour]=red", 2, False),
        ("orderby=date&page=2", 1, False),
        ("pa_size=xl", 1, False),
        ("utm_source=x&sid=1", 2, False),
    ],
)
def test_facets_are_known_by_their_names(query, n_facets, is_paging):
    kind = url_kind(f"{SITE}/list?{query}")
    assert (kind.n_facets, kind.is_paging, kind.is_open) == (n_facets, is_paging, True)


def test_page_is_known_once(pages):
    assert pages.add(PageLink(f"{SITE}/a?x=1&y=2"))
    assert not pages.add(PageLink(f"{SITE}/a?y=2&x=1"))
    assert not pages.add(PageLink(f"{SITE}/a;jsessionid=7F?x=1&y=2&utm_source=mail"))
    assert pages.add(PageLink(f"{SITE}/#/a")) and pages.add(PageLink(f"{SITE}/#/b"))
    assert pages.n_known == 3


def test_products_come_before_text_pages_and_these_before_facets(pages):
    add(pages, "/list?colour=1&pack=2", "/list?colour=1")
    add(pages, "/about", priority=-1)
    add(pages, "/nuts")
    add(pages, "/p/almonds", priority=2)
    assert pop_all(pages)[:2] == ["/p/almonds", "/nuts"]


def test_kind_of_page_that_brings_images_is_preferred(pages):
    add(pages, *(f"/a/{name}" for name in "abcdef"), *(f"/b/{name}" for name in "abcdef"))
    urls = pop_all(pages, lambda url: News(5 * ("/b/" in url), n_words=9))
    first_a = [url.startswith("/a/") for url in urls].index(True)
    assert sum(url.startswith("/b/") for url in urls[first_a + 1 :]) >= 4
    assert len(urls) == 12  # none is lost


@pytest.mark.parametrize(
    ("news", "n_requested"),
    [(News(is_equal=True), 3), (News(), 12), (News(n_words=9), 40), (News(1), 40)],
    ids=["equal", "nothing new", "new words", "new images"],
)
def test_selections_are_capped_when_they_bring_nothing(pages, news, n_requested):
    add(pages, *(f"/show?id={n}" for n in range(40)))
    assert len(pop_all(pages, lambda url: news)) == n_requested
    caps = [cap for _, cap, _ in pages.rest()]
    assert len(caps) == 40 - n_requested and all(caps)


def test_pages_without_parameters_are_never_capped(pages):
    add(pages, *(f"/{a}{b}.html" for a, b in itertools.product("abcdef", repeat=2)))
    assert len(pop_all(pages, lambda url: News(is_equal=True))) == 36


def test_few_selections_are_requested_before_it_is_known_what_they_bring(pages):
    add(pages, *(f"/show?id={n}" for n in range(40)))
    links = [pages.pop(lambda url: True) for _ in range(10)]
    assert sum(link is not None for link in links) == 3 and pages.has_pages()
    pages.learn(links[0].url, News(1))
    assert pages.pop(lambda url: True)


def test_text_pages_wait_for_listings_that_are_on_their_way(pages):
    add(pages, "/nuts", priority=1)
    add(pages, "/about", priority=-1)
    assert pages.pop(lambda url: True).url == f"{SITE}/nuts"
    assert pages.pop(lambda url: True) is None and pages.has_pages()
    pages.expect_nothing()  # it was lost
    assert pages.pop(lambda url: True).url == f"{SITE}/about"


def test_page_waits_for_its_server(pages):
    add(pages, "/a")
    assert pages.pop(lambda url: False) is None and pages.has_pages()


def test_page_that_is_too_deep_is_listed(pages):
    add(pages, "/a", depth=4)
    ((link, cap, is_loss),) = pages.rest()
    assert link.url == f"{SITE}/a" and is_loss
    assert cap == "Limit of 3 links from the first page reached"
    assert not pages.has_pages() and pages.n_known == 1


def test_sample_of_a_kind_is_not_its_beginning(pages):
    """The positions of a sample are spread like those of a random one, and repeatable."""
    add(pages, *(f"/p/{n:04}" for n in range(1000)), priority=2)
    sample = [pages.pop(lambda url: True) for _ in range(1)]
    pages.learn(sample[0].url, News(1))
    sample += [pages.pop(lambda url: True) for _ in range(99)]
    positions = np.sort([int(link.url[-4:]) for link in sample])
    expected = np.linspace(0, 999, 100)
    assert np.abs(positions - expected).max() < 200  # Kolmogorov–Smirnov: 0.2, p < 0.001
    again = PageFrontier(max_depth=3)
    add(again, *(f"/p/{n:04}" for n in range(999, -1, -1)), priority=2)
    assert again.pop(lambda url: True) == sample[0]


# Images --------------------------------------------------------------------------------------


@pytest.fixture
def images(tmp_path):
    store = ImageStore(tmp_path, tmp_path / "images.jsonl", Limits(images=6))
    return ImageFrontier(store)


def found(page, priorities):
    return [
        FoundImage(f"{SITE}/{page}{number}.jpg", "img", priority=priority)
        for number, priority in enumerate(priorities)
    ]


def test_images_of_many_pages_come_before_many_images_of_a_page(images):
    for page in "abc":
        images.add(found(page, [50, 50, 50, 90]), f"{SITE}/{page}")
    names = []
    while candidate := images.pop(lambda url: True):
        names.append(candidate.image.url.removeprefix(f"{SITE}/")[:2])
    assert names == ["a3", "b3", "c3", "a0", "b0", "c0"]  # as many as may be kept


def test_image_on_a_busy_server_is_passed_over(images):
    images.add([FoundImage("https://cdn.example/1.jpg", "img", priority=90)], SITE)
    images.add(found("a", [50]), SITE)
    assert images.pop(lambda url: "cdn" not in url).image.url == f"{SITE}/a0.jpg"
    assert images.pop(lambda url: "cdn" not in url) is None and images.has_images()
    assert images.pop(lambda url: True).image.url == "https://cdn.example/1.jpg"


def test_only_as_many_images_are_requested_as_may_be_kept(images):
    images.add(found("a", [50] * 20), SITE)
    assert sum(images.pop(lambda url: True) is not None for _ in range(20)) == 6
    images.settle()  # one of them failed
    assert images.pop(lambda url: True) and not images.pop(lambda url: True)


def test_images_that_are_never_kept_come_to_an_end(images):
    images.add(found("a", [50] * 40), SITE)
    n_requests = 0
    while images.pop(lambda url: True):
        n_requests += 1
        images.settle()
    assert n_requests == 30 and not images.has_images()
    assert images.close(images.limit) == 10
    assert images.limit == "Limit of 30 requests for images reached"


# Budget --------------------------------------------------------------------------------------


def test_budget_names_the_limit_that_is_reached(monkeypatch):
    now = 0.0
    monkeypatch.setattr("similarity_lab.web.crawler.budget.time.monotonic", lambda: now)
    budget = Budget(Limits(seconds=10, pages=2, site_bytes=1000))
    assert budget.exhausted() == budget.exhausted_for_pages() is None
    budget.n_pages = 2
    assert budget.exhausted_for_pages() == "Limit of 2 pages reached"
    now = 5.5
    assert budget.exhausted_for_pages().startswith("Half of the 10 seconds")
    assert budget.exhausted() is None and budget.seconds_left == 4.5
    assert budget.exhausted(after=5) == "Limit of 10 seconds reached"
    budget.n_bytes = 1001
    assert budget.exhausted() == "Limit of 1,000 bytes reached"
