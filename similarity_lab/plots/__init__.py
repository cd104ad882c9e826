"""Figures: charts of measurements, sheets of images, and value against cost.

Each function returns a matplotlib figure that belongs to the caller; nothing is displayed or saved.
Needs the extra ``plots``.
"""

import sys

from similarity_lab.errors import MissingExtraError

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError("Drawing figures", "matplotlib", "plots") from error

from similarity_lab.plots.charts import (
    distance_histogram,
    embedding_map,
    lines,
    reliability_curves,
    roc_curves,
    training_curves,
)
from similarity_lab.plots.images import (
    contact_sheet,
    neighbour_sheet,
    reference_neighbours,
    site_sheet,
)
from similarity_lab.plots.value import trade_off

__all__ = [
    "contact_sheet",
    "distance_histogram",
    "embedding_map",
    "lines",
    "neighbour_sheet",
    "reference_neighbours",
    "reliability_curves",
    "roc_curves",
    "site_sheet",
    "trade_off",
    "training_curves",
]


def _register_with_notebook() -> None:
    """Let IPython display a figure that ends a cell, as ``%matplotlib inline`` does."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return
    formatters = shell.display_formatter.formatters
    if not any(Figure in formatter.type_printers for formatter in formatters.values()):
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, {"png"})


_register_with_notebook()
