import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import similarity_lab.pairs.streams
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.errors import ImageError
from similarity_lab.images import Augmentation
from similarity_lab.pairs import ClassBalancedStream, PairStream


def batches(stream):
    """All batches of an epoch, in order of their index."""
    return [stream[index] for index in range(len(stream))]


def assert_equal(one, other):
    for ((left, right), same), ((left2, right2), same2) in zip(one, other, strict=True):
        for a, b in ((left, left2), (right, right2), (same, same2)):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("channels", [1, 3])
def test_batches_are_the_exact_photos_in_the_order_of_pairs(make_data, channels):
    data = make_data([0] * 6 + [1] * 4 + [2] * 2, channels=channels)
    stream = PairStream(data, batch_size=8, seed=1)
    assert len(stream) == stream.steps == 3  # two pairs for each of the twelve photos
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


def test_balanced_anchors_come_from_every_class_equally_often(data):
    balanced = PairStream(data, batch_size=6, steps=20, seed=0)
    counts = np.bincount(data.labels[balanced.pairs[0::2, 0]])
    assert counts.tolist() == [20, 20, 20]
    every_photo = PairStream(data, batch_size=6, seed=0, balanced=False)
    assert sorted(every_photo.pairs[0::2, 0]) == list(range(12))


def test_epochs_are_fresh_and_can_be_gone_back_to(data):
    stream = PairStream(data, batch_size=8, seed=1, augment=True)
    first = batches(stream)
    pairs = stream.pairs.copy()
    stream.start_epoch(1)
    assert (stream.pairs != pairs).any()
    stream.start_epoch(0)
    assert_equal(batches(stream), first)
    with pytest.raises(ValueError, match="counted from 0, got -1"):
        stream.start_epoch(-1)


def test_a_batch_depends_on_seed_epoch_and_index_alone(data):
    expected = PairStream(data, batch_size=4, seed=3, augment=True)
    for epoch in range(4):  # as training would get there
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


def test_what_keras_calls_counts_epochs_from_0(data):
    stream, kept = (PairStream(data, batch_size=4, seed=0, fresh=fresh) for fresh in (True, False))
    first = kept.pairs.copy()
    for each in (stream, kept):
        each.on_epoch_end()  # Keras does this before the first epoch
        assert each.epoch == 0
        for _ in range(2):
            each.on_epoch_begin()
            each.on_epoch_end()
    assert (stream.epoch, kept.epoch) == (2, 0)
    np.testing.assert_array_equal(kept.pairs, first)


def test_batches_change_independently(data):
    same = data.subset([0] * 12)
    stream = PairStream(replace(same, labels=data.labels), batch_size=4, seed=0, augment=True)
    assert (stream[0][0][0] != stream[1][0][0]).any()


def test_both_photos_of_a_pair_change_independently(make_data):
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
    """What was decoded, in order."""
    seen, read = [], similarity_lab.pairs.streams.read_image

    def counted(source, **options):
        seen.append(source)
        return read(source, **options)

    monkeypatch.setattr(similarity_lab.pairs.streams, "read_image", counted)
    return seen


@pytest.mark.parametrize("make", [PairStream, ClassBalancedStream])
def test_photos_are_decoded_once_if_they_fit(library, decoded, make):
    data = load_dataset(library)
    stream = make(data, size=(10, 8), seed=0)
    for epoch in range(3):
        stream.start_epoch(epoch)
        batches(stream)
    assert stream.is_cached and sorted(decoded) == sorted(data.paths)


def test_above_the_limit_nothing_is_kept(library, decoded):
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


def test_size_and_color_are_the_datasets_unless_stated(library, make_data):
    gray = load_dataset(library, size=(6, 5), color="gray")
    assert PairStream(gray, batch_size=2, seed=0)[0][0][0].shape == (2, 6, 5, 1)
    rgb = PairStream(gray, batch_size=2, seed=0, color="rgb", size=4)
    assert rgb[0][0][0].shape == (2, 4, 4, 3)
    assert PairStream(make_data([0, 0, 1, 1]), seed=0, color="gray", size=4)[0][0][0].shape[1:] == (
        4, 4, 1
    )  # fmt: skip


def test_a_photo_that_is_gone_is_an_error(library):
    data = load_dataset(library, size=8)
    for path in data.paths:
        path.unlink()
    with pytest.raises(ImageError):
        _ = PairStream(data, seed=0)[0]


@pytest.mark.parametrize("make", [PairStream, ClassBalancedStream])
def test_a_hundred_thousand_photos_need_no_pairs_in_memory(make):
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


def test_classes_with_one_photo_are_named(make_data):
    data = make_data([0, 0, 0, 2])  # and one that has none
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
def test_what_is_refused(data, options, error, message):
    with pytest.raises(error, match=message):
        PairStream(data, **{"seed": 0, **options})


def test_data_that_are_refused(library, make_data, data):
    with pytest.raises(TypeError, match="expected an ImageDataset, got ndarray; make one"):
        PairStream(data.images, seed=0)
    with pytest.raises(ValueError, match="one size for all images; pass size=128"):
        PairStream(load_dataset(library), seed=0)
    with pytest.raises(ValueError, match="got only dates"):
        PairStream(make_data([1, 1, 1]), seed=0)
    for index in (-1, 1):
        with pytest.raises(IndexError, match=f"batch {index} of a stream that has batches 0…0"):
            _ = PairStream(data, steps=1, seed=0)[index]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PairStream(data, seed=0)


def test_anchors_of_one_target_only(data):
    stream = PairStream(data, batch_size=4, seed=0, target=data.classes[1])
    labels = data.labels[stream.pairs[:, 0]]
    assert (labels == 1).all()
    of_target = int((data.labels == 1).sum())
    assert len(stream) == -(-2 * of_target // 4)
    assert set(data.labels[stream.pairs[1::2, 1]]) == {0, 2}
    with pytest.raises(ValueError, match="Unknown class 'nuts'"):
        PairStream(data, batch_size=4, seed=0, target="nuts")
