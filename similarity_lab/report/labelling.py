"""Mark a site's images in a notebook, and see the decision change; nothing is embedded again."""

from collections.abc import Sequence
from html import escape
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import cast

from similarity_lab.errors import ImageError, InputError, MissingExtraError
from similarity_lab.images.sources import Source
from similarity_lab.relevance import SiteFailure, SiteRelevance
from similarity_lab.relevance.marks import Marks
from similarity_lab.report.text import clip, shown_paths, visible
from similarity_lab.report.thumbnails import encoded

_CHOICES = (("shows it", True), ("does not", False), ("undecided", None))
_SIDE = 150  # pixels


def label(
    results: SiteRelevance | Sequence[SiteRelevance | SiteFailure],
    *,
    file: str | PathLike[str] | None = None,
    per_page: int = 24,
) -> "Labelling":
    """Show images with three buttons each: shows the target, does not, undecided.

    Parameters
    ----------
    results : SiteRelevance, or a sequence of decisions
        Of a sequence one site is shown at a time; failures have no images and are left out.
    file : path, optional
        Marks are read from here if it exists, and kept here from then on, click by click.
    per_page : int

    Returns
    -------
    Labelling
        Shows itself as a notebook cell's last value; `results` and `marks` have what came of it.

    Raises
    ------
    ImportError
        Without ipywidgets; the message says how to install it.
    ValueError
        If there is no decision to mark.

    Examples
    --------
    >>> labelling = label(results, file="marks.json")             # doctest: +SKIP
    >>> labelling                                                  # doctest: +SKIP
    >>> labelling.results[0].decision                              # doctest: +SKIP
    'relevant'
    """
    listed = [results] if isinstance(results, SiteRelevance) else list(results)
    decided = [result for result in listed if isinstance(result, SiteRelevance)]
    if not decided:
        raise InputError(f"expected at least one decision to mark, got {len(listed)} failures")
    if per_page < 1:
        raise InputError(f"per_page must be at least 1, got {per_page}")
    path = None if file is None else Path(file)
    marks = Marks.load(path) if path is not None and path.exists() else Marks()
    return Labelling(decided, marks, path, per_page)


class Labelling:
    """Decisions under marks, and the widget to make them; see `label`.

    Attributes
    ----------
    marks : Marks
        Kept by content. ``marks.as_library(library, target)`` is a library to fit on.
    widget : ipywidgets.Widget
    """

    def __init__(
        self, results: list[SiteRelevance], marks: Marks, file: Path | None, per_page: int
    ) -> None:
        self.marks = marks
        self._given = results
        self._file = file
        self._per_page = per_page
        self._results = list(results)
        self._stale = set(range(len(results)))  # where the marks are yet to be laid over
        self.widget = self._built(_ipywidgets())

    @property
    def results(self) -> list[SiteRelevance]:
        """The decisions with the marks in them, in the order given."""
        return [self._current(at) for at in range(len(self._given))]

    @property
    def result(self) -> SiteRelevance:
        """The decision that is shown."""
        return self._current(self._site.value)

    def _current(self, at: int) -> SiteRelevance:
        if at in self._stale:
            self._results[at] = self.marks.apply(self._given[at])
            self._stale.discard(at)
        return self._results[at]

    def mark(self, row: int, shows: bool | None) -> None:
        """Mark an image of the site that is shown; None takes the mark away.

        Parameters
        ----------
        row : int
            Of ``result.images``.
        shows : bool or None
        """
        given = self._given[self._site.value]
        self.marks.set(cast(Source, given.images.loc[row, "path"]), given.target, shows)
        # another site may show the picture too; it is decided anew when it is looked at
        self._stale |= {
            at for at, result in enumerate(self._given) if result.target == given.target
        }
        if self._file is not None:
            self.marks.save(self._file)
        self._show_summary()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)

    def _built(self, widgets: ModuleType) -> object:
        names = [
            (visible(f"{at + 1}. {clip(result.site, 60)}: {clip(result.target, 40)}"), at)
            for at, result in enumerate(self._given)
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
        count = self._given[self._site.value].n_scored
        self._page.max = -(-count // self._per_page)
        self._page.value = 1
        self._show_summary()
        self._show_images()

    def _show_summary(self) -> None:
        before, now = self._given[self._site.value], self.result
        marked = now.settings.n_marked
        changed = f" (was {before.decision})" if before.decision != now.decision else ""
        text = f"{visible(clip(now.summary(), 400))}{changed}; {marked} marked by hand"
        self._summary.value = f"<b>{escape(text)}</b>"

    def _show_images(self, _change: object = None) -> None:
        given = self._given[self._site.value]
        first = (self._page.value - 1) * self._per_page
        rows = given.ranked().iloc[first : first + self._per_page]
        names = dict(zip(given.images.index, shown_paths(given.images["path"]), strict=True))
        self._grid.children = tuple(
            self._image(_ipywidgets(), row, source, names[row], given.target)
            for row, source in rows["path"].items()
        )

    def _image(
        self, widgets: ModuleType, row: int, source: object, name: str, target: str
    ) -> object:
        try:
            data, size = encoded(cast(Source, source), _SIDE)
            shows = self.marks.get(cast(Source, source), target)
        except ImageError as error:
            return widgets.VBox([widgets.Label(visible(f"{clip(name, 40)}: {clip(error.reason)}"))])
        picture = widgets.Image(value=data, format="jpeg", width=size[0], height=size[1])
        buttons = widgets.ToggleButtons(
            options=_CHOICES, value=shows, style={"button_width": "4.6rem"}
        )
        buttons.observe(lambda change: self.mark(row, change["new"]), "value")
        words = widgets.Label(visible(clip(name, 40)))
        return widgets.VBox([picture, words, buttons], layout={"width": "16.5rem", "margin": "4px"})


def _ipywidgets() -> ModuleType:
    try:
        import ipywidgets
    except ImportError:
        raise MissingExtraError(
            'marking images needs ipywidgets: pip install "similarity_lab[notebooks]"'
        ) from None
    return ipywidgets
