"""Measure how far the calibration constants of the learned rule are tuned to the grocery sites.

    python -m benchmarks.calibration_choice

For both qualities and every pair of constants: log loss and accuracy on the grocery sites. Then the
constants are chosen for each product on the other thirteen, by log loss, and evaluated on its own
sites (leave one product out). Writes benchmarks/results/calibration_choice.json.
"""

import itertools

import numpy as np

from benchmarks.common import (
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    stored,
    write_results,
)
from benchmarks.grocery_sites import SEED, Photos, StoredEmbedder, all_paths, load_tasks
from similarity_lab import RelevanceScorer, load_embedder
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.relevance.decision import SharePosterior
from similarity_lab.relevance.rules import calibration

HARD = (0.8, 0.85, 0.875, 0.9, 0.925, 0.95)
EDGE = (0.5, 0.75, 0.9, 0.95, 1.0)
GRID = list(itertools.product(HARD, EDGE))
RELEVANCE_THRESHOLD = 0.25

Chances = np.ndarray


def chances(photos: Photos) -> tuple[list[dict[tuple, Chances]], list[np.ndarray]]:
    """Return P(relevant) of each product's sites by pair of constants, and the truth."""
    predictions, truth = [], []
    for number, task in enumerate(photos.tasks):
        scorer = RelevanceScorer(
            task.target, embedder=photos.comparator, seed=SEED, progress=False
        ).fit(photos.libraries[number])
        held, line = scorer.rule_.held_out, scorer.rule_.likelihood
        tables = [scorer.decide(site).images for site in photos.sites[number]]
        site_scores = [
            table.loc[table["status"] == "scored", "score"].to_numpy() for table in tables
        ]
        scores = [(ratios - line.offset) / line.slope for ratios in site_scores]
        by_pair = {}
        for pair in GRID:
            calibration._HARD, calibration._EDGE = pair
            ratio = calibration.LikelihoodRatio.fit(held.references, held.others, held.weights)
            by_pair[pair] = np.array(
                [SharePosterior.of(ratio(site)).at_least(RELEVANCE_THRESHOLD) for site in scores]
            )
        predictions.append(by_pair)
        truth.append(task.relevant)
    return predictions, truth


def log_loss(predictions: list[Chances], truth: list[np.ndarray]) -> float:
    """Return the mean log loss over all sites."""
    chance = np.concatenate(predictions).clip(1e-6, 1 - 1e-6)
    return float(-np.log(np.where(np.concatenate(truth), chance, 1 - chance)).mean())


def accuracy(predictions: list[Chances], truth: list[np.ndarray]) -> dict[str, object]:
    """Return the share of sites decided rightly, with its interval."""
    right = (np.concatenate(predictions) >= 0.5) == np.concatenate(truth)
    return {
        "accuracy": float(right.mean()),
        "accuracy_interval": wilson_interval(int(right.sum()), len(right)),
    }


def rows(photos: Photos) -> dict[str, object]:
    """Return a quality's figures."""
    predictions, truth = chances(photos)
    products = range(len(predictions))

    def best(numbers: list[int]) -> tuple[float, float]:
        return min(
            GRID,
            key=lambda pair: log_loss(
                [predictions[n][pair] for n in numbers], [truth[n] for n in numbers]
            ),
        )

    best_elsewhere = [best([other for other in products if other != number]) for number in products]
    pairs_by_choice = {
        "the package's": dict.fromkeys(products, DEFAULT),
        "chosen on the others": dict(enumerate(best_elsewhere)),
        "best afterwards": dict.fromkeys(products, best(list(products))),
    }
    table = {
        name: accuracy([predictions[n][pair] for n, pair in pairs.items()], truth)
        | {
            "log_loss": log_loss([predictions[n][pair] for n, pair in pairs.items()], truth),
            "constants": sorted({str(pair) for pair in pairs.values()}),
        }
        for name, pairs in pairs_by_choice.items()
    }
    grid = {
        f"{hard:g} / {edge:g}": accuracy([by_pair[hard, edge] for by_pair in predictions], truth)
        | {"log_loss": log_loss([by_pair[hard, edge] for by_pair in predictions], truth)}
        for hard, edge in GRID
    }
    return {"chosen": table, "grid": grid}


DEFAULT = (calibration._HARD, calibration._EDGE)


def main() -> None:
    """Measure both qualities, print and write the figures."""
    make_parser(__doc__).parse_args()
    require_clean_tree()
    tasks = load_tasks(photos_folder())
    paths = all_paths(tasks)
    best = StoredEmbedder(
        load_embedder("efficientnet-lite2", input_size=380, runtime="keras"), paths
    )
    qualities = {"standard": stored("efficientnet-lite0", "rgb", paths), "best": best}
    tables_by_quality = {
        name: rows(Photos(tasks, EmbeddingComparator(embedder)))
        for name, embedder in qualities.items()
    }
    for quality, tables in tables_by_quality.items():
        for kind, table in tables.items():
            for name, row in table.items():
                print(f"{quality:9} {kind:7} {name:24} {row['accuracy']:.4f} {row['log_loss']:.4f}")
    results = {
        "origin": origin("python -m benchmarks.calibration_choice", seed=SEED),
        **tables_by_quality,
    }
    print(f"written to {write_results('calibration_choice', results)}")


if __name__ == "__main__":
    main()
