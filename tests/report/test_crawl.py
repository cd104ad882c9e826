import pandas as pd
import pytest

from similarity_lab.report.crawl import Crawl, looked_at, site_gaps, what_to_do
from similarity_lab.web import Limits
from similarity_lab.web.crawler.budget import Budget


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("Limit of 200 images reached", "raise --images"),
        ("Sample: 60 of 117 images (limit of 60 images reached)", "raise --images"),
        ("Limit of 5 links from the first page reached", "Limits(depth=…)"),
        ("Forbidden by robots.txt", "look at it yourself"),
        ("Could not read robots.txt: Host not found (only IPv4 is resolved)", "for mistakes"),
        ("Could not read robots.txt: Connection refused", "again later"),
        ("Timed out", "again later"),
        ("HTTP status 403", "refuses programs"),
        ("HTTP status 404", "check the address"),
        ("HTTP status 503 (the server asks to wait 60 seconds)", "again later"),
        ("The server's certificate is not trusted", "--any-certificate"),
        ("Same site as other.example", "the other row"),
    ],
)  # fmt: skip
def test_advice_names_the_option_that_helps(reason, says):
    assert says in what_to_do(reason)


@pytest.mark.parametrize(
    ("limits", "says"), [({"pages": 3}, "--pages"), ({"seconds": 9.0}, "--seconds"),
                         ({"site_bytes": 10}, "site_bytes")]
)  # fmt: skip
def test_advice_knows_the_limits_as_the_crawler_words_them(limits, says):
    budget = Budget(Limits(**limits))
    budget.n_pages, budget.n_bytes = 99, 99
    after = 0.0 if says == "--pages" else 10.0
    assert says in what_to_do(budget.exhausted_for_pages(after=after))


@pytest.mark.parametrize(
    ("status", "says"),
    [("not fetched", "raise the limits"), ("failed", "run the same command again later"),
     ("left out", ""), ("refused", "correct the address")],
)  # fmt: skip
def test_advice_on_an_unknown_reason_follows_from_the_status(status, says):
    advice = what_to_do("Something new", status)
    assert advice.startswith(says) and bool(advice) == bool(says)


def test_every_image_of_a_site_is_counted_once(results, tmp_path):
    result = next(r for r in results if r.site == "nut-shop")
    pd.DataFrame(
        {
            "crawl_status": ["kept"] * 12 + ["not fetched"] * 7 + ["repeated"] * 5,
            "reason": [""] * 12 + ["Limit of 12 images reached"] * 7 + ["Same content"] * 5,
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
    assert gaps["Limit of 12 images reached"] == 7 and gaps["same image as another one"] == 1


def test_site_without_a_crawl_tells_only_of_its_files(results):
    assert looked_at(Crawl(), results[0]) == "10 of 10 images counted"
    assert looked_at(Crawl(), None) == "" and site_gaps(Crawl(), None) == []
