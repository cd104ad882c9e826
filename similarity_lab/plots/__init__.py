"""Figures: charts of measurements and decisions, sheets of images, value against cost.

Each function returns a matplotlib figure that belongs to the caller and draws on ``ax=`` if it is
given; nothing is displayed or saved, and no setting of matplotlib is changed. A notebook displays a
figure that ends a cell, without ``%matplotlib inline``. Needs the extra ``plots``.
"""

from importlib.util import find_spec

from similarity_lab.errors import MissingExtraError

if find_spec("matplotlib") is None:
    raise MissingExtraError("Drawing figures", "matplotlib", "plots")

from similarity_lab.plots.charts import distance_histogram, embedding_map, lines, training_curves
from similarity_lab.plots.decisions import (
    confusion_matrix,
    coverage_curves,
    precision_recall_curves,
    reliability_curves,
    roc_curves,
)
from similarity_lab.plots.images import (
    contact_sheet,
    evidence_strip,
    neighbour_sheet,
    reference_neighbours,
    site_sheet,
)
from similarity_lab.plots.value import trade_off

__all__ = [
    "confusion_matrix",
    "contact_sheet",
    "coverage_curves",
    "distance_histogram",
    "embedding_map",
    "evidence_strip",
    "lines",
    "neighbour_sheet",
    "precision_recall_curves",
    "reference_neighbours",
    "reliability_curves",
    "roc_curves",
    "site_sheet",
    "trade_off",
    "training_curves",
]


def __dir__() -> list[str]:
    return __all__  # for Tab: only what draws
