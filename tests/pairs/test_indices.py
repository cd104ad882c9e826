"""Positions of pairs: which can be drawn, and how often."""

import warnings
from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest

from similarity_lab.pairs import pair_indices
from similarity_lab.pairs.indices import Members, draw_evenly

LABELS = ["b", "a", "c", "a", "b", "a"]


def test_pair_indices_draws_all_allowed_pairs():
    labels = np.array([*LABELS, "c"])
    anchors = range(len(labels))
    positives = {(i, j) for i in anchors for j in anchors if i != j and labels[i] == labels[j]}
    negatives = {(i, j) for i in anchors for j in anchors if labels[i] != labels[j]}
    drawn = {0: set(), 1: set()}
    for seed in range(200):
        indices, is_same = pair_indices(labels, seed=seed)
        for pair, same in zip(indices.tolist(), is_same.ravel(), strict=True):
            drawn[int(same)].add(tuple(pair))
    assert drawn == {1: positives, 0: negatives}


@pytest.mark.parametrize("labels", [[7, -1, 7, -1], ["x", "yy", "x", "yy"]])
def test_pair_indices_shape_and_order(labels):
    indices, is_same = pair_indices(labels, seed=3)
    assert indices.shape == (8, 2) and indices.dtype == np.int64
    assert is_same.shape == (8, 1) and is_same.dtype == np.float32
    assert is_same.ravel().tolist() == [1, 0] * 4
    assert indices[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert indices[0::2, 1].tolist() == [2, 3, 0, 1]


def test_pair_indices_negatives_are_balanced_by_class():
    labels = np.repeat([0, 1, 2, 3], [3, 2000, 40, 5])
    anchors = np.repeat([0, 1, 2], 4000)
    indices, _ = pair_indices(labels, seed=0, anchors=anchors)
    drawn = indices[1::2, 1]
    counts = np.bincount(labels[drawn], minlength=4)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:], 4000, atol=5 * np.sqrt(12000 * 2 / 9))
    within = np.bincount(drawn)[-5:]  # and images within a class are uniform
    np.testing.assert_allclose(within, 800, atol=5 * np.sqrt(4000 * 4 / 25))


def test_pair_indices_positives_are_uniform():
    labels = [1, 0, 0, 1, 0, 0]
    indices, _ = pair_indices(labels, seed=0, anchors=[2] * 3000)
    counts = Counter(indices[0::2, 1].tolist())
    assert set(counts) == {1, 4, 5}
    np.testing.assert_allclose(list(counts.values()), 1000, atol=5 * np.sqrt(3000 * 2 / 9))


def test_pair_indices_with_equal_seeds():
    one, again, other = (pair_indices([*LABELS, "c"], seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_pair_indices_with_anchors():
    indices, _ = pair_indices([0, 0, 1, 1], seed=0, anchors=np.array([3, 3, 0]))
    assert indices[:, 0].tolist() == [3, 3, 3, 3, 0, 0]
    assert pair_indices([0, 1], seed=0, anchors=[])[0].shape == (0, 2)


def test_pair_indices_warns_of_single_images():
    message = r"own positive 1 times.*one image only: c \(1\); add images"
    with pytest.warns(UserWarning, match=message) as caught:
        indices, _ = pair_indices(LABELS, seed=0)
    assert caught[0].filename == __file__  # the caller's line
    assert indices[4].tolist() == [2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the single image is not an anchor
        pair_indices(LABELS, seed=0, anchors=[0, 1])
    with pytest.warns(UserWarning, match=r"own positive 25 times.*19 \(1\) and 5 more"):
        pair_indices(range(25), seed=0)
    with pytest.warns(UserWarning, match=r"18 \(1\), 19 \(1\); add images"):
        pair_indices(range(20), seed=0)


def test_pair_indices_with_a_pandas_column():
    column = pd.Series(LABELS, dtype=object)
    np.testing.assert_array_equal(
        pair_indices(column, seed=0, anchors=[0])[0], pair_indices(LABELS, seed=0, anchors=[0])[0]
    )


@pytest.mark.parametrize(
    ("labels", "anchors", "message"),
    [
        (["a", "a"], None, "two classes or more, got only a; add images"),
        ([], None, "two classes or more, got no label at all"),
        ([0.5, 1.5], None, "integers or strings, got float64"),
        ([True, False], None, "integers or strings, got bool"),
        ([[1, 0], [0, 1]], None, r"labels \(n,\).*got \(2, 2\)"),
        (np.array(["a", "b", None]), None, "integers or strings, got object"),
        ([0, 1], [0, 2], "positions in the 2 labels, 0…1, got 0…2"),
        ([0, 1], [1, -1], "got -1…1"),
        ([0, 1], [True, False], "turns a mask into positions"),
        ([0, 1], [[0]], r"anchors \(m,\).*got \(1, 1\)"),
    ],
)
def test_pair_indices_refuses(labels, anchors, message):
    with pytest.raises(ValueError, match=message):
        pair_indices(labels, seed=0, anchors=anchors)


DRAWS = 6000


def assert_uniform(samples, expected):
    """Assert that exactly the expected values occur, equally often within five deviations."""
    counts, share = Counter(samples), 1 / len(expected)
    assert set(counts) == set(expected)
    deviation = np.sqrt(len(samples) * share * (1 - share))
    np.testing.assert_allclose(list(counts.values()), len(samples) * share, atol=5 * deviation)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_draw_groups_is_uniform_over_sets(count):
    members = Members.of([7, 3, 7, 7, 3, 7, 7])
    groups = members.draw_groups(np.ones(DRAWS, int), count, np.random.default_rng(0))
    sets = map(frozenset, combinations([0, 2, 3, 5, 6], count))
    samples = [frozenset(group) for group in groups.tolist()]
    assert_uniform(samples, list(sets))


@pytest.mark.parametrize(("count", "twice"), [(4, 1), (5, 2)])
def test_draw_groups_oversampling_is_uniform(count, twice):
    members = Members.of(["a", "a", "a", "b"])
    groups = members.draw_groups(np.zeros(DRAWS, int), count, np.random.default_rng(0))
    repeated = [
        frozenset(item for item in range(3) if group.count(item) == 2) for group in groups.tolist()
    ]
    assert_uniform(repeated, [frozenset(some) for some in combinations(range(3), twice)])


def test_draw_evenly_shuffles_each_round():
    rng = np.random.default_rng(0)
    rounds = [tuple(draw_evenly(np.arange(3), 6, rng).tolist()) for _ in range(DRAWS)]
    orders = list(permutations(range(3)))
    assert_uniform(rounds, [one + two for one in orders for two in orders])
