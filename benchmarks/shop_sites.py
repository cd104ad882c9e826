"""Decisions on composite websites of shop photos: 35 tasks × (14 + 14) sites.

    python -m benchmarks.shop_sites [--quality fast|standard|best] [--tasks N]

The repositories of the shop photos are halved in four ways; one half gives references and library,
the other one the photos of the sites, so that no shop is on both sides. Sites of *share* ask
whether a quarter of the images show the target: half of them show it on 25 to 80% of 10 to 40
images, the others on 0 to 8%. *Sparse* sites ask whether the target is sold at all: half of them
show it on 1 to 3 of 10 to 80 images, the others never. Their other images come from all other
classes, in the library or not. Needs the rebuilt shops, see `benchmarks.shops`. Intervals resample
targets. Writes benchmarks/results/shop_sites.json.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.common import CACHE, make_parser, origin, require_clean_tree, write_results
from benchmarks.measures import (
    calibration_figures,
    decision_figures,
    image_figures,
    print_figures,
    ranking_figures,
    roc_auc,
    values_by,
)
from benchmarks.shops import FEWEST_PHOTOS, TARGETS, read_library, shops_folders
from similarity_lab import RelevanceScorer, Site, load_dataset
from similarity_lab.relevance import LearnedRule

SEEDS = range(4)  # each halves the repositories in another way
FEWEST_OF_TARGET = 5  # photos in both halves
SITES = 14  # of each kind per task
RELEVANCE_THRESHOLD = 0.25
# What each kind of sites asks, and the parameters of its scorers; the priors are about the parts of
# images and sites that are true
TRUTH = {"share": "relevant", "sparse": "sells"}
SCORERS: dict[str, dict[str, Any]] = {
    "share": {"criterion": "share", "rule": LearnedRule(prior_share=0.25)},
    "sparse": {"criterion": "offered", "prior": 0.5},
}


@dataclass(frozen=True)
class CompositeSite:
    """A website composed of photos.

    Attributes
    ----------
    name : str
    kind : {"share", "sparse"}
        Many images of the target or hardly any; or 0 to 3.
    images : list of Path
    is_target : ndarray of bool, shape (n,)
    """

    name: str
    kind: str
    images: list[Path]
    is_target: np.ndarray

    @property
    def relevant(self) -> bool:
        """Whether the target's share of the images reaches the relevance threshold."""
        return bool(self.is_target.mean() >= RELEVANCE_THRESHOLD)

    @property
    def sells(self) -> bool:
        """Whether any image shows the target."""
        return bool(self.is_target.any())


@dataclass(frozen=True)
class ShopTask:
    """A target, photos of it and of other products, and the websites to decide on.

    Attributes
    ----------
    seed : int
        Of the halves.
    target : str
    references : list of Path
    library : dict of list of Path
        The other classes.
    sites : list of CompositeSite
    """

    seed: int
    target: str
    references: list[Path]
    library: dict[str, list[Path]]
    sites: list[CompositeSite]


def compose(photos: pd.DataFrame, seed: int) -> list[ShopTask]:
    """Return the tasks of one way to halve the repositories.

    Targets with fewer than five photos in a half are left out.

    Parameters
    ----------
    photos : DataFrame
        path, label, repo.
    seed : int
    """
    repos = np.random.default_rng(seed).permutation(sorted(set(photos["repo"])))
    in_library = photos["repo"].isin(repos[: len(repos) // 2])
    library_photos = photos_by_class(photos[in_library])
    site_photos = photos_by_class(photos[~in_library])
    tasks = []
    for number, target in enumerate(TARGETS):
        halves = (library_photos.get(target, []), site_photos.get(target, []))
        if min(map(len, halves)) < FEWEST_OF_TARGET:
            continue
        rng = np.random.default_rng([seed, number])
        others = sorted(
            path for name in site_photos if name != target for path in site_photos[name]
        )
        sites = [
            compose_site(rng, kind, place, site_photos[target], others)
            for kind in ("share", "sparse")
            for place in range(SITES)
        ]
        library = {
            name: paths
            for name, paths in library_photos.items()
            if name != target and len(paths) >= FEWEST_PHOTOS
        }
        tasks.append(ShopTask(seed, target, library_photos[target], library, sites))
    return tasks


def photos_by_class(photos: pd.DataFrame) -> dict[str, list[Path]]:
    """Return the photos of each class; classes and photos are sorted."""
    return {str(name): sorted(group["path"]) for name, group in photos.groupby("label")}


def compose_site(
    rng: np.random.Generator, kind: str, place: int, target: list[Path], others: list[Path]
) -> CompositeSite:
    """Return a site without repeated photos; those at even places show the target, or much of it.

    Sites that show much of a target with few photos are small.
    """
    if kind == "share" and place % 2 == 0:
        share = rng.uniform(RELEVANCE_THRESHOLD, min(0.8, len(target) / 10))
        size = rng.integers(10, min(40, int(len(target) / share)) + 1)
        fewest, most = int(np.ceil(RELEVANCE_THRESHOLD * size)), int(0.8 * size)
        count = int(np.clip(round(share * size), fewest, most))
    elif kind == "share":
        size = rng.integers(10, 41)
        count = rng.integers(0, int(0.08 * size) + 1)
    else:
        size = rng.integers(10, 81)
        count = rng.integers(1, 4) if place % 2 == 0 else 0
    images = [target[row] for row in rng.choice(len(target), count, replace=False)]
    images += [others[row] for row in rng.choice(len(others), size - count, replace=False)]
    order = rng.permutation(size)
    is_target = np.arange(size) < count
    return CompositeSite(f"{kind} {place}", kind, [images[row] for row in order], is_target[order])


def decide_task(task: ShopTask, quality: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decide on the sites of a task.

    Returns
    -------
    sites : DataFrame
        task, target, kind, relevant, sells, decision, probability (by the criterion of the kind).
    images : DataFrame
        task, target, kind, shows, score, probability, is_match of every scored image.
    """
    library = load_dataset({**task.library, task.target: task.references}, progress=False)
    parameters = {"quality": quality, "store": CACHE, "progress": False}
    scorers = {
        kind: RelevanceScorer(task.target, **parameters, **options).fit(library)
        for kind, options in SCORERS.items()
    }
    sites, images = [], []
    for site in task.sites:
        result = scorers[site.kind].decide(Site.from_paths(site.images, name=site.name))
        key = {"task": f"{task.target} {task.seed}", "target": task.target, "kind": site.kind}
        truth = {"relevant": site.relevant, "sells": site.sells}
        sites.append(key | truth | {"decision": result.decision, "probability": result.probability})
        table = result.images[["status", "score", "probability", "is_match"]]
        images.append(table.assign(shows=site.is_target, **key))
    scored = pd.concat(images, ignore_index=True).query("status == 'scored'")
    return pd.DataFrame(sites), scored


def site_figures(sites: pd.DataFrame, truth: str) -> dict[str, object]:
    """Return the figures of decisions on sites; `truth` names the column of right answers."""
    answer, probability = sites[truth].to_numpy(bool), sites["probability"].to_numpy(float)
    decision, target = sites["decision"].to_numpy(str), sites["target"]
    return (
        decision_figures(decision, probability, answer, target)
        | ranking_figures(probability, answer, target)
        | calibration_figures(probability, answer, target)
    )


def target_figures(sites: pd.DataFrame, images: pd.DataFrame, truth: str) -> dict[str, object]:
    """Return of each target: accuracy, what is unsure or wrong when sure, and image AUC."""
    figures: dict[str, object] = {}
    for target, rows in sites.groupby("target"):
        is_sure = rows["decision"] != "unsure"
        is_wrong = (rows["probability"] >= 0.5) != rows[truth]
        figures[str(target)] = {
            "tasks": int(rows["task"].nunique()),
            "sites": len(rows),
            "accuracy": float(1 - is_wrong.mean()),
            "unsure": float(1 - is_sure.mean()),
            "wrong_when_sure": int((is_wrong & is_sure).sum()),
            "image_auc": float(
                values_by(images[images["target"] == target], "task", roc_auc).mean()
            ),
        }
    return figures


def main() -> None:
    """Decide on all sites, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--quality", choices=["fast", "standard", "best"], default="standard")
    parser.add_argument("--tasks", type=int, help="use the first N tasks only; writes nothing")
    options = parser.parse_args()
    shops, lists = shops_folders()
    if options.tasks is None:
        require_clean_tree()
    photos = read_library(shops, lists)
    tasks = [task for seed in SEEDS for task in compose(photos, seed)][: options.tasks]
    tables = [decide_task(task, options.quality) for task in tqdm(tasks, desc="tasks", unit="task")]
    sites, images = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    rows: dict[str, object] = {"photos": len(photos), "repositories": photos["repo"].nunique()}
    for kind, truth in TRUTH.items():
        sites_of_kind = sites[sites["kind"] == kind]
        images_of_kind = images[images["kind"] == kind]
        rows[kind] = {
            "sites": site_figures(sites_of_kind, truth),
            "images": image_figures(images_of_kind, mean_over="task", resample="target"),
            "targets": target_figures(sites_of_kind, images_of_kind, truth),
        }
    print_figures(rows)
    if options.tasks is not None:
        return
    command = "python -m benchmarks.shop_sites"
    command += "" if options.quality == "standard" else f" --quality {options.quality}"
    name = "shop_sites" + ("" if options.quality == "standard" else f"_{options.quality}")
    configuration = {"seeds": len(SEEDS), "tasks": len(tasks), "quality": options.quality}
    results = {"origin": origin(command, **configuration), "rows": rows}
    print(f"written to {write_results(name, results)}")


if __name__ == "__main__":
    main()
