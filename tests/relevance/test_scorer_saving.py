"""Saving and loading a fitted scorer."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from similarity_lab import RelevanceScorer
from similarity_lab.errors import InputError, PathNotFoundError, SavedFolderError
from similarity_lab.files.saved import MANIFEST


@pytest.fixture
def fitted(shelf, embedder):
    return RelevanceScorer("almonds", embedder=embedder, certainty=0.8, progress=False).fit(shelf)


@pytest.fixture
def shop(written):
    return written("shop", "almonds", 4, seed=1) + written("shop", "tea", 4)


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save(tmp_path / "scorer")
    return tmp_path / "scorer"


@pytest.mark.parametrize("rule", ["learned", "mean-distance"])
def test_load_decides_alike(rule, shelf, embedder, shop, tmp_path):
    scorer = RelevanceScorer("almonds", rule=rule, embedder=embedder, progress=False)
    scorer.fit(shelf).save(tmp_path / "scorer")
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=embedder, library=shelf)
    before, after = scorer.decide(shop), loaded.decide(shop)
    pd.testing.assert_frame_equal(before.images, after.images)
    assert before.to_row() == after.to_row() and before.settings == after.settings
    loaded.save(tmp_path / "again")
    again = RelevanceScorer.load(tmp_path / "again", embedder=embedder, library=shelf)
    assert again.decide(shop).to_row() == before.to_row()
    with pytest.raises(InputError, match="knows only its own target"):
        loaded.for_target("figs")


def test_load_keeps_criterion_prior_and_calibration(shelf, embedder, shop, tmp_path):
    scorer = RelevanceScorer(
        "almonds", criterion="share", relevance_threshold=0.1, prior=0.4, words=["Krubel"],
        embedder=embedder, progress=False,
    )  # fmt: skip
    scorer.fit(shelf).save(tmp_path / "scorer")
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=embedder)
    assert (loaded.criterion, loaded.prior, list(loaded.words)) == ("share", 0.4, ["Krubel"])
    assert loaded.rule_.calibration == scorer.rule_.calibration
    assert loaded.words_.names == scorer.words_.names != ()
    result = loaded.decide(shop)
    assert result.criterion == "share" and result.settings.prior == 0.4
    assert result.to_row() == scorer.decide(shop).to_row()


def test_save_writes_no_pickle(folder):
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    assert names == ["manifest.json", "scorer.npz"]
    with np.load(folder / "scorer.npz", allow_pickle=False) as file:
        assert file.files and all(file[name].dtype != object for name in file)


def test_save_before_fit(tmp_path):
    with pytest.raises(NotFittedError):
        RelevanceScorer("almonds").save(tmp_path)


def test_load_needs_the_embedder_object(folder):
    with pytest.raises(SavedFolderError, match="fitted with an embedder object"):
        RelevanceScorer.load(folder)


def test_load_refuses_another_embedder(folder, stub):
    with pytest.raises(SavedFolderError, match="vectors of 'written vectors'"):
        RelevanceScorer.load(folder, embedder=stub)


def test_load_refuses_another_library(folder, embedder, shelf):
    fewer = {**shelf, "figs": shelf["figs"][1:]}
    with pytest.raises(SavedFolderError, match="fitted on a different library"):
        RelevanceScorer.load(folder, embedder=embedder, library=fewer)


def test_load_without_a_scorer(tmp_path, embedder):
    with pytest.raises(PathNotFoundError, match="No saved scorer"):
        RelevanceScorer.load(tmp_path / "nothing", embedder=embedder)


def test_load_refuses_version_1(tmp_path, embedder):
    (tmp_path / "scorer.json").write_text('{"format": 1}')
    with pytest.raises(SavedFolderError, match="another version .* fit again"):
        RelevanceScorer.load(tmp_path, embedder=embedder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("fitted_rule"), "incomplete"),
        (lambda content: content["params"].update(evil=1), "incomplete"),
        (lambda content: content["rule"].update(name="magic"), "incomplete"),
        (lambda content: content["params"].update(certainty=7), "certainty is a probability"),
    ],
)
def test_load_checks_the_manifest(folder, embedder, change, message):
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest["content"])
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=message):
        RelevanceScorer.load(folder, embedder=embedder)


def test_load_notices_changed_arrays(folder, embedder):
    path = folder / "scorer.npz"
    path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    with pytest.raises(SavedFolderError, match="changed after it was saved"):
        RelevanceScorer.load(folder, embedder=embedder)
