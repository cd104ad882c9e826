"""Measure what adapting the embedder to each target's library changes on the grocery sites.

    python -m benchmarks.adapting [TARGET ...]

For each target: Lite0 adapted to the library, then the learned rule on its vectors, compared with
the frozen network. A target takes minutes, so its figures are written to
benchmarks/results/adapting.json at once, and a second run resumes with the missing targets.
"""

import json
import time

import numpy as np

from benchmarks.common import (
    RESULTS,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    stored,
    write_results,
)
from benchmarks.grocery_sites import Photos, all_paths, load_tasks, summary
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.embedders import CachedEmbedder, adapt_embedder

SETTINGS = {"blocks": 4, "views": 3, "epochs": 12, "keep": 0.5, "seed": 0}
FIGURES = (
    "image_auc", "image_ece", "image_log_loss", "site_auc", "site_log_loss", "accuracy", "coverage",
    "accuracy_when_sure", "offered_auc", "offered_log_loss",
)  # fmt: skip


def measure(task: object, frozen: EmbeddingComparator) -> dict[str, object]:
    """Return a target's figures, frozen and adapted."""
    start = time.perf_counter()
    adapted = CachedEmbedder(adapt_embedder(task.library, progress=False, **SETTINGS))
    seconds = time.perf_counter() - start
    rows = {
        name: summary(Photos([task], comparator).decide())
        for name, comparator in (
            ("frozen", frozen),
            ("adapted", EmbeddingComparator(adapted)),
        )
    }
    figures = {name: {key: row[key] for key in FIGURES} for name, row in rows.items()}
    return figures | {"seconds": seconds, "photos": sum(map(len, task.library.values()))}


def main() -> None:
    """Measure the targets that are missing; print the means."""
    parser = make_parser(__doc__)
    parser.add_argument("targets", nargs="*", help="default: all")
    selected = parser.parse_args().targets
    require_clean_tree()
    tasks = load_tasks(photos_folder())
    frozen = EmbeddingComparator(stored("efficientnet-lite0", "rgb", all_paths(tasks)))
    file = RESULTS / "adapting.json"
    targets = json.loads(file.read_text())["targets"] if file.is_file() else {}
    for task in tasks:
        if task.target in targets or (selected and task.target not in selected):
            continue
        targets[task.target] = measure(task, frozen)
        print(task.target, json.dumps(targets[task.target]), flush=True)
        # sorted: a resumed run must write the same file as an uninterrupted one
        results = {
            "origin": origin("python -m benchmarks.adapting", **SETTINGS),
            "targets": dict(sorted(targets.items())),
        }
        write_results("adapting", results)
    for name in ("frozen", "adapted"):
        means = {key: np.mean([row[name][key] for row in targets.values()]) for key in FIGURES}
        print(name, {key: round(float(value), 4) for key, value in means.items()})


if __name__ == "__main__":
    main()
