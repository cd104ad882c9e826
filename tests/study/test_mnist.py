import random

import numpy as np
import pytest
from matplotlib.colors import to_hex

from similarity_lab import plots
from similarity_lab.plots.colours import MATCH, NO_MATCH
from similarity_lab.study import run_demo


@pytest.fixture(scope="module")
def demo():
    return run_demo(epochs=2, steps=30)


def test_run_demo_is_reproducible_and_silent(capsys):
    state = random.getstate()
    # two steps: longer training amplifies rounding, whose order threads decide
    first, second = (run_demo(epochs=1, steps=2) for _ in range(2))
    assert random.getstate() == state and capsys.readouterr().out == ""
    np.testing.assert_array_equal(first.indexed.images, second.indexed.images)
    np.testing.assert_array_equal(first.queries.images, second.queries.images)
    np.testing.assert_allclose(first.history["loss"], second.history["loss"], rtol=1e-3)
    # the index is approximate: it may miss a neighbour in one of the runs
    one, other = (demo.neighbours["distance"] for demo in (first, second))
    assert np.isclose(one, other, atol=0.01).mean() > 0.99


def test_run_demo_learns_to_find_the_same_digit(demo):
    assert demo.accuracy > 0.85 and demo.history["loss"].is_monotonic_decreasing
    assert demo.indexed.counts.tolist() == [10] * 10
    assert demo.neighbours.groupby("query")["distance"].is_monotonic_increasing.all()
    assert len(demo.plot(3).axes) == 18


def test_run_demo_with_mnist(monkeypatch):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 200)
    pixels = rng.integers(0, 60, (2000, 28, 28, 1), np.uint8)
    for label in range(10):
        pixels[labels == label, 2 * label : 2 * label + 3] += 190
    arguments = {}

    def load(name, **settings):
        arguments.update(settings, name=name)
        return tf.constant(pixels), tf.constant(labels)

    monkeypatch.setattr(tfds, "load", load)
    demo = run_demo("mnist", epochs=1, steps=10)
    assert arguments["name"] == "mnist" and arguments["as_supervised"]
    assert arguments["download"] is False
    assert demo.queries.images.shape[1:] == (28, 28, 1) and demo.accuracy > 0.9


def test_run_demo_without_mnist_raises(monkeypatch, tmp_path):
    import tensorflow_datasets as tfds

    load = tfds.load
    monkeypatch.setattr(tfds, "load", lambda *a, **k: load(*a, data_dir=str(tmp_path), **k))
    with pytest.raises(FileNotFoundError, match=r"MNIST is not on this machine .*download=True"):
        run_demo("mnist")


def test_neighbour_sheet_frames_neighbours_by_class(demo):
    figure = plots.neighbour_sheet(demo.queries, demo.neighbours, demo.indexed, n_queries=2)
    rows = [figure.axes[:6], figure.axes[6:]]
    for query, row in enumerate(rows):
        name = demo.queries.classes[demo.queries.labels[query]]
        assert row[0].get_ylabel() == name and row[0].get_title() == ""
        neighbours = demo.neighbours[5 * query :].itertuples()
        for axis, neighbour in zip(row[1:], neighbours, strict=False):
            is_match = neighbour.label == name
            label = "" if is_match else f" {neighbour.label}"
            assert axis.get_title() == f"{neighbour.distance:.3f}{label}"
            expected = MATCH if is_match else NO_MATCH
            assert to_hex(axis.spines["top"].get_edgecolor()).upper() == expected
