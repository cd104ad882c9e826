import importlib
import os
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import similarity_lab

ROOT = Path(__file__).parents[2]
ASKED_FOR = {
    "tensorflow", "tensorflow-hub", "tensorflow-similarity", "numpy", "pandas", "scipy",
    "scikit-learn", "opencv-python", "matplotlib", "jupyter",
}  # fmt: skip


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def conda():
    return yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def all_stated(project):
    return [*project["dependencies"], *chain(*project["optional-dependencies"].values())]


def test_public_names_are_there():
    for name in similarity_lab.__all__:
        assert getattr(similarity_lab, name) is not None
        assert name in dir(similarity_lab)
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = similarity_lab.missing


LIGHT = [
    "cli", "datasets", "evaluation", "hosted", "labelling", "metric_learning", "pairs",
    "relevance", "report", "samples", "siamese", "web",
]  # fmt: skip


def test_importing_loads_no_network_library():
    code = (
        "import importlib, sys, similarity_lab\n"
        f"for module in {LIGHT}:\n"
        "    importlib.import_module('similarity_lab.' + module)\n"
        "    heavy = {'tensorflow', 'keras', 'torch'} & set(sys.modules)\n"
        "    if heavy: sys.exit(f'{module} imported {heavy}')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_command_that_scores_waits_for_no_statistics():
    code = (
        "import sys, similarity_lab.cli, similarity_lab.relevance.scorer\n"
        "sys.exit(', '.join({'sklearn', 'scipy.stats', 'scipy.optimize'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", ["metric_learning", "pairs", "siamese", "web"])
def test_names_of_a_package_are_imported_when_asked_for(package):
    module = importlib.import_module(f"similarity_lab.{package}")
    for name in module.__all__:
        assert getattr(module, name) is not None and name in dir(module)
    assert sorted(module.__all__) == module.__all__
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = module.missing


def test_network_libraries_start_without_remarks(tmp_path):
    """TensorFlow writes to stderr from C++; what is written when it fails must still come out."""
    code = "from similarity_lab.backend import keras; keras.ops.ones(2)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    fails = "import os; os.write(2, b'native words'); raise RuntimeError('boom')"
    (tmp_path / "keras.py").write_text(fails)
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1 and "native words" in run.stderr and "boom" in run.stderr


def test_everything_asked_for_is_in_the_conda_environment(conda, project):
    pip = next(entry["pip"] for entry in conda if isinstance(entry, dict))
    named = [Requirement(entry) for entry in conda if isinstance(entry, str)]
    named += [Requirement(entry) for entry in pip if not entry.startswith("-")]
    assert {requirement.name for requirement in named} >= ASKED_FOR
    assert "--editable .[all]" in pip
    stated = all_stated(project)
    ranges = {r.name: str(r.specifier) for r in map(Requirement, stated)}
    ranges["python"] = str(Requirement("python" + project["requires-python"]).specifier)
    for requirement in named:
        if requirement.name != "pip":
            assert ranges[requirement.name] == str(requirement.specifier), requirement.name
    assert {Requirement(r).name for r in project["dependencies"]} <= {r.name for r in named}


def test_the_lock_pins_every_stated_dependency(project):
    lock = (ROOT / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", lock, re.MULTILINE))
    stated = all_stated(project)
    names = {Requirement(entry).name for entry in stated} - {"similarity_lab"}
    assert names <= pinned
    assert "://" not in lock.replace("https://docs.", "")  # no index and no direct addresses


def test_extra_all_holds_every_other(project):
    extras = project["optional-dependencies"]
    (everything,) = extras["all"]
    assert Requirement(everything).extras == set(extras) - {"all"}


