"""The form of the notebooks; tests/test_notebooks.py runs them."""

from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_notebook_is_short(path):
    cells = code_cells(path)
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


def test_notebook_is_committed_with_the_outputs_of_a_run(path):
    for cell in code_cells(path):
        assert cell.execution_count, "committed without outputs: run make notebooks"
        assert not any(output.output_type == "error" for output in cell.outputs)
