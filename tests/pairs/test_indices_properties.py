"""Properties of pairs of arbitrary labels."""

import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab.pairs import make_pairs, make_pairs_target, pair_indices
from similarity_lab.pairs.indices import Members, draw_evenly

SEEDS = st.integers(0, 2**32)


@st.composite
def some_labels(draw):
    """Labels of two classes or more, as integers or as names, in any order."""
    kinds = draw(st.sampled_from([st.integers(-5, 5), st.text("abÄ ", min_size=1, max_size=3)]))
    first, second = draw(st.lists(kinds, min_size=2, max_size=2, unique=True))
    rest = draw(st.lists(kinds | st.sampled_from([first, second]), max_size=20))
    return draw(st.permutations([first, second, *rest]))


def quietly(function, *arguments, **options):
    """Call without the warning that a class has one image only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*arguments, **options)


@given(some_labels(), SEEDS)
def test_pair_indices_properties(labels, seed):
    indices, is_same = quietly(pair_indices, labels, seed=seed)
    values = np.array(labels)
    assert indices.shape == (2 * len(labels), 2) and is_same.shape == (2 * len(labels), 1)
    assert indices[:, 0].tolist() == np.repeat(np.arange(len(labels)), 2).tolist()
    assert is_same.ravel().tolist() == [1, 0] * len(labels)
    left, right = values[indices].T
    assert ((left == right) == (is_same.ravel() == 1)).all()
    itself = indices[:, 0] == indices[:, 1]
    alone = [labels.count(label) == 1 for label in labels]
    assert itself.tolist() == [each for one in alone for each in (one, False)]
    np.testing.assert_array_equal(quietly(pair_indices, labels, seed=seed)[0], indices)


@given(some_labels(), SEEDS, st.data())
def test_make_pairs_properties(labels, seed, data):
    images = np.arange(len(labels), dtype=np.int32)[:, None, None, None]
    pairs, is_same = quietly(make_pairs, images, labels, seed=seed)
    indices, expected = quietly(pair_indices, labels, seed=seed)
    np.testing.assert_array_equal(pairs[..., 0, 0, 0], indices)
    np.testing.assert_array_equal(is_same, expected)
    target = data.draw(st.sampled_from(labels))
    of_target, _ = quietly(make_pairs_target, images, labels, target, seed=seed)
    anchors = [at for at, label in enumerate(labels) if label == target]
    expected, _ = quietly(pair_indices, labels, seed=seed, anchors=anchors)
    np.testing.assert_array_equal(of_target[..., 0, 0, 0], expected)


@given(some_labels(), SEEDS, st.integers(0, 60))
def test_draw_balanced_is_as_even_as_possible(labels, seed, count):
    members = Members.of(labels)
    drawn = members.draw_balanced(count, np.random.default_rng(seed))
    assert len(drawn) == count
    of_class = np.bincount(members.codes[drawn], minlength=len(members.values))
    assert np.ptp(of_class) <= 1
    of_image = np.bincount(drawn, minlength=len(labels))
    assert all(np.ptp(of_image[members.codes == code]) <= 1 for code in range(len(members.values)))


@given(some_labels(), SEEDS, st.integers(1, 12))
def test_draw_groups_repeats_evenly(labels, seed, count):
    members = Members.of(labels)
    classes = np.arange(len(members.values))
    groups = members.draw_groups(classes, count, np.random.default_rng(seed))
    for code, group in zip(classes, groups, strict=True):
        assert (members.codes[group] == code).all()
        times = np.bincount(group, minlength=len(labels))[members.codes == code]
        assert times.sum() == count and np.ptp(times) <= 1


@given(st.lists(st.integers(0, 99), min_size=1, max_size=9, unique=True), st.integers(0, 40), SEEDS)
def test_draw_evenly_repeats_evenly(items, count, seed):
    drawn = draw_evenly(np.array(items), count, np.random.default_rng(seed)).tolist()
    assert len(drawn) == count and set(drawn) <= set(items)
    for start in range(0, count, len(items)):
        once = drawn[start : start + len(items)]
        assert len(set(once)) == len(once)
