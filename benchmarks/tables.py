"""Make docs/benchmarks.md from benchmarks/results/*.json: no figure in it is typed by hand.

python benchmarks/tables.py
"""

from pathlib import Path

from result_tables import figures, load, origin_line, table
from speed_tables import speed_sections

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
accuracy has a Wilson interval. Where a method gives probabilities: expected calibration errors (15
bins of equal mass; prior share of the images 25 %, true share 27 %), the share of sites decided
when "unsure" below a certainty of 90 % is allowed, and how many of those are right. References are
train photos, sites show test photos. Wrong references are photos of products outside the library.
Vectors are Keras's, in float32; what the default's int8 changes is told below (measured before the
calibration's last change). Two constants of the learned rule's calibration (how hard a photo is
hard to tell, up to where photos from elsewhere lie) were chosen on these sites, for both qualities
at once; chosen anew for each product on the other thirteen, from a grid of sixty, they decide 96 %
(97 %) of its sites.
"""

REPRESENTATION = """## Telling products apart

Grocery Store, official split: 2,640 photos to train on, 296 to choose the epoch, 2,485 to judge
on; 43 coarse classes, top-1 also for the 81 fine ones. Verification AUC is over all pairs of test
photos (bootstrap over photos), Recall@1, mAP and R-precision search among them (bootstrap over
queries), top-1 asks for the label of the nearest training photo (Wilson). The small networks made
8 epochs of 30 batches of 64 pairs, the strong one 3 + 6 epochs of 30 batches of 64 photos. The
faulty twins are judged after their last epoch, as the study was; the others after their best. Test
photos of a product are often neighbours on one shelf, which Recall@1 rewards and top-1 does not.
Metric learning (TensorFlow Similarity, multi-similarity loss): a linear head on frozen colour lite0
features, and the last five blocks of lite0 with such a head; weights kept half of the way from
their start.
"""

UNSEEN = """## Metric learning on categories it was not trained on

Grocery Store, coarse labels: trained on half of the 43 categories (train split; their validation
photos choose the epoch), judged on the test photos of the *other* half, which look for each other;
frozen colour lite0 beside it. Five random halves; intervals are of the difference, paired, and
resample photos.
"""

CHOICE = """Head and loss were chosen before that, on three other halves, by what *train* photos of
the untrained half gain over frozen features; the last column is the trained half's validation.
Length and starting scale of the head, and how far the kept weights go, were chosen there too.
"""

EPOCH = """## Where a training epoch spends its time

Architecture 2, 2,640 photos, 5,280 pairs of 128 × 128 gray in batches of 64: photos are decoded
once and kept as bytes, pairs are positions. What is left is arithmetic.
"""

COLLECT = """## Collecting websites

Invented shops served on loopback by the measuring process itself, throttling off, the start of the
crawler's process counted in: one shop of 240 product pages, and four of 60 at a time. Real sites
answer slower, and the default is to ask no faster than they answer.
"""

DRAWS = """## How many references to draw

Grayscale EfficientNet-Lite0, mean distance, 560 sites, each decided with twenty seeds. At 0.65
nearly everything is called similar, so hardly a decision can change, and half of them are
wrong. At a threshold that separates, the draw matters; taking *all* references costs nothing
and ends the luck.
"""

REPORT = """## The report

Written for made-up decisions, each file hashed and each distinct picture decoded, then opened in
Chromium: from the click to the page laid out, medians of five. Opening includes loading the script
and laying out every row.
"""


def with_interval(row: dict, name: str, digits: int) -> str:
    """Return a figure with its interval, or a dash."""
    if name not in row:
        return "–"
    if f"{name}_interval" not in row:
        return f"{row[name]:.{digits}f}"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def plain(row: dict[str, object], name: str) -> str:
    """Return a figure with three digits, or a dash."""
    return f"{row[name]:.3f}" if name in row else "–"


def sites() -> str:
    """Return the section on decisions."""
    results = load("grocery_sites")
    rows = [
        [
            name,
            with_interval(row, "image_auc", 3),
            with_interval(row, "site_auc", 3),
            with_interval(row, "accuracy", 3),
            plain(row, "image_ece"),
            plain(row, "site_ece"),
            plain(row, "coverage"),
            with_interval(row, "accuracy_when_sure", 3),
        ]
        for name, row in results["rows"].items()
    ]
    head = [
        "method",
        "image AUC",
        "site AUC",
        "site accuracy",
        "ECE of images",
        "ECE of sites",
        "decided",
        "accuracy of those",
    ]
    return "\n".join([SITES, table(head, rows), origin_line(results)])


def draws() -> str:
    """Return the section on the reference draw."""
    results = load("reference_draws")
    names = list(results["rows"][0])
    rows = [
        [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        for row in results["rows"]
    ]
    return "\n".join([DRAWS, table(names, rows), origin_line(results)])


def representation() -> str:
    """Return the section on comparators."""
    results = load("representation")
    shown = {
        "verification_auc": "verification AUC",
        "equal_error_rate": "EER",
        "recall@1": "Recall@1",
        "map": "mAP",
        "r_precision": "R-precision",
        "top1_coarse": "top-1, coarse",
        "top1_fine": "top-1, fine",
    }
    rows = []
    for name, row in results["rows"].items():
        cells = [
            with_interval(row, key, 3) if f"{key}_interval" in row else f"{row[key]:.3f}"
            for key in shown
        ]
        rows.append([name, *cells])
    parts = [REPRESENTATION, table(["comparator", *shown.values()], rows)]
    better = [name for name in results["rows"] if name.startswith(("strong", "metric learning"))]
    parts.append("Minus colour lite0, paired:\n")
    for name in better:
        row = results["rows"][name]
        gains = [
            f"{label} {low:+.3f} to {high:+.3f}"
            for key, label in shown.items()
            for low, high in [row.get(f"{key}_minus_baseline_interval", (None, None))]
            if low is not None
        ]
        parts.append(f"- {name}: {', '.join(gains)}.")
    return "\n".join([*parts, "", origin_line(results)])


def unseen() -> str:
    """Return the section on categories that were not trained on."""
    results = load("unseen_categories")
    head = ["", "queries", "Recall@1, frozen", "trained", "gain", "mAP, frozen", "trained", "gain"]
    rows = []
    for name, row in results["rows"].items():
        cells = [name, f"{row['queries']:,}"]
        for key in ("recall@1", "map"):
            low, high = row[f"{key}_gain_interval"]
            cells += [f"{row[f'{key}_{kind}']:.3f}" for kind in ("frozen", "trained")]
            cells.append(f"{row[f'{key}_gain']:+.3f} ({low:+.3f} to {high:+.3f})")
        rows.append(cells)
    choice = [
        [
            value if isinstance(value, str) else f"{value:{'+' if 'minus' in name else ''}.3f}"
            for name, value in row.items()
        ]
        for row in results["choice"]
    ]
    parts = [UNSEEN, table(head, rows), CHOICE, table(list(results["choice"][0]), choice)]
    return "\n".join([*parts, origin_line(results)])


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    sections = [
        sites(),
        draws(),
        representation(),
        unseen(),
        *speed_sections(),
        figures("siamese_epoch", EPOCH),
        figures("collect", COLLECT),
        figures("report_page", REPORT),
    ]
    PAGE.write_text("\n".join([HEAD, *sections]))
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
