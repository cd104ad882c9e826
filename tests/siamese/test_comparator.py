import numpy as np
import pytest
from scipy.special import expit

from similarity_lab import RelevanceScorer, compare
from similarity_lab.distances.comparators import Comparator
from similarity_lab.relevance import MeanDistanceRule
from similarity_lab.samples import load_image
from similarity_lab.siamese import (
    SiameseComparator,
    architecture_1,
    build,
)
from similarity_lab.siamese.heads import HEADS

SIZE = (32, 32)


def images(subject, n):
    return [load_image(subject, seed, size=SIZE) for seed in range(n)]


def network(head="sigmoid", slope=-2.0, offset=1.5, **settings):
    """Return an untrained network whose head has weights that are not trivial."""
    model = build(architecture_1((*SIZE, 3), **settings), head)
    if head == "batchnorm-sigmoid":
        model.get_layer("normalize_distance").set_weights(
            [np.float32([value]) for value in (1.5, 0.2, 0.05, 0.01)]
        )
    if head != "distance":
        model.get_layer("is_same").set_weights([np.float32([[slope]]), np.float32([offset])])
    return model


def count_passes(comparator):
    """Return a list to which each call of the tower appends its number of images."""
    passes, forward = [], comparator.embedder.forward
    comparator.embedder.forward = lambda pixels: (passes.append(len(pixels)), forward(pixels))[1]
    return passes


@pytest.mark.parametrize("slope", [-2.0, 2.0])
@pytest.mark.parametrize("head", HEADS)
def test_comparator_agrees_with_the_network(head, slope):
    model = network(head, slope)
    comparator = SiameseComparator(model)
    assert isinstance(comparator, Comparator) and comparator.head == head
    a, b = images("almonds", 3), images("dates", 3)[:2] + images("almonds", 1)
    left = np.repeat(np.stack(a), len(b), axis=0).astype(np.float32) / 255
    right = np.tile(np.stack(b), (len(a), 1, 1, 1)).astype(np.float32) / 255
    expected = model.predict([left, right], verbose=0).reshape(len(a), len(b))
    distances = comparator.distances(a, b)
    assert distances.dtype == np.float32
    if head == "distance":
        # The network clamps at 0.0003, the comparator returns 0.
        np.testing.assert_allclose(np.maximum(distances, 1e-7**0.5), expected, atol=1e-5)
        return
    np.testing.assert_allclose(comparator.probability(a, b), expected, atol=1e-5)
    # Whatever sign the head has learned: smaller = more alike.
    order = np.argsort(distances, axis=None)
    assert (np.diff(expected.ravel()[order]) <= 1e-6).all()


def test_comparator_distances_rank_where_probabilities_tie():
    comparator = SiameseComparator(network(slope=-40.0, offset=-20.0))
    vectors = np.zeros((4, 48), np.float32)
    vectors[:, 0] = range(4)
    distances = comparator.between(vectors[:1], vectors[1:])
    assert (np.diff(distances) > 0).all()
    assert np.unique(np.float32(1) - comparator.probability_at(distances)).size == 1


@pytest.mark.parametrize("slope", [-2.0, 2.0])
def test_distance_at_a_probability(slope):
    comparator = SiameseComparator(network(slope=slope, offset=-0.5 * slope))
    assert comparator.distance_at(0.5) == pytest.approx(0.5 * (1 if slope < 0 else -1))
    distances = np.linspace(0.01, 2, 50) * (1 if slope < 0 else -1)
    for probability in (0.4, 0.6):
        similar = distances <= comparator.distance_at(probability)
        assert np.array_equal(similar, comparator.probability_at(distances) >= probability)
        assert expit(slope * (abs(comparator.distance_at(probability)) - 0.5)) == pytest.approx(
            probability
        )


def test_comparator_of_a_tower_alone():
    tower = architecture_1((*SIZE, 1))
    comparator = SiameseComparator(tower)
    assert comparator.head == "distance" and comparator.embedder.color == "gray"
    image, other = images("almonds", 2)
    assert compare(image, image, comparator=comparator) == 0
    assert compare(image, other, comparator=comparator) > 0
    with pytest.raises(ValueError, match='"distance" has no probability'):
        comparator.distance_at(0.5)
    with pytest.raises(ValueError, match='"distance" has no probability'):
        comparator.probability([image], [other])


def test_comparator_in_a_scorer_embeds_each_image_once(tmp_path):
    import cv2

    for name, count in {"library/almonds": 6, "library/dates": 5, "site": 4}.items():
        (tmp_path / name).mkdir(parents=True)
        for seed, image in enumerate(images("dates" if "dates" in name else "almonds", count)):
            cv2.imwrite(str(tmp_path / name / f"{seed}.png"), image[..., ::-1])
    comparator = SiameseComparator(network())
    passes = count_passes(comparator)
    original = {"rule": "mean-distance", "embedder": comparator, "progress": False}
    scorer = RelevanceScorer("almonds", **original)
    scorer.fit(tmp_path / "library")
    assert sum(passes) == 6 + 5
    result = scorer.decide(tmp_path / "site")
    assert sum(passes) == 6 + 5 + 4
    assert result.images.distance.notna().all()
    assert result.settings.embedder == comparator.embedder.name
    learned = RelevanceScorer("almonds", embedder=comparator, progress=False)
    learned.fit(tmp_path / "library" / "almonds")  # background images are embedded too
    assert learned.decide(tmp_path / "site").images.probability.notna().all()
    threshold = comparator.distance_at(0.5)
    fixed = RelevanceScorer("almonds", **original | {"rule": MeanDistanceRule(threshold)})
    assert fixed.fit(tmp_path / "library").rule_.similarity_threshold == threshold


def test_compare_embeds_each_image_once():
    comparator = SiameseComparator(network())
    passes = count_passes(comparator)
    compare(*images("almonds", 2), comparator=comparator)
    assert passes == [1, 1]


def test_comparator_save_and_load(tmp_path):
    comparator = SiameseComparator(network("batchnorm-sigmoid"))
    comparator.save(tmp_path / "network.keras")
    loaded = SiameseComparator.load(tmp_path / "network.keras")
    assert loaded.name == comparator.name and "batchnorm-sigmoid" in repr(loaded)
    a, b = images("almonds", 2), images("dates", 2)
    np.testing.assert_allclose(loaded.distances(a, b), comparator.distances(a, b), atol=1e-6)
    np.testing.assert_allclose(loaded.probability(a, b), comparator.probability(a, b), atol=1e-6)


def test_comparator_name_depends_on_the_weights_only():
    names = [SiameseComparator(network(seed=seed)).embedder.name for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    model = network()
    model.get_layer("architecture_1").trainable = False
    model.get_layer("architecture_1").compile("adam", "mse")
    assert SiameseComparator(model).embedder.name == names[0]


@pytest.mark.parametrize("probability", [0, 1, float("nan")])
def test_distance_at_refuses(probability):
    with pytest.raises(ValueError, match="between 0 and 1"):
        SiameseComparator(network()).distance_at(probability)


def test_comparator_refuses(tmp_path):
    comparator = SiameseComparator(network(slope=0.0))
    with pytest.raises(ValueError, match="train it first"):
        comparator.distance_at(0.5)
    with pytest.raises(ValueError, match="ending in .keras"):
        comparator.save(tmp_path / "network.h5")
    with pytest.raises(FileNotFoundError, match="No such file"):
        SiameseComparator.load(tmp_path / "nowhere.keras")
    with pytest.raises(ValueError, match="vectors of 48 and of 3 numbers"):
        comparator.between(np.zeros((1, 48), np.float32), np.zeros((1, 3), np.float32))
