"""Measure the speed of the package, the original loop, and the limits of the machine.

    python -m benchmarks.speed [--images N] [--repeats N] [--memory N ...]

Short blocks are interleaved, so that other work on the machine affects all of them alike; figures
are medians over turns, ratios medians of the ratios within a turn. The ceiling is the number of
cores divided by the processor time of embedding and of decoding an image, each measured alone.
benchmarks/speed_peers.py measures other tools, benchmarks/stores.py stores of vectors. Writes
benchmarks/results/speed.json.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.common import (
    PEAK,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    write_results,
)
from benchmarks.grocery_sites import Task, load_tasks
from benchmarks.original_loop import SEED
from similarity_lab import RelevanceScorer, Site, load_embedder, read_image
from similarity_lab._threads import usable_cores
from similarity_lab.embedders.base import StreamingEmbedder
from similarity_lab.images.scaled import read_scaled
from similarity_lab.relevance import MeanDistanceRule, ReferenceDraw
from similarity_lab.study.scoring import N_REFERENCES, embed_alone, original_distances

LOOP_IMAGES = 3  # of the original loop in one turn: sixteen predictions each
SIZE = 224

Block = Callable[[], int]


class Stopwatch:
    """Runs blocks in turns; keeps images per second and processor seconds per image."""

    def __init__(self, blocks: dict[str, Block]) -> None:
        self.blocks = blocks
        self.rates: dict[str, list[float]] = {name: [] for name in blocks}
        self.core_seconds: dict[str, list[float]] = {name: [] for name in blocks}

    def turn(self) -> None:
        """Run every block once."""
        for name, block in self.blocks.items():
            wall, core = time.perf_counter(), time.process_time()
            images = block()
            self.core_seconds[name].append((time.process_time() - core) / images)
            self.rates[name].append(images / (time.perf_counter() - wall))

    def rate(self, name: str) -> float:
        """Return images per second."""
        return statistics.median(self.rates[name])

    def core(self, name: str) -> float:
        """Return processor seconds per image."""
        return statistics.median(self.core_seconds[name])

    def ratio(self, name: str, base: str) -> float:
        """Return how many times faster a block is than another one."""
        pairs = zip(self.rates[name], self.rates[base], strict=True)
        return statistics.median(a / b for a, b in pairs)


def original_rule(task: Task, images: list[Path], runtime: str) -> Block:
    """Return a block that decides by the original rule, including loading and references."""
    references = {task.target: task.library[task.target]}

    def block() -> int:
        embedder = load_embedder(color="gray", runtime=runtime)
        scorer = RelevanceScorer(
            task.target, rule=MeanDistanceRule(0.65), embedder=embedder, progress=False, seed=SEED,
        )  # fmt: skip
        scorer.fit(references).decide(Site.from_paths(images, name="all"))
        return len(images)

    return block


def scoring(scorer: RelevanceScorer, images: list[Path]) -> Block:
    """Return a block that decides on one site with a fitted scorer."""

    def block() -> int:
        scorer.decide(Site.from_paths(images, name="all"))
        return len(images)

    return block


def embedding(embedder: StreamingEmbedder, images: list[Path] | np.ndarray) -> Block:
    """Return a block that embeds files or arrays."""

    def block() -> int:
        embedder.embed(images, progress=False)
        return len(images)

    return block


def decoding(read: Callable, images: list[Path]) -> Block:
    """Return a block that decodes on one core."""

    def block() -> int:
        for image in images:
            read(image, size=(SIZE, SIZE))
        return len(images)

    return block


def keras_blocks(pixels: np.ndarray) -> dict[str, Block]:
    """Return blocks that run the same network by Keras and TensorFlow, as is usual."""
    import tensorflow as tf

    model = load_embedder(runtime="keras").model
    values = pixels.astype(np.float32) / 255
    graph = tf.function(lambda batch: model(batch, training=False))

    def predict() -> int:
        model.predict(values, batch_size=32, verbose=0)
        return len(values)

    def in_graph() -> int:
        for index in range(0, len(values), 16):
            graph(tf.constant(values[index : index + 16]))
        return len(values) // 16 * 16

    return {"Keras predict, arrays": predict, "TensorFlow graph, arrays": in_graph}


def blocks(task: Task, images: list[Path], folder: Path) -> dict[str, Block]:
    """Return all blocks that are measured in images per second."""
    references = task.library[task.target]
    model = load_embedder(color="gray", runtime="keras").model
    draw = ReferenceDraw(n=N_REFERENCES, seed=SEED)
    embed_alone(model, images[0])

    def loop() -> int:
        original_distances(model, images[:LOOP_IMAGES], references, draw)
        return LOOP_IMAGES

    float32, int8 = (load_embedder(runtime=name) for name in ("openvino", "openvino-int8"))
    learned_scorer = RelevanceScorer(task.target, progress=False).fit(task.library)
    cached_scorer = RelevanceScorer(task.target, store=folder, progress=False).fit(task.library)
    cached_scorer.decide(Site.from_paths(images, name="all"))
    pixels = np.stack([read_image(path, size=SIZE) for path in images[:64]])
    return {
        "original loop": loop,
        "original rule, float32, cold": original_rule(task, images, "openvino"),
        "original rule, int8, cold": original_rule(task, images, "openvino-int8"),
        "learned rule (default), cold": scoring(learned_scorer, images),
        "learned rule (default), cached": scoring(cached_scorer, images),
        "embedding, float32, files": embedding(float32, images),
        "embedding, int8, files": embedding(int8, images),
        "embedding, float32, arrays": embedding(float32, pixels),
        "embedding, int8, arrays": embedding(int8, pixels),
        "decoding, plain, one core": decoding(read_image, images[:100]),
        "decoding, scaled, one core": decoding(read_scaled, images[:100]),
        **keras_blocks(pixels),
    }


def ceilings(watch: Stopwatch) -> dict[str, float]:
    """Return the highest possible rates of the machine, and the part that is reached."""
    figures = {}
    for precision, decoder in (("float32", "plain"), ("int8", "scaled")):
        seconds = watch.core(f"embedding, {precision}, arrays")
        seconds += watch.core(f"decoding, {decoder}, one core")
        ceiling = usable_cores() / seconds
        figures[f"{precision}, ceiling, images/s"] = ceiling
        figures[f"{precision}, part of it reached"] = (
            watch.rate(f"embedding, {precision}, files") / ceiling
        )
        figures[f"{precision}, processor time, files over parts"] = (
            watch.core(f"embedding, {precision}, files") / seconds
        )
    return figures


def first_answer(task: Task, images: list[Path], folder: Path, repeats: int) -> dict[str, float]:
    """Time the command on 40 cached images with a saved scorer, and the import."""
    site, scorer = folder / "site", folder / "scorer"
    site.mkdir()
    for number, image in enumerate(images[:40]):
        (site / f"{number:02}.jpg").write_bytes(image.read_bytes())
    fitted_scorer = RelevanceScorer(task.target, progress=False).fit(task.library)
    fitted_scorer.save(scorer)
    command = "from similarity_lab.cli import main; import sys; sys.exit(main())"
    score = [sys.executable, "-c", command, "decide", "--quiet", "--scorer", str(scorer), str(site)]
    score += ["--store", str(folder / "kept")]
    runs = {
        "similarity-lab decide, 40 cached images, s": score,
        "import similarity_lab, s": [sys.executable, "-c", "import similarity_lab"],
        "python alone, s": [sys.executable, "-c", "pass"],
    }
    subprocess.run(score, check=True, capture_output=True)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, words in runs.items():
            start = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


MEMORY = f"""{PEAK}
import json, sys
from pathlib import Path
from similarity_lab import load_embedder
paths, count = json.loads(sys.argv[1]), int(sys.argv[2])
embedder = load_embedder()
embedder.embed(paths, progress=False)
before = peak()
embedder.embed((paths * (count // len(paths) + 1))[:count], progress=False)
print(peak() - before)
"""


def memory(images: list[Path], counts: list[int]) -> dict[str, float]:
    """Return the MiB of peak memory above a warm model, including the vectors."""
    names = json.dumps([str(image) for image in images[:64]])
    figures = {}
    for count in counts:
        run = subprocess.run(
            [sys.executable, "-c", MEMORY, names, str(count)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        figures[f"memory above the model, {count:,} images, MiB"] = float(run.stdout)
        figures[f"of that the vectors themselves, {count:,} images, MiB"] = count * 1280 * 4 / 2**20
    return figures


def main() -> None:
    """Measure, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--images", type=int, default=400, help="site images in a block")
    parser.add_argument("--repeats", type=int, default=7, help="turns")
    parser.add_argument("--memory", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    require_clean_tree()
    task = load_tasks(photos_folder(), 1)[0]
    unique = dict.fromkeys(path for site in task.sites for path in site.paths)
    images = list(unique)[: options.images]
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        watch = Stopwatch(blocks(task, images, folder / "store"))
        for turn in range(options.repeats):
            watch.turn()
            loads.append(os.getloadavg()[0])
            print(f"turn {turn + 1} of {options.repeats}, load {loads[-1]:.1f}", flush=True)
        answers = first_answer(task, images, folder, options.repeats)
    results = {
        "origin": origin(
            "python -m benchmarks.speed", images=len(images), repeats=options.repeats, seed=SEED
        ),
        "load": {"least": min(loads), "most": max(loads), "cores": usable_cores()},
        "rows": {
            block: {
                "rate": watch.rate(block),
                "times the original loop": watch.ratio(block, "original loop"),
                "core milliseconds": 1000 * watch.core(block),
            }
            for block in watch.blocks
        },
        "figures": {
            "cached over cold, learned rule": watch.ratio(
                "learned rule (default), cached", "learned rule (default), cold"
            ),
            **ceilings(watch),
            **answers,
            **memory(images, options.memory),
        },
    }
    for block, row in results["rows"].items():
        print(f"{block:36}" + "".join(f"{value:12.4g}" for value in row.values()))
    for label, value in results["figures"].items():
        print(f"{label:60} {value:.4g}")
    print(f"written to {write_results('speed', results)}")


if __name__ == "__main__":
    main()
