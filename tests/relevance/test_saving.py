import json

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from similarity_lab import RelevanceScorer
from similarity_lab.errors import SavedFolderError


@pytest.fixture
def fitted(shelf, embedder):
    return RelevanceScorer("almonds", embedder=embedder, certainty=0.8, progress=False).fit(shelf)


@pytest.fixture
def shop(written):
    return written("shop", "almonds", 4, seed=1) + written("shop", "soap", 4)


@pytest.mark.parametrize("method", ["learned", "mean-distance"])
def test_a_loaded_scorer_decides_alike(method, shelf, embedder, shop, tmp_path):
    scorer = RelevanceScorer("almonds", method=method, embedder=embedder, progress=False)
    scorer.fit(shelf).save(tmp_path / "scorer")
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=embedder, library=shelf)
    before, after = scorer.score(shop), loaded.score(shop)
    pd.testing.assert_frame_equal(before.images, after.images)
    assert before.to_row() == after.to_row() and before.settings == after.settings
    loaded.save(tmp_path / "again")
    assert RelevanceScorer.load(tmp_path / "again", embedder=embedder, library=shelf)
    with pytest.raises(ValueError, match="knows its own target only"):
        loaded.for_target("figs")


def test_nothing_is_pickled(fitted, tmp_path):
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "scorer.json",
        "scorer.npz",
    ]
    with np.load(tmp_path / "scorer.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file)


def test_it_refuses_what_does_not_belong_together(fitted, embedder, shelf, stub, tmp_path):
    with pytest.raises(NotFittedError):
        RelevanceScorer("almonds").save(tmp_path)
    folder = tmp_path / "scorer"
    fitted.save(folder)
    with pytest.raises(SavedFolderError, match="passed as an object"):
        RelevanceScorer.load(folder)
    with pytest.raises(SavedFolderError, match="vectors of 'written vectors'"):
        RelevanceScorer.load(folder, embedder=stub)
    with pytest.raises(SavedFolderError, match="other photos than this library"):
        fewer = {**shelf, "figs": shelf["figs"][1:]}
        RelevanceScorer.load(folder, embedder=embedder, library=fewer)
    with pytest.raises(SavedFolderError, match="holds no scorer"):
        RelevanceScorer.load(tmp_path / "nothing", embedder=embedder)


def test_changed_files_are_noticed(fitted, embedder, tmp_path):
    fitted.save(tmp_path)
    manifest = tmp_path / "scorer.json"
    kept, numbers = manifest.read_text(), (tmp_path / "scorer.npz").read_bytes()
    spoilt = json.loads(kept)
    for text, complaint in [
        ("{", "no manifest"),
        ("[]", "no manifest"),
        (json.dumps({**spoilt, "format": 99}), "format 99"),
        (json.dumps({k: v for k, v in spoilt.items() if k != "rule"}), "incomplete"),
        (json.dumps({**spoilt, "parameters": {"target": "x", "evil": 1}}), "incomplete"),
    ]:
        manifest.write_text(text)
        with pytest.raises(SavedFolderError, match=complaint):
            RelevanceScorer.load(tmp_path, embedder=embedder)
    manifest.write_text(kept)
    (tmp_path / "scorer.npz").write_bytes(numbers[:-9] + b"123456789")
    with pytest.raises(SavedFolderError, match="not what was saved"):
        RelevanceScorer.load(tmp_path, embedder=embedder)
