"""Figures that belong to the caller: axes to draw on, styles of series, legends, plain text."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import cycle, islice, product
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from similarity_lab.errors import InputError, InputTypeError
from similarity_lab.plots.colours import SERIES

MAX_LABEL = 40  # characters of a name in a legend or a title
_LINES = ("-", "--", ":", "-.")
_MARKERS = "os^DvPX*"
ROW = 0.2  # inches, of a legend
_LETTER = 0.085  # inches, of a legend
_GAP = 0.75  # inches between panels inside axes, for the ticks of the second one
_WIDEST = 9.0  # inches, to which a figure grows for its legend
# Fonts that systems have for scripts that matplotlib's own font lacks
_OTHER_SCRIPTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Source Han Sans",
    "WenQuanYi Zen Hei", "Hiragino Sans", "PingFang SC", "Yu Gothic", "Microsoft YaHei",
    "Malgun Gothic", "Arial Unicode MS", "Noto Sans Devanagari", "Nirmala UI",
    "Kohinoor Devanagari", "Noto Sans Thai", "Noto Sans Bengali", "Noto Emoji", "Segoe UI Emoji",
)  # fmt: skip
MANY, _LONG = 6, 32  # entries and letters of an entry for which there is room inside axes


class Chart(Figure):
    """A figure that a notebook displays as the last line of a cell, without any setting.

    ``%matplotlib inline`` and its formats apply where they are active. Nothing is registered with
    IPython or pyplot.
    """

    def _repr_png_(self) -> bytes | None:
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython else None
        formatters = shell.display_formatter.formatters.values() if shell else ()
        if any(Figure in formatter.type_printers for formatter in formatters):
            return None  # matplotlib's own display, in the format that the user has chosen
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", bbox_inches="tight")
        return buffer.getvalue()


def axes_for(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Return a figure and its axes: a new figure of a size in inches, or that of `ax`."""
    if ax is None:
        figure = Chart(figsize=size, layout="constrained", dpi=100)
        return figure, figure.subplots()
    return root_figure(ax), ax


def panels_for(
    ax: Axes | None, count: int, size: tuple[float, float], *, bottom: float = 0
) -> tuple[Figure, list[Axes]]:
    """Return axes side by side: of a new figure, or inside `ax`, above `bottom` inches."""
    if ax is None:
        own = Chart(figsize=size, layout="constrained", dpi=100)
        return own, list(own.subplots(1, count, squeeze=False)[0])
    figure = root_figure(ax)
    ax.set_axis_off()
    gap = min(0.3, _GAP / _width(ax))
    width = (1 - gap * (count - 1)) / count
    low = min(0.6, bottom / _height(ax))
    boxes = [(index * (width + gap), low, width, 1 - low) for index in range(count)]
    return figure, [ax.inset_axes(box) for box in boxes]


def root_figure(ax: Axes) -> Figure:
    """Return the figure that contains `ax`, or raise `InputTypeError` if it is not axes."""
    if not isinstance(ax, Axes):
        raise InputTypeError(
            f"ax must be matplotlib axes, got {type(ax).__name__}; of several axes pass one"
        )
    return cast(Figure, ax.get_figure(root=True))


def line_styles(count: int) -> list[dict[str, Any]]:
    """Return a colour and a kind of line for each of any number of curves."""
    if count < 1:
        raise InputError("nothing to draw: expected at least one series, got none")
    combined = ({"color": colour, "linestyle": line} for line, colour in product(_LINES, SERIES))
    return list(islice(cycle(combined), count))


def point_styles(count: int) -> list[dict[str, Any]]:
    """Return a colour and a marker for each of any number of classes."""
    combined = ({"color": colour, "marker": marker} for marker, colour in product(_MARKERS, SERIES))
    return list(islice(cycle(combined), count))


def short(name: object, length: int = MAX_LABEL) -> str:
    """Return a name in one line, with an ellipsis in the middle of a long one."""
    text = " ".join(str(name).split())
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"


def plain(text: Text) -> Text:
    """Keep a text as it is: a dollar starts no formula, and any script has letters if installed."""
    text.set_parse_math(False)
    if not text.get_text().isascii():
        text.set_fontfamily([*text.get_fontfamily(), *_fonts_of_other_scripts()])
    return text


@lru_cache(maxsize=1)
def _fonts_of_other_scripts() -> tuple[str, ...]:
    installed = set(font_manager.get_font_names())
    return tuple(name for name in _OTHER_SCRIPTS if name in installed)


def legend(axis: Axes, labels: Sequence[str], handles: Sequence[Artist], **options: Any) -> None:  # noqa: ANN401
    """Add a legend inside the axes; a name may begin with an underscore or contain a dollar."""
    entries = [f"entry {index}" for index in range(len(labels))]
    options = {"frameon": False, "fontsize": 9, **options}
    _name(axis.legend(list(handles), entries, **options).get_texts(), labels)


def roomy_legend(
    figure: Figure,
    axis: Axes,
    labels: Sequence[str],
    handles: Sequence[Artist],
    *,
    is_own: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Add a legend inside the axes for a few entries, otherwise below if the figure is our own."""
    is_large = len(labels) > MANY or max(len(short(label)) for label in labels) > _LONG
    if is_large and is_own:
        legend_below(figure, axis, labels, handles, is_own=True)
    else:
        legend(axis, labels, handles, **options)


def legend_below(
    figure: Figure, axis: Axes, labels: Sequence[str], handles: Sequence[Artist], *, is_own: bool
) -> None:
    """Add a legend below: the figure grows by its height if it is our own, so that none is cut.

    Otherwise it stands at the bottom of `axis`, where `legend_height` has been left free.
    """
    labels = [short(label) for label in labels]
    widest = _entry_width(labels)
    if is_own:  # wider for many entries, which would make a tall column
        width = max(figure.get_size_inches()[0], min(_WIDEST, -(-len(labels) // 8) * widest))
    else:
        width = _width(axis)
    columns = _legend_columns(labels, width)
    entries = [f"entry {index}" for index in range(len(labels))]
    options: dict[str, Any] = {
        "ncols": columns, "frameon": False, "fontsize": 8, "markerscale": 1.6,
        "columnspacing": 1.2, "handletextpad": 0.3,
    }  # fmt: skip
    if is_own:
        rows = -(-len(labels) // columns)
        height = figure.get_size_inches()[1]
        figure.set_size_inches(max(width, widest), height + ROW * rows)
        texts = figure.legend(list(handles), entries, loc="outside lower center", **options)
    else:
        texts = axis.legend(
            list(handles),
            entries,
            loc="lower center",
            bbox_to_anchor=(0.5, 0),
            borderaxespad=0,
            **options,
        )
    _name(texts.get_texts(), labels)


def legend_height(ax: Axes, labels: Sequence[str]) -> float:
    """Return the inches that `legend_below` takes of axes that are not our own."""
    shortened = [short(label) for label in labels]
    return ROW * -(-len(labels) // _legend_columns(shortened, _width(ax)))


def _legend_columns(labels: Sequence[str], width: float) -> int:
    return int(max(1, min(len(labels), width // _entry_width(labels))))


def _entry_width(labels: Sequence[str]) -> float:
    return 0.4 + _LETTER * max(map(len, labels), default=1)


def _width(axis: Axes) -> float:
    dpi = root_figure(axis).dpi
    return float(axis.get_window_extent().width / dpi)


def _height(axis: Axes) -> float:
    dpi = root_figure(axis).dpi
    return float(axis.get_window_extent().height / dpi)


def _name(texts: Sequence[Text], labels: Sequence[str]) -> None:
    # set afterwards: matplotlib leaves out labels that begin with an underscore
    for text, label in zip(texts, labels, strict=True):
        text.set_text(short(label))
        plain(text)


def simplify(axis: Axes) -> None:
    """Show a light grid and hide the upper and right spines."""
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def finite(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    """Return the finite values of a series; `InputError` if it has none, or no numbers."""
    try:
        array = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected numbers, got {values!r:.60}") from None
    array = array[np.isfinite(array)]
    if not array.size:
        raise InputError(f"nothing to draw: {name} has no finite value")
    return array
