"""Training on tiny photos: what is kept, what is resumed, what is refused."""

import json

import numpy as np
import pandas as pd
import pytest

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
    """Photos whose class is their colour, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), n_per_class)
    photos = rng.integers(0, 120, (len(labels), 8, 8, 3))
    photos[np.arange(len(labels)), :, :, labels] += 100
    return ImageDataset.from_arrays(photos.astype(np.uint8), labels, CLASSES)


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
def test_every_loss_learns_colours(loss, head):
    result = run(loss=loss, head=head, epochs=15, patience=15, learning_rate=0.03, batch_size=12)
    assert result.history["epoch"].tolist() == list(range(1, 16))
    assert result.history["loss"].iloc[-1] <= result.history["loss"].iloc[0]
    assert result.history["val_auc"].max() > 0.95
    same = compare(TRAIN.images[0], TRAIN.images[1], comparator=result.comparator)
    other = compare(TRAIN.images[0], TRAIN.images[-1], comparator=result.comparator)
    assert same < other


def test_the_weights_of_the_best_epoch_are_put_back():
    result = run(epochs=6, learning_rate=0.3)  # so fast that it gets worse again
    vectors = embed_all(result.comparator.embedder, VALIDATION.images, progress=False)
    auc = pair_distances(vectors, VALIDATION.labels, result.comparator.between).auc
    assert auc == pytest.approx(result.history["val_auc"].max(), abs=1e-6)
    assert result.history["val_auc"][result.best_epoch - 1] == result.history["val_auc"].max()


def test_it_stops_when_validation_no_longer_gains():
    result = run(epochs=50, patience=2, learning_rate=1e-9)
    aucs = result.history["val_auc"]
    assert len(aucs) == aucs.argmax() + 3 < 50


def test_equal_seeds_give_equal_runs_and_others_do_not():
    first, second, other = run(seed=5), run(seed=5), run(seed=6)
    figures = ["loss", "train_auc", "val_auc"]
    pd.testing.assert_frame_equal(first.history[figures], second.history[figures], rtol=1e-4)
    assert not np.allclose(first.history["loss"], other.history["loss"], rtol=1e-4)


class StopAfter(Exception):
    """What stands for a user who interrupts."""


@pytest.mark.parametrize("loss", ["contrastive", "triplet"])
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch, loss):
    settings = {"loss": loss, "epochs": 4, "patience": 9, "dropout": 0.3, "augment": True}
    settings |= {"batch_size": 12, "learning_rate": 0.01}
    whole = run(tmp_path / "whole", **settings)

    from similarity_lab.siamese.training import EarlyStopping

    ended, calls = EarlyStopping.on_epoch_begin, []

    def interrupt(self, epoch, logs=None):
        calls.append(epoch)
        if epoch == 2:
            raise KeyboardInterrupt
        ended(self, epoch, logs)

    with monkeypatch.context() as patched:
        patched.setattr(EarlyStopping, "on_epoch_begin", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", **settings)
    resumed = run(tmp_path / "parts", **settings)
    figures = ["epoch", "loss", "train_auc", "val_auc"]
    pd.testing.assert_frame_equal(whole.history[figures], resumed.history[figures], rtol=1e-3)
    for a, b in zip(whole.network.get_weights(), resumed.network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_finished_run_is_returned_at_once_and_more_epochs_go_on(tmp_path, monkeypatch):
    first = run(tmp_path, patience=9)
    with monkeypatch.context() as patched:
        patched.setattr(keras.Model, "fit", lambda *a, **k: pytest.fail("trained again"))
        again = run(tmp_path, patience=9)
    pd.testing.assert_frame_equal(first.history, again.history)
    for a, b in zip(first.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    longer = run(tmp_path, epochs=4, patience=9)
    assert len(longer.history) == 4
    pd.testing.assert_frame_equal(longer.history[:3], first.history)


def test_a_finished_run_gives_its_best_or_its_last_epoch(tmp_path):
    settings = {"epochs": 6, "learning_rate": 0.3, "patience": 9}
    last = run(tmp_path, keep="last", **settings)
    best = run(tmp_path, keep="best", **settings)
    assert last.best_epoch < 6  # else this test would show nothing
    for trained, epoch in ((last, 6), (best, best.best_epoch)):
        vectors = embed_all(trained.comparator.embedder, VALIDATION.images, progress=False)
        auc = pair_distances(vectors, VALIDATION.labels, trained.comparator.between).auc
        assert auc == pytest.approx(trained.history["val_auc"][epoch - 1], abs=1e-6)
    with pytest.raises(ValueError, match='"best" or "last"'):
        run(keep="first")


def test_a_folder_of_another_run_is_refused_and_says_what_differs(tmp_path):
    run(tmp_path, epochs=1)
    with pytest.raises(ValueError, match=r"another run \(batch_size 6 there, 12 here\)"):
        run(tmp_path, epochs=1, batch_size=12)
    with pytest.raises(ValueError, match="tower .* build the tower again"):
        trained = run(epochs=1, learning_rate=0.1).network
        train(trained.get_layer("tiny"), TRAIN, VALIDATION, loss="contrastive", epochs=1,
              batch_size=6, progress=False, folder=tmp_path)  # fmt: skip


def test_save_and_load(tmp_path):
    result = run(epochs=2)
    result.save(tmp_path / "saved")
    loaded = TrainingRun.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.history, result.history)
    assert loaded.configuration == json.loads(json.dumps(result.configuration))
    assert loaded.versions["keras"] == keras.__version__
    assert loaded.configuration["loss"] == "contrastive"
    photos = list(VALIDATION.images[:4])
    np.testing.assert_allclose(
        loaded.comparator.distances(photos, photos),
        result.comparator.distances(photos, photos),
        atol=1e-6,
    )
    (tmp_path / "saved" / NETWORK).unlink()
    with pytest.raises(SavedFolderError, match=NETWORK):
        TrainingRun.load(tmp_path / "saved")
    with pytest.raises(FileNotFoundError, match="No saved training run"):
        TrainingRun.load(tmp_path)


@pytest.mark.filterwarnings("ignore:an image is its own positive")
def test_single_photos_can_be_trained_on_but_not_measured():
    singles = TRAIN.subset([0, 6, 12])
    run = train(tower(), singles, VALIDATION, epochs=1, batch_size=6, progress=False)
    assert np.isnan(run.history["train_auc"][0]) and run.history["val_auc"][0] > 0


def test_mined_negatives_are_in_the_history():
    result = run(mine_from=1)
    assert result.history["negatives random"].iloc[0] == 1
    assert result.history["negatives random"].iloc[1] < 1


def test_what_cannot_be_trained():
    with pytest.raises(ValueError, match="does not fit head 'sigmoid'"):
        run(loss="contrastive", head="sigmoid")
    with pytest.raises(ValueError, match="Unknown loss 'cosine'"):
        run(loss="cosine")
    with pytest.raises(ValueError, match="leave target, pairs and mine_from out"):
        run(loss="triplet", mine_from=0)
    with pytest.raises(ValueError, match=r"diverged.*learning_rate"):
        run(learning_rate=1e30)
    one = TRAIN.subset(np.arange(6))
    with pytest.raises(ValueError, match="class"):
        train(tower(), one, VALIDATION, epochs=1, progress=False)
    with pytest.raises(ValueError, match="validation images must be of two classes"):
        train(tower(), TRAIN, VALIDATION.subset(np.arange(6)), epochs=1, progress=False)
