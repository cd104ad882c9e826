"""The program ``similarity-lab``: its parser, and errors as exit codes.

Exit codes: 0 done, 2 bad usage or input (one line on stderr), 130 interrupted, 141 the reader of
the output has closed it (``similarity-lab … | head``).
"""

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from similarity_lab._version import __version__
from similarity_lab.cli import collect, decide, demo, embed, fetch, rank, search, status
from similarity_lab.errors import SimilarityLabError

__all__ = ["main", "make_parser"]

DONE, BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 0, 2, 130, 141

_DESCRIPTION = "Decide from the images of suppliers' websites which of them sell a product."
_MANY = ("sites", "images", "queries")  # arguments of which a command takes any number
_COMMANDS = (demo, rank, status, decide, collect, embed, search, fetch)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        The exit code.
    """
    try:
        return _run(arguments)
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            _discard_if_closed(stream)
        return BROKEN_PIPE


def _run(arguments: Sequence[str] | None) -> int:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may contain undecodable bytes
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options = _parse(arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _print_warning
            options.run(options)
        sys.stdout.flush()
    except SystemExit:  # --help has printed
        sys.stdout.flush()
        raise
    except KeyboardInterrupt:
        print("similarity-lab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except (SimilarityLabError, OSError) as error:
        print(f"similarity-lab: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return DONE


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; sites, images and queries may stand before and after options."""
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest:
        values = next((getattr(options, name, None) for name in _MANY if name in options), None)
        if values is None or any(word.startswith("-") for word in rest):
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        values.extend(rest)
    return options


def _discard_if_closed(stream: TextIO) -> None:
    """Let a stream write to nowhere if its reader has closed it; Python flushes at exit."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as one line, without the line of code that it comes from."""
    print(f"similarity-lab: warning: {' '.join(str(message).split())}", file=sys.stderr)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="similarity-lab", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"similarity_lab {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser
