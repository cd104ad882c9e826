"""Speed of foundation models, which does not depend on their weights: random ones, no download.

    python -m benchmarks.foundation_speed [--models NAME …]
    python -m benchmarks.foundation_speed --dry-run
    python -m benchmarks.foundation_speed --accelerator [--watts W] [--dollars-per-hour D]

Needs the extra `foundation`. Each architecture is built with random weights, saved, and loaded as
any model is. On the CPU: PyTorch, OpenVINO in float32 and in int8 on one thread each, processor
time per image from prepared arrays in memory, and that of decoding and preparing a JPEG; the
smallest of several turns that take the runtimes in turn, since processor time hardly depends on
what else the machine does. Writes benchmarks/results/foundation_speed.json.

With `--accelerator`, on the device that PyTorch finds, in less than ten minutes: the packaged
EfficientNet-Lite0; adapting it to a library; and for each architecture images per second at every
batch size, of batches that are on the device and from arrays, from files with the chosen batch, how
fast one thread prepares files, and how far 16 bits move vectors (as a share of the distance between
two images). Images per joule are images/s ÷ W, images per dollar 3600 × images/s ÷ (dollars per
hour). Writes benchmarks/results/foundation_speed_accelerator.json after every row; a row that fails
says why. `--dry-run` goes through these steps on the CPU with a tiny model and writes nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import make_parser, origin, require_clean_tree, write_results
from similarity_lab import load_embedder
from similarity_lab.embedders import Embedder, adapt_embedder, embed_all
from similarity_lab.embedders.foundation import FoundationEmbedder
from similarity_lab.embedders.foundation.libraries import transformers
from similarity_lab.embedders.torch_runtime import find_device, torch
from similarity_lab.errors import one_line
from similarity_lab.samples import background_images
from similarity_lab.store import unit

SECONDS, TURNS = 2.0, 5  # of processor time in one measurement; measurements
DEVICE_SECONDS = 2.0
BATCHES = (1, 8, 32, 128, 256, 512)
SIDE, QUALITY, N_FILES = 348, 90, 256  # of the JPEG files
RUNTIMES = ("torch", "openvino", "openvino-int8")
CPU_MODELS = ("CLIP B/32", "DINOv2 S/14", "SigLIP B/16")

SAMPLE = 64  # images whose vectors in 16 and in 32 bits are compared
PRODUCTS = 16
ADAPTING = {"blocks": 4, "views": 3, "epochs": 12}
TINY = "tiny"  # for the dry run

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
    library = transformers()
    text = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 64}
    config = library.CLIPConfig(
        vision_config=vision(768, 12, 12, 3072, 224, 32), text_config=text, projection_dim=512
    )
    library.CLIPModel(config).save_pretrained(folder)
    library.CLIPImageProcessorPil().save_pretrained(folder)


def save_siglip(folder: Path, settings: dict[str, int]) -> None:
    """Save a SigLIP with a text tower of two layers."""
    library = transformers()
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
    library = transformers()
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


def save_tiny_model(folder: Path) -> Path:
    """Save a CLIP of two layers with random weights, a processor and a tokenizer of letters."""
    library = transformers()
    torch().manual_seed(0)
    layers = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }  # fmt: skip
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    text = layers | {
        "vocab_size": 64, "max_position_embeddings": 32, "bos_token_id": 52, "eos_token_id": 53,
        "pad_token_id": 53,
    }  # fmt: skip
    config = library.CLIPConfig(
        text_config=text, vision_config=layers | {"image_size": 64, "patch_size": 16},
        projection_dim=24,
    )  # fmt: skip
    library.CLIPModel(config).save_pretrained(folder)
    size = {"height": 64, "width": 64}
    processor = library.CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size=size)
    processor.save_pretrained(folder)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    library.CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    return folder


ARCHITECTURES: dict[str, Save] = {
    "CLIP B/32": save_clip,
    "DINOv2 S/14": lambda folder: save_dinov2(folder, 384, 6),
    "SigLIP B/16": lambda folder: save_siglip(folder, vision(768, 12, 12, 3072, 224, 16)),
    "DINOv2 B/14": lambda folder: save_dinov2(folder, 768, 12),
    "PE-Core B/16": lambda folder: save_pe(folder, "PE-Core-B-16"),
    "SigLIP SO400M/14, 384 px": lambda folder: save_siglip(
        folder, vision(1152, 27, 16, 4304, 384, 14)
    ),
    TINY: save_tiny_model,
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


def file_rate(embedder: Embedder, files: list[Path]) -> float:
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
    torch().set_num_threads(1)
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


class Accelerator:
    """Measures one row after the other on a device; a failure is written where the row would be.

    Parameters
    ----------
    device : str
    folder : Path
        For models and JPEG files.
    seconds : float
        Of one measurement.
    batches : sequence of int
    n_files, n_adapting : int
        JPEG files that are embedded, and to which the packaged network is adapted.
    watts : float, optional
        Power drawn; default: what ``nvidia-smi`` tells while the device works.
    dollars_per_hour : float, optional
    """

    def __init__(
        self,
        device: str,
        folder: Path,
        *,
        seconds: float,
        batches: Sequence[int],
        n_files: int,
        n_adapting: int,
        watts: float | None,
        dollars_per_hour: float | None,
    ) -> None:
        self.device, self.folder, self.seconds, self.batches = device, folder, seconds, batches
        self.n_adapting = n_adapting
        self.runtime = "torch" if device == "cpu" else "auto"  # a dry run is of PyTorch, too
        self.watts, self.dollars_per_hour = watts, dollars_per_hour
        self.images = write_files(folder / "files")
        self.files = (self.images * (1 + n_files // len(self.images)))[:n_files]

    def rows(self, names: list[str]) -> dict[str, Callable[[], dict[str, object]]]:
        """Return what measures each row, by its name; what matters most comes first."""
        lite = "efficientnet-lite0"
        return {
            "EfficientNet-Lite0": partial(self.packaged, lite, device=self.device),
            "EfficientNet-Lite0, OpenVINO on the CPU": partial(self.packaged, lite),
            "adapting EfficientNet-Lite0": self.adapting,
            **{name: partial(self.model, name) for name in names},
        }

    def packaged(self, name: str, device: str | None = None) -> dict[str, object]:
        """Return the rate of a packaged network from files."""
        embedder = load_embedder(name, device=device)
        embedder.embed(self.images[:8], progress=False)  # compiles, and measures the batch
        row = {"name": embedder.name, "batch chosen": embedder.batch_size}
        if device is not None:
            exact = load_embedder(name, device=device, runtime="torch")
            row["16 bits move vectors by"] = moved(exact, embedder, self.images[:SAMPLE])
        files = file_rate(embedder, self.files)
        return row | ({"files": files} if device is None else self.costs(files))

    def adapting(self) -> dict[str, object]:
        """Return the seconds that adapting takes, with what it embeds and trains."""
        images = self.images[: self.n_adapting]
        library = {f"product {number}": images[number::PRODUCTS] for number in range(PRODUCTS)}
        row: dict[str, object] = {"images": len(images), **ADAPTING}
        for _ in range(2):  # the first one also loads libraries and chooses algorithms
            start = time.perf_counter()
            adapt_embedder(library, device=self.device, progress=False, **ADAPTING)
            row["seconds"] = time.perf_counter() - start
        return row

    def model(self, name: str) -> dict[str, object]:
        """Return the rates of a foundation model: on the device, from arrays, from files."""
        folder = saved(name, self.folder)
        embedder = load_embedder(folder, device=self.device, runtime=self.runtime)
        row: dict[str, object] = {"name": embedder.name.partition(" ")[2]}
        tower, power = embedder.tower, PowerMeter()
        for batch_size in self.batches:
            try:
                batch = batch_of(embedder, batch_size)
                values = tower.to_device(batch)
                with power:
                    row[f"batch {batch_size} on the device"] = rate(
                        lambda values=values: len(tower.run(values)), self.seconds
                    )
                row[f"batch {batch_size} from arrays"] = rate(
                    lambda batch=batch: len(tower(batch)), self.seconds
                )
            except RuntimeError as error:  # it does not fit the device's memory
                row[f"batch {batch_size}"] = one_line(error)
                break
        row["one thread prepares"] = rate(
            lambda: len([embedder.read(path) for path in self.images[:16]]), self.seconds
        )
        exact = load_embedder(folder, device=self.device, runtime="torch")
        row["16 bits move vectors by"] = moved(exact, embedder, self.images[:SAMPLE])
        embedder.embed(self.images[:8], progress=False)  # measures the batch
        row["batch chosen"] = embedder.batch_size
        return row | self.costs(file_rate(embedder, self.files), power.watts)

    def costs(self, files: float, measured_watts: float | None = None) -> dict[str, object]:
        """Return a rate from files with what it costs, as far as power and price are known."""
        row: dict[str, object] = {"files": files}
        watts = self.watts or measured_watts
        if watts:
            row |= {"watts": watts, "images per joule": files / watts}
        if self.dollars_per_hour:
            row["images per dollar"] = 3600 * files / self.dollars_per_hour
            row["dollars per million images"] = 1e6 / row["images per dollar"]
        return row


class PowerMeter:
    """Watts that ``nvidia-smi`` tells at the end of a block that keeps the device busy.

    Attributes
    ----------
    watts : float or None
        The highest so far; None without the tool.
    """

    def __init__(self) -> None:
        self.watts: float | None = None

    def __enter__(self) -> None:
        self._process: subprocess.Popen | None = None
        if shutil.which("nvidia-smi"):
            query = ["--query-gpu=power.draw", "--format=csv,noheader,nounits", "-lms", "200"]
            self._process = subprocess.Popen(
                ["nvidia-smi", *query], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )

    def __exit__(self, *details: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        output, _ = self._process.communicate()
        for line in output.splitlines():
            with suppress(ValueError):
                self.watts = max(self.watts or 0.0, float(line))


def moved(exact: Embedder, rounded: Embedder, images: Sequence[Path]) -> float:
    """Return how far rounding moves vectors, as a share of the distance between two images."""
    first, second = (unit(embed_all(each, images, progress=False)) for each in (exact, rounded))
    apart = (1 - first @ first.T)[~np.eye(len(first), dtype=bool)]
    return float((1 - (first * second).sum(axis=1)).mean() / max(apart.mean(), 1e-12))


def saved(name: str, folder: Path) -> Path:
    """Return a folder with an architecture and random weights."""
    torch().manual_seed(0)
    model = folder / "".join(filter(str.isalnum, name))
    if not model.exists():
        ARCHITECTURES[name](model)
    return model


def main() -> None:
    """Measure, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=ARCHITECTURES, metavar="NAME")
    parser.add_argument("--accelerator", action="store_true")
    parser.add_argument(
        "--dry-run", action="store_true", help="the steps of --accelerator, on the CPU, in a minute"
    )
    parser.add_argument("--watts", type=float, help="power drawn; default: as nvidia-smi tells")
    parser.add_argument("--dollars-per-hour", type=float)
    parser.add_argument("--minutes", type=float, default=9, help="start no new row after this many")
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args()
    is_written = not (options.print or options.dry_run)
    if is_written:
        require_clean_tree()
    if options.accelerator or options.dry_run:
        run_accelerator(options, is_written=is_written)
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_cpu(options.models or list(CPU_MODELS), Path(folder))
    if is_written:
        command = "python -m benchmarks.foundation_speed"
        print(f"written to {write('foundation_speed', command, rows, device='cpu')}")


def run_accelerator(options: argparse.Namespace, *, is_written: bool) -> None:
    """Measure row by row; print and write each as soon as it is there."""
    end = time.perf_counter() + 60 * options.minutes
    device = "cpu" if options.dry_run else find_device(None)
    if device == "cpu" and not options.dry_run:
        raise SystemExit("PyTorch finds no accelerator here; --dry-run tries the steps on the CPU")
    names = options.models or (
        [TINY] if options.dry_run else [name for name in ARCHITECTURES if name != TINY]
    )
    rows: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        accelerator = Accelerator(
            device,
            Path(folder),
            seconds=0.2 if options.dry_run else DEVICE_SECONDS,
            batches=BATCHES[:2] if options.dry_run else BATCHES,
            n_files=32 if options.dry_run else 2048,
            n_adapting=32 if options.dry_run else N_FILES,
            watts=options.watts,
            dollars_per_hour=options.dollars_per_hour,
        )
        for name, measure in accelerator.rows(names).items():
            try:
                rows[name] = measure() if time.perf_counter() < end else {"left out": "no time"}
            except Exception as error:  # one row must not cost the others
                rows[name] = {"failed": one_line(error)}
            print(f"{name}: {rows[name]}", flush=True)
            if is_written:
                command = "python -m benchmarks.foundation_speed --accelerator"
                write("foundation_speed_accelerator", command, rows, device=device_name(device))


def device_name(device: str) -> str:
    """Return the name of a device, as its driver tells it."""
    library = torch()
    return library.cuda.get_device_name(device) if device.startswith("cuda") else device


def write(name: str, command: str, rows: dict[str, object], device: str) -> Path:
    """Write figures with their origin."""
    details = {"device": device, "seconds": SECONDS, "turns": TURNS, "side": SIDE}
    load = os.getloadavg()[0]
    results = {"origin": origin(command, **details, load=load) | {"libraries": library_versions()}}
    return write_results(name, results | {"rows": rows})


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that build and run the models."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "open_clip_torch", "timm")}


if __name__ == "__main__":
    main()
