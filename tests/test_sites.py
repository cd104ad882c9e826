import shutil
from pathlib import Path

import pandas as pd
import pytest

from similarity_lab import Site
from similarity_lab.errors import CollectedFolderError, InputError, InputTypeError, SiteError
from similarity_lab.sites import (
    ORIGIN_COLUMNS,
    ORIGIN_NUMBERS,
    ORIGINS,
    PAGE_COVERAGE,
    site_list,
    site_name,
)


@pytest.fixture
def collected(tmp_path, make_image):
    """Return the folder of a collected site with one image and no table yet."""
    (tmp_path / "site" / "images").mkdir(parents=True)
    make_image((1, 2, 3)).save(tmp_path / "site" / "images" / "a.png")
    return tmp_path / "site"


def test_origins_of_a_collected_site(collected):
    row = {**dict.fromkeys(ORIGIN_COLUMNS, "x"), "price": 2.5, "position": 1}
    pd.DataFrame([{**row, "path": "images/a.png", "status": "kept"}]).to_parquet(
        collected / ORIGINS
    )
    site = Site.from_folder(collected)
    assert site.paths == (collected / "images" / "a.png",) and site.root == collected
    assert list(site.origins.columns) == ORIGIN_COLUMNS
    assert site.origins.iloc[0].to_dict() == {**row, "path": "images/a.png"}


def test_images_that_could_not_be_collected_are_unseen(collected):
    row = {**dict.fromkeys(ORIGIN_COLUMNS, ""), "price": None, "position": 1}
    statuses = ["kept", "not fetched", "failed", "not fetched", "left out", "repeated"]
    table = pd.DataFrame([row | {"crawl_status": status, "url": status} for status in statuses])
    table.loc[0, "path"] = "images/a.png"
    table.loc[len(table)] = row | {"crawl_status": "failed", "url": "broken", "product": "Figs"}
    table.attrs[PAGE_COVERAGE] = 0.5
    table.to_parquet(collected / ORIGINS)
    site = Site.from_folder(collected)
    assert site.unseen.columns.to_list() == ORIGIN_COLUMNS
    assert site.unseen["url"].to_list() == ["not fetched", "not fetched", "broken"]
    assert site.page_coverage == 0.5
    assert site.image_coverage == pytest.approx(0.5 * 1 / 4)  # one of four, of half the pages


def test_folder_of_collected_sites_is_no_site(collected):
    pd.DataFrame({"path": []}).to_parquet(collected / ORIGINS)
    with pytest.raises(SiteError, match="is a folder of 1 collected site; pass the sites in it"):
        Site.of(collected.parent)


def test_folder_of_results_is_no_site(collected, tmp_path):
    """`rank` puts the sites into a folder, beside a table of images and a report."""
    results = tmp_path / "results"
    (results / "report" / "thumbs").mkdir(parents=True)
    pd.DataFrame({"path": []}).to_parquet(collected / ORIGINS)
    shutil.copytree(collected, results / "sites" / "shop.example")
    pd.DataFrame({"path": []}).to_parquet(results / ORIGINS)
    with pytest.raises(SiteError, match=r"1 collected site; .* such as .*sites.shop\.example"):
        Site.from_folder(results)


def test_origins_cannot_lead_out_of_the_folder(collected, make_image):
    make_image((1, 2, 3)).save(collected.parent / "secret.png")
    row = {**dict.fromkeys(ORIGIN_COLUMNS, "x"), "price": 2.5, "position": 1}
    rows = [{**row, "path": "../secret.png"}, {**row, "path": "images/b.png"}]
    pd.DataFrame(rows).to_parquet(collected / ORIGINS)
    site = Site.from_folder(collected)
    assert [path.name for path in site.paths] == ["a.png"]
    texts = site.origins.drop(columns=list(ORIGIN_NUMBERS)).iloc[0].to_dict()
    assert texts == {**dict.fromkeys(texts, ""), "path": "images/a.png"}
    assert site.origins[list(ORIGIN_NUMBERS)].isna().all(axis=None)
    assert site.origins.dtypes[list(ORIGIN_NUMBERS)].astype(str).to_dict() == ORIGIN_NUMBERS


def test_damaged_origins_are_refused(collected):
    (collected / ORIGINS).write_bytes(b"nonsense")
    with pytest.raises(CollectedFolderError, match="not the table of a collected site"):
        Site.from_folder(collected)
    pd.DataFrame({"path": ["a"]}).to_parquet(collected / ORIGINS)
    with pytest.raises(CollectedFolderError, match="collect the site again, or remove the file"):
        Site.from_folder(collected)


def test_origins_of_version_1_are_refused(collected):
    columns = ["path", "address", "page", "alt", "time", "sha256"]
    pd.DataFrame([dict.fromkeys(columns, "x")]).to_parquet(collected / ORIGINS)
    with pytest.raises(CollectedFolderError, match="by version 1 .* collect the site again"):
        Site.from_folder(collected)


@pytest.mark.parametrize("url", ["https://shop.example", "HTTP://shop.example/nuts"])
def test_url_is_not_a_site(url):
    with pytest.raises(InputError, match=r"is a url; collect .* similarity_lab\.web\.collect"):
        Site.of(url)


@pytest.mark.parametrize("source", [3, b"bytes", None])
def test_site_of_another_type_is_refused(source):
    with pytest.raises(InputTypeError, match="expected a Site, a folder, a .zip or a list"):
        Site.of(source)


def test_site_from_a_list_of_paths(tmp_path):
    site = Site.of([tmp_path / "a.jpg", "b.jpg"])
    assert site.paths == (tmp_path / "a.jpg", "b.jpg") and site.name == "site"
    assert Site.of(site) is site
    assert site_name(tmp_path / "shop") == str(tmp_path / "shop")


@pytest.mark.parametrize(
    ("sites", "advice"),
    [
        ({"shop": Site.from_paths(["a.jpg"], name="shop")}, r"a mapping; pass \[\*sites.values"),
        (pd.DataFrame({"site": ["sites/shop"]}), "a table; pass a column of folders"),
    ],
)
def test_mapping_or_table_instead_of_a_list_of_sites_is_refused(sites, advice):
    with pytest.raises(InputError, match=advice):
        site_list(sites)


@pytest.mark.parametrize("one", ["sites/shop", Site.from_paths(["a.jpg"], name="shop")])
def test_one_site_instead_of_a_list_is_refused(one):
    # the letters of a path are folders too, and "/" holds every file of the machine
    with pytest.raises(InputError, match="expected a list of sites"):
        site_list(one)


def test_list_of_sites_from_an_iterator():
    assert site_list(iter(["a", "b"])) == ["a", "b"]


def test_origins_need_a_row_per_path():
    with pytest.raises(InputError, match="origins of shop has 1 rows for 2 paths"):
        Site("shop", ("a.jpg", "b.jpg"), origins=pd.DataFrame({"alt": ["almonds"]}))


@pytest.mark.parametrize(
    "names",
    [
        ["/shop/images/b.jpg", "/shop/images/a.jpg", "/shop/c.jpg"],
        ["images/b.jpg", "images/a.jpg", "c.jpg"],
        ["b.jpg", "images/a.jpg", "shop/c.jpg"],
    ],
)
def test_origins_are_put_in_the_order_of_the_paths(names):
    paths = ("/shop/c.jpg", "/shop/images/a.jpg", Path("/shop/images/b.jpg"))
    origins = pd.DataFrame({"path": names, "alt": ["b", "a", "c"]})
    site = Site("shop", paths, origins=origins)
    assert site.origins["alt"].to_list() == ["c", "a", "b"]
    again = Site("shop", paths, origins=site.origins)
    assert again.origins is site.origins


def test_origins_of_other_paths_are_refused():
    for names in (["a.jpg", "c.jpg"], ["a.jpg", "a.jpg"]):
        with pytest.raises(InputError, match=r"does not name b.jpg in its column path, but a.jpg"):
            Site("shop", ("a.jpg", "b.jpg"), origins=pd.DataFrame({"path": names, "alt": "x"}))


def test_path_that_is_listed_twice_has_two_origins():
    origins = pd.DataFrame({"path": ["a.jpg", "a.jpg"], "alt": ["x", "y"]})
    assert Site("shop", ("a.jpg", "a.jpg"), origins=origins).origins["alt"].to_list() == ["x", "y"]


def test_name_of_a_site_does_not_depend_on_whether_it_can_be_loaded(tmp_path, monkeypatch):
    folder = tmp_path / "nuts"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert {site_name(folder), site_name("."), site_name(f"{folder}/")} == {"nuts"}
    assert site_name(folder) == Site.from_folder(folder).name
    (tmp_path / "dates.zip").write_bytes(b"PK\x03\x04 damaged")
    assert site_name(tmp_path / "dates.zip") == "dates"
    assert site_name("nowhere/nuts") == "nowhere/nuts"
