"""Pictures of what the package finds.

Each function returns a matplotlib figure that belongs to the caller; none is shown or saved here.
"""

from .charts import distance_histogram, embedding_map, lines, roc_curves, training_curves
from .photos import contact_sheet, neighbour_sheet, reference_neighbours, site_sheet
from .value import trade_off

__all__ = [
    "contact_sheet",
    "distance_histogram",
    "embedding_map",
    "lines",
    "neighbour_sheet",
    "reference_neighbours",
    "roc_curves",
    "site_sheet",
    "trade_off",
    "training_curves",
]
