import copy

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.exceptions import NotFittedError

from similarity_lab import RelevanceScorer, Site, compare
from similarity_lab.distances.comparators import Comparator
from similarity_lab.embedders import CachedEmbedder, Embedded, Embedder, embed_all
from similarity_lab.errors import ImageError, PromiseWarning
from similarity_lab.metric_learning import MetricLearner

from .conftest import CLASSES, Colors, coloured


@pytest.fixture
def learner(fitted):
    return copy.copy(fitted)


def test_lookup_is_brute_force(learner, data):
    train, _, asked = data
    found = learner.lookup(asked.images, k=3)
    a, b = (embed_all(learner.embedder_, photos.images) for photos in (asked, train))
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, rtol=1e-5)
    distances = cdist(a.astype(float), b.astype(float), "cosine")
    order = np.argsort(distances, axis=1, kind="stable")[:, :3]
    assert found["query"].tolist() == np.repeat(np.arange(len(asked)), 3).tolist()
    assert found["rank"].tolist() == [1, 2, 3] * len(asked)
    got = found["distance"].to_numpy().reshape(-1, 3)
    np.testing.assert_allclose(got, np.take_along_axis(distances, order, 1), atol=1e-6)
    names = np.array(CLASSES)[train.labels]
    assert found["label"].tolist() == names[found["position"]].tolist()


def test_calibration_and_match_agree_with_all_cuts(learner, data):
    chosen = learner.calibrate(data[2], precision=0.9)
    assert learner.calibration_ is chosen
    nearest = learner.lookup(data[2].images, k=1)
    truth = np.array(CLASSES)[data[2].labels]
    right = nearest["label"].to_numpy() == truth
    best = 0.0
    for cut in nearest["distance"]:
        near = nearest["distance"].to_numpy() <= cut
        if right[near].mean() >= 0.9:
            best = max(best, (right & near).mean())
    matched = learner.match(data[2].images)
    named = (matched["label"] != "unknown").to_numpy()
    assert (right & named).mean() == pytest.approx(best) and right[named].mean() >= 0.9
    assert (named == (nearest["distance"] <= chosen.threshold)).all()
    assert (matched["nearest"] == nearest["label"]).all()


def test_photos_of_unknown_classes_are_never_right(fitted, data):
    learner = copy.copy(fitted).index(coloured(0, 8, CLASSES[:3]))
    chosen = learner.calibrate(data[2], "f1")
    nearest = learner.lookup(data[2].images, k=1)
    truth = np.array(CLASSES)[data[2].labels]
    last = chosen.curve.iloc[-1]  # everything accepted
    right = (nearest["label"].to_numpy() == truth).sum()
    assert last["precision"] == pytest.approx(right / 48)
    assert last["recall"] == pytest.approx(right / 36)  # cocoa cannot be found


def test_the_nearest_photo_decides_and_no_other_does(fitted):
    """TensorFlow Similarity's majority vote gives a label the mean distance of all neighbours."""
    from similarity_lab.metric_learning.libraries import tfs

    labels, distances = [[0, 0, 1]], [[0.1, 0.2, 0.9]]
    label, distance = tfs.matchers.MatchMajorityVote().derive_match(
        np.array(labels), np.array(distances)
    )
    assert int(label[0, 0]) == 0 and float(distance[0, 0]) == pytest.approx(0.4)  # not 0.15
    opposite = tfs.distances.CosineDistance()(np.float32([[1, 0]]), np.float32([[-1, 0]]))
    assert float(opposite[0, 0]) == 2  # its documentation says 0…1
    learner = copy.copy(fitted)
    learner.calibrate(coloured(300, 6), "f1")
    asked = coloured(400, 3).images
    first = learner.lookup(asked, k=5).query("rank == 1")
    assert np.allclose(learner.match(asked)["distance"], first["distance"])


def test_match_goes_on_where_an_image_cannot_be_read(learner, data):
    learner.calibrate(data[2], "f1")
    images = [data[2].images[0], b"no picture", data[2].images[1]]
    matched = learner.match(images)
    assert matched["query"].tolist() == [0, 1, 2]
    assert matched["label"].isna().tolist() == [False, True, False]
    assert "looks like text" in matched["reason"][1] and matched["reason"][0] == ""
    assert learner.match([b"no picture"])["label"].isna().all()


def test_a_broken_promise_is_not_matched_with(learner, data):
    photos = data[2].subset([0, 1])
    wrong = coloured(200, 2, ("dates",))
    relabelled = type(wrong).from_arrays(wrong.images, [0, 0], ["oats"])
    with pytest.warns(PromiseWarning):
        learner.calibrate(relabelled, precision=0.99)
    with pytest.raises(ValueError, match="not calibrated: no threshold reaches"):
        learner.match(photos.images)


def test_it_is_a_comparator_like_any_other(learner, data, library, sites):
    comparator = learner.comparator
    assert isinstance(comparator, Comparator)
    a, b = data[2].images[:3], data[0].images[:2]
    vectors = [embed_all(comparator.embedder, images) for images in (a, b)]
    np.testing.assert_allclose(comparator.distances(a, b), comparator.between(*vectors), atol=1e-6)
    assert compare(a[0], a[0], comparator=comparator) == pytest.approx(0, abs=1e-6)
    trained = MetricLearner(progress=False).fit(library, tower="small", size=(8, 8), epochs=2)
    scorer = RelevanceScorer("almonds", embedder=trained.comparator, progress=False).fit(library)
    assert scorer.score(Site.from_folder(sites / "nut-shop")).embedder.startswith("small ")


def test_unfitted_use(data):
    learner = MetricLearner(progress=False)
    photos = data[2].images
    for use in (learner.lookup, learner.match, learner.index, learner.calibrate, learner.save):
        with pytest.raises(NotFittedError):
            use(photos)
    for name in ("comparator", "best_epoch_"):
        with pytest.raises(NotFittedError):
            getattr(learner, name)


def test_an_empty_index_and_too_many_neighbours(learner, data):
    with pytest.raises(ValueError, match="k must be from 1 to 40, the photos in the index, got 41"):
        learner.lookup(data[2].images, k=41)
    with pytest.raises(NotFittedError, match="before match"):
        learner.match(data[2].images)
    with pytest.raises(ValueError, match="an empty index finds nothing"):
        learner.index(data[0].subset([]))
    del learner.index_
    with pytest.raises(NotFittedError, match="the index is empty"):
        learner.lookup(data[2].images)


def test_an_index_of_another_model(learner, data, colors):
    other = MetricLearner(progress=False)
    other.fit(data[0], embedder=colors, dimension=4, epochs=1, steps=1, seed=5).index(data[0])
    assert other.embedder_.name != learner.embedder_.name
    learner.index_ = other.index_
    with pytest.raises(ValueError, match="vectors of another model"):
        learner.lookup(data[2].images)


def test_what_cannot_be_indexed_or_calibrated_on(learner, data):
    with pytest.raises(ValueError, match="2 of 2 photos are in the index"):
        learner.calibrate(data[0].subset([3, 7]))
    unknown = type(data[0]).from_arrays(data[0].images[:2], [0, 1], ["unknown", "oats"])
    with pytest.raises(ValueError, match="rename it"):
        learner.index(unknown)


def test_lookup_stops_at_an_image_that_cannot_be_read(library):
    learner = MetricLearner(progress=False).fit(library, tower="small", size=(8, 8), epochs=1)
    with pytest.raises(ImageError, match="looks like text"):
        learner.index(library).lookup([b"no picture"], k=1)


@pytest.mark.parametrize(
    "labels, message",
    [([0] * 4, "two classes or more"), ([0, 0, 0, 1], "fewer than two photos .* in dates")],
)
def test_too_few_examples(labels, message):
    photos = type(coloured(0, 1)).from_arrays(coloured(0, 1).images, labels, ["oats", "dates"])
    with pytest.raises(ValueError, match=message):
        MetricLearner(progress=False).fit(photos, tower="small")


def test_settings_that_do_not_fit(data):
    learner = MetricLearner(progress=False)
    for settings, message in (
        ({"tower": "large"}, "tower must be one of small, features"),
        ({"tower": "small", "blocks": 3}, "tower 'small' has no setting blocks; it has dimension"),
        ({"loss": "hinge"}, "loss must be one of multisimilarity"),
        (
            {"loss": "triplet", "loss_settings": {"gamma": 1}},
            "loss 'triplet' has no setting gamma; it has .*margin",
        ),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"blend": 0}, "blend is a share above 0"),
        ({"photos_per_class": 1}, "photos_per_class must be at least 2"),
        ({"head": "deep"}, "head must be one of"),
        ({"dimension": 9}, "dimension must be from 1 to 6"),
    ):
        with pytest.raises(ValueError, match=message):
            learner.fit(data[0], validation=data[1], embedder=_Six(), **settings)


class _Six:
    name, dimension, input_size = "six", 6, (4, 4)

    def embed(self, images, *, batch_size=None, progress=True):
        return Embedded(np.ones((len(images), 6)))


def test_a_remembered_photo_is_embedded_once(data, colors):
    passes = []

    class Counting(Colors):
        def embed(self, images, **settings):
            passes.append(len(images))
            return super().embed(images, **settings)

    embedder = CachedEmbedder(Counting())
    assert embedder.name == colors.name and isinstance(embedder, Embedder)
    photos = data[0].images
    twice = np.concatenate([photos[:5], photos[:5]])
    np.testing.assert_array_equal(embedder.embed(twice).vectors, colors.embed(twice).vectors)
    np.testing.assert_array_equal(embedder.embed(photos).vectors, colors.embed(photos).vectors)
    assert passes == [5, 35] and embedder.embed(photos[:0]).vectors.shape == (0, 6)
    learner = MetricLearner(progress=False)
    learner.fit(data[0], validation=data[1], embedder=embedder, epochs=1).index(data[0])
    assert passes == [5, 35, 16]


def test_an_equal_seed_gives_an_equal_model(data, colors):
    settings = {"embedder": colors, "dimension": 4, "epochs": 2, "steps": 2}
    names = [
        MetricLearner(progress=False).fit(data[0], seed=seed, **settings).embedder_.name
        for seed in (1, 1, 2)
    ]
    assert names[0] == names[1] != names[2]


def test_fitting_again_forgets(learner, data, colors):
    learner.fit(data[0], embedder=colors, dimension=4, epochs=1, steps=1)
    assert not hasattr(learner, "index_")
    with pytest.raises(NotFittedError, match="the index is empty"):
        learner.lookup(data[2].images)


def test_what_could_not_be_read_is_listed(library, stub):
    (library / "oats" / "broken.png").write_bytes(b"\x89PNG broken")
    learner = MetricLearner(progress=False)
    learner.fit(library, embedder=stub, dimension=2, epochs=1, steps=1)
    assert [path.name for path in map(type(library), learner.skipped_["path"])] == ["broken.png"]
    assert len(learner.index(library).skipped_) == 1
