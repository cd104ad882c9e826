"""Make docs/benchmarks.md from benchmarks/results/*.json: no figure in it is typed by hand.

python -m benchmarks.tables
"""

from pathlib import Path

from benchmarks.decision_tables import adapting, choice, draws, sites
from benchmarks.result_tables import figures, load, origin_line, table, with_interval
from benchmarks.speed_tables import speed_sections

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"

HEAD = """# Benchmarks

Made by `python -m benchmarks.tables` from `benchmarks/results/*.json`. The photos are those of the
Grocery Store dataset and of other sources (`data/README.md`); they are not part of this repository.
Intervals are 95 %. Nothing is tuned on what it is reported on, save where it says so.
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

REPORT = """## The report

Written for made-up decisions, each file hashed and each distinct picture decoded, then opened in
Chromium: from the click to the page laid out, medians of five. Opening includes loading the script
and laying out every row.
"""


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
        choice(),
        adapting(),
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
