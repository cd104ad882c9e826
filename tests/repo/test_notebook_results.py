"""Saved notebooks show the results that are in the repository."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# As notebooks print it: "python -m benchmarks.comparison, commit 12b5bf8, 2026-11-28".
CITED = re.compile(
    r"(python -m benchmarks\.[^\n,]+?),?(?: commit)? ([0-9a-f]{7}),? \d{4}-\d\d-\d\d"
)


def origins(value: object) -> Iterator[tuple[str, str]]:
    """Yield command and commit of every measurement in a results file."""
    if isinstance(value, dict):
        if {"command", "commit"} <= value.keys():
            yield value["command"], value["commit"]
        for each in value.values():
            yield from origins(each)
    elif isinstance(value, list):
        for each in value:
            yield from origins(each)


def printed(notebook: dict) -> str:
    """Return the text output of all cells."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    texts = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in outputs]
    return "\n".join("".join(text) for text in texts)


def test_some_results_are_cited():
    assert CITED.findall("\n".join(printed(json.loads(path.read_text())) for path in NOTEBOOKS))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cited_results_are_those_of_the_repository(path):
    files = (ROOT / "benchmarks" / "results").glob("*.json")
    known = {origin for file in files for origin in origins(json.loads(file.read_text()))}
    cited = set(CITED.findall(printed(json.loads(path.read_text()))))
    assert cited <= known, f"run the notebook again: {sorted(cited - known)}"
