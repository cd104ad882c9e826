"""Sheets of images: the classes of a dataset, the images of a decision, nearest neighbours."""

from __future__ import annotations

import textwrap
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from similarity_lab._numbers import format_count
from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import ImageError, InputError, check_type
from similarity_lab.images import Pixels, read_image
from similarity_lab.images.sources import Source
from similarity_lab.plots.colours import INK, MATCH, NO_MATCH
from similarity_lab.plots.figures import Chart, axes_for, plain, root_figure, short, simplify
from similarity_lab.relevance import SiteRelevance
from similarity_lab.relevance.decision import format_evidence

_THUMBNAIL = 112  # pixels
_NAMED = {
    "target": "named",
    "target and other": "named with others",
    "ambiguous": "may be named",
    "other form": "other named",
    "other": "other named",
}
_LABEL_BOX = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5}
_MARGIN_LETTERS = 18  # of a class beside its row
_DECISION = "the decision on a site, as decide returns it"


def contact_sheet(
    dataset: ImageDataset, *, per_class: int = 8, seed: int = 0, ax: Axes | None = None
) -> Figure:
    """Return a sheet with a random sample of the images of every class, one row per class.

    Parameters
    ----------
    dataset : ImageDataset
    per_class : int
        Maximum number of images per class.
    seed : int
        Seed of the sample.
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    check_type(dataset, ImageDataset, "a dataset, as load_dataset returns it")
    _check_count("per_class", per_class)
    if not len(dataset):
        raise InputError("nothing to draw: the dataset has no image")
    rng = np.random.default_rng(seed)
    rows, names, empty = [], [], []
    sources = dataset.sources
    for label, name in enumerate(dataset.classes):
        members = np.flatnonzero(dataset.labels == label)
        if not members.size:
            empty.append(name)
            continue
        sample = np.sort(rng.permutation(members)[:per_class])
        rows.append([sources[index] for index in sample])
        images = format_count(len(members), "image")
        names.append(f"{_folded(name)}\n{images}")
    columns = max(map(len, rows))
    note = _wrapped(f"without images: {', '.join(empty)}", columns + 1) if empty else ""
    top = 0.2 + 0.18 * (note.count("\n") + 1) if note else 0.1
    figure, axes, scale = _grid(len(rows), columns, left=1.5, top=top, ax=ax)
    for line, name, row in zip(axes, names, rows, strict=True):
        for axis, source in zip(line, row, strict=False):
            _show(axis, source)
        _name_row(line[0], name, scale)
    if note:
        _title(figure, note, ax)
    return figure


def site_sheet(
    result: SiteRelevance, *, columns: int = 8, n_images: int = 40, ax: Axes | None = None
) -> Figure:
    """Return a sheet of a site's scored images with their evidence, best first.

    Frames and labels say whether an image is a match; where the site has words, together with what
    its texts name, which is written into the image.

    Parameters
    ----------
    result : SiteRelevance
    columns : int
    n_images : int
        Maximum number of images.
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    check_type(result, SiteRelevance, _DECISION)
    _check_count("columns", columns)
    _check_count("n_images", n_images)
    ranked = result.ranked().head(n_images)
    columns = min(columns, max(4, len(ranked)))
    note = f"; first {n_images} of {result.n_scored} images"
    is_complete = len(ranked) == result.n_scored
    title = _wrapped(result.summary() + ("" if is_complete else note), columns)
    top = 0.2 + 0.18 * (title.count("\n") + 1)
    figure, axes, scale = _grid(-(-len(ranked) // columns), columns, top=top, ax=ax)
    for axis, row, text in zip(
        axes.ravel(), ranked.itertuples(), format_evidence(ranked, result.settings), strict=False
    ):
        colour = _match_colour(row)
        _show(axis, result.sources[cast(int, row.Index)], colour)
        label = "match" if row.is_match_with_words else "no match"
        axis.set_title(f"{text} {label}".lstrip(), fontsize=8 * scale, color=colour, pad=3)
        if row.word_kind:
            axis.text(
                0.5, 0.04, _NAMED[str(row.word_kind)], transform=axis.transAxes, ha="center",
                va="bottom", fontsize=7 * scale, color=INK, bbox=_LABEL_BOX,
            )  # fmt: skip
    _title(figure, title, ax)
    return figure


def evidence_strip(result: SiteRelevance, *, n_images: int = 10, ax: Axes | None = None) -> Figure:
    """Return the evidence of a site at a glance: its best images above the values of all.

    One bar per scored image, best first: the probability that it shows the target (learned rule) or
    its distance (mean-distance rule). A dashed line is the similarity threshold. The images above
    are those of the first bars.

    Parameters
    ----------
    result : SiteRelevance
    n_images : int
        Number of images shown.
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    check_type(result, SiteRelevance, _DECISION)
    _check_count("n_images", n_images)
    ranked = result.ranked()
    best = ranked.head(n_images)
    wide = 8 if ax is None else max(2, int(_width(ax)))
    title = _wrapped(result.summary(), wide)
    figure, host = axes_for(ax, (8.4, 2.7 + 0.16 * title.count("\n")))
    host.set_axis_off()
    bars = host.inset_axes((0, 0, 1, 0.56))
    has_probability = bool(ranked["probability"].notna().all())
    values = ranked["probability" if has_probability else "distance"].to_numpy(float)
    finite = values[np.isfinite(values)]
    largest = float(finite.max()) if finite.size else 1.0
    heights = np.clip(np.nan_to_num(values, nan=0, posinf=largest, neginf=0), 0, None)
    colours = [_match_colour(row) for row in ranked.itertuples()]
    bars.bar(np.arange(len(values)), heights, width=0.85, color=colours)
    threshold = result.settings.similarity_threshold
    bars.axhline(threshold, color=INK, linestyle="--", linewidth=0.8)
    bars.set_ylim(0, 1 if has_probability else 1.1 * max(largest, threshold))
    bars.set_xlim(-0.6, max(len(values), n_images) - 0.4)
    bars.set_xticks([])
    bars.set_xlabel(f"{format_count(len(values), 'image')}, best first", fontsize=9)
    bars.set_ylabel("probability" if has_probability else "distance", fontsize=9)
    bars.tick_params(labelsize=8)
    simplify(bars)
    for position, row in enumerate(best.itertuples()):
        tile = host.inset_axes((position / n_images, 0.6, 0.96 / n_images, 0.4))
        _show(tile, result.sources[cast(int, row.Index)], _match_colour(row))
        tile.set_anchor("S")
    plain(host.set_title(title, fontsize=9, color=INK, loc="left"))
    return figure


def reference_neighbours(
    result: SiteRelevance, *, n_images: int = 6, ax: Axes | None = None
) -> Figure:
    """Return a sheet of a site's images, each above its nearest reference image.

    Parameters
    ----------
    result : SiteRelevance
    n_images : int
        Maximum number of images, spread evenly from the best to the worst.
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    check_type(result, SiteRelevance, _DECISION)
    _check_count("n_images", n_images)
    ranked = result.ranked()
    if not ranked["nearest_reference"].notna().all():
        raise InputError("nothing to draw: names are the only references of this decision")
    rows = np.unique(np.linspace(0, len(ranked) - 1, n_images).round().astype(int))
    sample = ranked.iloc[rows]
    figure, axes, scale = _grid(2, len(sample), left=1.0, top=0.35, ax=ax)
    for column, row in enumerate(sample.itertuples()):
        colour = _match_colour(row)
        _show(axes[0, column], result.sources[cast(int, row.Index)], colour)
        _show(axes[1, column], row.nearest_reference)
        axes[0, column].set_title(
            f"{row.nearest_distance:.3f}", fontsize=9 * scale, color=colour, pad=3
        )
    for axis, name in zip(axes[:, 0], ("site image", "nearest\nreference"), strict=True):
        _name_row(axis, name, scale)
    _title(figure, "distance to the nearest reference", ax)
    return figure


def neighbour_sheet(
    queries: ImageDataset,
    neighbours: pd.DataFrame,
    indexed: ImageDataset,
    *,
    n_queries: int = 6,
    ax: Axes | None = None,
) -> Figure:
    """Return a sheet of queries, each with its nearest images and their distances.

    The colour of the frame shows whether a neighbour belongs to the query's class; other classes
    are named.

    Parameters
    ----------
    queries : ImageDataset
    neighbours : DataFrame
        ``query, rank, label, distance, position``, as `MetricLearner.lookup` returns for
        ``queries.sources``.
    indexed : ImageDataset
        The images of the index, in that order.
    n_queries : int
        Maximum number of queries, the first ones of the table.
    ax : matplotlib Axes, optional
        Default: a new figure.
    """
    for dataset in (queries, indexed):
        check_type(dataset, ImageDataset, "a dataset, as load_dataset returns it")
    check_type(neighbours, pd.DataFrame, "a table, as MetricLearner.lookup returns it")
    _check_count("n_queries", n_queries)
    if not len(neighbours):
        raise InputError("nothing to draw: the table of neighbours is empty")
    query_indices = neighbours["query"].unique()[:n_queries]
    columns = 1 + int(neighbours["rank"].max())
    figure, axes, scale = _grid(len(query_indices), columns, left=1.2, top=0.2, ax=ax)
    query_sources, indexed_sources = queries.sources, indexed.sources
    for line, query in zip(axes, query_indices, strict=True):
        name = queries.classes[queries.labels[query]]
        _show(line[0], query_sources[query])
        _name_row(line[0], _folded(name), scale)
        ranked = neighbours[neighbours["query"] == query]
        for axis, row in zip(line[1:], ranked.itertuples(), strict=False):
            colour = MATCH if row.label == name else NO_MATCH
            _show(axis, indexed_sources[cast(int, row.position)], colour)
            other_class = "" if row.label == name else f" {short(row.label, 12)}"
            text = f"{row.distance:.3f}{other_class}"
            plain(axis.set_title(text, fontsize=7 * scale, color=colour, pad=3))
    return figure


def _grid(
    rows: int, columns: int, *, left: float = 0.1, top: float = 0.1, ax: Axes | None = None
) -> tuple[Figure, npt.NDArray[Any], float]:
    """Return a grid of axes, in a new figure or inside `ax`, and the scale of its texts.

    `left` and `top` are margins for labels, in inches of a new figure.
    """
    width, height = left + 0.95 * columns + 0.1, top + 1.12 * rows + 0.1
    if ax is not None:
        figure = root_figure(ax)
        ax.set_axis_off()
        x, w = left / width, 0.95 / width
        h = 1.12 / height
        inside = [
            [
                ax.inset_axes((x + column * w, (rows - 1 - row) * h, 0.92 * w, 0.78 * h))
                for column in range(columns)
            ]
            for row in range(rows)
        ]
        axes = np.array(inside, object)
        size = ax.get_window_extent()
        scale = min(1, size.width / figure.dpi / width, size.height / figure.dpi / height)
    else:
        figure, scale = Chart(figsize=(width, height), dpi=100), 1.0
        axes = figure.subplots(rows, columns, squeeze=False)
        figure.subplots_adjust(
            left=left / width,
            right=1 - 0.1 / width,
            top=1 - (top + 0.15) / height,
            bottom=0.05 / height,
            wspace=0.08,
            hspace=0.28,
        )
    for axis in axes.ravel():
        axis.set_axis_off()
    return figure, axes, max(scale, 0.4)


def _title(figure: Figure, text: str, ax: Axes | None) -> None:
    if ax is None:
        plain(figure.suptitle(text, fontsize=9, color=INK))
    else:
        letters = int(13 * _width(ax))
        lines = textwrap.wrap(" ".join(text.split()), max(20, letters))
        plain(ax.set_title("\n".join(lines), fontsize=8, color=INK))


def _width(ax: Axes) -> float:
    """Return the width of axes in inches."""
    figure = root_figure(ax)
    return float(ax.get_window_extent().width / figure.dpi)


def _name_row(axis: Axes, name: str, scale: float) -> None:
    """Write a name to the left of the first image of a row."""
    axis.set_axis_on()
    axis.set_xticks([])
    axis.set_yticks([])
    label = axis.set_ylabel(
        name, rotation=0, ha="right", va="center", fontsize=9 * scale, color=INK
    )
    plain(label)
    if not axis.images:
        axis.spines[:].set_visible(False)


def _folded(name: str) -> str:
    """Return a name in at most three short lines."""
    folded = textwrap.wrap(short(name, 3 * _MARGIN_LETTERS), _MARGIN_LETTERS)
    return "\n".join(folded[:3])


def _show(axis: Axes, source: object, frame: str | None = None) -> None:
    axis.set_axis_on()
    try:
        axis.imshow(_thumbnail(cast(Source, source)))
    except ImageError as error:  # the file is gone since: the rest is still worth seeing
        axis.imshow(np.full((_THUMBNAIL, _THUMBNAIL, 3), 235, np.uint8))
        reason = "\n".join(textwrap.wrap(short(error.reason, 45), 15))
        plain(axis.text(0.5, 0.5, reason, transform=axis.transAxes, ha="center", va="center",
                        fontsize=6, color=INK))  # fmt: skip
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(frame is not None)
        spine.set_color(frame or INK)
        spine.set_linewidth(2.5)


def _thumbnail(source: Source) -> Pixels:
    """Return the image scaled to fit a white square, aspect ratio preserved."""
    pixels = read_image(source)
    scale = _THUMBNAIL / max(pixels.shape[:2])
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    square = np.full((_THUMBNAIL, _THUMBNAIL, 3), 255, np.uint8)
    top, left = (_THUMBNAIL - height) // 2, (_THUMBNAIL - width) // 2
    square[top : top + height, left : left + width] = read_image(pixels, size=(height, width))
    return square


def _match_colour(row: Any) -> str:  # noqa: ANN401
    return MATCH if row.is_match_with_words else NO_MATCH


def _wrapped(text: str, columns: int) -> str:
    return "\n".join(textwrap.wrap(short(text, 400), 14 * columns))


def _check_count(name: str, value: int) -> None:
    if value < 1:
        raise InputError(f"{name} must be at least 1, got {value}")
