"""The form of the notebooks; tests/test_notebooks.py runs them."""

import importlib.util
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def is_text(cell):
    """Return whether a cell only shows text, with figures that it computes or reads."""
    return cell.source.lstrip().startswith("Markdown(") or "\nMarkdown(" in cell.source


def test_notebook_is_short(path):
    cells = [cell for cell in code_cells(path) if not is_text(cell)]
    assert len(cells) <= 25 + 1  # and the cell that installs the package
    for cell in cells:
        assert len(cell.source.splitlines()) <= 15, cell.source
        assert "def " not in cell.source and "class " not in cell.source, cell.source


def test_notebook_begins_with_parameters_and_installation(path):
    """In Colab there is no checkout: the parameters name a package, the next cell installs it."""
    first, second, *_ = cells = code_cells(path)
    assert "\nPACKAGE = " in first.source and "similarity_lab[colab]" in first.source
    assert "%pip install" in second.source
    assert sum("FAST =" in cell.source for cell in cells) == 1
    assert not any("!pip" in cell.source for cell in cells)


@pytest.mark.parametrize("place", ["beside", "above", "wheel", "nowhere", "installed"])
def test_install_cell_finds_the_checkout(path, place, tmp_path, monkeypatch):
    """In Colab the notebook runs beside the folder of a clone, which is not the package."""
    folder, wheel = tmp_path / "content" / "work", "similarity_lab-2.0.0-py3-none-any.whl"
    checkout = {"beside": folder / "similarity_lab", "above": folder.parent}.get(place)
    folder.mkdir(parents=True)
    if checkout is not None:
        checkout.mkdir(exist_ok=True)
        (checkout / "pyproject.toml").touch()
    if place == "wheel":
        (folder / wheel).touch()
    monkeypatch.chdir(folder)
    if place != "above":
        monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    found = SimpleNamespace(origin="similarity_lab/__init__.py" if place == "installed" else None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    source = code_cells(path)[1].source
    requested = []
    code = re.sub(r"%pip install --quiet .*", "requested.append(requirement)", source)
    exec(compile(code, path.name, "exec"), {"PACKAGE": "", "requested": requested})
    if place == "installed":
        assert requested == []
    elif place == "nowhere":
        assert requested == ["set PACKAGE in the cell above"]
    elif place == "above":
        (requirement,) = requested
        assert requirement.startswith(f"{checkout}[") and "colab" not in requirement
    else:
        assert requested == [f"{checkout or folder / wheel}[colab]"]


def test_default_mode_says_what_it_leaves_out(path):
    (cell,) = [cell for cell in code_cells(path) if "**Fast mode**" in cell.source]
    assert "SIMILARITY_LAB_FAST=0" in cell.source and cell.source.endswith('if FAST else "")')


def test_text_with_measured_figures_is_computed_or_names_the_full_run(path):
    """So that a run in the default mode cannot contradict it."""
    settings = re.compile(
        r"0\.65|0\.25|0\.9\b|0\.5\b|0\.1\b|0…1|95 %|90 %|25 %|10 %|30 %|100 %|Version|version"
    )
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown" and "full run" not in cell.source:
            text = settings.sub("", cell.source)
            assert not re.search(r"\b0\.\d{2,}|\d %", text), cell.source


def test_outputs_have_no_bars_and_no_warnings(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.get("name") != "stderr", output
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            assert not re.search(r"\d+%\|", output.get("data", {}).get("text/plain", "")), output


def test_notebook_is_committed_with_the_outputs_of_a_run(path):
    for cell in code_cells(path):
        assert cell.execution_count, "committed without outputs: run make notebooks"
        assert not any(output.output_type == "error" for output in cell.outputs)
