from dataclasses import replace

import pandas as pd
import pytest

from similarity_lab.report.crawl import (
    PART_ADVICE,
    SITE_ADVICE,
    Crawl,
    looked_at,
    site_gaps,
    what_to_do,
)
from similarity_lab.web import Limits
from similarity_lab.web.crawler.budget import Budget
from similarity_lab.web.reasons import Code


def test_every_code_of_a_site_has_advice():
    # not reasons of a site: what is of no use, what needs nothing, and what a page is mended from
    of_parts = {
        Code.NOT_NEEDED, Code.REPAIRED, Code.UNREADABLE, Code.DUPLICATE, Code.ICON, Code.DRAWING,
        Code.TRACKER, Code.TEMPLATE,
    }  # fmt: skip
    assert set(SITE_ADVICE) == set(Code) - of_parts
    assert set(PART_ADVICE) <= set(SITE_ADVICE)
    assert all(what_to_do(code) for code in SITE_ADVICE)


@pytest.mark.parametrize(
    ("code", "site", "part"),
    [
        (Code.LIMIT_IMAGES, "raise --images", "raise --images"),
        (Code.LIMIT_DEPTH, "Limits(depth=…)", "Limits(depth=…)"),
        (Code.ROBOTS, "look at it yourself", "look at it yourself"),
        (Code.HOST_NOT_FOUND, "for mistakes", ""),  # a dead link is not the buyer's mistake
        (Code.TIMEOUT, "again later", "--refresh"),  # what is collected is else not asked again
        (Code.NOT_FOUND, "try the first page of the shop", ""),
        (Code.NOT_HTML, "first page", ""),
        (Code.CERTIFICATE, "--any-certificate", "--any-certificate"),
        (Code.REPEATED_SITE, "the other row", ""),
        ("something new", "", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_advice_depends_on_whether_a_site_or_a_part_of_it_failed(code, site, part):
    assert site in what_to_do(code) and part in what_to_do(code, PART_ADVICE)
    assert bool(what_to_do(code)) == bool(site)
    assert bool(what_to_do(code, PART_ADVICE)) == bool(part)


@pytest.mark.parametrize(
    ("limits", "says"), [({"pages": 3}, "--pages"), ({"seconds": 9.0}, "--seconds"),
                         ({"site_bytes": 10}, "site_bytes")]
)  # fmt: skip
def test_limits_of_the_crawler_have_advice(limits, says):
    budget = Budget(Limits(**limits))
    budget.n_pages, budget.n_bytes = 99, 99
    reason = budget.exhausted_for_pages(after=0.0 if says == "--pages" else 10.0)
    assert says in what_to_do(reason.code)


def test_every_image_of_a_site_is_counted_once(results, tmp_path):
    result = next(r for r in results if r.site == "nut-shop")
    pd.DataFrame(
        {
            "crawl_status": ["kept"] * 12 + ["not fetched"] * 7 + ["repeated"] * 5,
            "reason": [""] * 12
            + ["Limit of 12 images reached"] * 7
            + [f"Same bytes as https://shop.example/{n}.jpg" for n in range(5)],
            "reason_code": [""] * 12 + ["limit_images"] * 7 + ["duplicate"] * 5,
        }
    ).to_parquet(tmp_path / "images.parquet")
    n_kept = len(result.images)
    row = {"url": "", "n_found": n_kept + 12, "n_images": n_kept, "folder": str(tmp_path)}
    crawl = Crawl.of(row)
    text = looked_at(crawl, result)
    status = result.images["status"].value_counts()
    assert f"{result.n_scored} of {n_kept + 12} images counted" in text
    assert "7 not fetched" in text and "5 of no use" in text
    total = result.n_scored + status.get("repeated", 0) + status.get("skipped", 0) + 7 + 5
    assert total == n_kept + 12
    gaps = {gap.reason: gap.count for gap in site_gaps(crawl, result)}
    assert gaps == {"Limit of 12 images reached": 7, "Same bytes": 5, "not a readable image": 1}


def test_site_without_a_crawl_tells_only_of_its_files(results):
    assert looked_at(Crawl(), results[0]) == "10 of 10 images counted"
    assert looked_at(Crawl(), None) == "" and site_gaps(Crawl(), None) == []


def test_single_things_are_in_the_singular(results):
    assert looked_at(Crawl(n_found=1), None).startswith("0 of 1 image counted; ")
    assert looked_at(Crawl(n_found=0, n_pages=0, n_pages_found=1), None) == "0 of 1 page read"
    result = replace(results[0], images=results[0].images[:1])
    assert looked_at(Crawl(n_pages=1), result) == "1 of 1 image counted; 1 of 1 page read"
    status = pd.Series(["scored"] * 1200 + ["left out"])
    images = pd.DataFrame({"status": status, "reason": ""})
    text = looked_at(Crawl(n_pages=1), replace(result, images=images))
    assert text.startswith("1,200 of 1,201 images counted; 1 is not a photo")
