"""Decisions on composite supplier websites made of Grocery Store photos (14 targets x 40 sites).

    python benchmarks/grocery_sites.py [--targets N]

Prints one row per method: image AUC (mean over targets), site AUC (all sites pooled) and site
accuracy, with 95 % intervals, and writes them to benchmarks/results/grocery_sites.json. All
thresholds are fixed before a site is looked at, save in the rows that say "picked afterwards".
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from common import origin, photos_folder, stored, write_results
from sklearn.metrics import roc_auc_score
from tqdm.auto import tqdm

from similarity_lab import RelevanceScorer, Site
from similarity_lab.intervals import bootstrap_interval, wilson_interval

SEED = 0


@dataclass(frozen=True)
class Task:
    """One target: its library, and its sites with the truth."""

    target: str
    library: dict[str, list[Path]]
    sites: list[Site]
    is_target: list[np.ndarray]
    relevant: np.ndarray


def load_tasks(folder: Path, limit: int | None = None) -> list[Task]:
    """Read the composite sites."""
    described = json.loads((folder / "grocery-sites" / "dev.json").read_text())["tasks"][:limit]
    tasks = []
    for task in described:
        library = {
            name: [folder / path for path in paths] for name, paths in task["library"].items()
        }
        library[task["target"]] = [folder / path for path in task["references"]]
        sites = [
            Site.from_paths([folder / path for path in site["images"]], name=site["site"])
            for site in task["sites"]
        ]
        truth = [np.array(site["is_target"]) for site in task["sites"]]
        relevant = np.array([site["relevant"] for site in task["sites"]])
        tasks.append(Task(task["target"], library, sites, truth, relevant))
    return tasks


def all_paths(tasks: list[Task]) -> list[Path]:
    """Return every photo of the tasks once, sorted."""
    paths = {path for task in tasks for site in task.sites for path in site.paths}
    paths |= {path for task in tasks for photos in task.library.values() for path in photos}
    return sorted(paths)


def decide(task: Task, **parameters: object) -> dict[str, object]:
    """Return a method's scores and decisions on one task."""
    scorer = RelevanceScorer(task.target, seed=SEED, progress=False, **parameters)
    results = list(scorer.fit(task.library).score_each(task.sites))
    scores = np.concatenate([result.images["score"].to_numpy(float) for result in results])
    return {
        "image_auc": roc_auc_score(np.concatenate(task.is_target), scores),
        "share": np.array([result.share for result in results]),
        "decided": np.array([result.relevant for result in results]),
        "relevant": task.relevant,
        "threshold": scorer.similarity_threshold_,
        "results": results,
    }


def summary(runs: list[dict[str, object]]) -> dict[str, object]:
    """Return a method's figures over all tasks, with intervals."""
    share, decided, relevant = (
        np.concatenate([run[name] for run in runs]) for name in ("share", "decided", "relevant")
    )
    aucs = np.array([run["image_auc"] for run in runs])
    right = int((decided == relevant).sum())

    def site_auc(at: np.ndarray) -> float:
        return roc_auc_score(relevant[at], share[at])

    return {
        "image_auc": float(aucs.mean()),
        "image_auc_interval": bootstrap_interval(lambda at: aucs[at].mean(), len(aucs), seed=SEED),
        "site_auc": site_auc(np.arange(len(share))),
        "site_auc_interval": bootstrap_interval(site_auc, len(share), seed=SEED),
        "accuracy": right / len(relevant),
        "accuracy_interval": wilson_interval(right, len(relevant)),
        "sites": len(relevant),
        "thresholds": sorted({round(float(run["threshold"]), 4) for run in runs}),
    }


def best_afterwards(runs: list[dict[str, object]]) -> dict[str, object]:
    """Pick the one similarity threshold that decides most sites rightly, knowing the truth."""
    grid = np.round(np.arange(0.2, 1.0, 0.01), 2)
    relevant = np.concatenate([run["relevant"] for run in runs])
    decided = {
        cut: np.array(
            [
                r.rethreshold(similarity_threshold=cut).relevant
                for run in runs
                for r in run["results"]
            ]
        )
        for cut in tqdm(grid, desc="thresholds", leave=False)
    }
    best = max(grid, key=lambda cut: (decided[cut] == relevant).sum())
    right = int((decided[best] == relevant).sum())
    return {
        "accuracy": right / len(relevant),
        "accuracy_interval": wilson_interval(right, len(relevant)),
        "sites": len(relevant),
        "thresholds": [float(best)],
    }


def main() -> None:
    """Run every method and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, help="use the first N targets only")
    limit = parser.parse_args().targets
    tasks = load_tasks(photos_folder(), limit)
    paths = all_paths(tasks)
    gray = stored("efficientnet-lite0", "gray", paths)
    color = stored("efficientnet-lite0", "rgb", paths)
    methods = {
        "original rule (gray lite0, 0.65 / 0.25)": {"embedder": gray},
        "mean distance, gray lite0, threshold from the library": {
            "embedder": gray,
            "similarity_threshold": "from-library",
        },
        "mean distance, colour lite0, threshold from the library": {"embedder": color},
        "mean of 3 nearest, colour lite0, threshold from the library": {
            "embedder": color,
            "draw": "all",
            "aggregate": "mean-of-nearest",
        },
    }
    rows = {}
    for name, parameters in methods.items():
        runs = [decide(task, **parameters) for task in tqdm(tasks, desc=name)]
        rows[name] = summary(runs)
        if name.startswith("original"):
            rows["… with the best threshold picked afterwards"] = best_afterwards(runs)
    command = "python benchmarks/grocery_sites.py" + (f" --targets {limit}" if limit else "")
    results = {"origin": origin(command, seed=SEED, targets=len(tasks)), "rows": rows}
    columns = ["image_auc", "site_auc", "accuracy"]
    print(pd.DataFrame(rows).T[columns].astype(float).round(4).to_string())
    if limit is None:
        print(f"written to {write_results('grocery_sites', results)}")


if __name__ == "__main__":
    main()
