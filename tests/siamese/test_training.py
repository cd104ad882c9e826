"""Training on tiny images: early stopping, resuming, saving."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import compare
from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.embedders import embed_all
from similarity_lab.errors import SavedFolderError
from similarity_lab.evaluation import pair_distances
from similarity_lab.siamese import TrainingRun, train
from similarity_lab.siamese.run import NETWORK

CLASSES = ("almonds", "dates", "oats")


def coloured(seed, n_per_class=6):
    """Images whose class is their colour, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), n_per_class)
    images = rng.integers(0, 120, (len(labels), 8, 8, 3))
    images[np.arange(len(labels)), :, :, labels] += 100
    return ImageDataset.from_arrays(images.astype(np.uint8), labels, CLASSES)


TRAIN, VALIDATION = coloured(0), coloured(1)


def tower(dropout=0.0):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.AveragePooling2D(4),
            layers.Flatten(),
            layers.Dropout(dropout, seed=3),
            layers.Dense(6, kernel_initializer=keras.initializers.GlorotUniform(seed=0)),
        ],
        name="tiny",
    )


def run(folder=None, **settings):
    options = {"loss": "contrastive", "epochs": 3, "batch_size": 6, "progress": False} | settings
    return train(tower(options.pop("dropout", 0.0)), TRAIN, VALIDATION, folder=folder, **options)


@pytest.mark.parametrize(
    ("loss", "head"),
    [
        ("contrastive", None),
        ("binary-crossentropy", None),
        ("binary-crossentropy", "batchnorm-sigmoid"),
        ("triplet", None),
    ],
)
def test_train_learns_with_every_loss(loss, head):
    result = run(loss=loss, head=head, epochs=15, patience=15, learning_rate=0.03, batch_size=12)
    assert result.history["epoch"].tolist() == list(range(1, 16))
    assert result.history["loss"].iloc[-1] <= result.history["loss"].iloc[0]
    assert result.history["val_auc"].max() > 0.95
    same = compare(TRAIN.images[0], TRAIN.images[1], comparator=result.comparator)
    other = compare(TRAIN.images[0], TRAIN.images[-1], comparator=result.comparator)
    assert same < other


def test_train_takes_a_folder(tmp_path):
    for number, (pixels, label) in enumerate(zip(TRAIN.images, TRAIN.labels, strict=True)):
        folder = tmp_path / CLASSES[label]
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    options = {"loss": "contrastive", "epochs": 1, "batch_size": 6, "progress": False}
    result = train(tower(), tmp_path, VALIDATION, **options)
    assert len(result.history) == 1


def test_train_restores_the_best_epoch():
    result = run(epochs=6, learning_rate=0.3)  # too fast: it gets worse again
    vectors = embed_all(result.comparator.embedder, VALIDATION.images, progress=False)
    auc = pair_distances(vectors, VALIDATION.labels, result.comparator.between).auc
    assert auc == pytest.approx(result.history["val_auc"].max(), abs=1e-6)
    assert result.history["val_auc"][result.best_epoch - 1] == result.history["val_auc"].max()


def test_train_stops_early():
    result = run(epochs=50, patience=2, learning_rate=1e-9)
    aucs = result.history["val_auc"]
    assert len(aucs) == aucs.argmax() + 3 < 50


def test_train_with_equal_seeds():
    first, second, other = run(seed=5), run(seed=5), run(seed=6)
    figures = ["loss", "train_auc", "val_auc"]
    pd.testing.assert_frame_equal(first.history[figures], second.history[figures], rtol=1e-4)
    assert not np.allclose(first.history["loss"], other.history["loss"], rtol=1e-4)


@pytest.mark.parametrize("loss", ["contrastive", "triplet"])
def test_train_resumes_an_interrupted_run(tmp_path, monkeypatch, loss):
    settings = {"loss": loss, "epochs": 4, "patience": 9, "dropout": 0.3, "augment": True}
    settings |= {"batch_size": 12, "learning_rate": 0.01}
    whole = run(tmp_path / "whole", **settings)

    from similarity_lab.siamese.training import EarlyStopping

    on_epoch_begin, calls = EarlyStopping.on_epoch_begin, []

    def interrupt(self, epoch, logs=None):
        calls.append(epoch)
        if epoch == 2:
            raise KeyboardInterrupt
        on_epoch_begin(self, epoch, logs)

    with monkeypatch.context() as patched:
        patched.setattr(EarlyStopping, "on_epoch_begin", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", **settings)
    resumed = run(tmp_path / "parts", **settings)
    figures = ["epoch", "loss", "train_auc", "val_auc"]
    pd.testing.assert_frame_equal(whole.history[figures], resumed.history[figures], rtol=1e-3)
    for a, b in zip(whole.network.get_weights(), resumed.network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_train_returns_a_finished_run_and_extends_it(tmp_path, monkeypatch):
    first = run(tmp_path, patience=9)
    with monkeypatch.context() as patched:
        patched.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
        reloaded = run(tmp_path, patience=9)
    pd.testing.assert_frame_equal(first.history, reloaded.history)
    for a, b in zip(first.network.get_weights(), reloaded.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    longer = run(tmp_path, epochs=4, patience=9)
    assert len(longer.history) == 4
    pd.testing.assert_frame_equal(longer.history[:3], first.history)


def test_train_restores_best_or_last_epoch_of_a_finished_run(tmp_path):
    settings = {"epochs": 6, "learning_rate": 0.3, "patience": 9}
    last = run(tmp_path, keep="last", **settings)
    best = run(tmp_path, keep="best", **settings)
    assert last.best_epoch < 6  # otherwise this test would be void
    for trained, epoch in ((last, 6), (best, best.best_epoch)):
        vectors = embed_all(trained.comparator.embedder, VALIDATION.images, progress=False)
        auc = pair_distances(vectors, VALIDATION.labels, trained.comparator.between).auc
        assert auc == pytest.approx(trained.history["val_auc"][epoch - 1], abs=1e-6)
    with pytest.raises(ValueError, match='"best" or "last"'):
        run(keep="first")


def test_train_refuses_the_folder_of_another_run(tmp_path):
    run(tmp_path, epochs=1)
    with pytest.raises(ValueError, match=r"another run \(batch_size: 6 there, 12 now\)"):
        run(tmp_path, epochs=1, batch_size=12)
    with pytest.raises(ValueError, match="tower: .* build the tower again"):
        trained = run(epochs=1, learning_rate=0.1).network
        train(trained.get_layer("tiny"), TRAIN, VALIDATION, loss="contrastive", epochs=1,
              batch_size=6, progress=False, folder=tmp_path)  # fmt: skip


def test_run_save_and_load(tmp_path):
    result = run(epochs=2)
    result.save(tmp_path / "saved")
    loaded = TrainingRun.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.history, result.history)
    assert loaded.configuration == json.loads(json.dumps(result.configuration))
    assert loaded.versions["keras"] == keras.__version__
    assert loaded.configuration["loss"] == "contrastive"
    images = list(VALIDATION.images[:4])
    np.testing.assert_allclose(
        loaded.comparator.distances(images, images),
        result.comparator.distances(images, images),
        atol=1e-6,
    )
    (tmp_path / "saved" / NETWORK).unlink()
    with pytest.raises(SavedFolderError, match=NETWORK):
        TrainingRun.load(tmp_path / "saved")
    with pytest.raises(FileNotFoundError, match="No saved training run"):
        TrainingRun.load(tmp_path)


def test_training_run_of_version_1_is_refused(tmp_path):
    (tmp_path / "configuration.json").write_text("{}")
    with pytest.raises(SavedFolderError, match="another version"):
        TrainingRun.load(tmp_path)
    with pytest.raises(SavedFolderError, match="version 1"):
        run(tmp_path)


@pytest.mark.filterwarnings("ignore:an image is its own positive")
def test_train_on_single_images_has_no_training_auc():
    singles = TRAIN.subset([0, 6, 12])
    run = train(tower(), singles, VALIDATION, epochs=1, batch_size=6, progress=False)
    assert np.isnan(run.history["train_auc"][0]) and run.history["val_auc"][0] > 0


def test_train_records_mined_negatives():
    result = run(mine_from=1)
    assert result.history["negatives random"].iloc[0] == 1
    assert result.history["negatives random"].iloc[1] < 1


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"loss": "contrastive", "head": "sigmoid"}, "does not fit head 'sigmoid'"),
        ({"loss": "triplets"}, "Unknown loss 'triplets'. Did you mean 'triplet'"),
        ({"loss": "triplet", "mine_from": 0}, "leave target, pairs and mine_from out"),
        ({"learning_rate": 1e30}, r"diverged.*learning_rate"),
        ({"keep": "first"}, '"best" or "last"'),
    ],
)
def test_train_refuses_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        run(**settings)


def test_train_refuses_one_class():
    one = TRAIN.subset(np.arange(6))
    with pytest.raises(ValueError, match="class"):
        train(tower(), one, VALIDATION, epochs=1, progress=False)
    with pytest.raises(ValueError, match="validation images must be of two classes"):
        train(tower(), TRAIN, VALIDATION.subset(np.arange(6)), epochs=1, progress=False)
