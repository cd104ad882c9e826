"""Charts: how distances spread, how a training went, how well a network separates."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from sklearn.manifold import TSNE

from similarity_lab.errors import InputError
from similarity_lab.evaluation import PairDistances
from similarity_lab.plots.colours import INK, SERIES


def distance_histogram(
    distances: Mapping[str, npt.ArrayLike],
    *,
    threshold: float | None = None,
    label: str = "cosine distance (smaller = more alike)",
    bins: int = 60,
) -> Figure:
    """Show how groups of distances spread, each group scaled to the same area.

    Parameters
    ----------
    distances : mapping of str to array
        A name and its distances; at most eight groups.
    threshold : float, optional
        Drawn as a line.
    label : str
        What the distance is.
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
        named = f"{name} ({values.size:,})"
        axis.hist(values, edges, histtype="step", linewidth=1.5, label=named, **style)
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
    """Show one or more curves.

    Parameters
    ----------
    series : mapping of str to (x, y)
        At most eight.
    x_label, y_label : str
    log_x : bool
        On a logarithmic scale, with a tick at each value.
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
    _open(axis)
    axis.legend(frameon=False, fontsize=9)
    return figure


def training_curves(history: pd.DataFrame, *, best_epoch: int | None = None) -> Figure:
    """Show loss, and verification AUC on the photos trained on and on validation photos.

    Parameters
    ----------
    history : DataFrame
        ``epoch, loss, train_auc, val_auc``, as of `similarity_lab.siamese.TrainingRun`.
    best_epoch : int, optional
        Marked by a line.
    """
    figure = Figure(figsize=(9, 3), layout="constrained", dpi=100)
    of_loss, of_auc = figure.subplots(1, 2)
    of_loss.plot(history["epoch"], history["loss"], color=SERIES[0], marker="o", markersize=3)
    of_loss.set_ylabel("loss")
    for name, label, colour in (
        ("train_auc", "photos trained on", SERIES[4]),
        ("val_auc", "validation photos", SERIES[0]),
    ):
        of_auc.plot(
            history["epoch"], history[name], color=colour, marker="o", markersize=3, label=label
        )
    of_auc.axhline(0.5, color=INK, linewidth=0.8, linestyle=":", label="chance")
    if best_epoch is not None:
        of_auc.axvline(best_epoch, color=INK, linestyle="--", label=f"best, epoch {best_epoch}")
    of_auc.set_ylabel("verification AUC")
    of_auc.legend(frameon=False, fontsize=9)
    for axis in (of_loss, of_auc):
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        _open(axis)
    return figure


def roc_curves(pairs: Mapping[str, PairDistances]) -> Figure:
    """Show verification as ROC curves, with the area under each.

    Parameters
    ----------
    pairs : mapping of str to PairDistances
        At most eight.
    """
    figure = Figure(figsize=(5.2, 4.6), layout="constrained", dpi=100)
    axis = figure.subplots()
    for (name, measured), colour in zip(pairs.items(), _colours(len(pairs)), strict=True):
        curve = measured.roc()
        label = f"{name}: {measured.auc:.3f}"
        axis.plot(curve["false_accepts"], curve["true_accepts"], color=colour, label=label)
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    axis.set_xlabel("different pairs accepted")
    axis.set_ylabel("same pairs accepted")
    axis.set_aspect("equal")
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    _open(axis)
    return figure


def embedding_map(
    vectors: Mapping[str, npt.NDArray[np.float32]],
    labels: npt.NDArray[np.integer],
    classes: Sequence[str],
    *,
    n_classes: int = 8,
    seed: int = 0,
) -> Figure:
    """Show vectors of several embedders as points in the plane, one colour per class.

    Laid out by t-SNE (L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008):
    neighbours stay neighbours, distances between groups mean nothing.

    Parameters
    ----------
    vectors : mapping of str to ndarray, shape (n, d)
        One panel each.
    labels : integers, shape (n,)
    classes : sequence of str
    n_classes : int
        Only the classes with most photos are shown, at most eight.
    seed : int
    """
    counts = np.bincount(labels, minlength=len(classes))
    shown = np.sort(np.argsort(-counts, kind="stable")[: min(n_classes, (counts > 0).sum())])
    colours = dict(zip(shown.tolist(), _colours(len(shown)), strict=True))
    chosen = np.flatnonzero(np.isin(labels, shown))
    figure = Figure(figsize=(3.6 * len(vectors), 3.9), layout="constrained", dpi=100)
    for axis, (name, values) in zip(
        figure.subplots(1, len(vectors), squeeze=False)[0], vectors.items(), strict=True
    ):
        perplexity = min(30, (len(chosen) - 1) / 3)
        points = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(
            values[chosen]
        )
        for label, colour in colours.items():
            at = labels[chosen] == label
            axis.scatter(*points[at].T, s=6, color=colour, label=classes[label], linewidths=0)
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
        raise InputError(f"expected one to {len(SERIES)} series, got {count}")
    return SERIES[:count]


def _open(axis: Axes) -> None:
    """Take away what a chart does not need."""
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
