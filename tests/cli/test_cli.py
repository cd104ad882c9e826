import json

import numpy as np
import pandas as pd
import pytest

from similarity_lab import cli, load_embedder


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def score(library):
    return ["score", "--library", library, "--target", "almonds", "--quiet"]


def test_score_prints_a_table(score, sites, capsys):
    assert run(*score, sites / "nut-shop", sites / "date-shop") == 0
    out = capsys.readouterr().out.splitlines()
    words = "site decision probability share from to matches images repeated left out unreadable"
    assert out[0].split() == words.split()
    assert [line.split()[0] for line in out[1:]] == ["nut-shop", "date-shop"]


def test_score_writes_what_is_asked_for(score, sites, tmp_path, capsys):
    table, images, page = tmp_path / "s.csv", tmp_path / "i.csv", tmp_path / "page"
    shops = [sites / "nut-shop", sites / "date-shop"]
    options = ["--csv", table, "--images-csv", images, "--report", page, "--json"]
    assert run(*score, *options, "--similarity-threshold", "0.3", *shops) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [site["site"] for site in printed["sites"]] == ["nut-shop", "date-shop"]
    assert len(printed["sites"][0]["images"]) == 10 and printed["versions"]["similarity_lab"]
    written = pd.read_csv(table)
    assert written["share"].tolist() == [site["share"] for site in printed["sites"]]
    assert (written["similarity_threshold"] == 0.3).all()
    assert len(pd.read_csv(images)) == 20 and (page / "index.html").exists()


def test_score_goes_on_after_a_bad_site(score, sites, library, tmp_path, capsys):
    (library / "almonds" / "bad.jpg").write_text("no")
    assert run(*score, sites / "nut-shop", tmp_path / "absent") == 0
    output = capsys.readouterr()
    assert "absent" in output.out and "no such folder" in output.out
    assert "left out of the library" in output.err and "bad.jpg" in output.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--target", "figs", "site"], "Unknown class 'figs'"),
        (["--library", "absent", "site"], "absent: no such folder"),
        (["absent"], "no site could be decided on"),
        (["--relevance-threshold", "25", "site"], "share from 0 to 1"),
        (["--embedder", "nothing", "site"], "Unknown embedder 'nothing'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(score, sites, arguments, complaint, capsys):
    shop = str(sites / "nut-shop")
    assert run(*score, *[shop if word == "site" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("similarity-lab: error: ") and complaint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["score"], ["unknown"], ["fetch", "everything"]])
def test_bad_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2 and "usage: similarity-lab" in capsys.readouterr().err


def test_interrupt(monkeypatch, score, sites, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_score", interrupted)
    assert run(*score, sites / "nut-shop") == 130
    assert capsys.readouterr().err == "similarity-lab: interrupted\n"


def test_embed(library, tmp_path, capsys):
    (library / "oats" / "bad.jpg").write_text("no")
    photo = library / "dates" / "0.png"
    out = tmp_path / "vectors"
    assert run("embed", library / "oats", photo, "--out", out, "--quiet") == 0
    output = capsys.readouterr()
    assert "7 vectors of 1280 numbers" in output.out and "bad.jpg" in output.err
    with np.load(out, allow_pickle=False) as file:
        assert file["paths"][-1] == str(photo)
        expected = load_embedder().embed([photo], progress=False).vectors
        np.testing.assert_allclose(file["vectors"][-1:], expected, atol=1e-4)
        assert "efficientnet-lite0" in str(file["embedder"])
    assert run("embed", library / "oats" / "bad.jpg", "--out", out, "--quiet") == 2


def test_fetch_offline(monkeypatch, tmp_path, capsys):
    from similarity_lab.datasets import fetching as fetch

    def unreachable(folder):
        raise fetch.DownloadError("cannot reach the server; try again")

    monkeypatch.setattr(fetch, "fetch_grocery_store", unreachable)
    assert run("fetch", "grocery-store", "--folder", tmp_path) == 2
    assert "cannot reach the server" in capsys.readouterr().err


def test_demo(tmp_path, capsys):
    pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')
    assert run("demo", "--out", tmp_path / "demo") == 0
    out = capsys.readouterr().out
    assert "2 of 2 shops decided correctly" in out
    assert (tmp_path / "demo" / "results" / "report" / "index.html").is_file()
    assert "similarity-lab rank --library" in out and "similarity-lab score --library" in out
