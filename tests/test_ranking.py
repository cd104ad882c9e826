"""Ranking websites, in Python and from the command line."""

import html
import json
import os
import re
import shutil
import warnings
from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest

from similarity_lab.errors import InputError, InputTypeError, MissingExtraError, UnknownClassError

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab import rank, web
from similarity_lab.cli import main
from similarity_lab.ranking import RANKED_IMAGE_COLUMNS, RANKING_COLUMNS
from similarity_lab.relevance import MeanDistanceRule
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import make_shop
from similarity_lab.web import Limits

from .conftest import MeanColor, write_library

TARGETS = ["almonds", "clothing"]
SCORING = {
    "embedder": MeanColor(),
    "rule": MeanDistanceRule("from-library", n_references=4),
    "progress": False,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A library of two products of the sample."""
    return write_library(tmp_path_factory.mktemp("library"), TARGETS)


@pytest.fixture(scope="module")
def shops():
    """Three shops: nuts, clothing, and one without images."""
    nuts = make_shop("Nuts", ["almonds"] * 3 + ["dates"], start=4, size=(80, 80))
    coats = make_shop("Coats", ["clothing"] * 3, start=4, size=(80, 80))
    empty = {"/": ("text/html", b"<title>Empty</title><p>Opening soon.")}
    with ExitStack() as stack:
        yield [stack.enter_context(serve(shop)) for shop in (nuts, coats, empty)]


def collecting(shops):
    allow = [server.endpoint for server in shops]
    return {"limits": Limits(seconds=30), "allow": allow, "throttle": False}


@pytest.fixture(scope="module")
def table_of_urls(shops, tmp_path_factory):
    """A CSV file as some spreadsheets write it; one url is refused."""
    nuts, coats, empty = shops
    table = pd.DataFrame(
        {
            "url": [coats.url, "http://10.0.0.1/", empty.url, nuts.url],
            "name": ["=coats()", "<b>private</b>", "empty", "nuts"],
        }
    )
    file = tmp_path_factory.mktemp("urls") / "shops.csv"
    table.to_csv(file, index=False, sep=";")
    return file


@pytest.fixture(scope="module")
def ranking(library, shops, table_of_urls, tmp_path_factory):
    out = tmp_path_factory.mktemp("ranking")
    return rank(table_of_urls, library, TARGETS, out, collecting=collecting(shops), **SCORING)


def test_sites_have_a_row_for_every_target(ranking):
    table = ranking.sites
    assert list(table.columns) == RANKING_COLUMNS
    ranks = table.groupby("target", sort=False)["rank"].apply(list).to_dict()
    assert ranks == {target: [1, 2, 3, 4] for target in TARGETS}
    assert [result.target for result in ranking.results] == table["target"].tolist()
    assert [result.site for result in ranking.results] == table["site"].tolist()


def test_sites_are_sorted_by_evidence(ranking):
    """By share where the rule gives no probability, then without images, then not reached."""
    table = ranking.sites
    for _, rows in table.groupby("target"):
        assert rows["evidence"].tolist() == [True, True, False, False]
        assert rows["crawl_status"].tolist()[2:] == ["empty", "refused"]
        assert np.all(np.diff(rows["share"][:2]) <= 0)
        assert rows["site"].tolist()[2:] == ["empty", "<b>private</b>"]


def test_sites_have_counts_and_reasons(ranking):
    table = ranking.sites.set_index(["target", "site"])
    assert table.index.is_unique and list(dict.fromkeys(RANKING_COLUMNS)) == RANKING_COLUMNS
    counts = [name for name in RANKING_COLUMNS if name.startswith("n_")]
    assert (table[counts].dtypes == "Int64").all()
    assert table.loc[("almonds", "nuts"), "n_images"] == 5
    refused = table.loc[("almonds", "<b>private</b>")]
    assert refused["reason"] == "10.0.0.1 is not on the public internet"
    assert refused[counts].isna().sum() >= 5 and pd.isna(refused["decision"])
    assert (table.loc[~table["evidence"], "reason"] != "").all()


@pytest.fixture(scope="module")
def offers(library, shops, tmp_path_factory):
    """The shops ranked by whether they offer almonds or clothing; one shows a single image."""
    lamp = make_shop("Lamps", ["scene"], start=4, size=(80, 80))
    with serve(lamp) as server:
        sites = {"lamp": server.url, "nuts": shops[0].url, "coats": shops[1].url}
        sites |= {"empty": shops[2].url, "private": "http://10.0.0.1/"}
        options = collecting([*shops, server])
        options["limits"] = Limits(seconds=30, images=4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mean colours hardly tell products apart
            yield rank(
                sites,
                library,
                ["clothing", "almonds"],
                tmp_path_factory.mktemp("offers"),
                embedder=MeanColor(),
                words={"clothing": ["zzz"]},
                prior=0.4,
                certainty=0.8,
                collecting=options,
                progress=False,
            )


def test_sites_are_ranked_by_what_they_offer(offers):
    table = offers.sites
    assert table["target"].tolist() == ["clothing"] * 5 + ["almonds"] * 5
    almonds = table[table["target"] == "almonds"].set_index("site")
    assert almonds.index[0] == "nuts" and almonds.index[-2:].tolist() == ["empty", "private"]
    decided = almonds[almonds["decision"].notna()]
    assert (decided["probability"] == decided["offered"]).all()
    assert set(decided["criterion"]) == {"offered"} and set(decided["prior"]) == {0.4}
    assert almonds.loc["nuts", "n_named"] >= 2 and almonds.loc["nuts", "word_evidence"] > 0
    for _, rows in table.groupby("target"):
        assert rows["evidence"].is_monotonic_decreasing
        chances = rows["probability"][rows["evidence"]]
        assert chances.is_monotonic_decreasing


def test_reasons_of_decision_and_crawl_are_both_given(offers):
    table = offers.sites.set_index(["target", "site"])
    results = {(result.target, result.site): result for result in offers.results}
    nuts = ("almonds", "nuts")
    assert "imit of 4 images reached" in table.loc[nuts, "reason"]
    for key, result in results.items():
        assert result.reason in table.loc[key, "reason"]
    assert table.loc[("almonds", "private"), "reason"].count("10.0.0.1") == 1
    page = offers.page.read_text("utf-8")
    assert page.count("10.0.0.1 is not on the public internet") == 1  # for all targets
    (nuts_page,) = (offers.page.parent / "sites").glob("nuts-*.html")
    assert "Limit of 4 images reached" in nuts_page.read_text("utf-8")


def test_images_have_words(offers):
    images = offers.images
    kept = images[(images["crawl_status"] == "kept") & (images["site"] == "nuts")]
    almonds = kept[kept["target"] == "almonds"]
    assert "names almonds (alt)" in set(almonds["words"])
    named = almonds["word_kind"] == "target"
    assert almonds["is_match_with_words"].sum() >= almonds["is_match"].sum()
    assert (
        named.sum()
        == offers.sites.set_index(["target", "site"]).loc[("almonds", "nuts"), "n_named"]
    )
    assert kept["margin"].notna().all() and kept["confusable"].ne("").all()


def test_report_has_a_row_per_site_with_the_best_first(ranking):
    table = ranking.sites.assign(failed=ranking.sites["decision"].isna())
    table["evidence"] = table["evidence"].astype(bool)
    best = table.sort_values(
        ["failed", "evidence", "probability"], ascending=[True, False, False], kind="stable"
    )
    expected = best["site"].drop_duplicates()
    rows = re.findall(r'class="site" data-key=".*?" data-site="(.*?)"', ranking.page.read_text())
    assert list(map(html.unescape, rows)) == list(expected)


def test_report_links_the_shops_and_counts_their_images(ranking, shops):
    page = ranking.page.read_text("utf-8")
    collected = ranking.sites[ranking.sites["crawl_status"] == "collected"]
    for site in collected.drop_duplicates("site").itertuples():
        assert f'href="{site.url}"' in page
        assert f"of {site.n_found} image" in page


def test_tables_for_excel_have_the_same_rows(ranking):
    openpyxl = pytest.importorskip("openpyxl")
    sheet = openpyxl.load_workbook(ranking.folder / "sites.xlsx").active
    heads = [cell.value for cell in sheet[1]]
    assert heads == list(ranking.sites.columns)
    names = [cell.value for cell in sheet["B"][1:]]
    assert names == list(ranking.sites["site"])
    assert (ranking.folder / "sites.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_second_call_requests_nothing(ranking, library, shops, table_of_urls):
    counts = [len(server.requests) for server in shops]
    again = rank(
        table_of_urls, library, TARGETS, ranking.folder, collecting=collecting(shops), **SCORING
    )
    assert [len(server.requests) for server in shops] == counts
    pd.testing.assert_frame_equal(again.sites, ranking.sites)
    pd.testing.assert_frame_equal(again.images, ranking.images)


def test_sites_csv_is_safe_to_open(ranking):
    written = pd.read_csv(ranking.folder / "sites.csv")
    assert "'=coats()" in set(written["site"])
    assert list(written.columns) == RANKING_COLUMNS


def test_names_are_escaped_in_pages(ranking):
    page = ranking.page.read_text()
    assert "<b>private" not in page and "<b>private" not in ranking._repr_html_()


def test_images_have_origins_and_scores(ranking):
    images = pd.read_parquet(ranking.folder / "images.parquet")
    pd.testing.assert_frame_equal(images, ranking.images, check_dtype=False)
    assert list(images.columns) == RANKED_IMAGE_COLUMNS
    kept = images[images["crawl_status"] == "kept"]
    assert set(kept["target"]) == set(TARGETS) and set(kept["status"]) == {"scored"}
    assert kept["score"].notna().all() and kept["is_match"].notna().all()
    assert all((ranking.folder / path).is_file() for path in kept["path"])
    assert kept["url"].str.startswith("http://127.0.0.1:").all()


def test_images_not_kept_have_a_reason_and_no_target(ranking):
    images = ranking.images
    others = images[images["crawl_status"] != "kept"]
    assert len(others) and (others["reason"] != "").all()
    assert (others[["target", "status", "path"]] == "").all(axis=None)
    assert others["is_match"].isna().all()


def test_unknown_target_is_an_error_before_collecting(library, tmp_path, stub):
    with pytest.raises(UnknownClassError, match="Did you mean 'almonds'"):
        rank(["http://shop.invalid"], library, ["clothing", "almond"], tmp_path, embedder=stub)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("inside", ["", "results", "almonds/results"])
def test_results_in_the_library_are_refused(library, inside):
    with pytest.raises(InputError, match="is in the library .* choose another folder"):
        rank(["http://shop.invalid"], library, "almonds", library / inside)
    assert not (library / "sites").exists()


def test_no_targets(library, tmp_path):
    with pytest.raises(InputError, match="No targets"):
        rank(["http://shop.invalid"], library, [], tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Mandeln"], r"2 targets; pass a mapping: words=\{'almonds': \['Mandeln'\]\}"),
        ({"almond": ["Mandeln"]}, "'almond', which is not a target. Did you mean 'almonds'"),
        ({"dates": ["Datteln"]}, "Targets: almonds, clothing"),
        ({"clothing": "Kleidung"}, "expected a list of words"),
    ],
)
def test_words_without_a_clear_target(library, tmp_path, words, message):
    with pytest.raises((InputError, InputTypeError), match=message):
        rank(["http://shop.invalid"], library, TARGETS, tmp_path / "out", words=words)
    assert not (tmp_path / "out").exists()


def test_library_with_undecodable_names(library, shops, tmp_path):
    """Names of references are in the table of images, which holds valid Unicode."""
    for name in TARGETS:
        copy = tmp_path / "library" / name
        copy.mkdir(parents=True)
        for path in (library / name).iterdir():
            shutil.copy(path, os.fsencode(copy / path.name) + b"-\xe9.png")
    ranking = rank(
        shops[0].url, tmp_path / "library", "almonds", tmp_path / "out",
        collecting=collecting(shops), **SCORING,
    )  # fmt: skip
    assert ranking.images["nearest_reference"].str.contains(r"\\udce9.png").any()


def test_unknown_parameter(library, tmp_path):
    with pytest.raises(TypeError, match="n_references"):
        rank(["http://shop.invalid"], library, "almonds", tmp_path, n_references=3)


def test_missing_extra_names_the_pip_line(tmp_path, monkeypatch, library, stub):
    monkeypatch.setattr("similarity_lab.web.find_spec", lambda name: None)
    for name in ("collect", "collect_each"):  # imported by another test
        monkeypatch.delitem(vars(web), name, raising=False)
    with pytest.raises(MissingExtraError, match=r'pip install "similarity_lab\[web\]"'):
        rank(["shop.example"], library, "almonds", tmp_path, embedder=stub)
    assert main(["collect", "shop.example", "--out", str(tmp_path)]) == 2


@pytest.fixture
def collect_options(shops, tmp_path):
    options = ["--out", str(tmp_path / "out"), "--quiet", "--no-throttle"]
    return options + [word for server in shops for word in ("--allow", server.endpoint)]


def test_rank_command(shops, library, collect_options, tmp_path, capsys):
    names = ("sites.csv", "images.csv", "report")
    files = [tmp_path / name for name in names]
    options = ["--csv", files[0], "--images-csv", files[1], "--report", files[2], "--json"]
    options += ["--target", "almonds", "--target", "clothing", "--rule", "mean-distance"]
    options += ["--similarity-threshold", "from-library", "--relevance-threshold", "0.5"]
    options += ["--criterion", "share"]
    command = ["rank", *collect_options, "--library", library, "--no-store", *options]
    assert main([str(word) for word in [*command, shops[0].url, shops[1].url]]) == 0
    sites = json.loads(capsys.readouterr().out)["sites"]
    assert [(site["target"], site["rank"]) for site in sites] == [
        ("almonds", 1), ("almonds", 2), ("clothing", 1), ("clothing", 2)
    ]  # fmt: skip
    assert {site["settings"]["relevance_threshold"] for site in sites} == {0.5}
    assert {site["crawl_status"] for site in sites} == {"collected"}
    assert all(path.exists() for path in files)
    assert all(site["summary"] for site in sites)
    written = pd.read_csv(files[0])
    assert written["site"].tolist() == [site["site"] for site in sites]


def test_rank_command_names_files_left_out_of_the_library(
    shops, library, collect_options, tmp_path, capsys
):
    folder = tmp_path / "photos"
    shutil.copytree(library, folder)
    (folder / "almonds" / "offer.pdf").write_bytes(b"%PDF-1.7\n%%EOF")
    (folder / ".DS_Store").touch()
    command = ["rank", *collect_options, "--library", folder, "--no-store", "--target", "almonds"]
    assert main([str(word) for word in [*command, shops[0].url]]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("offer.pdf: unsupported image format (content is a PDF document)")
    assert lines[1] == "skipped in the library: 1 hidden or system file"
    assert main([str(word) for word in [*command, "clothing", shops[0].url]]) == 2
    assert "clothing is a product of the library, not a site" in capsys.readouterr().err


def pages_of(report):
    """Return the text of the pages of sites by file name, without what differs between reports."""
    return {
        path.name: re.sub(r'data-report="\w+"', "", path.read_text("utf-8"))
        for path in (report / "sites").iterdir()
    }


def test_reports_elsewhere_say_what_was_not_looked_at(shops, library, collect_options, tmp_path):
    out, first = tmp_path / "out", tmp_path / "first"
    scoring = ["--library", library, "--no-store", "--target", "almonds", "--rule", "mean-distance"]
    scoring += ["--similarity-threshold", "0.5"]
    command = ["rank", *collect_options, *scoring, "--images", "3", "--report", first, shops[0].url]
    assert main([str(word) for word in command]) == 0
    (page,) = pages_of(first).values()
    assert "Limit of 3 images reached" in page and "raise --images" in page and shops[0].url in page
    (folder,) = (out / "sites").glob("[!.]*/")
    again = tmp_path / "again"
    command = ["decide", *scoring, "--quiet", "--report", again, folder]
    assert main([str(word) for word in command]) == 0
    (page,) = pages_of(again).values()
    assert "Limit of 3 images reached" in page and "raise --images" in page and shops[0].url in page
    index = (again / "index.html").read_text("utf-8")
    assert "3 of 8 images counted" in index and "Left out: " in index
    assert pages_of(first).keys() == pages_of(out / "report").keys()


def test_rank_command_for_what_is_offered(shops, library, collect_options, capsys):
    command = ["rank", *collect_options, "--library", library, "--no-store", "--quality", "fast"]
    command += ["--target", "almonds", "--target", "clothing", "--prior", "0.5", "--json"]
    command += ["--word", "almonds=Mandel", "--word", "almonds=badam", shops[0].url]
    assert main([str(word) for word in command]) == 0
    almonds, clothing = json.loads(capsys.readouterr().out)["sites"]
    assert almonds["criterion"] == "offered" and almonds["prior"] == 0.5
    assert almonds["offered"] == almonds["probability"] and almonds["word_evidence"] > 0
    assert "almonds" in almonds["summary"] and almonds["crawl_status"] == "collected"
    assert "almonds" not in clothing["settings"]["words"]


def test_collect_command(shops, collect_options, tmp_path, capsys):
    file = tmp_path / "shops.csv"
    file.write_text(f"name,url\nnuts,{shops[0].url}\nbad,ftp://x\n")
    assert main(["collect", str(file), *collect_options, "--images", "3"]) == 0
    output = capsys.readouterr().out
    assert "limit of 3 images reached" in output and "Expected an http or https" in output
    (marker,) = (tmp_path / "out").glob("*/site.json")
    assert json.loads(marker.read_text())["settings"]["limits"]["images"] == 3


def test_collect_command_without_a_site(collect_options, capsys):
    assert main(["collect", "ftp://x", *collect_options]) == 2
    assert "no site could be collected" in capsys.readouterr().err


def test_collect_command_takes_files_and_urls(collect_options, tmp_path, capsys):
    file = tmp_path / "shops.csv"
    file.write_text("url\nhttp://10.0.0.1\n")
    assert main(["collect", str(file), "http://10.0.0.2", *collect_options]) == 2
    assert capsys.readouterr().out.count("is not on the public internet") == 2
    assert main(["collect", str(tmp_path / "shop.csv"), *collect_options]) == 2
    assert "no such file" in (error := capsys.readouterr().err) and "'shops.csv'?" in error


def test_nothing_shows_a_bar_without_progress(library, shops, tmp_path, capfd):
    options = {**SCORING, "progress": False}
    ranking = rank(
        [shops[0].url], library, "almonds", tmp_path, collecting=collecting(shops), **options
    )
    assert capfd.readouterr() == ("", "")
    counts = ranking.sites.filter(regex="^n_")
    assert (counts.dtypes == "Int64").all() and len(counts.columns) >= 5
    written = (ranking.folder / "sites.csv").read_text("utf-8-sig").splitlines()
    row = dict(zip(written[0].split(","), written[1].split(","), strict=True))
    assert all(value.isdigit() for name, value in row.items() if name.startswith("n_"))


def test_rank_command_fails_if_no_site_was_collected(library, capsys, tmp_path):
    command = ["rank", "--library", library, "--target", "almonds", "--out", tmp_path / "results"]
    command += ["--rule", "mean-distance", "--no-store", "--quiet", "http://10.0.0.1/"]
    assert main([str(word) for word in command]) == 2
    output = capsys.readouterr()
    assert "10.0.0.1 is not on the public internet" in output.out
    assert "no decision on any site" in output.err
