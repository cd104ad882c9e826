"""The command line: ``similarity-lab``."""

from similarity_lab.cli.app import main

__all__ = ["main"]
