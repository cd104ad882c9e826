"""A decision as it shows itself in a notebook: no file, no script, of bounded size."""

from similarity_lab.errors import ImageError
from similarity_lab.relevance import SiteRelevance
from similarity_lab.report.rendering import environment
from similarity_lab.report.thumbnails import Thumbnail, inline
from similarity_lab.report.views import site_view

MAX_BYTES = 200_000  # of a gallery; notebooks keep every output
_FOR_WORDS = 60_000
_SIDE = 132  # pixels


def gallery(result: SiteRelevance, *, n: int = 8) -> str:
    """Return a decision and the images that decided it as HTML that stands by itself.

    Parameters
    ----------
    result : SiteRelevance
    n : int
        Images shown at most; fewer pictures where they would make it larger than `MAX_BYTES`.

    Returns
    -------
    str
        HTML of at most `MAX_BYTES` bytes, with the pictures in it; all foreign text escaped.
    """
    left = MAX_BYTES - _FOR_WORDS

    def picture_of(source: object) -> Thumbnail | ImageError:
        nonlocal left
        try:
            found = inline(source, _SIDE)
        except ImageError as error:
            return error
        left -= len(found.address)
        return found if left >= 0 else ImageError("", "left out, the notebook stays small")

    view = site_view(result, picture_of, n_deciding=n, only_deciding=True)
    template = environment().get_template("gallery.html")
    page = template.render(result=result, view=view)
    if len(page.encode()) > MAX_BYTES and n > 1:  # words of strangers may be long
        return gallery(result, n=n // 2)
    return page
