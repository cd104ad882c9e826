"""The grocery tasks, and changes to their libraries; used by `benchmarks.grocery_sites`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from similarity_lab import Site
from similarity_lab.distances.comparators import Comparator
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.background import background_vectors

SEED = 0
Change = Callable[[int, EmbeddedLibrary], EmbeddedLibrary]


@dataclass(frozen=True)
class Task:
    """One target: its library, and its sites with the truth."""

    target: str
    library: dict[str, list[Path]]
    sites: list[Site]
    is_target: list[np.ndarray]
    relevant: np.ndarray


def references_only(tasks: list[Task]) -> Change:
    """Return a change that leaves no other product in the library."""
    return lambda number, library: library.subset(
        np.flatnonzero(library.is_target(tasks[number].target))
    )


def fewer(tasks: list[Task], count: int) -> Change:
    """Return a change that keeps `count` references, drawn by seed."""

    def change(number: int, library: EmbeddedLibrary) -> EmbeddedLibrary:
        is_target = library.is_target(tasks[number].target)
        remaining = np.random.default_rng(SEED).permutation(np.flatnonzero(is_target))[:count]
        return library.subset(np.sort(np.concatenate([remaining, np.flatnonzero(~is_target)])))

    return change


def wrong(tasks: list[Task], libraries: list[EmbeddedLibrary], share: float, seed: int) -> Change:
    """Return a change that replaces references by train photos of products not in the library."""
    known = {
        path: vector
        for library in libraries
        for path, vector in zip(library.dataset.paths, library.vectors, strict=True)
    }

    def change(number: int, library: EmbeddedLibrary) -> EmbeddedLibrary:
        rng = np.random.default_rng([seed, number])
        strangers = sorted(set(known) - set(library.dataset.paths))
        references = np.flatnonzero(library.is_target(tasks[number].target))
        replaced = rng.permutation(references)[: round(share * len(references))]
        vectors = library.vectors.copy()
        for index, stranger in zip(replaced, rng.permutation(len(strangers)), strict=False):
            vectors[index] = known[strangers[stranger]]
        return EmbeddedLibrary(library.dataset, vectors, library.embedder, library.skipped)

    return change


def with_background(comparator: Comparator) -> Change:
    """Return a change that adds generated photos as a class, as the study did."""
    vectors = background_vectors(comparator.embedder)

    def change(_number: int, library: EmbeddedLibrary) -> EmbeddedLibrary:
        photos = library.dataset
        dataset = replace(
            photos,
            paths=(*photos.paths, *(Path(f"generated-{index}") for index in range(len(vectors)))),
            labels=np.append(photos.labels, np.full(len(vectors), len(photos.classes))),
            classes=(*photos.classes, "generated"),
        )
        vectors_with_background = np.concatenate([library.vectors, vectors])
        return EmbeddedLibrary(dataset, vectors_with_background, library.embedder, library.skipped)

    return change
