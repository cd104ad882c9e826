"""Format results as Markdown; used by `benchmarks.tables`."""

import json
import re

from benchmarks.common import RESULTS


def load(name: str) -> dict:
    """Return one benchmark's results."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; the first column to the left, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def origin_line(results: dict) -> str:
    """Return the line that names command, commit and machine of the results."""
    origin = results["origin"]
    machine, version = origin["machine"], origin["versions"]
    command = re.sub(r"benchmarks/(\w+)\.py", r"-m benchmarks.\1", origin["command"])  # before 2.0
    settings = ", ".join(f"{key} {value}" for key, value in origin["configuration"].items())
    parts = [
        f"`{command}`, commit {origin['commit']}, {origin['date']}",
        f"{machine['cores']} cores of {machine['processor']}",
        f"TensorFlow {version['tensorflow']}, Keras {version['keras']}, NumPy {version['numpy']}",
        settings,
    ]
    return "; ".join(filter(None, parts)) + ".\n"


def significant(value: float, digits: int) -> str:
    """Return a figure with this many significant digits, never as a power of ten.

    >>> significant(8837.2, 3), significant(0.12838, 3)
    ('8,840', '0.128')
    """
    return f"{float(f'{value:.{digits}g}'):,.10g}"


def figures(name: str, head: str) -> str:
    """Return a section that lists what was measured."""
    results = load(name)
    rows = [[label, significant(value, 4)] for label, value in results["figures"].items()]
    return "\n".join([head, table(["", "measured"], rows), origin_line(results)])


def with_interval(row: dict, name: str, digits: int) -> str:
    """Return a figure with its interval, or a dash."""
    if name not in row:
        return "–"
    if f"{name}_interval" not in row:
        return f"{row[name]:.{digits}f}"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def plain(row: dict[str, object], name: str) -> str:
    """Return a figure with three digits, or a dash."""
    return f"{row[name]:.3f}" if name in row else "–"
