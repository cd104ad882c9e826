"""All shops of `shops.py`, served on this machine and collected once per session."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

import pandas as pd

from similarity_lab.samples.serving import ShopServer, serve
from similarity_lab.samples.shops import make_shop
from similarity_lab.web import Collection, Limits, collect
from similarity_lab.web.crawler import process

from . import shops

LIMITS = Limits(
    pages=60, depth=4, images=40, seconds=60, request_seconds=4.0, page_bytes=2**20,
    image_bytes=2**20, image_pixels=1_000_000,
)  # fmt: skip
PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")


@pytest.fixture(scope="session", autouse=True)
def _measure_coverage_of_the_crawler():
    """Let `make coverage` measure the crawler's process, which inherits few variables."""
    with pytest.MonkeyPatch.context() as patch:
        names = (*process.ENVIRONMENT, "COVERAGE_PROCESS_CONFIG")
        patch.setattr(process, "ENVIRONMENT", names)
        yield


@dataclass
class CrawledSite:
    """One site of the shared crawl; tables are indexed by URL, a path for the site's own."""

    server: ShopServer
    row: pd.Series
    images: pd.DataFrame
    pages: pd.DataFrame

    @property
    def folder(self):
        return Path(self.row["folder"])

    @property
    def kept(self):
        return self.images.query("crawl_status == 'kept'")


@dataclass
class Crawl:
    """The shared crawl: a canary that nobody may contact, the servers, and the result."""

    canary: ShopServer
    servers: dict[str, ShopServer]
    allow: list[str]
    collection: Collection
    out: Path

    def row(self, name):
        return self.collection.table.set_index("name").loc[name]

    def site(self, name):
        server, row = self.servers[name], self.row(name)
        images = self.collection.images.query("site == @name")
        pages = pd.read_parquet(Path(row["folder"]) / "pages.parquet")
        by_url = [
            table.assign(url=table["url"].str.removeprefix(server.url)).set_index("url")
            for table in (images, pages)
        ]
        return CrawledSite(server, row, *by_url)


@pytest.fixture(scope="session")
def ways():
    """A shop that shows each product in another way."""
    return make_shop("Nuts & <Co>", ["almonds", "dates"] * 8, size=(96, 112))


@pytest.fixture(scope="session")
def crawl(ways, tmp_path_factory):
    """Every shop, collected in one call, with proxy variables that lead to the canary."""
    with ExitStack() as stack:
        canary = stack.enter_context(serve({}))
        cdn = stack.enter_context(serve(ways))
        hostile = shops.merge(
            shops.forbidden_urls(canary.endpoint),
            shops.REDIRECTS,
            shops.OVERSIZED,
            shops.ODD_MARKUP,
            shops.ODD_NAMES,
            shops.FAILURES,
            shops.DUPLICATES,
        )
        websites = {
            "hostile": (hostile, canary.url),
            "ways": (ways, cdn.url),
            "robots": (shops.merge(shops.ROBOTS), ""),
            "closed": (shops.merge(shops.UNREADABLE_ROBOTS), ""),
            "scripted": (shops.RENDERED_BY_SCRIPTS, ""),
            "moved": (shops.MOVED, cdn.url),
        }
        servers = {
            name: stack.enter_context(serve(files, cdn=cdn_url))
            for name, (files, cdn_url) in websites.items()
        }
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            unused = f"127.0.0.1:{free.getsockname()[1]}"
        urls = {name: server.url for name, server in servers.items()}
        urls |= {
            "unreachable": f"http://{unused}/",
            "again": servers["ways"].url + "/",
            "canary": canary.url,
            "gopher": "gopher://shop.example",
        }
        out = tmp_path_factory.mktemp("crawl") / "out"
        allow = [server.endpoint for server in [*servers.values(), cdn]] + [unused]
        with pytest.MonkeyPatch.context() as patch:
            for name in PROXY_VARIABLES:
                patch.setenv(name, canary.url)
            options = {"allow": allow, "throttle": False, "progress": False, "parallel": 3}
            options["render"] = "never"
            collection = collect(urls, out, limits=LIMITS, **options)
        yield Crawl(canary, {**servers, "cdn": cdn}, allow, collection, out)
