"""Streams by themselves and in ``fit``, and mining while training."""

import inspect
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import similarity_lab.pairs.streams
from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.errors import ImageError
from similarity_lab.images import Augmentation
from similarity_lab.pairs import ClassBalancedStream, MineNegatives, PairStream


def batches(stream):
    """All batches of an epoch, in order of their index."""
    return [stream[index] for index in range(len(stream))]


def assert_equal(one, other):
    for ((left, right), same), ((left2, right2), same2) in zip(one, other, strict=True):
        for a, b in ((left, left2), (right, right2), (same, same2)):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("channels", [1, 3])
def test_pair_batch_equals_the_images_of_its_pairs(make_data, channels):
    data = make_data([0] * 6 + [1] * 4 + [2] * 2, channels=channels)
    stream = PairStream(data, batch_size=8, seed=1)
    assert len(stream) == stream.steps == 3  # two pairs for each of the twelve images
    for index, ((left, right), is_same) in enumerate(batches(stream)):
        assert left.shape == right.shape == (8, 8, 8, channels)
        assert left.dtype == right.dtype == is_same.dtype == np.float32
        assert is_same.ravel().tolist() == [1, 0] * 4
        pairs = stream.pairs[8 * index : 8 * index + 8]
        np.testing.assert_array_equal(left, np.float32(data.images[pairs[:, 0]]) / 255)
        np.testing.assert_array_equal(right, np.float32(data.images[pairs[:, 1]]) / 255)
        same = data.labels[pairs[:, 0]] == data.labels[pairs[:, 1]]
        np.testing.assert_array_equal(same, is_same.ravel() == 1)
        assert (pairs[:, 0] != pairs[:, 1]).all()


def test_pair_stream_balances_anchors(data):
    balanced = PairStream(data, batch_size=6, steps=20, seed=0)
    counts = np.bincount(data.labels[balanced.pairs[0::2, 0]])
    assert counts.tolist() == [20, 20, 20]
    every_photo = PairStream(data, batch_size=6, seed=0, balanced=False)
    assert sorted(every_photo.pairs[0::2, 0]) == list(range(12))


def test_start_epoch_redraws_and_returns(data):
    stream = PairStream(data, batch_size=8, seed=1, augment=True)
    first = batches(stream)
    pairs = stream.pairs.copy()
    stream.start_epoch(1)
    assert (stream.pairs != pairs).any()
    stream.start_epoch(0)
    assert_equal(batches(stream), first)
    with pytest.raises(ValueError, match="counted from 0, got -1"):
        stream.start_epoch(-1)


def test_batch_depends_on_seed_epoch_and_index_only(data):
    expected = PairStream(data, batch_size=4, seed=3, augment=True)
    for epoch in range(4):  # as in training
        expected.start_epoch(epoch)
        _ = expected[epoch % 2]
    resumed = PairStream(data, batch_size=4, seed=3, augment=True)
    resumed.start_epoch(3)
    with ThreadPoolExecutor(4) as pool:
        backwards = list(pool.map(resumed.__getitem__, reversed(range(len(resumed)))))
    assert_equal(backwards[::-1], batches(expected))
    other = PairStream(data, batch_size=4, seed=4, augment=True)
    other.start_epoch(3)
    assert (other.pairs != expected.pairs).any()


def test_keras_hooks_count_epochs_from_0(data):
    stream, kept = (
        PairStream(data, batch_size=4, seed=0, redraw=redraw) for redraw in (True, False)
    )
    first = kept.pairs.copy()
    for each in (stream, kept):
        each.on_epoch_end()  # Keras does this before the first epoch
        assert each.epoch == 0
        for _ in range(2):
            each.on_epoch_begin()
            each.on_epoch_end()
    assert (stream.epoch, kept.epoch) == (2, 0)
    np.testing.assert_array_equal(kept.pairs, first)


def test_batches_are_augmented_independently(data):
    same = data.subset([0] * 12)
    stream = PairStream(replace(same, labels=data.labels), batch_size=4, seed=0, augment=True)
    assert (stream[0][0][0] != stream[1][0][0]).any()


def test_images_of_a_pair_are_augmented_independently(make_data):
    data = make_data([0, 0, 1, 1])
    flips = Augmentation(rotation=0, zoom=0, shift=0, brightness=0, contrast=0, color=0)
    stream = PairStream(data, batch_size=64, steps=1, seed=0, augment=flips)
    (left, right), _ = stream[0]
    flipped = [
        (abs(side - data.images[stream.pairs[:, column]] / 255) > 1e-3).any((1, 2, 3))
        for column, side in enumerate((left, right))
    ]
    outcomes = set(zip(*(side.tolist() for side in flipped), strict=True))
    assert len(outcomes) == 4


@pytest.fixture
def decoded(monkeypatch):
    """The decoded sources, in order."""
    seen, read = [], similarity_lab.pairs.streams.read_image

    def counted(source, **options):
        seen.append(source)
        return read(source, **options)

    monkeypatch.setattr(similarity_lab.pairs.streams, "read_image", counted)
    return seen


@pytest.mark.parametrize("make", [PairStream, ClassBalancedStream])
def test_images_are_decoded_once_if_they_fit(library, decoded, make):
    data = load_dataset(library)
    stream = make(data, size=(10, 8), seed=0)
    for epoch in range(3):
        stream.start_epoch(epoch)
        batches(stream)
    assert stream.is_cached and sorted(decoded) == sorted(data.paths)


def test_nothing_is_cached_above_the_limit(library, decoded):
    data = load_dataset(library)
    limit = 18 * 10 * 8 * 3
    at, above, off = (
        PairStream(data, size=(10, 8), seed=0, batch_size=36, cache=cache, cache_limit=allowed)
        for cache, allowed in ((True, limit), (True, limit - 1), (False, limit))
    )
    assert (at.is_cached, above.is_cached, off.is_cached) == (True, False, False)
    first = batches(above)
    count = len(decoded)
    assert_equal(batches(above), first)
    assert len(decoded) == 2 * count
    assert_equal(batches(at), first)


def test_size_and_color_default_to_the_dataset(library, make_data):
    gray = load_dataset(library, size=(6, 5), color="gray")
    assert PairStream(gray, batch_size=2, seed=0)[0][0][0].shape == (2, 6, 5, 1)
    rgb = PairStream(gray, batch_size=2, seed=0, color="rgb", size=4)
    assert rgb[0][0][0].shape == (2, 4, 4, 3)
    assert PairStream(make_data([0, 0, 1, 1]), seed=0, color="gray", size=4)[0][0][0].shape[1:] == (
        4, 4, 1
    )  # fmt: skip


def test_missing_image_raises(library):
    data = load_dataset(library, size=8)
    for path in data.paths:
        path.unlink()
    with pytest.raises(ImageError):
        _ = PairStream(data, seed=0)[0]


@pytest.mark.parametrize("make", [PairStream, ClassBalancedStream])
def test_stream_of_100000_images_keeps_memory_small(make):
    labels = np.random.default_rng(0).integers(0, 50, 100_000)
    names = [f"class {number}" for number in range(50)]
    data = ImageDataset((Path("photo.png"),) * len(labels), labels, names, size=(128, 128))
    tracemalloc.start()
    stream = make(data, seed=0)
    stream.start_epoch(1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not stream.is_cached  # 4.9 GB are above the default limit
    assert stream.steps * stream.batch_size >= len(labels)
    assert peak < 60 * 2**20  # the pixels of these pairs: 9.8 GB


def test_streams_warn_of_single_images(make_data):
    data = make_data([0, 0, 0, 2])  # class 1 has no image
    with pytest.warns(UserWarning, match=r"4 times.*only: oats \(4\)") as caught:
        PairStream(data, batch_size=4, steps=4, seed=0)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"4 times.*only: oats \(4\)") as caught:
        ClassBalancedStream(data, images_per_class=2, steps=2, seed=0)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 7}, ValueError, "batch_size must be even.*got 7"),
        ({"batch_size": 0}, ValueError, "batch_size must be even.*got 0"),
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"color": "bgr"}, ValueError, "got 'bgr'"),
        ({"augment": "much"}, TypeError, "True, False or an Augmentation, got str"),
        ({"seed": 1.5}, TypeError, "float"),
    ],
)
def test_pair_stream_refuses_options(data, options, error, message):
    with pytest.raises(error, match=message):
        PairStream(data, **{"seed": 0, **options})


def test_pair_stream_refuses_datasets(library, make_data, data):
    with pytest.raises(TypeError, match="expected an ImageDataset, got ndarray; make one"):
        PairStream(data.images, seed=0)
    with pytest.raises(ValueError, match="one size for all images; pass size=128"):
        PairStream(load_dataset(library), seed=0)
    with pytest.raises(ValueError, match="got only dates"):
        PairStream(make_data([1, 1, 1]), seed=0)


@pytest.mark.parametrize("index", [-1, 1])
def test_pair_stream_refuses_an_index(data, index):
    with pytest.raises(IndexError, match=f"batch {index} of a stream that has batches 0…0"):
        _ = PairStream(data, steps=1, seed=0)[index]


def test_pair_stream_without_single_images_does_not_warn(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PairStream(data, seed=0)


def test_pair_stream_with_a_target(data):
    stream = PairStream(data, batch_size=4, seed=0, target=data.classes[1])
    labels = data.labels[stream.pairs[:, 0]]
    assert (labels == 1).all()
    of_target = int((data.labels == 1).sum())
    assert len(stream) == -(-2 * of_target // 4)
    assert set(data.labels[stream.pairs[1::2, 1]]) == {0, 2}
    with pytest.raises(ValueError, match="Unknown class 'nuts'"):
        PairStream(data, batch_size=4, seed=0, target="nuts")


def test_class_balanced_batch_layout(make_data):
    names = [f"class {number}" for number in range(20)]
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(20), [5] * 19 + [100]))
    data = make_data(labels, classes=names)
    stream = ClassBalancedStream(data, classes_per_batch=6, images_per_class=4, seed=0, steps=400)
    assert len(stream) == 400 and stream.batch_size == 24
    images, given = stream[7]
    positions = stream.positions[7 * 24 : 8 * 24]
    assert images.shape == (24, 8, 8, 3) and images.dtype == np.float32
    assert given.dtype == np.int64
    np.testing.assert_array_equal(given, labels[positions])
    np.testing.assert_array_equal(images, np.float32(data.images[positions]) / 255)
    drawn = labels[stream.positions].reshape(400, 6, 4)
    assert (drawn == drawn[:, :, :1]).all()  # class after class
    assert all(len(set(batch)) == 6 for batch in drawn[:, :, 0].tolist())
    assert all(len(set(group)) == 4 for group in stream.positions.reshape(-1, 4).tolist())
    counts = np.bincount(drawn[:, :, 0].ravel())  # a large class is not drawn more often
    np.testing.assert_allclose(counts, 120, atol=5 * np.sqrt(400 * 0.3 * 0.7))


def test_class_balanced_draws_are_uniform(data):
    stream = ClassBalancedStream(data, images_per_class=2, seed=0, steps=1500)
    assert np.bincount(stream.positions)[10:].tolist() == [1500, 1500]
    pairs = {frozenset(pair) for pair in stream.positions.reshape(-1, 2).tolist()}
    assert len(pairs) == 15 + 6 + 1  # every set of two
    np.testing.assert_allclose(np.bincount(stream.positions)[:6], 500, atol=5 * 19)
    np.testing.assert_allclose(np.bincount(stream.positions)[6:10], 750, atol=5 * 20)


def test_class_balanced_small_class_repeats_evenly(data):
    stream = ClassBalancedStream(data, images_per_class=5, seed=0, steps=900)
    for group in stream.positions.reshape(-1, 5):
        times = np.unique(group, return_counts=True)[1]
        assert len(times) == min(5, np.sum(data.labels == data.labels[group[0]]))
        assert times.max() - times.min() <= 1
    np.testing.assert_allclose(np.bincount(stream.positions)[6:], [1125] * 4 + [2250] * 2, atol=75)


def test_class_balanced_default_sizes(make_data, data):
    assert ClassBalancedStream(data, seed=0).batch_size == 12  # 3 classes, 4 images each
    names = [f"class {number}" for number in range(20)]
    many = ClassBalancedStream(make_data(np.arange(100) % 20, classes=names), seed=0)
    assert many.batch_size == 64 and len(many) == 2  # 16 of 20 classes; 100 images
    few = ClassBalancedStream(data, classes_per_batch=2, images_per_class=2, seed=0)
    assert all(len(set(few[at][1].tolist())) == 2 for at in range(len(few)))


def test_class_balanced_shares_defaults_with_pair_stream():
    ours, theirs = (inspect.signature(one).parameters for one in (ClassBalancedStream, PairStream))
    shared = ours.keys() & theirs.keys() - {"dataset"}
    assert {"augment", "redraw", "cache", "cache_limit", "workers", "max_queue_size"} <= shared
    assert {name: ours[name].default for name in shared} == {
        name: theirs[name].default for name in shared
    }


def test_class_balanced_epoch_depends_on_seed_and_number(data):
    def drawn(seed, epoch):
        stream = ClassBalancedStream(data, seed=seed, images_per_class=2, augment=True)
        stream.start_epoch(epoch)
        return stream[1][0]

    np.testing.assert_array_equal(drawn(0, 2), drawn(0, 2))
    assert (drawn(0, 2) != drawn(0, 1)).any() and (drawn(0, 2) != drawn(1, 2)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes_per_batch": 4}, "from 2 to 3, the classes that have images, got 4"),
        ({"classes_per_batch": 1}, "got 1"),
        ({"images_per_class": 1}, "at least 2, so that every image has a positive, got 1"),
        ({"steps": -1}, "steps must be at least 1"),
    ],
)
def test_class_balanced_stream_refuses(data, options, message):
    with pytest.raises(ValueError, match=message):
        ClassBalancedStream(data, seed=0, **options)


@pytest.fixture(scope="module")
def siamese():
    """A tower of one layer, and a network on it that compares two images."""
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
    """Records the pairs that each epoch is trained on."""

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


def test_fit_trains_on_the_epochs_of_the_stream(siamese, data):
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
    """Returns the number of its epoch as the label."""

    def __getitem__(self, index):
        images, is_same = super().__getitem__(index)
        return images, np.full_like(is_same, self.epoch)


@pytest.mark.parametrize("workers", [1, 3])
def test_fit_uses_no_batch_of_another_epoch(siamese, data, workers):
    model = keras.Model(siamese[1].inputs, siamese[1].outputs)
    model.compile("sgd", lambda label, output: label + 0 * output)
    stream = Numbered(data, batch_size=2, steps=12, seed=0, workers=workers, max_queue_size=2)
    assert fit(model, stream, epochs=3)[1]["loss"] == [0, 1, 2]


def test_mine_negatives_in_fit(siamese, data):
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


def test_mine_negatives_scales_pixels_for_a_tower(siamese, data):
    tower, _ = siamese
    one, other = (PairStream(data, batch_size=8, seed=1) for _ in range(2))
    MineNegatives(one, tower, start=0).on_epoch_begin(0)
    MineNegatives(
        other, lambda pixels: np.asarray(tower(pixels.astype("float32") / 255)), start=0
    ).on_epoch_begin(0)
    np.testing.assert_array_equal(one.pairs, other.pairs)
    assert one.negative_shares["random"] < 1


def test_mine_negatives_stops_a_diverged_training(siamese, data):
    _, model = siamese
    stream = PairStream(data, batch_size=8, seed=1)
    diverged = MineNegatives(stream, lambda pixels: np.full((len(pixels), 4), np.nan))
    with pytest.raises(ValueError, match="not finite.*a lower learning rate may help"):
        fit(model, stream, diverged, epochs=2)
    assert len(diverged.shares_) == 1


def test_class_balanced_stream_in_fit(data):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(ClassBalancedStream(data, seed=0, workers=2), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_mine_negatives_refuses(data, siamese):
    tower, _ = siamese
    stream = PairStream(data, seed=0)
    with pytest.raises(TypeError, match="expected the PairStream of the training, got Class"):
        MineNegatives(ClassBalancedStream(data, seed=0), tower)
    with pytest.raises(TypeError, match="from pixels to vectors, got str"):
        MineNegatives(stream, "tower")
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        MineNegatives(stream, tower, every=0)
