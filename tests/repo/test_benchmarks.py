"""Benchmarks: every script can be imported, and results name a commit that describes the code."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__")
# These run in environments of their own, which `speed_peers` builds.
ELSEWHERE = {"peers_torch": "torch"}


@pytest.fixture(autouse=True)
def repository_on_path(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture
def common():
    return importlib.import_module("benchmarks.common")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_benchmark_can_be_imported(path):
    """Every name that a script takes from the package exists."""
    if library := ELSEWHERE.get(path.stem):
        pytest.importorskip(library, reason=f"{path.stem} runs where {library} is installed")
    importlib.import_module(f"benchmarks.{path.stem}")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_names_that_functions_import_exist(path):
    """Imports inside functions, which importing the script does not try."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith(
            ("similarity_lab", "benchmarks")
        ):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_benchmark_explains_its_options(path, monkeypatch, capsys):
    """``--help`` shows how to run it, and measures nothing."""
    if "def main()" not in path.read_text("utf-8") or path.stem in ELSEWHERE:
        pytest.skip("no script of this environment")
    module = importlib.import_module(f"benchmarks.{path.stem}")
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        module.main()
    assert "python -m benchmarks." in capsys.readouterr().out


def test_benchmark_starts_as_a_module():
    command = [sys.executable, "-m", "benchmarks.collect", "--help"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--turns" in run.stdout


def test_worker_runs_with_the_package_of_a_checkout(common, tmp_path):
    (tmp_path / "similarity_lab").mkdir()
    (tmp_path / "similarity_lab" / "__init__.py").write_text("speed = 7\n")
    code = """
import json, os, sys
import similarity_lab
print("other words")
print(json.dumps({"speed": similarity_lab.speed * json.loads(sys.stdin.read())["n"],
    "threads": int(os.environ["OMP_NUM_THREADS"])}))
"""
    figures = common.run_worker(code, tmp_path, {"n": 3}, {"OMP_NUM_THREADS": "1"})
    assert figures == {"speed": 21, "threads": 1}
    with pytest.raises(SystemExit, match="no such thing"):
        common.run_worker("raise ValueError('no such thing')", tmp_path, None)


@pytest.fixture
def repository(tmp_path, common, monkeypatch):
    """A repository with one script, in place of this one."""

    def git(*arguments):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, "-C", tmp_path, *arguments], check=True)

    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "script.py").write_text("measured = 1\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "A script")
    monkeypatch.setattr(common, "RESULTS", folder / "results")
    monkeypatch.setattr(common, "ROOT", tmp_path)
    return tmp_path


def test_results_are_written_from_a_clean_tree(common, repository):
    file = common.write_results("first", {"figure": 1})
    assert json.loads(file.read_text()) == {"figure": 1}
    common.write_results("second", {"figure": 2})  # the first one's file is no change of the code


@pytest.mark.parametrize("name", ["benchmarks/script.py", "new.py"])
def test_results_are_refused_from_an_unclean_tree(common, repository, name):
    (repository / name).write_text("measured = 2\n")
    with pytest.raises(SystemExit, match=f"uncommitted changes: {name}; commit them"):
        common.write_results("first", {"figure": 1})
    assert not common.RESULTS.exists()


def test_results_are_refused_outside_of_a_checkout(common, monkeypatch, tmp_path):
    monkeypatch.setattr(common, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="git failed"):
        common.require_clean_tree()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_benchmark_checks_the_tree_before_it_measures(path):
    text = path.read_text("utf-8")
    if "write_results(" in text and path.stem != "common":
        assert "require_clean_tree()" in text


def test_origin_names_the_commit(common):
    origin = common.origin("python -m benchmarks.first", seed=0)
    assert origin["command"] == "python -m benchmarks.first"
    assert origin["configuration"] == {"seed": 0} and origin["versions"]["numpy"]
    assert len(origin["commit"]) >= 7 and "dirty" not in origin["commit"]
