"""Files whose names hold bytes that are no text, or marks that turn text round, from end to end."""

import json
import os

import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, cli
from similarity_lab.relevance import library_report
from similarity_lab.report import write_report
from similarity_lab.store import VectorStore

NAMES = [b"\xff\xfe.png", "ü\u202e\n<b>.png".encode(), b"=1+1.png", b"\xffno.jpg"]


@pytest.fixture
def odd(make_photo, tmp_path):
    """A site of three pictures and a file that is none."""
    site = tmp_path / "odd"
    site.mkdir()
    for number, name in enumerate(NAMES):
        path = os.path.join(os.fsencode(site), name)
        try:
            with open(path, "wb") as file:
                if name.endswith(b"png"):
                    make_photo((150, 90, 50), 50 + number).save(file, "PNG")
        except OSError:
            pytest.skip("this file system takes only names that are text")
    return site


@pytest.fixture
def scorer(library, odd, stub, tmp_path):
    for name in NAMES[:3]:
        path = os.path.join(os.fsencode(odd), name)
        os.link(path, os.path.join(os.fsencode(library / "almonds"), name))
    return RelevanceScorer("almonds", embedder=stub, store=tmp_path / "store", progress=False).fit(
        library
    )


def test_everything_can_be_written_and_read_again(scorer, odd, stub, library, tmp_path):
    result = scorer.decide(odd)
    assert result.n_scored == 3 and len(result.skipped) == 1
    told = json.loads(json.dumps(result.to_dict()).encode())
    assert {os.fsencode(row["path"]).rpartition(b"/")[2] for row in told["images"]} == {*NAMES}
    assert told["images"][0].keys() == set(result.images.columns)
    scorer.save(tmp_path / "scorer")
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=stub)
    assert loaded.reference_names_ == scorer.reference_names_
    assert loaded.decide(odd).to_dict() == result.to_dict()
    write_report([result], tmp_path / "report", title="odd")
    result._repr_html_().encode()
    library_report(library, embedder=stub, progress=False)._repr_html_().encode()
    store = VectorStore(tmp_path / "store")
    kept = [path for _, paths, _ in store.blocks(store_name(store), 99) for path in paths]
    assert {os.fsencode(path).rpartition(b"/")[2] for path in kept} >= set(NAMES[:3])


def store_name(store):
    (name,) = store.embedders()
    return name


def test_the_command_line_prints_and_writes_them(scorer, odd, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(RelevanceScorer, "load", lambda *_, **__: scorer)
    tables = [tmp_path / "sites.csv", tmp_path / "images.csv"]
    words = ["--csv", str(tables[0]), "--images-csv", str(tables[1]), "--json", "--quiet"]
    folder = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"shop \xff"))
    os.rename(odd, folder)
    assert cli.main(["decide", "--scorer", "saved", folder, *words]) == 0
    assert json.loads(capsys.readouterr().out)["sites"][0]["n_scored"] == 3
    assert cli.main(["decide", "--scorer", "saved", folder]) == 0
    assert "shop \\udcff" in capsys.readouterr().out
    images = pd.read_csv(tables[1])
    assert len(images) == 4 and images["path"].str.contains("udcff").all()
    assert pd.read_csv(tables[0]).loc[0, "site"] == "shop \\udcff"
