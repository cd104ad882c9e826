import inspect

import numpy as np
import pytest

from similarity_lab.pairs import ClassBalancedStream, PairStream


def test_a_batch_has_some_photos_each_of_some_classes(make_data):
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
    counts = np.bincount(drawn[:, :, 0].ravel())  # a large class comes no more often
    np.testing.assert_allclose(counts, 120, atol=5 * np.sqrt(400 * 0.3 * 0.7))


def test_every_photo_of_a_class_is_drawn_equally_often(data):
    stream = ClassBalancedStream(data, images_per_class=2, seed=0, steps=1500)
    assert np.bincount(stream.positions)[10:].tolist() == [1500, 1500]
    pairs = {frozenset(pair) for pair in stream.positions.reshape(-1, 2).tolist()}
    assert len(pairs) == 15 + 6 + 1  # every set of two
    np.testing.assert_allclose(np.bincount(stream.positions)[:6], 500, atol=5 * 19)
    np.testing.assert_allclose(np.bincount(stream.positions)[6:10], 750, atol=5 * 20)


def test_a_smaller_class_repeats_as_little_as_it_can(data):
    stream = ClassBalancedStream(data, images_per_class=5, seed=0, steps=900)
    for group in stream.positions.reshape(-1, 5):
        times = np.unique(group, return_counts=True)[1]
        assert len(times) == min(5, np.sum(data.labels == data.labels[group[0]]))
        assert times.max() - times.min() <= 1
    np.testing.assert_allclose(np.bincount(stream.positions)[6:], [1125] * 4 + [2250] * 2, atol=75)


def test_default_sizes(make_data, data):
    assert ClassBalancedStream(data, seed=0).batch_size == 12  # 3 classes, 4 photos each
    names = [f"class {number}" for number in range(20)]
    many = ClassBalancedStream(make_data(np.arange(100) % 20, classes=names), seed=0)
    assert many.batch_size == 64 and len(many) == 2  # 16 of 20 classes; 100 photos
    few = ClassBalancedStream(data, classes_per_batch=2, images_per_class=2, seed=0)
    assert all(len(set(few[at][1].tolist())) == 2 for at in range(len(few)))


def test_what_is_as_in_pair_stream_has_its_defaults():
    ours, theirs = (inspect.signature(one).parameters for one in (ClassBalancedStream, PairStream))
    shared = ours.keys() & theirs.keys() - {"dataset"}
    assert {"augment", "fresh", "cache", "cache_limit", "workers", "max_queue_size"} <= shared
    assert {name: ours[name].default for name in shared} == {
        name: theirs[name].default for name in shared
    }


def test_epochs_depend_on_seed_and_number(data):
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
def test_what_is_refused(data, options, message):
    with pytest.raises(ValueError, match=message):
        ClassBalancedStream(data, seed=0, **options)
