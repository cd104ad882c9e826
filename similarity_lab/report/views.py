"""Render decisions: plain values for the templates, and the Jinja environment that escapes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from similarity_lab.errors import ImageError
from similarity_lab.relevance import DecisionSettings, SiteFailure, SiteRelevance
from similarity_lab.relevance.decision import format_evidence, format_probability
from similarity_lab.relevance.tables import SiteResult
from similarity_lab.report.evidence import (
    advice,
    basis,
    evidence_steps,
    has_share,
    short_evidence,
)
from similarity_lab.report.text import display_names, escape_invisible, safe_url, shorten
from similarity_lab.report.thumbnails import Thumbnail

SYMBOLS = {"relevant": "✓", "irrelevant": "✕", "unsure": "?", "no decision": "–"}
WORD_SYMBOLS = {
    "target": "✓",
    "target and other": "?",
    "ambiguous": "?",
    "other form": "✕",
    "other": "✕",
}
"""Of the kinds of `WordEvidence`."""

Row = tuple[SiteResult, str]
"""A result and the file name of its page; failures have none (empty)."""

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
        By the image alone.
    is_match_with_words : bool
    words, word_kind : str
        What the texts of the image name; empty if nothing, or if a person marked the image.
    confusable : str
        The closest other product of the library, if known.
    margin : str
        With which the target is closer than that product, if the decision stands on it.
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
    is_match_with_words: bool
    words: str
    word_kind: str
    confusable: str
    margin: str
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
        The images that decided: the best matches, or what came closest.
    others : list of ImageView
        The other scored images, best evidence first.
    not_counted : list of ImageView
        Repeated images and images left out as clutter.
    skipped : list of (name, reason)
        Files that could not be read.
    """

    deciding: list[ImageView]
    others: list[ImageView]
    not_counted: list[ImageView]
    skipped: list[tuple[str, str]]


@dataclass(frozen=True)
class Section:
    """The results for one target, as the first page shows them.

    Attributes
    ----------
    target : str
    groups : dict of str to list of Row
        By the name of the group, without empty groups.
    """

    target: str
    groups: dict[str, list[Row]]

    @cached_property
    def decisions(self) -> list[SiteRelevance]:
        """The results that are no failures."""
        rows = chain.from_iterable(self.groups.values())
        return [result for result, _ in rows if isinstance(result, SiteRelevance)]

    @property
    def share_threshold(self) -> str:
        """The relevance threshold if a decision is about the share; empty otherwise."""
        thresholds = {
            result.settings.relevance_threshold
            for result in self.decisions
            if result.criterion == "share"
        }
        return " or ".join(map(_percent, sorted(thresholds)))

    @property
    def columns(self) -> list[str]:
        """Names of the columns that the decisions can fill; what was decided comes first."""
        if not self.decisions:
            return ["Decision"]
        has_probability = any(result.probability is not None for result in self.decisions)
        has_words = any(result.settings.words for result in self.decisions)
        sells = ["P(sells)"] if has_probability else []
        matches = ["Matches", "Named by text"] if has_words else ["Matches"]
        share = ["Share", "95% CI"]
        if not self.share_threshold:
            return ["Decision", *sells, *matches, *share, *(["Evidence"] if sells else [])]
        if has_probability:
            share.append(f"P(share ≥ {self.share_threshold})")
        return ["Decision", *share, *sells, *matches]

    @property
    def extra_columns(self) -> list[str]:
        """The columns that narrow screens leave out: all but the decision and two figures."""
        figures = [name for name in self.columns if name not in ("Decision", "95% CI")]
        return ["95% CI", *figures[2:]]

    @property
    def notices(self) -> list[str]:
        """What to do about a target that was not learned."""
        texts = (advice(result.settings, result.target) for result in self.decisions)
        return list(dict.fromkeys(filter(None, texts)))

    @property
    def bases(self) -> list[str]:
        """What the decisions stand on."""
        texts = (basis(result.settings, result.target) for result in self.decisions)
        return list(dict.fromkeys(filter(None, texts)))


def index_sections(rows: Sequence[Row]) -> list[Section]:
    """Return the rows by target and group; within a group they keep their order."""
    sections: dict[str, Section] = {}
    for result, page in rows:
        section = sections.setdefault(result.target, Section(result.target, {}))
        if isinstance(result, SiteFailure):
            group = "No decision"
        else:
            group = "Decided" if result.evidence else "Too little seen to say anything"
        section.groups.setdefault(group, []).append((result, page))
    return list(sections.values())


def page_sources(result: SiteRelevance) -> list[object]:
    """Return all images that the page of a decision shows: its own and their nearest references."""
    readable = result.images[result.images["status"] != "skipped"]
    images = [result.sources[row] for row in readable.index]
    references = [name for name in readable["nearest_reference"].unique() if isinstance(name, str)]
    return [*images, *references]


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
    names = dict(zip(result.images.index, display_names(result.sources), strict=True))
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
    reference_distances, margins = (
        rows[name].astype(float).tolist() for name in ("nearest_distance", "margin")
    )
    has_margin = result.criterion == "offered"
    views = []
    for index, row, reference_distance, margin in zip(
        rows.index.tolist(), rows.itertuples(), reference_distances, margins, strict=True
    ):
        reference = row.nearest_reference if isinstance(row.nearest_reference, str) else ""
        views.append(
            ImageView(
                name=names[index],
                thumbnail=thumbnail_of(result.sources[index]),
                status=str(row.status),
                reason=str(row.reason),
                evidence=evidence_texts.get(index, ""),
                is_match=bool(row.is_match),
                is_match_with_words=bool(row.is_match_with_words),
                words=str(row.words) if row.word_kind else "",
                word_kind=str(row.word_kind),
                confusable=row.confusable if isinstance(row.confusable, str) else "",
                margin=_signed(margin) if has_margin and np.isfinite(margin) else "",
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
    """Return the settings that apply to a decision: label → formatted value.

    Examples
    --------
    >>> settings = DecisionSettings("learned", "lite0", 0.5, 0.25, certainty=0.9, prior=0.2)
    >>> settings_table(settings)["relevance threshold"], settings_table(settings)["certainty"]
    ('share at least 25%', 'at least 0.9')
    """
    draw, known = settings.reference_draw, settings.calibration
    kind = "probability at least" if settings.rule == "learned" else "distance at most"
    values = {
        "rule": settings.rule,
        "criterion": settings.criterion,
        "embedder": settings.embedder,
        "similarity threshold": f"{kind} {settings.similarity_threshold:.3g}",
    }
    if settings.criterion == "share":
        values["relevance threshold"] = f"share at least {settings.relevance_threshold:.0%}"
    if settings.certainty is not None:
        values["certainty"] = f"at least {settings.certainty:g}"
    if settings.prior is not None:
        values["prior that a site sells it"] = f"{settings.prior:g}"
    if settings.prior_share is not None:
        values["prior that an image shows it"] = f"{settings.prior_share:g}"
    values["reference images"] = f"{settings.n_references}"
    if settings.text is not None:
        text = settings.text
        values["names as references"] = ", ".join(text.names)
        values["weight of the names"] = f"{text.weight:.2f}"
        values["other names"] = f"{text.n_other_names}"
        values["modality gap"] = f"{text.gap:.2f}"
    if settings.other_products is not None:
        values["other products"] = f"{settings.other_products}"
        values["names looked for"] = ", ".join(dict.fromkeys(settings.words)) or "none"
    if known is not None:
        measured = known.separability is not None
        values["separability"] = f"{known.separability:.3f}" if measured else "not measured"
        values["reliability"] = f"{known.reliability:.2f}"
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
    jinja.filters.update(
        probability=format_probability, percent=_percent, interval=_interval, shorten=shorten,
        safe_url=safe_url, settings_table=settings_table, short_evidence=short_evidence,
    )  # fmt: skip
    jinja.globals.update(
        symbols=SYMBOLS, word_symbols=WORD_SYMBOLS, advice=advice,
        basis=basis, evidence_steps=evidence_steps, has_share=has_share,
    )  # fmt: skip
    return jinja


def _finalize(value: object) -> object:
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return escape_invisible(str(value)) if is_text else value


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.0f}–{high:.0%}"
