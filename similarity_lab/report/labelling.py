"""Label a site's images by hand in a notebook; the decision is updated without re-embedding."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import cast

from similarity_lab.errors import ImageError, InputError, MissingExtraError
from similarity_lab.images.sources import Source
from similarity_lab.relevance import SiteRelevance
from similarity_lab.relevance.decision import format_evidence
from similarity_lab.relevance.marks import Marks
from similarity_lab.relevance.tables import SiteResult
from similarity_lab.report.text import display_names, escape_invisible, shorten
from similarity_lab.report.thumbnails import encode_thumbnail

_CHOICES = (("shows it", True), ("does not", False), ("undecided", None))
_SIDE = 150  # pixels


def label(
    results: SiteRelevance | Sequence[SiteResult],
    *,
    file: str | PathLike[str] | None = None,
    per_page: int = 24,
) -> Labelling:
    """Return a notebook widget with three buttons per image: shows the target, does not, undecided.

    Parameters
    ----------
    results : SiteRelevance, or a sequence of decisions
        The sites of a sequence are shown one at a time; failures have no images and are ignored.
    file : path, optional
        Marks are loaded from this file if it exists, and saved to it after every click.
    per_page : int
        Images shown at a time, at least 1.

    Returns
    -------
    Labelling
        Displayed as the last value of a notebook cell; `results` and `marks` hold the outcome.

    Raises
    ------
    MissingExtraError
        If ipywidgets is not installed.
    InputError
        If there is no decision to label.

    Examples
    --------
    >>> labelling = label(results, file="marks.json")             # doctest: +SKIP
    >>> labelling                                                  # doctest: +SKIP
    >>> labelling.results[0].decision                              # doctest: +SKIP
    'relevant'
    """
    all_results = [results] if isinstance(results, SiteRelevance) else list(results)
    decisions = [result for result in all_results if isinstance(result, SiteRelevance)]
    if not decisions:
        raise InputError(
            f"expected at least one decision to label, got {len(all_results)} failures"
        )
    if per_page < 1:
        raise InputError(f"per_page must be at least 1, got {per_page}")
    path = None if file is None else Path(file)
    marks = Marks.load(path) if path is not None and path.exists() else Marks()
    return Labelling(decisions, marks, path, per_page)


class Labelling:
    """Decisions updated by manual marks, and the widget that sets them; see `label`.

    Attributes
    ----------
    marks : Marks
        Keyed by content hash. ``marks.as_library(library, target)`` is a library to fit on.
    widget : ipywidgets.Widget
    """

    def __init__(
        self, results: list[SiteRelevance], marks: Marks, file: Path | None, per_page: int
    ) -> None:
        self.marks = marks
        self._unmarked = results
        self._file = file
        self._per_page = per_page
        self._results = list(results)
        self._stale = set(range(len(results)))  # indices whose marks are not applied yet
        self.widget = self._build(_ipywidgets())

    @property
    def results(self) -> list[SiteRelevance]:
        """The decisions with all marks applied, in the order of the input."""
        return [self._current(index) for index in range(len(self._unmarked))]

    @property
    def result(self) -> SiteRelevance:
        """The decision on the site that is displayed, with all marks applied."""
        return self._current(self._site.value)

    def _current(self, index: int) -> SiteRelevance:
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
        unmarked = self._unmarked[self._site.value]
        self.marks.set(unmarked.sources[row], unmarked.target, shows)
        # other sites may show the same image; they are updated when they are next displayed
        self._stale |= {
            index for index, result in enumerate(self._unmarked) if result.target == unmarked.target
        }
        if self._file is not None:
            self.marks.save(self._file)
        self._show_summary()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)

    def _build(self, widgets: ModuleType) -> object:
        names = [
            (
                escape_invisible(
                    f"{index + 1}. {shorten(result.site, 60)}: {shorten(result.target, 40)}"
                ),
                index,
            )
            for index, result in enumerate(self._unmarked)
        ]
        self._site = widgets.Dropdown(options=names, description="Site")
        self._page = widgets.BoundedIntText(min=1, max=1, description="Page")
        self._summary = widgets.HTML()
        self._grid = widgets.Box(layout={"flex_flow": "row wrap"})
        self._site.observe(self._site_changed, "value")
        self._page.observe(self._show_images, "value")
        self._site_changed()
        return widgets.VBox([widgets.HBox([self._site, self._page]), self._summary, self._grid])

    def _site_changed(self, _change: object = None) -> None:
        count = self._unmarked[self._site.value].n_scored
        self._page.max = -(-count // self._per_page)
        self._page.value = 1
        self._show_summary()
        self._show_images()

    def _show_summary(self) -> None:
        before, now = self._unmarked[self._site.value], self.result
        n_marked = now.settings.n_marked
        change = f" (was {before.decision})" if before.decision != now.decision else ""
        summary = escape_invisible(shorten(now.summary(), 400))
        text = f"{summary}{change}; {n_marked} marked by hand"
        self._summary.value = f"<b>{escape(text)}</b>"

    def _show_images(self, _change: object = None) -> None:
        unmarked = self._unmarked[self._site.value]
        first = (self._page.value - 1) * self._per_page
        rows = unmarked.ranked().iloc[first : first + self._per_page]
        captions = [
            ", ".join(filter(None, texts))
            for texts in zip(format_evidence(rows), rows["words"], strict=True)
        ]
        names = dict(zip(unmarked.images.index, display_names(unmarked.sources), strict=True))
        self._grid.children = tuple(
            self._image(
                _ipywidgets(), row, unmarked.sources[row], names[row], caption, unmarked.target
            )
            for row, caption in zip(rows.index.tolist(), captions, strict=True)
        )

    def _image(
        self, widgets: ModuleType, row: int, source: object, name: str, caption: str, target: str
    ) -> object:
        try:
            thumbnail = encode_thumbnail(cast(Source, source), _SIDE)
            shows = self.marks.get(cast(Source, source), target)
        except ImageError as error:
            message = escape_invisible(f"{shorten(name, 40)}: {shorten(error.reason)}")
            return widgets.VBox([widgets.Label(message)])
        image = widgets.Image(
            value=thumbnail.data, format="jpeg", width=thumbnail.width, height=thumbnail.height
        )
        buttons = widgets.ToggleButtons(
            options=_CHOICES, value=shows, style={"button_width": "4.6rem"}
        )
        buttons.observe(lambda change: self.mark(row, change["new"]), "value")
        labels = [widgets.Label(escape_invisible(shorten(text, 40))) for text in (name, caption)]
        return widgets.VBox([image, *labels, buttons], layout={"width": "16.5rem", "margin": "4px"})


def _ipywidgets() -> ModuleType:
    try:
        import ipywidgets
    except ImportError:
        raise MissingExtraError("Labelling images", "ipywidgets", "notebooks") from None
    return ipywidgets
