"""Render decisions: plain values for the templates, and the Jinja environment that escapes them."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from similarity_lab._numbers import format_count, format_probability, percent
from similarity_lab.errors import ImageError
from similarity_lab.relevance import DecisionSettings, SiteRelevance
from similarity_lab.relevance.decision import format_evidence
from similarity_lab.relevance.verdict import probability_with_words
from similarity_lab.report.evidence import (
    advice,
    basis,
    describe_share,
    evidence_steps,
    has_share,
)
from similarity_lab.report.text import (
    display_names,
    escape_invisible,
    host,
    safe_url,
    shorten,
)
from similarity_lab.report.thumbnails import Thumbnail, source_key

SYMBOLS = {"relevant": "✓", "irrelevant": "✕", "unsure": "?", "no decision": "–"}
WORD_SYMBOLS = {
    "target": "✓",
    "target and other": "?",
    "ambiguous": "?",
    "other form": "✕",
    "other": "✕",
}
"""Of the kinds of `WordEvidence`."""

N_DECIDING, N_CLOSEST = 12, 4
"""Images that decided, and that came closest, on the page of a site, at most."""

ThumbnailOf = Callable[[object], Thumbnail | ImageError]
"""Returns the thumbnail of an image or of a reference, or the error that explains its absence."""


@dataclass(frozen=True)
class Seen:
    """Where else a photo is shown.

    Attributes
    ----------
    n_others : int
        Other sites that show it.
    href : str
        Its place on the page of shared photos.
    """

    n_others: int
    href: str


@dataclass(frozen=True)
class ImageView:
    """One image of a site, as a page shows it.

    Attributes
    ----------
    name : str
    path : str
        Relative to the folder that holds the report; empty if it is elsewhere.
    thumbnail : Thumbnail or ImageError
    status, reason : str
        As in ``SiteRelevance.images``.
    evidence : str
        Formatted probability or distance; empty for an image that is not scored.
    with_words : str
        Formatted probability of image and text together; empty if the text says nothing.
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
        The known ones of url, page, alt, product, product_url, price and time.
    seen : Seen or None
        Where else the photo is shown.
    chances : sequence of (target, evidence, with words, is match)
        The most probable targets; only for images below those that decided.
    """

    name: str
    path: str
    thumbnail: Thumbnail | ImageError
    status: str
    reason: str
    evidence: str
    with_words: str
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
    seen: Seen | None = None
    chances: Sequence[tuple[str, str, str, bool]] = ()


@dataclass(frozen=True)
class Surroundings:
    """What the pages of one report share.

    Attributes
    ----------
    thumbnail_of : callable
    seen : mapping of thumbnail's url to Seen
        Photos that other sites show as well.
    root : Path or None
        Folder that holds the report; paths below it are shown relative to it.
    """

    thumbnail_of: ThumbnailOf
    seen: Mapping[str, Seen] = field(default_factory=dict)
    root: Path | None = None

    def seen_of(self, thumbnail: Thumbnail | ImageError) -> Seen | None:
        """Return where else the photo of a thumbnail is shown."""
        return self.seen.get(thumbnail.url) if isinstance(thumbnail, Thumbnail) else None

    def path_of(self, source: object) -> str:
        """Return the path of an image below the root; empty if it is elsewhere."""
        if self.root is None or not isinstance(source, (str, os.PathLike)):
            return ""
        path = Path(source).absolute()
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else ""


def page_sources(results: Iterable[SiteRelevance]) -> list[object]:
    """Return all images that the page of a site shows: its own and their nearest references.

    References are those of the images that decided.
    """
    sources: dict[object, object] = {}
    for result in results:
        readable = result.images[result.images["status"] != "skipped"]
        shown = _deciding(result)["nearest_reference"].unique()
        references = [name for name in shown if isinstance(name, str)]
        images = [result.sources[row] for row in readable.index]
        sources |= {source_key(source): source for source in (*images, *references)}
    return list(sources.values())


def _deciding(result: SiteRelevance) -> pd.DataFrame:
    return result.deciding(N_DECIDING, n_closest=N_CLOSEST)


def deciding_views(
    result: SiteRelevance, around: Surroundings, *, n: int = N_DECIDING, n_closest: int = N_CLOSEST
) -> list[ImageView]:
    """Return the images that decided, ready for a template.

    Parameters
    ----------
    result : SiteRelevance
    around : Surroundings
    n, n_closest : int
        As in `SiteRelevance.deciding`.
    """
    images = result.deciding(n, n_closest=n_closest)
    return _image_views(images, result, around, references=True)


def other_views(results: Sequence[SiteRelevance], around: Surroundings) -> list[ImageView]:
    """Return the counted images of a site that decided for no target, most probable first.

    Each is there once, with the targets that it most probably shows.
    """
    first = results[0]
    scored = first.images.index[first.images["status"] == "scored"]
    shown = {index for result in results for index in _deciding(result).index}
    by_target = [result.images.loc[scored] for result in results]
    by_probability = first.probability is not None
    column = "probability" if by_probability else "distance"
    values = np.column_stack([table[column].astype(float) for table in by_target])
    is_match = np.column_stack([table["is_match_with_words"].astype(bool) for table in by_target])
    best = values.max(axis=1) if by_probability else -values.min(axis=1)
    evidence = [
        format_evidence(table, result.settings)
        for table, result in zip(by_target, results, strict=True)
    ]
    with_words = [_with_words(result) for result in results]
    views = []
    order = [row for row in np.argsort(-best, kind="stable") if scored[row] not in shown]
    rows = first.images.loc[scored[order]]
    for position, view in zip(order, _image_views(rows, first, around), strict=True):
        targets = np.argsort(values[position] * (-1 if by_probability else 1), kind="stable")[:2]
        chances = [
            (
                results[target].target,
                evidence[target][position],
                with_words[target].get(scored[position], ""),
                bool(is_match[position, target]),
            )
            for target in targets
        ]
        views.append(replace(view, chances=chances))
    return views


def not_counted_views(result: SiteRelevance, around: Surroundings) -> list[ImageView]:
    """Return the images of a site that repeat another one or are no photos."""
    not_counted = result.images[result.images["status"].isin(["repeated", "left out"])]
    return _image_views(not_counted, result, around)


def skipped_names(result: SiteRelevance) -> list[tuple[str, str]]:
    """Return name and reason of the files that could not be read."""
    names = display_names(map(str, result.skipped["path"]))
    return list(zip(names, map(str, result.skipped["reason"]), strict=True))


def _image_views(
    rows: pd.DataFrame, result: SiteRelevance, around: Surroundings, *, references: bool = False
) -> list[ImageView]:
    if rows.empty:
        return []
    names = dict(zip(result.images.index, display_names(result.sources), strict=True))
    origins = known_origins(result.origins, rows.index.tolist())
    scored = rows["status"] == "scored"
    evidence_texts = dict(
        zip(
            rows.index[scored].tolist(), format_evidence(rows[scored], result.settings), strict=True
        )
    )
    with_words = _with_words(result)
    reference_distances, margins = (
        rows[name].astype(float).tolist() for name in ("nearest_distance", "margin")
    )
    has_margin = result.criterion == "offered"
    views = []
    for index, row, reference_distance, margin, origin in zip(
        rows.index.tolist(), rows.itertuples(), reference_distances, margins, origins, strict=True
    ):
        reference = row.nearest_reference if isinstance(row.nearest_reference, str) else ""
        source = result.sources[index]
        thumbnail = around.thumbnail_of(source)
        views.append(
            ImageView(
                name=names[index],
                path=around.path_of(source),
                thumbnail=thumbnail,
                status=str(row.status),
                reason=str(row.reason),
                evidence=evidence_texts.get(index, ""),
                with_words=with_words.get(index, ""),
                is_match=bool(row.is_match),
                is_match_with_words=bool(row.is_match_with_words),
                words=str(row.words) if row.word_kind else "",
                word_kind=str(row.word_kind),
                confusable=row.confusable if isinstance(row.confusable, str) else "",
                margin=_signed(margin) if has_margin and np.isfinite(margin) else "",
                reference="/".join(reference.replace("\\", "/").split("/")[-2:]),
                reference_thumbnail=(
                    around.thumbnail_of(reference) if reference and references else None
                ),
                reference_distance=reference_distance,
                origin=origin,
                seen=around.seen_of(thumbnail),
            )
        )
    return views


def _with_words(result: SiteRelevance) -> dict[int, str]:
    """Return the probability of image and text together, where there is a text or it matters."""
    if not result.settings.words or result.settings.prior_share is None:
        return {}
    scored = result.images[result.images["status"] == "scored"]
    is_changed = (scored["word_kind"] != "") | (scored["is_match"] != scored["is_match_with_words"])
    together = probability_with_words(scored, result.settings)[is_changed]
    limit = result.settings.similarity_threshold
    texts = [format_probability(value, limit) for value in together]
    return dict(zip(together.index.tolist(), texts, strict=True))


_LARGE_PRICE = 1e9  # more is a mistake of the website
_SHOWN_ORIGINS = ("url", "page", "alt", "product", "product_url", "time")


def known_origins(origins: pd.DataFrame | None, rows: Sequence[int]) -> list[dict[str, str]]:
    """Return what is known of the origin of images; price and currency are one text."""
    if origins is None:
        return [{} for _ in rows]
    columns = [name for name in (*_SHOWN_ORIGINS, "price", "currency") if name in origins]
    records = origins[columns].iloc[[*rows]].to_dict("records")
    return [_known_origin(record) for record in records]


def _known_origin(record: Mapping[Any, Any]) -> dict[str, str]:
    values = {name: record.get(name) for name in _SHOWN_ORIGINS}
    known = {name: str(value) for name, value in values.items() if pd.notna(value) and value != ""}
    price, currency = record.get("price"), record.get("currency")
    if isinstance(price, (int, float)) and np.isfinite(price):
        amount = f"{price:,.2f}" if abs(price) < _LARGE_PRICE else f"{price:.3g}"
        known["price"] = f"{amount} {currency if isinstance(currency, str) else ''}".strip()
    return known


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
        values["relevance threshold"] = f"share at least {percent(settings.relevance_threshold)}"
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
        safe_url=safe_url, host=host, named=_named, format_count=format_count,
    )  # fmt: skip
    jinja.globals.update(
        symbols=SYMBOLS, word_symbols=WORD_SYMBOLS, advice=advice,
        basis=basis, evidence_steps=evidence_steps, describe_share=describe_share,
        has_share=has_share,
    )  # fmt: skip
    return jinja


def _finalize(value: object) -> object:
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return escape_invisible(str(value)) if is_text else value


def _named(site: str) -> str:
    return site if site.strip() else "(without a name)"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.0f}–{high:.0%}"
