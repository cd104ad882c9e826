"""Write the sections of docs/benchmarks.md on shops and on calibration; used by `tables`."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.common import RESULTS
from benchmarks.result_tables import load, origin_line, plain, table, with_interval

SHOPS = """## Decisions on real shops

{shops} websites of small food shops from public repositories, written by nobody of this project; a
person noted what each image shows. A shop sells a product if one of its images shows it as the
main subject; pairs of shop and product where it is only seen among others count neither way.
*Catalogue* is every image that was listed, what an ideal crawl would bring; *crawled* is what
`collect` brings. The library of a shop holds the product photos of all other repositories
({photos} in all). Listed images that were found: {found}. In the first five shops of each product,
at most five sellers are possible. Intervals resample shops. The constants of the learned rule were
fitted on these shops, too; "Constants of the learned rule" shows how much that matters.
"""

FOREIGN = """### With no photo of these shops

The same with a library that contains no photos of these shops.
"""

IMAGES = """### Matches on real shops

AUC and average precision are means over products (bootstrap over products), precision and recall
have Wilson intervals, calibration errors pool all images (15 bins of equal mass).
"""

COMPOSITES = """## Decisions on composite sites of shop photos

{tasks} tasks: the {repositories} repositories of the {photos} photos are halved in {seeds} ways;
one half gives references and library, the other one the photos of the sites, and a product is a
target if both have five photos of it. Sites of *share* ask whether a quarter of their 10 to 40
images show the target: half of them show it on 25 to 80%, the others on 0 to 8%. *Sparse* sites ask
whether the target is sold at all: half of them show it on 1 to 3 of 10 to 80 images, the others
never. The other images come from all other classes. Intervals resample targets. The constants of
the learned rule were fitted on these sites, too.
"""

TARGETS = """### Composite sites by target
"""

RELIABILITY = """## Calibration of probabilities

Predicted probability / observed frequency, from the lowest to the highest fifth of the cases.
"""

SETTINGS = ("catalogue", "crawled")
TARGET_SETS = ("7 targets", "11 targets")
DECISIONS = ("relevant", "irrelevant", "unsure")
KINDS = ("share", "sparse")  # of composite sites
FIFTHS = ["lowest", "second", "third", "fourth", "highest"]
IMAGE_HEAD = ["AUC", "average precision", "precision", "recall", "ECE", "log loss"]


def shop_sections() -> list[str]:
    """Return the sections on shops, without those whose results are absent."""
    return [*real_shops(), *composites()]


def real_shops() -> list[str]:
    """Return the section on real shops."""
    results = existing(*(f"real_shops_{name}" for name in SETTINGS))
    if not results:
        return []
    found = "; ".join(
        f"{name.removeprefix('real_shops_')} {found_images(result['rows']['collected'])}"
        for name, result in results.items()
    )
    first = next(iter(results.values()))["rows"]
    parts = [
        SHOPS.format(shops=first["shops"], photos=first["photos"], found=found),
        pairs_table(results, "without the shop"),
        *map(origin_line, results.values()),
        FOREIGN,
        pairs_table(results, "without all shops"),
        IMAGES,
        images_table(results),
    ]
    return ["\n".join(parts)]


def found_images(collected: dict[str, Any]) -> str:
    """Return how many of the listed images, and of the selling pairs, were found."""
    by_kind = " and ".join(
        f"{collected['of_100_pixels_found'].get(kind, 0)} of {n_images} on {kind} sites"
        for kind, n_images in collected["of_100_pixels"].items()
    )
    return (
        f"{collected['listed_found']} of {collected['listed']} (of those with 100 pixels a side "
        f"{by_kind}), which show {collected['selling_pairs_found']} of "
        f"{collected['selling_pairs']} pairs of shop and target"
    )


def pairs_table(results: dict[str, dict], library: str) -> str:
    """Return the table of decisions on pairs of shop and target."""
    head = [
        "images", "pairs that sell", "AUC by probability", "AUC by best image",
        "average precision", "sellers in the first five", "of relevant, sell",
        "of irrelevant, sell", "of unsure, sell", "ECE", "log loss",
    ]  # fmt: skip
    rows = []
    for name, figures, evidence in settings(results, library):
        sites = evidence["sites"]
        rows.append(
            [
                name,
                f"{figures['selling']} of {figures['pairs']}",
                with_interval(sites, "auc", 2),
                with_interval(figures["best image"], "auc", 2),
                with_interval(sites, "average_precision", 2),
                f"{sites['sellers_first']} of {sites['possible']}",
                *decision_cells(sites),
                plain(sites, "ece"),
                plain(sites, "log_loss"),
            ]
        )
    return table(head, rows)


def images_table(results: dict[str, dict]) -> str:
    """Return the table of matches."""
    rows = []
    for name, _, evidence in settings(results, "without the shop"):
        images = evidence["images"]
        rows.append([name, f"{images['true']} of {images['cases']:,}", *image_cells(images)])
    return table(["images", "show the target", *IMAGE_HEAD], rows)


def settings(results: dict[str, dict], library: str) -> Iterator[tuple[str, dict, dict]]:
    """Yield name, all figures and those of one kind of evidence, by setting and targets."""
    for name, result in results.items():
        images = name.removeprefix("real_shops_")
        for targets in TARGET_SETS:
            figures = result["rows"][library][targets]
            for evidence in figures["evidence"]:
                yield f"{images}, {targets}, {evidence}", figures, figures["evidence"][evidence]


def composites() -> list[str]:
    """Return the section on composite sites of shop photos."""
    results = existing("shop_sites", "shop_sites_fast", "shop_sites_best")
    if not results:
        return []
    rows, images = [], []
    for result in results.values():
        figures, configuration = result["rows"], result["origin"]["configuration"]
        for kind in KINDS:
            name = f"{kind}, quality {configuration['quality']}"
            sites = figures[kind]["sites"]
            rows.append(
                [
                    name,
                    f"{sites['true']} of {sites['cases']}",
                    *(with_interval(sites, key, 3) for key in ("accuracy", "right_when_sure")),
                    *(with_interval(sites, key, 2) for key in ("unsure", "auc")),
                    plain(sites, "ece"),
                    plain(sites, "log_loss"),
                ]
            )
            images.append([name, *image_cells(figures[kind]["images"])])
    head = [
        "sites", "true", "accuracy", "right when sure", "unsure", "AUC", "ECE", "log loss",
    ]  # fmt: skip
    first = next(iter(results.values()))
    text = COMPOSITES.format(**first["rows"], **first["origin"]["configuration"])
    lines = map(origin_line, results.values())
    by_target = targets_table(first["rows"])
    parts = [text, table(head, rows), *lines, table(["images", *IMAGE_HEAD], images)]
    return ["\n".join([*parts, TARGETS, by_target])]


def targets_table(figures: dict) -> str:
    """Return the table of composite sites by target."""
    head = ["target", "sites", "accuracy", "unsure", "wrong when sure", "image AUC"]
    rows = [
        [
            f"{target}, {kind}",
            str(row["sites"]),
            *(plain(row, name) for name in ("accuracy", "unsure")),
            str(row["wrong_when_sure"]),
            plain(row, "image_auc"),
        ]
        for kind in KINDS
        for target, row in figures[kind]["targets"].items()
    ]
    return table(head, rows)


def reliability() -> str:
    """Return the section on calibration."""
    head = ["probabilities", "cases", "ECE", "log loss", *FIFTHS]
    rows = [
        [
            name,
            f"{sum(count for _, _, count in figures['reliability']):,.0f}",
            plain(figures, "ece"),
            plain(figures, "log_loss"),
            *fifths(figures["reliability"]),
        ]
        for name, figures in calibrations()
    ]
    return "\n".join([RELIABILITY, table(head, rows)]) if rows else ""


def calibrations() -> Iterator[tuple[str, dict]]:
    """Yield name, ECE, log loss and curve of all probabilities whose curve is known."""
    for result in existing("grocery_sites").values():
        figures = result["rows"]["learned"]
        for key, name in (("image", "images"), ("site", "share"), ("offered", "offered")):
            if f"{key}_reliability" in figures:
                names = ("ece", "log_loss", "reliability")
                yield f"grocery, {name}", {each: figures[f"{key}_{each}"] for each in names}
    for result in existing("shop_sites").values():
        for kind in KINDS:
            for name in ("images", "sites"):
                yield f"composite {kind}, {name}", result["rows"][kind][name]
    for name, _, evidence in settings(existing("real_shops_catalogue"), "without the shop"):
        for part in ("images", "sites"):
            yield f"real shops, {name}, {part}", evidence[part]


def fifths(curve: list[list[float]]) -> list[str]:
    """Return predicted and observed means of the fifths of a reliability curve.

    Examples
    --------
    >>> fifths([[0.1, 0.0, 2], [0.2, 0.5, 2], [0.5, 0.5, 2], [0.7, 1.0, 2], [0.9, 1.0, 2]])
    ['0.100 / 0.000', '0.200 / 0.500', '0.500 / 0.500', '0.700 / 1.000', '0.900 / 1.000']
    """
    means = [
        np.average(part[:, :2], axis=0, weights=part[:, 2])
        for part in np.array_split(np.array(curve), 5)
    ]
    return [f"{predicted:.3f} / {observed:.3f}" for predicted, observed in means]


def existing(*names: str) -> dict[str, dict]:
    """Return the results that exist."""
    return {name: load(name) for name in names if (RESULTS / f"{name}.json").exists()}


def decision_cells(figures: dict) -> list[str]:
    """Return of each decision how many cases are true."""
    parts = [figures[f"decided {name}"] for name in DECISIONS]
    return [f"{part['true']} of {part['cases']}" for part in parts]


def image_cells(figures: dict) -> list[str]:
    """Return the cells below `IMAGE_HEAD`."""
    names = ("auc", "average_precision", "precision", "recall")
    return [
        *(with_interval(figures, name, 2) for name in names),
        plain(figures, "ece"),
        plain(figures, "log_loss"),
    ]
