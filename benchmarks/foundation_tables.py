"""Write the sections of docs/benchmarks.md on foundation models; used by `benchmarks.tables`."""

from benchmarks.result_tables import load, table, with_interval

MODELS = """## Foundation models

Each model by its name, as far as it could be loaded on the machine that ran this; a row without
figures was not measured. Top-1 and Recall@1 as in "Separating products"; zero-shot: the class whose
prompts are nearest to a test photo, without any photo of the class; site accuracy of the learned
rule as in "Decisions on composite grocery sites"; the last two columns from images alone on real
shops, 11 targets, as in "Decisions on real shops". The packaged networks run without crops.
"""

SPEED = """### Speed of foundation models

Processor milliseconds per image, with random weights, on which speed does not depend; one thread,
the smallest of several turns that take the runtimes in turn. Network: prepared images in memory, in
batches of 8 (OpenVINO) or 16 (PyTorch). Preparing: a JPEG of 348 × 348 pixels is decoded in full
and goes through the model's own processor. A machine embeds about cores × 1000 ÷ (network +
preparing) images a second.
"""

_COLUMNS = {
    "torch": "PyTorch",
    "openvino": "OpenVINO float32",
    "openvino-int8": "OpenVINO int8",
    "prepare": "preparing",
}


def foundation_sections() -> list[str]:
    """Return the sections on foundation models, in order."""
    return [models(), speed()]


def models() -> str:
    """Return the section on what foundation models separate and decide."""
    results = load("foundation")
    columns = {
        "top1_fine": "top-1, fine",
        "top1_coarse": "top-1, coarse",
        "recall@1": "Recall@1",
        "zero_shot_coarse": "zero-shot, coarse",
    }
    head = ["model", *columns.values(), "site accuracy", "AUC of shops' images", "AUC of shops"]
    rows = []
    for name, row in results["rows"].items():
        cells = [with_interval(row, key, 3) for key in columns]
        shops = row["shops"]["11 targets"]["evidence"]["images alone"] if "shops" in row else {}
        of_shops = [with_interval(shops.get(kind, {}), "auc", 2) for kind in ("images", "sites")]
        rows.append([name, *cells, with_interval(row["sites"], "accuracy", 3), *of_shops])
    rows += [[name, *["–"] * (len(head) - 1)] for name in results["missing"]]
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in results["missing"].items():  # which begins with the repository
        names_by_reason.setdefault(reason.partition(" ")[2], []).append(name)
    missing = [f"- {', '.join(names)}: {reason}" for reason, names in names_by_reason.items()]
    parts = [MODELS, table(head, rows)]
    if missing:
        parts += ["Not loaded:\n", *missing, ""]
    return "\n".join([*parts, origin_line(results)])


def speed() -> str:
    """Return the section on the speed of architectures."""
    results = load("foundation_speed")
    rows = [
        [name, *(f"{row[kind]:.1f}" for kind in _COLUMNS)] for name, row in results["rows"].items()
    ]
    return "\n".join([SPEED, table(["", *_COLUMNS.values()], rows), origin_line(results)])


def origin_line(results: dict) -> str:
    """Return the line that names command, commit, machine and libraries of the results."""
    origin = results["origin"]
    libraries = ", ".join(f"{name} {version}" for name, version in origin["libraries"].items())
    return (
        f"`{origin['command']}`, commit {origin['commit']}, {origin['date']}; "
        f"{origin['machine']['cores']} cores of {origin['machine']['processor']}; {libraries}, "
        f"openvino {origin['versions']['openvino']}.\n"
    )
