import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from similarity_lab.errors import SavedFolderError
from similarity_lab.metric_learning import FeatureTower, MetricLearner, SmallTower

MANIFEST = "manifest.json"


@pytest.fixture(scope="module")
def saved_learner(training, validation, queries, tmp_path_factory):
    """A learner, and the folder it was saved to."""
    folder = tmp_path_factory.mktemp("learner")
    tower = SmallTower(size=(8, 8))
    learner = MetricLearner(tower, loss="circle", epochs=2, steps=3, progress=False)
    learner.fit(training, validation=validation)
    learner.index(training).calibrate(queries, "f1")
    learner.save(folder)
    return learner, folder


@pytest.fixture
def folder(saved_learner, tmp_path):
    """A copy of the folder, to change."""
    return shutil.copytree(saved_learner[1], tmp_path / "learner")


def test_load_restores_everything(saved_learner, queries):
    learner, folder = saved_learner
    loaded = MetricLearner.load(folder, progress=False)
    assert loaded.get_params(deep=False).keys() == learner.get_params(deep=False).keys()
    assert (loaded.loss, loaded.epochs, loaded.steps) == ("circle", 2, 3)
    assert loaded.tower.get_params() == SmallTower(size=[8, 8]).get_params()
    assert repr(loaded.index_) == repr(learner.index_)
    assert loaded.index_.digests == learner.index_.digests
    assert loaded.calibration_.threshold == learner.calibration_.threshold
    pd.testing.assert_frame_equal(loaded.calibration_.curve, learner.calibration_.curve)
    pd.testing.assert_frame_equal(loaded.history_, learner.history_)
    pd.testing.assert_frame_equal(loaded.skipped_, learner.skipped_, check_dtype=False)
    assert loaded.best_epoch_ == learner.best_epoch_
    for method in ("match", "lookup"):
        rows, expected = (getattr(each, method)(queries.images) for each in (loaded, learner))
        pd.testing.assert_frame_equal(rows, expected)


def test_loaded_learner_can_be_fitted_again(folder, training):
    loaded = MetricLearner.load(folder, progress=False)
    assert loaded.fit(training).embedder_.dimension == 64


def test_saved_files_contain_no_pickle(saved_learner):
    """TensorFlow Similarity writes its index as object arrays, which are pickles."""
    files = list(saved_learner[1].iterdir())
    assert {file.suffix for file in files} == {".npz", ".csv", ".json"}
    for file in files:
        if file.suffix == ".npz":
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    header = archive.read(name)[:128]
                    assert b"'|O'" not in header and b"descr" in header


@pytest.mark.parametrize("name", ["head.npz", "index.npz", "calibration.npz", "history.csv"])
def test_load_refuses_a_changed_file(folder, name):
    with (folder / name).open("ab") as file:
        file.write(b"1")
    with pytest.raises(SavedFolderError, match=f"{name} was changed"):
        MetricLearner.load(folder)
    (folder / name).unlink()
    with pytest.raises(SavedFolderError, match=f"{name} is missing"):
        MetricLearner.load(folder)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"metric": "euclidean"}, "compares by 'euclidean'"),
        ({"embedder": "small 00000000"}, "the weights are those of"),
        ({"base": "pixels rgb 9x9"}, "(?i)unknown|was trained on the vectors of 'pixels rgb 9x9'"),
        ({"tower": {"name": "large", "params": {}}}, "unknown tower 'large'"),
        ({"tower": 3}, "incomplete manifest"),
    ],
)
def test_load_refuses_another_manifest(folder, changes, message):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["content"] |= changes
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(SavedFolderError, match=message):
        MetricLearner.load(folder)


def test_load_refuses_what_version_1_wrote(folder, tmp_path):
    (folder / MANIFEST).write_text(json.dumps({"format": 1, "tower": "small", "files": {}}))
    with pytest.raises(SavedFolderError, match="another version"):
        MetricLearner.load(folder)
    with pytest.raises(FileNotFoundError, match="No saved metric learner"):
        MetricLearner.load(tmp_path)


def test_load_warns_of_other_versions(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["versions"] = {"tensorflow": "1.15.0", "python": "2.7"}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.warns(UserWarning, match=r"tensorflow 1\.15\.0 then"):
        MetricLearner.load(folder)


def test_load_needs_an_embedder_that_has_no_known_name(fitted, colors, tmp_path):
    fitted.save(tmp_path)
    with pytest.raises(SavedFolderError, match=r"vectors of 'colours'.*embedder=…"):
        MetricLearner.load(tmp_path)
    loaded = MetricLearner.load(tmp_path, embedder=colors)
    assert isinstance(loaded.tower, FeatureTower) and loaded.tower.embedder is colors
    assert loaded.embedder_.name == fitted.embedder_.name and not hasattr(loaded, "calibration_")

    class Other:
        name, dimension, input_size, embed = "others", 6, (12, 12), colors.embed

    with pytest.raises(SavedFolderError, match="not on those of 'others'"):
        MetricLearner.load(tmp_path, embedder=Other())


def test_saved_weights_are_plain_arrays(saved_learner):
    learner, folder = saved_learner
    with np.load(folder / "head.npz", allow_pickle=False) as arrays:
        for name, weight in zip(sorted(arrays), learner.embedder_.head.get_weights(), strict=True):
            np.testing.assert_allclose(arrays[name], weight)
