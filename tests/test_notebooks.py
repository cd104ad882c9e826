"""Every notebook runs in its fast mode; tests/repo/test_notebooks.py looks at their form."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="session")
def run_notebooks():
    """The script tools/run_notebooks.py as a module."""
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "tools/run_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_in_fast_mode(path, run_notebooks, samples, tmp_path, monkeypatch):
    shutil.copytree(samples.folder, tmp_path / "samples")
    monkeypatch.setenv("SIMILARITY_LAB_FAST", "1")
    monkeypatch.setenv("SIMILARITY_LAB_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("SIMILARITY_LAB_CACHE", str(tmp_path / "cache"))
    run_notebooks.run(path, fast=True, folder=tmp_path, timeout=300)
