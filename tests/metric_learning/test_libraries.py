"""TensorFlow Similarity on Keras 2, in one process with Keras 3."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from similarity_lab.backend import keras
from similarity_lab.metric_learning import libraries
from similarity_lab.metric_learning.libraries import tf_keras, tfs


def test_missing_extra(monkeypatch):
    find = importlib.util.find_spec
    absent = ("nmslib", "tensorflow_similarity")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in absent else find(name)
    )
    message = r'needs tensorflow_similarity, nmslib.*pip install "similarity_lab\[train\]"'
    with pytest.raises(ImportError, match=message):
        libraries.check_installed()


def test_importing_the_package_loads_no_network_library():
    code = (
        "import sys, similarity_lab.metric_learning as m; assert 'MetricLearner' in dir(m)\n"
        "from similarity_lab.metric_learning import calibrate, ImageIndex\n"
        "sys.exit(bool({'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_both_keras_in_one_process():
    assert keras.__version__.startswith("3.") and tf_keras.__version__.startswith("2.")
    values = np.ones((2, 4), np.float32)
    ours = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    theirs = tf_keras.Sequential([tf_keras.Input((4,)), tfs.layers.MetricEmbedding(3)])
    theirs.compile("adam", loss=tfs.losses.MultiSimilarityLoss())
    theirs.train_on_batch(values, np.array([0, 1]))
    ours.compile("adam", loss="mse")
    ours.train_on_batch(values, np.ones((2, 3), np.float32))
    assert ours.predict(values, verbose=0).shape == theirs.predict(values, verbose=0).shape
