"""Decisions with few references, and with few other products in the library.

    python -m benchmarks.few_photos

The composite sites of groceries (`benchmarks.grocery_sites`) and of shop photos, the first way to
halve them (`benchmarks.shop_sites`); references and other products are drawn by seed. Needs both
kinds of photos. Writes benchmarks/results/few_photos.json.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.common import (
    CACHE,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    write_results,
)
from benchmarks.grocery_sites import load_tasks
from benchmarks.measures import SEED, decision_figures, mean_log_loss
from benchmarks.shop_sites import compose
from benchmarks.shops import read_library, shops_folders
from similarity_lab import RelevanceScorer, Site, load_dataset
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.embedders import CachedEmbedder
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.learned import quality_embedder
from similarity_lab.relevance.site import EmbeddedSite

ALL = 1000
REFERENCES = (2, 3, 5, 10, ALL)
PRODUCTS = (0, 3, 5, 10, 15, 20)
SETTINGS = [(count, ALL) for count in REFERENCES] + [(ALL, count) for count in PRODUCTS]
PRIORS = {"grocery": 0.65, "shops": 0.5}  # the part of the sites that show the target at all


@dataclass(frozen=True, eq=False)
class EmbeddedTask:
    """A target with its embedded library and sites; `shows` has the truth of each image."""

    target: str
    library: EmbeddedLibrary
    sites: list[EmbeddedSite]
    shows: list[np.ndarray]
    kinds: list[str]


def grocery_tasks(comparator: EmbeddingComparator) -> list[EmbeddedTask]:
    """Return the tasks on groceries; every site is asked for share and offer."""
    return [
        EmbeddedTask(
            task.target,
            EmbeddedLibrary.of(load_dataset(task.library), comparator, progress=False),
            [EmbeddedSite.of(site, comparator.embedder, progress=False) for site in task.sites],
            [shows.astype(bool) for shows in task.is_target],
            ["share"] * len(task.sites),
        )
        for task in tqdm(load_tasks(photos_folder()), desc="grocery", unit="task")
    ]


def shop_tasks(comparator: EmbeddingComparator) -> list[EmbeddedTask]:
    """Return the tasks on shop photos."""
    tasks = compose(read_library(*shops_folders()), 0)
    embedded = []
    for task in tqdm(tasks, desc="shops", unit="task"):
        dataset = load_dataset({**task.library, task.target: task.references}, progress=False)
        sites = [Site.from_paths(site.images, name=site.name) for site in task.sites]
        embedded.append(
            EmbeddedTask(
                task.target,
                EmbeddedLibrary.of(dataset, comparator, progress=False),
                [EmbeddedSite.of(site, comparator.embedder, progress=False) for site in sites],
                [site.is_target for site in task.sites],
                [site.kind for site in task.sites],
            )
        )
    return embedded


def limited(
    library: EmbeddedLibrary, target: str, n_references: int, n_products: int, seed: int
) -> EmbeddedLibrary:
    """Return a library with some of the references and of the other products."""
    rng = np.random.default_rng(seed)
    labels, own = library.dataset.labels, library.dataset.class_index(target)
    references = rng.permutation(np.flatnonzero(labels == own))[:n_references]
    others = rng.permutation(np.setdiff1d(labels, [own]))[:n_products]
    is_kept = np.isin(labels, others)
    is_kept[references] = True
    return library.subset(np.flatnonzero(is_kept))


def decisions(
    tasks: list[EmbeddedTask], n_references: int, n_products: int, prior: float
) -> pd.DataFrame:
    """Return a row per site and criterion: target, criterion, decision, probability, truth."""
    rows = []
    for number, task in enumerate(tasks):
        library = limited(task.library, task.target, n_references, n_products, number)
        scorer = RelevanceScorer(
            task.target, quality="standard", store=CACHE, prior=prior, progress=False
        ).fit(library)
        for site, shows, kind in zip(task.sites, task.shows, task.kinds, strict=True):
            truths = {"share": shows.mean() >= 0.25, "offered": shows.any()}
            for criterion, truth in truths.items():
                if criterion == "share" and kind == "sparse":
                    continue
                result = scorer.set_params(criterion=criterion).decide(site)
                rows.append(
                    {
                        "target": task.target,
                        "criterion": criterion,
                        "decision": result.decision,
                        "probability": result.probability,
                        "truth": bool(truth),
                    }
                )
    return pd.DataFrame(rows)


def main() -> None:
    """Decide with every number of references and products, print and write the figures."""
    make_parser(__doc__).parse_args()
    require_clean_tree()
    comparator = EmbeddingComparator(CachedEmbedder(quality_embedder("standard"), CACHE))
    sets = {"grocery": grocery_tasks(comparator), "shops": shop_tasks(comparator)}
    rows: dict[str, object] = {}
    for name, tasks in sets.items():
        for n_references, n_products in tqdm(SETTINGS, desc=name, unit="setting"):
            table = decisions(tasks, n_references, n_products, PRIORS[name])
            for criterion, group in table.groupby("criterion"):
                probability = group["probability"].to_numpy(float)
                truth = group["truth"].to_numpy(bool)
                references = "all" if n_references == ALL else n_references
                products = "all" if n_products == ALL else n_products
                key = f"{name}, {criterion}, {references} references, {products} products"
                rows[key] = decision_figures(
                    group["decision"].to_numpy(str), probability, truth, group["target"]
                ) | {"log_loss": mean_log_loss(probability, truth)}
    columns = ["accuracy", "right_when_sure", "unsure", "wrong_when_sure", "log_loss"]
    print(pd.DataFrame(rows).T[columns].astype(float).round(3).to_string())
    results = {"origin": origin("python -m benchmarks.few_photos", seed=SEED), "rows": rows}
    print(f"written to {write_results('few_photos', results)}")


if __name__ == "__main__":
    main()
