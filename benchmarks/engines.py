"""Measure engines that could spread the work over machines: two workers, one run each.

    python -m benchmarks.engines --rivals PYTHON [--images N]

PYTHON is an interpreter that has dask[distributed] and daft beside this package: a throw-away
environment, since the package depends on neither. Every engine embeds the same batches of Grocery
Store photos with the int8 EfficientNet-Lite0, one thread per worker. In the second run of each, a
worker is killed (SIGKILL) in the middle of a batch. Writes benchmarks/results/engines.json.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from benchmarks.common import (
    ROOT,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    write_results,
)
from similarity_lab.embedders import Embedder

BATCH = 64  # images
KILLED = 5  # number of the batch whose worker is killed

Job = tuple[int, list[str], str]
"""Number of a batch, its images, and a file that exists once its worker was killed, or ""."""

Row = tuple[int, int, float]
"""Number of a batch, images embedded, and the sum of their vectors."""


@cache
def embedder() -> Embedder:
    """Return the network, which each process loads once."""
    from similarity_lab.embedders import load_embedder

    return load_embedder("efficientnet-lite0", runtime="openvino-int8", threads=1)


def embed(job: Job) -> Row:
    """Embed one batch."""
    number, paths, killed = job
    embedded = embedder().embed([Path(path) for path in paths], progress=False)
    if number == KILLED and killed and not Path(killed).exists():
        Path(killed).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number, len(embedded.kept), float(embedded.vectors.sum())


def run_one_process(jobs: list[Job]) -> list[Row]:
    """Embed here."""
    return [embed(job) for job in jobs]


def run_processes(jobs: list[Job]) -> list[Row]:
    """Embed in a pool of the standard library."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(embed, jobs))


def run_dask(jobs: list[Job]) -> list[Row]:
    """Embed with dask.distributed."""
    from dask.distributed import Client, LocalCluster, as_completed

    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
        futures = client.map(embed, jobs, pure=False)
        return [future.result() for future in as_completed(futures)]


def run_daft(jobs: list[Job]) -> list[Row]:
    """Embed with Daft on its own runner, in processes."""
    import daft

    @daft.cls(max_concurrency=2, use_process=True)
    class Worker:
        @daft.method(return_dtype=daft.DataType.string())
        def embed(self, job: str) -> str:
            return json.dumps(embed(json.loads(job)))

    frame = daft.from_pydict({"job": [json.dumps(job) for job in jobs]}).into_batches(1)
    column = frame.with_column("row", Worker().embed(daft.col("job"))).to_pydict()["row"]
    return [tuple(json.loads(text)) for text in column]


def run_ray(jobs: list[Job]) -> list[Row]:
    """Embed in a pool of two Ray actors."""
    import ray
    from ray.util import ActorPool

    _start_ray()

    @ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=3)
    class Worker:
        def embed(self, job: Job) -> Row:
            return embed(job)

    pool = ActorPool([Worker.remote() for _ in range(2)])
    return list(pool.map_unordered(lambda worker, job: worker.embed.remote(job), jobs))


def run_ray_data(jobs: list[Job]) -> list[Row]:
    """Embed with Ray Data, in a pool of two actors."""
    import ray

    class Worker:
        def __call__(self, row: dict[str, str]) -> dict[str, str]:
            return {"row": json.dumps(embed(json.loads(row["job"])))}

    _start_ray()
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"job": json.dumps(job)} for job in jobs]
    data = ray.data.from_items(rows, override_num_blocks=len(rows))
    data = data.map(Worker, concurrency=2, num_cpus=1)
    return [tuple(json.loads(row["row"])) for row in data.iter_rows()]


def _start_ray() -> None:
    import ray

    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(address="local", num_cpus=2, **options)


ENGINES: dict[str, Callable[[list[Job]], list[Row]]] = {
    "one process": run_one_process,
    "plain processes": run_processes,
    "Dask": run_dask,
    "Daft": run_daft,
    "Ray actors": run_ray,
    "Ray Data": run_ray_data,
}


def measure(name: str, task: Path) -> dict[str, object]:
    """Run one engine in this process."""
    jobs, failure = [tuple(job) for job in json.loads(task.read_text())], ""
    start = time.perf_counter()
    try:
        rows = ENGINES[name](jobs)
    except Exception as error:  # whatever an engine raises is a result
        rows, failure = [], f"{type(error).__name__}: {error}".splitlines()[0][:200]
    seconds = time.perf_counter() - start
    peak = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    return {
        "seconds": round(seconds, 1),
        "images_per_second": round(sum(row[1] for row in rows) / seconds, 1),
        "batches_lost": len(jobs) - len({row[0] for row in rows}),
        "batches_twice": len(rows) - len({row[0] for row in rows}),
        "sum_of_vectors": round(sum(row[2] for row in rows)),
        "driver_peak_mb": round(int(peak.split()[1]) / 1024),
        "failure": failure,
    }


def main() -> None:
    """Run every engine twice: undisturbed, and with a worker killed."""
    parser = make_parser(__doc__)
    parser.add_argument("--rivals", type=Path, metavar="PYTHON", required=True)
    parser.add_argument("--images", type=int, default=2000)
    options = parser.parse_args()
    require_clean_tree()
    photos = sorted((photos_folder() / "grocery-store").rglob("*.jpg"))[: options.images]
    batches = [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
    figures: dict[str, dict[str, object]] = {}
    load = os.getloadavg()[0]  # of others who use this machine
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("undisturbed", "a worker killed"):
            for name in ENGINES:
                if name == "one process" and kind != "undisturbed":
                    continue
                killed = "" if kind == "undisturbed" else f"{folder}/{name}"
                jobs = [
                    (number, [str(path) for path in batch], killed)
                    for number, batch in enumerate(batches)
                ]
                task = Path(folder, "task.json")
                task.write_text(json.dumps(jobs))
                figures[f"{name}, {kind}"] = figure = _run(options.rivals, name, task)
                print(f"{name}, {kind}: {figure}", flush=True)
    alone = figures["one process, undisturbed"]["images_per_second"]
    for figure in figures.values():
        rate = float(str(figure["images_per_second"]))
        figure["rate_per_worker_of_one_process"] = round(rate / 2 / float(str(alone)), 3)
    figures["one process, undisturbed"].pop("rate_per_worker_of_one_process")
    command = "python -m benchmarks.engines --rivals PYTHON"
    configuration = {"images": len(photos), "batch": BATCH, "rivals": _versions(options.rivals)}
    configuration["load"] = {"before": load, "after": os.getloadavg()[0]}
    results = {"origin": origin(command, **configuration), "figures": figures}
    print(f"written to {write_results('engines', results)}")


def _run(python: Path, name: str, task: Path) -> dict[str, object]:
    code = (
        "import json, os, sys; from pathlib import Path; from benchmarks.engines import measure; "
        "print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))), flush=True); "
        "os._exit(0)"  # some engines keep threads alive after a failure
    )
    command = [str(python), "-W", "ignore", "-c", code, name, str(task)]
    environment = {"RAY_USAGE_STATS_ENABLED": "0", "DAFT_ANALYTICS_ENABLED": "0"}
    environment |= {"DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    try:
        run = subprocess.run(
            command,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        return {"images_per_second": 0.0, "failure": "no end within 300 seconds"}
    if run.returncode:
        return {"images_per_second": 0.0, "failure": run.stderr.strip().splitlines()[-1][:200]}
    return json.loads(run.stdout.splitlines()[-1])


def _versions(python: Path) -> dict[str, str]:
    code = (
        "import json; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in ('ray', 'dask', 'daft')}))"
    )
    return json.loads(subprocess.check_output([str(python), "-c", code], text=True))


if __name__ == "__main__":
    main()
