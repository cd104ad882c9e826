import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from similarity_lab.errors import SavedFolderError
from similarity_lab.metric_learning import MetricLearner
from similarity_lab.metric_learning.manifest import MANIFEST


@pytest.fixture(scope="module")
def kept(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    learner = MetricLearner(progress=False)
    learner.fit(data[0], validation=data[1], tower="small", size=(8, 8), epochs=2, steps=3)
    learner.index(data[0]).calibrate(data[2], "f1")
    learner.save(folder)
    return learner, folder


@pytest.fixture
def saved(kept, tmp_path):
    """A learner and a copy of its folder, to be changed."""
    return kept[0], shutil.copytree(kept[1], tmp_path / "model")


def rewrite(folder, **changes):
    file = folder / MANIFEST
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.slow
def test_a_fresh_process_answers_the_same(saved, data, tmp_path):
    learner, _ = saved
    np.save(tmp_path / "asked.npy", data[2].images)
    code = (
        "import sys, numpy as np\n"
        "from similarity_lab.metric_learning import MetricLearner\n"
        "learner = MetricLearner.load('model', progress=False)\n"
        "asked = np.load('asked.npy')\n"
        "learner.match(asked).to_json('match.json', double_precision=15)\n"
        "learner.lookup(asked).to_json('lookup.json', double_precision=15)\n"
        "print(learner.embedder_.name, learner.calibration_.statement, sep='|')\n"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{learner.embedder_.name}|{learner.calibration_.statement}"
    for name, expected in (
        ("match", learner.match(data[2].images)),
        ("lookup", learner.lookup(data[2].images)),
    ):
        got = pd.read_json(tmp_path / f"{name}.json", dtype={"label": str, "nearest": str})
        pd.testing.assert_frame_equal(got, expected, check_dtype=False, rtol=1e-5, atol=1e-6)


def test_everything_comes_back(saved, data):
    learner, folder = saved
    loaded = MetricLearner.load(folder)
    assert repr(loaded.index_) == repr(learner.index_)
    assert loaded.index_.digests == learner.index_.digests
    assert loaded.calibration_.threshold == learner.calibration_.threshold
    pd.testing.assert_frame_equal(loaded.calibration_.curve, learner.calibration_.curve)
    pd.testing.assert_frame_equal(loaded.history_, learner.history_)
    assert loaded.best_epoch_ == learner.best_epoch_
    asked = data[2].images
    pd.testing.assert_frame_equal(loaded.match(asked), learner.match(asked))
    pd.testing.assert_frame_equal(loaded.lookup(asked), learner.lookup(asked))


def test_nothing_is_pickled(saved):
    """TensorFlow Similarity writes its index as object arrays, which are pickles."""
    for file in saved[1].iterdir():
        assert file.suffix in (".npz", ".csv", ".json")
        if file.suffix == ".npz":
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    header = archive.read(name)[:128]
                    assert b"'|O'" not in header and b"descr" in header


@pytest.mark.parametrize("name", ["head.npz", "index.npz", "calibration.npz"])
def test_a_changed_or_missing_file(saved, name):
    folder = saved[1]
    with (folder / name).open("ab") as file:
        file.write(b"1")
    with pytest.raises(SavedFolderError, match=f"{name} is not the file that was saved"):
        MetricLearner.load(folder)
    (folder / name).unlink()
    with pytest.raises(SavedFolderError, match=f"{name} is missing"):
        MetricLearner.load(folder)


def test_a_manifest_of_something_else(saved, tmp_path):
    folder = saved[1]
    for changes, message in (
        ({"metric": "euclidean"}, "compares by 'euclidean'"),
        ({"format": 99}, "is in format 99"),
        ({"embedder": "small 00000000"}, "the weights make"),
        ({"base": "pixels rgb 9x9"}, "was trained on the vectors of 'pixels rgb 9x9'"),
        ({"files": {"../head.npz": ""}}, "is missing"),
        ({"files": 3}, "is no manifest"),
    ):
        before = (folder / MANIFEST).read_text()
        rewrite(folder, **changes)
        with pytest.raises(SavedFolderError, match=message):
            MetricLearner.load(folder)
        (folder / MANIFEST).write_text(before)
    with pytest.raises(FileNotFoundError, match=r"no manifest\.json"):
        MetricLearner.load(tmp_path)


def test_other_versions_are_said(saved):
    rewrite(saved[1], versions={"tensorflow": "1.15.0", "python": "2.7"})
    with pytest.warns(UserWarning, match=r"tensorflow 1\.15\.0 then"):
        MetricLearner.load(saved[1])


def test_an_embedder_brought_along_is_needed_again(fitted, colors, tmp_path):
    fitted.save(tmp_path)
    with pytest.raises(SavedFolderError, match=r"vectors of 'colours'.*embedder=…"):
        MetricLearner.load(tmp_path)
    loaded = MetricLearner.load(tmp_path, embedder=colors)
    assert loaded.embedder_.name == fitted.embedder_.name and not hasattr(loaded, "calibration_")

    class Other:
        name, dimension, input_size, embed = "others", 6, (12, 12), colors.embed

    with pytest.raises(SavedFolderError, match="not on those of 'others'"):
        MetricLearner.load(tmp_path, embedder=Other())
