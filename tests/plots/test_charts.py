import numpy as np
import pandas as pd
import pytest

from similarity_lab import plots
from similarity_lab.errors import InputError
from similarity_lab.evaluation import pair_distances, reliability_curve

LABELS = np.repeat([0, 1, 2], [12, 12, 5])
CLASSES = ("almonds", "dates", "oats")


def clusters(spread):
    """Return vectors around the three unit vectors, `spread` apart."""
    noise = np.random.default_rng(0).normal(0, spread, (29, 3))
    return (np.eye(3)[LABELS] + noise).astype(np.float32)


def test_distance_histogram_names_groups_and_threshold(texts, assert_drawn):
    values = np.random.default_rng(0).random(50)
    figure = plots.distance_histogram({"same": values, "different": values + 1}, threshold=0.65)
    assert_drawn(figure)
    for text in ("same (50)", "different (50)", "threshold 0.65"):
        assert text in texts(figure)


def test_distance_histogram_refuses_an_empty_mapping():
    with pytest.raises(InputError, match="1 to 8 series, got 0"):
        plots.distance_histogram({})


def test_lines_has_a_tick_at_each_value_on_a_log_scale(assert_drawn):
    curves = {"a": ([1, 10], [0.2, 0.3]), "b": ([1, 30], [0.2, 0.4])}
    figure = plots.lines(curves, x_label="x", y_label="y", log_x=True)
    assert_drawn(figure)
    axis = figure.axes[0]
    assert axis.get_xscale() == "log"
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1", "10", "30"]


def test_training_curves_marks_the_best_epoch(texts, assert_drawn):
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "loss": [3, 2, 1], "train_auc": [0.5, 0.7, 0.9], "val_auc": [0.5] * 3}
    )
    figure = plots.training_curves(history, best_epoch=2)
    assert_drawn(figure)
    assert "best, epoch 2" in texts(figure)
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.5, 0.7, 0.9]


def test_roc_curves_are_labelled_with_their_auc(texts, assert_drawn):
    pairs = {
        "near": pair_distances(clusters(0.1), LABELS),
        "far": pair_distances(clusters(1), LABELS),
    }
    figure = plots.roc_curves(pairs)
    assert_drawn(figure)
    assert f"near: {pairs['near'].auc:.3f}" in texts(figure)
    for line, distances in zip(figure.axes[0].lines, pairs.values(), strict=False):
        area = np.trapezoid(line.get_ydata(), line.get_xdata())
        assert area == pytest.approx(distances.auc, abs=0.01)


def test_reliability_curves_are_drawn_beside_the_diagonal(texts, assert_drawn):
    probability = np.repeat([0.1, 0.9], 10)
    truth = np.arange(20) % 10 < np.repeat([1, 7], 10)
    figure = plots.reliability_curves({"images": reliability_curve(probability, truth, bins=2)})
    assert_drawn(figure)
    assert "images (20)" in texts(figure)
    diagonal, curve = figure.axes[0].lines
    np.testing.assert_allclose(diagonal.get_xdata(), diagonal.get_ydata())
    np.testing.assert_allclose(curve.get_xydata(), [[0.1, 0.1], [0.9, 0.7]])


def test_embedding_map_shows_the_largest_classes(texts, assert_drawn):
    figure = plots.embedding_map(
        {"one": clusters(0.1), "two": clusters(1)}, LABELS, CLASSES, n_classes=2
    )
    assert_drawn(figure)
    assert [axis.get_title() for axis in figure.axes] == ["one", "two"]
    assert "almonds" in texts(figure) and "oats" not in texts(figure)
    counts = [len(points.get_offsets()) for points in figure.axes[0].collections]
    assert counts == [12, 12]
