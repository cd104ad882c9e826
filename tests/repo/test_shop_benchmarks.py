"""Benchmarks on real shops: origins of images, composite sites, and figures of decisions."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks import measures, result_tables, shop_tables
from benchmarks.measures import (
    average_precision,
    decision_figures,
    image_figures,
    interval_over,
    match_figures,
    ranking_figures,
    roc_auc,
)
from benchmarks.real_shops import EVIDENCE, collected_figures, figures_of, sellers_first
from benchmarks.shop_sites import (
    FEWEST_OF_TARGET,
    SITES,
    compose,
    site_figures,
    target_figures,
)
from benchmarks.shops import FEWEST_PHOTOS, catalogue, catalogue_site, file_digest
from similarity_lab import Site
from similarity_lab.sites import ORIGIN_COLUMNS

REPO = "owner/shop"


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(measures, "REPEATS", 50)


@pytest.fixture
def shop(tmp_path):
    """A shop of one folder; returns a function that catalogues files of it."""
    folder = tmp_path / "sites" / "owner__shop"

    def catalogue_of(files, listed):
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        truth = pd.DataFrame(
            [{"sha256": file_digest(folder / name), "file": name} for name in listed]
        )
        return catalogue(tmp_path, REPO, truth).set_index("file"), truth

    catalogue_of.root = tmp_path
    return catalogue_of


@pytest.mark.parametrize(
    "element",
    [
        '<img src="images/a.jpg" alt="Walnut halves">',
        '<img src="../images/a.jpg" alt=" Walnut\n halves ">',
        '<img src="/images/a.jpg?width=3" alt="Walnut halves">',
        '<img src="x.gif" data-original="images/a.jpg" alt="Walnut halves">',
        '<img srcset="none.jpg 1x, images/a.jpg 2x" alt="Walnut halves">',
        '<img src="https://cdn.example/A.JPG" alt="Walnut halves">',
    ],
    ids=["relative", "above the root", "query", "lazy", "srcset", "by name"],
)
def test_alternative_text_belongs_to_the_file(shop, element):
    table, _ = shop({"images/a.jpg": b"a", "index.html": element}, ["images/a.jpg"])
    assert table.loc["images/a.jpg", "alt"] == "Walnut halves"
    assert table.loc["images/a.jpg", "page"] == "http://shop.example/index.html"


def test_alternative_texts_of_equal_files_are_joined(shop):
    files = {
        "a.jpg": b"same",
        "img/b.jpg": b"same",
        "c.jpg": b"other",
        "1.html": '<img src="a.jpg" alt="Nuts"><img src="c.jpg" alt="">',
        "2.php": '<img src="img/b.jpg" alt="Walnuts"><img src="a.jpg" alt="Nuts">'
        '<img src="c.jpg" alt="<?php echo $name ?>"><img src="c.jpg" alt="${name}">',
    }
    table, _ = shop(files, ["a.jpg", "c.jpg"])
    assert table.loc["a.jpg", "alt"] == "Nuts | Walnuts"
    assert table.loc["c.jpg", "alt"] == ""


def test_a_file_of_the_same_name_elsewhere_is_not_meant_if_the_path_exists(shop):
    files = {"a/1.jpg": b"1", "b/1.jpg": b"2", "index.html": '<img src="b/1.jpg" alt="Dates">'}
    table, _ = shop(files, ["a/1.jpg", "b/1.jpg"])
    assert table["alt"].to_dict() == {"a/1.jpg": "", "b/1.jpg": "Dates"}


def test_product_names_come_from_data_of_any_depth(shop):
    data = {
        "categories": [
            {
                "name": "Nuts",
                "image": "nuts.jpg",
                "products": [{"name": "Raw Walnuts", "image": "w.jpg", "specs": {"grade": "A"}}],
            }
        ]
    }
    files = {
        "nuts.jpg": b"n",
        "w.jpg": b"w",
        "r.jpg": b"r",
        "data.json": json.dumps(data),
        "index.html": "<script>const p = [{img: 'r.jpg', title: \"Basmati\"}]</script>",
    }
    table, _ = shop(files, ["nuts.jpg", "w.jpg", "r.jpg"])
    assert table["product"].to_dict() == {
        "nuts.jpg": "Nuts",
        "w.jpg": "Raw Walnuts",
        "r.jpg": "Basmati",
    }
    assert not table["alt"].any()


def test_catalogue_has_urls_and_leaves_out_files_that_are_missing(shop):
    table, truth = shop({"my nuts/ä.jpg": b"a"}, ["my nuts/ä.jpg"])
    assert table["url"].tolist() == ["http://shop.example/my%20nuts/%C3%A4.jpg"]
    unknown = pd.DataFrame([{"sha256": "0" * 64, "file": "gone.jpg"}])
    site = catalogue_site(shop.root, REPO, pd.concat([unknown, truth]))
    assert [path.name for path in site.paths] == ["ä.jpg"]
    assert list(site.origins) == ORIGIN_COLUMNS and len(site.origins) == 1
    assert site.origins["product"].tolist() == [""]


@pytest.fixture
def photos():
    """Photos of 30 repositories; rice has too few for any half."""
    rng = np.random.default_rng(0)
    labels = ["almonds", "dates", "figs", "honey"]
    rows = [
        {"label": labels[label], "repo": f"r{rng.integers(30)}"}
        for label in np.repeat(np.arange(4), 90)
    ]
    rows += [{"label": "rice", "repo": f"r{index}"} for index in range(4)]
    table = pd.DataFrame(rows)
    table["path"] = [
        f"{row.repo}/{row.label}/{index}" for index, row in enumerate(table.itertuples())
    ]
    return table


def test_composition_depends_on_the_seed_only(photos):
    first, again = (compose(table, 1) for table in (photos, photos.sample(frac=1, random_state=0)))
    assert [task.target for task in first] == ["almonds", "dates"]
    assert [s.images for t in first for s in t.sites] == [s.images for t in again for s in t.sites]
    assert compose(photos, 2)[0].references != first[0].references


@pytest.mark.parametrize("seed", range(3))
def test_no_repository_is_on_both_sides(photos, seed):
    for task in compose(photos, seed):
        library = {path for paths in task.library.values() for path in paths}
        library |= set(task.references)
        on_sites = {path for site in task.sites for path in site.images}
        assert not {p.split("/")[0] for p in library} & {p.split("/")[0] for p in on_sites}
        assert len(task.references) >= FEWEST_OF_TARGET
        assert task.target not in task.library and "rice" not in task.library
        assert all(len(paths) >= FEWEST_PHOTOS for paths in task.library.values())


@pytest.mark.parametrize("seed", range(3))
def test_sites_have_the_shares_of_their_kind(photos, seed):
    for task in compose(photos, seed):
        for site in task.sites:
            assert len(set(site.images)) == len(site.images)
            shows = np.array([path.split("/")[1] == task.target for path in site.images])
            np.testing.assert_array_equal(shows, site.is_target)
            share, count = shows.mean(), shows.sum()
            if site.kind == "share":
                assert 10 <= len(shows) <= 40
                assert 0.25 <= share <= 0.8 if site.relevant else share <= 0.08
            else:
                assert 10 <= len(shows) <= 80 and count <= 3
        for kind, truth in (("share", "relevant"), ("sparse", "sells")):
            answers = [getattr(site, truth) for site in task.sites if site.kind == kind]
            assert len(answers) == SITES and sum(answers) == SITES / 2


def test_ranking_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    value, truth = rng.integers(0, 9, 80) / 8, rng.random(80) < 0.3
    assert roc_auc(value, truth) == pytest.approx(roc_auc_score(truth, value))
    assert average_precision(value, truth) == pytest.approx(average_precision_score(truth, value))
    value[:3] = -np.inf  # ranked last
    expected = roc_auc_score(truth, np.where(np.isinf(value), -1, value))
    assert roc_auc(value, truth) == pytest.approx(expected)
    assert np.isnan(roc_auc(value, np.ones(80, bool)))
    assert np.isnan(average_precision(value, np.zeros(80, bool)))


def test_ranking_interval_contains_its_figure():
    rng = np.random.default_rng(0)
    truth = np.arange(90) % 3 == 0
    figures = ranking_figures(truth + rng.normal(size=90), truth, pd.Series(np.arange(90) % 10))
    for name in ("auc", "average_precision"):
        low, high = figures[f"{name}_interval"]
        assert low < figures[name] < high


def test_interval_resamples_whole_groups():
    """Rows that repeat their group's value tell no more than the groups."""
    groups = pd.Series(np.repeat(list("abcdefgh"), 500), index=np.arange(4000)[::-1])
    value = np.repeat(np.arange(8.0), 500)
    low, high = interval_over(groups, lambda rows: value[rows].mean())
    assert high - low > 1.5
    low, high = interval_over(pd.Series(range(4000)), lambda rows: value[rows].mean())
    assert high - low < 0.3


def test_decision_figures_of_a_small_table():
    decision = np.array(["relevant", "relevant", "irrelevant", "unsure", "unsure"])
    probability = np.array([0.95, 0.92, 0.05, 0.6, 0.4])
    truth = np.array([True, False, False, False, False])
    figures = decision_figures(decision, probability, truth, pd.Series(range(5)))
    assert figures["accuracy"] == pytest.approx(3 / 5)
    assert figures["right_when_sure"] == pytest.approx(2 / 3)
    assert figures["unsure"] == pytest.approx(2 / 5)
    assert figures["wrong_when_sure"] == 1
    counts = {name: figures[f"decided {name}"] for name in ("relevant", "irrelevant", "unsure")}
    assert [(part["cases"], part["true"]) for part in counts.values()] == [(2, 1), (1, 0), (2, 0)]


def test_decision_figures_without_a_sure_decision():
    figures = decision_figures(
        np.full(4, "unsure"), np.full(4, 0.5), np.arange(4) < 2, pd.Series(range(4))
    )
    assert "right_when_sure" not in figures and figures["unsure"] == 1
    assert figures["decided relevant"] == {"cases": 0, "true": 0}


def test_match_figures_without_matches_have_no_precision():
    figures = match_figures(np.zeros(3, bool), np.array([True, False, False]))
    assert "precision" not in figures and figures["recall"] == 0


def test_image_figures_are_means_over_tasks():
    """Scores of different scorers are not compared with each other."""
    images = pd.DataFrame(
        {
            "target": list("aaaabbbb"),
            "task": list("1122") + list("3333"),
            "score": [1, 0, 9, 8, 3, 2, 1, 0],
            "shows": [True, False, True, False, True, False, True, False],
            "probability": np.linspace(0.1, 0.9, 8),
            "is_match": [True] * 4 + [False] * 4,
        }
    )
    figures = image_figures(images, mean_over="task", resample="target")
    assert figures["auc"] == pytest.approx((1 + 1 + 0.75) / 3)
    assert figures["precision"] == 0.5 and figures["recall"] == 0.5
    assert all(low <= high for low, high in pairwise(row[0] for row in figures["reliability"]))


@pytest.fixture
def pairs():
    """Six shops × two targets; the last shop has no images, one pair counts neither way."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [{"repo": f"shop {n}", "target": target} for n in range(6) for target in ("dates", "rice")]
    )
    table["sells"] = [True, False, None, False, True, True, False, False, True, False, True, False]
    table["is_missing"] = table["repo"] == "shop 5"
    table["has_evidence"] = ~table["is_missing"]
    table["best"] = np.where(table["is_missing"], -np.inf, rng.normal(size=12))
    for kind in EVIDENCE:
        probability = np.where(table["is_missing"], 0.23, rng.random(12))
        table[f"{kind} probability"] = probability
        table[f"{kind} decision"] = np.where(probability > 0.6, "relevant", "unsure")
    return table


@pytest.fixture
def images():
    """Twelve images of two targets at three shops; one shows its target among others only."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"repo": np.tile(["shop 0", "shop 1", "shop 2"], 4)})
    table["target"] = np.repeat(["dates", "rice"], 6)
    table["task"] = table["target"] + " 0"
    table["shows"] = np.arange(12) % 3 == 0
    table["among"] = np.arange(12) == 4
    table["score"], table["probability"] = rng.normal(size=12), rng.random(12)
    table["is_match"] = table["probability"] > 0.5
    return table


def test_sellers_first_counts_those_that_are_possible(pairs):
    clear = pairs[pairs["sells"].notna()].reset_index(drop=True)
    assert sellers_first(clear, clear["sells"].to_numpy(float)) == (5, 5)
    of_dates = clear["target"] == "dates"
    many = pd.concat([clear[of_dates].assign(sells=True, repo=f"copy {n}") for n in range(3)])
    assert sellers_first(many, np.zeros(len(many))) == (5, 5)
    worst = pd.concat([clear[of_dates], many.assign(sells=False)], ignore_index=True)
    assert sellers_first(worst, -worst["sells"].to_numpy(float)) == (0, 4)


def of_all_evidence(images):
    """Return a table with the same columns for each kind of evidence."""
    columns = {name: images[name] for name in ("score", "probability", "is_match")}
    return images[["repo", "target", "shows", "among"]].assign(
        **{f"{kind} {name}": column for kind in EVIDENCE for name, column in columns.items()}
    )


def test_pairs_without_images_stay_in_and_rank_last(pairs, images):
    figures = figures_of(pairs, of_all_evidence(images))
    assert (figures["pairs"], figures["selling"], figures["without_images"]) == (11, 5, 2)
    for kind in EVIDENCE:
        sites = figures["evidence"][kind]["sites"]
        clear = pairs[pairs["sells"].notna()]
        value = clear[f"{kind} probability"].where(~clear["is_missing"], -1)
        assert sites["auc"] == pytest.approx(roc_auc_score(clear["sells"].astype(bool), value))
        assert sites["cases"] == 11 and sites["true"] == 5
        assert figures["evidence"][kind]["images"]["cases"] == 11  # without the one among others


def test_collected_figures_count_images_and_pairs(tmp_path):
    sizes = {"one": {"a": 100, "b": 300, "c": 99}, "two": {"d": 200, "e": 200}}
    digests = {}
    for shop, files in sizes.items():
        folder = tmp_path / "sites" / shop
        folder.mkdir(parents=True)
        for position, (name, size) in enumerate(files.items()):
            path = folder / f"{name}.png"
            Image.new("RGB", (300, size), (position, size % 256, 0)).save(path)
            digests[name] = file_digest(path)
    listed = pd.DataFrame({"repo": ["one", "two"], "kind": ["static", "drawn"]})
    truth = pd.DataFrame(
        {
            "repo": ["one", "one", "one", "two", "two"],
            "sha256": [digests[name] for name in "abcde"],
            "targets": [["dates"], ["dates", "figs"], ["oats"], ["rice"], []],
        },
        index=[7, 8, 9, 10, 11],
    )
    paths = [tmp_path / "sites" / "one" / f"{name}.png" for name in "ac"]
    site = Site.from_paths(paths, name="one")
    assert collected_figures(tmp_path, listed, {"one": site, "two": None}, truth) == {
        "images": 2,
        "sites_without_images": 1,
        "listed": 5,
        "listed_found": 2,
        "of_100_pixels": {"static": 2, "drawn": 2},
        "of_100_pixels_found": {"static": 1, "drawn": 0},
        "selling_pairs": 4,  # dates, figs, oats; rice
        "selling_pairs_found": 2,
    }


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder in the place of results; returns a function that writes one."""
    monkeypatch.setattr(shop_tables, "RESULTS", tmp_path)
    monkeypatch.setattr(result_tables, "RESULTS", tmp_path)

    def write(name, rows):
        versions = dict.fromkeys(("tensorflow", "keras", "numpy"), "1")
        origin = {
            "command": f"python -m benchmarks.{name}",
            "commit": "1",
            "date": "2026-01-01",
            "machine": {"cores": 2, "processor": "x"},
            "versions": versions,
            "configuration": {"quality": "standard", "tasks": 2, "seeds": 1},
        }
        (tmp_path / f"{name}.json").write_text(json.dumps({"origin": origin, "rows": rows}))

    return write


def test_sections_are_skipped_without_results(results):
    assert shop_tables.shop_sections() == []
    assert shop_tables.reliability() == ""


def test_sections_of_results(results, pairs, images):
    targets = dict.fromkeys(shop_tables.TARGET_SETS, figures_of(pairs, of_all_evidence(images)))
    counts = ("listed", "listed_found", "selling_pairs", "selling_pairs_found")
    large = {"static": 628, "drawn": 200}
    collected = dict.fromkeys(counts, 834)
    collected |= {"of_100_pixels": large, "of_100_pixels_found": {"static": 623}}
    rows = {"shops": 6, "photos": 670, "collected": collected}
    rows |= dict.fromkeys(("without the shop", "without all shops"), targets)
    results("real_shops_crawled", rows)
    sites = pairs[pairs["sells"].notna()].assign(task="dates 0")
    sites["decision"], sites["probability"] = "unsure", 0.5
    figures = {
        "sites": site_figures(sites, "sells"),
        "images": image_figures(images, mean_over="task", resample="target"),
        "targets": target_figures(sites, images, "sells"),
    }
    results("shop_sites", {"photos": 670, "repositories": 60, "share": figures, "sparse": figures})
    real_shops, composites = shop_tables.shop_sections()
    assert "| crawled, 7 targets, images alone | 5 of 11 |" in real_shops
    assert "623 of 628 on static sites and 0 of 200 on drawn sites" in real_shops
    assert "show 834 of 834 pairs of shop and target" in real_shops
    assert "| share, quality standard | 5 of 11 |" in composites
    assert "| rice, share | 6 | " in composites
    assert "`python -m benchmarks.shop_sites`" in composites
    page = "\n".join([real_shops, composites, shop_tables.reliability()])
    assert "composite share, sites" in page and "nan" not in page and "None" not in page
    for table in page.split("\n\n"):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1  # as many cells in every row
