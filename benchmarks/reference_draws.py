"""Measure how the number of references drawn per image affects the stability of decisions.

    python -m benchmarks.reference_draws

The composite grocery sites, grayscale EfficientNet-Lite0, mean distance. For each number of draws,
every site is decided with twenty seeds, at the study's threshold and at the one chosen on the
library. Writes benchmarks/results/reference_draws.json.
"""

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from benchmarks.common import (
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    stored,
    write_results,
)
from benchmarks.grocery_sites import Task, all_paths, load_tasks
from similarity_lab import RelevanceScorer
from similarity_lab.distances import Cosine
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance import MeanDistanceRule, ReferenceDraw

DRAWS = (1, 5, 15, 50, "all")
SEEDS = range(20)
RELEVANT = 0.25


def decisions(task: Task, embedder: object, digests: dict) -> dict[tuple[object, str], np.ndarray]:
    """Return the shares of a task's sites, (seeds, sites), by number of draws and threshold."""
    scorer = RelevanceScorer(
        task.target,
        rule=MeanDistanceRule("from-library"),
        embedder=embedder,
        progress=False,
    ).fit(task.library)
    thresholds = {"0.65": 0.65, "from the library": scorer.rule_.similarity_threshold}
    to_references = [
        Cosine().pairwise(embedder.embed(site.paths).vectors, scorer.reference_vectors_)
        for site in task.sites
    ]
    shares: dict[tuple[object, str], list] = {}
    for n in DRAWS:
        for seed in SEEDS:
            rule = ReferenceDraw(draw="all") if n == "all" else ReferenceDraw(n=n, seed=seed)
            distances_by_site = [
                rule.distances(distances, [digests[path] for path in site.paths])
                for site, distances in zip(task.sites, to_references, strict=True)
            ]
            for name, threshold in thresholds.items():
                shares.setdefault((n, name), []).append(
                    [(d <= threshold).mean() for d in distances_by_site]
                )
    return {key: np.array(values) for key, values in shares.items()}


def main() -> None:
    """Decide every site with every seed and print the table."""
    make_parser(__doc__).parse_args()
    require_clean_tree()
    tasks = load_tasks(photos_folder())
    paths = all_paths(tasks)
    embedder = stored("efficientnet-lite0", "gray", paths)
    digests = {path: content_digest(path) for path in paths}
    runs = [decisions(task, embedder, digests) for task in tqdm(tasks)]
    truth = np.concatenate([task.relevant for task in tasks])
    rows = []
    for n, threshold in runs[0]:
        shares = np.concatenate([run[n, threshold] for run in runs], axis=1)
        is_relevant = shares >= RELEVANT
        frequency = is_relevant.mean(axis=0)  # of "relevant", over seeds, by site
        rows.append(
            {
                "threshold": threshold,
                "references drawn": n,
                "spread of the share": float(shares.std(axis=0).mean()),
                "sites that change with the seed": float(
                    ((frequency > 0) & (frequency < 1)).mean()
                ),
                "two seeds disagree": float((2 * frequency * (1 - frequency)).mean() * 20 / 19),
                "accuracy, mean of seeds": float((is_relevant == truth).mean()),
            }
        )
    table = pd.DataFrame(rows).sort_values("threshold", kind="stable")
    print(table.round(4).to_string(index=False))
    command = "python -m benchmarks.reference_draws"
    results = {
        "origin": origin(command, seeds=len(SEEDS), sites=len(truth)),
        "rows": table.to_dict(orient="records"),
    }
    print(f"written to {write_results('reference_draws', results)}")


if __name__ == "__main__":
    main()
