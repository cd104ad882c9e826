"""Keras or TensorFlow may be imported before or after the package, in scripts and notebooks."""

import subprocess
import sys

import numpy as np
import pytest

from similarity_lab.datasets import ImageDataset
from similarity_lab.metric_learning import MetricLearner, SmallTower
from similarity_lab.siamese import architecture_1, build

FIRST = {
    "similarity_lab": """
import sys, similarity_lab.siamese as siamese, similarity_lab.metric_learning
assert not {"keras", "tensorflow", "tf_keras"} & set(sys.modules)
import keras
before = None
""",
    "keras": """
import keras
before = None
import similarity_lab.siamese as siamese
""",
    "tensorflow": """
import tensorflow
before = tensorflow.keras.layers.Dense
import keras
import similarity_lab.siamese as siamese
""",
}

CHECKS = """
import numpy as np
from similarity_lab.metric_learning import MetricLearner, SmallTower

arrays = np.load("arrays.npz")
network = keras.models.load_model("network.keras")
answers = network.predict([arrays["left"], arrays["right"]], verbose=0)
np.testing.assert_allclose(answers, arrays["answers"], atol=1e-6)
answers = siamese.load("network.keras").predict([arrays["left"], arrays["right"]], verbose=0)
np.testing.assert_allclose(answers, arrays["answers"], atol=1e-6)

learner = MetricLearner.load("learner", progress=False)
np.testing.assert_allclose(learner.transform(arrays["images"]), arrays["vectors"], atol=1e-5)
assert learner.match(arrays["images"])["label"].tolist() == arrays["labels"].tolist()
learner.set_params(epochs=1, steps=1).fit(arrays["images"], arrays["y"])

import tensorflow
assert before in (None, tensorflow.keras.layers.Dense)
assert tensorflow.keras.layers.Dense is keras.layers.Dense
print("passed")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a compiled network, a metric learner, and their outputs."""
    path = tmp_path_factory.mktemp("networks")
    rng = np.random.default_rng(0)
    left, right = rng.random((2, 4, 16, 16, 1), np.float32)
    network = build(architecture_1((16, 16, 1)), "sigmoid")
    network.compile("adam", "binary_crossentropy")
    network.save(path / "network.keras")
    images = rng.integers(0, 256, (16, 8, 8, 3), np.uint8)
    data = ImageDataset.from_arrays(images, [0, 1] * 8, ["almonds", "dates"])
    learner = MetricLearner(SmallTower(size=8), epochs=1, steps=1, progress=False).fit(data)
    learner.index(data.subset(range(8))).calibrate(data.subset(range(8, 16)), "f1")
    learner.save(path / "learner")
    np.savez(
        path / "arrays.npz",
        left=left,
        right=right,
        answers=network.predict([left, right], verbose=0),
        images=images,
        vectors=learner.transform(images),
        labels=learner.match(images)["label"].to_numpy(str),
        y=np.array(["almonds", "dates"] * 8),
    )
    return path


@pytest.mark.parametrize("first", ["similarity_lab", "tensorflow"])
def test_import_order_in_a_fresh_process(first, folder, monkeypatch):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    command = [sys.executable, "-c", FIRST[first] + CHECKS]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "passed\n"


def test_import_order_in_a_notebook_kernel(folder, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    cells = [nbformat.v4.new_code_cell(code) for code in (FIRST["keras"], CHECKS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    assert cells[-1].outputs[-1]["text"].endswith("passed\n")


def test_similarity_is_imported_beside_one_on_keras_3(monkeypatch):
    """The module that the user imported on Keras 3 is not replaced."""
    from types import ModuleType, SimpleNamespace

    from similarity_lab.metric_learning import libraries

    user_module = ModuleType("tensorflow_similarity")
    user_module.losses = SimpleNamespace(MetricLoss=int)
    monkeypatch.setitem(sys.modules, "tensorflow_similarity", user_module)
    monkeypatch.setattr(libraries.importlib, "import_module", ModuleType)
    assert libraries.import_similarity() is not user_module
    assert sys.modules["tensorflow_similarity"] is user_module
