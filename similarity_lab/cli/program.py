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

from similarity_lab._version import __version__
from similarity_lab.cli import collect, decide, demo, embed, fetch, rank, search
from similarity_lab.errors import SimilarityLabError

__all__ = ["main", "make_parser"]

DONE, BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 0, 2, 130, 141

_DESCRIPTION = "Decide from the images of suppliers' websites which of them sell a product."
_COMMANDS = (demo, rank, decide, collect, embed, search, fetch)


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
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may contain undecodable bytes
        sys.stdout.reconfigure(errors="backslashreplace")
    options = make_parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _print_warning
            options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("similarity-lab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes at exit, which would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (SimilarityLabError, OSError) as error:
        print(f"similarity-lab: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return DONE


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
