"""The other commands; ``rank`` and ``collect`` also in tests/test_ranking.py."""

import numpy as np
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
        expected = load_embedder().embed([photo], progress=False).vectors
        np.testing.assert_allclose(file["vectors"][-1:], expected, atol=1e-4)
        assert "efficientnet-lite0" in str(file["embedder"])


def test_embed_without_a_readable_image(run, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no")
    out = tmp_path / "vectors.npz"
    assert run("embed", tmp_path / "bad.jpg", "--out", out, "--quiet") == 2
    assert "none of 1 files is a readable image" in capsys.readouterr().err
    assert not out.exists()


def test_fetch_offline(monkeypatch, run, tmp_path, capsys):
    def unreachable(folder, progress):
        raise fetching.DownloadError("cannot reach the server; try again")

    monkeypatch.setattr(fetching, "fetch_grocery_store", unreachable)
    assert run("fetch", "grocery-store", "--folder", tmp_path) == 2
    assert "cannot reach the server" in capsys.readouterr().err


def test_demo(run, tmp_path, capsys):
    pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')
    assert run("demo", "--out", tmp_path / "demo") == 0
    out = capsys.readouterr().out
    assert "2 of 2 shops decided correctly" in out
    assert (tmp_path / "demo" / "results" / "report" / "index.html").is_file()
    assert "similarity-lab rank --library" in out and "similarity-lab decide --library" in out


def test_search_without_a_readable_image(run, tmp_path, capsys):
    assert run("search", tmp_path / "missing.jpg", "--store", tmp_path) == 2
    assert "none of 1 files is a readable image" in capsys.readouterr().err
