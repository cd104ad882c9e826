"""Measure how long `rank` takes on the real shops, from their addresses to the report.

    python -m benchmarks.rank_speed --against FOLDER [--turns N]

Needs the rebuilt shops, see `benchmarks.shops`. FOLDER is another checkout of the package, for
example one made by ``git worktree add``; both are measured in turns, in processes of their own. The
vectors of the library are stored before, as after a first call. Requests are not throttled.

"Equal work" draws no page and looks at each image once (quality "fast"; "standard" in versions
before 2.0.0, which drew no page by default); "defaults" draws pages that need it, and looks twice.
Writes benchmarks/results/rank_speed.json.
"""

import statistics
from pathlib import Path

from benchmarks.common import (
    ROOT,
    make_parser,
    origin,
    require_clean_tree,
    run_worker,
    write_results,
)
from benchmarks.real_shops import served_shops
from benchmarks.shops import (
    FEWEST_PHOTOS,
    read_library,
    read_shops,
    shops_folders,
)

TARGETS = ["almonds", "cashews"]
EQUAL_WORK, DEFAULTS, BEFORE = "equal work", "defaults", "before"
OPTIONS = {  # quality, render
    EQUAL_WORK: ("fast", "never"),
    DEFAULTS: ("standard", "auto"),
    BEFORE: ("standard", "never"),
}

_WORKER = """
import json, sys, tempfile, time
from similarity_lab import RelevanceScorer, rank

urls, library, targets, quality, render = json.loads(sys.stdin.read())
with tempfile.TemporaryDirectory() as folder:
    options = {"quality": quality, "store": f"{folder}/vectors", "progress": False}
    RelevanceScorer(targets[0], **options).fit(library)
    start = time.perf_counter()
    ranking = rank(
        urls, library, targets, f"{folder}/out", **options,
        collecting={
            "allow": [url.split("/")[2] for url in urls.values()],
            "throttle": False,
            "render": render,
        },
    )
    seconds = time.perf_counter() - start
    images = ranking.images
    n_images = int((images["crawl_status"] == "kept").sum()) // len(targets)
    print(json.dumps({"seconds": seconds, "images": n_images}))
"""


def main() -> None:
    """Measure both checkouts in turns."""
    parser = make_parser(__doc__)
    parser.add_argument("--against", type=Path, metavar="FOLDER", required=True)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    require_clean_tree()
    shops, lists = shops_folders()
    library = {
        str(label): [str(path) for path in photos["path"]]
        for label, photos in read_library(shops, lists).groupby("label")
        if len(photos) >= FEWEST_PHOTOS
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in OPTIONS}
    with served_shops(shops, read_shops(lists)) as urls:
        for _ in range(options.turns):
            for name, (quality, render) in OPTIONS.items():
                checkout = (options.against if name == BEFORE else ROOT).resolve()
                task = [urls, library, TARGETS, quality, render]
                runs[name].append(run_worker(_WORKER, checkout, task))
    figures = {
        f"{name}: {figure}": statistics.median(run[figure] for run in measured)
        for name, measured in runs.items()
        for figure in measured[0]
    }
    for name in (EQUAL_WORK, DEFAULTS):
        ratios = [
            before["seconds"] / after["seconds"]
            for before, after in zip(runs[BEFORE], runs[name], strict=True)
        ]
        figures[f"{name}: times as fast as before"] = statistics.median(ratios)
    for key, value in figures.items():
        print(f"{key:40} {value:10.2f}")
    results = {
        "origin": origin("python -m benchmarks.rank_speed", turns=options.turns),
        "figures": figures,
    }
    print(f"written to {write_results('rank_speed', results)}")


if __name__ == "__main__":
    main()
