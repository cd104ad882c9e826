"""Charts of decisions that a person has judged: confusion, calibration, thresholds, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from similarity_lab._numbers import format_count
from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.evaluation import (
    PairDistances,
    SiteEvaluation,
    reliability_curve,
    wilson_interval,
)
from similarity_lab.evaluation.sites import DEFAULT_BINS, judged_probabilities
from similarity_lab.evaluation.truths import paired_truths
from similarity_lab.plots.colours import INK, MATCH, NO_MATCH
from similarity_lab.plots.figures import axes_for, line_styles, roomy_legend, short, simplify

Judged = SiteEvaluation | tuple[npt.ArrayLike, npt.ArrayLike]
"""An evaluation, or probabilities and truths, both of shape (n,); a truth of None is left out."""

_UNSURE = "#E69F00"
_LARGE = 10  # more rows or columns have small cells, without percentages


def confusion_matrix(
    evaluation: SiteEvaluation | pd.DataFrame, *, ax: Axes | None = None
) -> Figure:
    """Return the confusion matrix of decisions, with "unsure" as a column of its own.

    Right decisions are green, wrong ones red, unsure ones yellow; the stronger, the larger the part
    of the row.

    Parameters
    ----------
    evaluation : SiteEvaluation or DataFrame
        What `evaluate` returns, its `confusion`, or
        ``pd.crosstab(evaluation.table["truth"], evaluation.table["decision"])``.
    ax : matplotlib Axes, optional
        Default: a new figure.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     [[8, 3, 1], [0, 4, 20]],
    ...     ["relevant", "irrelevant"],
    ...     ["relevant", "unsure", "irrelevant"],
    ... )
    >>> confusion_matrix(table).axes[0].get_xlabel()
    'decision'
    """
    table = evaluation.confusion if isinstance(evaluation, SiteEvaluation) else evaluation
    if not isinstance(table, pd.DataFrame) or not table.size:
        raise InputTypeError("expected what evaluate returns, or its table confusion")
    if pd.api.types.is_bool_dtype(table.index.dtype):
        table = table.rename(index={True: "relevant", False: "irrelevant"})
    if "no decision" in table and not table["no decision"].any():
        table = table.drop(columns="no decision")
    is_large = max(table.shape) > _LARGE
    cell = (0.45, 0.35) if is_large else (1.15, 0.8)  # inches
    size = (1.5 + cell[0] * table.shape[1], 1.3 + cell[1] * len(table))
    figure, axis = axes_for(ax, size)
    try:
        counts = table.fillna(0).to_numpy(int)
    except (TypeError, ValueError):
        raise InputError(
            f"expected counts of decisions, got the types {sorted(set(map(str, table.dtypes)))}"
        ) from None
    parts = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    for row, truth in enumerate(table.index):
        for column, decision in enumerate(table.columns):
            is_sure = decision in table.index
            colour = (MATCH if decision == truth else NO_MATCH) if is_sure else _UNSURE
            part, count = parts[row, column], counts[row, column]
            box = (column - 0.5, row - 0.5)
            alpha = 0.08 + 0.62 * part if count else 0.0
            axis.add_patch(_rectangle(box, colour, alpha))
            centred: dict[str, Any] = {"ha": "center", "va": "center"}
            if is_large:
                if count:
                    axis.text(column, row, f"{count:,}", fontsize=7, **centred)
                continue
            axis.text(column, row - 0.09, f"{count:,}", fontsize=13, **centred)
            axis.text(column, row + 0.24, f"{part:.0%}", fontsize=8, color=INK, **centred)
    axis.set_xlim(-0.5, table.shape[1] - 0.5)
    axis.set_ylim(len(table) - 0.5, -0.5)
    columns = [short(name, 16) for name in table.columns]
    axis.set_xticks(range(table.shape[1]), columns, rotation=90 if is_large else 0)
    axis.set_yticks(
        range(len(table)),
        [
            f"{short(name, 16)}{' ' if is_large else chr(10)}({int(n):,})"
            for name, n in table.sum(axis=1).items()
        ],
    )
    axis.set_xlabel("decision")
    axis.set_ylabel("truth")
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_color("#cccccc")
    return figure


def _rectangle(corner: tuple[float, float], colour: str, alpha: float) -> Any:  # noqa: ANN401
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, facecolor=colour, alpha=alpha, edgecolor="white", linewidth=2)


def reliability_curves(
    curves: Mapping[str, pd.DataFrame | Judged] | pd.DataFrame | Judged,
    *,
    ax: Axes | None = None,
) -> Figure:
    """Return calibration curves: how often what has a probability is true, against the probability.

    On the diagonal probabilities are calibrated; below it they are too high. A single curve has
    95% intervals (Wilson) and the number of cases of each point.

    Parameters
    ----------
    curves : SiteEvaluation, (probability, truth), DataFrame, or mapping of str to these
        What `evaluate` returns, arrays of shape (n,), or what
        `similarity_lab.evaluation.reliability_curve` returns.
    ax : matplotlib Axes, optional
        Default: a new figure.

    Examples
    --------
    >>> figure = reliability_curves(([0.9, 0.7, 0.4, 0.2], [True, True, False, False]))
    >>> figure.axes[0].get_xlabel()
    'predicted probability'
    """
    tables = {name: _calibration(curve) for name, curve in _by_name(curves).items()}
    styles = line_styles(len(tables))
    if not any(len(table) for table in tables.values()):
        raise InputError("nothing to draw: the curves have no point; these decisions have no "
                         "probability, or no site is judged")  # fmt: skip
    figure, axis = axes_for(ax, (5.2, 4.6))
    handles: list[Any] = list(axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":"))
    labels = ["calibrated"]
    for (name, table), style in zip(tables.items(), styles, strict=True):
        x, y = table["predicted"].to_numpy(float), table["observed"].to_numpy(float)
        n = table["n"].to_numpy(int)
        handles += axis.plot(x, y, marker="o", markersize=4, **style)
        labels.append(f"{f'{name} ' if name else ''}({n.sum():,})")
        if len(tables) == 1:
            counts = np.rint(y * n).astype(int).tolist()
            bounds = [wilson_interval(k, m) for k, m in zip(counts, n.tolist(), strict=True)]
            low, high = np.array(bounds).T
            axis.vlines(x, low, high, color=style["color"], alpha=0.35, linewidth=4)
    axis.set_xlim(-0.03, 1.03)
    axis.set_ylim(-0.03, 1.03)
    axis.set_xlabel("predicted probability")
    axis.set_ylabel("observed frequency")
    axis.set_aspect("equal")
    simplify(axis)
    roomy_legend(figure, axis, labels, handles, is_own=ax is None, fontsize=8, loc="upper left")
    return figure


def roc_curves(
    curves: Mapping[str, PairDistances | Judged] | PairDistances | Judged,
    *,
    thresholds: Sequence[float] = (0.5, 0.9),
    ax: Axes | None = None,
) -> Figure:
    """Return ROC curves with the area under each, and thresholds marked.

    Parameters
    ----------
    curves : PairDistances, SiteEvaluation, (probability, truth), or mapping of str to these
        Distances of pairs (verification), what `evaluate` returns, or arrays of shape (n,).
    thresholds : sequence of float
        Probabilities that are marked on the curves; not on those of distances.
    ax : matplotlib Axes, optional
        Default: a new figure.

    Examples
    --------
    >>> figure = roc_curves(([0.9, 0.7, 0.4, 0.2], [True, True, False, True]))
    >>> figure.axes[0].get_legend().get_texts()[0].get_text()
    'AUC 0.667 (4)'
    """
    figure, axis = axes_for(ax, (5.2, 4.6))
    handles: list[Any] = []
    labels: list[str] = []
    is_pairs = False
    sources = _by_name(curves)
    for (name, source), style in zip(sources.items(), line_styles(len(sources)), strict=True):
        if isinstance(source, PairDistances):
            is_pairs, curve = True, source.roc()
            x, y = curve["false_accepts"], curve["true_accepts"]
            handles += axis.plot(x, y, **style)
            labels.append(f"{short(name)}: {source.auc:.3f}" if name else f"AUC {source.auc:.3f}")
            continue
        probability, truth = _scores(source)
        _check_both_kinds(truth, "an ROC curve")
        cuts, n_true, n_false = _cuts(probability, truth)
        x, y = n_false / (~truth).sum(), n_true / truth.sum()
        handles += axis.plot(x, y, **style)
        area = float(np.trapezoid(y, x))
        labels.append(f"{f'{short(name)}: ' if name else ''}AUC {area:.3f} ({len(truth):,})")
        _mark(axis, cuts, np.asarray(x), np.asarray(y), thresholds, style, len(sources) == 1)
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    axis.set_xlabel("different pairs accepted" if is_pairs else "irrelevant accepted")
    axis.set_ylabel("same pairs accepted" if is_pairs else "relevant accepted")
    axis.set_aspect("equal")
    simplify(axis)
    roomy_legend(figure, axis, labels, handles, is_own=ax is None, fontsize=8, loc="lower right")
    return figure


def precision_recall_curves(
    curves: Mapping[str, Judged] | Judged,
    *,
    thresholds: Sequence[float] = (0.5, 0.9),
    ax: Axes | None = None,
) -> Figure:
    """Return precision against recall of "relevant", with thresholds marked.

    Parameters
    ----------
    curves : SiteEvaluation, (probability, truth), or mapping of str to these
    thresholds : sequence of float
        Probabilities that are marked on the curves.
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    figure, axis = axes_for(ax, (5.2, 4.6))
    handles: list[Any] = []
    labels: list[str] = []
    sources = _by_name(curves)
    bases = []
    for (name, source), style in zip(sources.items(), line_styles(len(sources)), strict=True):
        probability, truth = _scores(source)
        if not truth.any():
            raise InputError("precision and recall need at least one relevant site, got none")
        cuts, n_true, n_false = _cuts(probability, truth)
        recall, precision = n_true[1:] / truth.sum(), n_true[1:] / (n_true + n_false)[1:]
        handles += axis.plot(
            recall, precision, drawstyle="steps-post", marker="o", markersize=3,
            markevery=slice(None) if len(cuts) < 40 else [], **style,
        )  # fmt: skip
        area = float(np.sum(np.diff(recall, prepend=0) * precision))
        labels.append(f"{f'{short(name)}: ' if name else ''}AP {area:.3f} ({len(truth):,})")
        _mark(axis, cuts[1:], recall, precision, thresholds, style, len(sources) == 1)
        bases.append(float(truth.mean()))
    for base in sorted(set(bases)):
        axis.axhline(base, color=INK, linewidth=0.8, linestyle=":")
    axis.set_xlim(-0.03, 1.03)
    axis.set_ylim(0, 1.05)
    axis.set_xlabel("recall: relevant sites found")
    axis.set_ylabel("precision: found sites that are relevant")
    simplify(axis)
    roomy_legend(figure, axis, labels, handles, is_own=ax is None, fontsize=8, loc="lower left")
    return figure


def coverage_curves(
    curves: Mapping[str, Judged] | Judged,
    *,
    certainties: Sequence[float] = (0.9,),
    ax: Axes | None = None,
) -> Figure:
    """Return the accuracy of the decided sites against the part that is decided.

    Sites are decided in the order of their certainty, the larger of P(relevant) and P(irrelevant);
    the rest is "unsure". A single curve has its 95% interval (Wilson).

    Parameters
    ----------
    curves : SiteEvaluation, (probability, truth), or mapping of str to these
    certainties : sequence of float
        Marked on the curves: what is decided with this `certainty`.
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    figure, axis = axes_for(ax, (5.8, 4))
    handles: list[Any] = []
    labels: list[str] = []
    sources = _by_name(curves)
    lowest = 1.0
    for (name, source), style in zip(sources.items(), line_styles(len(sources)), strict=True):
        probability, truth = _scores(source)
        certainty = np.maximum(probability, 1 - probability)
        is_right = (probability >= 0.5) == truth
        cuts, n_right, n_wrong = _cuts(certainty, is_right)
        n = (n_right + n_wrong)[1:]
        coverage, accuracy = n / len(truth), n_right[1:] / n
        few: dict[str, Any] = {"marker": "o", "markersize": 3} if len(n) < 40 else {}
        handles += axis.plot(coverage, accuracy, **few, **style)
        if len(sources) == 1:
            bounds = np.array(
                [wilson_interval(int(k), int(m)) for k, m in zip(n_right[1:], n, strict=True)]
            )
            axis.fill_between(
                coverage, bounds[:, 0], bounds[:, 1], color=style["color"], alpha=0.12, linewidth=0
            )
        labels.append(
            f"{short(name)} ({len(truth):,})" if name else format_count(len(truth), "site")
        )
        _mark(axis, cuts[1:], coverage, accuracy, certainties, style, len(sources) == 1)
        lowest = min(lowest, float(accuracy.min()))
    axis.set_xlim(-0.03, 1.03)
    axis.set_ylim(max(0.0, min(0.9, lowest - 0.1)) if lowest < 1 else 0.5, 1.01)
    for formatted in (axis.xaxis, axis.yaxis):
        formatted.set_major_formatter(PercentFormatter(1, 0))
    axis.set_xlabel("coverage: sites that are decided")
    axis.set_ylabel("accuracy of the decided sites")
    simplify(axis)
    roomy_legend(figure, axis, labels, handles, is_own=ax is None, fontsize=8, loc="lower left")
    return figure


def _calibration(source: pd.DataFrame | Judged) -> pd.DataFrame:
    """Return the calibration curve of what was judged."""
    if isinstance(source, SiteEvaluation):
        return source.calibration
    if not isinstance(source, pd.DataFrame):
        return reliability_curve(*_scores(source), bins=DEFAULT_BINS)
    if missing := {"predicted", "observed", "n"} - {*source}:
        raise InputTypeError(
            f"expected what reliability_curve returns, got a table without {sorted(missing)}"
        )
    return source


def _by_name(curves: Any) -> dict[str, Any]:  # noqa: ANN401
    return dict(curves) if isinstance(curves, Mapping) else {"": curves}


def _scores(source: Judged) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the probability and the truth of each judged case that has a probability."""
    if isinstance(source, SiteEvaluation):
        source = judged_probabilities(source.table)
    if not isinstance(source, tuple) or len(source) != 2:
        raise InputTypeError(
            "expected what evaluate returns, or a tuple (probability, truth), got "
            f"{type(source).__name__}"
        )
    probability, truth = paired_truths(*source)
    is_known = np.isfinite(probability) & truth.notna().to_numpy()
    if not is_known.any():
        raise InputError("nothing to draw: no judged case has a probability")
    values = probability[is_known]
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError("expected probabilities from 0 to 1")
    return values, truth[is_known].to_numpy(bool)


def _check_both_kinds(truth: npt.NDArray[np.bool_], what: str) -> None:
    if truth.all() or not truth.any():
        kind = "relevant" if truth.all() else "irrelevant"
        raise InputError(f"{what} needs relevant and irrelevant sites; all {len(truth)} are {kind}")


def _cuts(
    values: npt.NDArray[np.float64], is_true: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return each distinct value, highest first after infinity, and the cases at least as high."""
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))  # the last case of each value
    n_true = np.cumsum(is_true[order])[ends]
    n_all = ends + 1
    return (
        np.r_[np.inf, ranked[ends]],
        np.r_[0, n_true].astype(np.int64),
        np.r_[0, n_all - n_true].astype(np.int64),
    )


def _mark(
    axis: Axes,
    cuts: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    thresholds: Sequence[float],
    style: Mapping[str, Any],
    is_named: bool,
) -> None:
    """Mark where the values that reach a threshold end on a curve."""
    marked: dict[int, list[float]] = {}
    for threshold in thresholds:
        reached = np.flatnonzero(cuts >= threshold)
        if reached.size:
            marked.setdefault(int(reached[-1]), []).append(threshold)
    for index, reaching in marked.items():
        axis.plot(
            x[index], y[index], marker="D", markersize=7, color=style["color"],
            markeredgecolor="white", zorder=3,
        )  # fmt: skip
        if is_named:
            axis.annotate(
                f"≥ {', '.join(f'{each:g}' for each in reaching)}", (x[index], y[index]),
                (7, -11), textcoords="offset points", fontsize=8, color=INK,
            )  # fmt: skip
