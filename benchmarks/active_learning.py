"""How many marks does it take until decisions are right: in the order of value, or at random?

    python -m benchmarks.active_learning [--targets N] [--marks N] [--seeds N]

On the composite websites of Grocery Store photos (14 targets × 40 sites), a person marks one image
after the other, over all sites of a target; each mark changes the decision on its site at once
(`with_marks`, nothing is fitted again). Prints for each number of marks the part of the sites that
are decided rightly ("unsure" is not right) and the accuracy of the forced choice, and writes them
to benchmarks/results/active_learning.json. Random marks are drawn several times.
"""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from benchmarks.common import (
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    stored_quality,
    write_results,
)
from benchmarks.grocery_sites import PRIOR, PRIOR_SHARE, SEED, Photos, all_paths, load_tasks
from similarity_lab import RelevanceScorer
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.relevance import LearnedRule, SiteRelevance, mark_values, with_marks

AT = (0, 5, 10, 20, 40)
ORDERS = ("value", "random")


def right(results: list[SiteRelevance], truth: np.ndarray) -> np.ndarray:
    """Return the number of sites decided rightly, and forced rightly."""
    decided = [
        result.decision == ("relevant" if is_true else "irrelevant")
        for result, is_true in zip(results, truth, strict=True)
    ]
    forced = [result.relevant == is_true for result, is_true in zip(results, truth, strict=True)]
    return np.array([sum(decided), sum(forced)])


def simulate(
    results: list[SiteRelevance],
    shows: list[np.ndarray],
    truth: np.ndarray,
    order: str,
    n_marks: int,
    seed: int,
) -> np.ndarray:
    """Return what is right after each number of marks, shape (n_marks + 1, 2)."""
    rng = np.random.default_rng(seed)
    results = list(results)
    images = [result.images.index[result.images["status"] == "scored"] for result in results]
    values = [mark_values(result) for result in results] if order == "value" else []
    ranks = {
        (site, row): value
        for site, rows in enumerate(images)
        for row, value in zip(rows, rng.random(len(rows)), strict=True)
    }
    history = [right(results, truth)]
    for _ in range(n_marks):
        if order == "random":
            best = max(ranks, key=ranks.__getitem__)
            del ranks[best]
            site, row = best
        else:
            site = max(
                range(len(results)), key=lambda i: values[i].iloc[0] if len(values[i]) else -1
            )
            row = int(values[site].index[0])
        results[site] = with_marks(results[site], {row: bool(shows[site][row])})
        if order == "value":
            values[site] = mark_values(results[site])
        history.append(right(results, truth))
    return np.array(history)


def main() -> None:
    """Run every order, print and write the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--targets", type=int, help="use the first N targets only")
    parser.add_argument("--marks", type=int, default=AT[-1], help="marks per target")
    parser.add_argument("--seeds", type=int, default=2, help="draws of random marks")
    options = parser.parse_args()
    if options.targets is None:
        require_clean_tree()
    tasks = load_tasks(photos_folder(), options.targets)
    embedder = stored_quality("fast", all_paths(load_tasks(photos_folder())))
    photos = Photos(tasks, EmbeddingComparator(embedder))
    rows: dict[str, dict[str, object]] = {}
    for criterion in ("offered", "share"):
        histories: dict[str, list[np.ndarray]] = {order: [] for order in ORDERS}
        for number, task in enumerate(tqdm(tasks, desc=criterion, unit="target")):
            scorer = RelevanceScorer(
                task.target, rule=LearnedRule(prior_share=PRIOR_SHARE), prior=PRIOR,
                criterion=criterion, embedder=photos.comparator, seed=SEED, progress=False,
            ).fit(photos.libraries[number])  # fmt: skip
            results = [scorer.decide(site) for site in photos.sites[number]]
            sells = np.array([shows.any() for shows in task.is_target])
            truth = sells if criterion == "offered" else task.relevant
            for order in ORDERS:
                seeds = range(options.seeds if order == "random" else 1)
                runs = [
                    simulate(results, task.is_target, truth, order, options.marks, seed)
                    for seed in seeds
                ]
                histories[order].append(np.mean(runs, axis=0))
        n_sites = sum(len(task.sites) for task in tasks)
        for order, found in histories.items():
            total = np.sum(found, axis=0) / n_sites
            rows[f"{criterion}, {order}"] = {
                "marks": [count for count in AT if count <= options.marks],
                "decided_rightly": [float(total[n, 0]) for n in AT if n <= options.marks],
                "accuracy": [float(total[n, 1]) for n in AT if n <= options.marks],
                "curve": np.round(total, 5).tolist(),
            }
        goal = rows[f"{criterion}, random"]["decided_rightly"][-1]
        for order in ORDERS:
            reached = [pair[0] >= goal - 1e-9 for pair in rows[f"{criterion}, {order}"]["curve"]]
            rows[f"{criterion}, {order}"]["marks_to_reach_random"] = (
                reached.index(True) if any(reached) else None
            )
    results = {
        "origin": origin(
            "python -m benchmarks.active_learning", seed=SEED, seeds=options.seeds,
            targets=len(tasks), sites=sum(len(task.sites) for task in tasks),
        ),
        "rows": rows,
    }  # fmt: skip
    for name, row in rows.items():
        print(name, np.round(row["decided_rightly"], 4), row["marks_to_reach_random"], flush=True)
    if options.targets is None:
        print(f"written to {write_results('active_learning', results)}")


if __name__ == "__main__":
    main()
