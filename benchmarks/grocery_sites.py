"""Evaluate decisions on composite websites of Grocery Store photos (14 targets × 40 sites).

    python -m benchmarks.grocery_sites [--short] [--targets N]

Prints one row per method: image AUC (mean over targets), site AUC (all sites pooled), accuracy,
calibration errors and coverage when "unsure" is allowed, with 95% intervals; writes them to
benchmarks/results/grocery_sites.json. Methods learn from a task's own references and library only,
except in the rows whose network was trained on the Grocery Store's train split, targets included.
Thresholds are fixed before any site is scored, except in the row "picked afterwards".
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from tqdm.auto import tqdm

from benchmarks.common import (
    StoredEmbedder,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    stored,
    stored_quality,
    write_results,
)
from benchmarks.grocery_changes import Change, Task, fewer, references_only, with_background, wrong
from benchmarks.measures import mean_log_loss, reliability, roc_auc
from similarity_lab import RelevanceScorer, Site, load_dataset
from similarity_lab.distances.comparators import Comparator, EmbeddingComparator
from similarity_lab.evaluation import expected_calibration_error
from similarity_lab.evaluation.intervals import bootstrap_interval, wilson_interval
from similarity_lab.relevance import LearnedRule, MeanDistanceRule
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.site import Clutter, EmbeddedSite

SEED = 0
# About the parts that are true: of images that show the target, and of sites that show it at all
PRIOR_SHARE, PRIOR = 0.25, 0.65
LEARNED = {"rule": LearnedRule(prior_share=PRIOR_SHARE), "prior": PRIOR}


def load_tasks(folder: Path, limit: int | None = None) -> list[Task]:
    """Read the composite sites."""
    descriptions = json.loads((folder / "grocery-sites" / "dev.json").read_text())["tasks"][:limit]
    tasks = []
    for task in descriptions:
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


class Photos:
    """The tasks' photos, embedded once per comparator."""

    def __init__(
        self, tasks: list[Task], comparator: Comparator, leave_out: Sequence[Clutter] = ()
    ) -> None:
        self.tasks, self.comparator, self.leave_out = tasks, comparator, leave_out
        self.libraries = [
            EmbeddedLibrary.of(load_dataset(task.library), comparator, progress=False)
            for task in tqdm(tasks, desc="libraries", leave=False)
        ]
        self.sites = [
            [
                EmbeddedSite.of(site, comparator.embedder, leave_out=leave_out, progress=False)
                for site in task.sites
            ]
            for task in tqdm(tasks, desc="sites", leave=False)
        ]

    def decide(self, change: Change | None = None, **parameters: object) -> list[dict[str, object]]:
        """Return a method's scores and decisions on every task, with libraries changed first."""
        runs = []
        for number, task in enumerate(self.tasks):
            library = self.libraries[number]
            scorer = RelevanceScorer(
                task.target,
                embedder=self.comparator,
                leave_out=self.leave_out,
                criterion="share",
                **{"seed": SEED, "progress": False} | (parameters or LEARNED),
            ).fit(change(number, library) if change else library)
            results = [scorer.decide(site) for site in self.sites[number]]
            images = pd.concat([result.images for result in results])
            is_counted = (images["status"] != "left out").to_numpy()
            probabilities = {
                "chance": images["probability"].to_numpy(float),
                "offered": np.array([result.offered for result in results]),
                "sells": np.array([shows.any() for shows in task.is_target]),
            }
            is_target = np.concatenate(task.is_target).astype(bool)
            runs.append(
                {
                    "image_auc": roc_auc_score(is_target, images["score"]),
                    "is_target": is_target,
                    "left_out": float(1 - is_counted.mean()),
                    "left_out_of_target": float(1 - is_counted[is_target].mean()),
                    "score": np.array(
                        [r.share if r.probability is None else r.probability for r in results]
                    ),
                    "is_relevant": np.array([result.relevant for result in results]),
                    "is_sure": np.array([result.decision != "unsure" for result in results]),
                    "relevant": task.relevant,
                    "threshold": scorer.rule_.similarity_threshold,
                    "results": results,
                    **(probabilities if results[0].probability is not None else {}),
                }
            )
        return runs


def summary(runs: list[dict[str, object]]) -> dict[str, object]:
    """Return a method's figures over all tasks, with intervals."""
    score, is_relevant, relevant, is_sure = (
        np.concatenate([run[name] for run in runs])
        for name in ("score", "is_relevant", "relevant", "is_sure")
    )
    aucs = np.array([run["image_auc"] for run in runs])
    is_correct = is_relevant == relevant

    def site_auc(indices: np.ndarray) -> float:
        return roc_auc(score[indices], relevant[indices])

    figures = {
        "image_auc": float(aucs.mean()),
        "image_auc_interval": bootstrap_interval(
            lambda indices: aucs[indices].mean(), len(aucs), seed=SEED
        ),
        "site_auc": site_auc(np.arange(len(score))),
        "site_auc_interval": bootstrap_interval(site_auc, len(score), seed=SEED),
        "accuracy": float(is_correct.mean()),
        "accuracy_interval": wilson_interval(int(is_correct.sum()), len(is_correct)),
        "sites": len(is_correct),
        "thresholds": sorted({round(float(run["threshold"]), 4) for run in runs}),
    }
    if any(run.get("left_out") for run in runs):  # shares of all images, and of the target's
        for name in ("left_out", "left_out_of_target"):
            figures[name] = float(np.mean([run[name] for run in runs]))
    if "chance" in runs[0]:
        chance, truth = (
            np.concatenate([run[name] for run in runs]) for name in ("chance", "is_target")
        )
        figures |= {
            "image_ece": expected_calibration_error(chance, truth),
            "image_log_loss": mean_log_loss(chance, truth),
            "image_reliability": reliability(chance, truth),
            "site_ece": expected_calibration_error(score, relevant),
            "site_log_loss": mean_log_loss(score, relevant),
            "site_reliability": reliability(score, relevant),
            "prior_share": PRIOR_SHARE,
            "true_share": float(truth.mean()),
            **offered_figures(runs),
            "coverage": float(is_sure.mean()),
        }
        if is_sure.any():
            right, sure = int(is_correct[is_sure].sum()), int(is_sure.sum())
            figures["accuracy_when_sure"] = right / sure
            figures["accuracy_when_sure_interval"] = wilson_interval(right, sure)
    return figures


def offered_figures(runs: list[dict[str, object]]) -> dict[str, object]:
    """Return the figures of the probability that a site shows the target at all."""
    offered, sells = (np.concatenate([run[name] for run in runs]) for name in ("offered", "sells"))
    return {
        "offered_auc": roc_auc(offered, sells),
        "offered_ece": expected_calibration_error(offered, sells),
        "offered_log_loss": mean_log_loss(offered, sells),
        "offered_reliability": reliability(offered, sells),
        "offered_prior": PRIOR,
    }


def best_afterwards(runs: list[dict[str, object]]) -> dict[str, object]:
    """Return the accuracy of the best similarity threshold, chosen with the true answers."""
    grid = np.round(np.arange(0.2, 1.0, 0.01), 2)
    relevant = np.concatenate([run["relevant"] for run in runs])
    distances = [result.images["distance"].dropna() for run in runs for result in run["results"]]

    def n_correct(threshold: float) -> int:
        shares = np.array([(values <= threshold).mean() for values in distances])
        return int(((shares >= 0.25) == relevant).sum())

    best = max(grid, key=n_correct)
    return {
        "accuracy": n_correct(best) / len(relevant),
        "accuracy_interval": wilson_interval(n_correct(best), len(relevant)),
        "sites": len(relevant),
        "thresholds": [float(best)],
    }


def mean_of(summaries: list[dict[str, object]]) -> dict[str, object]:
    """Return the means of the plain numbers of several summaries."""
    names = [name for name, value in summaries[0].items() if isinstance(value, float)]
    return {name: float(np.mean([figures[name] for figures in summaries])) for name in names}


def trained_comparators(paths: list[Path]) -> dict[str, Comparator]:
    """Return the networks that were trained on the train split, with cached vectors."""
    # deferred: the other rows, and what imports this module, do not need TensorFlow
    from benchmarks.metric_learning_runs import FEATURES
    from benchmarks.metric_learning_runs import trained as trained_learner
    from benchmarks.siamese_runs import STRONG
    from benchmarks.siamese_runs import trained as trained_network

    network = trained_network(STRONG).comparator
    network.embedder = StoredEmbedder(network.embedder, paths)
    learner = trained_learner(FEATURES).comparator
    learner.embedder = StoredEmbedder(learner.embedder, paths)
    return {"strong Siamese": network, "metric learning": learner}


def add_trained(
    add: Callable[[str, list], None],
    tasks: list[Task],
    paths: list[Path],
    mean_distance: dict[str, str],
) -> None:
    """Add the rows of the networks that were trained on the train split."""
    for name, comparator in trained_comparators(paths).items():
        photos = Photos(tasks, comparator)
        add(f"mean distance, {name} (has seen the targets)", photos.decide(**mean_distance))
        add(f"learned, {name} (has seen the targets)", photos.decide())


def main() -> None:
    """Run every method, print and write the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--targets", type=int, help="use the first N targets only")
    parser.add_argument(
        "--short",
        action="store_true",
        help="no trained networks, no wrong references, no quality best",
    )
    options = parser.parse_args()
    limit, short = options.targets, options.short
    if limit is None:  # results of fewer targets are printed, not written
        require_clean_tree()
    tasks = load_tasks(photos_folder(), limit)
    paths = all_paths(tasks)
    rows: dict[str, dict[str, object]] = {}

    def add(name: str, runs: list[dict[str, object]]) -> None:
        rows[name] = summary(runs)
        print(f"{name}: {rows[name]['image_auc']:.4f} {rows[name]['accuracy']:.4f}", flush=True)

    original = {"rule": "mean-distance"}
    mean_distance = {"rule": MeanDistanceRule("from-library")}
    gray = Photos(tasks, EmbeddingComparator(stored("efficientnet-lite0", "gray", paths)))
    runs = gray.decide(**original)
    add("original rule (gray lite0, 0.65 / 0.25)", runs)
    rows["… with the best threshold picked afterwards"] = best_afterwards(runs)
    add("mean distance, gray lite0, threshold from the library", gray.decide(**mean_distance))
    color = Photos(tasks, EmbeddingComparator(stored("efficientnet-lite0", "rgb", paths)))
    add("mean distance, colour lite0, threshold from the library", color.decide(**mean_distance))
    nearest = {"rule": MeanDistanceRule("from-library", draw="all", aggregate="mean-of-nearest")}
    add("mean of 3 nearest, colour lite0, threshold from the library", color.decide(**nearest))
    if not short:
        add_trained(add, tasks, paths, mean_distance)
    fast = Photos(tasks, EmbeddingComparator(stored_quality("fast", paths)))
    add("learned, quality fast", fast.decide())
    standard = Photos(tasks, EmbeddingComparator(stored_quality("standard", paths)))
    comparator = standard.comparator
    add("learned", standard.decide())
    add("learned, generated background as a class", standard.decide(with_background(comparator)))
    if not short:
        tidy = Photos(tasks, comparator, get_args(Clutter))
        add("learned, icons, banners and graphics left out", tidy.decide())
    for count in (15, 10, 5):
        add(f"learned, {count} references", standard.decide(fewer(tasks, count)))
    add("learned, references only", standard.decide(references_only(tasks)))
    for share in () if short else (0.1, 0.2):
        several = [
            summary(standard.decide(wrong(tasks, standard.libraries, share, seed)))
            for seed in range(5)
        ]
        rows[f"learned, {share:.0%} wrong references (mean of 5 seeds)"] = mean_of(several)
    if not short:
        best = Photos(tasks, EmbeddingComparator(stored_quality("best", paths)))
        add("learned, quality best", best.decide())
        add("learned, quality best, references only", best.decide(references_only(tasks)))
    command = "python -m benchmarks.grocery_sites" + (" --short" if short else "")
    results = {"origin": origin(command, seed=SEED, targets=len(tasks)), "rows": rows}
    columns = ["image_auc", "site_auc", "accuracy", "image_ece", "coverage", "accuracy_when_sure"]
    print(pd.DataFrame(rows).T.reindex(columns=columns).astype(float).round(4).to_string())
    if limit is None:
        print(f"written to {write_results('grocery_sites', results)}")


if __name__ == "__main__":
    main()
