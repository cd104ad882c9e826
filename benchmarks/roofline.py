"""Measure how close embedding comes to the limits of the processor, and where the time goes.

    python -m benchmarks.roofline

Multiplications are counted from the network's shapes. The limit is the rate that one core reaches
on the most favourable layer, a wide 1 × 1 convolution, under the same runtime and in the same
precision, whatever instructions (AVX2, AVX-512, VNNI) it has. Times are processor seconds of one
core, so other work on the machine matters little. Writes benchmarks/results/roofline.json.
"""

import time
from collections import Counter

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from benchmarks.common import make_parser, origin, require_clean_tree, write_results
from similarity_lab._threads import usable_cores
from similarity_lab.embedders.lite import HEAD, STEM, VARIANTS, LiteWeights
from similarity_lab.embedders.openvino_graph import Int8, lite_graph, quantise_weights

VARIANT, SIZE, BATCH = "efficientnet-lite0", 224, 1  # as the embedder runs it
SIDE = 512  # channels of the widest layer


def multiplications() -> dict[str, float]:
    """Return millions of multiplications per image, by kind of layer."""
    side, channels = SIZE // 2, STEM
    counts = Counter({"stem": 27 * STEM * side**2})
    for block in VARIANTS[VARIANT].blocks():
        wide = channels * block.expansion
        if block.expansion != 1:
            counts["1 x 1"] += channels * wide * side**2
        side = -(-side // block.stride)
        counts["depthwise"] += block.kernel**2 * wide * side**2
        counts["1 x 1"] += wide * block.filters * side**2
        channels = block.filters
    counts["1 x 1"] += channels * HEAD * side**2
    return {kind: count / 1e6 for kind, count in counts.items()}


def widest_layer(precision: str) -> ov.Model:
    """Build a 1 x 1 convolution of SIDE to SIDE channels on 32 x 32 positions."""
    x = pixels = ops.parameter([1, SIDE, 32, 32], np.float32)
    kernel = np.random.default_rng(0).normal(size=(SIDE, SIDE, 1, 1)).astype(np.float32)
    weights: ov.Node = ops.constant(kernel)
    if precision == "int8":
        low, high = (ops.constant(np.float32(limit)) for limit in (0, 6))
        x = ops.fake_quantize(x, low, high, low, high, 256)
        values, scale = quantise_weights(kernel, depthwise=False)
        weights = ops.multiply(ops.convert(ops.constant(values), "f32"), ops.constant(scale))
    return ov.Model([ops.convolution(x, weights, [1, 1], [0, 0], [0, 0], [1, 1])], [pixels], "wide")


def compile_graph(graph: ov.Model, **settings: object) -> ov.CompiledModel:
    """Compile for one core."""
    options = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return ov.Core().compile_model(graph, "CPU", {**options, **settings})


def highest_rate(precision: str, repeats: int) -> float:
    """Return the highest rate of one core, in billions of multiplications per second."""
    request = compile_graph(widest_layer(precision), PERF_COUNT=True).create_infer_request()
    values = np.random.default_rng(0).uniform(0, 6, (1, SIDE, 32, 32)).astype(np.float32)
    best = np.inf
    for _ in range(repeats + 1):
        request.infer([values])
        for node in request.get_profiling_info():  # without converting the input's layout
            if node.node_type == "Convolution":
                best = min(best, node.real_time.total_seconds())
    return SIDE * SIDE * 32 * 32 / best / 1e9


def profile(precision: str, repeats: int) -> tuple[float, dict[str, float]]:
    """Return milliseconds per image on one core, and by kind of layer."""
    int8 = Int8.packaged(VARIANT) if precision == "int8" else None
    graph = lite_graph(LiteWeights(VARIANT), (SIZE, SIZE), 3, int8)
    graph.reshape([BATCH, SIZE, SIZE, 3])
    request = compile_graph(graph, PERF_COUNT=True).create_infer_request()
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, SIZE, SIZE, 3), np.uint8)
    request.infer([pixels])
    best, kinds = np.inf, Counter()
    for _ in range(repeats):
        start = time.process_time()
        request.infer([pixels])
        milliseconds_per_image = (time.process_time() - start) * 1000 / BATCH
        if milliseconds_per_image < best:
            best, kinds = milliseconds_per_image, Counter()
            for node in request.get_profiling_info():
                name = node.node_name
                kind = (
                    "stem" if name.startswith("stem")
                    else "depthwise" if "depthwise" in name
                    else "1 x 1" if name.startswith(("block", "head"))
                    else "other"
                )  # fmt: skip
                kinds[kind] += node.real_time.total_seconds() * 1000 / BATCH
    return best, dict(kinds)


def main() -> None:
    """Measure, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    repeats = parser.parse_args().repeats
    require_clean_tree()
    counts = multiplications()
    figures = {"multiplications per image, millions": sum(counts.values())}
    for precision in ("float32", "int8"):
        rate = highest_rate(precision, repeats)
        figures[f"{precision}, billions/s of one core at best"] = rate
        milliseconds_per_image, kinds = profile(precision, repeats)
        figures[f"{precision}, ms of one core per image"] = milliseconds_per_image
        rate_of_network = (
            sum(counts.values()) / milliseconds_per_image
        )  # millions per ms are billions per s
        figures[f"{precision}, billions/s"] = rate_of_network
        hours = milliseconds_per_image * 1e6 / 1000 / 3600 / usable_cores()
        figures[f"{precision}, hours of all cores to embed a million decoded images"] = hours
        figures[f"{precision}, part of what the core can do"] = rate_of_network / rate
        total = sum(kinds.values())
        for kind, milliseconds in sorted(kinds.items(), key=lambda item: -item[1]):
            share = f"{counts[kind] / sum(counts.values()):.0%}" if kind in counts else "none"
            figures[f"{precision}, part of the time in {kind} ({share} of the arithmetic)"] = (
                milliseconds / total
            )
    for label, value in figures.items():
        print(f"{label:75} {value:.4g}")
    results = {
        "origin": origin("python -m benchmarks.roofline", batch=BATCH, repeats=repeats),
        "figures": figures,
    }
    print(f"written to {write_results('roofline', results)}")


if __name__ == "__main__":
    main()
