"""How images of classes are drawn: what may come does, and as often as it should."""

from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest

from similarity_lab.pairs.indices import Members, draw_evenly

DRAWS = 6000


def assert_equally_often(drawn, expected):
    """Assert that exactly these come, each as often as the others, give or take five deviations."""
    counts, share = Counter(drawn), 1 / len(expected)
    assert set(counts) == set(expected)
    deviation = np.sqrt(len(drawn) * share * (1 - share))
    np.testing.assert_allclose(list(counts.values()), len(drawn) * share, atol=5 * deviation)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_set_of_different_images_is_a_group_equally_often(count):
    members = Members.of([7, 3, 7, 7, 3, 7, 7])
    groups = members.draw_groups(np.ones(DRAWS, int), count, np.random.default_rng(0))
    sets = map(frozenset, combinations([0, 2, 3, 5, 6], count))
    drawn = [frozenset(group) for group in groups.tolist()]
    assert_equally_often(drawn, list(sets))


@pytest.mark.parametrize(("count", "twice"), [(4, 1), (5, 2)])
def test_who_comes_once_more_is_drawn(count, twice):
    members = Members.of(["a", "a", "a", "b"])
    groups = members.draw_groups(np.zeros(DRAWS, int), count, np.random.default_rng(0))
    again = [frozenset(at for at in range(3) if group.count(at) == 2) for group in groups.tolist()]
    assert_equally_often(again, [frozenset(some) for some in combinations(range(3), twice)])


def test_turns_are_shuffled_each_on_its_own():
    rng = np.random.default_rng(0)
    rounds = [tuple(draw_evenly(np.arange(3), 6, rng).tolist()) for _ in range(DRAWS)]
    orders = list(permutations(range(3)))
    assert_equally_often(rounds, [one + two for one in orders for two in orders])
