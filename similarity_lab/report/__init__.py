"""Report decisions to people: static pages, a notebook gallery, a labelling widget, safe tables."""

from similarity_lab.report.gallery import render_gallery
from similarity_lab.report.labelling import Labelling, label
from similarity_lab.report.page import write_report
from similarity_lab.report.spreadsheets import escape_formulas, write_csv, write_xlsx

__all__ = [
    "Labelling",
    "escape_formulas",
    "label",
    "render_gallery",
    "write_csv",
    "write_report",
    "write_xlsx",
]
