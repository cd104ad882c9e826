"""File names with undecodable bytes or control characters, from reading to the report."""

import json
import os

import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, cli
from similarity_lab.images.sources import printable
from similarity_lab.relevance import library_report
from similarity_lab.report import write_report
from similarity_lab.store import VectorStore

NAMES = [b"\xff\xfe.png", "ü\u202e\n<b>.png".encode(), b"=1+1.png", b"\xffno.jpg"]


def basenames(paths):
    return {os.fsencode(path).rpartition(b"/")[2] for path in paths}


@pytest.fixture
def site(make_image, tmp_path):
    """Return the folder of a site with three images and an empty file."""
    folder = tmp_path / "site"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        path = os.path.join(os.fsencode(folder), name)
        try:
            with open(path, "wb") as file:
                if name.endswith(b"png"):
                    make_image((150, 90, 50), 50 + number).save(file, "PNG")
        except OSError:
            pytest.skip("this file system accepts only names that are valid text")
    return folder


@pytest.fixture
def scorer(library, site, stub, tmp_path):
    for name in NAMES[:3]:
        path = os.path.join(os.fsencode(site), name)
        os.link(path, os.path.join(os.fsencode(library / "almonds"), name))
    scorer = RelevanceScorer("almonds", embedder=stub, store=tmp_path / "store", progress=False)
    return scorer.fit(library)


def test_decision_survives_json(scorer, site):
    result = scorer.decide(site)
    assert result.n_scored == 3 and len(result.skipped) == 1
    values = json.loads(json.dumps(result.to_dict()).encode())
    valid = {printable(os.fsdecode(name)) for name in NAMES}  # Unicode that every reader takes
    assert {os.path.basename(row["path"]) for row in values["images"]} == valid
    assert values["images"][0].keys() == set(result.images.columns)


def test_scorer_is_saved_and_loaded(scorer, site, stub, tmp_path):
    scorer.save(tmp_path / "scorer")
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=stub)
    assert loaded.reference_names_ == scorer.reference_names_
    assert loaded.decide(site).to_dict() == scorer.decide(site).to_dict()


def test_reports_are_valid_text(scorer, site, stub, library, tmp_path):
    result = scorer.decide(site)
    write_report([result], tmp_path / "report", title="names")
    result._repr_html_().encode()
    library_report(library, embedder=stub, progress=False)._repr_html_().encode()


def test_store_keeps_the_names(scorer, tmp_path):
    store = VectorStore(tmp_path / "store")
    (embedder,) = store.embedders()
    paths = [path for _, paths, _ in store.blocks(embedder, 99) for path in paths]
    assert basenames(paths) >= set(NAMES[:3])


def test_command_prints_and_writes_escaped_names(scorer, site, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(RelevanceScorer, "load", lambda *_, **__: scorer)
    sites_csv, images_csv = tmp_path / "sites.csv", tmp_path / "images.csv"
    folder = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"shop \xff"))
    os.rename(site, folder)
    command = ["decide", "--scorer", "saved", folder]
    tables = ["--csv", str(sites_csv), "--images-csv", str(images_csv)]
    assert cli.main([*command, *tables, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["sites"][0]["n_scored"] == 3
    assert cli.main(command) == 0
    assert "shop \\udcff" in capsys.readouterr().out
    images = pd.read_csv(images_csv)
    assert len(images) == 4 and images["path"].str.contains("udcff").all()
    assert pd.read_csv(sites_csv).loc[0, "site"] == "shop \\udcff"
