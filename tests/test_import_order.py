"""Keras or TensorFlow may be imported before us or after us, in a script and in a notebook."""

import subprocess
import sys

import pytest

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
network = keras.models.load_model("network.keras")
assert network.count_params() == siamese.load("network.keras").count_params() == 19_890

import numpy as np
from similarity_lab.datasets import ImageDataset
from similarity_lab.metric_learning import MetricLearner
images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
data = ImageDataset.from_arrays(images, [0, 1] * 4, ["almonds", "dates"])
learner = {learner}
assert learner.index(data).lookup(images[:1], k=1)["position"][0] == 0

import tensorflow
assert before in (None, tensorflow.keras.layers.Dense)
assert tensorflow.keras.layers.Dense is keras.layers.Dense
print("all is well")
""".format(
    learner='MetricLearner(progress=False).fit(data, tower="small", size=(8, 8), epochs=1, steps=1)'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Holds a saved network that was compiled for training."""
    path = tmp_path_factory.mktemp("network")
    network = build(architecture_1(), "sigmoid")
    network.compile("adam", "binary_crossentropy")
    network.save(path / "network.keras")
    return path


@pytest.mark.parametrize("first", ["similarity_lab", "tensorflow"])
def test_import_order_in_a_fresh_process(first, folder, monkeypatch):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    command = [sys.executable, "-c", FIRST[first] + CHECKS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all is well\n"


def test_import_order_in_a_notebook_kernel(folder, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    cells = [nbformat.v4.new_code_cell(code) for code in (FIRST["keras"], CHECKS)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    assert cells[-1].outputs[-1]["text"].endswith("all is well\n")


def test_similarity_is_imported_beside_one_on_keras_3(monkeypatch):
    """A TensorFlow Similarity that the user imported on Keras 3 stays theirs."""
    from types import ModuleType, SimpleNamespace

    from similarity_lab.metric_learning import libraries

    theirs = ModuleType("tensorflow_similarity")
    theirs.losses = SimpleNamespace(MetricLoss=int)
    monkeypatch.setitem(sys.modules, "tensorflow_similarity", theirs)
    monkeypatch.setattr(libraries.importlib, "import_module", ModuleType)
    assert libraries.import_similarity() is not theirs
    assert sys.modules["tensorflow_similarity"] is theirs
