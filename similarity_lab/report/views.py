"""What a page shows of a decision: plain values, ready for a template."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from similarity_lab.errors import ImageError
from similarity_lab.relevance import SiteRelevance
from similarity_lab.relevance.decision import evidence
from similarity_lab.report.text import shown_paths
from similarity_lab.report.thumbnails import Thumbnail

PictureOf = Callable[[object], Thumbnail | ImageError]


@dataclass(frozen=True)
class ImageView:
    """One image of a site, as a page shows it.

    Attributes
    ----------
    name : str
    picture : Thumbnail or ImageError
    status, reason : str
        As in the table of images.
    evidence : str
        Probability or distance, to be read; empty for an image that does not count.
    is_match : bool
    influence : float or None
        By how much it moves the log-odds of "relevant".
    confusable : str
        The other product that it is most like, if known.
    reference : str
        Name of the nearest reference; empty if there is none.
    reference_picture : Thumbnail, ImageError or None
    reference_distance : float
    origin : dict of str to str
        Those of address, page, alt and time that are known.
    """

    name: str
    picture: Thumbnail | ImageError
    status: str
    reason: str
    evidence: str
    is_match: bool
    influence: float | None
    confusable: str
    reference: str
    reference_picture: Thumbnail | ImageError | None
    reference_distance: float
    origin: dict[str, str]


@dataclass(frozen=True)
class SiteView:
    """The images of a decision in the order in which a page shows them.

    Attributes
    ----------
    deciding, others, not_counted : list of ImageView
        Those that moved the decision most; the other scored ones, likeliest first; those that were
        repeated or left out.
    skipped : list of (name, reason)
        What could not be read.
    """

    deciding: list[ImageView]
    others: list[ImageView]
    not_counted: list[ImageView]
    skipped: list[tuple[str, str]]


def sources_of(result: SiteRelevance) -> list[object]:
    """Return every picture that a page of this decision shows: its images, nearest references."""
    seen = result.images[result.images["status"] != "skipped"]
    nearest = [name for name in seen["nearest_reference"].unique() if isinstance(name, str)]
    return [*seen["path"], *nearest]


def site_view(
    result: SiteRelevance,
    picture_of: PictureOf,
    *,
    n_deciding: int = 6,
    only_deciding: bool = False,
) -> SiteView:
    """Return what a page shows of the images.

    Parameters
    ----------
    result : SiteRelevance
    picture_of : callable
        From an image or the name of a reference to its thumbnail, or the error that says why not.
    n_deciding : int
    only_deciding : bool
        Leave the other lists empty, and their pictures alone.
    """
    names = dict(zip(result.images.index, shown_paths(result.images["path"]), strict=True))
    first = result.deciding(n_deciding)
    if only_deciding:
        return SiteView(_images(first, result, names, picture_of), [], [], [])
    ranked = result.ranked()
    status = result.images["status"]
    set_aside = result.images[status.isin(["repeated", "left out"])]
    unread = [(str(row.path), str(row.reason)) for row in result.skipped.itertuples()]
    return SiteView(
        deciding=_images(first, result, names, picture_of),
        others=_images(ranked.drop(first.index), result, names, picture_of),
        not_counted=_images(set_aside, result, names, picture_of),
        skipped=[
            (name, reason)
            for name, (_, reason) in zip(
                shown_paths([path for path, _ in unread]), unread, strict=True
            )
        ],
    )


def _images(
    rows: pd.DataFrame, result: SiteRelevance, names: dict[int, str], picture_of: PictureOf
) -> list[ImageView]:
    scored = rows["status"] == "scored"
    shown = dict(zip(rows.index[scored].tolist(), evidence(rows[scored]), strict=True))
    views = []
    moved = rows["influence"].astype(float).tolist()
    for at, row, influence in zip(rows.index.tolist(), rows.itertuples(), moved, strict=True):
        reference = row.nearest_reference if isinstance(row.nearest_reference, str) else ""
        views.append(
            ImageView(
                name=names[at],
                picture=picture_of(row.path),
                status=str(row.status),
                reason=str(row.reason),
                evidence=shown.get(at, "")
                .removesuffix("-inf")
                .removesuffix("inf"),  # marked by hand
                is_match=bool(row.is_match),
                influence=None if np.isnan(influence) else influence,
                confusable=row.confusable if isinstance(row.confusable, str) else "",
                reference="/".join(reference.replace("\\", "/").split("/")[-2:]),
                reference_picture=picture_of(reference) if reference else None,
                reference_distance=float(str(row.nearest_distance)),
                origin=_origin(result.origins, at),
            )
        )
    return views


def _origin(origins: pd.DataFrame | None, at: int) -> dict[str, str]:
    if origins is None:
        return {}
    row = origins.iloc[at]
    known = {name: row.get(name) for name in ("address", "page", "alt", "time")}
    return {name: str(value) for name, value in known.items() if pd.notna(value) and value != ""}
