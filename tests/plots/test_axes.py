"""Every plot draws on axes that are given, and changes nothing else."""

import inspect
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from similarity_lab import RelevanceScorer, load_dataset, plots
from similarity_lab.errors import InputTypeError
from similarity_lab.evaluation import evaluate_decisions
from similarity_lab.plots.figures import Chart


@pytest.fixture
def calls(library, sites, stub):
    """Return the arguments of each plot."""
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    result, dataset = scorer.decide(sites / "nut-shop"), load_dataset(library, progress=False)
    table = pd.DataFrame(
        {"site": ["a", "b"], "target": "almonds", "decision": ["relevant", "unsure"],
         "relevant": [True, False], "probability": [0.95, 0.3]}
    )  # fmt: skip
    evaluation = evaluate_decisions(table, [True, False])
    history = pd.DataFrame({"epoch": [1, 2], "loss": [2, 1], "val_auc": [0.6, 0.7]})
    neighbours = pd.DataFrame(
        [(0, 1, "almonds", 0.1, 1)], columns=["query", "rank", "label", "distance", "position"]
    )
    costs = pd.DataFrame({"cost": [1], "value": [0.9], "low": [0.8], "high": [0.95]}, ["a"])
    return {
        "confusion_matrix": ((evaluation,), {}),
        "contact_sheet": ((dataset,), {"per_class": 2}),
        "coverage_curves": ((evaluation,), {}),
        "distance_histogram": (({"a": [0.1, 0.2]},), {}),
        "embedding_map": ((np.eye(4), ["a", "a", "b", "b"]), {}),
        "evidence_strip": ((result,), {}),
        "lines": (({"a": ([0, 1], [0, 1])},), {"x_label": "x", "y_label": "y"}),
        "neighbour_sheet": ((dataset, neighbours, dataset), {}),
        "precision_recall_curves": ((evaluation,), {}),
        "reference_neighbours": ((result,), {"n_images": 3}),
        "reliability_curves": ((evaluation,), {}),
        "roc_curves": ((evaluation,), {}),
        "site_sheet": ((result,), {}),
        "trade_off": ((costs,), {"recommended": "a", "x_label": "x", "y_label": "y"}),
        "training_curves": ((history,), {}),
    }


def test_every_plot_is_tried(calls):
    assert sorted(calls) == sorted(plots.__all__)


def test_plots_draw_on_given_axes_or_a_new_figure(calls, assert_drawn):
    settings, backend = dict(matplotlib.rcParams), matplotlib.get_backend()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, (arguments, options) in calls.items():
            draw = getattr(plots, name)
            assert "ax" in inspect.signature(draw).parameters
            own = draw(*arguments, **options)
            assert isinstance(own, Chart)
            assert_drawn(own)
            figure = Figure(figsize=(9, 4))
            left, right = figure.subplots(1, 2)
            assert draw(*arguments, **options, ax=right) is figure
            assert_drawn(figure)
            assert right.has_data() or right.child_axes or right.patches
            assert not left.has_data() and not left.child_axes
            nested = Figure(figsize=(9, 4))
            part = nested.subfigures(1, 2)[1]
            assert draw(*arguments, **options, ax=part.subplots()) is nested
    assert dict(matplotlib.rcParams) == settings and matplotlib.get_backend() == backend
    assert pyplot.get_fignums() == []


def test_canvas_of_a_given_figure_is_kept(calls):
    figure, axis = pyplot.subplots()
    try:
        canvas = figure.canvas
        arguments, options = calls["trade_off"]
        plots.trade_off(*arguments, **options, ax=axis)
        assert figure.canvas is canvas
    finally:
        pyplot.close(figure)


@pytest.mark.parametrize("ax", ["axes", np.array([None, None])])
def test_plots_refuse_what_is_no_axes(calls, ax):
    for name, (arguments, options) in calls.items():
        with pytest.raises((InputTypeError, AttributeError)) as caught:
            getattr(plots, name)(*arguments, **options, ax=ax)
        assert isinstance(caught.value, InputTypeError), name


def test_plots_refuse_other_objects_by_name(calls):
    """Charts of numbers take anything that NumPy does."""
    for name in sorted(calls.keys() - {"lines", "trade_off", "embedding_map"}):
        (_, *others), options = calls[name]
        with pytest.raises(InputTypeError, match=r"^expected .*"):
            getattr(plots, name)("folder", *others, **options)
