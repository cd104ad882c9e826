"""Measure the speed of the original study's loop (`study.scoring`), the 1x of the speed table.

    python -m benchmarks.original_loop [--images N]

Prints scored images per second of the loop and of the package, on the same Grocery Store photos, in
one run, and writes them to benchmarks/results/original_loop.json.
"""

import statistics
import time

import numpy as np

from similarity_lab import RelevanceScorer, Site, load_embedder
from similarity_lab.relevance import ReferenceDraw
from similarity_lab.study.scoring import (
    N_REFERENCES,
    SIMILARITY_THRESHOLD,
    embed_alone,
    original_distances,
)

SEED = 0


def main() -> None:
    """Time the loop and the package on the same images."""
    from benchmarks.common import (
        make_parser,
        origin,
        photos_folder,
        require_clean_tree,
        write_results,
    )
    from benchmarks.grocery_sites import load_tasks

    parser = make_parser(__doc__)
    parser.add_argument("--images", type=int, default=40, help="site images for the slow loop")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    require_clean_tree()
    task = load_tasks(photos_folder(), 1)[0]
    references = task.library[task.target]
    images = [path for site in task.sites for path in site.paths]
    loop_images, package_images = images[: options.images], images[:1000]
    model = load_embedder("efficientnet-lite0", color="gray", runtime="keras").model
    embed_alone(model, loop_images[0])
    draw = ReferenceDraw(n=N_REFERENCES, seed=SEED)
    slow, fast, cold = [], [], []
    for _ in range(options.repeats):
        start = time.perf_counter()
        expected = original_distances(model, loop_images, references, draw)
        slow.append(len(loop_images) / (time.perf_counter() - start))
        start = time.perf_counter()
        scorer = RelevanceScorer(task.target, rule="mean-distance", seed=SEED, progress=False)
        scorer.fit({task.target: references})
        start_deciding = time.perf_counter()
        result = scorer.decide(Site.from_paths(package_images, name="all"))
        end = time.perf_counter()
        fast.append(len(package_images) / (end - start_deciding))
        cold.append(len(package_images) / (end - start))
    distances = result.images["distance"].to_numpy()[: len(loop_images)]
    figures = {
        "original loop, images/s": statistics.median(slow),
        "package, images/s": statistics.median(fast),
        "package, references and loading included, images/s": statistics.median(cold),
        "ratio": statistics.median(f / s for f, s in zip(fast, slow, strict=True)),
        "ratio, references and loading included": statistics.median(
            c / s for c, s in zip(cold, slow, strict=True)
        ),
        "largest difference of a distance": float(np.abs(distances - expected).max()),
        "equal decisions per image": float(
            np.mean(
                (distances <= SIMILARITY_THRESHOLD) == (np.array(expected) <= SIMILARITY_THRESHOLD)
            )
        ),
    }
    for name, value in figures.items():
        print(f"{name:55} {value:.6g}")
    settings = {
        "images": [len(loop_images), len(package_images)],
        "repeats": options.repeats,
        "seed": SEED,
    }
    command = "python -m benchmarks.original_loop"
    results = {"origin": origin(command, **settings), "figures": figures}
    print(f"written to {write_results('original_loop', results)}")


if __name__ == "__main__":
    main()
