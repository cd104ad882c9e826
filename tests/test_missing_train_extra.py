"""Without the extra ``train``, every public name that needs it raises `MissingExtraError`."""

import subprocess
import sys

WITHOUT = """
import importlib
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):  # as if these packages were not installed
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        missing = {missing}
        return None if name in missing else super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]

import numpy as np
import similarity_lab.metric_learning, similarity_lab.pairs, similarity_lab.siamese
import similarity_lab.study
from similarity_lab.errors import MissingExtraError

pairs, is_same = similarity_lab.pairs.make_pairs(np.zeros((4, 2, 2, 1)), [0, 0, 1, 1], seed=0)
for module, names in {entries}.items():
    for name in names:
        try:
            result = getattr(importlib.import_module("similarity_lab." + module), name)
            assert callable(result), result
            if {call}:
                result()
        except MissingExtraError as error:
            assert 'pip install "similarity_lab[train]"' in str(error), error
            assert isinstance(error, ImportError)
        else:
            raise AssertionError(f"{{module}}.{{name}} needs no extra")
"""


def check(missing, entries, *, call=False):
    code = WITHOUT.format(missing=missing, entries=entries, call=call)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_without_tensorflow_and_keras():
    import similarity_lab.siamese
    import similarity_lab.study

    entries = {
        "pairs": ["PairStream", "ClassBalancedStream", "MineNegatives"],
        "siamese": similarity_lab.siamese.__all__,
        "metric_learning": ["MetricLearner", "FeatureTower", "SmallTower", "make_loss"],
        "study": similarity_lab.study.__all__,
    }
    check({"keras", "tensorflow", "tf_keras", "tensorflow_similarity", "nmslib"}, entries)


def test_without_opencv():
    check({"cv2"}, {"images": ["Augmentation"]}, call=True)
