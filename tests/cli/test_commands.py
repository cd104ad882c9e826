"""The other commands; ``rank`` and ``collect`` also in tests/test_ranking.py."""

import warnings

import numpy as np
import pandas as pd
import pytest

from similarity_lab import load_embedder
from similarity_lab.datasets import fetching


def test_embed_writes_vectors(run, library, tmp_path, capsys):
    (library / "oats" / "bad.jpg").write_text("no")
    photo = library / "dates" / "0.png"
    out = tmp_path / "vectors"
    assert run("embed", library / "oats", photo, "--out", out, "--quiet") == 0
    output = capsys.readouterr()
    assert "7 vectors of 1280 numbers" in output.out and "bad.jpg" in output.err
    with np.load(out, allow_pickle=False) as file:
        assert file["paths"][-1] == str(photo)
        embedder = load_embedder(crops=(0.5,))  # that of the quality "standard"
        expected = embedder.embed([photo], progress=False).vectors
        np.testing.assert_allclose(file["vectors"][-1:], expected, atol=1e-4)
        assert str(file["embedder"]) == embedder.name


def test_embed_with_another_embedder(run, library, tmp_path, capsys):
    out, photo = tmp_path / "vectors.npz", library / "dates" / "0.png"
    names = []
    for options in (["--quality", "fast"], ["--embedder", "efficientnet-lite0"]):
        assert run("embed", photo, "--out", out, "--quiet", *options) == 0
        with np.load(out, allow_pickle=False) as file:
            names.append(str(file["embedder"]))
    assert names == [load_embedder().name] * 2
    both = ["--quality", "fast", "--embedder", "efficientnet-lite0"]
    assert run("embed", photo, "--out", out, *both) == 2
    assert "not both" in capsys.readouterr().err
    assert run("embed", photo, "--out", out, "--color", "gray") == 2
    assert "--color applies to --embedder" in capsys.readouterr().err


def test_embed_and_search_with_a_runtime(run, library, tmp_path, capsys):
    out, photo = tmp_path / "vectors.npz", library / "dates" / "0.png"
    options = ["--embedder", "efficientnet-lite0", "--runtime", "openvino", "--quiet"]
    assert run("embed", photo, "--out", out, *options) == 0
    with np.load(out, allow_pickle=False) as file:
        assert str(file["embedder"]) == load_embedder(runtime="openvino").name
    assert run("search", photo, "--store", tmp_path / "store", *options) == 2
    assert "openvino float32" in capsys.readouterr().err
    for command in (["embed", photo, "--out", out], ["search", photo]):
        assert run(*command, "--device", "cuda:1") == 2
        assert "--device applies to --embedder; pass both" in capsys.readouterr().err


def test_embed_without_a_readable_image(run, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no")
    out = tmp_path / "vectors.npz"
    assert run("embed", tmp_path / "bad.jpg", "--out", out, "--quiet") == 2
    assert "no readable image among 1 file" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("command", ["embed", "search"])
def test_file_that_cannot_be_written_is_refused_first(command, run, library, tmp_path, capsys):
    flag = "--out" if command == "embed" else "--csv"
    assert run(command, library / "oats" / "0.png", flag, tmp_path / "no" / "x", "--quiet") == 2
    assert "no such folder: " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["collect", "rank"])
def test_file_in_place_of_the_folder_is_refused_first(command, run, tmp_path, capsys):
    pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')
    (tmp_path / "list.csv").write_text("url\nhttps://shop.example\n")
    options = ["--library", "lib", "--target", "almonds"] if command == "rank" else []
    arguments = [*options, "--out", tmp_path / "list.csv", tmp_path / "list.csv"]
    assert run(command, *arguments) == 2
    assert "list.csv: is a file; expected a folder for the" in capsys.readouterr().err


def test_status_of_a_run_on_one_machine(run, tmp_path, capsys):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").touch()
    assert run("status", tmp_path) == 2
    assert "rank on one machine, which has finished; open" in capsys.readouterr().err


def test_warning_does_not_control_the_terminal(run, monkeypatch, capsys):
    def warn(options):
        warnings.warn("folder \x1b[2J", stacklevel=1)

    monkeypatch.setattr("similarity_lab.cli.fetch._run", warn)
    assert run("fetch", "grocery-store") == 0
    assert capsys.readouterr().err == "similarity-lab: warning: folder [U+001B][2J\n"


def test_hosts_that_are_all_unknown_may_mean_no_network():
    from similarity_lab.cli.collect import no_site_error

    offline = no_site_error("no site", pd.Series(["host_not_found"] * 2))
    assert "is this machine online?" in str(offline)
    assert "in the table" in str(no_site_error("no site", pd.Series(["host_not_found", "robots"])))


def test_fetch_offline(monkeypatch, run, tmp_path, capsys):
    def unreachable(folder, progress):
        raise fetching.DownloadError("cannot reach the server; try again")

    monkeypatch.setattr(fetching, "fetch_grocery_store", unreachable)
    assert run("fetch", "grocery-store", "--folder", tmp_path) == 2
    assert "cannot reach the server" in capsys.readouterr().err


def test_demo_without_its_extra_unpacks_nothing(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("similarity_lab.cli.demo.find_spec", lambda name: None)
    assert run("demo", "--out", tmp_path / "demo") == 2
    assert 'pip install "similarity_lab[web]"' in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_demo(run, tmp_path, capsys):
    pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')
    assert run("demo", "--out", tmp_path / "demo") == 0
    out = capsys.readouterr().out
    assert "greenfield-foods sells almonds" in out and "and the texts of" in out
    assert "Harbour Grocers sells almonds" in out and "Nut House does not sell almonds" in out
    assert "3 of 3 decisions are correct; 1 of 4 shops could not be decided on" in out
    assert "Forbidden by robots.txt" in out
    assert (tmp_path / "demo" / "results" / "report" / "index.html").is_file()
    assert "similarity-lab rank --library" in out and "similarity-lab decide --library" in out


def test_search_finds_what_decide_stored(run, library, sites, tmp_path, capsys):
    store, shop = ("--store", tmp_path / "store"), sites / "nut-shop"
    decide = ["decide", "--library", library, "--target", "almonds", "--quiet", *store, shop]
    hostile = (shop / "00.jpg").rename(shop / "00\x1b[2J.jpg")
    assert run(*decide) == 0
    capsys.readouterr()
    assert run("search", hostile, "-k", "1", *store) == 0
    printed = capsys.readouterr().out
    assert "nut-shop/00[U+001B][2J.jpg" in printed and "\x1b" not in printed
    assert printed.splitlines()[1].endswith(" 0.000")
    assert run("search", hostile, "--quality", "fast", *store) == 2
    assert "No vectors of" in capsys.readouterr().err


def test_search_without_a_readable_image(run, tmp_path, capsys):
    assert run("search", tmp_path / "missing.jpg", "--store", tmp_path) == 2
    assert "no readable image among 1 file" in capsys.readouterr().err
