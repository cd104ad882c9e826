"""Pages one can send to a colleague: the decisions, and the images that led to them."""

from similarity_lab.report.gallery import gallery
from similarity_lab.report.page import write_report
from similarity_lab.report.text import spreadsheet_safe

__all__ = ["gallery", "spreadsheet_safe", "write_report"]
