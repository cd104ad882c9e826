"""Make docs/benchmarks.md from benchmarks/results/*.json: no figure in it is typed by hand.

python benchmarks/tables.py
"""

import json
from pathlib import Path

from common import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"

HEAD = """# Benchmarks

Made by `python benchmarks/tables.py` from `benchmarks/results/*.json`. The photos are those of the
Grocery Store dataset and of other sources (`data/README.md`); they are not part of this repository.
Intervals are 95 %. Nothing is tuned on what it is reported on, save where it says so.
"""

SITES = """## Decisions on composite grocery sites

Fourteen products, each with 40 websites composed of real photos: 30 reference photos, a library
of about half of the *other* categories; the sites' other images come from categories that are
**not** in the library, plus clothing, merchandise and web photos. Relevant sites show the
product on 25 to 85 % of 10 to 60 images, irrelevant ones on 0 to 8 %. Image AUC is the mean
over products (bootstrap over products), site AUC pools all sites (bootstrap over sites),
accuracy has a Wilson interval.
"""

SPEED = """## Speed against the original loop

The study's loop makes sixteen predictions of one image per site image. The package embeds every
image once, in batches, while the next ones are decoded; distances and decisions are the same.
"""

DRAWS = """## How many references to draw

Grayscale EfficientNet-Lite0, mean distance, 560 sites, each decided with twenty seeds. At 0.65
nearly everything is called similar, so hardly a decision can change, and half of them are
wrong. At a threshold that separates, the draw matters; taking *all* references costs nothing
and ends the luck.
"""


def load(name: str) -> dict:
    """Return one benchmark's results."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; the first column to the left, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def origin_line(results: dict) -> str:
    """Return where the numbers come from."""
    origin = results["origin"]
    machine, version = origin["machine"], origin["versions"]
    return (
        f"`{origin['command']}`, commit {origin['commit']}, {origin['date']}; "
        f"{machine['cores']} cores of {machine['processor']}; TensorFlow {version['tensorflow']}, "
        f"Keras {version['keras']}, NumPy {version['numpy']}; "
        + ", ".join(f"{key} {value}" for key, value in origin["configuration"].items())
        + ".\n"
    )


def with_interval(row: dict, name: str, digits: int) -> str:
    """Return a figure with its interval, or a dash."""
    if name not in row:
        return "–"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def sites() -> str:
    """Return the section on decisions."""
    results = load("grocery_sites")
    rows = [
        [
            name,
            with_interval(row, "image_auc", 3),
            with_interval(row, "site_auc", 3),
            with_interval(row, "accuracy", 3),
        ]
        for name, row in results["rows"].items()
    ]
    head = ["method", "image AUC", "site AUC", "site accuracy"]
    return "\n".join([SITES, table(head, rows), origin_line(results)])


def speed() -> str:
    """Return the section on speed."""
    results = load("original_loop")
    rows = [[name, f"{value:.4g}"] for name, value in results["figures"].items()]
    return "\n".join([SPEED, table(["", "measured"], rows), origin_line(results)])


def draws() -> str:
    """Return the section on the reference draw."""
    results = load("reference_draws")
    names = list(results["rows"][0])
    rows = [
        [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        for row in results["rows"]
    ]
    return "\n".join([DRAWS, table(names, rows), origin_line(results)])


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join([HEAD, sites(), draws(), speed()]))
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
