"""Figures as the last line of a notebook cell."""

import nbformat
from nbclient import NotebookClient


def test_notebook_displays_a_figure():
    code = (
        "from similarity_lab.plots import distance_histogram\n"
        "distance_histogram({'same': [0.1, 0.2], 'different': [0.6, 0.9]})"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120).execute()
    outputs = notebook.cells[0].outputs
    assert any("image/png" in output.get("data", {}) for output in outputs)
