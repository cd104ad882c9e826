import numpy as np
import pytest

from similarity_lab.errors import InputError
from similarity_lab.relevance import MeanDistanceRule, ReferenceDraw

DIGEST = "0123456789abcdef" * 4


def test_draw_depends_on_seed_and_content_only():
    draw = ReferenceDraw(seed=3)
    np.testing.assert_array_equal(
        draw.indices(30, DIGEST), ReferenceDraw(seed=3).indices(30, DIGEST)
    )
    assert (draw.indices(30, DIGEST) != draw.indices(30, DIGEST[::-1])).any()
    assert (draw.indices(30, DIGEST) != ReferenceDraw(seed=4).indices(30, DIGEST)).any()


def test_draw_is_uniform():
    draw = ReferenceDraw(n=15)
    drawn = np.concatenate([draw.indices(30, f"{number:016x}") for number in range(2000)])
    counts = np.bincount(drawn, minlength=30)
    assert counts.min() > 850 and counts.max() < 1150  # 1000 each, six standard deviations


@pytest.mark.parametrize(
    ("draw", "unique"), [("with-replacement", None), ("without-replacement", 12), ("all", 20)]
)
def test_draw_sizes(draw, unique):
    indices = ReferenceDraw(n=12, draw=draw).indices(20, DIGEST)
    assert len(indices) == (20 if draw == "all" else 12)
    assert indices.min() >= 0 and indices.max() < 20
    if unique:
        assert len(set(indices)) == unique
    repeated = [len(set(ReferenceDraw(n=12).indices(20, f"{i:016x}"))) < 12 for i in range(20)]
    assert any(repeated)  # with replacement, as the original study draws


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [("mean", [0.5, 0.4]), ("nearest", [0.2, 0.1]), ("mean-of-nearest", [0.3, 0.2])],
)
def test_aggregates(aggregate, expected):
    draw = ReferenceDraw(draw="all", aggregate=aggregate, n_nearest=2)
    distances = np.array([[0.9, 0.2, 0.4], [0.3, 0.1, 0.8]], np.float32)
    np.testing.assert_allclose(draw.distances(distances, [DIGEST] * 2), expected, atol=1e-6)


def test_distances_use_the_drawn_references():
    draw = ReferenceDraw(n=4, seed=5)
    distances = np.random.default_rng(0).random((3, 9)).astype(np.float32)
    digests = [f"{number:016x}" for number in range(3)]
    expected = [
        row[draw.indices(9, digest)].mean() for row, digest in zip(distances, digests, strict=True)
    ]
    np.testing.assert_allclose(draw.distances(distances, digests), expected, rtol=1e-6)


def test_draw_of_one_reference():
    distances = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    digests = [f"{number:016x}" for number in range(5)]
    drawn = ReferenceDraw(n=1).distances(distances, digests)
    assert all(one in row for one, row in zip(drawn, distances, strict=True))
    one_nearest = ReferenceDraw(n=4, aggregate="mean-of-nearest", n_nearest=1)
    nearest = ReferenceDraw(n=4, aggregate="nearest")
    np.testing.assert_array_equal(
        one_nearest.distances(distances, digests), nearest.distances(distances, digests)
    )
    with pytest.raises(ValueError, match="shorter"):
        nearest.distances(distances, digests[:4])


def test_draw_without_replacement_takes_at_most_all():
    """Without replacement at most every reference once; with it there is no such limit."""
    all_of_them = ReferenceDraw(n=4, draw="without-replacement")
    all_of_them.check(4)
    assert sorted(all_of_them.indices(4, DIGEST)) == [0, 1, 2, 3]
    for draw in ("with-replacement", "all"):
        ReferenceDraw(n=5, draw=draw).check(4)


def test_rule_and_draw_have_the_same_defaults():
    assert MeanDistanceRule().reference_draw(0) == ReferenceDraw()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"draw": "some"}, "draw must be one of"),
        ({"aggregate": "median"}, "aggregate must be one of"),
        ({"n": 0}, "at least 1"),
        ({"n_nearest": 0}, "at least 1"),
    ],
)
def test_draw_refuses_invalid_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        ReferenceDraw(**parameters)


def test_draw_without_replacement_needs_enough_references():
    with pytest.raises(InputError, match="lower n_references to 4"):
        ReferenceDraw(n=5, draw="without-replacement").check(4)
