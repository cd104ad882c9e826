import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from similarity_lab import compare
from similarity_lab.datasets import ImageDataset
from similarity_lab.distances.comparators import Comparator
from similarity_lab.embedders import CachedEmbedder, embed_all
from similarity_lab.errors import ImageError, PromiseWarning
from similarity_lab.metric_learning import (
    EfficientNetTower,
    FeatureTower,
    MetricLearner,
    SmallTower,
)

from .conftest import CLASSES, ColorStatistics, coloured


@pytest.fixture
def learner(fitted):
    return copy.copy(fitted)


def names_of(dataset):
    return np.array(CLASSES)[dataset.labels]


def test_lookup_equals_brute_force(learner, training, queries):
    rows = learner.lookup(queries.images, k=3)
    a, b = (embed_all(learner.embedder_, each.images) for each in (queries, training))
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, rtol=1e-5)
    distances = cdist(a.astype(float), b.astype(float), "cosine")
    expected = np.sort(distances, axis=1)[:, :3]
    assert rows["query"].tolist() == np.repeat(np.arange(len(queries)), 3).tolist()
    assert rows["rank"].tolist() == [1, 2, 3] * len(queries)
    np.testing.assert_allclose(rows["distance"].to_numpy().reshape(-1, 3), expected, atol=1e-6)
    at_position = distances[rows["query"], rows["position"]]
    np.testing.assert_allclose(rows["distance"], at_position, atol=1e-6)
    assert rows["label"].tolist() == names_of(training)[rows["position"]].tolist()


def test_calibration_is_the_best_cut_and_match_applies_it(learner, queries):
    calibration = learner.calibrate(queries, precision=0.9)
    assert learner.calibration_ is calibration
    nearest = learner.lookup(queries.images, k=1)
    is_correct = nearest["label"].to_numpy() == names_of(queries)
    best = 0.0
    for cut in nearest["distance"]:
        is_near = nearest["distance"].to_numpy() <= cut
        if is_correct[is_near].mean() >= 0.9:
            best = max(best, (is_correct & is_near).mean())
    matches = learner.match(queries.images)
    is_named = (matches["label"] != "unknown").to_numpy()
    assert (is_correct & is_named).mean() == pytest.approx(best)
    assert is_correct[is_named].mean() >= 0.9
    assert (is_named == (nearest["distance"] <= calibration.threshold)).all()
    assert (matches["nearest"] == nearest["label"]).all()


def test_calibrate_with_unknown_classes_counts_them_as_wrong(learner, queries):
    learner.index(coloured(0, 8, CLASSES[:3]))
    calibration = learner.calibrate(queries, "f1")
    nearest = learner.lookup(queries.images, k=1)
    last = calibration.curve.iloc[-1]  # everything accepted
    n_correct = (nearest["label"].to_numpy() == names_of(queries)).sum()
    assert last["precision"] == pytest.approx(n_correct / 48)
    assert last["recall"] == pytest.approx(n_correct / 36)  # cocoa is not in the index


def test_match_uses_the_nearest_image_only(learner):
    """TensorFlow Similarity's majority vote uses the mean distance of all neighbours."""
    from similarity_lab.metric_learning.libraries import tfs

    labels, distances = [[0, 0, 1]], [[0.1, 0.2, 0.9]]
    label, distance = tfs.matchers.MatchMajorityVote().derive_match(
        np.array(labels), np.array(distances)
    )
    assert int(label[0, 0]) == 0 and float(distance[0, 0]) == pytest.approx(0.4)  # not 0.15
    opposite = tfs.distances.CosineDistance()(np.float32([[1, 0]]), np.float32([[-1, 0]]))
    assert float(opposite[0, 0]) == 2  # its documentation says 0…1
    learner.calibrate(coloured(300, 6), "f1")
    images = coloured(400, 3).images
    nearest = learner.lookup(images, k=5).query("rank == 1")
    assert np.allclose(learner.match(images)["distance"], nearest["distance"])


def test_match_lists_unreadable_images(learner, queries):
    learner.calibrate(queries, "f1")
    matches = learner.match([queries.images[0], b"no image", queries.images[1]])
    assert matches["query"].tolist() == [0, 1, 2]
    assert matches["label"].isna().tolist() == [False, True, False]
    assert "text" in matches["reason"][1] and matches["reason"][0] == ""
    assert learner.match([b"no image"])["label"].isna().all()


def test_match_refuses_a_calibration_that_is_not_met(learner, queries):
    dates = coloured(200, 2, ("dates",))
    mislabelled = ImageDataset.from_arrays(dates.images, [0, 0], ["oats"])
    with pytest.warns(PromiseWarning):
        learner.calibrate(mislabelled, precision=0.99)
    with pytest.raises(ValueError, match="not calibrated: no threshold reaches"):
        learner.match(queries.images[:2])


def test_comparator_of_a_learner(learner, training, queries):
    comparator = learner.comparator
    assert isinstance(comparator, Comparator)
    a, b = queries.images[:3], training.images[:2]
    vectors = [learner.transform(images) for images in (a, b)]
    np.testing.assert_allclose(comparator.distances(a, b), comparator.between(*vectors), atol=1e-6)
    assert compare(a[0], a[0], comparator=comparator) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", ["lookup", "match", "index", "calibrate", "save", "transform"])
def test_unfitted_learner_raises(make_learner, queries, method):
    with pytest.raises(NotFittedError):
        getattr(make_learner(), method)(queries.images)


@pytest.mark.parametrize("name", ["comparator", "best_epoch_"])
def test_unfitted_learner_has_no_result(make_learner, name):
    with pytest.raises(NotFittedError):
        getattr(make_learner(), name)


def test_lookup_without_enough_indexed_images(learner, training, queries):
    with pytest.raises(ValueError, match="k must be from 1 to 40, the images in the index, got 41"):
        learner.lookup(queries.images, k=41)
    with pytest.raises(NotFittedError, match="before match"):
        learner.match(queries.images)
    with pytest.raises(ValueError, match="an empty index finds nothing"):
        learner.index(training.subset([]))
    del learner.index_
    with pytest.raises(NotFittedError, match="the index is empty"):
        learner.lookup(queries.images)


def test_index_of_another_model_is_refused(learner, make_learner, training, queries):
    other = make_learner(seed=5).fit(training).index(training)
    assert other.embedder_.name != learner.embedder_.name
    learner.index_ = other.index_
    with pytest.raises(ValueError, match="vectors of another model"):
        learner.lookup(queries.images)


def test_calibrate_refuses_indexed_images(learner, training):
    with pytest.raises(ValueError, match="2 of 2 images are in the index"):
        learner.calibrate(training.subset([3, 7]))


def test_index_refuses_a_class_called_unknown(learner, training):
    unknown = ImageDataset.from_arrays(training.images[:2], [0, 1], ["unknown", "oats"])
    with pytest.raises(ValueError, match="rename it"):
        learner.index(unknown)


def test_lookup_raises_for_an_unreadable_image(learner):
    with pytest.raises(ImageError, match="text"):
        learner.lookup([b"no image"], k=1)


@pytest.mark.parametrize(
    "labels, message",
    [([0] * 4, "two classes or more"), ([0, 0, 0, 1], "fewer than two training images in dates")],
)
def test_fit_with_too_few_examples(make_learner, labels, message):
    dataset = ImageDataset.from_arrays(coloured(0, 1).images, labels, ["oats", "dates"])
    with pytest.raises(ValueError, match=message):
        make_learner("small").fit(dataset)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"tower": "smal"}, "Unknown tower 'smal'. Did you mean 'small'"),
        ({"loss": "tripplet"}, "Unknown loss 'tripplet'. Did you mean 'triplet'"),
        (
            {"loss": "triplet", "loss_settings": {"margn": 1}},
            "Unknown setting 'margn' of loss 'triplet'. Did you mean 'margin'",
        ),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"blend": 0}, "blend is a share above 0"),
        ({"images_per_class": 1}, "images_per_class must be at least 2"),
        ({"tower__head": "residal"}, "Unknown head 'residal'. Did you mean 'residual'"),
        ({"tower__dimension": 9}, "dimension must be from 1 to 6"),
    ],
)
def test_fit_with_invalid_parameters(make_learner, training, validation, params, message):
    learner = clone(make_learner()).set_params(**params)
    with pytest.raises(ValueError, match=message):
        learner.fit(training, validation=validation)


def test_set_params_suggests_the_parameter(make_learner):
    with pytest.raises(ValueError, match="Unknown parameter 'epoch'. Did you mean 'epochs'"):
        make_learner().set_params(epoch=3)


def test_cached_embedder_embeds_an_image_once(make_learner, training, validation):
    batches = []

    class Counting(ColorStatistics):
        def embed(self, images, **settings):
            batches.append(len(images))
            return super().embed(images, **settings)

    learner = make_learner(embedder=CachedEmbedder(Counting()))
    learner.fit(training, validation=validation).index(training)
    assert batches == [40, 16]


def test_equal_seeds_give_equal_models(make_learner, training):
    seeds = (1, 1, 2)
    vectors = [make_learner(seed=s).fit(training).transform(training.images) for s in seeds]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-4)
    assert not np.allclose(vectors[0], vectors[2], atol=1e-2)


def test_fit_drops_the_index(learner, training, queries):
    learner.fit(training)
    with pytest.raises(NotFittedError, match="the index is empty"):
        learner.lookup(queries.images)


def test_skipped_lists_unreadable_images(make_learner, library, stub):
    (library / "oats" / "broken.png").write_bytes(b"\x89PNG broken")
    learner = make_learner(FeatureTower(stub, dimension=2)).fit(library)
    assert [type(library)(path).name for path in learner.skipped_["path"]] == ["broken.png"]
    assert len(learner.index(library).skipped_) == 1


# scikit-learn


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.parametrize(
    "estimator",
    [MetricLearner(), MetricLearner(FeatureTower()), SmallTower(), EfficientNetTower()],
    ids=repr,
)
def test_scikit_learn_check(check, estimator):
    check(type(estimator).__name__, estimator)


def test_scikit_learn_check_set_params(make_learner):
    # the check of scikit-learn sets names and values that a strict set_params refuses
    learner = make_learner()
    for name, value in learner.get_params().items():
        learner.set_params(**{name: value})
    learner.set_params(tower=SmallTower(), tower__dimension=3)
    assert learner.get_params()["tower__dimension"] == 3


def test_clone_is_unfitted_and_shares_the_embedder(fitted, colors):
    copied = clone(fitted)
    assert not hasattr(copied, "embedder_")
    assert copied.tower is not fitted.tower and copied.tower.embedder is colors
    assert copied.get_params(deep=False).keys() == fitted.get_params(deep=False).keys()


@pytest.mark.parametrize("change", ["set_params", "fit"])
def test_changing_parameters_does_not_change_a_fitted_tower(learner, training, change):
    tower = learner.tower_
    learner.set_params(tower__dimension=3)
    if change == "fit":
        learner.fit(training)
        assert learner.tower_ is not tower and learner.tower_.dimension == 3
        learner.set_params(tower__dimension=4)
    assert tower.dimension == 4


def copy_with_joblib(learner):
    buffer = io.BytesIO()
    joblib.dump(learner, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


@pytest.mark.parametrize(
    "make_copy",
    [copy.deepcopy, lambda learner: pickle.loads(pickle.dumps(learner)), copy_with_joblib],
    ids=["deepcopy", "pickle", "joblib"],
)
def test_copy_of_a_fitted_learner_gives_the_same_answers(learner, queries, make_copy):
    learner.calibrate(queries, "f1")
    copied = make_copy(learner)
    assert copied.embedder_.head is not learner.embedder_.head
    assert copied.embedder_.name == learner.embedder_.name
    pd.testing.assert_frame_equal(copied.match(queries.images), learner.match(queries.images))


def test_fit_with_labels(make_learner, training, library):
    labels = names_of(training)
    learner = make_learner().fit(training.images, labels)
    expected = make_learner().fit(
        ImageDataset.from_arrays(training.images, np.unique(labels, return_inverse=True)[1],
                                 sorted(CLASSES))
    )  # fmt: skip
    np.testing.assert_allclose(
        learner.transform(training.images), expected.transform(training.images), atol=1e-4
    )
    paths = sorted(library.rglob("*.png"))
    by_path = make_learner().fit(paths, [path.parent.name for path in paths])
    assert by_path.transform(paths[:2]).shape == (2, 4)
    with pytest.raises(ValueError, match="a dataset has its own labels"):
        make_learner().fit(training, labels)


def test_pipeline_in_a_grid_search(make_learner, training):
    pipeline = make_pipeline(make_learner(), KNeighborsClassifier(1))
    grid = {"metriclearner__tower__dimension": [2, 4]}
    search = GridSearchCV(pipeline, grid, cv=2, refit=False)
    search.fit(training.images, names_of(training))
    assert search.cv_results_["mean_test_score"].min() > 0.5  # 0.25 is chance
