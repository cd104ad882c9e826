"""Render decisions: plain values for the templates, and the Jinja environment that escapes them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import exp

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from similarity_lab.errors import ImageError
from similarity_lab.relevance import DecisionSettings, SiteRelevance
from similarity_lab.relevance.decision import format_evidence
from similarity_lab.report.text import display_names, escape_invisible, safe_url, shorten
from similarity_lab.report.thumbnails import Thumbnail

SYMBOLS = {"relevant": "✓", "irrelevant": "✕", "unsure": "?", "no decision": "–"}
_MAX_ODDS_FACTOR = 1000  # larger factors are shown as "over 1000"

ThumbnailOf = Callable[[object], Thumbnail | ImageError]
"""Returns the thumbnail of an image or of a reference, or the error that explains its absence."""


@dataclass(frozen=True)
class ImageView:
    """One image of a site, as a page shows it.

    Attributes
    ----------
    name : str
    thumbnail : Thumbnail or ImageError
    status, reason : str
        As in ``SiteRelevance.images``.
    evidence : str
        Formatted probability or distance; empty for an image that is not scored.
    is_match : bool
    influence : float or None
        Change in the log-odds of "relevant" due to this image.
    confusable : str
        The closest other product of the library, if known.
    reference : str
        Name of the nearest reference image; empty if there is none.
    reference_thumbnail : Thumbnail, ImageError or None
    reference_distance : float
    origin : dict of str to str
        The known ones of url, page, alt and time.
    """

    name: str
    thumbnail: Thumbnail | ImageError
    status: str
    reason: str
    evidence: str
    is_match: bool
    influence: float | None
    confusable: str
    reference: str
    reference_thumbnail: Thumbnail | ImageError | None
    reference_distance: float
    origin: dict[str, str]


@dataclass(frozen=True)
class SiteView:
    """The images of a decision in the order in which a page shows them.

    Attributes
    ----------
    deciding : list of ImageView
        The images that influenced the decision most.
    others : list of ImageView
        The other scored images, most probable first.
    not_counted : list of ImageView
        Repeated images and images left out as clutter.
    skipped : list of (name, reason)
        Files that could not be read.
    """

    deciding: list[ImageView]
    others: list[ImageView]
    not_counted: list[ImageView]
    skipped: list[tuple[str, str]]


def page_sources(result: SiteRelevance) -> list[object]:
    """Return all images that the page of a decision shows: its own and their nearest references."""
    readable = result.images[result.images["status"] != "skipped"]
    references = [name for name in readable["nearest_reference"].unique() if isinstance(name, str)]
    return [*readable["path"], *references]


def site_view(
    result: SiteRelevance,
    thumbnail_of: ThumbnailOf,
    *,
    n_deciding: int = 6,
    only_deciding: bool = False,
) -> SiteView:
    """Return the images of a decision, ready for a template.

    Parameters
    ----------
    result : SiteRelevance
    thumbnail_of : callable
        From an image, or the name of a reference image, to its thumbnail or its error.
    n_deciding : int
    only_deciding : bool
        Leave the other lists empty and request no thumbnails for them.
    """
    names = dict(zip(result.images.index, display_names(result.images["path"]), strict=True))
    deciding = result.deciding(n_deciding)
    if only_deciding:
        return SiteView(_image_views(deciding, result, names, thumbnail_of), [], [], [])
    others = result.ranked().drop(deciding.index)
    not_counted = result.images[result.images["status"].isin(["repeated", "left out"])]
    skipped_names = display_names(map(str, result.skipped["path"]))
    return SiteView(
        deciding=_image_views(deciding, result, names, thumbnail_of),
        others=_image_views(others, result, names, thumbnail_of),
        not_counted=_image_views(not_counted, result, names, thumbnail_of),
        skipped=list(zip(skipped_names, map(str, result.skipped["reason"]), strict=True)),
    )


def _image_views(
    rows: pd.DataFrame, result: SiteRelevance, names: dict[int, str], thumbnail_of: ThumbnailOf
) -> list[ImageView]:
    scored = rows["status"] == "scored"
    evidence_texts = dict(
        zip(rows.index[scored].tolist(), format_evidence(rows[scored]), strict=True)
    )
    influences, reference_distances = (
        rows[name].astype(float).tolist() for name in ("influence", "nearest_distance")
    )
    views = []
    for index, row, influence, reference_distance in zip(
        rows.index.tolist(), rows.itertuples(), influences, reference_distances, strict=True
    ):
        reference = row.nearest_reference if isinstance(row.nearest_reference, str) else ""
        views.append(
            ImageView(
                name=names[index],
                thumbnail=thumbnail_of(row.path),
                status=str(row.status),
                reason=str(row.reason),
                evidence=evidence_texts.get(index, ""),
                is_match=bool(row.is_match),
                influence=None if np.isnan(influence) else influence,
                confusable=row.confusable if isinstance(row.confusable, str) else "",
                reference="/".join(reference.replace("\\", "/").split("/")[-2:]),
                reference_thumbnail=thumbnail_of(reference) if reference else None,
                reference_distance=reference_distance,
                origin=_known_origin(result.origins, index),
            )
        )
    return views


_SHOWN_ORIGINS = ("url", "page", "alt", "product", "product_url", "time")


def _known_origin(origins: pd.DataFrame | None, index: int) -> dict[str, str]:
    if origins is None:
        return {}
    row = origins.iloc[index]
    values = {name: row.get(name) for name in _SHOWN_ORIGINS}
    return {name: str(value) for name, value in values.items() if pd.notna(value) and value != ""}


def settings_table(settings: DecisionSettings) -> dict[str, str]:
    """Return the settings that apply to the rule of a decision: label → formatted value.

    Examples
    --------
    >>> settings = DecisionSettings("learned", "lite0", 0.5, 0.25, certainty=0.9, prior_share=0.2)
    >>> settings_table(settings)["relevance threshold"], settings_table(settings)["certainty"]
    ('share at least 25%', 'at least 0.9')
    """
    draw = settings.reference_draw
    kind = "probability at least" if settings.rule == "learned" else "distance at most"
    values = {
        "rule": settings.rule,
        "embedder": settings.embedder,
        "similarity threshold": f"{kind} {settings.similarity_threshold:.3g}",
        "relevance threshold": f"share at least {settings.relevance_threshold:.0%}",
        "reference images": f"{settings.n_references}",
    }
    if settings.certainty is not None:
        values["certainty"] = f"at least {settings.certainty:g}"
    if settings.prior_share is not None:
        values["prior share"] = f"{settings.prior_share:g}"
    if settings.other_products is not None:
        values["other products"] = f"{settings.other_products}"
    if draw is not None:
        drawn = "all" if draw.draw == "all" else f"{draw.n} {draw.draw.replace('-', ' ')}"
        nearest = f"mean of the {draw.n_nearest} nearest"
        is_of_nearest = draw.aggregate == "mean-of-nearest"
        values["references per image"] = drawn
        values["aggregate"] = nearest if is_of_nearest else draw.aggregate
        values["seed"] = f"{draw.seed}"
    if settings.n_marked:
        values["marked by hand"] = f"{settings.n_marked} images"
    return values


@cache
def environment() -> Environment:
    """Return the Jinja environment: everything is HTML-escaped, invisible characters are shown."""
    jinja = Environment(
        loader=PackageLoader("similarity_lab.report"),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update(percent=_percent, interval=_interval, odds=odds)
    jinja.filters.update(shorten=shorten, safe_url=safe_url, settings_table=settings_table)
    jinja.globals["symbols"] = SYMBOLS
    return jinja


def _finalize(value: object) -> object:
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return escape_invisible(str(value)) if is_text else value


def _percent(value: float, digits: int = 0) -> str:
    return f"{value:.{digits}%}"


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.0f}–{high:.0%}"


def odds(influence: float) -> str:
    """Return a sentence fragment for the factor by which an image changes the odds of "relevant".

    Parameters
    ----------
    influence : float
        Change of the log-odds (natural logarithm).

    Examples
    --------
    >>> odds(1.9), odds(-0.7), odds(0.0)
    ('for: odds × 6.7', 'against: odds ÷ 2.0', 'no effect on the odds')
    """
    factor = exp(min(abs(influence), 50))
    if factor < 1.05:
        return "no effect on the odds"
    if factor > _MAX_ODDS_FACTOR:
        text = f"over {_MAX_ODDS_FACTOR}"
    else:
        text = f"{factor:.0f}" if factor > 20 else f"{factor:.1f}"
    return f"for: odds × {text}" if influence > 0 else f"against: odds ÷ {text}"
