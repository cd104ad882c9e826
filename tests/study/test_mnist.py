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


def test_run_demo_is_reproducible_and_silent(demo, capsys):
    state = random.getstate()
    again = run_demo(epochs=2, steps=30)
    assert random.getstate() == state and capsys.readouterr().out == ""
    # the same up to rounding, whose order threads decide and which training amplifies
    first, second = demo.neighbours, again.neighbours
    np.testing.assert_allclose(first["distance"], second["distance"], atol=0.05)
    assert (first["label"] == second["label"]).mean() > 0.95
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
    asked = {}

    def load(name, **settings):
        asked.update(settings, name=name)
        return tf.constant(pixels), tf.constant(labels)

    monkeypatch.setattr(tfds, "load", load)
    demo = run_demo("mnist", epochs=1, steps=10)
    assert asked["name"] == "mnist" and asked["download"] is False and asked["as_supervised"]
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
        for axis, found in zip(row[1:], demo.neighbours[5 * query :].itertuples(), strict=False):
            right = found.label == name
            assert axis.get_title() == f"{found.distance:.3f}" + (
                "" if right else f" {found.label}"
            )
            expected = MATCH if right else NO_MATCH
            assert to_hex(axis.spines["top"].get_edgecolor()).upper() == expected
