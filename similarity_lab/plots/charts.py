"""Charts: distance histograms, training history, ROC and reliability curves, embedding maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from similarity_lab.datasets.dataset import Labels
from similarity_lab.errors import InputError
from similarity_lab.evaluation import PairDistances
from similarity_lab.plots.colours import INK, SERIES
from similarity_lab.store import Vectors


def distance_histogram(
    distances: Mapping[str, npt.ArrayLike],
    *,
    threshold: float | None = None,
    label: str = "cosine distance (smaller = more alike)",
    bins: int = 60,
) -> Figure:
    """Return a histogram of groups of distances, each group normalised to the same area.

    Parameters
    ----------
    distances : mapping of str to array
        Distances by name of the group; at most eight groups.
    threshold : float, optional
        Drawn as a vertical line.
    label : str
        Label of the x axis.
    bins : int
    """
    groups = {name: np.asarray(values, float) for name, values in distances.items()}
    colours = _colours(len(groups))
    figure = Figure(figsize=(7, 3.2), layout="constrained", dpi=100)
    axis = figure.subplots()
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), bins).tolist()
    for (name, values), colour in zip(groups.items(), colours, strict=True):
        style: dict[str, Any] = {"density": True, "color": colour}
        axis.hist(values, edges, alpha=0.25, **style)
        entry = f"{name} ({values.size:,})"
        axis.hist(values, edges, histtype="step", linewidth=1.5, label=entry, **style)
    if threshold is not None:
        axis.axvline(threshold, color=INK, linestyle="--", label=f"threshold {threshold:.3g}")
    axis.set_xlabel(label)
    axis.set_ylabel("density")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9)
    return figure


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
) -> Figure:
    """Return a line chart of one or more curves.

    Parameters
    ----------
    series : mapping of str to (x, y)
        At most eight curves.
    x_label, y_label : str
    log_x : bool
        Use a logarithmic x axis with a tick at each value.
    """
    figure = Figure(figsize=(7, 3.2), layout="constrained", dpi=100)
    axis = figure.subplots()
    for (name, (x, y)), colour in zip(series.items(), _colours(len(series)), strict=True):
        axis.plot(x, y, marker="o", markersize=3, linewidth=1.5, color=colour, label=name)
    if log_x:
        axis.set_xscale("log")
        axis.set_xticks(sorted({value for x, _ in series.values() for value in x}))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axis.minorticks_off()
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    _simplify(axis)
    axis.legend(frameon=False, fontsize=9)
    return figure


def training_curves(history: pd.DataFrame, *, best_epoch: int | None = None) -> Figure:
    """Return the loss and the verification AUC on training and validation images, by epoch.

    Parameters
    ----------
    history : DataFrame
        ``epoch, loss, train_auc, val_auc``, as in `similarity_lab.siamese.TrainingRun.history`.
    best_epoch : int, optional
        Drawn as a vertical line.
    """
    figure = Figure(figsize=(9, 3), layout="constrained", dpi=100)
    loss_axis, auc_axis = figure.subplots(1, 2)
    loss_axis.plot(history["epoch"], history["loss"], color=SERIES[0], marker="o", markersize=3)
    loss_axis.set_ylabel("loss")
    for name, label, colour in (
        ("train_auc", "training images", SERIES[4]),
        ("val_auc", "validation images", SERIES[0]),
    ):
        auc_axis.plot(
            history["epoch"], history[name], color=colour, marker="o", markersize=3, label=label
        )
    auc_axis.axhline(0.5, color=INK, linewidth=0.8, linestyle=":", label="chance")
    if best_epoch is not None:
        auc_axis.axvline(best_epoch, color=INK, linestyle="--", label=f"best, epoch {best_epoch}")
    auc_axis.set_ylabel("verification AUC")
    auc_axis.legend(frameon=False, fontsize=9)
    for axis in (loss_axis, auc_axis):
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        _simplify(axis)
    return figure


def roc_curves(pairs: Mapping[str, PairDistances]) -> Figure:
    """Return verification ROC curves with the area under each.

    Parameters
    ----------
    pairs : mapping of str to PairDistances
        At most eight curves.
    """
    figure = Figure(figsize=(5.2, 4.6), layout="constrained", dpi=100)
    axis = figure.subplots()
    for (name, distances), colour in zip(pairs.items(), _colours(len(pairs)), strict=True):
        curve = distances.roc()
        label = f"{name}: {distances.auc:.3f}"
        axis.plot(curve["false_accepts"], curve["true_accepts"], color=colour, label=label)
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    axis.set_xlabel("different pairs accepted")
    axis.set_ylabel("same pairs accepted")
    axis.set_aspect("equal")
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    _simplify(axis)
    return figure


def reliability_curves(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Return reliability curves: how often what has a probability is true, against the probability.

    On the diagonal probabilities are calibrated; below it they are too high.

    Parameters
    ----------
    curves : mapping of str to DataFrame
        As `similarity_lab.evaluation.reliability_curve` returns them; at most eight.
    """
    figure = Figure(figsize=(5.2, 4.6), layout="constrained", dpi=100)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":", label="calibrated")
    for (name, curve), colour in zip(curves.items(), _colours(len(curves)), strict=True):
        label = f"{name} ({int(curve['n'].sum()):,})"
        axis.plot(
            curve["predicted"], curve["observed"], color=colour, marker="o", markersize=4,
            label=label,
        )  # fmt: skip
    axis.set_xlabel("predicted probability")
    axis.set_ylabel("observed frequency")
    axis.set_aspect("equal")
    axis.legend(frameon=False, fontsize=8, loc="upper left")
    _simplify(axis)
    return figure


def embedding_map(
    vectors: Mapping[str, Vectors],
    labels: Labels,
    classes: Sequence[str],
    *,
    n_classes: int = 8,
    seed: int = 0,
) -> Figure:
    """Return 2-D t-SNE maps of the vectors of several embedders, one colour per class.

    t-SNE preserves neighbourhoods; distances between groups have no meaning (L. van der Maaten,
    G. Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008).

    Parameters
    ----------
    vectors : mapping of str to ndarray, shape (n, d)
        One panel per embedder.
    labels : ndarray of int, shape (n,)
    classes : sequence of str
    n_classes : int
        Number of classes shown, largest first; at most eight.
    seed : int
    """
    from sklearn.manifold import TSNE  # deferred: slow import

    counts = np.bincount(labels, minlength=len(classes))
    largest = np.sort(np.argsort(-counts, kind="stable")[: min(n_classes, (counts > 0).sum())])
    colours = dict(zip(largest.tolist(), _colours(len(largest)), strict=True))
    members = np.flatnonzero(np.isin(labels, largest))
    figure = Figure(figsize=(3.6 * len(vectors), 3.9), layout="constrained", dpi=100)
    for axis, (name, values) in zip(
        figure.subplots(1, len(vectors), squeeze=False)[0], vectors.items(), strict=True
    ):
        perplexity = min(30, (len(members) - 1) / 3)
        points = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(
            values[members]
        )
        for label, colour in colours.items():
            is_member = labels[members] == label
            axis.scatter(
                *points[is_member].T, s=6, color=colour, label=classes[label], linewidths=0
            )
        axis.set_title(name, fontsize=9, color=INK)
        axis.set_xticks([])
        axis.set_yticks([])
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=8,
        markerscale=2,
    )
    return figure


def _colours(count: int) -> Sequence[str]:
    if not 1 <= count <= len(SERIES):
        raise InputError(f"expected 1 to {len(SERIES)} series, got {count}")
    return SERIES[:count]


def _simplify(axis: Axes) -> None:
    """Show a light grid and hide the upper and right spines."""
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
