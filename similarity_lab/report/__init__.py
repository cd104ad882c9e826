"""A page one can send to a colleague: the decisions, and the images that led to them."""

from similarity_lab.report.page import write_report

__all__ = ["write_report"]
