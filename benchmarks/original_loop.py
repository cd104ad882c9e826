"""The original study's loop, literally: sixteen networks calls of one image per site image.

Kept as the oracle that the package's scorer is tested against, and as the 1x of the speed table:

    python -m benchmarks.original_loop [--images N]

prints scored images per second of this loop and of the package, on the same Grocery Store photos,
in one run, and writes them to benchmarks/results/original_loop.json.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial import distance

from similarity_lab import RelevanceScorer, Site, load_embedder
from similarity_lab.backend import keras
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance import ReferenceDraw

SEED, N_REFERENCES, SIMILAR, RELEVANT = 0, 15, 0.65, 0.25


def embed_alone(model: keras.Model, path: Path) -> np.ndarray:
    """Read, make gray, resize, stack to three equal channels, scale, embed a batch of one."""
    file = Image.open(path).convert("L").resize((224, 224))
    pixels = np.stack((file,) * 3, axis=-1)
    pixels = np.array(pixels) / 255.0
    embedding = model.predict(pixels[np.newaxis, ...], verbose=0)
    return np.array(embedding).flatten()


def original_distances(
    model: keras.Model, images: Sequence[Path], references: Sequence[Path], draw: ReferenceDraw
) -> list[float]:
    """Return each image's mean cosine distance to the references drawn for it."""
    means = []
    for image in images:
        drawn = draw.indices(len(references), content_digest(image))
        vector = embed_alone(model, image)
        means.append(
            np.mean(
                [
                    distance.cdist([embed_alone(model, references[i])], [vector], "cosine")[0][0]
                    for i in drawn
                ]
            )
        )
    return means


def original_decision(distances: Sequence[float]) -> bool:
    """Return whether enough images are near enough."""
    similar = sum(value <= SIMILAR for value in distances)
    return similar / len(distances) >= RELEVANT


def main() -> None:
    """Time the loop and the package on the same images."""
    from benchmarks.common import origin, photos_folder, require_clean_tree, write_results
    from benchmarks.grocery_sites import load_tasks

    require_clean_tree()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=40, help="site images for the slow loop")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    task = load_tasks(photos_folder(), 1)[0]
    references = task.library[task.target]
    images = [path for site in task.sites for path in site.paths]
    few, many = images[: options.images], images[:1000]
    model = load_embedder("efficientnet-lite0", color="gray", runtime="keras").model
    embed_alone(model, few[0])
    draw = ReferenceDraw(n=N_REFERENCES, seed=SEED)
    slow, fast, cold = [], [], []
    for _ in range(options.repeats):
        start = time.perf_counter()
        expected = original_distances(model, few, references, draw)
        slow.append(len(few) / (time.perf_counter() - start))
        start = time.perf_counter()
        scorer = RelevanceScorer(task.target, rule="mean-distance", seed=SEED, progress=False)
        scorer.fit({task.target: references})
        fitted = time.perf_counter()
        result = scorer.decide(Site.from_paths(many, name="all"))
        done = time.perf_counter()
        fast.append(len(many) / (done - fitted))
        cold.append(len(many) / (done - start))
    got = result.images["distance"].to_numpy()[: len(few)]
    figures = {
        "original loop, images/s": statistics.median(slow),
        "package, images/s": statistics.median(fast),
        "package, references and loading included, images/s": statistics.median(cold),
        "ratio": statistics.median(f / s for f, s in zip(fast, slow, strict=True)),
        "ratio, references and loading included": statistics.median(
            c / s for c, s in zip(cold, slow, strict=True)
        ),
        "largest difference of a distance": float(np.abs(got - expected).max()),
        "equal decisions per image": float(
            np.mean((got <= SIMILAR) == (np.array(expected) <= SIMILAR))
        ),
    }
    for name, value in figures.items():
        print(f"{name:55} {value:.6g}")
    settings = {"images": [len(few), len(many)], "repeats": options.repeats, "seed": SEED}
    command = "python -m benchmarks.original_loop"
    results = {"origin": origin(command, **settings), "figures": figures}
    print(f"written to {write_results('original_loop', results)}")


if __name__ == "__main__":
    main()
