"""The sites of the sample as web shops: their links and images, and the crawl of one."""

import re
from urllib.parse import urljoin

import pytest

from similarity_lab.errors import InputError
from similarity_lab.samples import TARGET, images_table
from similarity_lab.samples.folder import site_truth
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import HERE
from similarity_lab.samples.storefront import sample_shop

SITES = site_truth()["site"].tolist()


def pages(shop):
    return {url: body.decode() for url, (kind, body) in shop.files.items() if "html" in kind}


@pytest.mark.parametrize("site", SITES)
def test_pages_lead_to_files_of_the_shop(site):
    shop = sample_shop(site)
    urls = {
        urljoin(page, url.split()[0].removeprefix(HERE))
        for page, html in pages(shop).items()
        for url in re.findall(r'(?:href|src|srcset|content)="([^"]+)"', html)
        if url != "utf-8"
    }
    assert urls <= shop.files.keys()
    images = {url for url, (kind, _) in shop.files.items() if kind.startswith("image/")}
    unlinked = images - urls - set(re.findall(r"/media/[^\" ]+", "".join(pages(shop).values())))
    assert not unlinked


@pytest.mark.parametrize("site", SITES)
def test_shop_serves_the_images_of_the_site(site):
    shop = sample_shop(site)
    table = images_table()
    site_images = table[table["path"].str.startswith(f"sites/{site}/")]
    images = [url for url, (kind, _) in shop.files.items() if kind.startswith("image/")]
    assert len(images) == len(site_images)
    n_target = (site_images["subject"] == TARGET).sum()
    assert list(shop.products.values()).count(TARGET) == n_target


def test_unknown_site_lists_the_known_ones():
    with pytest.raises(InputError, match="'amazon'.*greenfield-foods.*marble-mill"):
        sample_shop("amazon")


def test_crawler_collects_the_shop(tmp_path):
    pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')
    from similarity_lab.web import collect

    with serve(sample_shop("oak-and-honey")) as server:
        collection = collect(
            [server.url], tmp_path, allow=[server.endpoint], throttle=False, progress=False
        )
    table = images_table()
    images = table[table["path"].str.startswith("sites/oak-and-honey/")]
    # of an image in two sizes, the larger one is collected; equal files once; icons not at all
    is_small = images["role"].isin(["thumbnail", "icon"])
    distinct = images[~is_small].drop_duplicates(["title", "product"])
    assert len(distinct) <= collection.table["n_images"].item() <= len(images)
