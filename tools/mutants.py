"""Plant small faults in the code that decides, and see whether its tests notice each of them.

    python tools/mutants.py                       every module of `MODULES`; hours
    python tools/mutants.py relevance/shares      one of them
    python tools/mutants.py --again               try those that survived once more

Each fault is tried with the tests named beside its module, in a fork of a process that has
collected these tests already: the code of functions is exchanged, and constants. Results are kept
as they come (`build/mutants.json`); what is known of an unchanged module is not tried again.
"""

import argparse
import ast
import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FunctionType, ModuleType

import _pytest.main
import pytest
from mutations import mutants

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "mutants.json"
SECONDS = 120  # for the tests of one mutant; who takes longer is noticed

_LIGHT = "not literal_loop"  # which takes a network for every image
# What is quick comes first: a fault that it notices needs no more.
MODULES = {
    "distances": ["test_distances.py", "test_distance_properties.py"],
    "relevance/posterior": ["relevance/test_posterior.py"],
    "relevance/decision": ["relevance/test_decision.py", "relevance/test_scorer.py"],
    "relevance/calibration": ["relevance/test_calibration.py"],
    "relevance/prototypes": ["relevance/test_prototypes.py"],
    "relevance/thresholds": ["relevance/test_thresholds.py"],
    "relevance/repeats": ["relevance/test_repeats.py"],
    "relevance/tables": ["relevance/test_decision.py"],
    "relevance/learned": ["relevance/test_learned_rule.py", "relevance/test_learned.py"],
    "relevance/mean_distance": ["relevance/test_mean_distance.py", "relevance/test_scorer.py"],
    "pairs/members": [
        "pairs/test_indices.py",
        "pairs/test_members.py",
        "pairs/test_pair_properties.py",
    ],
    "pairs/indices": ["pairs/test_indices.py"],
    "pairs/arrays": ["pairs/test_arrays.py", "pairs/test_pair_properties.py"],
    "pairs/mining": ["pairs/test_mining.py"],
    "pairs/balanced": ["pairs/test_balanced.py"],
    "pairs/augmentation": ["pairs/test_augmentation.py"],
}


class Trial:
    """A plugin for pytest that runs the collected tests once per mutant instead of once."""

    def __init__(self, name: str, known: dict, *, again: bool) -> None:
        self.name, self.known, self.again = name, known, again

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every mutant that is not known yet."""
        path = ROOT / "similarity_lab" / f"{self.name}.py"
        module = importlib.import_module("similarity_lab." + self.name.replace("/", "."))
        source = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(source.encode()).hexdigest()
        if self.known.get(self.name, {}).get("source") != digest:
            self.known[self.name] = {"source": digest, "mutants": {}}
        outcomes = self.known[self.name]["mutants"]
        for library in ("scipy.optimize", "scipy.stats", "sklearn.metrics"):
            importlib.import_module(library)  # here, and not in each fork
        if noticed(session, module, ast.parse(source)) != "survived":
            raise SystemExit(f"{self.name}: its tests fail without any fault")
        for mutant in mutants(source):
            before = outcomes.get(mutant.name)
            if before is None or (self.again and before == "survived"):
                outcomes[mutant.name] = noticed(session, module, mutant.tree)
                RESULTS.write_text(json.dumps(self.known, indent=1) + "\n")
        return True


def noticed(session: pytest.Session, module: ModuleType, tree: ast.Module) -> str:
    """Run the tests with a fault in place; return how it was noticed, or "survived"."""
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            plant(module, tree)
            _pytest.main.pytest_runtestloop(session)
        except BaseException:  # the first test that fails ends the session
            os._exit(1)
        os._exit(int(session.testsfailed > 0))
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "killed" if status else "survived"
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def plant(module: ModuleType, tree: ast.Module) -> None:
    """Make a module behave as the tree says, also where its names are imported already."""
    fresh = ModuleType(module.__name__)
    fresh.__file__ = module.__file__
    exec(compile(tree, str(module.__file__), "exec"), fresh.__dict__)  # noqa: S102 - our own source
    _exchange(module, fresh, module.__name__)


def _exchange(old: ModuleType | type, new: ModuleType | type, home: str) -> None:
    for name, value in vars(new).items():
        before = vars(old).get(name)
        functions = _function(before), _function(value)
        if isinstance(value, type) and value.__module__ == home and isinstance(before, type):
            _exchange(before, value, home)
        elif functions[0] and functions[1] and functions[1].__module__ == home:
            for part in ("__code__", "__defaults__", "__kwdefaults__"):
                setattr(functions[0], part, getattr(functions[1], part))
        elif not name.startswith("__") and not isinstance(value, type | FunctionType | ModuleType):
            setattr(old, name, value)


def _function(value: object) -> FunctionType | None:
    """Return the function behind a method, a property or a cache."""
    for way in ("__func__", "fget", "__wrapped__"):
        value = getattr(value, way, None) or value
    return value if isinstance(value, FunctionType) else None


def main() -> int:
    """Try all mutants that are not known yet, and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", nargs="?", choices=MODULES, help="one only")
    parser.add_argument("--again", action="store_true", help="try the survivors once more")
    given = parser.parse_args()
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    sys.path.insert(0, str(ROOT))  # the package beside us, whichever is installed
    if given.module is None:  # each in a process that has not seen the others' tests
        for name in MODULES:
            command = [sys.executable, __file__, name, *["--again"] * given.again]
            subprocess.run(command, check=True)  # noqa: S603 - ourselves
        return 0
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    tests = [str(ROOT / "tests" / test) for test in MODULES[given.module]]
    options = ["-x", "-q", "--no-header", "--no-summary", "-p", "no:cacheprovider"]
    pytest.main(
        [*options, "-m", "not slow", "-k", _LIGHT, "--rootdir", str(ROOT), *tests],
        plugins=[Trial(given.module, known, again=given.again)],
    )
    outcomes = known[given.module]["mutants"]
    survived = [which for which, how in outcomes.items() if how == "survived"]
    print(f"{given.module}: {len(outcomes)} mutants, {len(survived)} survived", flush=True)
    lines = (ROOT / "similarity_lab" / f"{given.module}.py").read_text("utf-8").splitlines()
    for which in survived:
        print(f"  {which}    {lines[int(which.partition(':')[0]) - 1].strip()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
