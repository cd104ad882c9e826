"""The faults that `tools/mutants.py` plants: each is one change, and all of them are there."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = '''
def share(values: list[int], least: float = 0.5) -> float:
    """Words 1 > 0."""
    if not values or least < 0:
        raise ValueError(f"{least} < 0")
    return sum(values) / len(values) if max(values) >= 1 else -1
'''


@pytest.fixture
def mutations(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("mutations")


def test_every_fault_is_one_change(mutations):
    found = {mutant.name.split(" ", 1)[1]: mutant for mutant in mutations.mutants(SOURCE)}
    assert sorted(found) == sorted([
        "0.5 -> 1.5", "0.5 -> -0.5", "condition negated", "Or -> And", "without Not", "Lt -> LtE",
        "Lt -> GtE", "0 -> 1", "0 -> -1", "returns None", "Div -> Mult", "max -> min", "GtE -> Gt",
        "GtE -> Lt", "1 -> 2", "1 -> 0", "without USub",
    ])  # fmt: skip
    whole = ast.unparse(ast.parse(SOURCE))
    for mutant in found.values():
        changed = ast.unparse(mutant.tree).splitlines()
        assert sum(a != b for a, b in zip(changed, whole.splitlines(), strict=True)) == 1
        compile(mutant.tree, "module", "exec")
    space: dict = {}
    exec(compile(found["Div -> Mult"].tree, "module", "exec"), space)
    assert space["share"]([2, 2]) == 8


def test_names_tell_mutants_apart_in_every_module(mutations):
    for module in ("relevance/shares", "relevance/thresholds"):
        source = (ROOT / "similarity_lab" / f"{module}.py").read_text()
        names = [mutant.name for mutant in mutations.mutants(source)]
        assert len(set(names)) == len(names) > 20
