"""Compare all approaches of the study on the same photos, pairs and sites.

    python -m benchmarks.comparison [--only NAME ...] [--cost] [--turns N]

Quality, one row per approach: image AUC (mean over targets), site AUC and site accuracy on the
composite grocery sites, verification AUC on all pairs of the Grocery Store's test photos. Every row
is written to benchmarks/results/comparison.json when it is measured; a second run resumes with the
missing ones. --cost measures processor time per image (interleaved, in one run), the time to fit
for a target, and the memory of a process of its own.

Networks with a number under "trained on" were trained on train photos of the targets, unlike the
others; "on each library" was trained on the library of each target only.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.approaches import APPROACHES, CHOSEN, DATA, Approach
from benchmarks.common import (
    PEAK,
    RESULTS,
    ROOT,
    KnownVectors,
    StoredEmbedder,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    stored,
    write_results,
)
from benchmarks.grocery_changes import Task
from benchmarks.grocery_sites import Photos, all_paths, load_tasks, summary
from benchmarks.speed import LOOP_IMAGES, Block, Stopwatch, scoring
from similarity_lab import RelevanceScorer, grocery_store, load_dataset, load_embedder
from similarity_lab._threads import usable_cores
from similarity_lab.distances.comparators import Comparator
from similarity_lab.evaluation import pair_distances
from similarity_lab.images.sources import content_digest
from similarity_lab.metric_learning import FeatureTower, MetricLearner
from similarity_lab.relevance import ReferenceDraw
from similarity_lab.study.scoring import N_REFERENCES, embed_alone, original_distances

FILE, SEED = RESULTS / "comparison.json", 0
ADAPTED = "metric learning, on each library"
QUALITY = ("image_auc", "site_auc", "accuracy", "coverage", "accuracy_when_sure")
IMAGES, OTHERS = 24, 2  # in a block; photos of each other product while costs are measured
SAME_PROCESS = {  # what runs the same code on the same network takes the same memory
    "cosine gray, as published": "cosine gray",
    "Euclidean colour": "cosine colour",
    "dot product colour": "cosine colour",
    "Siamese 1, as published": "Siamese 1, fault-free",
    "Siamese 2, as published": "Siamese 2, fault-free",
}
MEMORY = f"""{PEAK}
import json, sys
import similarity_lab
before = peak()
from benchmarks.approaches import score_once
score_once(*json.loads(sys.argv[1]))
print(peak() - before)
"""


class Sites:
    """The tasks, and what every approach needs of them, read once.

    Attributes
    ----------
    tasks : list of Task
        Their libraries as datasets.
    test : ImageDataset
        Photos for verification.
    paths : list of Path
        All photos.
    """

    def __init__(self, root: Path) -> None:
        tasks = load_tasks(root)
        self.test = grocery_store(root / "grocery-store", "test", "coarse")
        self.paths = sorted({*all_paths(tasks), *self.test.paths})
        self.tasks = [replace(task, library=load_dataset(task.library)) for task in tasks]
        site_paths = {path for task in tasks for site in task.sites for path in site.paths}
        self._digests = {path: content_digest(path) for path in sorted(site_paths)}

    def by_distance(
        self, task: Task, comparator: Comparator, **scoring: object
    ) -> dict[str, object]:
        """Return the decisions of the mean-distance rule on one task.

        They need distances only; making the tables of evidence would take most of the time.
        """
        scorer = RelevanceScorer(
            task.target, embedder=comparator, seed=SEED, progress=False, **scoring
        ).fit(task.library)
        distances = []
        for site in task.sites:
            vectors = comparator.embedder.embed(site.paths).vectors
            to_references = comparator.between(vectors, scorer.reference_vectors_)
            digests = [self._digests[path] for path in site.paths]
            distances.append(scorer.rule_.columns(vectors, to_references, digests)["distance"])
        threshold = scorer.rule_.similarity_threshold
        shares = np.array([(values <= threshold).mean() for values in distances])
        is_target = np.concatenate(task.is_target).astype(bool)
        return {
            "image_auc": roc_auc_score(is_target, -np.concatenate(distances)),
            "score": shares,
            "is_relevant": shares >= scorer.relevance_threshold,
            "is_sure": np.ones(len(shares), bool),
            "relevant": task.relevant,
            "threshold": threshold,
        }


def figures(runs: list[dict[str, object]]) -> dict[str, object]:
    """Return the published figures of a method's decisions."""
    row = summary(runs)
    columns = [name for key in QUALITY for name in (key, f"{key}_interval")]
    return {name: row[name] for name in (*columns, "sites") if name in row}


def quality(approach: Approach, sites: Sites) -> dict[str, object]:
    """Return an approach's figures on sites and, where it compares two photos, on pairs."""
    comparator = approach.precise()
    comparator.embedder = StoredEmbedder(comparator.embedder, sites.paths)
    minutes = approach.minutes and approach.minutes()
    row = {"trained_on": approach.trained_on, "training_minutes": minutes}
    if approach.scoring["rule"] == "learned":
        return figures(Photos(sites.tasks, comparator).decide()) | row
    runs = [sites.by_distance(task, comparator, **approach.scoring) for task in sites.tasks]
    vectors = comparator.embedder.embed(sites.test.paths).vectors
    pairs = pair_distances(vectors, sites.test.labels, comparator.between)
    return figures(runs) | row | {"verification_auc": pairs.auc}


def on_each_library(sites: Sites) -> dict[str, object]:
    """Train a head on each task's own library, its references among them, and decide with it."""
    frozen = stored("efficientnet-lite0", "rgb", sites.paths)
    runs, seconds = [], []
    for task in sites.tasks:
        start = time.process_time()
        learner = MetricLearner(FeatureTower(frozen), seed=SEED, progress=False).fit(task.library)
        seconds.append(time.process_time() - start)
        comparator = learner.comparator
        embedder = comparator.embedder
        site_paths = {path for site in task.sites for path in site.paths}
        paths = sorted({*site_paths, *task.library.paths})
        comparator.embedder = KnownVectors(embedder, paths, embedder.embed(paths).vectors)
        runs.append(sites.by_distance(task, comparator, **CHOSEN))
    return figures(runs) | {
        "trained_on": int(np.median([len(task.library) for task in sites.tasks])),
        "training_minutes": float(np.median(seconds)) / 60,
    }


def few_photos(task: Task) -> dict[str, list[Path]]:
    """Return a small library: the references and a few photos of each other product."""
    return {
        product: photos if product == task.target else photos[:OTHERS]
        for product, photos in task.library.items()
    }


@cache
def memory_of(arguments: str) -> float:
    """Return the MiB that `MEMORY` prints in a child process; each question is measured once."""
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, arguments],
        capture_output=True, text=True, check=True,
        cwd=ROOT,
    )  # fmt: skip
    return float(run.stdout.splitlines()[-1])


def memory(name: str, task: Task, images: list[Path]) -> float:
    """Return the MiB that deciding on one site takes beyond importing the package."""
    library = {product: list(map(str, photos)) for product, photos in few_photos(task).items()}
    return memory_of(json.dumps([name, library, task.target, list(map(str, images))]))


def loop(task: Task, images: list[Path]) -> Block:
    """Return the study's loop on a few images, to be timed."""
    model = load_embedder(color="gray", runtime="keras").model
    draw, references = ReferenceDraw(n=N_REFERENCES, seed=SEED), task.library[task.target]
    embed_alone(model, images[0])  # builds the graph

    def block() -> int:
        original_distances(model, images[:LOOP_IMAGES], references, draw)
        return LOOP_IMAGES

    return block


def cost(task: Task, turns: int) -> dict[str, object]:
    """Return the cost of each approach: per image, measured in turns, and of fitting."""
    images = list(dict.fromkeys(path for site in task.sites for path in site.paths))[:IMAGES]
    library = few_photos(task)
    rows: dict[str, dict[str, object]] = {}
    blocks: dict[str, Block] = {}
    for name, approach in APPROACHES.items():
        comparator = approach.default()
        comparator.embedder.embed(images[:2], progress=False)  # loads the network
        start = time.process_time()
        scorer = RelevanceScorer(
            task.target, embedder=comparator, progress=False, seed=SEED, **approach.scoring
        ).fit(library)
        rows[name] = {"ready_core_seconds": time.process_time() - start}
        blocks[name] = loop(task, images) if approach.is_loop else scoring(scorer, images)
        print(f"{name}: ready", flush=True)
    watch, loads = Stopwatch(blocks), [os.getloadavg()[0]]
    for turn in range(turns):
        watch.turn()
        loads.append(os.getloadavg()[0])
        print(f"turn {turn + 1} of {turns}, load {loads[-1]:.1f}", flush=True)
    for name, row in rows.items():
        times = [1000 * seconds for seconds in watch.core_seconds[name]]
        row["core_ms_per_image"] = 1000 * watch.core(name)
        row["core_ms_range"] = [min(times), max(times)]
        row["memory_mib"] = memory(SAME_PROCESS.get(name, name), task, images)
    rows[ADAPTED] = rows["metric learning"]  # the same network with other weights
    photos = sum(map(len, library.values()))
    settings = {"images": IMAGES, "library": photos, "turns": turns}
    return {
        "origin": origin("python -m benchmarks.comparison --cost", **settings),
        "load": {"least": min(loads), "most": max(loads), "cores": usable_cores()},
        "rows": rows,
    }


def stored_results() -> dict[str, dict[str, object]]:
    """Return the results of earlier runs."""
    return json.loads(FILE.read_text()) if FILE.is_file() else {"rows": {}}


def main() -> None:
    """Measure what is missing, print and write it."""
    parser = make_parser(__doc__)
    approaches = {**APPROACHES, **DATA}
    parser.add_argument("--only", nargs="*", choices=[*approaches, ADAPTED], default=None)
    parser.add_argument("--cost", action="store_true", help="measure cost instead of quality")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    require_clean_tree()
    if options.cost:
        costs = cost(load_tasks(photos_folder(), 1)[0], options.turns)
        write_results("comparison", stored_results() | {"cost": costs})
        for name, row in costs["rows"].items():
            print(f"{name:36}{row['core_ms_per_image']:10.1f}{row['memory_mib']:8.0f}")
        return
    sites = Sites(photos_folder())
    missing = [name for name in (*approaches, ADAPTED) if name not in stored_results()["rows"]]
    for name in options.only or missing:
        row = on_each_library(sites) if name == ADAPTED else quality(approaches[name], sites)
        results = stored_results()
        rows = results["rows"] | {name: row}
        results["rows"] = {n: rows[n] for n in (*approaches, ADAPTED) if n in rows}
        command = "python -m benchmarks.comparison"
        results["origin"] = origin(command, seed=SEED, targets=len(sites.tasks))
        write_results("comparison", results)
        print(f"{name:36}{row['image_auc']:8.3f}{row['site_auc']:8.4f}{row['accuracy']:8.3f}")


if __name__ == "__main__":
    main()
