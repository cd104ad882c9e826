import json
from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab.errors import UnknownClassError

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab import rank, web
from similarity_lab.cli import main
from similarity_lab.ranking import RANKING_COLUMNS
from similarity_lab.relevance import MeanDistanceRule
from similarity_lab.samples import load_image
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import make_shop
from similarity_lab.web import Limits

SCORING = {"rule": MeanDistanceRule("from-library", n_references=4)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A library of two products as they are drawn for the shops."""
    root = tmp_path_factory.mktemp("library")
    for name in ("almonds", "clothing"):
        (root / name).mkdir()
        for seed in range(4):
            pixels = load_image(name, seed, size=(64, 64))
            Image.fromarray(pixels).save(root / name / f"{seed}.png")
    return root


@pytest.fixture(scope="module")
def shops():
    with ExitStack() as stack:
        nuts = make_shop("Nuts", ["almonds"] * 3 + ["dates"], start=4, size=(80, 80))
        coats = make_shop("Coats", ["clothing"] * 3, start=4, size=(80, 80))
        yield [stack.enter_context(serve(shop)) for shop in (nuts, coats)]


def options(shops):
    allow = [server.endpoint for server in shops]
    return {"limits": Limits(seconds=30), "allow": allow, "throttle": False}


@pytest.fixture(scope="module")
def ranking(photos, shops, tmp_path_factory):
    from .conftest import MeanColor

    table = pd.DataFrame(
        {
            "url": [shops[1].url, "http://10.0.0.1/", shops[0].url],
            "name": ["=coats()", "<b>private</b>", "nuts"],
        }
    )
    out = tmp_path_factory.mktemp("ranking")
    file = out / "shops.csv"
    table.to_csv(file, index=False, sep=";")
    again = {"progress": False, "collecting": options(shops), "embedder": MeanColor(), **SCORING}
    result = rank(file, photos, ["almonds", "clothing"], out / "results", **again)
    counts = [len(server.requests) for server in shops]
    second = rank(file, photos, ["almonds", "clothing"], out / "results", **again)
    assert [len(server.requests) for server in shops] == counts
    return result, second


def test_every_site_has_a_row_for_every_target(ranking):
    table = ranking[0].sites
    assert list(table.columns) == RANKING_COLUMNS
    assert table.groupby("target", sort=False)["rank"].apply(list).to_dict() == {
        "almonds": [1, 2, 3],
        "clothing": [1, 2, 3],
    }
    failed = table[table["site"] == "<b>private</b>"]
    assert failed["rank"].to_list() == [3, 3] and failed["decision"].isna().all()
    assert failed["reason"].str.contains("refused: 10.0.0.1 is not on the public internet").all()
    shares = table.dropna(subset="share").groupby("target")["share"]
    assert all(np.all(np.diff(values) <= 0) for _, values in shares)
    assert table.set_index(["site", "target"]).loc[("nuts", "almonds"), "n_images"] == 5


def test_a_second_call_asks_nobody_and_decides_the_same(ranking):
    pd.testing.assert_frame_equal(ranking[0].sites, ranking[1].sites)
    pd.testing.assert_frame_equal(ranking[0].images, ranking[1].images)


def test_what_is_written_can_be_read_and_shown(ranking):
    result = ranking[0]
    written = pd.read_csv(result.folder / "sites.csv")
    assert "'=coats()" in set(written["site"]) and result.page.is_file()
    page = result.page.read_text()
    assert "<b>private" not in page and "<b>private" not in result._repr_html_()
    images = pd.read_parquet(result.folder / "images.parquet")
    scored = images[images["status"] == "scored"]
    assert set(scored["target"]) == {"almonds", "clothing"} and scored["score"].notna().all()
    assert all((result.folder / path).is_file() for path in scored["path"])
    assert scored["url"].str.startswith("http://127.0.0.1:").all()
    left = images[images["target"] == ""]
    assert len(left) and (left["reason"] != "").all()


def test_mistakes_are_said_before_anything_is_collected(photos, tmp_path, stub):
    with pytest.raises(UnknownClassError):
        rank(["http://shop.invalid"], photos, ["almonds", "walnuts"], tmp_path, embedder=stub)
    with pytest.raises(ValueError, match="no targets"):
        rank(["http://shop.invalid"], photos, [], tmp_path)
    assert not list(tmp_path.iterdir())


def test_collect_from_the_command_line(shops, tmp_path, capsys):
    file = tmp_path / "shops.csv"
    file.write_text(f"name,url\nnuts,{shops[0].url}\nbad,ftp://x\n")
    arguments = ["--out", str(tmp_path / "out"), "--quiet", "--no-throttle"]
    arguments += ["--allow", shops[0].endpoint]
    assert main(["collect", str(file), *arguments, "--images", "3"]) == 0
    shown = capsys.readouterr().out
    assert "Limit of 3 images reached" in shown and "Expected an http or https" in shown
    (marker,) = (tmp_path / "out").glob("*/site.json")
    assert json.loads(marker.read_text())["settings"]["limits"]["images"] == 3
    assert main(["collect", "ftp://x", *arguments]) == 2
    assert "no site could be collected" in capsys.readouterr().err
    assert main(["collect", str(file), "http://y.example", *arguments]) == 2
    file.write_bytes(b"\xff\xfe\0\0")
    assert main(["collect", str(file), *arguments]) == 2


def test_a_missing_extra_says_how_to_install_it(tmp_path, monkeypatch, photos, stub):
    monkeypatch.setattr("similarity_lab.web.find_spec", lambda name: None)
    monkeypatch.delitem(vars(web), "collect", raising=False)  # imported by other tests
    with pytest.raises(ImportError, match=r'pip install "similarity_lab\[web\]"'):
        rank(["shop.example"], photos, "almonds", tmp_path, embedder=stub)
    assert main(["collect", "shop.example", "--out", str(tmp_path)]) == 2
