"""Sheets of images: the classes of a dataset, the images of a decision, nearest neighbours."""

from __future__ import annotations

import textwrap
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from similarity_lab.datasets import ImageDataset
from similarity_lab.images import Pixels, read_image
from similarity_lab.images.sources import Source
from similarity_lab.plots.colours import INK, MATCH, NO_MATCH
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


def contact_sheet(dataset: ImageDataset, *, per_class: int = 8, seed: int = 0) -> Figure:
    """Return a sheet with a random sample of the images of every class, one row per class.

    Parameters
    ----------
    dataset : ImageDataset
    per_class : int
        Maximum number of images per class.
    seed : int
        Seed of the sample.
    """
    rng = np.random.default_rng(seed)
    rows, names = [], []
    sources = dataset.sources
    for label, name in enumerate(dataset.classes):
        members = np.flatnonzero(dataset.labels == label)
        sample = np.sort(rng.permutation(members)[:per_class])
        rows.append([sources[index] for index in sample])
        names.append(f"{name}\n{len(members)} images")
    figure, axes = _grid(len(rows), per_class, left=1.5)
    for line, name, row in zip(axes, names, rows, strict=True):
        for axis, source in zip(line, row, strict=False):
            _show(axis, source)
        line[0].set_axis_on()
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=INK)
    return figure


def site_sheet(result: SiteRelevance, *, columns: int = 8, n_images: int = 40) -> Figure:
    """Return a sheet of a site's scored images with their evidence, best first.

    Frames and labels say whether an image is a match; where the site has words, together with what
    its texts name, which is written into the image.

    Parameters
    ----------
    result : SiteRelevance
    columns : int
    n_images : int
        Maximum number of images.
    """
    ranked = result.ranked().head(n_images)
    count = -(-len(ranked) // columns)
    figure, axes = _grid(count, columns, top=0.55)
    for axis, row, text in zip(
        axes.ravel(), ranked.itertuples(), format_evidence(ranked), strict=False
    ):
        colour = _match_colour(row)
        _show(axis, result.sources[cast(int, row.Index)], colour)
        label = "match" if row.is_match_with_words else "no match"
        axis.set_title(f"{text} {label}".lstrip(), fontsize=8, color=colour, pad=3)
        if row.word_kind:
            axis.text(
                0.5, 0.04, _NAMED[str(row.word_kind)], transform=axis.transAxes, ha="center",
                va="bottom", fontsize=7, color=INK, bbox=_LABEL_BOX,
            )  # fmt: skip
    is_complete = len(ranked) == result.n_scored
    note = "" if is_complete else f"; first {n_images} of {result.n_scored} images"
    figure.suptitle(_wrapped(result.summary() + note, columns), fontsize=9, color=INK)
    return figure


def reference_neighbours(result: SiteRelevance, *, n_images: int = 6) -> Figure:
    """Return a sheet of a site's images, each above its nearest reference image.

    Parameters
    ----------
    result : SiteRelevance
    n_images : int
        Maximum number of images, spread evenly from the best to the worst.
    """
    ranked = result.ranked()
    rows = np.unique(np.linspace(0, len(ranked) - 1, n_images).round().astype(int))
    sample = ranked.iloc[rows]
    figure, axes = _grid(2, len(sample), left=1.0, top=0.35)
    for column, row in enumerate(sample.itertuples()):
        colour = _match_colour(row)
        _show(axes[0, column], result.sources[cast(int, row.Index)], colour)
        _show(axes[1, column], row.nearest_reference)
        axes[0, column].set_title(f"{row.nearest_distance:.3f}", fontsize=9, color=colour, pad=3)
    for axis, name in zip(axes[:, 0], ("site image", "nearest\nreference"), strict=True):
        axis.set_axis_on()
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=INK)
    figure.suptitle("distance to the nearest reference", fontsize=9, color=INK)
    return figure


def neighbour_sheet(
    queries: ImageDataset, neighbours: pd.DataFrame, indexed: ImageDataset, *, n_queries: int = 6
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
    """
    query_indices = neighbours["query"].unique()[:n_queries]
    figure, axes = _grid(len(query_indices), 1 + int(neighbours["rank"].max()), left=1.2, top=0.2)
    query_sources, indexed_sources = queries.sources, indexed.sources
    for line, query in zip(axes, query_indices, strict=True):
        name = queries.classes[queries.labels[query]]
        _show(line[0], query_sources[query])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=INK)
        ranked = neighbours[neighbours["query"] == query]
        for axis, row in zip(line[1:], ranked.itertuples(), strict=False):
            colour = MATCH if row.label == name else NO_MATCH
            _show(axis, indexed_sources[cast(int, row.position)], colour)
            other_class = "" if row.label == name else f" {row.label}"
            axis.set_title(f"{row.distance:.3f}{other_class}", fontsize=7, color=colour, pad=3)
    return figure


def _grid(
    rows: int, columns: int, *, left: float = 0.1, top: float = 0.1
) -> tuple[Figure, npt.NDArray[Any]]:
    """Return a figure with a grid of axes; `left` and `top` are margins for labels, in inches."""
    width, height = left + 0.95 * columns + 0.1, top + 1.12 * rows + 0.1
    figure = Figure(figsize=(width, height), dpi=100)
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
    return figure, axes


def _show(axis: Axes, source: object, frame: str | None = None) -> None:
    axis.set_axis_on()
    axis.imshow(_thumbnail(cast(Source, source)))
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
    return "\n".join(textwrap.wrap(text, 14 * columns))
