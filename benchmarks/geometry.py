"""Do the constants of the learned rule hold for embedders of another geometry?

    python -m benchmarks.geometry

The constants were fitted once, with EfficientNet-Lite. Here the same rule decides on simulated
vectors (`benchmarks.spaces`): narrow cones such as SigLIP's, nearly isotropic ones such as DINO's,
few and many dimensions, products that spread little or much. On these, constants may be chosen;
spaces of other kinds are held out, and spaces drawn at random are fresh. With the photos of grocery
sites, it also decides on real vectors of EfficientNet-Lite0 that were moved into other geometries.
And references are photos, names, or both, in simulated joint spaces whose text tower knows products
well or badly. Products of the sites are not in the library. Writes
benchmarks/results/geometry.json.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from unittest import mock

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
from benchmarks.measures import roc_auc
from benchmarks.spaces import (
    HELD_OUT,
    JOINT,
    JOINT_HELD_OUT,
    SPACES,
    Space,
    World,
    random_spaces,
)
from similarity_lab.relevance.doubt import FEW_REFERENCES
from similarity_lab.relevance.offered import offered_evidence
from similarity_lab.relevance.rules import calibration
from similarity_lab.relevance.rules.calibration import Calibration, cross_fit
from similarity_lab.relevance.rules.learned import FittedLearnedRule, quality_embedder
from similarity_lab.relevance.rules.prototypes import Prototypes, Scatter, Whitening, one_thread
from similarity_lab.relevance.rules.text import TextPart, TextReferences
from similarity_lab.relevance.share import SharePosterior
from similarity_lab.relevance.words import TargetWords
from similarity_lab.store import Vectors, unit

SEEDS = 6
FRESH, FRESH_SEED = 60, 20  # spaces drawn at random, on which nothing was ever looked at
SITES = 40  # per seed, half of which show the target
PRODUCTS, PER_PRODUCT, REFERENCES = 30, 15, 25
NAMES = 600  # that compete with the target's
SHARES = (0.05, 0.1, 0.3, 0.6)
PRIOR = 0.5  # of the sites show the target
CERTAINTY = 0.9


@dataclass(frozen=True, eq=False)
class Task:
    """A target with its library, and the images of sites: vectors, and which show the target."""

    references: Vectors
    others: Vectors
    labels: np.ndarray
    sites: list[tuple[Vectors, np.ndarray]]
    text: TextReferences | None = None


def simulated_task(space: Space, seed: int) -> Task:
    """Return a task in a simulated space; sites show products that the library does not have."""
    rng = np.random.default_rng(seed)
    world = World(space, rng)
    order = rng.permutation(world.n_products)
    target, library, unseen = order[0], order[1 : 1 + PRODUCTS], order[1 + PRODUCTS :]
    named = np.concatenate([library, unseen])[:NAMES]  # the others have no built-in name
    namesake = unseen[-1]  # has no built-in name
    if space.is_ambiguous:
        name = world.text_of_both(target, namesake)
    else:
        name = world.texts(np.array([namesake if space.is_wrong else target]))
    text = TextReferences(
        TargetWords.of("target"),
        ("target",),
        name[0],
        tuple(map(str, named)),
        world.texts(named),
        {},
    )
    sites = []
    for is_seller in np.arange(SITES) % 2 == 0:
        count = int(rng.integers(8, 40))
        n_target = max(1, round(count * rng.choice(SHARES))) if is_seller else 0
        sold = rng.choice(unseen, size=max(3, count // 3))
        shown = np.concatenate([np.full(n_target, target), rng.choice(sold, count - n_target)])
        if (space.is_wrong or space.is_ambiguous) and not is_seller and rng.random() < 1 / 3:
            shown[: max(1, round(count * rng.choice(SHARES)))] = namesake
        sites.append((world.images(shown.astype(int)), shown == target))
    return Task(
        world.images(np.full(REFERENCES, target)),
        world.images(np.repeat(library, PER_PRODUCT)),
        np.repeat(np.arange(PRODUCTS), PER_PRODUCT),
        sites,
        text,
    )


def photo_task(vectors: Vectors, labels: np.ndarray, seed: int) -> Task:
    """Return a task of real photos; half of the other classes are the library."""
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    target = rng.choice(classes[counts >= 30])
    rest = rng.permutation(classes[classes != target])
    library, unseen = np.sort(rest[: len(rest) // 2]), rest[len(rest) // 2 :]
    own = rng.permutation(np.flatnonzero(labels == target))
    n_references = min(REFERENCES, len(own) // 2)
    of_library = np.concatenate(
        [rng.permutation(np.flatnonzero(labels == name))[:PER_PRODUCT] for name in library]
    )
    elsewhere = np.flatnonzero(np.isin(labels, unseen))
    sites = []
    for is_seller in np.arange(SITES) % 2 == 0:
        count = int(rng.integers(8, 40))
        wanted = max(1, round(count * rng.choice(SHARES))) if is_seller else 0
        n_target = min(wanted, len(own) - n_references)
        shown = rng.choice(own[n_references:], n_target, replace=False)
        others = rng.choice(elsewhere, count - n_target, replace=False)
        positions = np.concatenate([shown, others]).astype(int)
        sites.append((vectors[positions], np.arange(count) < n_target))
    return Task(
        vectors[own[:n_references]],
        vectors[of_library],
        np.searchsorted(library, labels[of_library]),
        sites,
    )


def fit(task: Task, references: str) -> FittedLearnedRule:
    """Return the learned rule with photos, names, or both as references."""
    part = None
    held_out = cross_fit(task.references, task.others, task.labels, 0)
    own = Scatter.of(task.references, np.zeros(len(task.references), int))
    space = Whitening.from_scatter(own + Scatter.of(task.others, task.labels))
    prototypes = Prototypes.fit(task.references, task.others, task.labels, space)
    known = Calibration.of(held_out)
    if task.text is not None and references == "names":
        part = TextPart.alone(task.text, task.references[:0], task.others, task.labels, ())
        return FittedLearnedRule(
            None, part.prototypes.other_names, part.calibration, 0.5, 0.1, part
        )
    if task.text is not None and references == "both":
        part, known = TextPart.beside_photos(
            task.text, held_out, known, task.references, task.others, task.labels
        )
    names = tuple(map(str, range(len(prototypes.others))))
    return FittedLearnedRule(prototypes, names, known, 0.5, 0.1, part)


def figures(tasks: Iterator[Task], references: str = "photos") -> dict[str, float]:
    """Return how good decisions are: on images, and on sites by both criteria."""
    images, sites = [], []
    noise = []
    for number, task in enumerate(tasks):
        with one_thread:
            rule = fit(task, references)
            for vectors, shows in task.sites:
                columns = rule.columns(vectors, np.empty((len(vectors), 0)), [])
                known = rule.site_calibration(vectors)
                images.append(pd.DataFrame({"score": columns["score"], "shows": shows}))
                offered = offered_evidence(columns["margin"], None, known).probability(PRIOR)
                posterior = SharePosterior.of(
                    columns["score"],
                    known.look_alike_ratios,
                    n_references=known.n_references or FEW_REFERENCES,
                    reference_ratio=known.reference_ratio,
                )
                sites.append(
                    {
                        "task": number,
                        "offered": offered,
                        "sells": shows.any(),
                        "share": posterior.at_least(0.25),
                        "is_large": shows.mean() >= 0.25,
                    }
                )
        noise.append(rule.calibration.margin_noise)
    table, scores = pd.DataFrame(sites), pd.concat(images)
    found = {"image_auc": roc_auc(scores["score"].to_numpy(), scores["shows"].to_numpy())}
    questions = [("offered", "sells"), ("share", "is_large")]
    for name, truth in questions[: 1 if references == "names" else 2]:  # names know no share
        is_sure = np.maximum(table[name], 1 - table[name]) >= CERTAINTY
        is_right = (table[name] >= 0.5) == table[truth]
        found |= {
            f"{name}_auc": roc_auc(table[name].to_numpy(), table[truth].to_numpy(bool)),
            f"{name}_sure": float(is_sure.mean()),
            f"{name}_right_when_sure": float(is_right[is_sure].mean()),
        }
    return {**found, "noise": float(np.mean(noise))}


def moved(name: str) -> Callable[[Vectors], Vectors]:
    """Return a map of real vectors into another geometry."""
    rng = np.random.default_rng(0)

    def into_cone(vectors: Vectors, cosine: float) -> Vectors:
        mean = unit(rng.standard_normal((1, vectors.shape[1])).astype(np.float32))
        spread = unit(vectors - vectors.mean(0))
        return unit(np.sqrt(1 - cosine) * spread + np.sqrt(cosine) * mean)

    def project(vectors: Vectors, dimension: int) -> Vectors:
        centred = vectors - vectors.mean(0)
        return unit((centred @ rng.standard_normal((vectors.shape[1], dimension))).astype("f4"))

    def principal(vectors: Vectors, count: int, power: float) -> Vectors:
        left, values, _ = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
        return unit((left[:, :count] * values[:count] ** power).astype("f4"))

    return {
        "as they are": lambda vectors: vectors,
        "centred": lambda vectors: into_cone(vectors, 0.0),
        "cone 0.9": lambda vectors: into_cone(vectors, 0.9),
        "32 random directions": lambda vectors: project(vectors, 32),
        "64 random directions": lambda vectors: project(vectors, 64),
        "64 principal components": lambda vectors: principal(vectors, 64, 1.0),
        "256 components of equal variance": lambda vectors: principal(vectors, 256, 0.0),
    }[name]


MOVES = (
    "as they are",
    "centred",
    "cone 0.9",
    "32 random directions",
    "64 random directions",
    "64 principal components",
    "256 components of equal variance",
)


def photo_vectors() -> tuple[Vectors, np.ndarray]:
    """Return vectors of the training photos of the Grocery Store dataset, and their classes."""
    from similarity_lab.embedders import CachedEmbedder

    root = photos_folder() / "grocery-store" / "dataset" / "train"
    files = sorted(root.glob("**/*.jpg"))
    embedded = CachedEmbedder(quality_embedder("standard"), CACHE).embed(files)
    kept = [files[index] for index in embedded.kept]
    return embedded.vectors, np.array([file.relative_to(root).parts[1] for file in kept])


def simulated(space: Space) -> Iterator[Task]:
    """Yield the tasks of a simulated space."""
    for seed in range(SEEDS):
        yield simulated_task(space, seed)


def photo_tasks(vectors: Vectors, labels: np.ndarray) -> Iterator[Task]:
    """Yield the tasks of real photos."""
    for seed in range(SEEDS):
        yield photo_task(vectors, labels, seed)


def both_figures(name: str, tasks: Callable[[], Iterator[Task]]) -> dict[str, dict[str, float]]:
    """Return the figures and, where scores are noisy, those of a rule that does not heed it."""
    rows = {name: figures(tasks())}
    with (
        mock.patch.object(calibration, "_MAX_SPREAD", np.inf),
        mock.patch.object(calibration, "_MAX_MARGIN_SPREAD", np.inf),
    ):
        heedless = figures(tasks())
    if heedless != rows[name] | {"noise": 1.0}:
        rows[f"{name}, noise not heeded"] = heedless
    return rows


def main() -> None:
    """Decide in every space, and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--no-photos", action="store_true", help="simulated vectors only")
    options = parser.parse_args()
    require_clean_tree()
    parts = ("simulated", "held_out", "photos", "joint", "joint_held_out", "random")
    results: dict[str, dict[str, dict[str, float]]] = {part: {} for part in parts}
    for space in tqdm(SPACES, desc="spaces"):
        results["simulated"] |= both_figures(space.name, partial(simulated, space))
    for space in tqdm(HELD_OUT, desc="held-out spaces"):
        results["held_out"][space.name] = figures(simulated(space))
    for part, spaces in {"joint": JOINT, "joint_held_out": JOINT_HELD_OUT}.items():
        for space in tqdm(spaces, desc=part.replace("_", " ")):
            for references in ("photos", "names", "both"):
                row = f"{space.name}: {references}"
                results[part][row] = figures(simulated(space), references)
    for references in ("photos", "names", "both"):
        tasks = (
            simulated_task(space, FRESH_SEED)
            for space in tqdm(random_spaces(FRESH, FRESH_SEED), total=FRESH, desc=references)
        )
        results["random"][f"{FRESH} spaces: {references}"] = figures(tasks, references)
    if not options.no_photos:
        vectors, labels = photo_vectors()
        for name in tqdm(MOVES, desc="photos"):
            own = moved(name)(unit(vectors))
            results["photos"] |= both_figures(name, partial(photo_tasks, own, labels))
    for part, rows in results.items():
        print(part, pd.DataFrame(rows).T.round(3).to_string(), sep="\n")
    rounded = {
        part: {
            row: {key: None if np.isnan(v) else round(v, 4) for key, v in f.items()}
            for row, f in rows.items()
        }
        for part, rows in results.items()
    }
    command = "python -m benchmarks.geometry"
    configuration = {"seeds": SEEDS, "sites": SITES, "prior": PRIOR, "certainty": CERTAINTY}
    write_results("geometry", {"origin": origin(command, **configuration), **rounded})


if __name__ == "__main__":
    main()
