import numpy as np
import pytest

from similarity_lab.relevance import MeanDistanceRule, ReferenceDraw

DIGEST = "0123456789abcdef" * 4


def test_a_draw_depends_on_seed_and_content_only():
    draw = ReferenceDraw(seed=3)
    np.testing.assert_array_equal(
        draw.indices(30, DIGEST), ReferenceDraw(seed=3).indices(30, DIGEST)
    )
    assert (draw.indices(30, DIGEST) != draw.indices(30, DIGEST[::-1])).any()
    assert (draw.indices(30, DIGEST) != ReferenceDraw(seed=4).indices(30, DIGEST)).any()


def test_every_reference_is_drawn_about_equally_often():
    draw = ReferenceDraw(n=15)
    drawn = np.concatenate([draw.indices(30, f"{number:016x}") for number in range(2000)])
    counts = np.bincount(drawn, minlength=30)
    assert counts.min() > 850 and counts.max() < 1150  # 1000 each, six standard deviations


@pytest.mark.parametrize(
    ("draw", "unique"), [("with-replacement", None), ("without-replacement", 12), ("all", 20)]
)
def test_kinds_of_draw(draw, unique):
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


def test_one_reference_is_the_smallest_draw():
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


def test_as_many_as_there_are():
    """Without replacement at most every reference once; with it there is no such limit."""
    all_of_them = ReferenceDraw(n=4, draw="without-replacement")
    all_of_them.check(4)
    assert sorted(all_of_them.indices(4, DIGEST)) == [0, 1, 2, 3]
    for draw in ("with-replacement", "all"):
        ReferenceDraw(n=5, draw=draw).check(4)


def test_the_scorer_draws_as_a_draw_does_by_default():
    assert MeanDistanceRule().reference_draw(0) == ReferenceDraw()


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="draw must be one of"):
        ReferenceDraw(draw="some")
    with pytest.raises(ValueError, match="aggregate must be one of"):
        ReferenceDraw(aggregate="median")
    with pytest.raises(ValueError, match="at least 1"):
        ReferenceDraw(n=0)
    with pytest.raises(ValueError, match="at least 1"):
        ReferenceDraw(n_nearest=0)
    with pytest.raises(ValueError, match="lower n_references to 4"):
        ReferenceDraw(n=5, draw="without-replacement").check(4)
