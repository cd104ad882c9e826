import matplotlib.pyplot as plt
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
    with pytest.raises(InputError, match="at least one series"):
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
        {
            "epoch": [1, 2, 3],
            "loss": [3, 2, 1],
            "train_auc": [0.5, 0.7, 0.9],
            "val_auc": [0.5] * 3,
            "seconds": [30, 20, 20],
        }
    )
    figure = plots.training_curves(history, best_epoch=2)
    assert_drawn(figure)
    assert "best, epoch 2" in texts(figure)
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.5, 0.7, 0.9]
    assert "seconds" not in texts(figure)


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


def legend_of(figure):
    """Return the texts of the legend of a figure or of its axes."""
    legends = [*figure.legends, *filter(None, (axis.get_legend() for axis in figure.axes))]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def test_embedding_map_shows_the_largest_classes(assert_drawn):
    figure = plots.embedding_map(
        {"one": clusters(0.1), "two": clusters(1)}, LABELS, CLASSES, n_classes=2
    )
    assert_drawn(figure)
    assert [axis.get_title() for axis in figure.axes] == ["one", "two"]
    assert legend_of(figure) == ["almonds (12)", "dates (12)", "1 other class"]
    counts = [len(points.get_offsets()) for points in figure.axes[0].collections]
    assert counts[:3] == [5, 12, 12]


def test_embedding_map_shows_every_class_of_many(assert_drawn):
    names = [f"a class with a long name, number {index}" for index in range(40)]
    points = np.random.default_rng(0).normal(size=(80, 2))
    figure = plots.embedding_map(points, np.arange(80) % 40, names)
    assert_drawn(figure)
    assert len(legend_of(figure)) == 40 and len(figure.axes) == 1
    figure.draw_without_rendering()
    inside = figure.bbox
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= inside.x1 and box.y1 <= inside.y1
    styles = {
        (tuple(each.get_facecolor()[0]), each.get_paths()[0].vertices.tobytes())
        for each in figure.axes[0].collections[1:41]
    }
    assert len(styles) == 40  # told apart by colour and marker


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_embedding_map_of_few_images(count, assert_drawn):
    vectors = np.random.default_rng(0).normal(size=(count, 5))
    figure = plots.embedding_map(vectors, ["only"] * count)
    assert_drawn(figure)
    assert legend_of(figure) == [f"only ({count})"]


def test_embedding_map_counts_vectors_that_are_not_finite():
    vectors = clusters(0.1)
    vectors[:3] = np.nan
    figure = plots.embedding_map(vectors, LABELS, CLASSES)
    assert figure.axes[0].get_title() == "3 not finite"


@pytest.mark.parametrize(
    ("vectors", "labels", "match"),
    [
        (np.zeros((0, 3)), [], "no vectors"),
        (np.zeros((2, 3)), [0], "vectors \\(n, d\\) and labels"),
        (np.full((2, 3), np.nan), [0, 0], "finite"),
        (np.zeros((2, 3)), [0, 3], "indices of the 3 classes"),
        (np.zeros((2, 3)), ["almonds", "figs"], "'figs'"),
        ({}, [0], "no vectors"),
    ],
)
def test_embedding_map_refuses_invalid_input(vectors, labels, match):
    with pytest.raises(InputError, match=match):
        plots.embedding_map(vectors, labels, CLASSES)


def test_names_are_shown_as_they_are():
    names = ["_hidden", "$5 & $6", "a" * 90]
    figure = plots.lines({name: ([0, 1], [0, 1]) for name in names}, x_label="x", y_label="y")
    figure.draw_without_rendering()
    first, second, third = legend_of(figure)
    assert (first, second) == ("_hidden", "$5 & $6")
    assert len(third) == 40 and "…" in third


def test_histogram_leaves_out_what_is_not_finite():
    figure = plots.distance_histogram({"a": [0.1, np.nan, np.inf, 0.3]})
    assert legend_of(figure) == ["a (2, 2 not finite)"]
    with pytest.raises(InputError, match="no finite value"):
        plots.distance_histogram({"a": [np.nan]})


def test_training_curves_takes_other_histories(assert_drawn):
    history = pd.DataFrame({"epoch": [1], "loss": [2.0], "val_recall@1": [0.5], "val_map": [0.4]})
    figure = plots.training_curves(history)
    assert_drawn(figure)
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss", "on validation images"]
    with pytest.raises(InputError, match="nothing to draw"):
        plots.training_curves(history.head(0))
    with pytest.raises(InputError, match="nothing to draw"):
        plots.training_curves(pd.DataFrame({"name": ["a"]}))


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({"a": ([1, 2], [1])}, "'a': expected as many x as y, got 2 and 1"),
        ({"a": 3}, "'a': expected two sequences of numbers"),
        ({"a": (["x"], [1])}, "'a': expected two sequences of numbers"),
        ({"a": ([1, 2], [np.nan, np.nan])}, "nothing to draw: 'a' has no finite point"),
        ({"a": ([], [])}, "nothing to draw: 'a' has no finite point"),
        ({"a": ([0, 2], [1, 2])}, "'a': x must be above 0 on a logarithmic axis, got 0"),
    ],
)
def test_lines_refuses_what_it_cannot_draw(series, message):
    with pytest.raises(InputError, match=message):
        plots.lines(series, x_label="x", y_label="y", log_x=True)


def test_lines_of_many_values_has_few_ticks_on_a_log_scale(assert_drawn):
    x = np.arange(1, 61)
    figure = plots.lines({"a": (x, x)}, x_label="x", y_label="y", log_x=True)
    assert_drawn(figure)
    assert len(figure.axes[0].get_xticks()) < 12


def test_training_curves_of_many_measures_have_the_legend_below(assert_drawn):
    measures = {f"measure_{index}": [0.1, 0.2] for index in range(12)}
    figure = plots.training_curves(pd.DataFrame({"epoch": [0, 1], "loss": [np.nan, 1], **measures}))
    assert_drawn(figure)
    loss, axis = figure.axes
    assert loss.get_xlim() == axis.get_xlim() == (-0.5, 1.5)
    assert axis.get_legend().get_window_extent().y1 < axis.get_window_extent().y0
    with pytest.raises(InputError, match="no value of loss is finite"):
        plots.training_curves(pd.DataFrame({"loss": [np.nan, np.nan]}))


def test_distance_histogram_refuses_texts():
    with pytest.raises(InputError, match="'a': expected numbers, got"):
        plots.distance_histogram({"a": ["x", "y"]})


def test_legend_of_a_map_inside_axes_stays_inside(assert_drawn):
    canvas, axes = plt.subplots(2, 2, figsize=(9, 7))
    labels = np.repeat([f"class {index}" for index in range(12)], 3)
    plots.embedding_map(np.random.default_rng(0).random((36, 2)), labels, ax=axes[0, 0])
    assert_drawn(canvas)
    legend, outer = axes[0, 0].get_legend().get_window_extent(), axes[0, 0].get_window_extent()
    assert outer.y0 - 1 <= legend.y0 and legend.y1 <= axes[0, 0].child_axes[0].bbox.y0 + 4
    plt.close(canvas)


def test_map_names_what_has_no_label(texts):
    figure = plots.embedding_map(np.eye(4, 2), ["a", None, np.nan, "b"])
    assert "no label (2)" in texts(figure) and "nan" not in texts(figure)
