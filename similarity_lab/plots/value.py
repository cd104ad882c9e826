"""Value against cost: a chart with one labelled point per approach."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import PercentFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox

from similarity_lab.errors import InputError
from similarity_lab.plots.colours import INK, MATCH
from similarity_lab.plots.figures import axes_for, short

_OTHERS = "#8a8a8a"
_ROUNDING = 1e-9  # by which an interval may miss its value
_LABEL_OFFSETS = tuple(  # positions of a label beside its point, best first: (x, ha), (y, va)
    product(
        ((8, "left"), (-8, "right"), (0, "center")),
        (
            (0, "center"),
            *((d * y, va) for y in (9, 22, 35) for d, va in ((1, "bottom"), (-1, "top"))),
        ),
    )
)


def trade_off(
    table: pd.DataFrame,
    *,
    recommended: str,
    x_label: str,
    y_label: str,
    chance: float | None = None,
    hollow: Collection[str] = (),
    hollow_label: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Return a chart of value against cost (logarithmic), one labelled point per row.

    Parameters
    ----------
    table : DataFrame
        Indexed by name; columns ``cost`` (above 0), ``value`` (fraction, 0…1), ``low`` and ``high``
        (interval of the value).
    recommended : str
        The highlighted row.
    x_label, y_label : str
    chance : float, optional
        Value at chance level, drawn as a line.
    hollow : collection of str, optional
        Rows that are not directly comparable with the others, drawn as rings.
    hollow_label : str
        Explains the rings in the legend.
    ax : matplotlib Axes, optional
        Default: a new figure.

    Raises
    ------
    InputError
        For a table without these columns or without `recommended`, with two rows of one name, a
        cost of 0 or less, or a value outside its interval.

    Examples
    --------
    >>> rows = {"a": [1.0, 0.9, 0.8, 0.95], "b": [10.0, 0.6, 0.5, 0.7]}
    >>> table = pd.DataFrame.from_dict(rows, "index", columns=["cost", "value", "low", "high"])
    >>> trade_off(table, recommended="a", x_label="ms", y_label="accuracy").axes[0].get_xscale()
    'log'
    """
    missing = [name for name in ("cost", "value", "low", "high") if name not in table]
    missing += [] if recommended in table.index else [f"the row {recommended!r}"]
    if missing:
        raise InputError(
            "expected columns cost, value, low and high and the recommended row; missing: "
            f"{', '.join(missing)}"
        )
    if not table.index.is_unique:
        repeated = table.index[table.index.duplicated()][0]
        raise InputError(f"two rows have the name {repeated!r}; expected a name for each point")
    if not (table["cost"] > 0).all():
        raise InputError("costs must be above 0 for a logarithmic scale")
    errors = np.diff(table[["low", "value", "high"]].to_numpy(float), axis=1)
    is_interval = (errors >= -_ROUNDING).all(axis=1)  # not so for NaN
    if not is_interval.all():
        raise InputError(
            f"{table.index[int(np.argmin(is_interval))]!r}: expected low <= value <= high, all of "
            "them numbers"
        )
    figure, axis = axes_for(ax, (9, 5.2))
    for (name, row), error in zip(table.iterrows(), errors.clip(0), strict=True):
        ring: dict[str, Any] = {"markerfacecolor": "white"} if name in hollow else {}
        axis.errorbar(
            row["cost"], row["value"], yerr=error[:, None], fmt="o", linewidth=1.2,
            color=MATCH if name == recommended else _OTHERS, **ring,
        )  # fmt: skip
    if hollow_label:
        axis.plot([], [], "o", color=_OTHERS, markerfacecolor="white", label=hollow_label)
        axis.legend(frameon=False, fontsize=9, loc="lower right")
    if chance is not None:
        axis.axhline(chance, color=INK, linewidth=0.8, linestyle=":")
        axis.text(
            0.01, chance, "chance", transform=axis.get_yaxis_transform(), va="bottom",
            fontsize=8, color=INK,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.margins(x=0.16, y=0.08)
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    axis.grid(alpha=0.2)
    axis.spines[["top", "right"]].set_visible(False)
    _label(figure, axis, table, recommended, is_own=ax is None)
    return figure


def _label(
    figure: Figure, axis: Axes, table: pd.DataFrame, recommended: str, *, is_own: bool
) -> None:
    """Label each point where the label overlaps neither points nor other labels."""
    previous = figure.canvas
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # computes the layout, which gives the positions
    figure.set_canvas(previous)
    if is_own:
        figure.set_layout_engine("none")
    points = axis.transData.transform(table[["cost", "value"]].to_numpy(float))
    occupied = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    inside = axis.get_window_extent()

    renderer = canvas.get_renderer()

    def box_of(text: Annotation) -> Bbox:
        text.update_positions(renderer)
        return Text.get_window_extent(text, renderer)  # without the line to the point

    def overlap(text: Annotation) -> int:
        box = box_of(text)
        outside = box.x0 < inside.x0 or box.x1 > inside.x1
        return 3 * outside + sum(box.overlaps(occupied_box) for occupied_box in occupied)

    first = table.index == recommended
    for name, row in pd.concat([table[first], table[~first]]).iterrows():
        point = (row["cost"], row["value"])
        is_recommended = name == recommended
        candidates = [
            axis.annotate(
                short(name), point, (x, y), textcoords="offset points", ha=ha, va=va, fontsize=9,
                parse_math=False,
                color=MATCH if is_recommended else INK,
                fontweight="bold" if is_recommended else "normal",
                arrowprops={"arrowstyle": "-", "color": _OTHERS, "linewidth": 0.5} if y else None,
            )
            for (x, ha), (y, va) in _LABEL_OFFSETS
        ]  # fmt: skip
        best = min(candidates, key=overlap)
        occupied.append(box_of(best))
        for text in candidates:
            if text is not best:
                text.remove()
