import re
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from similarity_lab import RelevanceScorer, Site
from similarity_lab.errors import (
    InputError,
    InputTypeError,
    PathNotFoundError,
    SimilarityLabError,
)
from similarity_lab.evaluation import (
    BoundedThreshold,
    error_bound,
    evaluate,
    evaluate_decisions,
    wilson_interval,
)
from similarity_lab.relevance import LearnedRule, MeanDistanceRule, SiteClassifier

ROWS = [  # site, truth, decision, relevant, probability
    ("a", True, "relevant", True, 0.99),
    ("b", True, "relevant", True, 0.95),
    ("c", False, "relevant", True, 0.91),
    ("d", True, "unsure", True, 0.7),
    ("e", False, "unsure", False, 0.4),
    ("f", False, "irrelevant", False, 0.05),
    ("g", True, "irrelevant", False, 0.08),
    ("h", False, None, None, None),
]


@pytest.fixture
def table():
    frame = pd.DataFrame(ROWS, columns=["site", "truth", "decision", "relevant", "probability"])
    frame = frame.drop(columns="truth").assign(target="almonds")
    return frame.astype({"relevant": "boolean"})


@pytest.fixture
def truth():
    return {site: value for site, value, *_ in ROWS}


def test_confusion_counts_every_judged_site(table, truth):
    confusion = evaluate_decisions(table, truth).confusion
    assert confusion.loc["relevant"].tolist() == [2, 1, 1, 0]
    assert confusion.loc["irrelevant"].tolist() == [1, 1, 1, 1]
    assert confusion.to_numpy().sum() == len(ROWS)


def test_measures_are_those_of_the_counts(table, truth):
    evaluation = evaluate_decisions(table, truth, confidence=0.9)
    expected = {
        "accuracy": (5, 8), "coverage": (5, 8), "accuracy when decided": (3, 5),
        "precision": (2, 3), "recall": (2, 4),
    }  # fmt: skip
    for name, (count, total) in expected.items():
        value, low, high, n = evaluation.measures.loc[name]
        assert (value, n) == (count / total, total)
        assert (low, high) == wilson_interval(count, total, 0.9)
    pairs = [(p, q) for _, t, *_, p in ROWS if t for _, u, *_, q in ROWS if u is False and q]
    assert evaluation.measures.loc["roc auc", "value"] == np.mean([p > q for p, q in pairs])
    known = [(p, t) for _, t, *_, p in ROWS if p is not None]
    brier = np.mean([(p - t) ** 2 for p, t in known])
    assert evaluation.measures.loc["brier score", "value"] == pytest.approx(brier)
    assert evaluation.calibration["n"].sum() == 7
    assert evaluation.bounds.loc["relevant", "bound"] == error_bound(1, 3, 0.9)
    assert evaluation.bounds.loc["irrelevant"].tolist()[:2] == [2, 1]
    assert "of the sites called relevant at most" in evaluation.statements()[0]
    assert "cost per site" not in evaluation.measures.index and "cost" not in evaluation.table


@pytest.mark.parametrize("bins", [1, 3, 10])
def test_calibration_error_is_that_of_the_curve(table, truth, bins):
    evaluation = evaluate_decisions(table, truth, bins=bins)
    curve = evaluation.calibration
    assert len(curve) == min(bins, 7)
    gaps = sum(n * abs(p - o) for p, o, n in zip(*(curve[c] for c in curve), strict=True))
    assert evaluation.measures.loc["calibration error", "value"] == pytest.approx(gaps / 7)


def test_costs_are_added_up(table, truth):
    costs = {"relevant": {"irrelevant": 10, "unsure": 2}, "irrelevant": {"relevant": 5}}
    evaluation = evaluate_decisions(table, truth, costs=costs)
    assert evaluation.table["cost"].tolist() == [0, 0, 5, 2, 0, 0, 10, 0]
    assert evaluation.measures.loc["cost per site", "value"] == 17 / 8
    frame = pd.DataFrame(costs).T
    again = evaluate_decisions(table, truth, costs=frame)
    assert again.table["cost"].tolist() == evaluation.table["cost"].tolist()
    failed = evaluate_decisions(table, truth, costs={"irrelevant": {"unsure": 3}})
    assert failed.table["cost"].tolist() == [0, 0, 0, 0, 3, 0, 0, 3]
    for wrong in ({"yes": {}}, {"relevant": {"maybe": 1}}, {"relevant": {"unsure": np.nan}}):
        with pytest.raises(InputError, match="cost"):
            evaluate_decisions(table, truth, costs=wrong)


def test_truth_takes_every_form(table, truth):
    frame = pd.DataFrame({"site": list(truth), "truth": list(truth.values())})
    series = pd.Series(truth)
    multi = pd.Series({(site, "almonds"): value for site, value in truth.items()})
    wide = pd.DataFrame({"almonds": series})
    forms = [
        truth, series, multi, frame, frame.assign(target="almonds"), wide,
        wide.rename_axis("site").reset_index(), frame.set_index("site"),
        pd.concat([frame, frame]), {"almonds": truth}, {"almonds": series},
        list(truth.values()), np.array(list(truth.values())), series.astype("boolean").to_numpy(),
        {("a", "almonds"): True, **{k: v for k, v in truth.items() if k != "a"}},
    ]  # fmt: skip
    expected = evaluate_decisions(table, truth).table["truth"]
    for form in forms:
        pd.testing.assert_series_equal(evaluate_decisions(table, form).table["truth"], expected)


def test_truth_is_read_from_a_table_file(table, truth, tmp_path):
    expected = evaluate_decisions(table, truth).table["truth"]
    files = {
        # as an analyst fills in sites.csv, saved by a spreadsheet of another country
        "semicolons.csv": "sep=;\nSite;target;probability;Truth\n"
        + "".join(
            f"{site};almonds;0,9;{'yes' if value else 'No'}\n" for site, value in truth.items()
        ),
        "wide.csv": "site,almonds\n"
        + "".join(f"{site},{value}\n" for site, value in truth.items()),
        "numbers.tsv": "truth\tsite\n"
        + "".join(f"{int(value)}\t{site}\n" for site, value in truth.items()),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-16")
        found = evaluate_decisions(table, tmp_path / name).table["truth"]
        pd.testing.assert_series_equal(found, expected)
    (tmp_path / "some.csv").write_text("site,truth\na,TRUE\nb,\nf,FALSE\n")
    assert evaluate_decisions(table, str(tmp_path / "some.csv")).n_judged == 2
    # as spreadsheets in other languages, pandas and R write truth values
    words = {True: ("WAHR", "ja", "1.0", "SÍ"), False: ("FALSCH", "nein", "Faux", "0.0")}
    for value, of_value in words.items():
        for word, nothing in zip(of_value, ("", "NA", "nan", "None"), strict=True):
            (tmp_path / "words.csv").write_text(f"site;truth\na;{word}\nb;{nothing}\n", "utf-8")
            found = evaluate_decisions(table, tmp_path / "words.csv").table["truth"]
            assert found[0] == value and found.notna().sum() == 1
    (tmp_path / "doubt.csv").write_text("site,truth\na,perhaps\n")
    with pytest.raises(InputError, match="got 'perhaps' for"):
        evaluate_decisions(table, tmp_path / "doubt.csv")
    (tmp_path / "other.csv").write_text("shop,truth\na,TRUE\nb,FALSE\n")
    with pytest.raises(InputError, match="no column 'site'"):
        evaluate_decisions(table, tmp_path / "other.csv")


class Undecided:
    """A scorer that must not be asked."""

    target = "almonds"

    def decide_many(self, sites, targets=None):
        raise AssertionError("a site was decided on")


@pytest.mark.parametrize(
    ("sites", "truth", "options", "match"),
    [
        ("ab", "none.csv", {}, "no such file"),
        ("ab", [True], {}, r"shape \(1,\) for 2 sites"),
        ("ab", [True, False, None], {}, r"shape \(3,\) for 2 sites"),
        ("ab", [True, False], {"targets": ["almonds", "dates"]}, "2 sites and 2 targets"),
        ("ab", ["yes", "no"], {}, "True, False or None"),
        ("ab", [None, np.nan], {}, "no site is judged"),
        ("ab", {"a": True, "c": False}, {}, "site 'c'"),
        ("ab", {"dates": {"a": True}}, {}, "target 'dates'"),
        ("aa", {"a": True}, {}, "two sites have the name 'a'"),
        ("", [], {}, "at least one site"),
        ("ab", [True, False], {"costs": {"yes": {}}}, "costs are by truth"),
        ("ab", [True, False], {"confidence": 95}, "confidence must be"),
        ("ab", [True, False], {"bins": 0}, "bins must be"),
    ],
)
def test_mistake_is_found_before_the_sites_are_decided_on(sites, truth, options, match):
    listed = [Site.from_paths(["1.jpg"], name=name) for name in sites]
    for given in (listed, iter(listed)):
        with pytest.raises(SimilarityLabError, match=match):
            evaluate(Undecided(), given, truth, **options)


def test_truth_by_name_fits_every_kind_of_site(library, sites, stub, tmp_path):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", sites / "date-shop")
    given = [
        sites / "nut-shop",
        archive,
        scorer.embed_site(sites / "date-shop"),
        Site.from_folder(sites / "date-shop", name="Dates & Co"),
        sorted((sites / "nut-shop").iterdir()),
    ]
    names = ["nut-shop", "zipped", "date-shop", "Dates & Co", "site"]
    truth = dict(zip(names, [True, False, False, None, True], strict=True))
    for form in (given, iter(given)):
        table = evaluate(scorer, form, truth).table
        assert table["site"].tolist() == names
        assert table["truth"].tolist()[:3] == [True, False, False] and pd.isna(table["truth"][3])


def test_what_is_no_scorer_is_refused(sites):
    with pytest.raises(InputTypeError, match="expected a fitted RelevanceScorer, got str"):
        evaluate("almonds", [sites], [True])


def test_sites_that_nobody_judged_do_not_count(table, truth):
    part = {"a": True, "f": False, "g": None, "e": np.nan}
    evaluation = evaluate_decisions(table, part)
    assert evaluation.n_judged == 2 and len(evaluation.table) == 8
    assert evaluation.confusion.to_numpy().sum() == 2
    assert "6 not judged" in repr(evaluation)


def test_sites_without_a_truth_need_no_decision(table, truth):
    """As the rows of sites that could not be collected, in a list that somebody filled in."""
    more = {**truth, "closed.example": None, "gone.example": np.nan}
    expected = evaluate_decisions(table, truth).confusion
    pd.testing.assert_frame_equal(evaluate_decisions(table, more).confusion, expected)


@pytest.mark.parametrize(
    ("truth", "error", "match"),
    [
        ({"a": True, "bb": False}, InputError, "site 'bb'"),
        ({"dates": {"a": True}}, InputError, "target 'dates'"),
        ([True, False], InputError, r"shape \(2,\) for 8 sites"),
        (None, InputTypeError, "mapping"),
        ({"a": True, "shops/a": False}, InputError, "different values"),
        ({"a": "maybe"}, InputError, r"'maybe' for \('a', 'almonds'\)"),
        (
            pd.DataFrame({"site": ["a", "a"], "truth": [True, False]}),
            InputError,
            "different values",
        ),
        (pd.Series([True, None], ["a", "a"]), InputError, "different values for 'a'"),
        ({"a": "yes"}, InputError, "True, False or None"),
        ({"a": None}, InputError, "no site is judged"),
        (b"a", InputTypeError, "mapping"),
        ("none.csv", PathNotFoundError, "no such file"),
        (pd.DataFrame({"x": [1]}), InputError, "neither a column 'truth'"),
    ],
)
def test_invalid_truth_is_refused(table, truth, error, match):
    with pytest.raises(error, match=match):
        evaluate_decisions(table, truth)


def test_names_that_occur_twice_need_a_sequence(table):
    table["site"] = "shop"
    with pytest.raises(InputError, match="two sites have the name 'shop'"):
        evaluate_decisions(table, {"shop": True})
    assert evaluate_decisions(table, [True] * 8).n_judged == 8


def test_name_that_occurs_twice_matters_only_if_it_is_judged(table):
    table.loc[[3, 4], "site"] = "shop"
    assert evaluate_decisions(table, {"a": True, "shop": None}).n_judged == 1


def test_unknown_decision_is_refused(table, truth):
    """It would be in no column of the confusion matrix."""
    table.loc[0, "decision"] = "Relevant"
    with pytest.raises(InputError, match="unknown decision 'Relevant'. Did you mean 'relevant'"):
        evaluate_decisions(table, truth)


def test_no_decisions_are_refused(table):
    with pytest.raises(InputError, match="at least one site"):
        evaluate_decisions(table[:0], {"a": True})


def test_several_targets_need_a_truth_for_each(table, truth):
    both = pd.concat([table, table.assign(target="dates")])
    with pytest.raises(InputError, match="there are 2 targets"):
        evaluate_decisions(both, truth)
    per_target = {"almonds": truth, "dates": {site: not value for site, value in truth.items()}}
    evaluation = evaluate_decisions(both, per_target)
    assert evaluation.by_target["n"].tolist() == [8, 8]
    assert evaluation.by_target["accuracy"].tolist() == [5 / 8, 2 / 8]
    assert "By target" in evaluation._repr_html_()


def test_table_of_truth_must_have_a_row_per_site(table, truth):
    both = pd.concat([table, table.assign(target="dates")])
    by_site = both.sort_values("site", kind="stable")
    values = np.array([[value, not value] for value in truth.values()])
    evaluation = evaluate_decisions(by_site, values)
    assert evaluation.by_target["n_relevant"].tolist() == [values[:, 0].sum(), values[:, 1].sum()]
    for wrong, decisions in ((values.T, by_site), (values, both)):
        with pytest.raises(InputError, match=r"8 sites and 2 targets"):
            evaluate_decisions(decisions, wrong)


def test_targets_may_have_numbers_as_names(table, truth):
    both = pd.concat([table.assign(target="1"), table.assign(target="2")])
    wide = pd.DataFrame({1: pd.Series(truth), 2: pd.Series(truth)})
    long = pd.DataFrame(
        [(site, target, value) for site, value in truth.items() for target in (1, 2)],
        columns=["site", "target", "truth"],
    )
    for form in (wide, long, {1: truth, 2: truth}):
        assert evaluate_decisions(both, form).by_target.index.tolist() == ["1", "2"]


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("size", [1, 4])
def test_truth_of_one_kind_has_measures_without_a_curve_of_both(table, value, size):
    evaluation = evaluate_decisions(table[:size], [value] * size)
    assert evaluation.n_judged == size and "roc auc" not in evaluation.measures.index
    assert np.isnan(evaluation.by_target["roc auc"]).all()
    assert repr(evaluation) and evaluation._repr_html_() and evaluation.statements()


def test_decisions_that_are_all_unsure_have_no_bounds(table, truth):
    evaluation = evaluate_decisions(table.assign(decision="unsure"), truth)
    assert evaluation.measures.loc["coverage", "value"] == 0 and evaluation.statements() == []
    assert "accuracy when decided" not in evaluation.measures.index
    assert "0% decided" in repr(evaluation)


def test_table_without_probabilities_has_no_curve(table, truth):
    table["probability"] = np.nan
    evaluation = evaluate_decisions(table, truth)
    assert "roc auc" not in evaluation.measures.index and evaluation.calibration.empty


def test_html_needs_no_style_sheet(table, truth):
    table["site"] = [f"<script>{name}" for name in table["site"]]
    html = evaluate_decisions(table, list(truth.values()))._repr_html_()
    assert "<style" not in html and "<script" not in html and "accuracy" in html


def test_evaluate_decides_on_the_sites(library, sites, stub):
    (sites / "empty").mkdir()
    folders = [sites / name for name in ("nut-shop", "date-shop", "empty")]
    scorer = RelevanceScorer("almonds", rule=MeanDistanceRule(0.001), embedder=stub, progress=False)
    truth = {"nut-shop": True, "date-shop": False, "empty": False}
    evaluation = evaluate(scorer.fit(library), folders, truth)
    assert evaluation.confusion.loc["irrelevant"].tolist() == [0, 0, 1, 1]
    assert evaluation.measures.loc["precision", "value"] == 1
    per_target = {"almonds": truth, "dates": {**truth, "date-shop": True}}
    for threshold in (0.001, "from-library"):  # with a number, only references are embedded first
        rule = MeanDistanceRule(threshold)
        scorer = RelevanceScorer("almonds", rule=rule, embedder=stub, progress=False).fit(library)
        evaluation = evaluate(scorer, folders, per_target, targets=["almonds", "dates"])
        assert evaluation.by_target["n"].tolist() == [3, 3]
        assert evaluation.calibration.empty and "roc auc" not in evaluation.measures.index
        expected = scorer.decide_many(folders, ["dates"])["share"]
        alone = RelevanceScorer("dates", rule=rule, embedder=stub, progress=False).fit(library)
        assert alone.decide_many(folders)["share"].equals(expected)
    several = evaluate(
        RelevanceScorer("almonds", embedder=stub, progress=False).fit(library),
        folders[:2],
        [[True, True], [False, True]],
        targets=["almonds", "dates"],
    )
    assert several.table["truth"].tolist() == [True, True, False, True]


def test_evaluate_takes_a_tuned_classifier(library, sites, stub):
    scorer = RelevanceScorer(
        "almonds", rule=LearnedRule(prior_share=0.2), embedder=stub, progress=False
    )
    folders, labels = [sites / "nut-shop", sites / "date-shop"], [True, False]
    classifier = SiteClassifier(scorer, library).fit(folders, labels)
    evaluation = evaluate(classifier, folders, labels)
    assert evaluation.table["prior"].tolist() == [classifier.prior_] * 2
    forced = evaluation.table["relevant"].tolist()
    assert forced == classifier.predict(folders).tolist()
    with pytest.raises(InputError, match="chosen for 'almonds'"):
        evaluate(classifier, folders, labels, targets=["dates"])


def test_bounded_threshold_of_an_evaluation():
    table = pd.DataFrame({"site": map(str, range(40)), "target": "almonds", "probability": 0.95})
    table = table.assign(decision="relevant", relevant=True)
    evaluation = evaluate_decisions(table, [True] * 40)
    assert evaluation.bounded_threshold().threshold == 0.5
    assert evaluation.bounded_threshold(confidence=0.999).threshold is None


@pytest.mark.parametrize("n", [1, 5, 28, 29, 30, 46, 100])
def test_stated_bound_is_never_below_the_exact_one(n):
    table = pd.DataFrame({"site": map(str, range(n)), "target": "almonds"})
    table = table.assign(decision="relevant", relevant=True, probability=np.nan)
    for n_wrong in {0, 1, n // 2} - {n}:
        evaluation = evaluate_decisions(table, [False] * n_wrong + [True] * (n - n_wrong))
        (sentence,) = evaluation.statements()
        said = int(re.search(r"at most (\d+)% are wrong", sentence)[1]) / 100
        # the rate of errors under which so few are seen with a probability of 5%
        rates = np.arange(0, 1, 1e-4)
        likely = rates[binom.cdf(n_wrong, n, rates) > 0.05].max()
        assert likely - 1e-4 <= said <= likely + 0.0101
    (sentence,) = evaluate_decisions(table, [True] * n).statements()
    assert ("at most 10% are wrong" in sentence) == (n in (29, 30))
    (sentence,) = evaluate_decisions(table, [False] * n).statements()
    assert (
        sentence.startswith("nothing bounds the errors") and f"{n} wrong of {n} judged" in sentence
    )


def test_confidence_is_stated_as_it_was_given(table, truth):
    evaluation = evaluate_decisions(table, truth, confidence=0.975)
    assert "with 97.5% confidence" in evaluation.statements()[0]
    assert "97.5% intervals" in evaluation._repr_html_()
    assert "0.5% wrong, with 99.9% confidence" in repr(
        BoundedThreshold(0.9, 0.005, 0.999, pd.DataFrame(), "")
    )
