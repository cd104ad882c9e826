"""Notebook view of a decision: self-contained HTML of limited size."""

from __future__ import annotations

from similarity_lab._views import register_view
from similarity_lab.errors import ImageError, check_type
from similarity_lab.relevance import SiteRelevance
from similarity_lab.report.thumbnails import Thumbnail, inline_thumbnail
from similarity_lab.report.views import Surroundings, deciding_views, environment

MAX_BYTES = 200_000  # per gallery; notebooks store every output
_TEXT_BYTES = 60_000  # reserved for everything but the thumbnails
_SIDE = 132  # pixels


@register_view
def render_gallery(result: SiteRelevance, *, n_images: int = 8) -> str:
    """Return a decision and the images that decided as self-contained HTML.

    Parameters
    ----------
    result : SiteRelevance
    n_images : int
        Maximum number of images; fewer thumbnails if the HTML would exceed `MAX_BYTES`.

    Returns
    -------
    str
        At most `MAX_BYTES` bytes of HTML with embedded thumbnails and without scripts; all
        untrusted text is escaped.
    """
    check_type(result, SiteRelevance, "the decision on a site, as decide returns it")
    remaining = MAX_BYTES - _TEXT_BYTES

    def thumbnail_of(source: object) -> Thumbnail | ImageError:
        nonlocal remaining
        try:
            thumbnail = inline_thumbnail(source, _SIDE)
        except ImageError as error:
            return error
        remaining -= len(thumbnail.url)
        if remaining < 0:
            return ImageError("", "omitted to limit the size of the notebook")
        return thumbnail

    around = Surroundings(thumbnail_of)
    images = deciding_views(result, around, n=n_images, n_closest=n_images)
    html = environment().get_template("gallery.html").render(result=result, images=images)
    if len(html.encode()) > MAX_BYTES and n_images > 1:  # untrusted text may be long
        return render_gallery(result, n_images=n_images // 2)
    return html
