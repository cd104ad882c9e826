"""Figures as the last line of a notebook cell."""

import nbformat
from nbclient import NotebookClient

HISTOGRAM = (
    "from similarity_lab.plots import distance_histogram\n"
    "distance_histogram({'same': [0.1, 0.2], 'different': [0.6, 0.9]})"
)
JPEG = "%matplotlib inline\n%config InlineBackend.figure_formats = ['jpeg']\n"


def displayed_types(code):
    """Return the types of the outputs of a cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120).execute()
    return {name for output in notebook.cells[0].outputs for name in output.get("data", {})}


def test_notebook_displays_a_figure():
    assert "image/png" in displayed_types(HISTOGRAM)


def test_notebook_displays_a_figure_in_the_chosen_format():
    types = displayed_types(JPEG + HISTOGRAM)
    assert "image/jpeg" in types and "image/png" not in types
