"""Evaluate decisions on sites that a person has judged: one call for figures, bounds and costs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._numbers import format_count, percent, percent_at_most
from similarity_lab.errors import InputError, InputTypeError, did_you_mean
from similarity_lab.evaluation.bounds import (
    BoundedThreshold,
    bounded_threshold,
    error_bound,
)
from similarity_lab.evaluation.calibration import (
    check_bins,
    expected_calibration_error,
    reliability_curve,
)
from similarity_lab.evaluation.intervals import (
    bootstrap_interval,
    check_confidence,
    wilson_interval,
)
from similarity_lab.evaluation.truths import is_missing, nullable_truths
from similarity_lab.files.tables import read_tables
from similarity_lab.sites import site_list, site_name

TRUTHS = ("relevant", "irrelevant")
OUTCOMES = ("relevant", "unsure", "irrelevant", "no decision")
"""Columns of the confusion matrix; a site that failed has no decision."""

Truth = (
    Mapping[Any, Any]
    | pd.Series
    | pd.DataFrame
    | Sequence[bool | None]
    | npt.NDArray[np.generic]
    | str
    | PathLike[str]
)
"""Which sites are relevant, see `evaluate`."""

Costs = Mapping[str, Mapping[str, float]] | pd.DataFrame
"""Cost of each decision by what is true: ``{"irrelevant": {"relevant": 5}}``; the rest cost 0."""

DEFAULT_BINS = 10  # of a calibration curve
_SEED, _REPEATS = 0, 1000
# In a file, in capitals or not; spreadsheets write truth values in their own language.
_COLUMNS = ("site", "target", "truth")
_YES = "true yes 1 1.0 wahr ja vrai oui verdadero sí si vero sì verdadeiro sim waar prawda tak"
_NO = "false no 0 0.0 falsch nein faux non falso não onwaar nee fałsz nie"
_NOT_JUDGED = ("", "na", "nan", "none", "<na>")
_TEXTS: Mapping[str, bool | None] = {
    **dict.fromkeys(_YES.split(), True),
    **dict.fromkeys(_NO.split(), False),
    **dict.fromkeys(_NOT_JUDGED, None),
}


class SiteScorer(Protocol):
    """What `evaluate` measures: `RelevanceScorer`, `SiteClassifier`, or an object like them."""

    @property
    def target(self) -> str:
        """The product that is decided on if no targets are given."""

    def decide_many(self, sites: Iterable[Any], targets: Any = None) -> pd.DataFrame:  # noqa: ANN401
        """Return a table with columns site, target, decision, relevant and probability."""


@dataclass(frozen=True, eq=False, repr=False)
class SiteEvaluation:
    """How good decisions on sites are.

    Attributes
    ----------
    table : DataFrame
        The decisions with ``truth`` (nullable boolean), ``right`` (of the forced choice) and
        ``cost``. Sites that nobody judged stay in it, without these.
    confusion : DataFrame of int
        Judged sites by truth (rows: relevant, irrelevant) and decision (columns: relevant, unsure,
        irrelevant, no decision).
    measures : DataFrame
        One row per measure: value, low and high (interval), n (sites that it is about). accuracy
        (of the forced choice), coverage (part that is decided), accuracy when decided, precision
        (of "relevant"), recall (relevant sites that are called so), roc auc, average precision,
        calibration error, brier score, cost per site; those without a value are left out.
    calibration : DataFrame
        `reliability_curve` of the probabilities; empty without probabilities.
    bounds : DataFrame
        For "relevant" and "irrelevant": n (sites decided so), n_wrong, and bound: the rate of
        errors that is not exceeded with the confidence (`error_bound`).
    by_target : DataFrame
        One row per target: n, n_relevant, accuracy, coverage, accuracy when decided, roc auc.
    confidence : float
        Of intervals (two-sided) and bounds (one-sided).

    Notes
    -----
    Intervals and bounds are about sites like the judged ones, drawn at random from those of
    interest and judged independently. Sites that thresholds were tuned on, or whose images joined
    the library, are not a random sample. Several targets of one site count as independent, which
    makes intervals a little too narrow.
    """

    table: pd.DataFrame
    confusion: pd.DataFrame
    measures: pd.DataFrame
    calibration: pd.DataFrame
    bounds: pd.DataFrame
    by_target: pd.DataFrame
    confidence: float

    @property
    def n_judged(self) -> int:
        """Number of rows with a truth."""
        return int(self.table["truth"].notna().sum())

    def statements(self) -> list[str]:
        """Return the bounds as sentences."""
        sentences = []
        for decision in TRUTHS:
            n, n_wrong, bound = self.bounds.loc[decision].to_numpy(float)
            text = f"nothing bounds the errors of sites called {decision}"
            if n_wrong < n:
                text = (
                    f"of the sites called {decision} at most {percent_at_most(float(bound))} are "
                    f"wrong, with {percent(self.confidence)} confidence"
                )
            if n:
                sentences.append(f"{text} ({n_wrong:.0f} wrong of {n:.0f} judged)")
        return sentences

    def bounded_threshold(
        self, *, error: float = 0.1, confidence: float | None = None
    ) -> BoundedThreshold:
        """Return the smallest probability from which at most `error` of the sites are irrelevant.

        See `bounded_threshold`. All judged sites with a probability count, also those that are
        "unsure" for another reason than their probability.
        """
        return bounded_threshold(
            *judged_probabilities(self.table),
            error=error,
            confidence=self.confidence if confidence is None else confidence,
        )

    def __repr__(self) -> str:
        values = self.measures["value"]
        decided = values.get("accuracy when decided")
        text = f"accuracy {values['accuracy']:.1%}, {values['coverage']:.0%} decided"
        text += "" if decided is None else f", of these {decided:.1%} right"
        not_judged = len(self.table) - self.n_judged
        more = f"; {not_judged} not judged" if not_judged else ""
        return f"<{format_count(self.n_judged, 'judged decision')}: {text}{more}>"

    def _repr_html_(self) -> str:
        """Return figures, confusion matrix and bounds as plain tables, for notebooks."""
        sentences = "".join(f"<li>{escape(text)}</li>" for text in self.statements())
        parts = [f"<p><b>{escape(repr(self)[1:-1])}</b></p>"]
        for title, table in (
            ("Truth (rows) and decision", self.confusion),
            (f"Measures with {percent(self.confidence)} intervals", self.measures.round(3)),
            *((("By target", self.by_target.round(3)),) if len(self.by_target) > 1 else ()),
        ):
            parts.append(f"<p>{title}</p>{table.to_html(na_rep='', max_rows=50)}")
        return "".join([*parts, f"<ul>{sentences}</ul>" if sentences else ""])


def evaluate(
    scorer: SiteScorer,
    sites: Iterable[Any],
    truth: Truth,
    *,
    targets: str | Sequence[str] | None = None,
    costs: Costs | None = None,
    confidence: float = 0.95,
    bins: int = DEFAULT_BINS,
) -> SiteEvaluation:
    """Decide on judged sites and measure how good the decisions are.

    Mistakes in the other arguments are found before the first site is embedded.

    Parameters
    ----------
    scorer : RelevanceScorer or SiteClassifier
        Fitted; not on these sites.
    sites : iterable of Site, folder, zip, list of paths, or what `embed_site` returned
    truth : mapping, Series, DataFrame, sequence, or path of a table
        Which sites are relevant: True, False, or None where nobody judged. By the name of the site,
        as in the table; with several targets by ``(site, target)``, or ``{target: {site: …}}``. A
        DataFrame has the columns site, truth and, with several targets, target; or a row per site,
        whose name is in the column site or the index, and a column per target. A file (CSV, or
        ``.xlsx`` with the extra ``excel``) has these columns, with yes, true, 1, no, false, 0 or
        nothing, also in other languages of spreadsheets: for example ``sites.csv`` of a ranking
        with a column truth filled in by hand. A sequence has one value per site, in order, or one
        row per site and one column per target.
    targets : str or sequence of str, optional
        As in `RelevanceScorer.decide_many`.
    costs : mapping of mapping, or DataFrame, optional
        Cost of a decision by what is true, as ``{"relevant": {"irrelevant": 10, "unsure": 1},
        "irrelevant": {"relevant": 5, "unsure": 1}}``; what is left out costs 0. A site without a
        decision costs as much as "unsure" unless it is named.
    confidence : float
        Of intervals and bounds, above 0 and below 1.
    bins : int
        Maximum number of bins of the calibration curve, and of its error.

    Returns
    -------
    SiteEvaluation

    Raises
    ------
    InputError
        If there are no sites, names in `truth` and names of sites do not match, a name has two
        different values, or no site is judged; or for costs, a confidence or bins out of range.
    PathNotFoundError
        If there is no such file.

    Examples
    --------
    >>> evaluation = evaluate(scorer, ["sites/a", "sites/b"], {"a": True, "b": False})
    ...                                                                     # doctest: +SKIP
    >>> evaluation.confusion, evaluation.measures                            # doctest: +SKIP
    """
    truth = _read_file(truth)
    if not isinstance(getattr(scorer, "target", None), str):
        raise InputTypeError(f"expected a fitted RelevanceScorer, got {type(scorer).__name__}")
    _check_measuring(costs, confidence, bins)
    sites = site_list(sites)
    names = [scorer.target] if targets is None else targets
    rows = itertools.product(map(_name, sites), [names] if isinstance(names, str) else names)
    is_true = _read_truth(truth, pd.DataFrame(rows, columns=["site", "target"]))
    decisions = scorer.decide_many(sites, targets)
    return evaluate_decisions(
        decisions, is_true.tolist(), costs=costs, confidence=confidence, bins=bins
    )


def evaluate_decisions(
    decisions: pd.DataFrame,
    truth: Truth,
    *,
    costs: Costs | None = None,
    confidence: float = 0.95,
    bins: int = DEFAULT_BINS,
) -> SiteEvaluation:
    """Measure how good decisions are that were made before, such as ``Ranking.sites``.

    Parameters
    ----------
    decisions : DataFrame
        With columns site, target, decision, relevant and probability; see `decisions_table`.
    truth, costs, confidence, bins
        As in `evaluate`. A sequence is in the order of the rows.

    Examples
    --------
    >>> decisions = pd.DataFrame(
    ...     {"site": ["a", "b", "c"], "target": "almonds", "relevant": [True, True, False],
    ...      "decision": ["relevant", "unsure", "irrelevant"], "probability": [0.97, 0.6, 0.02]}
    ... )
    >>> costs = {"irrelevant": {"relevant": 5, "unsure": 1}, "relevant": {"irrelevant": 10}}
    >>> evaluation = evaluate_decisions(decisions, {"a": True, "b": False, "c": False}, costs=costs)
    >>> evaluation
    <3 judged decisions: accuracy 66.7%, 67% decided, of these 100.0% right>
    >>> evaluation.confusion.loc["irrelevant"].tolist()  # OUTCOMES
    [0, 1, 1, 0]
    >>> float(evaluation.table["cost"].sum())
    1.0
    """
    price = _check_measuring(costs, confidence, bins)
    missing = {"site", "target", "decision", "relevant", "probability"} - set(decisions)
    if missing:
        raise InputError(f"the table of decisions has no column {', '.join(sorted(missing))}")
    table = decisions.reset_index(drop=True)
    for decision in sorted(set(table["decision"].dropna()) - set(OUTCOMES), key=str):
        raise InputError(
            f"unknown decision {decision!r}.{did_you_mean(decision, OUTCOMES)} Expected "
            f"{', '.join(OUTCOMES[:-1])}, or nothing"
        )
    truths = _read_truth(_read_file(truth), table)
    table = table.assign(truth=truths, right=table["relevant"].astype("boolean") == truths)
    outcomes = table["decision"].astype(object).where(table["decision"].notna(), "no decision")
    if price is not None:
        table["cost"] = [
            np.nan if pd.isna(is_true) else price[TRUTHS[not is_true]][str(outcome)]
            for is_true, outcome in zip(truths, outcomes, strict=True)
        ]
    judged = table[truths.notna()]
    confusion = _confusion(judged["truth"], outcomes[judged.index])
    counts = confusion.to_numpy(int)
    probability, is_true = judged_probabilities(table)
    calibration = (
        reliability_curve(probability, is_true, bins=bins)
        if len(probability)
        else pd.DataFrame(columns=["predicted", "observed", "n"])
    )
    return SiteEvaluation(
        table,
        confusion,
        _measures(judged, counts, confidence, bins),
        calibration,
        _bounds(counts, confidence),
        _by_target(judged),
        confidence,
    )


def judged_probabilities(
    table: pd.DataFrame,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return probability and truth of the judged rows of `SiteEvaluation.table` that have both."""
    known = table[table["truth"].notna() & table["probability"].notna()]
    return known["probability"].to_numpy(float), known["truth"].to_numpy(bool)


def _confusion(truths: pd.Series, outcomes: pd.Series) -> pd.DataFrame:
    """Return the number of sites by truth and outcome, with those that do not occur."""
    names = pd.Series(np.where(truths.astype(bool), *TRUTHS), truths.index)
    counts = pd.crosstab(names, outcomes).reindex(index=TRUTHS, columns=OUTCOMES, fill_value=0)
    counts.index.name, counts.columns.name = "truth", "decision"
    return counts


def _name(site: object) -> str:
    """Return the name that a site, or what `embed_site` returned, has in the table."""
    return site_name(getattr(site, "site", site))


def _check_measuring(
    costs: Costs | None, confidence: float, bins: int
) -> dict[str, dict[str, float]] | None:
    """Check what decisions are measured with; return the costs."""
    check_confidence(confidence)
    check_bins(bins)
    return _read_costs(costs)


def _read_file(truth: Truth) -> Truth:
    """Return the table of a file; anything else as it is."""
    if not isinstance(truth, (str, PathLike)):
        return truth
    for rows in read_tables(truth).values():
        names = [cell.casefold() if cell.casefold() in _COLUMNS else cell for cell in rows[0]]
        if "site" in names:
            cells = [[*row, *[""] * len(names)][: len(names)] for row in rows[1:]]
            table = pd.DataFrame(cells, columns=names, dtype=object)
            truths = [name for name in names if name not in ("site", "target")]
            return table.assign(**{name: table[name].map(_file_value) for name in truths})
    raise InputError(f"{truth}: no column 'site'; expected site and truth, or site and each target")


def _file_value(text: str) -> object:
    """Return the truth value that a cell of a file stands for; other text as it is."""
    return _TEXTS.get(text.strip().casefold(), text)


def _read_truth(truth: Truth, table: pd.DataFrame) -> pd.Series:
    """Return the truth of each row, a nullable boolean; raise `InputError` if nothing is judged."""
    if table.empty:
        raise InputError("expected decisions on at least one site, got none")
    is_true = _match_truth(truth, table)
    if is_true.isna().all():
        raise InputError("no site is judged: truth has neither True nor False for any of them")
    return is_true


def _match_truth(truth: Truth, table: pd.DataFrame) -> pd.Series:
    """Return the truth of each row, found by its site and target or by its position."""
    keys = list(zip(table["site"].astype(str), table["target"].astype(str), strict=True))
    targets = list(dict.fromkeys(target for _, target in keys))
    if isinstance(truth, pd.DataFrame):
        truth = _frame_truth(truth, targets)
    if isinstance(truth, pd.Series):
        truth = _as_dict(truth.index.tolist(), truth)
    if isinstance(truth, (str, bytes)) or not isinstance(truth, Iterable):
        raise InputTypeError(
            f"truth is a mapping, a table, a sequence or the path of a table, got {truth!r}"
        )
    if not isinstance(truth, Mapping):
        values = np.asarray(list(truth), object)
        n_targets = max(len(targets), 1)
        is_by_site = [target for _, target in keys] == targets * (len(keys) // n_targets)
        fits = values.ndim < 2 or (values.shape[-1] == n_targets and is_by_site)
        if values.size != len(keys) or not fits:
            raise InputError(
                f"truth has the shape {values.shape} for {len(keys) // n_targets} sites and "
                f"{format_count(n_targets, 'target')}; pass one value per site (and target, "
                "in a row per site), or a mapping from the names of sites"
            )
        return nullable_truths(values.ravel(), keys)
    known = _keyed_truth(truth, keys, targets)
    counts = Counter(keys)
    repeated = [key for key in keys if counts[key] > 1 and not is_missing(known.get(key))]
    if repeated:
        raise InputError(
            f"two sites have the name {repeated[0][0]!r}; pass truth as a sequence, or name "
            "them with Site.from_folder(…, name=…)"
        )
    return nullable_truths([known.get(key) for key in keys], keys)


def _frame_truth(truth: pd.DataFrame, targets: list[str]) -> Mapping[Hashable, object]:
    if "truth" in truth and "site" in truth:
        names = truth["site"].astype(str)
        if "target" in truth:
            pairs = zip(names, truth["target"].astype(str), strict=True)
            return _as_dict(pairs, truth["truth"])
        return _as_dict(names, truth["truth"])
    wide = truth.set_index("site") if "site" in truth else truth
    wide = wide.set_axis(wide.columns.map(str), axis="columns")
    columns = [target for target in targets if target in wide]
    if not columns and "truth" in wide:
        return _as_dict(wide.index, wide["truth"])
    if not columns:
        raise InputError(
            "truth has neither a column 'truth', nor one of a target; it has: "
            f"{', '.join(map(str, truth.columns))}"
        )
    return {target: _as_dict(wide.index, wide[target]) for target in columns}


def _as_dict(keys: Iterable[Hashable], values: pd.Series) -> dict[Hashable, object]:
    """Return the values by key; raise `InputError` if a key has different ones."""
    known: dict[Hashable, object] = {}
    for key, value in zip(keys, values.tolist(), strict=True):
        _add(known, key, value)
    return known


def _add(known: dict[Any, object], key: Hashable, value: object) -> None:
    """Add a value; raise `InputError` if the key has another one."""
    first = known.setdefault(key, value)
    if is_missing(first) != is_missing(value) or not (is_missing(value) or first == value):
        raise InputError(f"truth has different values for {key!r}; keep one of them")


def _keyed_truth(
    truth: Mapping[Any, Any], keys: list[tuple[str, str]], targets: list[str]
) -> dict[tuple[str, str], object]:
    """Return the truth by site and target; raise `InputError` for names that do not exist."""
    sites = list(dict.fromkeys(site for site, _ in keys))
    last_parts = [PurePath(site).name for site in sites]

    def site_of(name: object) -> str:
        """Return the site of a name, or of the path that it was read from."""
        last_part = PurePath(str(name)).name
        is_clear = last_parts.count(last_part) == 1 and str(name) not in sites
        return sites[last_parts.index(last_part)] if is_clear else str(name)

    flat: dict[tuple[str, str], object] = {}
    for name, value in truth.items():
        if isinstance(value, (Mapping, pd.Series)):
            for site, each in value.items():
                _add(flat, (site_of(site), str(name)), each)
        elif isinstance(name, tuple):
            _add(flat, (site_of(name[0]), str(name[1])), value)
        elif len(targets) > 1:
            raise InputError(
                f"truth of {name!r} is one value, but there are {len(targets)} targets; pass "
                "{target: {site: value}} or {(site, target): value}"
            )
        else:
            _add(flat, (site_of(name), targets[0]), value)
    # a list may have rows of sites that could not be collected, without a truth
    for site, target in (key for key, value in flat.items() if not is_missing(value)):
        for kind, name, existing in (("site", site, sites), ("target", target, targets)):
            if name not in existing:
                raise InputError(
                    f"truth has the {kind} {name!r}, which was not decided on."
                    f"{did_you_mean(name, existing)} There are: {', '.join(existing[:10])}"
                    f"{'' if len(existing) <= 10 else f' and {len(existing) - 10} more'}"
                )
    return flat


def _read_costs(costs: Costs | None) -> dict[str, dict[str, float]] | None:
    if costs is None:
        return None
    if isinstance(costs, pd.DataFrame):
        costs = {str(row): costs.loc[row].dropna().to_dict() for row in costs.index}
    price = {row: dict.fromkeys(OUTCOMES, 0.0) for row in TRUTHS}
    for row, columns in costs.items():
        if row not in TRUTHS:
            raise InputError(f"costs are by truth, {' or '.join(TRUTHS)}, got {row!r}")
        for column, value in columns.items():
            if column not in OUTCOMES:
                raise InputError(
                    f"costs are of decisions, {', '.join(OUTCOMES)}; got {column!r}."
                    f"{did_you_mean(column, OUTCOMES)}"
                )
            if not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
                raise InputError(f"the cost of {column!r} must be a finite number, got {value!r}")
            price[row][column] = float(value)
        if "no decision" not in columns:
            price[row]["no decision"] = price[row]["unsure"]
    return price


def _measures(
    judged: pd.DataFrame, confusion: npt.NDArray[np.int_], confidence: float, bins: int
) -> pd.DataFrame:
    """Return `SiteEvaluation.measures`; the confusion matrix has `OUTCOMES` as columns."""
    rows: dict[str, tuple[float, float, float, int]] = {}

    def add_share(name: str, count: int, total: int) -> None:
        if total:
            rows[name] = (count / total, *wilson_interval(count, total, confidence), total)

    def add(name: str, statistic: Callable[..., float], *arrays: npt.NDArray[Any]) -> None:
        size = len(arrays[0])
        interval = bootstrap_interval(
            lambda index: statistic(*(array[index] for array in arrays)),
            size,
            seed=_SEED,
            repeats=_REPEATS,
            confidence=confidence,
        )
        rows[name] = (float(statistic(*arrays)), *interval, size)

    relevant, irrelevant = confusion
    n_called, n_decided = int(confusion[:, 0].sum()), int(confusion[:, [0, 2]].sum())
    add_share("accuracy", int(judged["right"].fillna(False).to_numpy(bool).sum()), len(judged))
    add_share("coverage", n_decided, len(judged))
    add_share("accuracy when decided", int(relevant[0] + irrelevant[2]), n_decided)
    add_share("precision", int(relevant[0]), n_called)
    add_share("recall", int(relevant[0]), int(relevant.sum()))
    probability, is_true = judged_probabilities(judged)
    if is_true.any() and not is_true.all():
        add("roc auc", _auc, probability, is_true)
        add("average precision", _average_precision, probability, is_true)
    if len(is_true):
        error = expected_calibration_error(probability, is_true, bins=bins)
        rows["calibration error"] = (error, np.nan, np.nan, len(is_true))
        add("brier score", np.mean, (probability - is_true) ** 2)
    if "cost" in judged:
        add("cost per site", np.mean, judged["cost"].to_numpy(float))
    measures = pd.DataFrame.from_dict(rows, "index", columns=["value", "low", "high", "n"])
    measures.index.name = "measure"
    return measures.astype({"n": "Int64"})


def _auc(probability: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> float:
    """Return P(a relevant site has the higher probability); ties count half; NaN for one kind.

    By ranks, many times as fast as scikit-learn's: a bootstrap takes it a thousand times.
    """
    from scipy.stats import rankdata  # deferred: slow import

    n_true = int(truth.sum())
    if not 0 < n_true < len(truth):
        return float("nan")
    ranks = rankdata(probability)[truth].sum()
    return float((ranks - n_true * (n_true + 1) / 2) / (n_true * (len(truth) - n_true)))


def _average_precision(probability: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> float:
    from sklearn.metrics import average_precision_score  # deferred: slow import

    return float(average_precision_score(truth, probability)) if truth.any() else float("nan")


def _bounds(confusion: npt.NDArray[np.int_], confidence: float) -> pd.DataFrame:
    rows = []
    for wrong, column in ((1, 0), (0, 2)):  # irrelevant called relevant, and the reverse
        n, n_wrong = int(confusion[:, column].sum()), int(confusion[wrong, column])
        rows.append((n, n_wrong, error_bound(n_wrong, n, confidence)))
    table = pd.DataFrame(rows, pd.Index(TRUTHS, name="decision"), ["n", "n_wrong", "bound"])
    return table.astype({"n": "Int64", "n_wrong": "Int64"})


def _by_target(judged: pd.DataFrame) -> pd.DataFrame:
    rows = {}
    for target, part in judged.groupby("target", sort=False):
        right = part["right"].fillna(False).astype(bool)
        is_decided = part["decision"].isin(TRUTHS)
        rows[str(target)] = (
            len(part),
            int(part["truth"].sum()),
            float(right.mean()),
            float(is_decided.mean()),
            float(right[is_decided].mean()),
            _auc(*judged_probabilities(part)),
        )
    columns = ["n", "n_relevant", "accuracy", "coverage", "accuracy when decided", "roc auc"]
    table = pd.DataFrame.from_dict(rows, "index", columns=columns)
    table.index.name = "target"
    return table.astype({"n": "Int64", "n_relevant": "Int64"})
