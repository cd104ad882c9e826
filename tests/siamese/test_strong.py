"""The strong network's two phases, on a small base network for speed."""

import numpy as np
import pandas as pd
import pytest

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.embedders import embed_all
from similarity_lab.evaluation import pair_distances
from similarity_lab.samples import load_image
from similarity_lab.siamese import TrainingRun, strong, train_strong

layers = keras.layers
CLASSES = ("almonds", "sunflower oil", "oats")
SETTINGS = {"epochs": (2, 2), "steps": 2, "batch_size": 12, "progress": False}


def sample(first):
    images = np.stack([load_image(c, first + n, size=(32, 32)) for c in CLASSES for n in range(4)])
    return ImageDataset.from_arrays(images, np.repeat(np.arange(3), 4), CLASSES)


TRAIN, VALIDATION = sample(0), sample(8)


@pytest.fixture(autouse=True)
def small_base(monkeypatch):
    def base(weights):
        return keras.Sequential(
            [
                keras.Input((32, 32, 3)),
                layers.Conv2D(8, 4, strides=4, name="block0_conv",
                              kernel_initializer=keras.initializers.GlorotUniform(1)),
                layers.BatchNormalization(name="block0_normalization"),
                layers.GlobalAveragePooling2D(name="features"),
            ],
            name=weights.variant,
        )  # fmt: skip

    monkeypatch.setattr("similarity_lab.siamese.strong.efficientnet_lite", base)


def run_strong(folder=None, **settings):
    return train_strong(
        TRAIN, VALIDATION, dimension=4, blocks=1, folder=folder, **(SETTINGS | settings)
    )


def test_train_strong_joins_both_phases(tmp_path):
    run = run_strong(tmp_path)
    assert run.history["phase"].tolist() == ["projection"] * 2 + ["blocks"] * 2
    assert run.history["epoch"].tolist() == [1, 2, 3, 4]
    trainable = [run.configuration["phases"][p]["tower"]["trainable"] for p in strong.PHASES]
    assert trainable == [8 * 4 + 4, 8 * 4 + 4 + 4 * 4 * 3 * 8 + 8]
    vectors = embed_all(run.comparator.embedder, TRAIN.images, progress=False)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    loaded = TrainingRun.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.history, run.history)


def test_train_strong_resumes(tmp_path, monkeypatch):
    whole = run_strong(tmp_path / "whole")
    calls = []
    once = strong.train

    def interrupted(*args, **settings):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return once(*args, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(strong, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_strong(tmp_path / "parts")
    monkeypatch.setattr(strong, "fit_projection", lambda *a, **k: pytest.fail("fitted again"))
    resumed = run_strong(tmp_path / "parts")
    figures = ["epoch", "loss", "val_auc"]
    pd.testing.assert_frame_equal(whole.history[figures], resumed.history[figures], rtol=1e-3)


def test_train_strong_undoes_a_harmful_second_phase(monkeypatch):
    once = strong.train

    def harmful(tower, *args, **settings):
        run = once(tower, *args, **settings)
        if len(tower.trainable_weights) > 2:  # the second phase
            run.network.set_weights([np.zeros_like(w) for w in run.network.get_weights()])
            run.history["val_auc"] = 0.1
        return run

    monkeypatch.setattr(strong, "train", harmful)
    run = run_strong()
    assert run.history["phase"][run.best_epoch - 1] == "projection"
    vectors = embed_all(run.comparator.embedder, VALIDATION.images, progress=False)
    auc = pair_distances(vectors, VALIDATION.labels, "euclidean").auc
    assert auc == pytest.approx(run.history["val_auc"].max(), abs=1e-6)
