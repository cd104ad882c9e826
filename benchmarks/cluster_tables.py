"""Sections of docs/benchmarks.md on engines and runs on a cluster."""

from typing import Any

from benchmarks.result_tables import load, origin_line, table

ENGINES = """## Engines for more than one machine

{images} Grocery Store photos in batches of {batch}, EfficientNet-Lite0 in int8, two workers with
one thread each on one machine. "Killed": a worker is killed (SIGKILL) in the middle of a batch.
One run each, on a machine that others used (load {before:.0f} to {after:.0f} on two cores), so that
rates, which include the start of an engine, are rough; what is lost is not. clip-retrieval, which
distributes with Spark, was not run: it needs a Java runtime on every machine, and Spark's Python
workers are separate from it, so that a network in memory needs the same care as here.
"""

CLUSTER = """## Runs on a Ray cluster

One machine with two cores, and two workers. Nothing was crawled. Memory: every one of {sites:,}
sites of fifty images was decided on, with a kilobyte of noise for each image and a stub embedder,
which shows what the driver, the workers and the files need, not how fast images are embedded.
"""

RATES = """
The real network on Grocery Store photos, with the threads that the package chooses: one process on
one core; two of them at once, half of the photos each, which is what the cores allow; one process
on both cores; two workers with one CPU each. Steady is from the first partition to the last, while
all workers have something to do; the whole call has the start of Ray and its processes, too.
"""

ONE_CORE = "one process on one core"


def cluster_sections() -> list[str]:
    """Return the sections as Markdown."""
    return [_engines(), _cluster()]


def _engines() -> str:
    results = load("engines")
    figures, settings = results["figures"], results["origin"]["configuration"]
    rows = []
    for name in dict.fromkeys(key.rpartition(", ")[0] for key in figures):
        undisturbed = figures[f"{name}, undisturbed"]
        killed = figures.get(f"{name}, a worker killed")
        rows.append(
            [
                name,
                f"{undisturbed['images_per_second']:.0f}",
                f"{undisturbed['driver_peak_mb']:.0f} MB",
                "–" if killed is None else _survival(killed),
            ]
        )
    head = ["engine", "images/s", "memory of the driver", "killed"]
    text = ENGINES.format(**settings, **settings["load"])
    return f"{text}\n{table(head, rows)}\n{origin_line(results)}"


def _survival(figure: dict[str, Any]) -> str:
    if figure["failure"]:
        return f"run lost: {figure['failure'].partition(':')[0]}"
    return f"{figure['batches_lost']} batches lost, {figure['batches_twice']} twice"


def _cluster() -> str:
    results = load("distributed")
    scale, resume = (results[name]["figures"] for name in ("scale", "resume"))
    half = [row["driver_mb"] for row in scale["memory"]][len(scale["memory"]) // 2]
    rows = [
        ["images", f"{scale['images']:,}"],
        ["largest memory of the driver", f"{scale['driver_peak_mb']:.0f} MB"],
        ["… after half of the time", f"{half:.0f} MB"],
        ["largest memory of a worker", f"{scale['worker_peak_mb']:.0f} MB"],
        ["seconds", f"{scale['seconds']:.0f}"],
        ["images per second", f"{scale['steady_images_per_second']:,.0f}"],
        ["bytes written per image", f"{sum(scale['bytes_per_image'].values()):.0f}"],
        [
            f"the same call again, {resume['megabytes_checked']} MB checked: seconds",
            f"{resume['seconds']:.1f}",
        ],
    ]
    text = CLUSTER.format(sites=scale["sites"])
    parts = [text, table(["", ""], rows), origin_line(results["scale"])]
    if "rate" in results:
        parts += [RATES, _rates(results["rate"]["figures"]), origin_line(results["rate"])]
    if "kill" in results:
        parts += [_killed(results["kill"]["figures"]), origin_line(results["kill"])]
    return "\n".join(parts)


def _rates(rate: dict[str, Any]) -> str:
    rows = []
    for name, figure in rate.items():
        if "images" not in figure:  # ratios
            continue
        n_cores = 1 if name == ONE_CORE else 2
        row = [name, f"{figure['cores_used']:.2f}"]
        for key in ("steady_images_per_second", "images_per_second"):
            row += [f"{figure[key]:.0f}", f"{figure[key] / n_cores / rate[ONE_CORE][key]:.2f}"]
        rows.append(row)
    head = ["", "cores used", "steady images/s", "per core, of one core", "images/s, whole call"]
    return table([*head, "per core, of one core"], rows)


def _killed(kill: dict[str, Any]) -> str:
    return (
        f"\nA worker killed (SIGKILL) in a run of {kill['batches']} partitions: "
        f"{kill['batches_done_again']} begun again, {kill['batches_lost']} lost; "
        f"{kill['seconds_more']:.0f} seconds more.\n"
    )
