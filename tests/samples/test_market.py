"""The market of shops that are hard to judge: what they sell, and what their pages show."""

import re
from urllib.parse import urljoin

import pytest

from similarity_lab.samples import TARGET
from similarity_lab.samples.market import make_market
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import HERE

MARKET = make_market()
SELLERS = {"Harbour Grocers": (1, 20), "Fifty Pantry": (1, 50), "Script Stall": (2, 16)}


def text_of(shop):
    kinds = ("text/", "application/json")
    return "".join(body.decode() for kind, body in shop.files.values() if kind.startswith(kinds))


def test_few_products_show_the_target():
    for name, shop in MARKET.items():
        subjects = list(shop.products.values())
        if name in SELLERS:
            assert (subjects.count(TARGET), len(subjects)) == SELLERS[name]
    assert TARGET not in {*MARKET["Nut House"].products.values()}
    assert TARGET not in {*MARKET["Market Hall"].products.values()}


def test_names_mislead_or_are_missing():
    assert "Almond oil" in text_of(MARKET["Nut House"])
    for name in ("Fifty Pantry", "Market Hall"):
        assert not re.search("almond|peanut|dates", text_of(MARKET[name]), re.IGNORECASE)


@pytest.mark.parametrize("name", MARKET)
def test_pages_lead_to_files_of_the_shop(name):
    shop = MARKET[name]
    for page, (kind, body) in shop.files.items():
        if "html" in kind:
            for url in re.findall(r'(?:href|src)="([^"]+)"', body.decode()):
                if not url.startswith("data:"):
                    assert urljoin(page, url.removeprefix(HERE)) in shop.files, (page, url)


def test_market_is_random_but_repeatable():
    again, other = make_market(), make_market(seed=1)
    assert all(again[name].files == shop.files for name, shop in MARKET.items())
    assert any(other[name].files != shop.files for name, shop in MARKET.items())


def test_crawler_collects_every_product_of_a_page_that_a_script_draws(tmp_path):
    pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')
    from similarity_lab.web import collect

    shop = MARKET["Script Stall"]
    with serve(shop) as server:
        collection = collect(
            [server.url],
            tmp_path,
            allow=[server.endpoint],
            throttle=False,
            render="never",
            progress=False,
        )
    assert len(collection.sites[0].paths) == len(shop.products)
