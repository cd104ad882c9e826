import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from similarity_lab import plots
from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.evaluation import evaluate_decisions

RNG = np.random.default_rng(0)
TRUTH = RNG.random(60) < 0.4
PROBABILITY = np.round(np.clip(0.35 + 0.3 * TRUTH + RNG.normal(0, 0.2, 60), 0.01, 0.99), 2)


@pytest.fixture
def evaluation():
    table = pd.DataFrame({"site": map(str, range(60)), "probability": PROBABILITY})
    decision = np.select(
        [PROBABILITY >= 0.7, PROBABILITY <= 0.3], ["relevant", "irrelevant"], "unsure"
    )
    table = table.assign(target="almonds", decision=decision, relevant=PROBABILITY >= 0.5)
    return evaluate_decisions(table, TRUTH)


CURVES = [plots.roc_curves, plots.precision_recall_curves, plots.coverage_curves]


def labels(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_confusion_matrix_shows_every_count(evaluation, texts, assert_drawn):
    figure = plots.confusion_matrix(evaluation)
    assert_drawn(figure)
    axis = figure.axes[0]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == [
        "relevant", "unsure", "irrelevant"
    ]  # fmt: skip
    shown = [int(text.get_text()) for text in axis.texts[::2]]
    assert shown == evaluation.confusion.iloc[:, :3].to_numpy().ravel().tolist()
    colours = [patch.get_facecolor()[:3] for patch in axis.patches]
    assert colours[0] == colours[5] != colours[2] == colours[3] != colours[1] == colours[4]


def test_confusion_matrix_of_truth_values_has_the_same_colours(evaluation):
    table = pd.crosstab(evaluation.table["truth"], evaluation.table["decision"])
    axis = plots.confusion_matrix(table).axes[0]
    named = evaluation.confusion.loc[["irrelevant", "relevant"], table.columns]
    expected = plots.confusion_matrix(named)
    colours = [patch.get_facecolor() for patch in axis.patches]
    assert colours == [patch.get_facecolor() for patch in expected.axes[0].patches]
    ticks = [tick.get_text().split("\n")[0] for tick in axis.get_yticklabels()]
    assert ticks == ["irrelevant", "relevant"]


def test_confusion_matrix_shows_failures_if_there_are_any(evaluation):
    table = evaluation.confusion.copy()
    table.loc["irrelevant", "no decision"] = 2
    axis = plots.confusion_matrix(table).axes[0]
    assert len(axis.get_xticklabels()) == 4
    with pytest.raises(InputTypeError, match="confusion"):
        plots.confusion_matrix(pd.DataFrame())


def test_calibration_of_an_evaluation_has_intervals(evaluation, assert_drawn):
    figure = plots.reliability_curves(evaluation)
    assert_drawn(figure)
    assert labels(figure) == ["calibrated", "(60)"]
    assert len(figure.axes[0].collections) == 1
    several = plots.reliability_curves({"a": evaluation, "b": evaluation.calibration})
    assert labels(several)[1:] == ["a (60)", "b (60)"] and not several.axes[0].collections


def test_calibration_takes_probabilities_and_truths(evaluation):
    truth = [*TRUTH.tolist(), None]
    for form in ((PROBABILITY, TRUTH), ([*PROBABILITY, 0.5], truth)):
        drawn = plots.reliability_curves(form).axes[0].lines[1].get_xydata()
        expected = plots.reliability_curves(evaluation).axes[0].lines[1].get_xydata()
        np.testing.assert_array_equal(drawn, expected)
    with pytest.raises(InputTypeError, match=r"tuple \(probability, truth\), got list"):
        plots.reliability_curves([PROBABILITY, TRUTH])


def test_roc_has_the_area_of_scikit_learn(evaluation, assert_drawn):
    figure = plots.roc_curves(evaluation)
    assert_drawn(figure)
    assert labels(figure) == [f"AUC {roc_auc_score(TRUTH, PROBABILITY):.3f} (60)"]
    points = {
        text.get_text(): line.get_xydata()[0].tolist()
        for text, line in zip(figure.axes[0].texts, figure.axes[0].lines[1:], strict=False)
    }
    above = PROBABILITY >= 0.5
    assert points["≥ 0.5"] == [above[~TRUTH].mean(), above[TRUTH].mean()]


def test_precision_and_recall_are_those_of_scikit_learn(evaluation, assert_drawn):
    figure = plots.precision_recall_curves(evaluation)
    assert_drawn(figure)
    assert labels(figure) == [f"AP {average_precision_score(TRUTH, PROBABILITY):.3f} (60)"]
    precision, recall, _ = precision_recall_curve(TRUTH, PROBABILITY)
    drawn = figure.axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(drawn, np.c_[recall, precision][:-1][::-1])


def test_coverage_equals_a_loop_over_certainties(evaluation, assert_drawn):
    figure = plots.coverage_curves(evaluation, certainties=(0.7,))
    assert_drawn(figure)
    expected = []
    for certainty in sorted({max(p, 1 - p) for p in PROBABILITY}, reverse=True):
        decided = [
            (p >= 0.5) == t
            for p, t in zip(PROBABILITY, TRUTH, strict=True)
            if max(p, 1 - p) >= certainty
        ]
        expected.append((len(decided) / 60, np.mean(decided)))
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xydata(), expected)


@pytest.mark.parametrize("draw", CURVES)
def test_curves_take_arrays_and_names(draw, evaluation, assert_drawn):
    figure = draw({"_a": evaluation, "$b": (PROBABILITY[:7], TRUTH[:7])})
    assert_drawn(figure)
    assert labels(figure)[0].startswith("_a") and labels(figure)[1].startswith("$b")
    with_gaps = draw((np.r_[PROBABILITY, np.nan], np.r_[TRUTH, True]))
    assert "60" in labels(with_gaps)[0]


@pytest.mark.parametrize("draw", CURVES)
@pytest.mark.parametrize(
    ("curves", "error", "match"),
    [
        ({}, InputError, "at least one series"),
        (([], []), InputError, "no judged case"),
        (([0.5, 2], [True, False]), InputError, "from 0 to 1"),
        (([0.5], [True, False]), InputError, "one truth value"),
        ("evaluation", InputTypeError, "what evaluate returns"),
    ],
)
def test_curves_refuse_invalid_input(draw, curves, error, match):
    with pytest.raises(error, match=match):
        draw(curves)


def test_curves_say_what_is_missing(evaluation):
    with pytest.raises(InputError, match="all 2 are relevant"):
        plots.roc_curves(([0.5, 0.6], [True, True]))
    with pytest.raises(InputError, match="at least one relevant"):
        plots.precision_recall_curves(([0.5, 0.6], [False, False]))
    plots.coverage_curves(([0.5, 0.6], [False, False]))
    with pytest.raises(InputError, match="no point"):
        plots.reliability_curves(evaluation.calibration.head(0))


@pytest.mark.parametrize("draw", CURVES)
def test_case_that_is_not_judged_is_left_out(draw):
    """None and NaN would count as false and as true."""
    truth = [*TRUTH.tolist(), None, np.nan, pd.NA]
    figure = draw(([*PROBABILITY, 0.1, 0.1, 0.1], truth))
    assert "60" in labels(figure)[0]
    with pytest.raises(InputError, match="truth is True, False or None .* got 'relevant'"):
        draw(([0.9, 0.1], ["relevant", "irrelevant"]))


@pytest.mark.parametrize("draw", [*CURVES, plots.reliability_curves])
def test_legend_of_many_curves_is_below_the_chart(draw, evaluation, assert_drawn):
    figure = draw({f"variant {index} of the embedder": evaluation for index in range(30)})
    assert_drawn(figure)
    assert figure.axes[0].get_legend() is None
    assert len(figure.legends[0].get_texts()) >= 30


def test_confusion_matrix_of_a_crosstab_reads_missing_counts_as_none():
    table = pd.DataFrame({"relevant": [3, np.nan], "unsure": [1, 2]}, ["relevant", "irrelevant"])
    texts = [text.get_text() for text in plots.confusion_matrix(table).axes[0].texts[::2]]
    assert texts == ["3", "1", "0", "2"]
    with pytest.raises(InputError, match="expected counts"):
        plots.confusion_matrix(pd.DataFrame({"relevant": ["a few"]}, ["relevant"]))


def test_thresholds_at_one_point_share_a_label():
    figure = plots.roc_curves(([0.95, 0.1], [True, False]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["≥ 0.5, 0.9"]


def test_confusion_matrix_of_many_classes_has_small_cells(assert_drawn):
    names = [f"class {index}" for index in range(40)]
    figure = plots.confusion_matrix(pd.DataFrame(np.eye(40, dtype=int), names, names))
    assert_drawn(figure)
    assert figure.get_size_inches().max() < 21
    assert {text.get_text() for text in figure.axes[0].texts} == {"1"}


def test_calibration_of_another_table_is_refused():
    with pytest.raises(InputTypeError, match="reliability_curve"):
        plots.reliability_curves(pd.DataFrame({"a": [1]}))
