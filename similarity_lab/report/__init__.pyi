from .gallery import render_gallery
from .labelling import Labelling, label
from .page import write_report
from .spreadsheets import escape_formulas, write_csv, write_xlsx

__all__ = [
    "Labelling",
    "escape_formulas",
    "label",
    "render_gallery",
    "write_csv",
    "write_report",
    "write_xlsx",
]
