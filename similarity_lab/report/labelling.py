"""Label a site's images by hand in a notebook; the decision is updated without re-embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from similarity_lab.errors import ImageError, InputError, MissingExtraError
from similarity_lab.relevance import SiteRelevance, mark_values
from similarity_lab.relevance.decision import format_evidence
from similarity_lab.relevance.marks import Marks
from similarity_lab.relevance.tables import SiteResult, as_results
from similarity_lab.report.text import display_names, escape_invisible, shorten
from similarity_lab.report.thumbnails import inline_thumbnail

Order = Literal["value", "best", "random"]
ORDERS: tuple[Order, ...] = ("value", "best", "random")

_CHOICES = (("shows it", True), ("does not", False), ("no mark", None))
_KEYS: dict[str, bool | None] = {"y": True, "n": False, "u": None}
_HINT = "y shows it, n does not, u no mark, z undo, space next, b back"
_SIDE = 150  # pixels
_CARD = "16.9rem"
_BUTTON = "5rem"  # the longest text fits, with the padding of JupyterLab
_LINE = (
    "margin:0;font-size:12px;line-height:1.4;height:1.4em;white-space:nowrap;overflow:hidden;"
    "text-overflow:ellipsis"
)
_BADGE = (
    "position:absolute;left:3px;top:3px;background:#ffffff;color:#000000;padding:0 4px;"
    "font-size:12px;line-height:1.4;border-radius:3px"
)


def label(
    results: SiteRelevance | Sequence[SiteResult],
    *,
    file: str | PathLike[str] | None = None,
    order: Order = "value",
    per_page: int = 24,
    seed: int = 0,
) -> Labelling:
    """Return a notebook widget with three buttons per image: shows the target, does not, no mark.

    Keys work after a click into the field for keys. Nothing moves while images are marked.

    Parameters
    ----------
    results : SiteRelevance, or a sequence of decisions
        The sites of a sequence are shown one at a time; failures have no images and are ignored.
    file : path, optional
        Marks are loaded from this file if it exists, and saved to it after every click.
    order : {"value", "best", "random"}
        ``"value"``: sites and images on which a mark is expected to change the decision most come
        first, see `similarity_lab.relevance.mark_values`; a site is put in order when it is opened.
        ``"best"``: sites as given, images from the best match. ``"random"``: a random sample, which
        `similarity_lab.relevance.marked_share` needs.
    per_page : int
        Images shown at a time, at least 1.
    seed : int
        Seed of the random order.

    Returns
    -------
    Labelling
        Displayed as the last value of a notebook cell; `results` and `marks` hold the outcome.

    Raises
    ------
    MissingExtraError
        If ipywidgets is not installed.
    InputError
        If there is no decision to label, or for an invalid parameter.

    Examples
    --------
    >>> labelling = label(results, file="marks.json")             # doctest: +SKIP
    >>> labelling                                                  # doctest: +SKIP
    >>> labelling.results[0].decision                              # doctest: +SKIP
    'relevant'
    """
    all_results = [results] if isinstance(results, SiteRelevance) else as_results(results)
    decisions = [result for result in all_results if isinstance(result, SiteRelevance)]
    if not decisions:
        raise InputError(
            f"expected at least one decision to label, got {len(all_results)} failures"
        )
    if per_page < 1:
        raise InputError(f"per_page must be at least 1, got {per_page}")
    if order not in ORDERS:
        raise InputError(f"order is one of {', '.join(ORDERS)}; got {order!r}")
    path = None if file is None else Path(file)
    marks = Marks.load(path) if path is not None and path.exists() else Marks()
    return Labelling(decisions, marks, path, order, per_page, seed)


@dataclass(frozen=True)
class _Step:
    """A mark that was set, for undoing it."""

    site: int
    row: int
    previous: bool | None


class Labelling:
    """Decisions updated by manual marks, and the widget that sets them; see `label`.

    Attributes
    ----------
    marks : Marks
        Keyed by content hash. ``marks.as_library(library, target)`` is a library to fit on.
    widget : ipywidgets.Widget
    """

    def __init__(
        self,
        results: list[SiteRelevance],
        marks: Marks,
        file: Path | None,
        order: Order,
        per_page: int,
        seed: int,
    ) -> None:
        self.marks = marks
        self._unmarked = results
        self._file = file
        self._order = order
        self._per_page = per_page
        self._seed = seed
        self._results = list(results)
        self._stale = set(range(len(results)))  # indices whose marks are not applied yet
        self._steps: list[_Step] = []
        self._rows: list[int] = []  # of the site that is displayed, in the order displayed
        self._current_card = 0
        self._is_filling = False  # values are set by the program, not by a click
        self._is_typing = False  # what changes was caused by a key
        self.widget = self._build(_ipywidgets())

    @property
    def results(self) -> list[SiteRelevance]:
        """The decisions with all marks applied, in the order of the input."""
        return [self._marked(index) for index in range(len(self._unmarked))]

    @property
    def result(self) -> SiteRelevance:
        """The decision on the site that is displayed, with all marks applied."""
        return self._marked(self._site.value)

    def _marked(self, index: int) -> SiteRelevance:
        if index in self._stale:
            self._results[index] = self.marks.apply(self._unmarked[index])
            self._stale.discard(index)
        return self._results[index]

    def mark(self, row: int, shows: bool | None) -> None:
        """Mark an image of the displayed site.

        Parameters
        ----------
        row : int
            Row of ``result.images``.
        shows : bool or None
            Whether the image shows the target; None removes the mark.
        """
        site = self._site.value
        unmarked = self._unmarked[site]
        self._steps.append(_Step(site, row, self.marks.get(unmarked.sources[row], unmarked.target)))
        self._set_mark(site, row, shows)

    def undo(self) -> None:
        """Take back the latest mark, and show its image; nothing happens if there is none."""
        if not self._steps:
            return
        step = self._steps.pop()
        if step.site != self._site.value:
            self._site.value = step.site
        self._set_mark(step.site, step.row, step.previous)
        position = self._rows.index(step.row)
        self._page.value = position // self._per_page + 1
        self._select(position % self._per_page)
        self._fill()

    def press(self, key: str) -> None:
        """Do what a key stands for: y, n, u mark the selected image; z, space and b move."""
        key = key.lower()
        first = (self._page.value - 1) * self._per_page
        position = first + self._current_card
        if key in _KEYS and position < len(self._rows):
            toggle = self._toggles[self._current_card]
            if toggle.layout.visibility != "hidden":
                if toggle.value == _KEYS[key]:
                    self._go(position + 1)
                toggle.value = _KEYS[key]
        elif key == "z":
            self.undo()
        elif key in (" ", "b"):
            self._go(position + (1 if key == " " else -1))

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)

    def _set_mark(self, site: int, row: int, shows: bool | None) -> None:
        unmarked = self._unmarked[site]
        self.marks.set(unmarked.sources[row], unmarked.target, shows)
        # other sites may show the same image; they are updated when they are next displayed
        self._stale |= {
            index for index, result in enumerate(self._unmarked) if result.target == unmarked.target
        }
        if self._file is not None:
            self.marks.save(self._file)
        self._show_summary()

    # --- the widget -----------------------------------------------------------------------------

    def _build(self, widgets: ModuleType) -> object:
        self._site = widgets.Dropdown(options=self._site_options(), description="Site")
        self._page = widgets.BoundedIntText(
            min=1, max=1, description="Page", layout={"width": "10rem"}
        )
        self._keys = _key_field(widgets)
        undo = widgets.Button(description="Undo", layout={"width": "5rem"})
        undo.on_click(lambda _: self.undo())
        # fixed heights: a longer summary or another image moves nothing
        self._summary = widgets.HTML(layout={"height": "4.2rem", "overflow": "auto"})
        n_cards = min(self._per_page, max(result.n_scored for result in self._unmarked))
        self._views = [widgets.HTML(layout={"height": "12.9rem"}) for _ in range(n_cards)]
        self._toggles = [
            widgets.ToggleButtons(options=_CHOICES, value=None, style={"button_width": _BUTTON})
            for _ in range(n_cards)
        ]
        self._cards = [
            widgets.VBox(
                [view, toggle], layout={"width": _CARD, "margin": "4px", "border": _border(False)}
            )
            for view, toggle in zip(self._views, self._toggles, strict=True)
        ]
        for position, toggle in enumerate(self._toggles):
            toggle.observe(self._on_click(position), "value")
        self._grid = widgets.Box(self._cards, layout={"flex_flow": "row wrap"})
        self._site.observe(self._site_changed, "value")
        self._page.observe(self._page_changed, "value")
        self._keys.observe(self._on_keys, "value")
        self._site_changed()
        controls = [self._site, self._page, undo, self._keys, widgets.Label(_HINT)]
        line = widgets.HBox(controls, layout={"flex_flow": "row wrap"})
        return widgets.VBox([line, self._summary, self._grid])

    def _site_options(self) -> list[tuple[str, int]]:
        """Return the names of the sites and their indices; most valuable first by that order."""
        indices = list(range(len(self._unmarked)))
        if self._order == "value" and len(indices) > 1:
            best = [float(mark_values(self._marked(index)).max()) for index in indices]
            indices.sort(key=lambda index: -np.nan_to_num(best[index], nan=-1))
        return [
            (
                escape_invisible(
                    f"{number}. {shorten(self._unmarked[index].site, 60)}: "
                    f"{shorten(self._unmarked[index].target, 40)}"
                ),
                index,
            )
            for number, index in enumerate(indices, start=1)
        ]

    def _order_rows(self) -> list[int]:
        """Return the scored rows of the displayed site in the order in which they are shown."""
        unmarked = self._unmarked[self._site.value]
        best_first = unmarked.ranked().index.tolist()
        if self._order == "random":
            rng = np.random.default_rng(self._seed)
            return rng.permutation(sorted(best_first)).tolist()
        if self._order == "value":
            by_value = mark_values(self.result).index.tolist()
            return [*by_value, *(row for row in best_first if row not in set(by_value))]
        return best_first

    def _on_click(self, position: int) -> Callable[[Any], None]:
        def handle(change: dict[str, Any]) -> None:
            if not self._is_filling:
                first = (self._page.value - 1) * self._per_page
                self.mark(self._rows[first + position], change["new"])
                self._go(first + position + 1)
                self._clear_keys()

        return handle

    def _on_keys(self, change: dict[str, Any]) -> None:
        # Clearing the field now would race with the next key, which the browser adds to all of it.
        self._is_typing = True
        try:
            for key in _inserted(change["old"], change["new"]):
                self.press(key)
        finally:
            self._is_typing = False

    def _clear_keys(self) -> None:
        """Clear the field for keys after a click elsewhere."""
        if not self._is_typing:
            self._keys.value = ""

    def _site_changed(self, _change: object = None) -> None:
        self._rows = self._order_rows()
        self._page.max = max(1, -(-len(self._rows) // self._per_page))
        self._select(0)
        self._page.value = 1
        self._clear_keys()
        self._show_summary()
        self._fill()

    def _page_changed(self, _change: object = None) -> None:
        self._select(0)
        self._clear_keys()
        self._fill()

    def _go(self, position: int) -> None:
        """Select an image of the site by its position, turning pages as needed."""
        if not 0 <= position < len(self._rows):
            return
        page = position // self._per_page + 1
        if page != self._page.value:
            self._page.value = page
        self._select(position % self._per_page)

    def _select(self, position: int) -> None:
        self._cards[self._current_card].layout.border = _border(False)
        self._current_card = min(position, len(self._cards) - 1)
        self._cards[self._current_card].layout.border = _border(True)

    def _show_summary(self) -> None:
        before, now = self._unmarked[self._site.value], self.result
        n_marked = now.settings.n_marked
        change = f" (was {before.decision})" if before.decision != now.decision else ""
        summary = escape_invisible(shorten(now.summary(), 400))
        text = f"{summary}{change}; {n_marked} of {now.n_scored} marked by hand"
        self._summary.value = f"<b>{escape(text)}</b>"

    def _fill(self) -> None:
        """Show the images of the page in the cards, which stay where they are."""
        unmarked = self._unmarked[self._site.value]
        first = (self._page.value - 1) * self._per_page
        rows = self._rows[first : first + self._per_page]
        images = unmarked.images.loc[rows]
        names = display_names(unmarked.sources)
        evidence = format_evidence(images, unmarked.settings) if len(images) else []
        self._is_filling = True
        try:
            for position, card in enumerate(self._cards):
                is_used = position < len(rows)
                card.layout.visibility = "visible" if is_used else "hidden"
                if not is_used:
                    self._toggles[position].layout.visibility = "hidden"
                else:
                    words = str(images["words"].iloc[position])
                    self._fill_card(
                        position, rows[position], names[rows[position]], evidence[position], words
                    )
        finally:
            self._is_filling = False
        self._select(self._current_card)

    def _fill_card(self, position: int, row: int, name: str, evidence: str, words: str) -> None:
        unmarked = self._unmarked[self._site.value]
        view, toggle = self._views[position], self._toggles[position]
        source = unmarked.sources[row]
        lines = f'<p style="{_LINE}">{_text(name, 40)}</p><p style="{_LINE}">{_text(words, 80)}</p>'
        try:
            thumbnail = inline_thumbnail(source, _SIDE)
            shows = self.marks.get(source, unmarked.target)
        except ImageError as error:
            message = f"<p>{_text(error.reason, 160)}</p>"
            view.value = f'<div style="height:{_SIDE + 6}px;overflow:hidden">{message}</div>{lines}'
            toggle.layout.visibility = "hidden"
            return
        badge = f'<span style="{_BADGE}"><b>{_text(evidence, 20)}</b></span>' if evidence else ""
        view.value = (
            f'<div style="position:relative;height:{_SIDE + 6}px;overflow:hidden">'
            f'<img src="{thumbnail.url}" width="{thumbnail.width}" height="{thumbnail.height}" '
            f'alt="{_text(name, 40)}" style="margin:0">{badge}</div>{lines}'
        )
        toggle.layout.visibility = "visible"
        toggle.value = shows


def _key_field(widgets: ModuleType) -> Any:  # noqa: ANN401
    """Return a text field whose value only the browser sets.

    By default a kernel sends each value back, and the browser drops what was typed meanwhile.
    """
    from traitlets import Unicode

    value = Unicode("").tag(sync=True, echo_update=False)
    key_field = type("KeyField", (widgets.Text,), {"value": value})
    return key_field(placeholder="keys", continuous_update=True, layout={"width": "7rem"})


def _inserted(old: str, new: str) -> str:
    """Return what was typed into a text, wherever the cursor was; "" for deletions.

    >>> _inserted("yn", "yny"), _inserted("yn", "yun"), _inserted("yn", "y")
    ('y', 'u', '')
    """
    shorter = min(len(old), len(new))
    start = next((k for k in range(shorter) if old[k] != new[k]), shorter)
    rest = shorter - start
    end = next((k for k in range(rest) if old[-1 - k] != new[-1 - k]), rest)
    return new[start : len(new) - end]


def _border(is_current: bool) -> str:
    return f"3px solid {'#0072b2' if is_current else 'transparent'}"


def _text(text: str, length: int) -> str:
    """Return untrusted text for HTML."""
    return escape(escape_invisible(shorten(text, length)))


def _ipywidgets() -> ModuleType:
    try:
        import ipywidgets
    except ImportError:
        raise MissingExtraError("Labelling images", "ipywidgets", "notebooks") from None
    return ipywidgets
