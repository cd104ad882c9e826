"""Charts: distance histograms, curves, training history, embedding maps."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from similarity_lab.errors import InputError, check_type
from similarity_lab.plots.colours import INK, SERIES
from similarity_lab.plots.figures import (
    MANY,
    ROW,
    axes_for,
    finite,
    legend,
    legend_below,
    legend_height,
    line_styles,
    panels_for,
    plain,
    point_styles,
    roomy_legend,
    short,
    simplify,
)
from similarity_lab.store import Vectors

_OTHERS = "#cccccc"
# A legend of two columns below the label of the x axis
_BELOW = {"fontsize": 8, "ncols": 2, "loc": "upper center", "bbox_to_anchor": (0.5, -0.2)}
_MOST_TICKS = 12  # at values, on a logarithmic axis


def distance_histogram(
    distances: Mapping[str, npt.ArrayLike],
    *,
    threshold: float | None = None,
    label: str = "cosine distance (smaller = more alike)",
    bins: int = 60,
    ax: Axes | None = None,
) -> Figure:
    """Return a histogram of groups of distances, each group normalised to the same area.

    Parameters
    ----------
    distances : mapping of str to array
        Distances by name of the group; values that are not finite are left out, and counted.
    threshold : float, optional
        Drawn as a vertical line.
    label : str
        Label of the x axis.
    bins : int
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    check_type(distances, Mapping, "a mapping from name to distances")
    styles = line_styles(len(distances))
    groups = {name: finite(values, repr(name)) for name, values in distances.items()}
    figure, axis = axes_for(ax, (7, 3.2))
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), bins).tolist()
    labels: list[str] = []
    handles: list[Artist] = []
    for (name, values), style in zip(groups.items(), styles, strict=True):
        axis.hist(values, edges, density=True, color=style["color"], alpha=0.25)
        heights, _ = np.histogram(values, edges, density=True)
        outline = axis.stairs(heights, edges, linewidth=1.5, **style)
        n_lost = np.size(distances[name]) - values.size
        labels.append(f"{short(name)} ({values.size:,}{f', {n_lost:,} not finite' * (n_lost > 0)})")
        handles.append(outline)
    if threshold is not None:
        handles.append(axis.axvline(threshold, color=INK, linestyle="--"))
        labels.append(f"threshold {threshold:.3g}")
    axis.set_xlabel(label)
    axis.set_ylabel("density")
    axis.spines[["top", "right"]].set_visible(False)
    roomy_legend(figure, axis, labels, handles, is_own=ax is None, fontsize=9 if ax is None else 8)
    return figure


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Return a line chart of one or more curves.

    Parameters
    ----------
    series : mapping of str to (x, y)
        A value that is not finite is a gap in its curve.
    x_label, y_label : str
    log_x : bool
        Use a logarithmic x axis, with a tick at each value if these are few.
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    check_type(series, Mapping, "a mapping from name to (x, y)")
    styles = line_styles(len(series))
    points = {name: _points(name, pair, log_x=log_x) for name, pair in series.items()}
    figure, axis = axes_for(ax, (7, 3.2))
    handles = [
        axis.plot(x, y, marker="o", markersize=3, linewidth=1.5, **style)[0]
        for (x, y), style in zip(points.values(), styles, strict=True)
    ]
    if log_x:
        axis.set_xscale("log")
        values = np.unique(np.concatenate([x[np.isfinite(x)] for x, _ in points.values()]))
        if len(values) <= _MOST_TICKS:
            axis.set_xticks(values)
            axis.minorticks_off()
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    simplify(axis)
    roomy_legend(
        figure, axis, list(series), handles, is_own=ax is None, fontsize=9 if ax is None else 8
    )
    return figure


def _points(
    name: str, pair: object, *, log_x: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the x and y of a curve as arrays of one length, or raise `InputError`."""
    try:
        x, y = (np.asarray(values, np.float64).ravel() for values in cast(Any, pair))
    except (TypeError, ValueError):
        raise InputError(
            f"{name!r}: expected two sequences of numbers (x, y), got {pair!r:.60}"
        ) from None
    if len(x) != len(y):
        raise InputError(f"{name!r}: expected as many x as y, got {len(x)} and {len(y)}")
    if not (np.isfinite(x) & np.isfinite(y)).any():
        raise InputError(f"nothing to draw: {name!r} has no finite point")
    if log_x and (x <= 0).any():
        raise InputError(f"{name!r}: x must be above 0 on a logarithmic axis, got {x.min():g}")
    return x, y


def training_curves(
    history: pd.DataFrame, *, best_epoch: int | None = None, ax: Axes | None = None
) -> Figure:
    """Return how loss and measures change with the epochs of a training.

    Parameters
    ----------
    history : DataFrame
        A row per epoch: ``epoch`` (otherwise the index), columns with "loss" in their name, and
        others (measures), such as `similarity_lab.siamese.TrainingRun.history` and
        `MetricLearner.history_`. An epoch without a value is a gap; ``seconds`` are not drawn.
    best_epoch : int, optional
        Drawn as a vertical line.
    ax : matplotlib Axes, optional
        Default: a new figure.

    Examples
    --------
    >>> history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3, 2, 1], "val_auc": [0.5, 0.7, 0.8]})
    >>> figure = training_curves(history, best_epoch=3)
    >>> [axis.get_ylabel() for axis in figure.axes]
    ['loss', 'val auc']
    """
    check_type(history, pd.DataFrame, "a table with a row per epoch")
    epochs = history["epoch"] if "epoch" in history else pd.Series(history.index)
    numbers = history.drop(columns=["epoch", "seconds"], errors="ignore").select_dtypes("number")
    losses = [name for name in numbers if "loss" in str(name)]
    measures = [name for name in numbers if "loss" not in str(name)]
    groups = [names for names in (losses, measures) if names]
    if not groups or not len(history):
        raise InputError(
            "nothing to draw: expected a row per epoch and a column of numbers, got "
            f"{len(history)} rows and the columns {', '.join(map(str, history.columns)) or 'none'}"
        )
    if not np.isfinite(numbers.to_numpy(float)).any():
        raise InputError(f"nothing to draw: no value of {', '.join(map(str, numbers))} is finite")
    most = max(map(len, groups)) + 2  # and two lines: chance, the best epoch
    below = ROW * -(-most // 2) if most > MANY else 0
    figure, axes = panels_for(ax, len(groups), (4.5 * len(groups), 3 + below), bottom=below)
    for axis, names in zip(axes, groups, strict=True):
        is_auc = any("auc" in str(name) for name in names)
        labels, handles = [], []
        for name, style in zip(names, line_styles(len(names)), strict=True):
            colour = SERIES[4] if str(name).startswith("train") else style["color"]
            values = numbers[name].to_numpy(float)
            handles += axis.plot(epochs, values, color=colour, marker="o", markersize=3)
            labels.append(_readable(name))
        axis.set_ylabel(labels[0] if len(names) == 1 else _common_name(names))
        if is_auc:
            handles.append(axis.axhline(0.5, color=INK, linewidth=0.8, linestyle=":"))
            labels.append("chance")
        if best_epoch is not None:
            handles.append(axis.axvline(best_epoch, color=INK, linestyle="--"))
            labels.append(f"best, epoch {best_epoch}")
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlim(float(epochs.min()) - 0.5, float(epochs.max()) + 0.5)
        simplify(axis)
        if len(handles) > MANY:
            legend(axis, labels, handles, **_BELOW)
        elif len(handles) > 1:
            legend(axis, labels, handles, fontsize=8)
    return figure


def embedding_map(
    vectors: Vectors | Mapping[str, Vectors],
    labels: npt.ArrayLike,
    classes: Sequence[str] | None = None,
    *,
    n_classes: int | None = None,
    seed: int = 0,
    ax: Axes | None = None,
) -> Figure:
    """Return 2-D t-SNE maps of the vectors of one or several embedders, a colour per class.

    t-SNE preserves neighbourhoods; distances between groups have no meaning (L. van der Maaten,
    G. Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008). Vectors with two dimensions are drawn
    as they are.

    Parameters
    ----------
    vectors : ndarray, shape (n, d), or mapping of str to ndarray
        Of any embedder; a mapping has one panel per embedder. Images with a value that is not
        finite are left out, and counted in the title.
    labels : array, shape (n,)
        Indices of `classes`, or names.
    classes : sequence of str, optional
        Names of the labels.
    n_classes : int, optional
        Number of classes with a colour, largest first; the others are grey. Default: all.
    seed : int
    ax : matplotlib Axes, optional
        Default: a new figure, high enough for the legend.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> figure = embedding_map(rng.normal(size=(30, 8)), np.repeat(["almonds", "dates"], 15))
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['almonds (15)', 'dates (15)']
    """
    panels = dict(vectors) if isinstance(vectors, Mapping) else {"": vectors}
    codes, names = _classes_of(labels, classes)
    for name, values in panels.items():
        if np.ndim(values) != 2 or len(values) != len(codes):
            raise InputError(
                f"expected vectors (n, d) and labels (n,), got {np.shape(values)}"
                f"{f' for {name!r}' if name else ''} and {codes.shape}"
            )
    if not panels or not len(codes):
        raise InputError("nothing to draw: there are no vectors")
    if n_classes is not None and n_classes < 1:
        raise InputError(f"n_classes must be at least 1, got {n_classes}")
    counts = np.bincount(codes, minlength=len(names))
    shown = np.argsort(-counts, kind="stable")[: min(n_classes or len(names), (counts > 0).sum())]
    styles = dict(zip(np.sort(shown).tolist(), point_styles(len(shown)), strict=True))
    entries = [f"{short(names[code], 32)} ({counts[code]:,})" for code in styles]
    n_others = int((counts > 0).sum()) - len(styles)
    if n_others:
        entries.append(f"{n_others} other classes" if n_others > 1 else "1 other class")
    below = 0.0 if ax is None else legend_height(ax, entries)
    size = (max(4.2, 3.6 * len(panels)), 3.7)
    figure, axes = panels_for(ax, len(panels), size, bottom=below)
    for axis, (name, panel) in zip(axes, panels.items(), strict=True):
        points = np.array(panel, np.float64)
        is_finite = np.isfinite(points).all(1)
        if not is_finite.any():
            raise InputError("nothing to draw: no vector has finite values only")
        flat, own = _flattened(points[is_finite], seed), codes[is_finite]
        is_other = ~np.isin(own, shown)
        area = float(np.clip(2000 / len(flat), 6, 36))
        x, y = flat.T
        axis.scatter(x[is_other], y[is_other], s=area, color=_OTHERS, linewidths=0)
        for code, style in styles.items():
            is_own = own == code
            axis.scatter(x[is_own], y[is_own], s=area, linewidths=0, **style)
        lost = f"{len(points) - len(flat):,} not finite" if not is_finite.all() else ""
        title = ", ".join(filter(None, (short(name), lost)))
        plain(axis.set_title(title, fontsize=9, color=INK))
        axis.set_xticks([])
        axis.set_yticks([])
    handles = [axes[0].scatter([], [], s=16, linewidths=0, **style) for style in styles.values()]
    if n_others:
        handles.append(axes[0].scatter([], [], s=16, color=_OTHERS, linewidths=0))
    legend_below(figure, axes[0] if ax is None else ax, entries, handles, is_own=ax is None)
    return figure


def _classes_of(
    labels: npt.ArrayLike, classes: Sequence[str] | None
) -> tuple[npt.NDArray[np.int64], list[str]]:
    values = np.asarray(labels)
    if values.ndim != 1:
        raise InputError(f"expected labels (n,), got {values.shape}")
    if classes is None:
        texts = np.where(pd.isna(values), "no label", values.astype(str))
        names, codes = np.unique(texts, return_inverse=True)
        return codes.astype(np.int64), names.tolist()
    if values.dtype.kind in "US" or values.dtype == object:
        index = {name: code for code, name in enumerate(classes)}
        unknown = sorted(set(values.tolist()) - set(index))
        if unknown:
            raise InputError(f"labels has {unknown[0]!r}, which is not in classes")
        return np.array([index[name] for name in values], np.int64), list(classes)
    if values.size and not (values.min() >= 0 and values.max() < len(classes)):
        raise InputError(
            f"labels are indices of the {len(classes)} classes, got {values.min()} to "
            f"{values.max()}"
        )
    return values.astype(np.int64), list(classes)


def _flattened(values: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """Return points in the plane, shape (n, 2)."""
    if values.shape[1] == 2:
        return values
    if len(values) < 5 or values.shape[1] == 1 or not np.ptp(values, axis=0).any():
        points = np.zeros((len(values), 2))  # too few for neighbourhoods: main directions
        left, sizes, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
        count = min(2, len(sizes))
        points[:, :count] = (left * sizes)[:, :count]
        return points
    from sklearn.manifold import TSNE  # deferred: slow import

    perplexity = min(30, (len(values) - 1) / 3)
    points = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(values)
    return np.asarray(points, np.float64)


def _readable(name: Hashable) -> str:
    return str(name).replace("_", " ")


def _common_name(names: Sequence[Hashable]) -> str:
    for word, name in (("auc", "verification AUC"), ("loss", "loss")):
        if all(word in str(each) for each in names):
            return name
    return "on validation images" if all(str(each).startswith("val") for each in names) else ""
