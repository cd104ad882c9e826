"""Catalogues, style sheets and scripts: what names images beside the pages of a site."""

from collections import deque
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from similarity_lab.web.html.catalogues import CatalogueRequest
from similarity_lab.web.html.images import FoundImage, script_images, style_sheet_images
from similarity_lab.web.html.literals import data_files, folders
from similarity_lab.web.html.markup import absolute_url, css_imports

_MAX_RESOURCES = 40  # style sheets and scripts of a site


@dataclass(frozen=True)
class Resource:
    """A document to request that is not a page.

    Attributes
    ----------
    kind : str
        ``"catalogue"``, ``"style sheet"`` or ``"script"`` (also of JSON for one).
    url, page : str
        Its URL, and that of the first page that loads it.
    request : CatalogueRequest or None
        What is asked, if it is a catalogue.
    folders : tuple of str
        Folders that the script which names this file puts before names.
    """

    kind: str
    url: str
    page: str
    request: CatalogueRequest | None = None
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What a style sheet or script names: images, and further resources."""

    images: list[FoundImage]
    resources: list[Resource] = field(default_factory=list)
    folders: tuple[str, ...] = ()


class ResourceQueue:
    """The resources that are known, each once and up to a limit; catalogues come first."""

    def __init__(self) -> None:
        self.n_left = 0  # beyond the limit
        self._known: set[str] = set()
        self._catalogues: deque[Resource] = deque()
        self._others: deque[Resource] = deque()

    def add(self, resource: Resource) -> None:
        """Add a resource unless it is known."""
        if resource.url in self._known:
            return
        self._known.add(resource.url)
        if resource.kind == "catalogue":
            self._catalogues.append(resource)
        elif len(self._known) > _MAX_RESOURCES:
            self.n_left += 1
        else:
            self._others.append(resource)

    def next_url(self, *, catalogues: bool) -> str:
        """Return the URL of the next catalogue or other resource, or ``""``."""
        queue = self._catalogues if catalogues else self._others
        return queue[0].url if queue else ""

    def pop(self, *, catalogues: bool) -> Resource:
        """Return the next catalogue or other resource, and forget it."""
        return (self._catalogues if catalogues else self._others).popleft()


def read_resource(resource: Resource, body: bytes, url: str) -> Contents:
    """Return what a style sheet or script names; `url` is where it was found at last."""
    if resource.kind == "style sheet":
        sheets = [
            Resource("style sheet", absolute_url(url, link), resource.page)
            for link in css_imports(body.decode("utf-8", "replace"))
        ]
        return Contents(style_sheet_images(body, url), [sheet for sheet in sheets if sheet.url])
    text = body.decode("utf-8", "replace")
    names = (*resource.folders, *folders(text))
    files = [
        Resource("script", absolute_url(resource.page, name), resource.page, folders=names)
        for name in data_files(text)
    ]
    images = script_images(text, url, resource.page, names)
    return Contents(images, [file for file in files if file.url], names)


def in_folder(image: FoundImage, page: str, names: tuple[str, ...]) -> FoundImage | None:
    """Return an image that data of a page names without a folder, in the folder of a script.

    Examples
    --------
    >>> image = FoundImage("https://a.b/shop/nuts.jpg", "json", source="script")
    >>> in_folder(image, "https://a.b/shop/", ("img/",)).url
    'https://a.b/shop/img/nuts.jpg'
    """
    path, _, name = urlsplit(image.url).path.rpartition("/")
    is_name = path == urlsplit(page).path.rpartition("/")[0]
    if not names or not is_name or image.source != "script":
        return None
    url = absolute_url(absolute_url(page, names[0]), name)
    return replace(image, url=url, fallbacks=(image.url, *image.fallbacks)) if url else None
