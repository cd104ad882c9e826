"""Measure `rank` on a Ray cluster of this machine: rates, a killed worker, resume, memory.

    python -m benchmarks.distributed rate [--images N]     a core, two cores, two workers
    python -m benchmarks.distributed kill [--images N]     kill -9 a worker in the middle
    python -m benchmarks.distributed resume [--sites N]    call again when everything is finished
    python -m benchmarks.distributed scale [--sites N]     memory of driver and workers

`rate` compares, on the same photos and with the threads that the package chooses by itself: one
process on one core; two such processes at once, half of the sites each, which is what the cores
allow; one process on both cores; and two workers with one CPU each. A steady rate is that between
the first and the last partition, while all workers have something to do; it leaves out the start
of processes, which a short run does not make up for, and which the rate of the whole call has.

Nothing is requested: sites are made of the Grocery Store photos (`rate`, `kill`), or of bytes that
stand for images (`resume`, `scale`), whose embedder is a stub that makes a vector of their digest.
Others may use the machine meanwhile, so that rates per second of processor time are given beside
those per second. `kill` counts the partitions that were begun. `scale` can be interrupted; the same
call goes on. Each command updates its part of benchmarks/results/distributed.json.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
from PIL import Image

from benchmarks.common import (
    RESULTS,
    ROOT,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    write_results,
)
from similarity_lab.distributed import rank, read_status, run
from similarity_lab.distributed.cluster import LOCAL
from similarity_lab.distributed.collecting import CrawledSite
from similarity_lab.distributed.deciding import Decider
from similarity_lab.distributed.folder import TABLES, RunFolder
from similarity_lab.distributed.partitions import Partition
from similarity_lab.embedders import Embedded, Embedder, load_embedder
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance import MeanDistanceRule
from similarity_lab.sites import ORIGIN_NUMBERS
from similarity_lab.web.folder import COLLECTED_IMAGE_COLUMNS, PAGE_COLUMNS

IMAGES_PER_SITE = 50
N_WORKERS = 2
TARGET = "Packages/Milk"
_SECONDS = 2.0  # between two looks at the memory


Outcome = tuple[Partition, dict[str, Any] | str]
"""A partition with its counts, or the reason of its failure."""


class StubEmbedder:
    """Makes a vector of an image's bytes; decodes nothing."""

    name, dimension, input_size = "stub", 64, (8, 8)

    def embed(
        self, images: Sequence[object], *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Return one vector per image."""
        digests = [
            image.digest if isinstance(image, OpenedImage) else content_digest(image)
            for image in images
        ]
        seeds = [int(digest[:16], 16) for digest in digests]
        vectors = [np.random.default_rng(seed).standard_normal(self.dimension) for seed in seeds]
        return Embedded(np.array(vectors, np.float32).reshape(-1, self.dimension))


def _site(position: int, name: str, images: list[bytes]) -> CrawledSite:
    """Return a site as the crawler would have collected it."""
    names = [f"images/{number:04}.jpg" for number in range(len(images))]
    columns = dict.fromkeys(COLLECTED_IMAGE_COLUMNS, "")
    numbers = {**ORIGIN_NUMBERS, **dict.fromkeys(("width", "height", "bytes"), "Int64")}
    columns |= dict.fromkeys(numbers, pd.NA)
    table = pd.DataFrame([{**columns, "path": path, "url": path} for path in names])
    table = table.assign(crawl_status="kept").astype(numbers)
    pages = pd.DataFrame([{**dict.fromkeys(PAGE_COLUMNS, ""), "url": f"http://{name}/"}])
    pages = pages.astype(dict.fromkeys(("depth", "n_images", "bytes"), object))
    files = {"images.parquet": table.to_parquet(), "pages.parquet": pages.to_parquet()}
    files |= dict(zip(names, images, strict=True))
    row = {"name": name, "url": f"http://{name}/", "crawl_status": "collected", "reason": ""}
    row |= {"n_pages": 1, "n_found": len(images), "n_images": len(images), "folder": name}
    data = pa.array(files.values(), pa.large_binary())
    return position, row, pa.table({"name": pa.array(files), "data": data})


def collect_photos(partition: Partition, options: Mapping[str, Any]) -> Iterator[CrawledSite]:
    """Stand in for the crawler: photos of the Grocery Store, as many as a site has."""
    photos = sorted((photos_folder() / "grocery-store").rglob("*.jpg"))
    for position, site in enumerate(partition.sites):
        start = partition.positions[position] * IMAGES_PER_SITE
        chosen = [photos[(start + i) % len(photos)] for i in range(IMAGES_PER_SITE)]
        yield _site(position, site.name, [path.read_bytes() for path in chosen])


def collect_bytes(partition: Partition, options: Mapping[str, Any]) -> Iterator[CrawledSite]:
    """Stand in for the crawler: a kilobyte of noise per image."""
    for position, site in enumerate(partition.sites):
        rng = np.random.default_rng(partition.positions[position])
        yield _site(position, site.name, [rng.bytes(1024) for _ in range(IMAGES_PER_SITE)])


def run_here(
    partitions: Sequence[Partition],
    collect: Callable[[Partition], Iterator[CrawledSite]],
    make_decider: Callable[[object], Decider],
    scorers: object,
    workers: object,
) -> Iterator[tuple[Partition, dict[str, Any]]]:
    """Work on partitions in this process, as a baseline."""
    decider = make_decider(scorers)
    for partition in partitions:
        yield partition, decider.decide(partition, *collect(partition))


def _sites(n_images: int) -> list[str]:
    return [f"shop{n}.example" for n in range(max(1, n_images // IMAGES_PER_SITE))]


def _params(stub: bool) -> dict[str, Any]:
    embedder: Embedder = StubEmbedder()
    if not stub:
        embedder = load_embedder("efficientnet-lite0", runtime="openvino-int8")
    rule = MeanDistanceRule(0.65, n_references=15)
    return {"embedder": embedder, "rule": rule, "progress": False}


def _library(stub: bool) -> tuple[dict[str, list[Path]], str]:
    if stub:
        rng = np.random.default_rng(0)
        folder = Path(tempfile.gettempdir(), "library-of-noise")
        folder.mkdir(exist_ok=True)
        for number in range(20):
            pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        return {"noise": sorted(folder.glob("*.png"))}, "noise"
    train = photos_folder() / "grocery-store" / "dataset" / "train"
    photos = sorted((train / TARGET).rglob("*.jpg"))[:30]
    return {"milk": photos}, "milk"


class Memory:
    """Records the memory of this process and its children while the context lasts."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._end = threading.Event()

    def __enter__(self) -> "Memory":
        self._start = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        driver = psutil.Process()
        while not self._end.wait(_SECONDS):
            workers = 0
            for process in driver.children(recursive=True):
                try:
                    if process.cmdline() and process.cmdline()[0].startswith("ray::_Actor"):
                        workers = max(workers, process.memory_info().rss)
                except psutil.Error:
                    continue
            seconds = round(time.monotonic() - self._start)
            row = {"seconds": seconds, "driver_mb": driver.memory_info().rss >> 20}
            self.rows.append(row | {"largest_worker_mb": workers >> 20})

    def curve(self, n: int = 20) -> list[dict[str, float]]:
        """Return about `n` rows."""
        return self.rows[:: max(1, len(self.rows) // n)]

    def peak(self, name: str) -> float:
        """Return the largest value."""
        return max((row[name] for row in self.rows), default=0)


class Processor:
    """Adds up the processor time of this process and its children, also of those that ended."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    def total(self) -> float:
        """Look at all processes; return the seconds of all that were ever seen."""
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            self._seconds[process.pid] = times.user + times.system
        return sum(self._seconds.values())


class Outcomes:
    """Passes outcomes of partitions on, and records when they came."""

    def __init__(self, spread: Callable[..., Iterator[Outcome]], n_workers: int) -> None:
        self.spread, self.n_workers = spread, n_workers
        self.rows: list[tuple[float, float, int]] = []
        self._processor = Processor()

    def __call__(self, *arguments: object) -> Iterator[Outcome]:
        """Stand in for `run_partitions`."""
        self._record(0)  # Ray has started
        for partition, outcome in self.spread(*arguments):
            self._record(outcome["n_images"] if isinstance(outcome, dict) else 0)
            yield partition, outcome

    def _record(self, n_images: int) -> None:
        self.rows.append((time.perf_counter(), self._processor.total(), n_images))

    def figures(self) -> dict[str, Any]:
        """Return times and rates."""
        if not self.rows:  # all partitions were finished
            return {}
        times, processor, counts = np.array(self.rows).T
        figures = {
            "seconds_of_partitions": times[-1] - times[0],
            "processor_seconds": processor[-1] - processor[0],
        }
        # from the time every worker has finished a partition until one has none left to start
        first, last = self.n_workers, len(times) - self.n_workers
        if first < last:
            n_images, seconds = counts[first + 1 : last + 1].sum(), times[last] - times[first]
            figures |= {
                "seconds_to_first_partition": times[1] - times[0],
                "steady_seconds": seconds,
                "steady_images": n_images,
                "steady_images_per_second": n_images / seconds,
                "steady_images_per_processor_second": n_images
                / (processor[last] - processor[first]),
            }
        return {name: round(float(value), 2) for name, value in figures.items()}


class CountedDecider(Decider):
    """Writes down which partitions it begins."""

    def decide(self, partition: Partition, *sites: CrawledSite) -> dict[str, Any]:
        """Decide on a partition."""
        with _begun(self.folder).open("a") as file:
            file.write(f"{partition.name}\n")
        return super().decide(partition, *sites)


def _begun(folder: RunFolder) -> Path:
    return Path(f"{folder.root}-begun.txt")


class Task(NamedTuple):
    """One run.

    Attributes
    ----------
    kind : {"here", "photos", "stub"}
        "here": in one process, with photos; otherwise on a cluster.
    n_images : int
    out : str
        Its folder.
    kill_after : int
        Kill a worker once this many partitions are finished; 0 = kill none.
    """

    kind: str
    n_images: int
    out: str
    kill_after: int = 0


def measure_once(task: Task) -> dict[str, Any]:
    """Run once in this process."""
    kind, n_images, out, kill_after = task
    is_stub = kind == "stub"
    run.collect_partition = collect_bytes if is_stub else collect_photos
    run.Decider = CountedDecider
    library, target = _library(is_stub)
    options: dict[str, Any] = {"cluster": LOCAL, "workers": N_WORKERS, "ahead": 2}
    options["partition_size"] = 16 if is_stub else 4
    spread, n_workers = run.run_partitions, N_WORKERS
    if kind == "here":
        run.connect, spread, n_workers = (lambda cluster: nullcontext({})), run_here, 1
    run.run_partitions = outcomes = Outcomes(spread, n_workers)
    killed = list[int]()
    if kill_after:
        threading.Thread(target=_kill, args=(out, kill_after, killed), daemon=True).start()
    start = time.perf_counter()
    with Memory() as memory:
        rank(_sites(n_images), library, target, out, **options, **_params(is_stub))
    seconds = time.perf_counter() - start
    folder, status = RunFolder(out), read_status(out)
    deciding = sum(marker["processor_seconds"] for _, marker in folder.markers())
    begun = _begun(folder)
    n_begun = len(begun.read_text().splitlines()) if begun.exists() else None
    return {
        "images": status.n_images,
        "sites": status.n_sites_finished,
        "partitions": status.n_finished,
        "partitions_begun": n_begun,
        "failures": len(status.failures),
        "killed_processes": len(killed),
        "seconds": round(seconds, 1),
        "processor_seconds_of_deciding": round(deciding, 1),
        **outcomes.figures(),
        "driver_peak_mb": memory.peak("driver_mb"),
        "worker_peak_mb": memory.peak("largest_worker_mb"),
        "memory": memory.curve(),
    }


def _kill(out: str, after: int, killed: list[int]) -> None:
    """Kill a worker that decides, once some partitions are finished."""
    folder = RunFolder(out)
    while len(folder.marker_names()) < after:
        time.sleep(0.2)
    while not killed:
        for process in psutil.Process().children(recursive=True):
            try:
                if " ".join(process.cmdline()).startswith("ray::_Actor.decide"):
                    process.send_signal(signal.SIGKILL)
                    killed.append(process.pid)
                    return
            except psutil.Error:
                continue
        time.sleep(0.05)


def _start(task: Task, cores: Sequence[int] = ()) -> subprocess.Popen[str]:
    """Measure in a process of its own, on these cores only if they are given."""
    code = (
        "import json, os, sys; task, cores = json.loads(sys.argv[1]); "
        "os.sched_setaffinity(0, cores or os.sched_getaffinity(0)); "
        "from benchmarks.distributed import Task, measure_once; "
        "print(json.dumps(measure_once(Task(*task))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code, json.dumps([task, cores])]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _measure(task: Task, cores: Sequence[int] = ()) -> dict[str, Any]:
    return _result(_start(task, cores))


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a measurement ended with {process.returncode}; its error is above")
    return json.loads(output.splitlines()[-1])


def rate(options: argparse.Namespace) -> dict[str, Any]:
    """Compare one process with two workers on the same photos."""
    n_images, cores = options.images, sorted(os.sched_getaffinity(0))[:N_WORKERS]
    with tempfile.TemporaryDirectory() as folder:
        one_core = _measure(Task("here", n_images, f"{folder}/one"), cores[:1])
        at_once = [
            _start(Task("here", n_images // len(cores), f"{folder}/process{core}"), [core])
            for core in cores
        ]
        figures = {
            "one process on one core": one_core,
            "two processes at once": _sum([_result(process) for process in at_once]),
            "one process on two cores": _measure(Task("here", n_images, f"{folder}/two")),
            "two workers": _measure(Task("photos", n_images, f"{folder}/workers")),
        }
    for figure in figures.values():
        figure["images_per_second"] = round(figure["images"] / figure["seconds"], 2)
        deciding = figure["images"] / figure["processor_seconds_of_deciding"]
        figure["images_per_processor_second_of_deciding"] = round(deciding, 2)
        used = figure["processor_seconds"] / figure["seconds_of_partitions"]
        figure["cores_used"] = round(used, 2)
    key = "steady_images_per_processor_second"
    ratios = {f"two workers, {key}": figures["two workers"][key] / one_core[key]}
    ratios |= {
        f"{name}, {key} and core": figure[key] / len(cores) / one_core[key]
        for key in ("steady_images_per_second", "images_per_second")
        for name, figure in figures.items()
        if figure is not one_core
    }
    ratios = {name: round(ratio, 3) for name, ratio in ratios.items()}
    return {**figures, "of one process on one core": ratios}


def _sum(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of processes that ran at the same time."""
    longest = {"seconds", "seconds_to_first_partition", "seconds_of_partitions", "steady_seconds"}
    names = [name for name, value in parts[0].items() if isinstance(value, (int, float))]
    names.remove("steady_images_per_processor_second")
    return {
        name: round((max if name in longest else sum)(part[name] for part in parts), 2)
        for name in names
    }


def kill(options: argparse.Namespace) -> dict[str, Any]:
    """Kill a worker in the middle; say what it cost, in batches: partitions done again."""
    with tempfile.TemporaryDirectory() as folder:
        whole = _measure(Task("photos", options.images, f"{folder}/whole"))
        cut = _measure(Task("photos", options.images, f"{folder}/cut", kill_after=3))
    if not cut["killed_processes"]:
        raise SystemExit("the run ended before a worker was killed; pass more --images")
    seconds = {name: cut[name] - whole[name] for name in ("seconds", "processor_seconds")}
    return {
        "undisturbed": whole,
        "a worker killed": cut,
        "batches": cut["partitions"],
        "batches_done_again": cut["partitions_begun"] - cut["partitions"],
        "batches_lost": whole["partitions"] - cut["partitions"],
        **{f"{name}_more": round(value, 1) for name, value in seconds.items()},
    }


def resume(options: argparse.Namespace) -> dict[str, Any]:
    """Call again when everything is finished; `scale` has to have made the run."""
    out = _out(options.sites)
    status = read_status(out)
    if status.n_finished < status.n_partitions:
        raise SystemExit(f"{out} is not finished; run scale --sites {options.sites} first")
    figures = _measure(Task("stub", options.sites * IMAGES_PER_SITE, str(out)))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {**figures, "megabytes_checked": size >> 20}


def _out(n_sites: int) -> Path:
    return Path(tempfile.gettempdir(), f"distributed-scale-{n_sites}")


def scale(options: argparse.Namespace) -> dict[str, Any]:
    """Record memory over time; go on with a run that was interrupted."""
    out = _out(options.sites)
    figures = _measure(Task("stub", options.sites * IMAGES_PER_SITE, str(out)))
    sizes = {kind: sum(path.stat().st_size for path in (out / kind).iterdir()) for kind in TABLES}
    n_images = figures["images"]
    bytes_per_image = {kind: round(size / n_images, 1) for kind, size in sizes.items()}
    return {**figures, "bytes_per_image": bytes_per_image, "folder": "kept for a second call"}


COMMANDS = {"rate": rate, "kill": kill, "resume": resume, "scale": scale}


def main() -> None:
    """Run one of the measurements and add it to the results."""
    parser = make_parser(__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--sites", type=int, default=1000)
    options = parser.parse_args()
    require_clean_tree()
    load = round(os.getloadavg()[0], 1)
    figures = COMMANDS[options.command](options)
    command = f"python -m benchmarks.distributed {options.command}"
    configuration = {"images": options.images, "sites": options.sites, "load_before": load}
    configuration["load_after"] = round(os.getloadavg()[0], 1)
    file = RESULTS / "distributed.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    results[options.command] = {"origin": origin(command, **configuration), "figures": figures}
    printed = {name: value for name, value in figures.items() if name != "memory"}
    print(json.dumps(printed, indent=1))
    print(f"written to {write_results('distributed', results)}")


if __name__ == "__main__":
    main()
