import numpy as np
import pytest

import similarity_lab.pairs.mining
from similarity_lab.pairs import PairStream
from similarity_lab.pairs.mining import (
    FARTHER,
    KINDS,
    RANDOM,
    SEMI_HARD,
    LabelledVectors,
    kind_shares,
    semi_hard_negatives,
)


def flat(pixels):
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255


@pytest.mark.parametrize("block", [3, 1024])
def test_semi_hard_negatives_equal_the_double_loop(monkeypatch, block):
    monkeypatch.setattr(similarity_lab.pairs.mining, "_BLOCK", block)
    rng = np.random.default_rng(0)
    anchors = LabelledVectors(rng.normal(size=(40, 2)), rng.integers(0, 3, 40))
    candidates = LabelledVectors(rng.normal(size=(12, 2)), rng.integers(0, 3, 12))
    positives = anchors.vectors + rng.normal(size=(40, 2))
    drawn = [set() for _ in range(40)]
    for seed in range(60):
        chosen, kinds = semi_hard_negatives(
            anchors, positives, candidates, margin=0.3, rng=np.random.default_rng(seed)
        )
        for each, choice in zip(drawn, chosen.tolist(), strict=True):
            each.add(choice)
    for i, (anchor, code) in enumerate(zip(*anchors, strict=True)):
        to_positive = np.linalg.norm(anchor - positives[i])
        farther = {
            j: distance
            for j in range(12)
            if candidates.codes[j] != code
            and (distance := np.linalg.norm(anchor - candidates.vectors[j])) > to_positive
        }
        allowed = {j for j, distance in farther.items() if distance < to_positive + 0.3}
        kind = SEMI_HARD if allowed else FARTHER if farther else RANDOM
        assert kinds[i] == kind
        assert drawn[i] == (allowed or ({min(farther, key=farther.get)} if farther else {-1}))
    assert set(kinds) == {SEMI_HARD, FARTHER, RANDOM}  # all three kinds occur above


@pytest.mark.parametrize(
    "places, kind, position",
    [([1.0, 1.5], FARTHER, 1), ([1.0], RANDOM, -1), ([1.0, 1.5, 1.4], SEMI_HARD, 2)],
)
def test_semi_hard_bounds_are_exclusive(places, kind, position):
    anchors = LabelledVectors(np.zeros((1, 1)), np.array([0]))
    candidates = LabelledVectors(np.array(places)[:, None], np.ones(len(places), int))
    negatives, kinds = semi_hard_negatives(
        anchors, np.ones((1, 1)), candidates, margin=0.5, rng=np.random.default_rng(0)
    )
    assert (kinds[0], negatives[0]) == (kind, position)


@pytest.mark.parametrize("kinds", [[RANDOM], [SEMI_HARD, FARTHER, FARTHER, RANDOM], [FARTHER] * 3])
def test_kind_shares(kinds):
    found = kind_shares(np.array(kinds))
    assert found == {name: kinds.count(at) / len(kinds) for at, name in enumerate(KINDS)}


@pytest.mark.parametrize("pool", [2048, 5])
def test_mine_replaces_negatives_of_the_epoch(data, pool):
    stream = PairStream(data, batch_size=8, seed=0)
    random = stream.pairs.copy()
    assert stream.negative_shares == {"semi-hard": 0, "hardest farther": 0, "random": 1}
    found = stream.mine(flat, margin=0.5, pool=pool)
    assert found is stream.negative_shares and sum(found.values()) == pytest.approx(1)
    assert found["random"] < 1 and (stream.pairs != random).any()
    np.testing.assert_array_equal(stream.pairs[0::2], random[0::2])
    left, right = data.labels[stream.pairs].T
    np.testing.assert_array_equal(left == right, stream.is_same.ravel() == 1)
    vectors = flat(data.images).astype(float)
    distances = np.linalg.norm(vectors[stream.pairs[:, 0]] - vectors[stream.pairs[:, 1]], axis=1)
    kept = (stream.pairs == random).all(axis=1)[1::2]
    assert (kept | (distances[1::2] > distances[0::2])).all()
    gaps = distances[1::2] - distances[0::2]
    assert np.mean((gaps > 0) & (gaps < 0.5)) >= found["semi-hard"] > 0
    assert len(set(stream.pairs[1::2, 1][~kept])) <= pool
    mined = stream.pairs.copy()
    stream.mine(flat, margin=0.5, pool=pool)  # repeatable
    np.testing.assert_array_equal(stream.pairs, mined)
    stream.start_epoch(0)
    np.testing.assert_array_equal(stream.pairs, random)
    assert stream.negative_shares["random"] == 1


def test_mine_with_equal_vectors_keeps_random_negatives(data):
    stream = PairStream(data, batch_size=8, seed=0)
    random = stream.pairs.copy()
    stream.mine(flat)  # mining starts from random pairs again
    assert stream.mine(lambda pixels: np.zeros((len(pixels), 2))) == dict(
        zip(KINDS, (0, 0, 1), strict=True)
    )
    np.testing.assert_array_equal(stream.pairs, random)


@pytest.mark.parametrize(
    ("embed", "message"),
    [
        (lambda pixels: np.full((len(pixels), 2), np.nan), "not finite.*has training diverged"),
        (lambda pixels: np.diag(np.full(len(pixels), np.inf)), "not finite"),  # partly
        (lambda pixels: np.zeros(len(pixels)), r"into \(8, d\) floating-point vectors, got \(8,\)"),
        (lambda pixels: np.zeros((1, 2)), r"got \(1, 2\) float64"),
        (lambda pixels: np.zeros((len(pixels), 2), int), r"got \(8, 2\) int64"),
    ],
)
def test_mine_refuses_vectors(data, embed, message):
    with pytest.raises(ValueError, match=message):
        PairStream(data, batch_size=8, seed=0).mine(embed)


@pytest.mark.parametrize(
    "settings, message",
    [({"margin": value}, "margin is a distance above 0") for value in (0, -1, np.nan)]
    + [({"pool": 0}, "pool must be at least 1, got 0")],
)
def test_mine_refuses_settings(data, settings, message):
    with pytest.raises(ValueError, match=message):
        PairStream(data, seed=0).mine(flat, **settings)
