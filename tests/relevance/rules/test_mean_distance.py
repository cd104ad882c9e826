from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from similarity_lab import RelevanceScorer
from similarity_lab.datasets import ImageDataset
from similarity_lab.distances.comparators import EmbeddingComparator, cached_comparator
from similarity_lab.errors import InputError
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.mean_distance import MeanDistanceRule, ReferenceDraw
from similarity_lab.store import VectorStore

DIGEST = "0123456789abcdef" * 4
STUDY = "efficientnet-lite0 57934424 gray 224x224 bicubic openvino float32"


class Named:
    """An embedder with a name only; by default the name of the study's."""

    dimension, input_size = 3, (224, 224)

    def __init__(self, name=STUDY):
        self.name = name

    def embed(self, images, *, batch_size=None, progress=True):
        raise AssertionError("nothing is embedded again")


class DistancesOnly:
    """A comparator that is not an embedder with a distance."""

    embedder = Named()
    between = staticmethod(EmbeddingComparator(embedder).between)
    distances = None


UNKNOWN = {
    "another network": EmbeddingComparator(
        Named(STUDY.replace("lite0 57934424", "lite2 9656183e"))
    ),
    "a longer name": EmbeddingComparator(Named(f"{STUDY}, adapted")),
    "another size": EmbeddingComparator(Named(STUDY.replace("224x224", "224x260"))),
    "in colour": EmbeddingComparator(Named(STUDY.replace("gray", "rgb"))),
    "another distance": EmbeddingComparator(Named(), "euclidean"),
    "another kind": DistancesOnly(),
}
ORIGINAL = EmbeddingComparator(Named())


def make_library(almonds, others):
    """A library whose vectors lie around one direction per product."""
    rng = np.random.default_rng(0)
    count = almonds + others
    pixels = rng.integers(0, 256, (count, 4, 4, 3), np.uint8)
    labels = np.repeat([0, 1], [almonds, others])
    vectors = np.array([[1.0, 0, 0], [0, 1.0, 0]])[labels] + rng.normal(0, 0.5, (count, 3))
    dataset = ImageDataset.from_arrays(pixels, labels, ["almonds", "dates"])
    skipped = pd.DataFrame(columns=["path", "reason"])
    return EmbeddedLibrary(dataset, vectors.astype(np.float32), "vectors", skipped)


def fitted(library, comparator=ORIGINAL, threshold=None, **draw):
    rule = MeanDistanceRule(threshold, **draw)
    return rule.learn(library, "almonds", comparator, seed=0)


def test_default_threshold_is_for_the_original_distances():
    assert not MeanDistanceRule().needs_other_products(ORIGINAL)
    assert fitted(make_library(1, 0)).similarity_threshold == 0.65
    assert MeanDistanceRule(aggregate="nearest").needs_other_products(ORIGINAL)
    assert MeanDistanceRule("from-library").needs_other_products(ORIGINAL)


def test_original_embedder_is_recognised_by_name(tmp_path):
    comparator = MeanDistanceRule().default_comparator(None)
    cached = cached_comparator(comparator, VectorStore(tmp_path))
    for original in (comparator, cached):
        assert not MeanDistanceRule().needs_other_products(original)


@pytest.mark.parametrize("comparator", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_other_distances_need_a_threshold_or_other_products(comparator):
    assert MeanDistanceRule().needs_other_products(comparator)
    with pytest.raises(ValueError, match="No similarity threshold is known"):
        fitted(make_library(5, 0), comparator)
    assert not MeanDistanceRule(0.3).needs_other_products(comparator)
    assert fitted(make_library(5, 0), comparator, 0.3).similarity_threshold == 0.3


@pytest.mark.parametrize(
    "draw", [{"draw": "all"}, {"n_references": 4, "aggregate": "mean-of-nearest"}]
)
@pytest.mark.parametrize("almonds", [2, 7])
def test_threshold_from_library_has_the_best_balanced_accuracy(almonds, draw):
    """Oracle: leave-one-out distances, and every cut between two of them."""
    library, rule = make_library(almonds, 9), MeanDistanceRule(**draw).reference_draw(0)
    unit = library.vectors / np.linalg.norm(library.vectors, axis=1, keepdims=True)
    far_and_near = [], []
    for index, source in enumerate(library.dataset.sources):
        others = [reference for reference in range(almonds) if reference != index]
        row = 1 - unit[others] @ unit[index]
        far_and_near[index < almonds].extend(rule.distances(row[None], [content_digest(source)]))
    far, near = map(np.array, far_and_near)

    def accuracy(cut):
        return ((near <= cut).mean() + (far > cut).mean()) / 2

    between = [(a + b) / 2 for a, b in pairwise(sorted([-1, *near, *far, 3]))]
    threshold = fitted(library, threshold="from-library", **draw).similarity_threshold
    assert accuracy(threshold) == max(map(accuracy, between)) > 0.5


def test_threshold_from_library_needs_two_references():
    with pytest.raises(ValueError, match="at least two images of the target"):
        fitted(make_library(1, 9), threshold="from-library")


def test_repeats_count_as_in_the_study(library, stub, sites):
    """The study counts every file; the learned rule counts an image once."""
    paths = sorted((sites / "nut-shop").iterdir())
    scorer = RelevanceScorer("almonds", rule="mean-distance", embedder=stub, progress=False)
    result = scorer.fit(library).decide([*paths, paths[0], paths[0]])
    assert (result.n_matches, result.n_scored) == (6, 12)


def test_draw_depends_on_seed_and_content_only():
    draw = ReferenceDraw(seed=3)
    np.testing.assert_array_equal(
        draw.indices(30, DIGEST), ReferenceDraw(seed=3).indices(30, DIGEST)
    )
    assert (draw.indices(30, DIGEST) != draw.indices(30, DIGEST[::-1])).any()
    assert (draw.indices(30, DIGEST) != ReferenceDraw(seed=4).indices(30, DIGEST)).any()


def test_draw_is_uniform():
    draw = ReferenceDraw(n=15)
    indices = np.concatenate([draw.indices(30, f"{number:016x}") for number in range(2000)])
    counts = np.bincount(indices, minlength=30)
    assert counts.min() > 850 and counts.max() < 1150  # 1000 each, six standard deviations


@pytest.mark.parametrize(
    ("draw", "unique"), [("with-replacement", None), ("without-replacement", 12), ("all", 20)]
)
def test_draw_sizes(draw, unique):
    size = {} if draw == "all" else {"n": 12}
    indices = ReferenceDraw(draw=draw, **size).indices(20, DIGEST)
    assert len(indices) == (20 if draw == "all" else 12)
    assert indices.min() >= 0 and indices.max() < 20
    if unique:
        assert len(set(indices)) == unique
    repeated = [len(set(ReferenceDraw(n=12).indices(20, f"{i:016x}"))) < 12 for i in range(20)]
    assert any(repeated)  # with replacement, as the original study draws


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"aggregate": "mean"}, [0.5, 0.4]),
        ({"aggregate": "nearest"}, [0.2, 0.1]),
        ({"aggregate": "mean-of-nearest", "n_nearest": 2}, [0.3, 0.2]),
    ],
)
def test_distances_are_aggregated(parameters, expected):
    draw = ReferenceDraw(draw="all", **parameters)
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
    values = ReferenceDraw(n=1).distances(distances, digests)
    assert all(value in row for value, row in zip(values, distances, strict=True))
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
    ReferenceDraw(n=5).check(4)
    ReferenceDraw(draw="all").check(4)


def test_rule_and_draw_have_the_same_defaults():
    assert MeanDistanceRule().reference_draw(0) == ReferenceDraw()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"draw": "some"}, "draw must be one of"),
        ({"aggregate": "median"}, "aggregate must be one of"),
        ({"n": 0}, "at least 1"),
        ({"n_nearest": 0}, "at least 1"),
        ({"n": 30, "draw": "all"}, 'n_references=30 has no effect with draw="all"'),
        ({"n_nearest": 5}, "n_nearest=5 has no effect with aggregate='mean'"),
    ],
)
def test_draw_refuses_invalid_parameters(parameters, message):
    with pytest.raises(InputError, match=message):
        ReferenceDraw(**parameters)


def test_draw_without_replacement_needs_enough_references():
    with pytest.raises(InputError, match="lower n_references to 4"):
        ReferenceDraw(n=5, draw="without-replacement").check(4)
