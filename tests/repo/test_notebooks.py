import importlib.util
import shutil
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory):
    """The generated sample, drawn once; notebooks find it in their folder and use it."""
    from similarity_lab.samples import make_samples

    return make_samples(tmp_path_factory.mktemp("notebooks") / "samples", progress=False).folder


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "tools/run_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_in_fast_mode(path, runner, sample_folder, tmp_path, monkeypatch):
    shutil.copytree(sample_folder, tmp_path / "samples")
    monkeypatch.setenv("SIMILARITY_LAB_FAST", "1")
    monkeypatch.setenv("SIMILARITY_LAB_DATA", str(tmp_path / "none"))
    runner.run(path, fast=True, folder=tmp_path, timeout=300)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_committed_as_it_should_be(path):
    cells = code_cells(path)
    assert len(cells) <= 26  # with the one that installs
    assert sum("FAST =" in cell.source for cell in cells) == 1
    # in Colab there is no checkout: the parameters name a package, the next cell installs it
    assert "\nPACKAGE = " in cells[0].source and "%pip install" in cells[1].source
    for cell in cells:
        assert len(cell.source.splitlines()) <= 15, cell.source
        assert "def " not in cell.source and "!pip" not in cell.source
        assert cell.execution_count, "committed without the outputs of a run"
        assert not any(output.output_type == "error" for output in cell.outputs)
    text = path.read_text("utf-8")
    for local in (str(ROOT), str(ROOT.parent), "/tmp/", "/home/", "/root/"):
        assert local not in text
