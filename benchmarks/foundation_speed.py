"""Speed of foundation models, which does not depend on their weights: random ones, no download.

    python -m benchmarks.foundation_speed [--models NAME …]
    python -m benchmarks.foundation_speed --accelerator [--watts W] [--dollars-per-hour D]

Needs the extra `foundation`. Each architecture is built with random weights, saved, and loaded as
any model is. On the CPU: PyTorch, OpenVINO in float32 and in int8 on one thread each, processor
time per image from prepared arrays in memory, and that of decoding and preparing a JPEG; the
smallest of several turns that take the runtimes in turn, since processor time hardly depends on
what else the machine does. With `--accelerator`, on the device that PyTorch finds, in less than ten
minutes: images per second at every batch size from arrays, from files with the chosen batch,
decoding alone, and the packaged EfficientNet-Lite0 beside it. Images per joule are images/s ÷ W,
images per dollar are 3600 × images/s ÷ (dollars per hour). Writes
benchmarks/results/foundation_speed.json or foundation_speed_accelerator.json.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import make_parser, origin, require_clean_tree, write_results
from similarity_lab import load_embedder
from similarity_lab.embedders.foundation import FoundationEmbedder
from similarity_lab.embedders.torch_runtime import find_device
from similarity_lab.samples import background_images

SECONDS, TURNS = 2.0, 5  # of processor time in one measurement; measurements
DEVICE_SECONDS = 2.0
BATCHES = (1, 8, 32, 128, 256, 512)
SIDE, QUALITY, N_FILES = 348, 90, 256  # of the JPEG files
RUNTIMES = ("torch", "openvino", "openvino-int8")
CPU_MODELS = ("CLIP B/32", "DINOv2 S/14", "SigLIP B/16")

Save = Callable[[Path], None]


def vision(hidden: int, layers: int, heads: int, mlp: int, side: int, patch: int) -> dict[str, int]:
    """Return the settings that vision transformers of transformers share."""
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": mlp,
        "image_size": side,
        "patch_size": patch,
    }


def save_clip(folder: Path) -> None:
    """Save CLIP B/32 with a text tower of two layers, which image speed does not depend on."""
    import transformers as library

    text = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 64}
    config = library.CLIPConfig(
        vision_config=vision(768, 12, 12, 3072, 224, 32), text_config=text, projection_dim=512
    )
    library.CLIPModel(config).save_pretrained(folder)
    library.CLIPImageProcessorPil().save_pretrained(folder)


def save_siglip(folder: Path, settings: dict[str, int]) -> None:
    """Save a SigLIP with a text tower of two layers."""
    import transformers as library

    text = {
        "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 64,
        "num_attention_heads": 2, "projection_size": settings["hidden_size"],
    }  # fmt: skip
    config = library.SiglipConfig(vision_config=settings, text_config=text)
    library.SiglipModel(config).save_pretrained(folder)
    size = {"height": settings["image_size"], "width": settings["image_size"]}
    library.SiglipImageProcessorPil(size=size).save_pretrained(folder)


def save_dinov2(folder: Path, hidden: int, heads: int) -> None:
    """Save DINOv2; its position embeddings are for 518 pixels and interpolated to 224."""
    import transformers as library

    config = library.Dinov2Config(
        hidden_size=hidden, num_hidden_layers=12, num_attention_heads=heads, image_size=518,
        patch_size=14,
    )  # fmt: skip
    library.Dinov2Model(config).save_pretrained(folder)
    library.BitImageProcessorPil(
        size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}
    ).save_pretrained(folder)


def save_pe(folder: Path, name: str) -> None:
    """Save a Perception Encoder, by its name in open_clip."""
    import open_clip
    from safetensors.torch import save_file

    settings = open_clip.get_model_config(name)
    settings["text_cfg"] |= {"layers": 2}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    content = {"model_cfg": settings, "preprocess_cfg": preprocess | {"interpolation": "bilinear"}}
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


ARCHITECTURES: dict[str, Save] = {
    "CLIP B/32": save_clip,
    "DINOv2 S/14": lambda folder: save_dinov2(folder, 384, 6),
    "SigLIP B/16": lambda folder: save_siglip(folder, vision(768, 12, 12, 3072, 224, 16)),
    "DINOv2 B/14": lambda folder: save_dinov2(folder, 768, 12),
    "PE-Core B/16": lambda folder: save_pe(folder, "PE-Core-B-16"),
    "SigLIP SO400M/14, 384 px": lambda folder: save_siglip(
        folder, vision(1152, 27, 16, 4304, 384, 14)
    ),
}


def rate(work: Callable[[], int], seconds: float) -> float:
    """Return how many images a second a function gets through, after one call to warm up."""
    work()
    start, count = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        count += work()
    return count / (time.perf_counter() - start)


def processor_milliseconds(work: Callable[[], int]) -> float:
    """Return the processor time that a function takes for an image, after one call to warm up."""
    work()
    start, count = time.process_time(), 0
    while time.process_time() < start + SECONDS:
        count += work()
    return 1000 * (time.process_time() - start) / count


def batch_of(embedder: FoundationEmbedder, batch_size: int) -> np.ndarray:
    """Return a prepared batch of noise."""
    shape = (batch_size, 3, *embedder.input_size)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def forward(embedder: FoundationEmbedder, batch: np.ndarray) -> int:
    """Embed a prepared batch; return its length."""
    return len(embedder.forward(batch))


def file_rate(embedder: FoundationEmbedder, files: list[Path]) -> float:
    """Return images per second from JPEG files."""
    start = time.perf_counter()
    embedder.embed(files, progress=False)
    return len(files) / (time.perf_counter() - start)


def write_files(folder: Path) -> list[Path]:
    """Write JPEG files of the sample's images."""
    images = background_images()
    folder.mkdir()
    files = []
    for number in range(N_FILES):
        files.append(folder / f"{number:03}.jpg")
        image = Image.fromarray(images[number % len(images)]).resize((SIDE, SIDE))
        image.save(files[-1], quality=QUALITY)
    return files


def measure_cpu(names: list[str], folder: Path) -> dict[str, object]:
    """Return processor milliseconds per image of each architecture and runtime."""
    import torch

    torch.set_num_threads(1)
    files = write_files(folder / "files")[:16]
    rows: dict[str, object] = {}
    for name in names:
        model = saved(name, folder)
        embedders = {
            kind: load_embedder(
                model, runtime=kind, device="cpu", threads=None if kind == "torch" else 1
            )
            for kind in RUNTIMES
        }
        works = {
            kind: partial(forward, embedder, batch_of(embedder, embedder.batch_size))
            for kind, embedder in embedders.items()
        }
        works["prepare"] = lambda one=embedders["torch"]: len([one.read(path) for path in files])
        turns = [
            {kind: processor_milliseconds(work) for kind, work in works.items()}
            for _ in range(TURNS)
        ]
        rows[name] = {kind: min(turn[kind] for turn in turns) for kind in works}
        print(f"{name}: {rows[name]}", flush=True)
    return rows


def measure_accelerator(names: list[str], folder: Path) -> dict[str, object]:
    """Return images per second on the device that PyTorch finds."""
    files = write_files(folder / "files") * 8
    rows: dict[str, object] = {}
    lite = load_embedder("efficientnet-lite0")
    rows["EfficientNet-Lite0, OpenVINO on the CPU"] = {"files": file_rate(lite, files)}
    lite = load_embedder("efficientnet-lite0", device=find_device(None))
    rows["EfficientNet-Lite0"] = {"files": file_rate(lite, files), "batch chosen": lite.batch_size}
    for name in names:
        embedder = load_embedder(saved(name, folder))
        decode = rate(lambda one=embedder: len([one.read(path) for path in files[:16]]), 1.0)
        row = {"name": embedder.name.partition(" ")[2], "prepared by one thread": decode}
        for batch_size in BATCHES:
            try:
                work = partial(forward, embedder, batch_of(embedder, batch_size))
                row[f"batch {batch_size}"] = rate(work, DEVICE_SECONDS)
            except RuntimeError:  # it does not fit the device's memory
                break
        row["batch chosen"] = embedder.batch_size
        row["files"] = file_rate(embedder, files)
        rows[name] = row
        print(f"{name}: {row}", flush=True)
    return rows


def saved(name: str, folder: Path) -> Path:
    """Return a folder with an architecture and random weights."""
    import torch

    torch.manual_seed(0)
    model = folder / "".join(filter(str.isalnum, name))
    if not model.exists():
        ARCHITECTURES[name](model)
    return model


def main() -> None:
    """Measure, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=ARCHITECTURES, metavar="NAME")
    parser.add_argument("--accelerator", action="store_true")
    parser.add_argument("--watts", type=float, help="power drawn, as the device's tool tells it")
    parser.add_argument("--dollars-per-hour", type=float)
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args()
    names = options.models or list(ARCHITECTURES if options.accelerator else CPU_MODELS)
    if not options.print:
        require_clean_tree()
    device = find_device(None) if options.accelerator else "cpu"
    if options.accelerator and device == "cpu":
        raise SystemExit("PyTorch finds no accelerator here")
    with tempfile.TemporaryDirectory() as folder:
        measure = measure_accelerator if options.accelerator else measure_cpu
        rows = measure(names, Path(folder))
    for row in rows.values() if options.accelerator else ():
        if options.watts:
            row["images per joule"] = row["files"] / options.watts
        if options.dollars_per_hour:
            row["images per dollar"] = 3600 * row["files"] / options.dollars_per_hour
    if options.print:
        return
    command = "python -m benchmarks.foundation_speed" + " --accelerator" * options.accelerator
    details = {"device": device, "seconds": SECONDS, "turns": TURNS, "side": SIDE}
    load = os.getloadavg()[0]
    name = "foundation_speed" + "_accelerator" * options.accelerator
    results = {"origin": origin(command, **details, load=load) | {"libraries": library_versions()}}
    print(f"written to {write_results(name, results | {'rows': rows})}")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that build and run the models."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "open_clip_torch", "timm")}


if __name__ == "__main__":
    main()
