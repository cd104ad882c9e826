"""The command line: one module per command, shared options in `options`."""

from similarity_lab.cli.program import main

__all__ = ["main"]
