"""Measure where an epoch of architecture 2 spends its time: decoding, pairs, arithmetic.

    python -m benchmarks.siamese_epoch

2,640 photos, 5,280 pairs of 128 × 128 gray images in batches of 64. The first epoch decodes every
photo once; later batches come from cached pixels. "arithmetic" is as many steps on one ready batch.
Writes benchmarks/results/siamese_epoch.json.
"""

import time

from benchmarks.common import (
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    write_results,
)
from similarity_lab import grocery_store
from similarity_lab.backend import keras
from similarity_lab.pairs import PairStream
from similarity_lab.siamese import architecture_2, build

SEED = 0


def seconds(work: object, *arguments: object) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def main() -> None:
    """Time the parts of an epoch, and a whole one."""
    make_parser(__doc__).parse_args()
    require_clean_tree()
    photos = grocery_store(photos_folder() / "grocery-store", "train", "coarse")
    stream = PairStream(photos, size=128, color="gray", seed=SEED)
    network = build(architecture_2(), "batchnorm-sigmoid")
    network.compile("adam", "binary_crossentropy")
    network.train_on_batch(*stream[0])  # builds the graph

    def batches() -> None:
        for index in range(len(stream)):
            stream[index]

    def arithmetic() -> None:
        for _ in range(len(stream)):
            network.train_on_batch(*batch)

    first = seconds(batches)
    stream.start_epoch(1)
    later, drawing = seconds(batches), seconds(stream.start_epoch, 2)
    batch = tuple(keras.tree.map_structure(keras.ops.convert_to_tensor, stream[0]))
    steps = seconds(arithmetic)
    whole = seconds(lambda: network.fit(stream, verbose=0, shuffle=False))
    figures = {
        "batches, first epoch (decodes every photo once), s": first,
        "batches, later epochs, s": later,
        "drawing the pairs of an epoch, s": drawing,
        "arithmetic, s": steps,
        "whole epoch, s": whole,
        "arithmetic / whole epoch": steps / whole,
    }
    results = {
        "origin": origin("python -m benchmarks.siamese_epoch", seed=SEED, pairs=2 * len(photos)),
        "figures": figures,
    }
    for name, value in figures.items():
        print(f"{name:55} {value:8.3f}")
    print(f"written to {write_results('siamese_epoch', results)}")


if __name__ == "__main__":
    main()
