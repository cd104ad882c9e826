"""Scoring needs only the core install: no TensorFlow, OpenCV, matplotlib or other extra."""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# Runs in a process that finds only the modules of the core install.
BLOCKED = """
import json, sys
from importlib.machinery import PathFinder

blocked = set(json.loads(sys.argv[1]))

class CoreFinder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in blocked:
            return PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = CoreFinder
"""
SCORE = """
from similarity_lab import RelevanceScorer, Site, make_samples

samples = make_samples(sys.argv[2], progress=False)
scorer = RelevanceScorer(samples.target, progress=False).fit(samples.library)
results = [scorer.decide(Site.from_folder(folder)) for folder in samples.sites[:2]]
print(json.dumps([[result.site, result.decision, result.probability] for result in results]))
"""


def installed_with(names):
    """Return these distributions and all that they require, directly or indirectly."""
    result, pending = set(), list(names)
    while pending:
        name = canonicalize_name(pending.pop())
        if name in result:
            continue
        result.add(name)
        try:
            requirements = [Requirement(entry) for entry in requires(name) or []]
        except PackageNotFoundError:
            continue
        pending += [
            requirement.name
            for requirement in requirements
            if not requirement.marker or requirement.marker.evaluate()
        ]
    return result


@pytest.fixture(scope="module")
def blocked():
    """Return the modules that are installed here, but not by ``pip install similarity_lab``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    core = installed_with(Requirement(entry).name for entry in project["dependencies"])
    core.add("similarity-lab")
    return [
        module
        for module, distributions in packages_distributions().items()
        if not core & {canonicalize_name(name) for name in distributions}
    ]


def run_without(blocked, code, *arguments):
    command = [sys.executable, "-c", BLOCKED + code, json.dumps(blocked), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_core_install_decides_on_the_sample(blocked, tmp_path):
    assert {"tensorflow", "keras", "cv2", "matplotlib", "scrapy"} <= set(blocked)
    run = run_without(blocked, SCORE, tmp_path / "samples")
    assert run.returncode == 0, run.stderr
    for site, decision, probability in json.loads(run.stdout):
        assert site and decision in {"relevant", "irrelevant", "unsure"}
        assert 0 <= probability <= 1


EXTRAS = {
    "similarity_lab.plots": "plots",
    "similarity_lab.web": "web",
    "similarity_lab.siamese": "train",
    "similarity_lab.metric_learning": "train",
}
USE = """
import importlib
from similarity_lab.errors import MissingExtraError

n_errors = 0
try:
    room = importlib.import_module(sys.argv[2])
    for name in room.__all__:
        try:
            getattr(room, name)
        except MissingExtraError as error:
            n_errors += 1
            assert sys.argv[3] in str(error), error
except MissingExtraError as error:
    n_errors += 1
    assert sys.argv[3] in str(error), error
assert n_errors
"""


@pytest.mark.parametrize(("module", "extra"), EXTRAS.items())
def test_core_install_names_the_missing_extra(blocked, module, extra):
    run = run_without(blocked, USE, module, f'pip install "similarity_lab[{extra}]"')
    assert run.returncode == 0, run.stderr


COLLECTED = """
from pathlib import Path
from similarity_lab import Site
from similarity_lab.errors import MissingExtraError

folder = Path(sys.argv[2])
(folder / "images.parquet").write_bytes(b"PAR1")
(folder / "images").mkdir()
(folder / "images" / "a.jpg").write_bytes(b"")
try:
    Site.from_folder(folder)
except MissingExtraError as error:
    assert "[web]" in str(error), error
else:
    raise SystemExit("read without pyarrow")
"""


def test_core_install_needs_web_for_a_collected_site(blocked, tmp_path):
    run = run_without(blocked, COLLECTED, tmp_path)
    assert run.returncode == 0, run.stderr
