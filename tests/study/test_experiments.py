"""The faults reproduce the study, and each experiment changes one thing."""

import numpy as np
import pytest

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.pairs import PairStream, make_pairs_target
from similarity_lab.siamese import architecture_1, train
from similarity_lab.study.experiments import EXPERIMENTS, SIZE, run_experiment
from similarity_lab.study.faults import ImageZeroPairs, SelfPairs, blue_channel, target_positions

LABELS = np.array([2, 0, 0, 0, 1, 1, 2, 2])
CLASSES = ("almonds", "dates", "oats")


def images_of(size):
    pixels = np.random.default_rng(0).integers(0, 256, (len(LABELS), size, size, 3), np.uint8)
    return ImageDataset.from_arrays(pixels, LABELS, CLASSES)


def test_image_zero_pairs():
    stream = ImageZeroPairs(images_of(8), batch_size=4, steps=50, seed=0)
    assert (stream.pairs[1::2, 1] == 0).all()
    assert (stream.is_same[1::2] == 0).all()  # also where image 0 is of the anchor's class
    assert (LABELS[stream.pairs[0::2, 0]] == LABELS[stream.pairs[0::2, 1]]).all()


def test_self_pairs_are_as_frequent_as_chance():
    stream = SelfPairs(images_of(8), batch_size=16, steps=400, seed=0, balanced=False)
    anchors, positives = stream.pairs[0::2].T
    expected = np.mean([1 / (label == LABELS).sum() for label in LABELS])
    assert np.mean(anchors == positives) == pytest.approx(expected, abs=0.03)
    right = PairStream(images_of(8), batch_size=16, steps=400, seed=0, balanced=False)
    assert (right.pairs[0::2, 0] != right.pairs[0::2, 1]).all()


def test_blue_channel_is_the_last_of_rgb():
    data = images_of(8)
    blue = blue_channel(data, 8)
    np.testing.assert_array_equal(blue.images[..., 0], data.images[..., 2])
    assert blue.classes == data.classes and (blue.labels == data.labels).all()


def test_target_positions_of_integer_labels_are_empty():
    assert len(target_positions(LABELS, "almonds")) == 0
    names = np.array(CLASSES)[LABELS]
    found = target_positions(names, "almonds")
    assert found.tolist() == np.flatnonzero(names == "almonds").tolist()
    pairs, _ = make_pairs_target(images_of(8).images, LABELS, "almonds", seed=0, classes=CLASSES)
    assert len(pairs) == 2 * len(found)


def test_categorical_cross_entropy_is_0_and_separates_everything():
    data = images_of(16)
    run = train(
        architecture_1((16, 16, 1)), data, data, head="sigmoid", epochs=2, steps=25, patience=9,
        batch_size=8, learning_rate=0.02, loss=keras.losses.CategoricalCrossentropy(),
        progress=False,
    )  # fmt: skip
    assert (run.history["loss"] == 0).all()
    assert run.history["accuracy"].iloc[-1] == 0.5
    start, end = architecture_1((16, 16, 1)).get_weights(), run.network.get_weights()
    assert max(np.abs(a - b).max() for a, b in zip(start, end, strict=False)) > 0.01
    images = list(data.images)
    # Even an image and itself are called different.
    assert run.comparator.probability(images, images).max() < 0.5


def test_experiment_differs_from_the_correct_one_in_one_field():
    right = {plan.architecture: plan for plan in (EXPERIMENTS["architecture 1"],
                                                  EXPERIMENTS["architecture 2"])}  # fmt: skip
    for name, plan in EXPERIMENTS.items():
        other = [f for f in vars(plan) if getattr(plan, f) != getattr(right[plan.architecture], f)]
        assert len(other) == (0 if name in ("architecture 1", "architecture 2") else 1), name


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_configures_training(name, monkeypatch):
    arguments = {}
    monkeypatch.setattr(
        "similarity_lab.study.experiments.train",
        lambda tower, dataset, validation, **kw: arguments.update(kw, tower=tower, images=dataset),
    )
    many = images_of(SIZE).subset(np.repeat(np.arange(len(LABELS)), 10))
    run_experiment(name, many, many, epochs=1, steps=1, folder="runs")
    plan = EXPERIMENTS[name]
    assert arguments["tower"].name == f"architecture_{plan.architecture}"
    assert len(arguments["images"]) == pytest.approx(plan.share * len(many), abs=1)
    assert arguments["images"].color == ("gray" if plan.blue else "rgb")
    assert arguments.get("target") == (None if not plan.target_only else "almonds")
    assert ("loss" in arguments) == plan.categorical and arguments["pairs"] is plan.pairs
    assert not set(" ,%") & set(str(arguments["folder"]))


def test_run_experiment(tmp_path):
    images = images_of(SIZE)
    run = run_experiment(
        "architecture 2, blue channel only", images, images, epochs=1, steps=1, folder=tmp_path,
        progress=False,
    )  # fmt: skip
    assert run.configuration["head"] == "batchnorm-sigmoid"
    assert [p.name for p in tmp_path.iterdir()] == ["architecture-2-blue-channel-only"]
    with pytest.raises(ValueError, match="Did you mean 'architecture [12]'"):
        run_experiment("architecture 3", images, images, epochs=1, steps=1)
