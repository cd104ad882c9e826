from dataclasses import replace
from pathlib import Path

import pandas as pd

from similarity_lab.relevance import SiteFailure, rank_results
from similarity_lab.report.page import crawls_of
from similarity_lab.report.rows import group_results, order_sites


def test_results_are_grouped_by_site_and_ordered_by_the_best(results):
    sites = order_sites(group_results(rank_results(results)))
    assert [site.site for site in sites][-1] == "broken.example" and len(sites) == 3
    best = [max(result.offered for result in site.decisions) for site in sites[:2]]
    assert best == sorted(best, reverse=True)
    assert all(len(site.results) == 2 for site in sites[:2])
    assert sites[2].page == "" and len({site.key for site in sites}) == 3


def test_site_without_evidence_comes_after_all_with_evidence(results):
    weak = [replace(r, evidence=False, probability=1.0) for r in results[:2]]
    sites = order_sites(group_results([*weak, *results[2:]]))
    assert [site.site for site in sites] == ["nut-shop", "date-shop", "broken.example"]


def test_sites_of_one_name_are_told_apart_by_their_images(results):
    renamed = [replace(result, site="shop") for result in results[:4]]
    sites = group_results(rank_results(renamed))
    assert len(sites) == 2 and len({site.key for site in sites}) == 2
    for site in sites:  # each with both targets of its own images
        first, second = site.decisions
        assert list(first.images["path"]) == list(second.images["path"])
        assert first.target != second.target


def test_sites_of_one_name_say_where_their_images_are_and_keep_their_keys(results):
    renamed = [replace(result, site="shop") for result in results[:4]]
    sites = group_results(renamed)
    assert {site.place for site in sites} == {"date-shop", "nut-shop"}
    again = group_results(renamed[::-1])  # for example, a better library changed the order
    key_of = {site.place: site.key for site in sites}
    assert {site.place: site.key for site in again} == key_of and len(set(key_of.values())) == 2
    assert all(site.place == "" for site in group_results(results))
    assert [site.place for site in group_results([results[0], results[0]])] == ["", ""]


def test_second_decision_on_a_site_and_target_is_another_row(results):
    assert len(group_results([results[0], results[0]])) == 2


def test_target_that_failed_joins_the_other_targets_of_its_site(results):
    failure = SiteFailure(results[0].site, "rice", "no reference")
    (site,) = group_results([results[0], failure])
    assert site.results == (results[0], failure) and site.page
    two = [replace(result, site="shop") for result in (results[0], results[2])]
    assert len(group_results([*two, SiteFailure("shop", "rice", "unclear whose")])) == 3


def test_crawl_is_that_of_the_folder_with_the_images(results):
    renamed = [replace(result, site="shop") for result in (results[0], results[2])]
    folders = [str(Path(result.images["path"].iloc[0]).parent) for result in renamed]
    table = pd.DataFrame(
        {"name": "shop", "url": ["https://b.example", "https://a.example"], "reason": "",
         "crawl_status": "collected", "folder": folders[::-1]}
    )  # fmt: skip
    sites = group_results(renamed)
    crawls = crawls_of(sites, table)
    assert [crawls[site.key].url for site in sites] == ["https://a.example", "https://b.example"]
    assert crawls_of(sites, None)[sites[0].key].url == ""
