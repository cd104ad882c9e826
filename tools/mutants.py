"""Plant small faults in the code that decides, and see whether its tests notice each of them.

    python tools/mutants.py                       every module of `MODULES`; hours
    python tools/mutants.py relevance/shares      one of them
    python tools/mutants.py --again               try those that survived once more

Each fault is tried in a process of its own, forked from one that has imported the libraries, with
the tests named beside the module. Results are kept as they come (`build/mutants.json`); what is
known of an unchanged module is not tried again.
"""

import argparse
import ast
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from mutations import Mutant, mutants

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "mutants.json"
SECONDS = 120  # for the tests of one mutant; who takes longer is noticed

_LIGHT = "not literal_loop"  # which takes a network for every image
_SCORER = ["relevance/test_learned.py", "relevance/test_scorer.py"]
MODULES = {
    "distances": ["test_distances.py", "test_distance_properties.py"],
    "relevance/shares": ["relevance/test_shares.py", "relevance/test_learned.py"],
    "relevance/deciding": [*_SCORER, "relevance/test_scorer_properties.py"],
    "relevance/decision": [*_SCORER, "relevance/test_scorer_properties.py"],
    "relevance/calibration": ["relevance/test_calibration.py", "relevance/test_learned.py"],
    "relevance/prototypes": ["relevance/test_prototypes.py", "relevance/test_learned.py"],
    "relevance/thresholds": ["relevance/test_thresholds.py"],
    "relevance/references": ["relevance/test_references.py"],
    "relevance/repeats": ["relevance/test_repeats.py"],
    "relevance/tables": [*_SCORER],
    "relevance/learned": [*_SCORER],
    "relevance/mean_distance": [*_SCORER],
    "pairs/members": [
        "pairs/test_indices.py",
        "pairs/test_pair_properties.py",
        "pairs/test_balanced.py",
    ],
    "pairs/indices": ["pairs/test_indices.py"],
    "pairs/arrays": ["pairs/test_arrays.py", "pairs/test_pair_properties.py"],
    "pairs/mining": ["pairs/test_mining.py"],
    "pairs/balanced": ["pairs/test_balanced.py"],
    "pairs/augmentation": ["pairs/test_augmentation.py"],
}


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module as the tree that it is given; everything else as ever."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """Say that the module comes from here."""
        if name != self.name:
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(self.path))

    def exec_module(self, module: ModuleType) -> None:
        """Run the tree."""
        module.__file__ = str(self.path)
        code: CodeType = compile(self.tree, str(self.path), "exec")
        exec(code, module.__dict__)  # noqa: S102 - our own source, a little changed


def noticed(name: str, mutant: Mutant, tests: list[str]) -> str:
    """Run the tests with a mutant in place; return how it was noticed, or "survived"."""
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        path = ROOT / "similarity_lab" / f"{name}.py"
        full = "similarity_lab." + name.replace("/", ".")
        sys.meta_path.insert(0, Planted(full, path, mutant.tree))
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", "-k", _LIGHT]
        os._exit(int(pytest.main([*options, *(str(ROOT / "tests" / test) for test in tests)])))
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "survived" if status == 0 else "killed"
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def load_libraries(*, networks: bool) -> None:
    """Import what the tests need, and forget our own modules again: these come with a fault."""
    for name in ("relevance.scorer", "relevance.library_report", "samples", "evaluation", "report"):
        importlib.import_module(f"similarity_lab.{name}")
    for name in ("hypothesis.extra.numpy", "scipy.stats", "scipy.optimize", "sklearn.metrics"):
        importlib.import_module(name)
    if networks:
        importlib.import_module("similarity_lab.pairs.streams")
    for name in [name for name in sys.modules if name.partition(".")[0] == "similarity_lab"]:
        del sys.modules[name]


def main() -> int:
    """Try all mutants that are not known yet, and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="module", help="of " + ", ".join(MODULES))
    parser.add_argument("--again", action="store_true", help="try the survivors once more")
    given = parser.parse_args()
    chosen = given.modules or list(MODULES)
    os.chdir(ROOT)
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    load_libraries(networks=any(name.startswith("pairs/") for name in chosen))
    for name in chosen:
        source = (ROOT / "similarity_lab" / f"{name}.py").read_text(encoding="utf-8")
        digest = hashlib.sha256(source.encode()).hexdigest()
        if known.get(name, {}).get("source") != digest:
            known[name] = {"source": digest, "mutants": {}}
        outcomes = known[name]["mutants"]
        if noticed(name, Mutant("nothing", ast.parse(source)), MODULES[name]) != "survived":
            raise SystemExit(f"{name}: its tests fail without any fault: {MODULES[name]}")
        for mutant in mutants(source):
            before = outcomes.get(mutant.name)
            if before is None or (given.again and before == "survived"):
                outcomes[mutant.name] = noticed(name, mutant, MODULES[name])
                RESULTS.write_text(json.dumps(known, indent=1) + "\n")
        survived = [which for which, how in outcomes.items() if how == "survived"]
        print(f"{name}: {len(outcomes)} mutants, {len(survived)} survived", flush=True)
        lines = source.splitlines()
        for which in survived:
            print(f"  {which}    {lines[int(which.partition(':')[0]) - 1].strip()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
