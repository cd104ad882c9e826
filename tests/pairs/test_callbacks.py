"""The streams in a real ``fit``: which epochs it trains on, and mining in it."""

import numpy as np
import pytest

from similarity_lab.backend import keras
from similarity_lab.pairs import ClassBalancedStream, MineNegatives, PairStream


@pytest.fixture(scope="module")
def siamese():
    """A tower of one layer, and a network on it that compares two photos."""
    keras.utils.set_random_seed(0)
    tower = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    left, right = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    gap = keras.layers.Subtract()([tower(left), tower(right)])
    model = keras.Model([left, right], keras.layers.Dense(1, activation="sigmoid")(gap))
    model.compile("sgd", "binary_crossentropy")
    return tower, model


class Recorder(keras.callbacks.Callback):
    """Which pairs each epoch was trained on."""

    def __init__(self, stream):
        super().__init__()
        self.stream, self.seen = stream, []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self.seen.append((self.stream.epoch, self.stream.pairs.copy()))


def fit(model, stream, *callbacks, epochs, initial_epoch=0):
    recorder = Recorder(stream)
    history = model.fit(
        stream,
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=[*callbacks, recorder],
        verbose=0,
    )
    return recorder.seen, history.history


def test_epochs_of_fit_are_those_of_the_stream(siamese, data):
    _, model = siamese
    whole, _ = fit(model, PairStream(data, batch_size=8, seed=1), epochs=3)
    assert [epoch for epoch, _ in whole] == [0, 1, 2]
    stream = PairStream(data, batch_size=8, seed=1)
    parts = fit(model, stream, epochs=1)[0] + fit(model, stream, epochs=3, initial_epoch=1)[0]
    resumed = PairStream(data, batch_size=8, seed=1)
    resumed.start_epoch(2)
    parts += fit(model, resumed, epochs=3, initial_epoch=2)[0]
    for (epoch, pairs), (expected_epoch, expected) in zip(parts, [*whole, whole[2]], strict=True):
        assert epoch == expected_epoch
        np.testing.assert_array_equal(pairs, expected)


class Numbered(PairStream):
    """Gives the number of its epoch as the label."""

    def __getitem__(self, index):
        photos, is_same = super().__getitem__(index)
        return photos, np.full_like(is_same, self.epoch)


@pytest.mark.parametrize("workers", [1, 3])
def test_no_batch_is_carried_over_into_the_next_epoch(siamese, data, workers):
    model = keras.Model(siamese[1].inputs, siamese[1].outputs)
    model.compile("sgd", lambda label, output: label + 0 * output)
    stream = Numbered(data, batch_size=2, steps=12, seed=0, workers=workers, max_queue_size=2)
    assert fit(model, stream, epochs=3)[1]["loss"] == [0, 1, 2]


def test_negatives_are_negative_shareswhile_training(siamese, data):
    tower, model = siamese
    stream = PairStream(data, batch_size=8, seed=1)
    mining = MineNegatives(stream, tower, start=1, every=2, margin=0.5)
    seen, history = fit(model, stream, mining, epochs=4)
    plain = PairStream(data, batch_size=8, seed=1)
    for epoch, pairs in seen:
        plain.start_epoch(epoch)
        assert (pairs != plain.pairs).any() == (epoch in (1, 3))
    assert [shares["random"] < 1 for shares in mining.shares_] == [False, True, False, True]
    for kind in ("semi-hard", "hardest farther", "random"):
        assert history[f"negatives {kind}"] == [shares[kind] for shares in mining.shares_]


def test_a_tower_is_a_function_of_pixels_over_255(siamese, data):
    tower, _ = siamese
    one, other = (PairStream(data, batch_size=8, seed=1) for _ in range(2))
    MineNegatives(one, tower, start=0).on_epoch_begin(0)
    MineNegatives(
        other, lambda pixels: np.asarray(tower(pixels.astype("float32") / 255)), start=0
    ).on_epoch_begin(0)
    np.testing.assert_array_equal(one.pairs, other.pairs)
    assert one.negative_shares["random"] < 1


def test_a_network_that_diverged_stops_training(siamese, data):
    _, model = siamese
    stream = PairStream(data, batch_size=8, seed=1)
    diverged = MineNegatives(stream, lambda pixels: np.full((len(pixels), 4), np.nan))
    with pytest.raises(ValueError, match="not finite.*a lower learning rate may help"):
        fit(model, stream, diverged, epochs=2)
    assert len(diverged.shares_) == 1


def test_class_balanced_batches_train(data):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(ClassBalancedStream(data, seed=0, workers=2), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_what_is_refused(data, siamese):
    tower, _ = siamese
    stream = PairStream(data, seed=0)
    with pytest.raises(TypeError, match="expected the PairStream of the training, got Class"):
        MineNegatives(ClassBalancedStream(data, seed=0), tower)
    with pytest.raises(TypeError, match="from pixels to vectors, got str"):
        MineNegatives(stream, "tower")
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        MineNegatives(stream, tower, every=0)
