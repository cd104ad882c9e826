"""What int8 gains and costs for foundation models on a CPU: weights alone, or activations too.

    python -m benchmarks.foundation_int8 [--print]

Needs the extra `foundation`. Architectures of real size with random weights, converted to OpenVINO:
float32; weights rounded to int8, as `runtime="openvino-int8"` does; and NNCF's post-training
quantisation of weights and activations for transformers, calibrated on images of the packaged
sample. Speed: processor milliseconds per image on one thread, the smallest of several turns that
take the variants in turn. Loss: how far vectors move, as a share of the distance between two
images, on other images of the sample. Speed does not depend on the weights, but the loss does:
trained transformers have activations far outside the usual range, random ones do not.
Writes benchmarks/results/foundation_int8.json.
"""

import tempfile
from pathlib import Path

import numpy as np
import openvino

from benchmarks.common import make_parser, origin, require_clean_tree, write_results
from benchmarks.foundation_speed import library_versions, processor_milliseconds, saved
from similarity_lab.embedders.foundation.hub import local
from similarity_lab.embedders.foundation.libraries import nncf, quiet
from similarity_lab.embedders.foundation.networks import load_network
from similarity_lab.embedders.foundation.processors import load_processor
from similarity_lab.embedders.openvino_runtime import compile_graph
from similarity_lab.embedders.torch_runtime import torch
from similarity_lab.samples import background_images
from similarity_lab.store import unit

MODELS = ("CLIP B/32", "DINOv2 S/14")
CALIBRATION, TEST, BATCH, TURNS = 32, 32, 8, 3


def variants(folder: Path, calibration: list[np.ndarray], size: tuple[int, int]) -> dict:
    """Return the image tower in OpenVINO: float32, with int8 weights, and quantised."""
    with quiet():
        tower = load_network(local(folder)).image_tower()
        example = torch().zeros(1, 3, *size)

        def converted() -> openvino.Model:
            graph = openvino.convert_model(tower, example_input=example)
            graph.reshape([-1, 3, *size])
            return graph

        library = nncf()
        weights = library.compress_weights(converted(), mode=library.CompressWeightsMode.INT8_SYM)
        quantised = library.quantize(
            converted(),
            library.Dataset(calibration),
            model_type=library.ModelType.TRANSFORMER,
            subset_size=len(calibration),
        )
        return {"float32": converted(), "int8 weights": weights, "int8": quantised}


def measure(name: str, folder: Path) -> dict[str, dict[str, float]]:
    """Return speed and loss of each variant of an architecture."""
    model = saved(name, folder)
    processor = load_processor(local(model))
    images = background_images()
    chosen = images[:: len(images) // (CALIBRATION + TEST)][: CALIBRATION + TEST]
    prepared = [processor(image)[None] for image in chosen]
    calibration, test = prepared[::2], np.concatenate(prepared[1::2])
    forwards = {}
    for kind, graph in variants(model, calibration, processor.input_size).items():
        dimension = graph.output(0).get_partial_shape()[1].get_length()
        forwards[kind] = compile_graph(graph, (dimension,), 1)
    batch = test[:BATCH]
    turns = [
        {
            kind: processor_milliseconds(lambda forward=forward: len(forward(batch)))
            for kind, forward in forwards.items()
        }
        for _ in range(TURNS)
    ]
    vectors = {
        kind: unit(np.concatenate([forward(part) for part in np.split(test, len(test) // BATCH)]))
        for kind, forward in forwards.items()
    }
    exact = vectors["float32"]
    apart = (1 - exact @ exact.T)[~np.eye(len(exact), dtype=bool)].mean()
    return {
        kind: {
            "milliseconds": min(turn[kind] for turn in turns),
            "loss": float((1 - (exact * vectors[kind]).sum(axis=1)).mean() / apart),
        }
        for kind in forwards
    }


def main() -> None:
    """Measure, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args()
    if not options.print:
        require_clean_tree()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            rows[name] = measure(name, Path(folder))
            print(f"{name}: {rows[name]}", flush=True)
    if options.print:
        return
    details = {"calibration": CALIBRATION, "test": TEST, "batch": BATCH, "turns": TURNS}
    settings = origin("python -m benchmarks.foundation_int8", **details)
    results = {"origin": settings | {"libraries": library_versions()}, "rows": rows}
    print(f"written to {write_results('foundation_int8', results)}")


if __name__ == "__main__":
    main()
