"""Write decisions as a static folder: ``index.html`` and thumbnails beside it, no network."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import cast

import pandas as pd
from jinja2 import Environment, PackageLoader, Template
from PIL import Image

from similarity_lab.images import read_image
from similarity_lab.relevance import SiteFailure, SiteRelevance
from similarity_lab.relevance.decision import evidence
from similarity_lab.sources import Source, describe

_THUMBNAIL = 160  # pixels, longer side


def write_report(
    results: Sequence[SiteRelevance | SiteFailure],
    folder: str | PathLike[str],
    *,
    title: str = "Which sites sell it?",
) -> Path:
    """Write a page of decisions with their evidence.

    Whatever comes from outside (names of sites and files) is escaped; thumbnails are numbered, so
    that no name of a stranger's becomes a name on this disk.

    Parameters
    ----------
    results : sequence of SiteRelevance or SiteFailure
        In the order in which they are shown.
    folder : path
        Made if needed; ``index.html`` and ``thumbnails/`` in it are written over.
    title : str

    Returns
    -------
    Path
        Of ``index.html``.
    """
    folder = Path(folder)
    (folder / "thumbnails").mkdir(parents=True, exist_ok=True)
    references: dict[str, str] = {}
    sites = []
    for number, result in enumerate(results):
        if isinstance(result, SiteRelevance):
            sites.append(_section(result, number, folder, references))
        else:
            sites.append({"failure": result, "anchor": f"site-{number}"})
    decided = [result for result in results if isinstance(result, SiteRelevance)]
    page = _template().render(title=title, sites=sites, first=decided[0] if decided else None)
    index = folder / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("similarity_lab.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("decisions.html")


def _section(
    result: SiteRelevance, number: int, folder: Path, references: dict[str, str]
) -> dict[str, object]:
    images = []
    ranked = result.ranked()
    for position, (row, shown) in enumerate(
        zip(ranked.itertuples(), evidence(ranked), strict=True)
    ):
        nearest = str(row.nearest_reference)
        if nearest not in references:
            references[nearest] = _thumbnail(
                row.nearest_reference, folder, f"reference-{len(references):04}"
            )
        images.append(
            {
                "thumbnail": _thumbnail(row.path, folder, f"{number:04}-{position:04}"),
                "name": _short(row.path),
                "evidence": shown,
                "is_match": row.is_match,
                "confusable": row.confusable if isinstance(row.confusable, str) else "",
                "reference": references[nearest],
                "reference_name": _short(nearest),
            }
        )
    return {
        "result": result,
        "anchor": f"site-{number}",
        "images": images,
        "skipped": _rows(result.skipped) + _rows(_not_counted(result.images)),
    }


def _not_counted(images: pd.DataFrame) -> pd.DataFrame:
    return images[images["status"].isin(["repeated", "left out"])]


def _rows(skipped: pd.DataFrame) -> list[tuple[str, str]]:
    return [(_short(row.path), str(row.reason)) for row in skipped.itertuples()]


def _short(path: object) -> str:
    """Return the last two parts of a path: enough to find it, and it fits."""
    return "/".join(Path(describe(path)).parts[-2:])


def _thumbnail(source: object, folder: Path, name: str) -> str:
    picture = Image.fromarray(read_image(cast(Source, source)))
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    relative = f"thumbnails/{name}.jpg"
    picture.save(folder / relative, quality=80)
    return relative
