import numpy as np
import pytest

from similarity_lab.errors import UnknownClassError
from similarity_lab.pairs import make_pairs, make_pairs_target, pair_indices

NAMES = ["almonds", "dates", "oats"]
LABELS = np.array([0, 1, 0, 2, 1, 2, 0])


def numbered(count, dtype=np.uint8):
    """Return images whose pixels all equal their position."""
    return np.broadcast_to(np.arange(count, dtype=dtype)[:, None, None, None], (count, 4, 5, 3))


def positions(pairs):
    assert (pairs == pairs[:, :, :1, :1, :1]).all()
    return pairs[:, :, 0, 0, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_make_pairs_selects_the_pairs_of_pair_indices(dtype):
    pairs, is_same = make_pairs(numbered(7, dtype), LABELS, seed=5)
    indices, expected = pair_indices(LABELS, seed=5)
    assert pairs.shape == (14, 2, 4, 5, 3) and pairs.dtype == dtype
    np.testing.assert_array_equal(positions(pairs), indices)
    np.testing.assert_array_equal(is_same, expected)
    left, right = LABELS[positions(pairs).astype(int)].T
    np.testing.assert_array_equal(left == right, is_same.ravel() == 1)


def target_cases():
    names = np.array(NAMES)[LABELS]
    return {
        "a name among names": (names, "almonds", None),
        "a name with classes": (LABELS, "almonds", NAMES),
        "a position": (LABELS, 0, None),
        "a position with classes": (LABELS, 0, NAMES),
    }


@pytest.mark.parametrize("case", target_cases())
def test_make_pairs_target_draws_all_allowed_pairs(case):
    labels, target, classes = target_cases()[case]
    sampled_rows = set()
    for seed in range(60):
        pairs, is_same = make_pairs_target(numbered(7), labels, target, seed=seed, classes=classes)
        assert pairs.shape == (6, 2, 4, 5, 3) and is_same.ravel().tolist() == [1, 0] * 3
        assert positions(pairs)[:, 0].tolist() == [0, 0, 2, 2, 6, 6]
        rows = np.hstack([positions(pairs), is_same]).astype(int)
        sampled_rows |= set(map(tuple, rows.tolist()))
    expected_rows = {(i, j, int(LABELS[j] == 0)) for i in (0, 2, 6) for j in range(7) if i != j}
    assert sampled_rows == expected_rows


def test_make_pairs_target_with_absent_classes():
    pairs, _ = make_pairs_target(
        numbered(4), [3, 1, 3, 1], "oats", seed=0, classes=["a", "b", "c", "oats"]
    )
    assert positions(pairs)[:, 0].tolist() == [0, 0, 2, 2]


def test_make_pairs_warns_of_single_images():
    with pytest.warns(UserWarning, match=r"1 times.*only: oats \(1\)") as caught:
        make_pairs_target(numbered(3), [0, 0, 2], "oats", seed=0, classes=NAMES)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"2 times.*only: dates \(1\), oats \(1\)") as caught:
        make_pairs(numbered(4), ["dates", "a", "oats", "a"], seed=0)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (numbered(3), [0, 0, 0], "two classes or more, got only 0"),
        (numbered(3), [0, 1], "got 3 images and 2 labels"),
        (np.zeros((3, 4, 5)), [0, 1, 1], r"got \(3, 4, 5\) float64; add the channel axis"),
        (np.full((2, 2, 2, 1), "x"), [0, 1], "of numbers, got"),
        ([np.zeros((2, 2, 1)), np.zeros((3, 2, 1))], [0, 1], "several shapes; resize"),
    ],
)
def test_make_pairs_refuses(images, labels, message):
    with pytest.raises(ValueError, match=message):
        make_pairs(images, labels, seed=0)
    with pytest.raises(ValueError, match=message):
        make_pairs_target(images, labels, 0, seed=0)


@pytest.mark.parametrize(
    ("labels", "target", "classes", "message"),
    [
        (LABELS, "nuts", NAMES, "Unknown class 'nuts'.*almonds, dates, oats"),
        (LABELS, 5, None, "Unknown class 5.*0, 1, 2"),
        (LABELS, "almonds", None, "'almonds' is a name, but labels are integers; pass cl"),
        (LABELS, "almonds", NAMES[:2], "positions in the 2 classes, 0…1, got 0…2"),
        (LABELS - 1, "almonds", NAMES, "positions in the 3 classes, 0…2, got -1…1"),
        (np.array(NAMES)[LABELS], "oats", NAMES, "these labels are names: leave it out"),
    ],
)
def test_make_pairs_target_refuses(labels, target, classes, message):
    error = UnknownClassError if "Unknown" in message else ValueError
    with pytest.raises(error, match=message):
        make_pairs_target(numbered(7), labels, target, seed=0, classes=classes)
