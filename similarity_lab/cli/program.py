"""The program ``similarity-lab``: its parser, and errors as exit codes.

Exit codes: 0 done, 2 bad usage or input (one line on stderr), 130 interrupted, 141 the reader of
the output has closed it (``similarity-lab … | head``).
"""

import argparse
import io
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, TextIO

from similarity_lab._version import __version__
from similarity_lab.cli import collect, decide, demo, embed, fetch, rank, search, status
from similarity_lab.cli.tables import print_line
from similarity_lab.errors import SimilarityLabError, did_you_mean

__all__ = ["main", "make_parser"]

DONE, BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 0, 2, 130, 141

_DESCRIPTION = "Decide from the images of suppliers' websites which of them sell a product."
_EPILOG = (
    "To see it work: similarity-lab demo. The options of a command: similarity-lab COMMAND --help"
)
_MANY = ("sites", "images", "queries")  # arguments of which a command takes any number
_COMMANDS = (demo, rank, status, decide, collect, embed, search, fetch)
_RESUMABLE = [command._run for command in (demo, rank, collect, fetch)]


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
    options = None
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
        resumes = options is not None and options.run in _RESUMABLE
        hint = "; the same command resumes" if resumes else ""
        print(f"similarity-lab: interrupted{hint}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except (SimilarityLabError, OSError) as error:
        print_line(f"similarity-lab: error: {' '.join(str(error).split())}", sys.stderr)
        return BAD_INPUT
    return DONE


class _Formatter(argparse.HelpFormatter):
    """Wraps all texts but examples, which are lines to copy; usage names what is required."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        """Add the usage; of options that may be left out, only that there are some."""
        actions = list(actions)
        shown = [action for action in actions if action.required or not action.option_strings]
        if len(shown) < len(actions):
            shown.insert(0, argparse.Action(["options"], "options", nargs=0))  # "[options]"
        super().add_usage(usage, shown, (), prefix)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("example:") else super()._fill_text(text, width, indent)


class _Parser(argparse.ArgumentParser):
    """A parser with errors of one line, which name what was probably meant."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(formatter_class=_Formatter, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: error: {message}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401
        """Refuse an unknown option first: the others are missing because of it, perhaps."""
        flags = self._option_string_actions
        for word in sys.argv[1:] if args is None else args:
            name = word.partition("=")[0]
            if name == "--" or (self._subparsers is not None and not name.startswith("-")):
                break  # values, or the options of a command
            if name.startswith("--") and not any(flag.startswith(name) for flag in flags):
                known = {flag.lstrip("-"): flag for flag in flags}
                hint = did_you_mean(name.lstrip("-"), known).replace("'", "'--", 1)
                self.error(f"unknown option {name}.{hint}" if hint else f"unknown option {name}")
        return super().parse_known_args(args, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(value, action.choices)
            choices = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(action, f"unknown {value!r}.{hint} Choose from {choices}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; sites, images and queries may stand before and after options."""
    parser = make_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help(sys.stderr)
        parser.exit(BAD_INPUT)
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
    print_line(f"similarity-lab: warning: {' '.join(str(message).split())}", sys.stderr)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(prog="similarity-lab", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"similarity_lab {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser
